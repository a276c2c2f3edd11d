// Asking the server, and having it do something: the HTTP API, with the token in its header and nowhere else.

import { decode } from "./live.js";

// How long the server may take: as long as it waits for the daemon, and a little more.
const WITHIN_MS = 25000;
const LONG = { "safe-state": 65000, "environment/close": 65000, "environment/destroy": 65000 };
const TOKEN = "flowlab token";

// The token lives as long as the tab; it is in no address and in no cookie.
export function token() {
  return sessionStorage.getItem(TOKEN);
}

export function keepToken(text) {
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
}

export class RefusedError extends Error {}

async function ask(method, path, body) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const signal = AbortSignal.timeout(LONG[path] ?? WITHIN_MS);
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}`, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new RefusedError("the server does not answer; whether it did what it was asked for is not known");
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new RefusedError(said.detail ?? `${answer.status} ${answer.statusText}`);
  }
  return answer;
}

export async function get(path) {
  return (await ask("GET", path)).json();
}

export async function post(path, body = {}) {
  return (await ask("POST", path, body)).json();
}

export async function remove(path) {
  return (await ask("DELETE", path)).json();
}

// A message with arrays, as the connection brings them.
export async function arrays(path) {
  return decode(await (await ask("GET", path)).arrayBuffer());
}
