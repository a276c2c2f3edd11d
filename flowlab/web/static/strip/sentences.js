// What the strip says: from what the server has told to words. Each answer is {level, title, lines}, the level one of
// ok, notice, warning, alarm, unknown, plain, cluster, exciton; some with `aside`, said beside the question, and
// `share`, of what is done. Nothing here touches the page.

import { quantity } from "../reactor/judgement.js";
import { flowing, hottest, named } from "../reactor/places.js";
import { clock, duration, endingInWords, number, withError, words } from "../words.js";

// Is it safe? What is old, or was not heard, is not known to be safe, whatever it was before.
export function safety({ who, stale, silence_s, refused, status, readings }) {
  if (refused) return say("unknown", "Not known", `the server lets nobody in like this: ${refused}`);
  if (silence_s === Infinity) return say("unknown", "Not known", "connecting to the server …");
  if (stale) return say("alarm", "Not known", `no news for ${duration(silence_s)}: what is shown is old`);
  if (who?.control === false) return say("unknown", "Not told here", "this page shows a run that no daemon sees to; nothing can be done from here");
  if (status?.lost) return say("alarm", "Not known", `the daemon does not answer: ${status.lost}`);
  const facts = status?.facts;
  if (!facts) return say("unknown", "Not known yet", "the daemon has not been heard yet");
  if (facts.safe === false || facts.state === "unsafe") return say("alarm", "NOT SAFE", ...unsafe(facts));
  if (facts.running && readings?.interlocks.some(({ action, tripped }) => tripped && action !== "hold")) {
    return say("alarm", hotAndFlowing(readings), "an interlock has tripped: the plan is aborted, then all is made safe");
  }
  if (facts.ending && facts.state !== "stopping") return say("notice", hotAndFlowing(readings), "the plan is ending; then it becomes safe");
  switch (facts.state) {
    case "running":
      return say("notice", hotAndFlowing(readings), "normal while a plan runs");
    case "paused":
      return say("warning", hotAndFlowing(readings), "though paused: heaters and flow stay as they are");
    case "starting":
      return say("notice", "Starting", "the instrument is made safe, then connected");
    case "stopping":
      return say("notice", "Stopping", "the instrument is made safe");
    case "interrupted":
      if (facts.safe) return say("warning", "Safe", "but a plan was interrupted: look at the reactor");
      return say("alarm", "Not known", "a plan was interrupted: look at the reactor");
  }
  if (facts.safe) {
    const gauges = readings?.gauges ?? [];
    const beyond = gauges.find(({ value, trips_above: limit }) => known(limit) && value > limit);
    if (beyond) {
      const is = `${named(beyond)} ${quantity(beyond.value, beyond.units)}`;
      return say("alarm", "Look there", `${is}: beyond where its interlock trips, though it was made safe. Does it obey?`);
    }
    const hot = hottest(gauges);
    const silent = gauges.find(({ units, value }) => units === "°C" && value === null);
    const still = hot && `still hot: ${named(hot).toLowerCase()} ${number(hot.value, 0)} °C`;
    const unheard = silent && `how hot it is now is not known: ${named(silent).toLowerCase()}`;
    return say("ok", "Safe", "each device was made safe and read back", still || unheard);
  }
  return say("warning", "Not known", "it has not been made safe since it was last used");
}

// While a plan has it: as the readings say, or, where they do not, as it has to be taken to be.
function hotAndFlowing(readings) {
  const gauges = readings?.gauges ?? [];
  const telling = gauges.filter(({ units }) => units === "°C" || units === "mL/min");
  if (!telling.length || telling.some(({ value }) => value === null)) return "Hot and flowing";
  if (hottest(gauges)) return flowing(gauges) ? "Hot and flowing" : "Hot, no flow";
  return flowing(gauges) ? "Flowing, not hot" : "Not hot, no flow";
}

// What does it do?
export function activity({ status, queue, run, points, spectrum }, pausedSince) {
  const facts = status?.facts;
  if (status?.lost) return say("unknown", "Not known", run && `${words(run.plan)} was what was heard of last`);
  if (!facts) return run ? say("plain", words(run.plan), ending(run)) : say("unknown", "–", "nothing is known of a plan");
  const waiting = inQueue(queue?.items?.length ?? facts.queue);
  const running = facts.running;
  if (!running) {
    const title = facts.state === "unsafe" ? "Nothing runs" : capital(facts.state);
    const next = facts.state === "running" ? "the next plan is about to begin" : "no plan runs";
    return say("plain", title, next, waiting, facts.safe === false ? null : trouble(facts));
  }
  const shown = run && run.uid === running.run_uid ? run : null;
  const done = shown?.points_done ?? running.done;
  const of = shown?.points_total ?? running.of;
  const share = of ? done / of : null;
  const count = of ? `${done} of ${of} points` : `${done} points so far`;
  const where = shown && (place(shown, spectrum) || place(shown, points.at(-1)));
  if (facts.ending) {
    const becomes = `${endingInWords(facts.ending)}; the instrument becomes safe`;
    return { ...say("notice", "Ending", becomes, `${words(running.plan)}, ${count}`), share };
  }
  if (facts.state !== "paused") return { ...say("plain", words(running.plan), count, where), share };
  const since = pausedSince ? ` since ${clock(pausedSince).slice(0, 5)}` : "";
  return { ...say("warning", `Paused${since}`, `${words(running.plan)}, ${count}`, where), share };
}

function inQueue(count) {
  if (!count) return "the queue is empty";
  return count === 1 ? "1 plan waits in the queue" : `${count} plans wait in the queue`;
}

// What was in the last spectrum?
export function lastSpectrum({ points, run }, now_s) {
  const point = points.at(-1);
  if (!point) return say("unknown", "None yet", run ? "no point is done in this run" : "no run yet");
  const aside = `${duration(now_s - point.time)} ago`;
  const where = place(run, point);
  if (!point.usable) return { ...say("warning", "Not usable", point.why || "why is not known", where), aside };
  const values = [];
  if (known(point.exciton_nm)) values.push(`exciton ${withError(point.exciton_nm, point.exciton_err_nm, "nm")}`);
  if (known(point.diameter_nm)) {
    const err = Math.hypot(point.diameter_fit_err_nm ?? 0, point.diameter_curve_err_nm ?? 0);
    values.push(`diameter ${withError(point.diameter_nm, err, "nm")}`);
  }
  const seen = (point.verdict || "nothing decided yet").split("; ").filter((part) => !part.startsWith("exciton "));
  const clusters = seen.map((part) => /^(.+) at (.+)$/.exec(part));
  if (seen.length === 0 || clusters.some((found) => found === null)) {
    return { ...say(kind(point), capital(seen.join("; ")) || "Crystals, no cluster", ...values, where), aside };
  }
  const names = clusters.map(([, name]) => name).join(", ");
  const positions = clusters.map(([, , position]) => position).join(", ");
  return { ...say("cluster", names, `at ${positions}`, ...values, where), aside };
}

// Where does the family accumulate?
export function accumulation({ window, run }) {
  if (!window) return say("unknown", "Not known yet", run ? "it is told when a panel is done" : "no run yet");
  const unit = run?.axes?.[0]?.unit ? `\u00a0${run.axes[0].unit}` : "";
  const panels = window.panels_done === 1 ? "1 panel" : `${window.panels_done} panels`;
  const aside = window.final ? "final" : known(window.panels_done) ? `so far, ${panels} done` : "so far";
  const open = window.undecided?.length ? `undecided at ${listed(window.undecided)}${unit}` : "";
  if (!window.found?.length) {
    const sought = window.not_found?.length ? `sought at ${listed(window.not_found)}${unit}` : "";
    const soFar = window.final ? "" : " so far";
    if (!sought) return { ...say("unknown", `${window.family}: not known yet`, open), aside };
    return { ...say("plain", `${window.family} not found${soFar}`, sought, open), aside };
  }
  const range = window.low === window.high ? `at ${trim(window.low)}` : `at ${trim(window.low)}…\u2060${trim(window.high)}`;
  const edges = [["begins", "lower"], ["ends", "upper"]]
    .filter(([, side]) => known(window[`${side}_edge`]))
    .map(([verb, side]) => `${verb} ${withError(window[`${side}_edge`], window[`${side}_edge_err`])}`)
    .join(", "); // prettier-ignore
  return { ...say("cluster", `${window.family} found ${range}${unit}`, edges && edges + unit, open), aside };
}

const LATE_S = 30;

// How long still?
export function remaining({ status, run }, now_s) {
  const running = status?.facts?.running;
  if (status?.lost || !status?.facts) return say("unknown", "Not known", run ? ending(run) : null);
  if (!running) return say("plain", "Nothing runs", run ? ending(run) : null);
  if (status.facts.ending) return say("plain", "Ending", `since ${clock(status.facts.ending.since).slice(0, 5)}`);
  const shown = run?.uid === running.run_uid ? run : null;
  if (shown?.stopped) return say("plain", "Ending", "its run has ended");
  const eta = shown?.eta;
  if (!known(eta?.seconds)) return say("unknown", "Not known yet", eta?.why ?? "the run has just begun");
  if (status.facts.state === "paused") return say("warning", `About ${duration(eta.seconds)}`, "once it goes on");
  const end_s = (eta.as_of ?? now_s) + eta.seconds;
  const late_s = now_s - end_s - (eta.err_seconds ?? 0);
  if (late_s > LATE_S) return say("warning", "Late", `no point for ${duration(now_s - eta.as_of)}, longer than the pace before`);
  const until = `until ${clock(end_s).slice(0, 5)}`;
  const about = known(eta.err_seconds) ? `${until}, ± ${duration(eta.err_seconds)}` : until;
  return say("plain", `About ${duration(Math.max(0, end_s - now_s))}`, about, eta.why);
}

// What has to be seen whatever else is looked at: lines of {level, text}, some with the view where something can be done
// about it (`see`), or the interlock that is to be acknowledged (`latched`).
export function alarms({ stale, silence_s, status, readings }) {
  if (silence_s === Infinity) return [];
  const unknown = "Whether the instrument is safe is not known.";
  if (stale) return [{ level: "alarm", text: `Nothing comes from the server, and what is shown is old. ${unknown}` }];
  const lines = [];
  const alarm = (text, more) => lines.push({ level: "alarm", text, ...more });
  const facts = status?.facts ?? {};
  if (status?.lost) alarm(`The daemon does not answer: ${status.lost}. ${unknown}`);
  if (facts.safe === false) alarm(`NOT SAFE, go to the instrument: ${unsafe(facts).join(": ")}`, { see: "#queue" });
  if (facts.state === "interrupted") alarm(`To be acknowledged: ${interruption(facts)}`, { see: "#queue" });
  const latched = facts.latched ?? [];
  for (const { name, reason } of latched) {
    alarm(`Interlock tripped: ${words(name)}: ${reason}. Nothing begins until it is acknowledged.`, { latched: name });
  }
  for (const { name, action, tripped } of readings?.interlocks ?? []) {
    if (!tripped || latched.some((one) => one.name === name)) continue;
    if (action === "hold") lines.push({ level: "warning", text: `Hold: ${words(name)}: ${tripped}. Exposures wait.` });
    else alarm(`Interlock tripped: ${words(name)}: ${tripped}. It is looked at again before a plan begins.`);
  }
  return lines;
}

function interruption({ interrupted, why }) {
  if (!interrupted) return why ?? "a plan was interrupted";
  return `${words(interrupted.plan)} was interrupted: ${interrupted.why}`;
}

// What is wrong, but for the command that acknowledges an interruption: here is a button for that.
function trouble({ why, interrupted }) {
  return why && interrupted ? why.replace(`; flowlab queue ack ${interrupted.item}`, "") : why;
}

// Where in the scan: nucleation 280 °C, growth offset −20 °C.
function place(run, at) {
  if (!run?.axes || !at) return "";
  const values = run.axes.length > 1 ? [at.panel, at.coordinate] : [at.coordinate];
  const words = run.axes.map(({ name, unit }, i) => {
    if (!known(values[i])) return "";
    return `${name.replace(/ temperature$/, "")} ${trim(values[i])}${unit ? `\u00a0${unit}` : ""}`;
  });
  return words.filter(Boolean).join(", ");
}

const ENDS = { success: "came to its end", abort: "was aborted", fail: "failed" };

function ending({ plan, stopped }) {
  if (!stopped) return "";
  const { time, exit_status: how, reason } = stopped;
  return `${words(plan)} ${ENDS[how] ?? how} at ${clock(time).slice(0, 5)}${reason ? `: ${reason}` : ""}`;
}

function say(level, title, ...lines) {
  return { level, title, lines: lines.filter(Boolean) };
}

function kind(point) {
  return known(point.exciton_nm) ? "exciton" : "plain";
}

// Which devices are not safe, and why the first is not: "NOT SAFE: growth_heater: no answer; NOT SAFE: …".
function unsafe(facts) {
  const parts = (trouble(facts) ?? "").split("NOT SAFE: ").filter(Boolean);
  const devices = parts.map((part) => part.split(": ")[0]);
  if (!devices.length) return ["why is not known"];
  const reason = parts[0].replaceAll(`${devices[0]}: `, "").replace(/; $/, "");
  return [[...new Set(devices)].map(words).join(", "), reason];
}

function known(value) {
  return value !== null && value !== undefined && !Number.isNaN(value);
}

function trim(value) {
  return number(value, Number.isInteger(value) ? 0 : 1);
}

function listed(values) {
  return values.map(trim).join(", ");
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
