// One gauge in the flow scheme: what it is called, its value, what it was set to, its limits, and what is the matter.

import { say, svg } from "../dom.js";
import { asked, inUnits, quantity } from "./judgement.js";
import { createLimits } from "./limits.js";

const SIGNS = { unknown: "?", notice: "●", warning: "▲", alarm: "✕" };

// Whether there is a range that it can be shown in.
export function hasRange({ high, setpoint, trips_above: above }) {
  return high !== null || setpoint !== null || above !== null;
}

// How high it is in a column; drawn in one line it is LINE high.
export function heightOf(gauge) {
  return hasRange(gauge) ? 88 : 64;
}
export const LINE = 28;

// One below the other: name, value, what was asked, the range, words. `wide` is where words end that have no room below.
export function createReading(gauge, x, y, width, wide = null) {
  const limits = createLimits(x, y + 60, width);
  const ranged = hasRange(gauge);
  const parts = {
    name: { x, y: y + 13 },
    value: { x, y: y + 36 },
    asked: { x, y: y + 53 },
    words: wide === null ? { x, y: y + (ranged ? 81 : 53) } : { x: wide, y: y + 13, "text-anchor": "end" },
  };
  return assemble(gauge, parts, limits, ranged);
}

// Beside one another: name and value, and words at the end.
export function createLine(gauge, x, y, wide) {
  const base = y + 19;
  const parts = { name: { x, y: base }, value: { x: x + 104, y: base }, asked: null, words: { x: wide, y: base, "text-anchor": "end" } };
  const line = assemble(gauge, parts, null, true);
  line.root.classList.add("line");
  return line;
}

function assemble(gauge, at, limits, room) {
  const value = svg("tspan");
  const units = svg("tspan", { class: "units", dx: 4 });
  const set = at.asked && svg("text", { class: "asked", ...at.asked });
  const words = svg("text", { class: "words", ...at.words });
  const title = svg("title");
  const root = svg("g", { class: "reading live", role: "img" }, title,
    svg("text", { class: "label", ...at.name }, gauge.label),
    svg("text", { class: "value", ...at.value }, value, units), set, words, limits?.root); // prettier-ignore
  return {
    root,
    show(now, { level, short, long, old }) {
      const [text, unit] = inUnits(now.value, now.units);
      say(value, text);
      say(units, unit);
      say(words, level ? `${SIGNS[level]} ${short}` : short);
      if (set) say(set, room || !short ? asked(now) : "");
      limits?.show(now);
      if (root.dataset.level !== (level ?? "")) root.dataset.level = level ?? "";
      root.classList.toggle("old", old);
      const whole = [now.label, quantity(now.value, now.units), asked(now), short, long, within(now)].filter(Boolean).join(", ");
      say(title, whole);
      if (root.getAttribute("aria-label") !== whole) root.setAttribute("aria-label", whole);
    },
  };
}

function within({ low, high, trips_below: below, trips_above: above, units, device, signal }) {
  const words = [];
  if (low !== null && high !== null) words.push(`limits ${quantity(low, units)} to ${quantity(high, units)}`);
  if (above !== null) words.push(`an interlock trips above ${quantity(above, units)}`);
  if (below !== null) words.push(`an interlock trips below ${quantity(below, units)}`);
  return [...words, `${device}.${signal}`].join("; ");
}
