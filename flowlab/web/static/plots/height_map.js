// The height of a family's band over a scan: a cell for each place, filled as the points come. What was looked for and
// not found, what cannot be used and what was not measured look different from any height.

import { HEIGHT, css, mixed } from "../colours.js";
import { element, say } from "../dom.js";
import { SIGNS, cellText, countText } from "./cells.js";
import { axesOf, axisText, panelsOf, plain, whereText } from "./conditions.js";
import { colour, onTheme } from "./theme.js";

// Of cells without a colour: what is not there is thinner and smaller than what could not be told.
const [SOLID, DASHED, DOTTED] = [[], [2, 2], [1, 2]];
const LINES = { absent: SOLID, planned: DOTTED, left: DOTTED };
const LEAST_SIGN = 7; // height in pixels below which a cell has no room for a sign

export class HeightMap {
  highest = 0;
  #root;
  #canvas = element("canvas");
  #small;
  #picked;
  #said = element("p", { class: "plot-readout", "aria-live": "polite" });
  #run = null;
  #family = null;
  #cells = []; // see cells.js
  #panels = [];
  #cursor = null; // key of the cell that keys are at
  #told = null; // key of the cell that is read out
  #chosen = null; // index of a point
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
      box.addEventListener("click", (event) => this.#goTo(this.#under(event), true));
      box.addEventListener("pointermove", (event) => this.#tell(this.#under(event)));
      box.addEventListener("keydown", (event) => this.#key(event));
    }
    new ResizeObserver(() => {
      this.#size = [box.clientWidth, box.clientHeight];
      this.draw();
    }).observe(box);
    onTheme(() => this.draw());
  }

  show(run, family, cells, chosen = null) {
    this.#run = run;
    this.#family = family;
    this.#cells = cells;
    this.#chosen = chosen;
    this.#panels = panelsOf(cells);
    this.highest = 0;
    for (const { found } of cells) if (found.state === "found") this.highest = Math.max(this.highest, found.height);
    const name = `Height of ${family ?? "a family"} over the scan: ${countText(run, cells)}`;
    this.box.setAttribute("aria-label", this.#picked ? `${name}. Arrow keys move, Enter shows the spectrum.` : name);
    this.#tell(cells.find(({ key }) => key === this.#told));
    this.draw();
  }

  #place() {
    const [width, height] = this.#size;
    const small = this.#small;
    const [left, top, right, bottom] = small ? [34, 4, width - 4, height - 18] : [52, 6, width - 6, height - 36];
    const values = this.#cells.map(({ coordinate }) => coordinate);
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
    const outline = (cell, ink, dash) => cell && this.#outline(ctx, place, cell, colour(ink), dash);
    outline(this.#cells.find(({ now }) => now), "accent", []);
    outline(this.#chosenCell(), "ink", []);
    if (document.activeElement === this.box) outline(this.#cursorCell(), "accent", [3, 2]);
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
    const values = [...new Set(this.#cells.map(({ coordinate }) => coordinate))].sort((a, b) => a - b);
    let last = Infinity;
    for (const value of values) {
      if (last - place.y(value) < 15) continue;
      last = place.y(value);
      ctx.fillText(plain(value), place.left - 5, last);
    }
    if (this.#small) return;
    const { slow, fast } = axesOf(this.#run);
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

  #drawCell(ctx, { panel, coordinate, found }, place) {
    const [wide, tall] = [Math.min(place.wide, 90) - 3, Math.max(2, place.tall - 2)];
    const [x, y] = [place.x(this.#column(panel)) - wide / 2, place.y(coordinate) - tall / 2];
    if (found.state === "found") {
      ctx.fillStyle = css(mixed(HEIGHT, this.highest > 0 ? found.height / this.highest : 0));
      ctx.fillRect(x, y, wide, tall);
      return;
    }
    const line = LINES[found.state] ?? DASHED;
    const inset = line === DOTTED ? 1.5 : 0.5;
    ctx.clearRect(x, y, wide, tall);
    ctx.strokeStyle = colour("muted");
    ctx.lineWidth = 1;
    ctx.setLineDash(line);
    ctx.strokeRect(x + inset, y + inset, wide - 2 * inset, Math.max(1, tall - 2 * inset));
    ctx.setLineDash([]);
    if (tall < LEAST_SIGN || !SIGNS[found.state]) return;
    ctx.font = `${Math.min(12, tall + 1)}px system-ui, sans-serif`;
    ctx.fillStyle = colour("ink");
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(SIGNS[found.state], x + wide / 2, y + tall / 2);
  }

  #outline(ctx, place, { panel, coordinate }, ink, dash) {
    const [wide, tall] = [Math.min(place.wide, 90), place.tall + 1];
    const [x, y] = [place.x(this.#column(panel)) - wide / 2, place.y(coordinate) - tall / 2];
    ctx.lineWidth = 3;
    ctx.strokeStyle = colour("ground");
    ctx.strokeRect(x, y, wide, tall);
    ctx.lineWidth = 2;
    ctx.strokeStyle = ink;
    ctx.setLineDash(dash);
    ctx.strokeRect(x, y, wide, tall);
    ctx.setLineDash([]);
  }

  #column(panel) {
    return this.#panels.indexOf(panel);
  }

  #chosenCell() {
    return this.#cells.find(({ point }) => point && point.index === this.#chosen);
  }

  #cursorCell() {
    return this.#cells.find(({ key }) => key === this.#cursor);
  }

  // The cell at a pointer, or none.
  #under({ offsetX, offsetY }) {
    if (this.#cells.length === 0) return null;
    const place = this.#place();
    return this.#nearest(Math.floor((offsetX - place.left) / place.wide), place.coordinate(offsetY));
  }

  // The cell of a column that is nearest to a coordinate.
  #nearest(column, coordinate) {
    let best = null;
    for (const cell of this.#cells) {
      if (cell.panel !== this.#panels[column]) continue;
      const away = Math.abs(cell.coordinate - coordinate);
      if (!best || away < Math.abs(best.coordinate - coordinate)) best = cell;
    }
    return best;
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || this.#cells.length === 0) return;
    const newest = this.#cells.findLast(({ point }) => point) ?? this.#cells[0];
    const at = this.#cursorCell() ?? this.#chosenCell() ?? newest;
    const column = this.#column(at.panel);
    const values = this.#cells.filter(({ panel }) => panel === at.panel).map(({ coordinate }) => coordinate);
    const above = Math.min(...values.filter((value) => value > at.coordinate));
    const below = Math.max(...values.filter((value) => value < at.coordinate));
    const to = {
      ArrowLeft: () => this.#nearest(column - 1, at.coordinate),
      ArrowRight: () => this.#nearest(column + 1, at.coordinate),
      ArrowUp: () => Number.isFinite(above) && this.#nearest(column, above),
      ArrowDown: () => Number.isFinite(below) && this.#nearest(column, below),
      Enter: () => at,
      " ": () => at,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.#goTo(to() || at, event.key === "Enter" || event.key === " ");
  }

  #goTo(cell, pick) {
    if (!cell) return;
    this.#cursor = cell.key;
    this.#tell(cell);
    if (pick && cell.point) this.#picked(cell.point);
    this.draw();
  }

  // Reads a cell out, and goes on doing so: what it says changes when it is measured.
  #tell(cell) {
    this.#told = cell?.key ?? null;
    const of = this.#family ? `${this.#family} ` : "";
    say(this.#said, cell ? `${whereText(this.#run, cell)}: ${of}${cellText(cell)}` : "");
  }
}

// The least distance between coordinates of the same panel.
function spacing(cells) {
  const panels = new Map();
  for (const { panel, coordinate } of cells) {
    if (!panels.has(panel)) panels.set(panel, []);
    panels.get(panel).push(coordinate);
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
