// The newest absorption spectrum, small, with its peaks.

import { element, say } from "../dom.js";
import { gently, readably } from "../pace.js";
import { duration } from "../words.js";
import { spectrumText } from "./conditions.js";
import { isKnown, markOf } from "./features.js";
import { Plot } from "./plot.js";
import { usualRange } from "./range.js";
import { colour } from "./theme.js";

export function createMiniSpectrum(root, page) {
  const { live } = page;
  const words = element("p", { class: "plot-note" });
  const place = element("div", { class: "plot-fill" });
  root.classList.add("plot-mini");
  root.append(words, place);
  const plot = new Plot(place, { name: "The newest absorption spectrum", small: true });

  function tell() {
    const { run, spectrum } = live.sections;
    if (!spectrum) return say(words, "No spectrum yet.");
    const what = spectrum.absorbance ? "absorbance over nm" : `no absorbance (${spectrum.why || "reason not known"})`;
    return say(words, `${spectrumText(run, spectrum)}; ${what}, ${duration(live.now_s() - spectrum.time)} ago`);
  }

  setInterval(() => {
    if (place.clientWidth > 0) tell();
  }, 1000);

  const draw = gently(() => {
    const { axis, spectrum, points, tracks } = live.sections;
    const nm = axis?.wavelength_nm;
    const layers = [];
    if (nm?.length && spectrum?.absorbance) {
      layers.push({
        line: true,
        x: nm,
        y: spectrum.absorbance,
        err: spectrum.absorbance_err,
        colour: () => colour("live"),
        sure: 0.03,
      });
    }
    const point = points.at(-1);
    const seen = point && point.index === spectrum?.index ? point.features : [];
    for (const feature of seen) if (isKnown(tracks, feature)) layers.push(markOf(tracks, feature));
    plot.show(layers, usualRange(live.sections) ?? undefined);
    read();
  });
  const read = readably(() => {
    tell();
    plot.describe(words.textContent);
  });

  return {
    update(changed) {
      if (["run", "spectrum", "points", "tracks", "axis"].some((name) => changed.has(name))) draw();
    },
  };
}
