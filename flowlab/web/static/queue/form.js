// The form of a plan: which one, what it is asked for, what it would do then; and queuing it.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { createOutcome, looksOn, roleMissing, unheard } from "./acting.js";
import { createButton } from "./button.js";
import { createFields } from "./fields.js";
import { counted } from "./numbers.js";
import { createPreflight } from "./preflight.js";
import { more, summary } from "./schema.js";

const TWICE_MS = 1000; // the second click of a double one queues nothing

// One parameter in each line.
function jsonOf(value) {
  const lines = Object.entries(value).map(([name, one]) => `  ${JSON.stringify(name)}: ${JSON.stringify(one)}`);
  return lines.length > 0 ? `{\n${lines.join(",\n")}\n}` : "{}";
}

export function createForm(page, plans) {
  const outcome = createOutcome(page);
  const preflight = createPreflight(page);
  const choice = element("select", { id: "q-plan", onchange: () => open(choice.value) });
  const about = element("p");
  const rest = element("details", { class: "hint" }, element("summary", {}, "More about it"));
  const place = element("div");
  const json = element("textarea", {
    class: "q-wide q-code",
    rows: 5,
    readonly: true,
    "aria-label": "The parameters as JSON",
  });
  const copy = createButton(page, "Copy", copyJson);
  const back = createButton(page, "Queue it", () => queue(null), { class: "main" });
  const front = createButton(page, "Queue it first", () => queue({ index: 0 }), {
    title: "Before all others that are queued",
  });
  const usual = createButton(page, "As usual", () => open(choice.value), { title: "Put every field back" });
  const because = element("p", { class: "hint" });
  const missing = element("p", { class: "error", hidden: true });
  const ask = createButton(page, "Ask again", () => plans.again());
  let fields = null;
  let schema = null;
  let shown = null;
  let last = { what: "", at: -Infinity };

  const title = element("h2", { id: "q-form-title", tabindex: -1 }, "Queue a plan");
  const node = element(
    "section",
    { class: "card q-form", "aria-labelledby": "q-form-title" },
    element(
      "div",
      { class: "q-formbody" },
      title,
      missing,
      element("p", { class: "q-choose" }, element("label", { for: "q-plan" }, "Plan"), " ", choice, " ", usual.node),
      about,
      rest,
      place,
    ),
    element(
      "div",
      { class: "q-submit" },
      preflight.node,
      element("p", { class: "q-buttons" }, back.node, " ", front.node, " ", because),
      outcome.node,
      element("details", { class: "q-json" }, element("summary", {}, "Show as JSON"), json, copy.node),
    ),
  );

  // The plans may have come anew: what was typed stays, where they are the same.
  function refresh() {
    say(missing, plans.why ? `The plans are not known: ${plans.why} ` : "");
    if (plans.why) missing.append(ask.node);
    missing.hidden = plans.why === null;
    ask.allow(null);
    const names = plans.names;
    if (names.join() !== [...choice.options].map((option) => option.value).join()) {
      const before = choice.value;
      choice.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
      if (names.includes(before)) choice.value = before;
    }
    const found = JSON.stringify(plans.schema(choice.value) ?? null);
    if (found !== shown) open(choice.value);
  }

  function open(name, parameters = {}) {
    schema = plans.schema(name) ?? null;
    shown = JSON.stringify(schema);
    node.classList.toggle("q-empty", schema === null);
    if (schema === null) return;
    choice.value = name;
    say(about, summary(schema));
    rest.hidden = more(schema).length === 0;
    rest.replaceChildren(rest.firstChild, ...more(schema).map((paragraph) => element("p", {}, paragraph)));
    fields = createFields(schema, schema, edited);
    place.replaceChildren(fields.node);
    fields.write(parameters);
    edited();
  }

  function edited() {
    outcome.tell("", "");
    const { value, why } = fields.read();
    preflight.ask(choice.value, why ? null : value, why);
    json.value = why ? "" : jsonOf(value);
    json.placeholder = why ? `not filled in: ${why}` : "";
    copy.allow(why ?? null);
    update();
  }

  async function queue(where) {
    const { value, why, node: field } = fields.read(true);
    if (why) {
      outcome.tell("bad", `✗ ${why}`);
      field.focus();
      return;
    }
    const item = { plan: choice.value, parameters: value, ...(where ? { place: where } : {}) };
    const what = JSON.stringify(item);
    if (what === last.what && performance.now() - last.at < TWICE_MS) return;
    last = { what, at: performance.now() };
    await outcome.act("Queue it", () => post("queue", item), queued);
  }

  function queued({ item, qsize }) {
    const facts = page.live.sections.status?.facts;
    const next = facts?.state === "idle" ? "; start the queue to run it" : "";
    return `queued: ${item.name}, item ${item.item_uid.slice(0, 8)}; ${counted(qsize, "item")} in the queue${next}`;
  }

  async function copyJson() {
    json.focus();
    json.select();
    try {
      await navigator.clipboard.writeText(json.value);
      outcome.tell("good", "✓ copied");
    } catch {
      outcome.tell("", "It is selected: Ctrl+C copies it.");
    }
  }

  // What an item was asked for, once more.
  function fill(item) {
    if (!plans.schema(item.name)) {
      page.say(`This instrument has no plan ${item.name}`);
      outcome.tell("bad", `✗ this instrument has no plan ${item.name}`);
      return;
    }
    open(item.name, item.kwargs ?? {});
    title.scrollIntoView({ block: "nearest" });
    title.focus();
    outcome.tell("", `Filled in as it was asked for then. Look at it, and queue it.`);
  }

  function update() {
    const why = roleMissing(page) ?? unheard(page) ?? (fields === null ? "the plans are not known yet" : null);
    back.allow(why);
    front.allow(why);
    usual.allow(fields ? null : "the plans are not known yet");
    say(because, why && !looksOn(page) ? `Not now: ${why}.` : "");
  }

  return { node, update, refresh, fill };
}
