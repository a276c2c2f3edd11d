// The box for a plan whose end nobody saw: what happened, and what somebody who has looked can do.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { createOutcome, roleMissing, unheard } from "./acting.js";
import { createButton } from "./button.js";

// Which item it was, is told in the words of the status.
const ITEM = /flowlab queue ack ([\w-]+)/;

const SAFE = {
  true: "The instrument was made safe, each device read back.",
  false: "It is NOT known that the instrument is safe: go there.",
  null: "The instrument is being made safe.",
};

export function createInterrupted(page) {
  let uid = null;
  const outcome = createOutcome(page);
  const what = element("p");
  const safe = element("p");
  const seen = createButton(page, "I have seen it: acknowledge", acknowledge);
  const rest = createButton(page, "Acknowledge, and queue what is left", goOn);
  const box = element(
    "div",
    { class: "q-interrupted", role: "alert" },
    element("h3", {}, "! Interrupted"),
    what,
    safe,
    element("p", { class: "q-buttons" }, seen.node, " ", rest.node),
    element(
      "p",
      { class: "q-small" },
      "The item becomes history. It is never run again by itself; what is left of a scan can be queued, at the front, as another run.",
    ),
  );
  const node = element("div", {}, box, outcome.node);

  function acknowledge() {
    const mine = uid;
    return outcome.act(
      "Acknowledge",
      () => post("ack", { uid: mine }),
      ({ item }) => `${item?.name ?? "the item"} is history now; the queue can be started`,
    );
  }
  async function goOn() {
    const mine = uid;
    if ((await acknowledge()) === null) return;
    await outcome.act(
      "Queue what is left",
      () => post(`history/${mine}/resume`),
      ({ item }) => `what is left of ${item?.name ?? "it"} is queued, at the front; start the queue when all is ready`,
    );
  }

  function update(facts) {
    const found = facts?.why?.match(ITEM) ?? null;
    // Where its end could not even be recorded, it is still the one that runs.
    const unrecorded = facts?.state === "interrupted" ? page.live.sections.queue?.running?.item_uid : null;
    uid = found ? found[1] : (unrecorded ?? null);
    box.hidden = uid === null;
    if (facts?.running) outcome.settle();
    if (uid === null) return;
    say(
      what,
      (facts.why ?? "Its end could not be recorded.")
        .replace(new RegExp(`; ${ITEM.source}`), "")
        .replaceAll("; ", ";\n"),
    );
    say(safe, `${SAFE[facts.safe] ?? ""} Look at the reactor, and find out what stands in it; then:`);
    const why = roleMissing(page) ?? unheard(page);
    seen.allow(why);
    rest.allow(why);
  }
  return { node, update };
}
