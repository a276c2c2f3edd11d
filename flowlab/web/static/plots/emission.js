// Photoluminescence: counts against wavelength, where the run has any.

import { element, say } from "../dom.js";
import { number, withError } from "../words.js";
import { whereText } from "./conditions.js";
import { Plot, nearest } from "./plot.js";
import { colour } from "./theme.js";

export function createEmission(page) {
  const place = element("div", { class: "plot-fill" });
  const words = element("p", { class: "plot-note" });
  const node = element("section", { class: "plot-emission", "aria-label": "Emission", hidden: true }, words, place);
  let plot = null;

  function readOut(x) {
    const found = page.live.sections.emission;
    if (!found?.wavelength_nm?.length || !found.counts) return "";
    const i = nearest(found.wavelength_nm, x);
    const nm = found.wavelength_nm[i];
    const [low, high] = found.mask_nm ?? [];
    const masked = nm >= low && nm <= high ? "; light of the LED, left out" : "";
    return `${nm.toFixed(1)} nm; ${withError(found.counts[i], found.counts_err?.[i], "counts")}${masked}`;
  }

  return {
    node,
    // whole: all wavelengths, with what the LED scatters; else the band and around.
    update(whole) {
      const found = page.live.sections.emission;
      const { run } = page.live.sections;
      node.hidden = !found;
      if (!found) return undefined;
      plot ??= new Plot(place, {
        name: "Emission against wavelength",
        x: "wavelength / nm",
        y: "emission / counts",
        readOut,
      });
      const { band } = found;
      const of = `Emission, point ${found.index + 1}, ${whereText(run, found)}`;
      let text = `${of}: ${found.emission || ""}`;
      if (band)
        text = `${of}: band at ${withError(band.wavelength_nm, band.wavelength_err_nm, "nm")}, FWHM ${withError(band.fwhm_nm, band.fwhm_err_nm, "nm")}`;
      if (!found.usable) text = `${of}: not usable: ${found.why}`;
      else if (!band && found.why) text = `${of}: no band: ${found.why}`;
      say(words, text);
      const mask = found.mask_nm;
      plot.describe(mask ? `${text}. Light of the LED, left out: ${number(mask[0], 0)} to ${number(mask[1], 0)} nm` : text);
      const layers = [];
      if (mask) layers.push({ span: mask, text: "LED" });
      if (found.counts)
        layers.push({
          line: true,
          x: found.wavelength_nm,
          y: found.counts,
          err: found.counts_err,
          colour: () => colour("emission"),
        });
      if (band)
        layers.push({
          mark: band.wavelength_nm,
          text: `▼ ${band.wavelength_nm.toFixed(1)}`,
          colour: () => colour("emission"),
        });
      const nm = found.wavelength_nm;
      if (!nm?.length) return plot.show(layers, [400, 700]);
      const ends = [nm[0], nm.at(-1)];
      const wide = band?.fwhm_nm;
      const near = wide > 0 && [
        Math.max(ends[0], band.wavelength_nm - 2.5 * wide),
        Math.min(ends[1], band.wavelength_nm + 4 * wide),
      ];
      return plot.show(layers, whole || !near ? ends : near.map(Math.round));
    },
  };
}
