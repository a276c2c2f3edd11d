// What can be done about the plan that runs, and what that does to the hardware.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { duration, endingInWords } from "../words.js";
import { looksOn, roleMissing, unheard } from "./acting.js";
import { createButton, createTwoStep } from "./button.js";

// ends: never kept back where it is not known what runs; the daemon refuses what it cannot do.
// pauses: and what becomes of a pause that is too long is told.
// prettier-ignore
export const ACTIONS = [
  {
    name: "Pause", path: "pause", body: { deferred: true }, in: ["running"], ends: true, pauses: true,
    does: "Waits once this point is measured. Ovens and pumps stay as they are: it flows on, hot. Plans without points do not pause so.",
    done: "asked for; it pauses when this point is measured",
  },
  {
    name: "Pause now", path: "pause", body: { deferred: false }, in: ["running"], ends: true, pauses: true,
    does: "Waits where it is, ovens and pumps as they are. Resumed, it begins this point again; a plan without points, all of it.",
    done: "asked for",
  },
  {
    name: "Resume", path: "resume", in: ["paused"],
    does: "Goes on with the point at which it paused.",
    done: "asked for; it goes on",
  },
  {
    name: "Stop", path: "stop", in: ["running", "paused"], ends: true, question: "Stop this plan now?", yes: "Yes, stop it",
    does: "Ends now as if it were done, with its clean-up; then heaters and pumps are made safe. The queue stops.",
    done: "asked for; clean-up, then the safe state",
  },
  {
    name: "Abort", path: "abort", in: ["running", "paused"], ends: true, question: "Abort this plan now?", yes: "Yes, abort it",
    does: "Ends now as aborted, with its clean-up; then heaters and pumps are made safe. The queue stops.",
    done: "asked for; clean-up, then the safe state",
  },
  {
    name: "Halt", path: "halt", in: ["running", "paused"], ends: true, role: "admin", question: "Halt, without clean-up?", yes: "Yes, halt it",
    does: "Ends now without the plan's clean-up (a shutter may stay open meanwhile); then the safe state. The queue stops.",
    done: "asked for; no clean-up, then the safe state",
  },
];

// What ends a plan, the weakest first: a stronger wish may still end one that a weaker one does not.
const STRENGTHS = ["stop", "abort", "halt"];

function isStronger(path, how) {
  return STRENGTHS.includes(how) && STRENGTHS.indexOf(path) > STRENGTHS.indexOf(how);
}

// What becomes of a pause that nobody ends.
export function afterPause(facts) {
  return facts?.pause_limit_s ? ` After ${duration(facts.pause_limit_s)} it is aborted.` : "";
}

// A button, and beside it what it does, and why not now.
export function createAction(page, action, outcome) {
  const { name, path, body, does, done, question, yes } = action;
  const press = () => outcome.act(name, () => post(path, body), done);
  const id = `q-does-${path}${body?.deferred === false ? "-now" : ""}`;
  const attributes = { "aria-describedby": id, class: question && path !== "stop" ? "dangerous" : null };
  const button = question
    ? createTwoStep(page, name, question, yes, press, attributes)
    : createButton(page, name, press, attributes);
  const limit = element("span");
  const because = element("span", { class: "q-because" });
  const node = element("li", { class: `q-action q-${path}` }, button.node, element("p", { id }, does, limit, because));

  function reason(facts) {
    const missing = roleMissing(page, action.role);
    if (missing) return missing;
    if (unheard(page)) return action.ends ? null : unheard(page);
    if (!action.in.includes(facts.state)) return `it is ${facts.state}`;
    if (facts.ending && !isStronger(path, facts.ending.how)) return `it is ending: ${endingInWords(facts.ending)}`;
    if (body?.deferred && facts.pause_pending) return "it is pausing already";
    if (facts.running === null) return "no plan has begun yet";
    return null;
  }
  function update(facts) {
    const why = reason(facts);
    node.hidden = action.role === "admin" && page.live.who?.role !== "admin";
    button.allow(why);
    say(limit, action.pauses ? afterPause(facts) : "");
    say(because, why === null || looksOn(page, action.role) ? "" : ` Not now: ${why}.`);
  }
  return { node, update };
}
