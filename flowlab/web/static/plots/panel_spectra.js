// Spectra of a panel, coloured by their condition, as in a figure of a paper; one of them may stand out.

import { element, say } from "../dom.js";
import { gently } from "../pace.js";
import { number, withError } from "../words.js";
import { axesOf, coordinateText, panelText, panelsOf, plain, scaleOf } from "./conditions.js";
import { button, choice, offer, toggle } from "./controls.js";
import { Plot, nearest } from "./plot.js";
import { usualRange } from "./range.js";
import { ScaleBar } from "./scale_bar.js";
import { Stored } from "./stored.js";

const NEAR_NM = 9; // half the width of a cluster's band, for the shading

export class PanelSpectra {
  #page;
  #chosen = null; // the panel asked for, or null: follow
  #offset = false;
  #highlighted = null; // index of a point
  #stored;
  #plot;
  #said = element("p", { class: "plot-note", role: "status" });
  #bar = new ScaleBar();
  #panel = choice("Panel", (value) => this.choose(value === "" ? null : Number(value)));
  #draw = gently(() => this.#show());

  constructor(page) {
    this.#page = page;
    this.#stored = new Stored(page, () => this.#draw());
    const place = element("div", { class: "plot-fill" });
    const reset = button("Reset zoom", () => this.#plot.reset(), { disabled: true });
    const apart = toggle("One above the other", (on) => {
      this.#offset = on;
      this.#draw();
    });
    this.node = element(
      "div",
      { class: "plot-cell" },
      element("div", { class: "plot-bar" }, this.#panel.node, apart, reset, this.#bar.node),
      this.#said,
      place,
    );
    this.#plot = new Plot(place, {
      name: "Spectra of a panel",
      x: "wavelength / nm",
      y: "absorbance",
      hint: "Drag to zoom, double-click to reset.",
      readOut: (x, y) => this.#readOut(x, y),
      onZoom: (zoomed) => (reset.disabled = !zoomed),
    });
  }

  // Shows a panel, whatever comes; null: the one that is measured now.
  choose(panel) {
    this.#chosen = panel;
    this.update();
  }

  highlight(point) {
    this.#highlighted = point?.index ?? null;
    if (point && point.panel !== this.#shown()) this.choose(point.panel);
    this.#draw();
  }

  #shown() {
    const { points, spectrum } = this.#page.live.sections;
    return this.#chosen ?? points.at(-1)?.panel ?? spectrum?.panel ?? null;
  }

  update() {
    const { run, points } = this.#page.live.sections;
    const panels = panelsOf(points);
    if (this.#chosen !== null && !panels.includes(this.#chosen)) this.#chosen = null;
    const current = points.length ? `the current one (${panelText(run, points.at(-1).panel)})` : "the current one";
    offer(
      this.#panel.select,
      [["", current], ...panels.map((panel) => [String(panel), panelText(run, panel)])],
      this.#chosen ?? "",
    );
    this.#stored.follow(this.#shown());
    this.#draw();
  }

  // In the order of their coordinates, each with how far it is lifted.
  #curves() {
    const items = [...this.#stored.items].sort((a, b) => a.coordinate - b.coordinate);
    if (!this.#offset) return items.map((item) => ({ item, lift: 0 }));
    let top = 0;
    const nm = this.#stored.wavelength_nm;
    const [low, high] = usualRange(this.#page.live.sections) ?? [0, Infinity];
    for (const { absorbance } of items) {
      for (let i = 0; i < nm.length; i += 4)
        if (nm[i] > low && nm[i] < high && absorbance[i] > top) top = absorbance[i];
    }
    return items.map((item, i) => ({ item, lift: 0.22 * top * i }));
  }

  #show() {
    const { run } = this.#page.live.sections;
    const panel = this.#shown();
    const { items, wavelength_nm: nm, why } = this.#stored;
    const scale = scaleOf(items.map((item) => item.coordinate));
    const { fast } = axesOf(run);
    say(this.#said, why ? `Stored spectra cannot be had: ${why}.` : this.#none());
    this.#bar.node.hidden = items.length === 0;
    this.#bar.show(fast.name, plain(scale.low), `${plain(scale.high)} ${fast.unit}`);
    if (!nm) return this.#plot.show([], [350, 700]);
    const known = items.some((item) => item.index === this.#highlighted);
    const layers = (run?.families ?? []).map(({ name, wavelength_nm: at }) => ({
      span: [at - NEAR_NM, at + NEAR_NM],
      text: name,
    }));
    const curves = this.#curves();
    for (const { item, lift } of curves) {
      const chosen = item.index === this.#highlighted;
      layers.push({
        line: true, x: nm, y: item.absorbance, lift, width: chosen ? 2.6 : 1.2, alpha: known && !chosen ? 0.35 : 1,
        colour: () => scale.colour(item.coordinate), err: item.absorbance_err, bare: !chosen, sure: 0.03, chosen,
      }); // prettier-ignore
    }
    layers.sort((a, b) => Number(a.chosen ?? false) - Number(b.chosen ?? false));
    this.#plot.nameAxes("wavelength / nm", this.#offset ? "absorbance, lifted" : "absorbance");
    this.#plot.describe(
      `Absorption spectra of ${panelText(run, panel)}, ${items.length} of them, coloured by ${fast.name}.`,
    );
    return this.#plot.show(layers, usualRange(this.#page.live.sections) ?? undefined);
  }

  #none() {
    if (this.#stored.items.length > 0) return "";
    return this.#stored.fetching ? "Fetching its spectra …" : "No spectra in this panel yet.";
  }

  // The curve that is nearest to the cursor.
  #readOut(x, y) {
    const { wavelength_nm: nm } = this.#stored;
    if (!nm?.length) return "";
    const i = nearest(nm, x);
    let best = null;
    for (const curve of this.#curves()) {
      const away = Math.abs(curve.item.absorbance[i] + curve.lift - y);
      if (Number.isFinite(away) && (!best || away < best.away)) best = { ...curve, away };
    }
    if (!best) return `${number(nm[i], 1)} nm`;
    const { run } = this.#page.live.sections;
    const { coordinate, absorbance, absorbance_err: err } = best.item;
    return `${number(nm[i], 1)} nm; nearest: ${coordinateText(run, coordinate)}, A = ${withError(absorbance[i], err?.[i])}`;
  }
}
