// Earlier spectra drawn thin behind the newest: chosen by panel and coordinate.

import { arrays } from "../api.js";
import { element, say } from "../dom.js";
import { number } from "../words.js";
import { coordinateText, panelText, panelsOf, scaleOf, whereText } from "./conditions.js";
import { button, choice, offer } from "./controls.js";

const MOST = 12;

export class Compared {
  #page;
  #changed;
  #items = []; // {index, panel, coordinate, absorbance, wavelength_nm, colour}
  #run = null;
  #panel;
  #point;
  #list = element("ul", { class: "plot-chosen" });
  #said = element("p", { class: "plot-note", role: "status" });

  constructor(page, changed) {
    this.#page = page;
    this.#changed = changed;
    this.#panel = choice("panel", () => this.offer());
    this.#point = choice("point", () => {});
    const add = button("Draw", () => this.#add());
    const clear = button("Clear", () => this.#keep([]));
    this.node = element(
      "fieldset",
      { class: "plot-compare" },
      element("legend", {}, "Compare with earlier"),
      element("div", { class: "plot-bar" }, this.#panel.node, this.#point.node, add, clear),
      this.#list,
      this.#said,
    );
  }

  // Another run has other spectra.
  update() {
    const run = this.#page.live.sections.run?.uid ?? null;
    if (run !== this.#run) this.#keep([]);
    this.#run = run;
    this.offer();
  }

  offer() {
    const { run, points } = this.#page.live.sections;
    const panels = panelsOf(points);
    offer(
      this.#panel.select,
      panels.map((panel) => [String(panel), panelText(run, panel)]),
    );
    const panel = Number(this.#panel.select.value);
    const within = points.filter((point) => point.panel === panel);
    offer(
      this.#point.select,
      within.map((point) => [String(point.index), coordinateText(run, point.coordinate)]),
    );
    this.node.hidden = points.length === 0;
  }

  layers() {
    const scale = scaleOf(this.#items.map((item) => item.coordinate));
    return this.#items.map((item) => ({
      line: true, x: item.wavelength_nm, y: item.absorbance, err: item.absorbance_err, bare: true, width: 0.9,
      colour: () => scale.colour(item.coordinate), sure: 0.03,
    })); // prettier-ignore
  }

  // What each has at pixel i, in words.
  at(i) {
    return this.#items.map((item) => `point ${item.index + 1}: ${number(item.absorbance[i], 3)}`);
  }

  async #add() {
    const index = Number(this.#point.select.value);
    const panel = this.#panel.select.value;
    if (this.#point.select.value === "" || this.#items.some((item) => item.index === index)) return;
    if (this.#items.length >= MOST) {
      say(this.#said, `No more than ${MOST} at once.`);
      return;
    }
    const run = this.#run;
    try {
      const found = await arrays(`run/spectra?panel=${encodeURIComponent(panel)}`);
      const item = found.items.find((each) => each.index === index);
      if (run !== this.#run) return;
      say(this.#said, item ? "" : "That spectrum is not among those that the server still has.");
      // A copy: the message holds the whole panel, which need not stay in memory.
      const nm = found.wavelength_nm.slice();
      if (item)
        this.#keep([
          ...this.#items,
          {
            ...item,
            absorbance: item.absorbance.slice(),
            absorbance_err: item.absorbance_err?.slice(),
            wavelength_nm: nm,
          },
        ]);
    } catch (error) {
      say(this.#said, `Not drawn: ${error.message}.`);
    }
  }

  #keep(items) {
    this.#items = items;
    const { run } = this.#page.live.sections;
    this.#list.replaceChildren(
      ...items.map((item) => {
        const name = `point ${item.index + 1}: ${whereText(run, item)}`;
        const drop = button("×", () => this.#keep(this.#items.filter((each) => each !== item)), {
          "aria-label": `Remove ${name}`,
        });
        return element("li", {}, `${name} `, drop);
      }),
    );
    this.#changed();
  }
}
