// Acknowledging an interlock that tripped: the button, and the dialog that says what tripped and what it does.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { createOutcome, roleMissing, unheard } from "../queue/acting.js";
import { createButton } from "../queue/button.js";
import { quantity } from "../reactor/judgement.js";
import { heard, named } from "../reactor/places.js";
import { words } from "../words.js";

const TOO_QUICK_MS = 400; // the second click of a double one is no answer

// Only for who may: hidden from everybody else. show(name) with the interlock's, or null.
export function createAcknowledgeButton(page) {
  let name = null;
  const node = element("button", { type: "button", class: "small", hidden: true, onclick: () => page.acknowledge(name) }, "Acknowledge…");
  return {
    node,
    show(which) {
      name = which;
      node.hidden = name === null || roleMissing(page) !== null;
      if (name !== null) node.setAttribute("aria-label", `Acknowledge… ${words(name)}`);
    },
  };
}

// `tell(level, text)` shows what came of it once the dialog is closed.
export function createAcknowledge(page, tell) {
  const { live } = page;
  let name = null;
  let opened = 0;
  const title = element("h2", { id: "acknowledge-title" });
  const what = element("p");
  const when = element("p");
  const now = element("p");
  const outcome = createOutcome(page);
  const yes = createButton(page, "Acknowledge", acknowledge, { class: "main" });
  const no = element("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Not yet");
  const dialog = element("dialog", { "aria-labelledby": "acknowledge-title" },
    title, what, when, now,
    element("p", {}, "Find the cause first. Once it is acknowledged, plans may run again; nothing moves by itself. Where its cause lasts, it trips again."),
    outcome.node,
    element("p", { class: "q-buttons" }, yes.node, " ", no),
  ); // prettier-ignore

  function latch() {
    return live.sections.status?.facts?.latched?.find((one) => one.name === name) ?? null;
  }

  async function acknowledge() {
    if (performance.now() - opened < TOO_QUICK_MS) return;
    const mine = name;
    const done = await outcome.act("Acknowledge", () => post(`interlocks/${encodeURIComponent(mine)}/acknowledge`), "done");
    if (done === null || mine !== name) return;
    dialog.close();
    tell("ok", `The interlock ${words(mine)} is acknowledged, and watched again: plans may run.`);
  }

  return {
    dialog,
    open(which) {
      name = which;
      opened = performance.now();
      outcome.tell("", "");
      this.update();
      if (!dialog.open) dialog.showModal();
    },
    update() {
      if (name === null) return;
      const latched = latch();
      const readings = live.stale ? null : heard(live.sections.readings, live.now_s());
      const lock = readings?.interlocks.find((one) => one.name === name);
      say(title, `Acknowledge ${words(name)}`);
      if (latched) say(what, `It tripped on ${new Date(latched.time * 1000).toLocaleString([], { hour12: false })}: ${latched.reason}.`);
      say(when, lock ? `Its condition: ${lock.when}.` : "");
      say(now, lock ? asRead(lock, readings.gauges) : "What is read now is not known.");
      yes.allow(roleMissing(page) ?? unheard(page) ?? (latched ? null : "it is not latched any more"));
    },
  };
}

// What the gauges say that an interlock looks at.
function asRead({ when }, gauges) {
  const seen = gauges.filter(({ device, signal }) => when.includes(`${device}.${signal} `));
  const said = seen.map((gauge) => `${named(gauge)} ${gauge.value === null ? "not known" : quantity(gauge.value, gauge.units)}`);
  return said.length ? `Now: ${said.join(", ")}.` : "What is read now is not known: no gauge shows it.";
}
