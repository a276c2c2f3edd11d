// Puts the page together: the strip on top, the views behind their tabs, one connection for all.

import { keepToken, token } from "./api.js";
import { element, say } from "./dom.js";
import { Live } from "./live.js";
import { gently, readably } from "./pace.js";
import { createStrip } from "./strip.js";
import { createLog } from "./views/log.js";
import { createQueue } from "./views/queue.js";
import { createReactor } from "./views/reactor.js";
import { createSaxs } from "./views/saxs.js";
import { createScan } from "./views/scan.js";
import { createSpectrum } from "./views/spectrum.js";

// Each makes its part of the page in the element that it is given, and returns {update(changed)}: called with the names
// of what has changed, while the view is shown; with all names when it is shown again.
const VIEWS = {
  reactor: ["Reactor", createReactor],
  spectrum: ["Spectrum", createSpectrum],
  scan: ["Scan", createScan],
  saxs: ["SAXS", createSaxs],
  queue: ["Queue and control", createQueue],
  log: ["Log", createLog],
};
const EVERYTHING = new Set([
  "stale", "status", "queue", "readings", "run", "baseline", "axis", "spectrum", "points", "tracks", "window",
  "emission", "saxs", "saxs_points", "frame", "log",
]); // prettier-ignore
const DOUBT_MS = 5000; // much is drawn some time after it came: what has just failed is not well because nothing fails now

const live = new Live(token());
const page = {
  live,
  // Something that whoever looks should know now, read out, too.
  say(text) {
    say(document.getElementById("said"), text);
  },
  show,
  useToken(text) {
    keepToken(text);
    live.reconnect(token());
  },
};

const strip = { title: "At a glance", section: document.getElementById("strip"), failed_ms: null };
strip.view = createStrip(strip.section, page);
const parts = {};
const tabs = {};
let shown = null;

for (const [name, [title, create]] of Object.entries(VIEWS)) {
  const section = element("section", { id: `view-${name}`, "aria-label": title, hidden: true });
  document.getElementById("view").append(section);
  parts[name] = { title, section, failed_ms: null, view: create(section, page) };
  tabs[name] = element("a", { href: `#${name}` }, title);
  document.getElementById("tabs").append(tabs[name]);
}

function show(name) {
  if (location.hash !== `#${name}`) location.hash = name;
  else follow();
}

function follow() {
  const asked = location.hash.slice(1);
  shown = asked in VIEWS ? asked : "reactor";
  for (const [name, { section }] of Object.entries(parts)) {
    section.hidden = name !== shown;
    if (name === shown) tabs[name].setAttribute("aria-current", "page");
    else tabs[name].removeAttribute("aria-current");
  }
  update(parts[shown], EVERYTHING);
}

// A part that cannot show what came says so, and keeps none of the others from showing what they can.
function update(part, names) {
  try {
    part.view.update(part.failed_ms === null ? names : EVERYTHING);
    if (performance.now() - part.failed_ms > DOUBT_MS) part.failed_ms = null;
  } catch (error) {
    if (part.failed_ms === null) console.error(error);
    part.failed_ms = performance.now();
  }
  tellFailed();
}

function tellFailed() {
  const failed = [strip, parts[shown]].filter(({ section, failed_ms }) =>
    section.classList.toggle("failed", failed_ms !== null),
  );
  const where = failed.map(({ title }) => title).join(", ");
  const line = document.getElementById("failed");
  line.hidden = !where;
  say(line, where && `▲ ${where}: something that came cannot be shown; what is seen there may be old.`);
}

const drawStrip = () => update(strip, EVERYTHING);
const readStrip = readably(drawStrip);
const changed = new Set();
const draw = gently(() => {
  const now = new Set(changed);
  changed.clear();
  document.body.classList.toggle("stale", live.stale);
  if (now.has("stale") || now.has("status")) drawStrip();
  else readStrip();
  update(parts[shown], now);
});
function note(names) {
  for (const name of names) changed.add(name);
  draw();
}

live.addEventListener("change", (event) => note(event.detail));
live.addEventListener("hello", () => note(EVERYTHING));
live.addEventListener("refused", () => note(EVERYTHING));
window.addEventListener("hashchange", follow);
// What fails when it is drawn, after it came.
window.addEventListener("error", ({ error }) => {
  if (!error) return; // the browser's own remarks
  parts[shown].failed_ms = performance.now();
  tellFailed();
});
follow();
update(strip, EVERYTHING);
