// One gauge in the flow scheme: what it is called, its value, what it was set to, its limits, and what is the matter.

import { say, svg } from "../dom.js";
import { asked, quantity } from "./judgement.js";
import { createLimits } from "./limits.js";

export const ROW = 84;
const SIGNS = { unknown: "?", notice: "●", warning: "▲", alarm: "✕" };

export function createReading(gauge, x, y, width) {
  const name = svg("text", { class: "label", x, y: y + 13 }, gauge.label);
  const value = svg("text", { class: "value", x, y: y + 37 });
  const set = svg("text", { class: "asked", x, y: y + 54 });
  const limits = createLimits(x, y + 62, width);
  const words = svg("text", { class: "words", x: x + width, y: y + 54, "text-anchor": "end" });
  const title = svg("title");
  const root = svg("g", { class: "reading live", role: "img" }, title, name, value, set, words, limits.root);
  return {
    root,
    show(now, judgement) {
      say(value, quantity(now.value, now.units));
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
