// SAXS: the newest curve or one that was chosen, its sizes, the detector, and diameters beside those by absorption.

import { arrays } from "../api.js";
import { element, say } from "../dom.js";
import { number, withError } from "../words.js";
import { whereText } from "../plots/conditions.js";
import { button } from "../plots/controls.js";
import { Diameters } from "../plots/diameters.js";
import { Frame } from "../plots/frame.js";
import { Plot, nearest } from "../plots/plot.js";
import { SizePlot } from "../plots/sizes.js";
import { ofSeries, colour } from "../plots/theme.js";

export function createSaxs(root, page) {
  const { live } = page;
  let chosen = null; // an earlier point, as the server sent it
  let asked = null;

  const none = element("p", { class: "saxs-none" }, "This run has no SAXS.");
  const what = element("h2", { class: "plot-title" });
  const finding = element("p", { class: "plot-note" });
  const notice = element("p", { class: "plot-notice", role: "status" });
  const place = element("div", { class: "plot-fill" });
  const newest = button("Show the newest", () => choose(null));
  const reset = button("Reset zoom", () => plot.reset(), { disabled: true });
  const plot = new Plot(place, {
    name: "Intensity against q",
    x: "q / nm⁻¹",
    y: "I(q)",
    logX: true,
    logY: true,
    hint: "Drag to zoom, double-click to reset.",
    readOut,
    onZoom: (zoomed) => (reset.disabled = !zoomed),
  });
  const sizes = new SizePlot();
  const frame = new Frame();
  const diameters = new Diameters(page, (point) => choose(point.point));
  const parts = [
    element("div", { class: "plot-cell" },
      element("div", { class: "plot-bar" }, what, newest, reset), notice, finding, place),
    element("div", { class: "plot-pair" }, sizes.node, frame.node),
    diameters.node,
    diameters.list,
  ]; // prettier-ignore
  root.classList.add("plot-view", "saxs-view");
  root.append(none, ...parts);

  const shown = () => chosen ?? live.sections.saxs;

  function readOut(x) {
    const point = shown();
    if (!point?.q_per_nm?.length) return "";
    const i = nearest(point.q_per_nm, x);
    const q = point.q_per_nm[i];
    const intensity = withError(point.intensity[i], point.intensity_err?.[i], point.unit ?? "");
    return `q ${number(q, 3)} nm⁻¹ (d ${number((2 * Math.PI) / q, 2)} nm); I = ${intensity}`;
  }

  async function choose(number) {
    asked = number;
    say(notice, "");
    if (number === null) chosen = null;
    else {
      try {
        const found = await arrays(`run/saxs/${number}`);
        if (asked !== number) return;
        chosen = found;
      } catch (error) {
        say(notice, `Point ${number + 1} cannot be had: ${error.message}.`);
      }
    }
    draw();
    diameters.update(shown()?.point);
  }

  function draw() {
    const point = shown();
    newest.disabled = chosen === null;
    if (!point) {
      say(what, "No SAXS point yet");
      plot.show([], [0.1, 10]);
      sizes.show(null);
      return;
    }
    const run = live.sections.run;
    say(what, `${chosen ? "Point" : "Newest: point"} ${point.point + 1}, ${whereText(run, point)}`);
    say(finding, point.usable ? point.finding || "" : `Not usable: ${point.why || "the reason is not known"}.`);
    const { q_per_nm: q, intensity, intensity_err: err } = point;
    // What is lost in its noise has no place on a logarithmic axis.
    const y = intensity ? Array.from(intensity, (value, i) => (err && !(value > 2 * err[i]) ? NaN : value)) : [];
    const layers = [];
    if (q?.length) layers.push({ line: true, x: q, y, err, colour: () => ofSeries("saxs"), width: 1.5 });
    for (const peak of point.bragg ?? []) {
      layers.push({
        mark: peak.q_per_nm,
        text: `▼ d ${number((2 * Math.PI) / peak.q_per_nm, 2)} nm`,
        colour: () => colour("muted"),
      });
    }
    plot.nameAxes("q / nm⁻¹", point.unit ? `I(q) / (${point.unit})` : "I(q)");
    const peaks = point.bragg?.length ?? 0;
    plot.describe(
      `Intensity against q. ${what.textContent}. ${finding.textContent}. ${peaks} Bragg ${peaks === 1 ? "peak" : "peaks"}.`,
    );
    plot.show(layers);
    sizes.show(point);
  }

  setInterval(() => {
    if (!root.hidden) frame.tell(live.now_s());
  }, 1000);

  let run = null;
  return {
    update(changed) {
      const { run: is, saxs, saxs_points: points, frame: picture } = live.sections;
      if (is?.uid !== run) {
        run = is?.uid;
        [chosen, asked] = [null, null];
      }
      const has = Boolean(saxs || points.length || picture || is?.kinds?.includes("saxs"));
      none.hidden = has;
      say(none, is ? "This run has no SAXS." : "No run yet.");
      for (const part of parts) part.hidden = !has;
      if (!has) return;
      if (changed.has("saxs") || changed.has("run")) draw();
      if (changed.has("saxs_points") || changed.has("run") || changed.has("saxs")) diameters.update(shown()?.point);
      if (changed.has("frame") || changed.has("run")) {
        frame.show(picture);
        frame.tell(live.now_s());
      }
    },
  };
}
