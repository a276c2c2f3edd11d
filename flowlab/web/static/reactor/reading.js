// One gauge in the flow scheme: what it is called, its value, what it was set to, its limits, and what is the matter.

import { say, svg } from "../dom.js";
import { asked, bare, quantity } from "./judgement.js";
import { createLimits } from "./limits.js";

export const ROW = 92;
const SIGNS = { unknown: "?", notice: "●", warning: "▲", alarm: "✕" };

// `wide` is where the words about it end; where that is left out they stand below it.
export function createReading(gauge, x, y, width, wide = null) {
  const name = svg("text", { class: "label", x, y: y + 13 }, gauge.label);
  const value = svg("tspan");
  const units = svg("tspan", { class: "units", dx: 4 });
  const set = svg("text", { class: "asked", x, y: y + 53 });
  const limits = createLimits(x, y + 60, width);
  const words = svg("text", wide === null ? { class: "words", x, y: y + 81 } : { class: "words", x: wide, y: y + 13, "text-anchor": "end" });
  const title = svg("title");
  const root = svg("g", { class: "reading live", role: "img" }, title, name, svg("text", { class: "value", x, y: y + 36 }, value, units), set, words, limits.root);
  return {
    root,
    show(now, judgement) {
      say(value, bare(now.value, now.units));
      say(units, now.value === null ? "" : (now.units ?? ""));
      say(set, asked(now));
      say(words, judgement.level ? `${SIGNS[judgement.level]} ${judgement.short}` : "");
      const level = judgement.level ?? "";
      if (root.dataset.level !== level) root.dataset.level = level;
      root.classList.toggle("old", judgement.old);
      limits.show(now);
      const all = [now.label, quantity(now.value, now.units), asked(now), judgement.short, judgement.long, within(now)];
      const text = all.filter(Boolean).join(", ");
      say(title, text);
      if (root.getAttribute("aria-label") !== text) root.setAttribute("aria-label", text);
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
