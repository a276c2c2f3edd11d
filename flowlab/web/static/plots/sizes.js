// The distribution of sizes by SAXS: volume for each ln R, as bars and smooth with its band.

import { element, say } from "../dom.js";
import { number, withError } from "../words.js";
import { Plot } from "./plot.js";
import { ofSeries } from "./theme.js";

const LEAST_NM = 5e-4; // what a fit says beyond it is of no use

const FORMS = {
  narrow: "one narrow size",
  spread: "spread sizes",
  several: "several sizes",
  unknown: "form of the distribution not known",
};

export function sizesText(sizes) {
  if (!sizes) return "";
  const radii = [sizes.radius_nm ?? []].flat();
  const errs = [sizes.radius_err_nm ?? []].flat();
  const widths = [sizes.width ?? []].flat();
  const each = radii.map((radius, i) => {
    const width = widths[i] > 0 ? `, width ${number(100 * widths[i], 0)} %` : "";
    return `R ${withError(radius, Math.max(errs[i], LEAST_NM), "nm")}${width}`;
  });
  const form = FORMS[sizes.kind] ?? sizes.kind;
  return [form, ...each].join("; ") + (sizes.why ? `: ${sizes.why}` : "");
}

export class SizePlot {
  #words = element("p", { class: "plot-note" });
  #place = element("div", { class: "plot-fill" });
  #plot;
  node = element(
    "div",
    { class: "plot-cell" },
    element("h2", { class: "plot-title" }, "Sizes"),
    this.#words,
    this.#place,
  );

  constructor() {
    this.#plot = new Plot(this.#place, {
      name: "Distribution of sizes",
      x: "radius / nm",
      y: "volume per ln R",
      logX: true,
      yZero: true,
    });
  }

  show(point) {
    const text = sizesText(point?.sizes);
    say(this.#words, text || "No sizes.");
    const edges = point?.edges_nm;
    this.#place.hidden = !edges?.length;
    if (!edges?.length) return;
    const middle = [];
    const per = [];
    for (let i = 0; i + 1 < edges.length; i += 1) {
      middle.push(Math.sqrt(edges[i] * edges[i + 1]));
      per.push(Math.log(edges[i + 1] / edges[i]));
    }
    const density = (values) => (values?.length === per.length ? per.map((step, i) => values[i] / step) : null);
    const layers = [];
    const bars = density(point.distribution);
    if (bars) layers.push({ steps: true, edges, y: bars, colour: () => ofSeries("saxs"), alpha: 0.35 });
    const smooth = density(point.smooth);
    const [low, high] = [density(point.smooth_low), density(point.smooth_high)];
    if (smooth)
      layers.push({ line: true, x: middle, y: smooth, low, high, colour: () => ofSeries("saxs"), width: 1.8 });
    this.#plot.describe(`Distribution of sizes: ${text}. Bars: without smoothing; line: smooth, with its band.`);
    this.#plot.show(layers, seen(edges, [bars, smooth, high]));
  }
}

// Where there is anything to see.
function seen(edges, many) {
  let [first, last] = [edges.length - 1, 0];
  for (const values of many) {
    if (!values) continue;
    const most = Math.max(...values.filter(Number.isFinite));
    values.forEach((value, i) => {
      if (!(value > 0.01 * most)) return;
      first = Math.min(first, i);
      last = Math.max(last, i + 1);
    });
  }
  return first < last ? [edges[first] * 0.85, edges[last] * 1.15] : [edges[0], edges.at(-1)];
}
