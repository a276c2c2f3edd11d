// What the spectrometer sees now: absorbance against wavelength, and what its peaks are; frozen, or beside earlier ones.

import { element, say } from "../dom.js";
import { gently, readably } from "../pace.js";
import { clock, duration, number, withError } from "../words.js";
import { Compared } from "../plots/compared.js";
import { conditionRows, spectrumText, whereText } from "../plots/conditions.js";
import { button, fillRows, table, toggle } from "../plots/controls.js";
import { createEmission } from "../plots/emission.js";
import { FEATURE_HEADS, featureRow, markOf, trackOf } from "../plots/features.js";
import { Plot, nearest } from "../plots/plot.js";
import { usualRange } from "../plots/range.js";
import { colour } from "../plots/theme.js";

const OLD_BASELINE_S = 2 * 3600;
const LATE_S = 3;

export function createSpectrum(root, page) {
  const { live } = page;
  let held = null; // {spectrum, point, since}
  let whole = false;

  const what = element("h2", { class: "plot-title" });
  const age = element("p", { class: "plot-age" });
  const why = element("p", { class: "plot-notice", role: "status" });
  const baseline = element("p", { class: "plot-note" });
  const saturated = element("p", { class: "plot-notice" });
  const conditions = table("", ["condition", "value"]);
  const more = element(
    "details",
    { ontoggle: () => tell() },
    element("summary", {}, "All conditions of this spectrum"),
    conditions.node,
  );
  const features = table("Peaks", FEATURE_HEADS);
  const none = element("p", { class: "plot-note" });
  const place = element("div", { class: "plot-fill" });

  const hold = toggle("Hold", (on) => {
    held = on
      ? { spectrum: live.sections.spectrum, point: pointOf(live.sections.spectrum), since: live.now_s() }
      : null;
    page.say(on ? "Held: what is shown stays." : "Live again.");
    draw();
  });
  const log = toggle("Logarithmic", (on) => plot.setLogY(on));
  const all = toggle("All wavelengths", (on) => {
    whole = on;
    plot.reset();
    emission.update(whole);
    draw();
  });
  const reset = button("Reset zoom", () => plot.reset(), { disabled: true });
  const compared = new Compared(page, () => draw());
  const emission = createEmission(page);

  const plot = new Plot(place, {
    name: "Absorbance against wavelength",
    x: "wavelength / nm",
    y: "absorbance",
    hint: "Drag to zoom, double-click to reset. Arrow keys move the cursor, + and − zoom.",
    readOut,
    onZoom: (zoomed) => (reset.disabled = !zoomed),
  });
  root.classList.add("plot-view", "spectrum-view");
  root.append(
    element("div", { class: "plot-main" },
      element("div", { class: "plot-head" }, what, age),
      element("div", { class: "plot-bar" }, hold, log, all, reset),
      why, saturated, place, emission.node),
    element("aside", { class: "plot-side", "aria-label": "What is known of this spectrum" },
      features.node, none, baseline, compared.node, more),
  ); // prettier-ignore

  // The point of a spectrum; of one on the way to a point the newest that there is.
  function pointOf(spectrum) {
    const { points } = live.sections;
    if (!spectrum || spectrum.index === null) return points.at(-1) ?? null;
    for (let i = points.length - 1; i >= 0; i -= 1) if (points[i].index === spectrum.index) return points[i];
    return null;
  }

  function shown() {
    if (held) return held;
    const { spectrum } = live.sections;
    return { spectrum, point: pointOf(spectrum) };
  }

  function readOut(x) {
    const { spectrum } = shown();
    const nm = live.sections.axis?.wavelength_nm;
    if (!nm?.length || !spectrum?.absorbance) return `${number(x, 1)} nm`;
    const i = nearest(nm, x);
    const value = spectrum.absorbance[i];
    const text = Number.isFinite(value) ? withError(value, spectrum.absorbance_err?.[i]) : "not known";
    return [`${number(nm[i], 1)} nm`, `A = ${text}`, ...compared.at(i)].join("; ");
  }

  const draw = gently(() => {
    const { spectrum, point } = shown();
    const nm = live.sections.axis?.wavelength_nm;
    const layers = compared.layers();
    if (nm?.length && spectrum?.absorbance) {
      const { absorbance: y, absorbance_err: err } = spectrum;
      layers.push({ line: true, x: nm, y, err, colour: () => colour("live"), width: 1.6, sure: 0.03 });
    }
    for (const feature of point?.features ?? []) {
      const mark = markOf(live.sections.tracks, feature);
      if (point.index !== spectrum?.index) {
        mark.text += `, point ${point.index + 1}`;
        mark.colour = () => colour("muted");
      }
      layers.push(mark);
    }
    plot.show(layers, nm?.length ? (whole ? [nm[0], nm.at(-1)] : usualRange(live.sections)) : undefined);
    read();
  });

  const read = readably(() => tell());
  function tell() {
    const { spectrum, point } = shown();
    const { run, tracks } = live.sections;
    say(what, spectrumText(run, spectrum));
    say(why, spectrum && !spectrum.absorbance ? `No absorbance: ${spectrum.why || "the reason is not known"}.` : "");
    say(saturated, saturatedText(spectrum));
    more.hidden = !spectrum?.conditions?.length;
    if (more.open) fillRows(conditions.body, conditionRows(spectrum?.conditions));
    say(baseline, baselineText());
    fillRows(
      features.body,
      (point?.features ?? []).map((feature) => featureRow(tracks, feature)),
    );
    features.node.hidden = !point?.features?.length;
    say(features.caption, point ? `Peaks of ${peaksOf(run, tracks, point)}` : "Peaks");
    say(none, noneText(spectrum, point));
    tellAge();
    plot.describe(
      `Absorbance against wavelength. ${what.textContent}. ${features.body.rows.length} peaks; see the table.`,
    );
  }

  function peaksOf(run, tracks, point) {
    const final = point.features.every((feature) => trackOf(tracks, feature).final);
    return `point ${point.index + 1}, ${whereText(run, point)}${final ? "" : "; so far"}`;
  }

  function noneText(spectrum, point) {
    if (!spectrum) return "";
    if (spectrum.index === null)
      return `${spectrum.steady ? "Steady" : "Not steady yet"}: peaks are sought at the next point.`;
    if (!point) return "Not analysed yet.";
    if (!point.usable) return `Point ${point.index + 1} is not usable: ${point.why || "the reason is not known"}.`;
    return point.features.length ? "" : "No peaks found.";
  }

  function saturatedText(spectrum) {
    const count = spectrum?.saturated_pixels ?? 0;
    if (count === 0) return "";
    return `${count} ${count === 1 ? "pixel is" : "pixels are"} saturated: what they show is not absorbance.`;
  }

  function baselineText() {
    const now = live.now_s();
    return ["dark", "reference"].map((name) => {
      const taken = live.sections.baseline?.[name];
      if (!taken) return `▲ no ${name}`;
      const old = now - taken.time;
      const full = taken.saturated_pixels > 0 ? `, ${taken.saturated_pixels} pixels saturated` : "";
      return `${old > OLD_BASELINE_S ? "▲ " : ""}${name} ${duration(old)} old${full}`;
    }).join(", "); // prettier-ignore
  }

  function tellAge() {
    const { spectrum } = shown();
    const old = spectrum ? live.now_s() - spectrum.time : null;
    const running = live.sections.run && !live.sections.run.stopped;
    let text = "";
    if (spectrum) text = `taken ${duration(old)} ago`;
    if (held) text = `Held since ${clock(held.since)}: ${text}. Live goes on behind.`;
    else if (live.stale) text = `${text}; the server was last heard ${duration(live.silence_s)} ago`;
    say(age, text);
    root.classList.toggle("is-held", held !== null);
    root.classList.toggle("is-old", live.stale || held !== null || (running && old > Math.max(LATE_S, 60)));
    say(baseline, baselineText());
  }

  setInterval(() => {
    if (!root.hidden) tellAge();
  }, 1000);

  return {
    update(changed) {
      if (changed.has("run")) compared.update();
      if (changed.has("points")) compared.offer();
      if (["spectrum", "axis", "points", "tracks", "run"].some((name) => changed.has(name))) {
        draw();
      }
      if (changed.has("baseline")) say(baseline, baselineText());
      if (changed.has("emission") || changed.has("run")) emission.update(whole);
      if (changed.has("stale")) tellAge();
    },
  };
}
