// What runs, and what can be done about it; each button says beside it what that does to the hardware.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { duration } from "../words.js";
import { createOutcome, looksOn, roleMissing } from "./acting.js";
import { createButton, createTwoStep } from "./button.js";
import { createInterrupted } from "./interrupted.js";
import { createParameters } from "./parameters.js";

const STATES = {
  starting: ["…", "starting", "The instrument is made safe and its devices are connected. Wait."],
  idle: ["○", "idle", "No plan runs."],
  running: ["▶", "running", ""],
  paused: ["Ⅱ", "paused", "The reactor is as hot as it was, and flows. A pause that is longer than the limit (15 min, unless the instrument file says otherwise) ends in an abort."],
  interrupted: ["!", "interrupted", "A plan came to an end that nobody saw. Nothing begins before that is acknowledged."],
  unsafe: ["!", "NOT SAFE", "It is not known that the instrument is safe; nothing begins. Go there: heater supplies off, pumps stopped, shutter closed."],
  stopping: ["…", "stopping", "What runs is aborted, the instrument made safe, the processes end."],
};

// ends: they are never kept back because the server is not heard: what was seen last may be over.
const ACTIONS = [
  {
    name: "Pause", path: "pause", body: { deferred: true }, in: ["running"], ends: true,
    does: "Waits once this point is measured. Ovens and pumps stay as they are: it flows on, hot. Plans without points do not pause so.",
    done: "asked for; it pauses when this point is measured",
  },
  {
    name: "Pause now", path: "pause", body: { deferred: false }, in: ["running"], ends: true,
    does: "Waits where it is, ovens and pumps as they are. The point that is being measured is begun again when it goes on.",
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
]; // prettier-ignore

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
    course, asked.node, explained, why, interrupted.node, outcome.node,
    element("ul", { class: "q-actions" }, actions.map((action) => action.node)),
  ); // prettier-ignore

  function update() {
    const { status } = page.live.sections;
    const facts = status?.facts ?? null;
    const [mark, word, words] = STATES[facts?.state] ?? ["?", facts?.state ?? "not known", ""];
    node.dataset.state = facts?.state ?? "unknown";
    say(sign, mark);
    say(state, word);
    const running = facts?.running ?? null;
    say(plan, running ? `${running.plan}${page.live.sections.queue?.running?.user ? `, queued by ${page.live.sections.queue.running.user}` : ""}` : "");
    plan.title = running ? [`item ${running.item}`, running.run_uid && `run ${running.run_uid}`].filter(Boolean).join("\n") : "";
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
    return Number.isFinite(silence) ? `The server is not heard: this is how it was ${duration(silence)} ago, not how it is.` : "The server has not been heard yet.";
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

function createAction(page, action, outcome) {
  const { name, path, body, does, done, question, yes } = action;
  const press = () => outcome.act(name, () => post(path, body), done);
  const id = `q-does-${path}${body?.deferred === false ? "-now" : ""}`;
  const attributes = { "aria-describedby": id, class: question && path !== "stop" ? "dangerous" : null };
  const button = question ? createTwoStep(page, name, question, yes, press, attributes) : createButton(page, name, press, attributes);
  const because = element("span", { class: "q-because" });
  const node = element("li", { class: `q-action q-${path}` }, button.node, element("p", { id }, does, because));

  function reason(facts) {
    const missing = roleMissing(page, action.role);
    if (missing) return missing;
    if (page.live.stale) return action.ends ? null : "the server is not heard";
    if (facts === null) return "the daemon does not answer";
    if (!action.in.includes(facts.state)) return `it is ${facts.state}`;
    if (facts.running === null) return "no plan has begun yet";
    return null;
  }
  function update(facts) {
    const why = reason(facts);
    node.hidden = action.role === "admin" && page.live.who?.role !== "admin";
    button.allow(why);
    say(because, why === null || looksOn(page, action.role) ? "" : ` Not now: ${why}.`);
  }
  return { node, update };
}
