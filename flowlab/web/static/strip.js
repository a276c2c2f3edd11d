// The strip: always there, and read at a glance. What it says is made in strip/sentences.js.

import { element, say } from "./dom.js";
import { heard } from "./reactor/places.js";
import { createAcknowledge, createAcknowledgeButton } from "./strip/acknowledge.js";
import { createPauseButton, createSafeButton } from "./strip/actions.js";
import { createLogin } from "./strip/login.js";
import { accumulation, activity, alarms, lastSpectrum, remaining, safety } from "./strip/sentences.js";
import { createThemeButton } from "./strip/theme.js";
import { clock } from "./words.js";

const TOLD_MS = 10_000;
const NOT_SHOWN = "something that came from the server cannot be shown here";
const SIGNS = { ok: "✓", notice: "●", warning: "▲", alarm: "✕", unknown: "?", cluster: "●", exciton: "▲", plain: "" };

// What is made of what came; where that fails, it is not what was made before.
function made(make, instead) {
  try {
    return make();
  } catch (error) {
    console.error(error);
    return instead;
  }
}

// One question and its answer.
function createCell(question, attributes = {}) {
  const sign = element("span", { class: "sign", "aria-hidden": "true" });
  const title = element("strong");
  const lines = element("div", { class: "lines" });
  const bar = element("progress", { max: 1, hidden: true, "aria-label": "of the points are done" });
  const answer = element("div", { class: "answer live" }, element("div", { class: "title" }, sign, title), bar, lines);
  const beside = element("span", { class: "live" });
  const root = element("section", { ...attributes, "aria-label": question }, element("h3", {}, question, beside), answer);
  const shown = [];
  return {
    root,
    answer,
    show({ level, title: text, lines: texts, share = null, aside = "" }) {
      if (root.dataset.level !== level) root.dataset.level = level;
      say(beside, aside && `, ${aside}`);
      say(sign, SIGNS[level]);
      say(title, text);
      const whole = [text, ...texts].join("\n");
      if (root.title !== whole) root.title = whole;
      bar.hidden = share === null;
      if (share !== null) bar.value = share;
      texts.forEach((line, i) => {
        if (i >= shown.length) lines.append((shown[i] = element("p")));
        say(shown[i], line);
      });
      for (const extra of shown.splice(texts.length)) extra.remove();
    },
  };
}

export function createStrip(root, page) {
  const { live } = page;
  const cells = {
    safe: createCell("Is it safe?", { class: "cell safe" }),
    does: createCell("What it does", { class: "cell does" }),
    last: createCell("The last spectrum", { class: "cell last" }),
    window: createCell("The window", { class: "cell window" }),
    still: createCell("How long still", { class: "cell still" }),
  };
  cells.safe.answer.classList.remove("live"); // it says itself that it is old

  const login = createLogin(page);
  const acknowledge = createAcknowledge(page, tell);
  page.acknowledge = (name) => acknowledge.open(name);
  const told = element("p", { class: "told", hidden: true });
  const alarmed = element("div", { class: "alarms" });
  const time = element("time", { title: "The server's clock" });
  const who = element("span", { class: "who" });
  const log = element("button", { type: "button", class: "small", onclick: logInOrOut });
  const safe = createSafeButton(page, tell, login.open);
  const pause = createPauseButton(page, tell, login.open);
  root.append(
    element("div", { class: "cells" }, Object.values(cells).map((cell) => cell.root),
      element("div", { class: "acts" },
        element("div", { class: "buttons" }, pause.button, safe.button),
        element("div", { class: "me" }, time, who, log, createThemeButton()))),
    told,
    alarmed,
    login.dialog,
    acknowledge.dialog,
  ); // prettier-ignore

  let quiet = null;
  // What came of something that was asked for: shown for a while, an alarm until something else is; and read out.
  function tell(level, text) {
    clearTimeout(quiet);
    told.hidden = level === null;
    if (level === null) return;
    told.dataset.level = level;
    say(told, `${SIGNS[level]} ${text}`);
    page.say(text);
    if (level === "ok" || level === "notice") quiet = setTimeout(() => (told.hidden = true), TOLD_MS);
  }

  function logInOrOut() {
    if (live.who && live.who.role !== "viewer") page.useToken("");
    else login.open();
  }

  let before = { state: null, title: "" };
  let pausedSince = null;

  function notice(state, title) {
    if (state === "paused" && before.state === "running") pausedSince = live.now_s();
    if (state !== "paused") pausedSince = null;
    if (before.title && title !== before.title) page.say(`It is ${title}.`);
    before = { state, title };
  }

  function showAlarms(picture) {
    const lines = made(
      () => alarms(picture),
      [{ level: "alarm", text: `It is not known what is the matter: ${NOT_SHOWN}. Go to the instrument.`, see: "#log" }],
    );
    const key = JSON.stringify([lines, live.who?.role]);
    if (alarmed.dataset.shows === key) return;
    alarmed.dataset.shows = key;
    if (lines.length) page.say(lines.map(({ text }) => text).join(" "));
    const focused = alarmed.contains(document.activeElement) ? document.activeElement.closest("p").title : null;
    alarmed.replaceChildren(
      ...lines.map(({ level, text, see, latched }) => {
        const button = createAcknowledgeButton(page);
        button.show(latched ?? null);
        return element("p", { "data-level": level, title: text },
          element("span", {}, `${SIGNS[level]} ${text}`),
          see ? element("a", { href: see }, "See to it") : button.node);
      }),
    ); // prettier-ignore
    if (focused) [...alarmed.children].find(({ title }) => title === focused)?.querySelector("a, button").focus();
  }

  function draw() {
    const now_s = live.now_s();
    const { who: whoLooks, stale, silence_s, refused, sections } = live;
    const picture = {
      ...sections, who: whoLooks, stale, silence_s, refused,
      get readings() { return heard(sections.readings, now_s); },
    }; // prettier-ignore
    showAlarms(picture); // before anything that could fail
    const answered = (make, level = "unknown") => made(make, { level, title: "Not known", lines: [NOT_SHOWN] });
    const answer = answered(() => safety(picture), "alarm");
    notice(stale ? "stale" : (picture.status?.facts?.state ?? null), answer.title);
    cells.safe.show(answer);
    cells.does.show(answered(() => activity(picture, pausedSince)));
    cells.last.show(answered(() => lastSpectrum(picture, now_s)));
    cells.window.show(answered(() => accumulation(picture)));
    cells.still.show(answered(() => remaining(picture, now_s)));
    say(time, clock(now_s));
    const { name, role } = live.who ?? {};
    say(who, live.refused ? "not let in" : !role ? "connecting …" : name && name !== role ? `${name}, ${role}` : role);
    say(log, role && role !== "viewer" ? "Log out" : "Log in");
    safe.update();
    pause.update();
    acknowledge.update();
  }

  live.addEventListener("refused", () => {
    if (live.token_needed) login.open(`The server lets nobody in like this: ${live.refused}.`);
  });
  setInterval(draw, 1000); // ages grow while nothing is heard
  return { update: draw };
}
