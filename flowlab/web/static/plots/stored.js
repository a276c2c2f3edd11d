// Spectra of the run that is shown, a panel's at a time: fetched once, then kept up with what comes live.

import { arrays } from "../api.js";

const MOST = 200; // of a panel, the newest
const AGAIN_MS = 3000;
const ENOUGH = 5;

export class Stored {
  wavelength_nm = null;
  items = []; // by index, ascending
  panel = null;
  why = ""; // they cannot be had
  #page;
  #run = null;
  #changed;
  #fetching = false;
  #next = 0;
  #later = null;
  #absent = new Map(); // how often an index was asked for that the server has no spectrum of, or no longer

  // changed: called when there are others.
  constructor(page, changed) {
    this.#page = page;
    this.#changed = changed;
    page.live.addEventListener("change", ({ detail }) => {
      if (detail.has("spectrum")) this.#take(page.live.sections.spectrum);
    });
  }

  get fetching() {
    return this.#fetching;
  }

  // Those of a panel, from now on; fetches what is missing. Called as often as points change.
  follow(panel) {
    const run = this.#page.live.sections.run?.uid ?? null;
    if (run !== this.#run || panel !== this.panel) {
      this.#run = run;
      this.panel = panel;
      this.items = [];
      this.#absent.clear();
      this.#next = 0;
    }
    if (run === null || panel === null || this.#fetching) return;
    const have = new Set(this.items.map((item) => item.index));
    const wanted = this.#page.live.sections.points.filter((point) => point.panel === panel).slice(-MOST);
    if (wanted.every(({ index }) => have.has(index) || this.#absent.get(index) >= ENOUGH)) return;
    clearTimeout(this.#later);
    const wait = this.#next - performance.now();
    if (wait > 0) this.#later = setTimeout(() => this.follow(this.panel), wait);
    else this.#fetch(run, panel, wanted);
  }

  async #fetch(run, panel, wanted) {
    this.#fetching = true;
    this.#next = performance.now() + AGAIN_MS;
    try {
      const found = await arrays(`run/spectra?panel=${encodeURIComponent(panel)}`);
      this.why = "";
      if (panel === this.panel && run === this.#run && (found.run ?? run) === run) {
        this.wavelength_nm = found.wavelength_nm;
        const newer = this.items.filter((item) => !found.items.some(({ index }) => index === item.index));
        this.items = [...found.items, ...newer].sort((a, b) => a.index - b.index).slice(-MOST);
        const have = new Set(this.items.map(({ index }) => index));
        for (const { index } of wanted)
          if (!have.has(index)) this.#absent.set(index, (this.#absent.get(index) ?? 0) + 1);
      }
    } catch (error) {
      this.why = error.message;
    } finally {
      this.#fetching = false;
    }
    this.#changed();
    if (panel !== this.panel || run !== this.#run) this.follow(this.panel); // another was asked for meanwhile
  }

  #take(spectrum) {
    if (!spectrum || spectrum.index === null || spectrum.panel !== this.panel || !spectrum.absorbance) return;
    if (this.#run !== this.#page.live.sections.run?.uid) return;
    const { index, panel, coordinate, absorbance, absorbance_err } = spectrum;
    if (this.items.some((item) => item.index === index)) return;
    this.wavelength_nm = this.#page.live.sections.axis?.wavelength_nm ?? this.wavelength_nm;
    this.items = [...this.items, { index, panel, coordinate, absorbance, absorbance_err }].slice(-MOST);
    this.#changed();
  }
}
