// The buttons that are always within reach: the safe state, and pause.

import { post, token } from "../api.js";
import { element, say } from "../dom.js";
import { endingInWords } from "../words.js";

const ARMED_MS = 5000;
const DOUBT_MS = 8000; // heaters and flow are safe within two seconds, and all devices within a few more
const FLIP_MS = 1000; // a button that has just become another is not what was aimed at
const DOUBLE_MS = 350; // a second click that comes sooner is the same one
const IN_PLAIN = "It aborts the plan, sets the heaters to their safe temperature and stops the pumps.";

// Who may do something: why not, or null.
function whyNot(page) {
  const who = page.live.who;
  if (page.live.token_needed) return `The server lets nobody in like this: ${page.live.refused}.`;
  if (who?.control === false) return "There is no daemon here that could be asked.";
  if (!token() || who?.role === "viewer") return "You only look on: log in with an operator's token to use this.";
  return null;
}

function forbid(button, why, title) {
  button.setAttribute("aria-disabled", String(why !== null)); // it stays reachable, so that one can find out why
  button.title = why ?? title;
}

// The safe state, in two steps: the first says what the second will do. `tell(level, text)` shows what came of it,
// `ask(why)` opens the log-in.
export function createSafeButton(page, tell, ask) {
  const button = element("button", { type: "button", class: "dangerous", onclick: press, onkeydown: hold }, "Safe state");
  let armedAt = null;
  let working = false;
  let timer = null;

  function hold(event) {
    if (event.repeat) event.preventDefault(); // a key that is held down is pressed once
    if (event.key === "Escape" && armedAt !== null) disarm();
  }

  function disarm() {
    clearTimeout(timer);
    armedAt = null;
    button.classList.remove("armed");
    say(button, working ? "Making it safe …" : "Safe state");
    tell(null, "");
  }

  async function press() {
    const why = whyNot(page);
    if (working) return;
    if (why !== null) {
      page.say(why);
      ask(why);
      return;
    }
    if (armedAt === null) {
      armedAt = performance.now();
      button.classList.add("armed");
      say(button, "Click again");
      tell("warning", `Safe state: ${IN_PLAIN} Click again, or press Enter, within 5 seconds.`);
      timer = setTimeout(disarm, ARMED_MS);
      return;
    }
    if (performance.now() - armedAt < DOUBLE_MS) return;
    working = true;
    disarm();
    tell("warning", "Asked for the safe state; it is not confirmed yet.");
    const doubt = setTimeout(() => {
      working = false; // it may be asked for again
      say(button, "Safe state");
      tell("alarm", "Safe state: not confirmed yet. Ask again, and go to the instrument.");
    }, DOUBT_MS);
    try {
      const { outcome } = await post("safe-state");
      const count = Object.keys(outcome ?? {}).length;
      tell("ok", `Safe: ${count} devices were told to be, and each was read back.`);
    } catch (error) {
      tell("alarm", `Safe state: ${error.message}`);
    } finally {
      clearTimeout(doubt);
      working = false;
      say(button, "Safe state");
    }
  }

  return { button, update: () => forbid(button, whyNot(page), IN_PLAIN) };
}

// Pause while a plan runs, resume while it is paused.
export function createPauseButton(page, tell, ask) {
  const button = element("button", { type: "button", onclick: press, hidden: true }, "Pause");
  let paused = false;
  let ending = null; // why there is nothing to pause
  let flipped = -Infinity;

  async function press() {
    const why = whyNot(page);
    if (why !== null) {
      page.say(why);
      ask(why);
      return;
    }
    if (ending !== null) return page.say(ending);
    if (performance.now() - flipped < FLIP_MS) return;
    const goOn = paused;
    if (goOn && page.live.stale) {
      tell("warning", "Resume: what is shown is old; wait until it is live.");
      return;
    }
    try {
      await post(goOn ? "resume" : "pause");
      tell("notice", goOn ? "It goes on from the last checkpoint." : "It pauses at its next checkpoint, as hot as it is.");
    } catch (error) {
      tell("alarm", `${goOn ? "Resume" : "Pause"}: ${error.message}`);
    }
  }

  function show() {
    const justNow = performance.now() - flipped < FLIP_MS ? "It has just become another button." : null;
    const title = paused ? "Go on from the last checkpoint" : "Wait at the next checkpoint, hot as it is";
    forbid(button, whyNot(page) ?? ending ?? justNow, title);
  }

  return {
    button,
    update() {
      const { state, ending: ends } = page.live.sections.status?.facts ?? {};
      ending = ends ? `The plan is ending: ${endingInWords(ends)}.` : null;
      if (paused !== (state === "paused")) {
        flipped = performance.now();
        setTimeout(show, FLIP_MS);
      }
      paused = state === "paused";
      button.hidden = !paused && !(state === "running" && page.live.sections.status.facts.running);
      say(button, paused ? "Resume" : "Pause");
      show();
    },
  };
}
