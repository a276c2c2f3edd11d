// Where in a scan something is, in words and as a colour.

import { ofCondition } from "./theme.js";

// 280, 277.5: as many digits as are needed.
export function plain(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return String(Number(value.toFixed(2))).replace("-", "−");
}

function withUnit(value, unit) {
  return unit ? `${plain(value)} ${unit}` : plain(value);
}

// The slow axis and the fast one of a run; of a run with one axis both are that one.
export function axesOf(run) {
  const axes = run?.axes ?? [];
  const none = { name: "condition", unit: "", symbol: "" };
  return { slow: axes[0] ?? none, fast: axes.at(-1) ?? none, several: axes.length > 1 };
}

export function axisText({ name, unit }) {
  return unit ? `${name} / ${unit}` : name;
}

export function panelText(run, panel) {
  const { slow } = axesOf(run);
  return `${slow.symbol || slow.name} ${withUnit(panel, slow.unit)}`;
}

export function coordinateText(run, coordinate) {
  const { fast } = axesOf(run);
  return `${fast.symbol || fast.name} ${withUnit(coordinate, fast.unit)}`;
}

// T_nuc 280 °C, T_growth 240 °C
export function whereText(run, { panel, coordinate }) {
  if (panel === null && coordinate === null) return "no condition";
  if (!axesOf(run).several) return coordinateText(run, coordinate);
  return `${panelText(run, panel)}, ${coordinateText(run, coordinate)}`;
}

// Which spectrum this is: Point 12: T_nuc 280 °C, T_growth 240 °C.
export function spectrumText(run, spectrum) {
  if (!spectrum) return "No spectrum yet";
  const where = whereText(run, spectrum);
  return spectrum.index === null ? `On the way to ${where}` : `Point ${spectrum.index + 1}: ${where}`;
}

export function conditionRows(conditions) {
  return (conditions ?? []).map(({ name, value, unit }) => [
    name.replaceAll("_", " "),
    `${plain(value)} ${unit}`.trim(),
  ]);
}

// A scale of values: part(value) 0…1, colour(value) of the theme.
export function scaleOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || Number.isNaN(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const part = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  return { low, high, part, colour: (value) => ofCondition(part(value)), known: high >= low };
}

export function panelsOf(points) {
  return [...new Set(points.map((point) => point.panel))].filter((panel) => panel !== null).sort((a, b) => a - b);
}
