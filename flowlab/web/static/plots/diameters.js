// Diameters by SAXS beside those by absorption, and how far they are apart, in σ of both fits.

import { element, say } from "../dom.js";
import { gently } from "../pace.js";
import { number, withError } from "../words.js";
import { axesOf, axisText, whereText } from "./conditions.js";
import { button, table } from "./controls.js";
import { Plot } from "./plot.js";
import { ofSeries } from "./theme.js";

// curve: the error of the sizing curve, which is common to all points; 0: of the fits alone.
export function apartInSigma(point, curve = 0) {
  const { radius_nm: r, radius_err_nm: rErr, optical_diameter_nm: d, optical_diameter_err_nm: dErr } = point;
  if (r === null || d === null || !(rErr >= 0) || !(dErr >= 0)) return null;
  const err = Math.hypot(2 * rErr, dErr, curve);
  return err > 0 ? (2 * r - d) / err : null;
}

function sigmaText(apart) {
  return apart === null ? "–" : `${number(apart, 1)}\u00a0σ`;
}

export class Diameters {
  #page;
  #pick;
  #chosen = null;
  #plot;
  #rows = [];
  #table = table("Diameters, with the errors of their fits", [
    "point",
    "SAXS 2R / nm",
    "absorption / nm",
    "apart",
    "with the sizing curve’s error",
    "what is seen",
  ]);
  #draw = gently(() => this.#show());

  // pick(point): called with a point that was chosen.
  constructor(page, pick) {
    this.#page = page;
    this.#pick = pick;
    const place = element("div", { class: "plot-fill" });
    const key = element("p", { class: "plot-note" }, "■ SAXS, 2R; ▲ absorption. Click a point for its curve.");
    this.node = element(
      "div",
      { class: "plot-cell" },
      element("h2", { class: "plot-title" }, "Diameters, two ways"),
      key,
      place,
    );
    this.list = element("div", { class: "plot-cell" }, element("div", { class: "plot-scrolls" }, this.#table.node));
    this.#plot = new Plot(place, {
      name: "Diameters by SAXS and by absorption",
      x: "",
      y: "diameter / nm",
      yLeast: 0.02,
      readOut: (x, y) => {
        const point = this.#nearest(x, y);
        return point ? this.#words(point) : "";
      },
      onClick: (x, y) => {
        const point = this.#nearest(x, y);
        if (point) this.#pick(point);
      },
    });
  }

  update(chosen) {
    this.#chosen = chosen;
    this.#draw();
  }

  #words(point) {
    const apart = apartInSigma(point);
    const twice = point.radius_nm === null ? null : 2 * point.radius_nm;
    const saxs = `SAXS ${withError(twice, 2 * point.radius_err_nm, "nm")}`;
    const optical = `absorption ${withError(point.optical_diameter_nm, point.optical_diameter_err_nm, "nm")}`;
    const said = `${whereText(this.#page.live.sections.run, point)}: ${saxs}, ${optical}`;
    return apart === null ? said : `${said}, ${sigmaText(apart)} apart`;
  }

  #nearest(x, y) {
    let best = null;
    for (const point of this.#page.live.sections.saxs_points) {
      const away = Math.abs(point.coordinate - x);
      const both = [2 * point.radius_nm, point.optical_diameter_nm].filter((value) => value > 0);
      const up = Math.min(...both.map((value) => Math.abs(value - y)));
      if (!best || away < best.away - 1e-9 || (away < best.away + 1e-9 && up < best.up)) best = { point, away, up };
    }
    return best?.point ?? null;
  }

  #show() {
    const { run, saxs_points: points } = this.#page.live.sections;
    const { fast } = axesOf(run);
    this.#plot.nameAxes(axisText(fast), "diameter / nm");
    const x = points.map((point) => point.coordinate);
    const twice = (value) => (value === null ? null : 2 * value);
    this.#plot.show([
      { points: true, sign: "■", x, y: points.map((p) => twice(p.radius_nm)), err: points.map((p) => twice(p.radius_err_nm)), colour: () => ofSeries("saxs") },
      { points: true, sign: "▲", x, y: points.map((p) => p.optical_diameter_nm), err: points.map((p) => p.optical_diameter_err_nm), colour: () => ofSeries("exciton") },
    ]); // prettier-ignore
    this.#plot.describe(`Diameters by SAXS and by absorption at ${points.length} points; the table has their numbers.`);
    this.#fill(run, points);
  }

  #fill(run, points) {
    while (this.#rows.length > points.length) this.#rows.pop().row.remove();
    points.forEach((point, i) => {
      const made = this.#rows[i] ?? this.#row();
      this.#rows[i] = made;
      made.point = point;
      const apart = apartInSigma(point);
      const curve = this.#curveOf(point);
      const twice = point.radius_nm === null ? null : 2 * point.radius_nm;
      say(made.button, `${point.point + 1}: ${whereText(run, point)}`);
      const { optical_diameter_nm: d, optical_diameter_err_nm: err, optical_why: why } = point;
      const optical = d === null ? `– ${why || ""}` : withError(d, err);
      [
        twice === null ? "–" : withError(twice, 2 * point.radius_err_nm),
        optical.trim(),
        sigmaText(apart),
        curve > 0 ? sigmaText(apartInSigma(point, curve)) : "–",
        point.usable ? point.finding || "–" : `not usable: ${point.why}`,
      ].forEach((text, k) => say(made.cells[k], text));
      if (point.point === this.#chosen) made.row.setAttribute("aria-current", "true");
      else made.row.removeAttribute("aria-current");
    });
  }

  // The error of the sizing curve where the same sample was measured by absorption.
  #curveOf({ panel, coordinate }) {
    const { points } = this.#page.live.sections;
    return points.findLast((each) => each.panel === panel && each.coordinate === coordinate)?.diameter_curve_err_nm;
  }

  #row() {
    const made = { point: null, cells: [1, 2, 3, 4, 5].map(() => element("td")) };
    made.button = button("", () => this.#pick(made.point), { class: "plot-link" });
    made.row = element("tr", {}, element("th", { scope: "row" }, made.button), made.cells);
    this.#table.body.append(made.row);
    return made;
  }
}
