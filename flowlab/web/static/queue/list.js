// The queue: what is to be run, in which order.

import { post, remove } from "../api.js";
import { element, say } from "../dom.js";
import { words } from "../words.js";
import { createOutcome, looksOn, roleMissing, unheard } from "./acting.js";
import { createButton, createTwoStep } from "./button.js";
import { counted } from "./numbers.js";
import { createParameters } from "./parameters.js";

export function createList(page, plans) {
  const outcome = createOutcome(page);
  const rows = new Map(); // by the items' uids
  const act = outcome.act;
  const start = createButton(
    page,
    "Start the queue",
    () => act("Start the queue", () => post("queue/start"), "started"),
    { title: "Runs the items one after another, until there is none or one does not end well" },
  );
  const stop = createButton(page, "Stop after this plan", () =>
    act("Stop after this plan", () => post("queue/stop"), "the queue stops when this plan has ended"),
  );
  const go = createButton(page, "Do not stop after it", () =>
    act("Do not stop after it", () => post("queue/stop", { cancel: true }), "the queue goes on after this plan"),
  );
  const clear = createTwoStep(page, "Clear", "Take all items out of the queue?", "Yes, all of them", () =>
    act("Clear", () => remove("queue"), "the queue is empty"),
  );
  const title = element("h2", { id: "q-list-title" }, "Queue");
  const list = element("ol", { class: "q-list" });
  const none = element("p", { class: "q-small" });
  const because = element("p", { class: "q-small" });
  const node = element(
    "section",
    { class: "card q-queue", "aria-labelledby": "q-list-title" },
    title,
    element("p", { class: "q-buttons" }, start.node, " ", stop.node, " ", go.node, " ", clear.node),
    because,
    outcome.node,
    none,
    list,
  );

  let state = null;

  function update() {
    const { status, queue } = page.live.sections;
    const facts = status?.facts ?? null;
    if (facts?.state !== state) outcome.settle();
    state = facts?.state;
    const items = queue?.items ?? [];
    const missing = roleMissing(page) ?? unheard(page);
    const runs = ["running", "paused"].includes(facts?.state);
    start.allow(missing ?? whyNotStart(facts, items));
    const ending = facts?.ending ? "the plan is ending, and the queue stops with it" : null;
    stop.allow(roleMissing(page) ?? (unheard(page) ? null : runs ? ending : "the queue is not running"));
    go.allow(missing ?? (runs ? ending : "the queue is not running"));
    const stops = facts?.stop_pending === true;
    if (stops) swap(stop.node, go.node);
    else swap(go.node, stop.node);
    clear.allow(missing ?? (items.length > 0 ? null : "it is empty"));
    const waits = start.why && !runs && !looksOn(page) ? `Start: ${start.why}.` : "";
    const stopping = stops && runs ? "The queue stops after this plan." : waits;
    say(because, ending ? "The plan is ending, and the queue stops with it." : stopping);
    because.hidden = because.textContent === "";
    say(
      title,
      `Queue${queue ? `: ${counted(items.length, "item")}` : ""}${queue && unheard(page) ? ", when it was heard of last" : ""}`,
    );
    none.hidden = items.length > 0;
    say(none, queue ? "Nothing is queued." : "What is queued is not known: no daemon has been heard.");
    show(items, missing);
  }

  // Rows stay what they are while their items do, so that the keyboard stays where it was.
  function show(items, missing) {
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    const there = new Set(items.map((item) => item.item_uid));
    for (const [uid, row] of rows) {
      if (there.has(uid)) continue;
      row.node.remove();
      rows.delete(uid);
    }
    items.forEach((item, index) => {
      let row = rows.get(item.item_uid);
      if (!row) rows.set(item.item_uid, (row = createRow(page, plans, item.item_uid, outcome)));
      if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] ?? null);
      row.update(item, index, items.length, missing);
    });
    if (focused && focused !== document.activeElement && list.contains(focused)) focused.focus();
  }

  return { node, update };
}

// One button in the place of another, for the keyboard too.
function swap(from, to) {
  const focused = document.activeElement === from;
  from.hidden = true;
  to.hidden = false;
  if (focused) to.focus();
}

function whyNotStart(facts, items) {
  if (facts.state === "running" || facts.state === "paused") return "it is running";
  if (facts.state !== "idle") return `it is ${facts.state}`;
  if (facts.latched?.length) return `acknowledge ${facts.latched.map(({ name }) => words(name)).join(", ")} first`;
  return items.length > 0 ? null : "the queue is empty";
}

function createRow(page, plans, uid, outcome) {
  let name = "";
  const move = (index) =>
    outcome.act(
      `Move ${name}`,
      () => post(`queue/${encodeURIComponent(uid)}/move`, { index }),
      `${name} is at place ${index < 0 ? count : index + 1} of ${count} now`,
    );
  let place = 0;
  let count = 0;
  const first = createButton(page, "⇈", () => move(0), { "aria-label": "To the front", title: "To the front" });
  const up = createButton(page, "↑", () => move(place - 1), { "aria-label": "Up", title: "Up" });
  const down = createButton(page, "↓", () => move(place + 1), { "aria-label": "Down", title: "Down" });
  const last = createButton(page, "⇊", () => move(-1), { "aria-label": "To the back", title: "To the back" });
  const out = createTwoStep(page, "Remove", "Remove it?", "Yes, remove", () =>
    outcome.act(`Remove ${name}`, () => remove(`queue/${encodeURIComponent(uid)}`), "it is out of the queue"),
  );
  const heading = element("strong", { class: "q-name" });
  const who = element("span", { class: "q-small" });
  const parameters = createParameters(plans);
  const moves = element(
    "span",
    { class: "q-moves", role: "group" },
    first.node,
    up.node,
    down.node,
    last.node,
    out.node,
  );
  const node = element(
    "li",
    { title: uid },
    element("div", { class: "q-row" }, element("span", {}, heading, " ", who), moves),
    parameters.node,
  );

  function update(item, index, all, missing) {
    name = item.name;
    place = index;
    count = all;
    say(heading, item.name);
    moves.setAttribute("aria-label", `${item.name}, place ${index + 1} of ${count}`);
    const from = item.resumes?.first_point;
    say(
      who,
      [item.user ? `by ${item.user}` : "", from ? `goes on behind the ${from} points of an earlier run` : ""]
        .filter(Boolean)
        .join(", "),
    );
    parameters.update(item);
    const before = missing ?? (index > 0 ? null : "it is the first");
    const behind = missing ?? (index < count - 1 ? null : "it is the last");
    first.allow(before);
    up.allow(before);
    down.allow(behind);
    last.allow(behind);
    out.allow(missing);
  }
  return { node, update };
}
