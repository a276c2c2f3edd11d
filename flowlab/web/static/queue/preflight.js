// What a plan would do, asked for while the form is filled in; nothing moves.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { duration } from "../words.js";
import { preflightInWords } from "./told.js";

const AFTER_MS = 400;

export function createPreflight(page) {
  const head = element("p", { class: "q-preflight-head", role: "status" });
  const facts = element("dl", { class: "q-facts" });
  const steps = element("ol");
  const each = element("details", { class: "q-steps" }, element("summary", {}, "Step by step"), steps);
  const node = element("div", { class: "q-preflight" }, head, facts, each);
  let timer = null;
  let asked = null;
  let number = 0;

  function show(kind, text, found = null) {
    node.dataset.kind = kind;
    say(head, text);
    facts.hidden = each.hidden = found === null;
  }

  // With null: the form is not filled in, for this reason.
  function ask(plan, parameters, why = "") {
    const question = parameters === null ? null : JSON.stringify([plan, parameters]);
    if (question !== null && question === asked) return;
    clearTimeout(timer);
    number += 1;
    asked = question;
    if (question === null) return show("none", `Not checked yet: ${why}.`);
    show("asking", "What it would do is being reckoned …");
    timer = setTimeout(() => reckon(number, plan, parameters), AFTER_MS);
  }

  async function reckon(mine, plan, parameters) {
    try {
      const found = await post(`plans/${encodeURIComponent(plan)}/preflight`, { parameters });
      if (mine === number) tell(found);
    } catch (error) {
      if (mine !== number) return;
      asked = null; // so that it is asked once more
      show("bad", `✗ ${error.message}`);
    }
  }

  function tell(found) {
    const rows = preflightInWords(found, page.live.sections.readings?.speed).flatMap(([what, words, long]) => [
      element("dt", {}, what),
      element("dd", { class: long ? "q-long" : null }, words),
    ]);
    facts.replaceChildren(...rows);
    const told = found.steps.map(({ does, seconds_at_most: seconds }) =>
      element("li", {}, `${does || "before it begins"}: at most ${duration(seconds)}`),
    );
    steps.replaceChildren(...told);
    show("good", "✓ It may be queued. What it would do:", found);
  }

  return { node, ask };
}
