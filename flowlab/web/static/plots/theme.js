// The colours of the theme, for what is drawn on a canvas: read once, and anew when the theme is another one.

import { SERIES, TEMPERATURE, css, lighter, mixed } from "../colours.js";

const known = new Map();
const listeners = new Set();

// A colour by the name of its variable in plots.css.
export function colour(name) {
  if (!known.has(name)) {
    known.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--plot-${name}`).trim());
  }
  return known.get(name);
}

export function isDark() {
  return colour("is-dark") === "1";
}

// The colour of a condition at a part, 0…1, of its scale. On a dark ground the scale's dark end would be lost.
export function ofCondition(part) {
  return css(mixed(TEMPERATURE, isDark() ? 0.35 + 0.65 * part : part));
}

// The colour of what was measured: see colours.js.
export function ofSeries(name) {
  return isDark() ? lighter(SERIES[name]) : SERIES[name];
}

// Calls when the theme has changed, by the reader's system or by the page's own switch.
export function onTheme(listener) {
  listeners.add(listener);
}

function changed() {
  known.clear();
  for (const listener of listeners) listener();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
new MutationObserver(changed).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
addEventListener("load", changed); // style sheets may come after the first plot
