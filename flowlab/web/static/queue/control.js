// What runs, and what can be done about it; each button says beside it what that does to the hardware.

import { element, say } from "../dom.js";
import { duration, endingInWords } from "../words.js";
import { createOutcome } from "./acting.js";
import { ACTIONS, afterPause, createAction } from "./actions.js";
import { createInterrupted } from "./interrupted.js";
import { createParameters } from "./parameters.js";

const STATES = {
  starting: ["…", "starting", "The instrument is made safe and its devices are connected. Wait."],
  idle: ["○", "idle", "No plan runs."],
  running: ["▶", "running", ""],
  pausing: ["▶", "pausing", "A pause was asked for; it goes on until it can pause."],
  ending: ["…", "ending", "Then the instrument is made safe, and the queue stops."],
  paused: [
    "Ⅱ",
    "paused",
    "Ovens and pumps go on as they were: a reactor that was hot is hot, and flows.",
  ],
  interrupted: [
    "!",
    "interrupted",
    "A plan came to an end that nobody saw. Nothing begins before that is acknowledged.",
  ],
  unsafe: [
    "!",
    "NOT SAFE",
    "It is not known that the instrument is safe; nothing begins. Go there: heater supplies off, pumps stopped, shutter closed.",
  ],
  stopping: ["…", "stopping", "What runs is aborted, the instrument made safe, the processes end."],
};

// What it does, by the names above.
function nameOf(facts) {
  if (facts?.ending && facts.state !== "stopping") return "ending";
  return facts?.state === "running" && facts.pause_pending ? "pausing" : facts?.state;
}

export function createControl(page, plans) {
  const outcome = createOutcome(page);
  const sign = element("span", { class: "q-sign", "aria-hidden": "true" });
  const state = element("strong");
  const plan = element("span", { class: "q-plan" });
  const explained = element("p", { class: "q-explained" });
  const why = element("p", { class: "q-why" });
  const progress = element("progress", { "aria-label": "Points measured" });
  const points = element("span");
  const course = element("p", { class: "q-course" }, progress, points);
  const interrupted = createInterrupted(page);
  const asked = createParameters(plans);
  const actions = ACTIONS.map((action) => createAction(page, action, outcome));
  const node = element(
    "section",
    { class: "card q-control", "aria-labelledby": "q-control-title" },
    element("h2", { id: "q-control-title" }, "What runs"),
    element("p", { class: "q-state" }, sign, " ", state, " ", plan),
    course,
    asked.node,
    explained,
    why,
    interrupted.node,
    outcome.node,
    element(
      "ul",
      { class: "q-actions" },
      actions.map((action) => action.node),
    ),
  );

  function update() {
    const { status } = page.live.sections;
    const facts = status?.facts ?? null;
    const is = nameOf(facts);
    const [mark, word, does] = STATES[is] ?? ["?", is ?? "not known", ""];
    let words = does;
    if (is === "paused") words += afterPause(facts);
    if (is === "ending") words = `It ends: ${endingInWords(facts.ending)}. ${does}`;
    if (node.dataset.state !== (facts?.state ?? "unknown")) outcome.settle();
    node.dataset.state = facts?.state ?? "unknown";
    say(sign, mark);
    say(state, word);
    const running = facts?.running ?? null;
    say(
      plan,
      running
        ? `${running.plan}${page.live.sections.queue?.running?.user ? `, queued by ${page.live.sections.queue.running.user}` : ""}`
        : "",
    );
    plan.title = running
      ? [`item ${running.item}`, running.run_uid && `run ${running.run_uid}`].filter(Boolean).join("\n")
      : "";
    showPoints(running);
    const item = running && page.live.sections.queue?.running;
    asked.node.hidden = !item;
    if (item) asked.update(item);
    say(explained, page.live.stale ? howOld() : facts ? words : (status?.lost ?? "The daemon has not been heard yet."));
    explained.hidden = explained.textContent === "" || (facts?.state === "interrupted" && !page.live.stale);
    const reason = facts?.why ?? (facts ? null : status?.lost);
    why.hidden = !reason || reason === explained.textContent || facts?.state === "interrupted";
    say(why, reason ?? "");
    interrupted.update(facts);
    for (const action of actions) action.update(facts);
  }

  function howOld() {
    const { silence_s: silence } = page.live;
    return Number.isFinite(silence)
      ? `The server is not heard: this is how it was ${duration(silence)} ago, not how it is.`
      : "The server has not been heard yet.";
  }

  function showPoints(running) {
    course.hidden = running === null;
    if (running === null) return;
    const { done, of, run_uid: uid } = running;
    progress.hidden = !of;
    if (of) {
      progress.max = of;
      progress.value = done;
    }
    const run = uid ? `, run ${uid.slice(0, 8)}` : ", no run yet";
    say(points, of ? `${done} of ${of} points${run}` : `${done > 0 ? `${done} points` : "without points"}${run}`);
    points.title = uid ?? "";
  }

  return { node, update };
}
