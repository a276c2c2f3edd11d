// The height of a family's band over a scan: a cell for each point, drawn as it comes. What was looked for and not found,
// what cannot be used and what was not measured look different from any height.

import { HEIGHT, css, mixed } from "../colours.js";
import { element, say } from "../dom.js";
import { withError } from "../words.js";
import { axesOf, axisText, panelsOf, plain, whereText } from "./conditions.js";
import { bandOf, trackOf } from "./features.js";
import { colour, onTheme } from "./theme.js";

const NEAR_NM = 9; // half the width of a cluster's band

export const SIGNS = { absent: "–", undecided: "?", unusable: "×" };
const WORDS = { absent: "looked for, not found", undecided: "not decided yet", unusable: "not usable" };

// {state, height, err} of a family at a point.
export function heightAt(run, tracks, point, family) {
  const band = bandOf(tracks, point, family);
  if (band) return { state: "found", height: band.height, err: band.height_err };
  if (!point.usable) return { state: "unusable" };
  const at = run?.families?.find(({ name }) => name === family)?.wavelength_nm;
  const open = (point.features ?? []).some(
    (feature) => trackOf(tracks, feature).kind === "unknown" && Math.abs(feature.wavelength_nm - at) < NEAR_NM,
  );
  return { state: open ? "undecided" : "absent" };
}

export function heightText(found, point) {
  if (found.state === "found") return `height ${withError(found.height, found.err)}`;
  return found.state === "unusable" && point.why ? `not usable: ${point.why}` : WORDS[found.state];
}

export class HeightMap {
  highest = 0;
  #root;
  #canvas = element("canvas");
  #small;
  #picked;
  #said = element("p", { class: "plot-readout", "aria-live": "polite" });
  #of = { run: null, points: [], tracks: {}, family: null };
  #cells = []; // {point, found, column}
  #panels = [];
  #cursor = null; // index of the point that keys are at
  #chosen = null;
  #size = [0, 0];

  // picked(point): called for a cell that is clicked, or entered by key. small: no axes' names, no keys.
  constructor(root, { picked = null, small = false } = {}) {
    this.#root = root;
    this.#picked = picked;
    this.#small = small;
    const box = element(
      "div",
      { class: "plot-box", role: picked ? "application" : "img", tabindex: picked ? "0" : null },
      this.#canvas,
    );
    this.box = box;
    root.classList.add("plot");
    root.append(box);
    if (picked) {
      root.append(this.#said);
      box.addEventListener("click", (event) => this.#click(event));
      box.addEventListener("keydown", (event) => this.#key(event));
    }
    new ResizeObserver(() => {
      this.#size = [box.clientWidth, box.clientHeight];
      this.draw();
    }).observe(box);
    onTheme(() => this.draw());
  }

  show(run, points, tracks, family, chosen = null) {
    this.#of = { run, points, tracks, family };
    this.#chosen = chosen;
    this.#panels = panelsOf(points);
    this.#cells = [];
    this.highest = 0;
    for (const point of points) {
      if (point.panel === null || point.coordinate === null) continue;
      const found = heightAt(run, tracks, point, family);
      if (found.state === "found") this.highest = Math.max(this.highest, found.height);
      this.#cells.push({ point, found, column: this.#panels.indexOf(point.panel) });
    }
    const seen = this.#cells.filter(({ found }) => found.state === "found").length;
    const name = `Height of ${family ?? "a family"} over the scan: found at ${seen} of ${this.#cells.length} points`;
    this.box.setAttribute("aria-label", this.#picked ? `${name}. Arrow keys move, Enter shows the spectrum.` : name);
    this.draw();
  }

  #place() {
    const [width, height] = this.#size;
    const small = this.#small;
    const [left, top, right, bottom] = small ? [34, 4, width - 4, height - 18] : [52, 6, width - 6, height - 36];
    const values = this.#cells.map(({ point }) => point.coordinate);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const step = spacing(this.#cells) ?? 1;
    const scale = (bottom - top) / (high - low + step);
    const wide = (right - left) / Math.max(1, this.#panels.length);
    const tall = Math.min(44, Math.max(3, step * scale));
    return {
      left, top, right, bottom, wide, tall,
      x: (column) => left + (column + 0.5) * wide,
      y: (value) => bottom - (value - low + step / 2) * scale,
      coordinate: (y) => low - step / 2 + (bottom - y) / scale,
    }; // prettier-ignore
  }

  draw() {
    const [width, height] = this.#size;
    if (width === 0 || height === 0) return;
    const ratio = devicePixelRatio;
    [this.#canvas.width, this.#canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const ctx = this.#canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.font = `${this.#small ? 11 : 12}px system-ui, sans-serif`;
    if (this.#cells.length === 0) return;
    const place = this.#place();
    this.#drawAxes(ctx, place);
    for (const cell of this.#cells) this.#drawCell(ctx, cell, place);
    this.#outline(ctx, place, this.#chosen, colour("ink"), []);
    if (document.activeElement === this.box) this.#outline(ctx, place, this.#cursor, colour("accent"), [3, 2]);
  }

  #drawAxes(ctx, place) {
    ctx.fillStyle = colour("ink");
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    const every = Math.ceil(40 / place.wide);
    this.#panels.forEach((panel, column) => {
      if (column % every === 0) ctx.fillText(plain(panel), place.x(column), place.bottom + 4);
    });
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    const values = [...new Set(this.#cells.map(({ point }) => point.coordinate))].sort((a, b) => a - b);
    let last = Infinity;
    for (const value of values) {
      if (last - place.y(value) < 15) continue;
      last = place.y(value);
      ctx.fillText(plain(value), place.left - 5, last);
    }
    if (this.#small) return;
    const { slow, fast } = axesOf(this.#of.run);
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.fillText(axisText(slow), (place.left + place.right) / 2, this.#size[1] - 1);
    ctx.save();
    ctx.translate(11, (place.top + place.bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textBaseline = "middle";
    ctx.fillText(axisText(fast), 0, 0);
    ctx.restore();
  }

  #drawCell(ctx, { point, found, column }, place) {
    const [wide, tall] = [Math.min(place.wide, 90) - 3, Math.max(2, place.tall - 2)];
    const [x, y] = [place.x(column) - wide / 2, place.y(point.coordinate) - tall / 2];
    if (found.state === "found") {
      ctx.fillStyle = css(mixed(HEIGHT, this.highest > 0 ? found.height / this.highest : 0));
      ctx.fillRect(x, y, wide, tall);
      return;
    }
    ctx.clearRect(x, y, wide, tall);
    ctx.strokeStyle = colour("muted");
    ctx.lineWidth = 1;
    ctx.setLineDash(found.state === "absent" ? [] : [2, 2]);
    ctx.strokeRect(x + 0.5, y + 0.5, wide - 1, tall - 1);
    ctx.setLineDash([]);
    if (tall < 9) return;
    ctx.fillStyle = colour("ink");
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(SIGNS[found.state], x + wide / 2, y + tall / 2);
  }

  #outline(ctx, place, index, ink, dash) {
    const cell = this.#cells.find(({ point }) => point.index === index);
    if (!cell) return;
    const [wide, tall] = [Math.min(place.wide, 90), place.tall + 1];
    const [x, y] = [place.x(cell.column) - wide / 2, place.y(cell.point.coordinate) - tall / 2];
    ctx.lineWidth = 3;
    ctx.strokeStyle = colour("ground");
    ctx.strokeRect(x, y, wide, tall);
    ctx.lineWidth = 2;
    ctx.strokeStyle = ink;
    ctx.setLineDash(dash);
    ctx.strokeRect(x, y, wide, tall);
    ctx.setLineDash([]);
  }

  #click(event) {
    if (this.#cells.length === 0) return;
    const place = this.#place();
    const column = Math.floor((event.offsetX - place.left) / place.wide);
    this.#goTo(this.#nearest(column, place.coordinate(event.offsetY)), true);
  }

  // The cell of a column that is nearest to a coordinate; of points at the same place the newest.
  #nearest(column, coordinate) {
    let best = null;
    for (const cell of this.#cells) {
      if (cell.column !== column) continue;
      const away = Math.abs(cell.point.coordinate - coordinate);
      if (!best || away <= Math.abs(best.point.coordinate - coordinate)) best = cell;
    }
    return best;
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || this.#cells.length === 0) return;
    const at = this.#cells.find(({ point }) => point.index === (this.#cursor ?? this.#chosen)) ?? this.#cells.at(-1);
    const column = this.#cells.filter((cell) => cell.column === at.column).map(({ point }) => point.coordinate);
    const above = Math.min(...column.filter((value) => value > at.point.coordinate));
    const below = Math.max(...column.filter((value) => value < at.point.coordinate));
    const to = {
      ArrowLeft: () => this.#nearest(at.column - 1, at.point.coordinate),
      ArrowRight: () => this.#nearest(at.column + 1, at.point.coordinate),
      ArrowUp: () => Number.isFinite(above) && this.#nearest(at.column, above),
      ArrowDown: () => Number.isFinite(below) && this.#nearest(at.column, below),
      Enter: () => at,
      " ": () => at,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.#goTo(to() || at, event.key === "Enter" || event.key === " ");
  }

  #goTo(cell, pick) {
    if (!cell) return;
    this.#cursor = cell.point.index;
    say(this.#said, `${whereText(this.#of.run, cell.point)}: ${this.#of.family} ${heightText(cell.found, cell.point)}`);
    if (pick) this.#picked(cell.point);
    this.draw();
  }
}

// The least distance between coordinates of the same panel.
function spacing(cells) {
  const panels = new Map();
  for (const { point } of cells) {
    if (!panels.has(point.panel)) panels.set(point.panel, []);
    panels.get(point.panel).push(point.coordinate);
  }
  let least = Infinity;
  for (const values of panels.values()) {
    values.sort((a, b) => a - b);
    for (let i = 1; i < values.length; i += 1) {
      if (values[i] > values[i - 1]) least = Math.min(least, values[i] - values[i - 1]);
    }
  }
  return Number.isFinite(least) ? least : null;
}
