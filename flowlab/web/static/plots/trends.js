// Where the exciton is and the diameter that follows, against the fast axis; each panel with its colour and its sign.

import { element, say, svg } from "../dom.js";
import { gently } from "../pace.js";
import { number, withError } from "../words.js";
import { axesOf, axisText, panelText, panelsOf, scaleOf, whereText } from "./conditions.js";
import { Plot } from "./plot.js";
import { onTheme } from "./theme.js";

const SIGNS = ["●", "▲", "■", "▼", "◆"];

export function createTrends(page) {
  const [left, right] = [element("div", { class: "plot-fill" }), element("div", { class: "plot-fill" })];
  const legend = element("ul", { class: "plot-legend" });
  const words = element("p", { class: "plot-note" });
  const node = element(
    "div",
    { class: "plot-cell" },
    words,
    element("div", { class: "plot-pair" }, left, right),
    legend,
  );
  const readOut = (of, err) => (x, y) => said(x, y, of, err);
  const exciton = new Plot(left, {
    name: "First exciton against the fast axis",
    x: "",
    y: "first exciton / nm",
    yLeast: 0.01,
    readOut: readOut("exciton_nm", "exciton_err_nm"),
  });
  const diameter = new Plot(right, {
    name: "Diameter against the fast axis",
    x: "",
    y: "diameter / nm",
    yLeast: 0.02,
    readOut: readOut("diameter_nm", "diameter_fit_err_nm"),
  });

  function said(x, y, key, errKey) {
    let best = null;
    for (const point of page.live.sections.points) {
      if (point[key] === null) continue;
      const away = Math.abs(point.coordinate - x);
      const up = Math.abs(point[key] - y);
      if (!best || away < best.away || (away === best.away && up < best.up)) best = { point, away, up };
    }
    if (!best) return "";
    const { point } = best;
    return `${whereText(page.live.sections.run, point)}: ${withError(point[key], point[errKey], "nm")}`;
  }

  const draw = gently(() => {
    const { run, points } = page.live.sections;
    const { fast } = axesOf(run);
    const panels = panelsOf(points);
    const scale = scaleOf(panels);
    const seen = [];
    const layers = { exciton: [], diameter: [] };
    panels.forEach((panel, i) => {
      const within = points.filter((point) => point.panel === panel && point.exciton_nm !== null);
      within.sort((a, b) => a.coordinate - b.coordinate);
      if (within.length === 0) return;
      const sign = SIGNS[i % SIGNS.length];
      seen.push({ panel, sign });
      const look = {
        points: true,
        joined: true,
        sign,
        colour: () => scale.colour(panel),
        x: within.map((point) => point.coordinate),
      };
      layers.exciton.push({
        ...look,
        y: within.map((point) => point.exciton_nm),
        err: within.map((point) => point.exciton_err_nm),
      });
      layers.diameter.push({
        ...look,
        y: within.map((point) => point.diameter_nm),
        err: within.map((point) => point.diameter_fit_err_nm),
      });
    });
    for (const [plot, name] of [[exciton, "first exciton / nm"], [diameter, "diameter / nm"]]) plot.nameAxes(axisText(fast), name); // prettier-ignore
    exciton.show(layers.exciton);
    diameter.show(layers.diameter);
    const count = points.filter((point) => point.exciton_nm !== null).length;
    exciton.describe(`First exciton against ${fast.name}: ${count} points in ${seen.length} panels.`);
    diameter.describe(`Diameter against ${fast.name}: ${count} points in ${seen.length} panels.`);
    say(words, count === 0 ? "No exciton followed yet." : `Exciton and diameter${curveText(points)}`);
    name(run, seen, scale);
  });

  function name(run, seen, scale) {
    const key = JSON.stringify([seen, scale.low, scale.high, scale.colour(scale.low)]);
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(
      ...seen.map(({ panel, sign }) => {
        const text = svg(
          "text",
          { x: 6, y: 10, "text-anchor": "middle", "font-size": 11, fill: scale.colour(panel) },
          sign,
        );
        return element(
          "li",
          {},
          svg("svg", { width: 13, height: 12, "aria-hidden": "true" }, text),
          ` ${panelText(run, panel)}`,
        );
      }),
    );
  }

  onTheme(draw);
  return { node, update: draw };
}

// The error of the sizing curve is common to all, and not in their bars.
function curveText(points) {
  const known = points.findLast((point) => point.diameter_nm > 0 && point.diameter_curve_err_nm > 0);
  if (!known) return "";
  const part = number((100 * known.diameter_curve_err_nm) / known.diameter_nm, 0);
  return `; the sizing curve itself: ±${part} %, common to all`;
}
