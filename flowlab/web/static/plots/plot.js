// A plot: uPlot's axes, cursor and zoom, and layers (layers.js) between them. It is made once; what it shows is set as
// often as wanted, and drawn at once without anything being built anew.

import { element, say } from "../dom.js";
import { around, logTicks, tickText } from "./axes.js";
import { drawAll, reach } from "./layers.js";
import { colour, onTheme } from "./theme.js";

const FONT = "12px system-ui, sans-serif";
const NO_DATA = [[0, 1], [null, null]]; // prettier-ignore

export class Plot {
  #options;
  #root;
  #box;
  #readout;
  #plot = null;
  #layers = [];
  #zoom = null;
  #full = [0, 1];
  #logY;
  #size = [0, 0];

  // name: what it shows, for who hears it. x, y: names of the axes. full: ends of x, or null: whatever layers reach;
  // readOut(x, y): what is said at the cursor; logX, logY; yZero: y begins with 0; yLeast: the part of its value that y spans
  // at least; small: no words.
  // onZoom(zoomed), onClick(x, y).
  constructor(root, options) {
    this.#options = options;
    this.#root = root;
    this.#logY = options.logY ?? false;
    this.#box = element("div", {
      class: "plot-box", tabindex: options.small ? null : "0", role: "img", "aria-label": options.name,
      onkeydown: (event) => this.#key(event),
    }); // prettier-ignore
    this.#readout = element("p", { class: "plot-readout", "aria-live": "off" });
    root.classList.add("plot");
    root.append(this.#box);
    if (!options.small) root.append(this.#readout);
    new ResizeObserver(() => this.#resize()).observe(this.#box);
    onTheme(() => this.draw());
    this.#say(null);
  }

  get zoomed() {
    return this.#zoom !== null;
  }

  get logY() {
    return this.#logY;
  }

  // Shows layers; `full`, when given: the ends of x when nobody has zoomed.
  show(layers, full = this.#options.full) {
    this.#layers = layers;
    const log = this.#options.logX ?? false;
    this.#full = full ?? around(reachOfX(layers), log);
    this.draw();
  }

  // What it shows, in words, for who hears it.
  describe(text) {
    if (this.#box.getAttribute("aria-label") !== text) this.#box.setAttribute("aria-label", text);
  }

  nameAxes(x, y) {
    if (this.#options.x === x && this.#options.y === y) return;
    [this.#options.x, this.#options.y] = [x, y];
    this.#build();
  }

  setLogY(log) {
    if (this.#logY === log) return;
    this.#logY = log;
    this.#build();
  }

  reset() {
    this.zoom(null);
  }

  zoom(ends) {
    this.#zoom = ends;
    this.#options.onZoom?.(this.zoomed);
    this.draw();
  }

  draw() {
    if (!this.#plot || this.#size[0] === 0) return;
    const [low, high] = this.#zoom ?? this.#full;
    let [bottom, top] = around(reach(this.#layers, low, high, this.#logY), this.#logY, this.#options.yLeast);
    if (this.#options.yZero && !this.#logY) bottom = 0;
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: low, max: high });
      this.#plot.setScale("y", { min: bottom, max: top });
    });
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#box;
    if (width === this.#size[0] && height === this.#size[1]) return;
    this.#size = [width, height];
    if (width === 0 || height === 0) return;
    if (!this.#plot) this.#build();
    else {
      this.#plot.setSize({ width, height });
      this.draw();
    }
  }

  #build() {
    if (this.#size[0] === 0) return;
    this.#plot?.destroy();
    const options = this.#options;
    const [low, high] = this.#full;
    const axis = (label, log, side) => ({
      label: options.small ? undefined : label,
      labelFont: FONT, font: options.small ? FONT.replace("12", "11") : FONT, labelSize: 18, labelGap: 0, gap: 3,
      size: side ? (_, texts) => Math.max(options.small ? 30 : 44, 10 + 7 * longest(texts)) : options.small ? 20 : 26,
      stroke: () => colour("ink"),
      grid: { stroke: () => colour("grid"), width: 1 },
      ticks: { stroke: () => colour("grid"), width: 1, size: 4 },
      values: (_, ticks) => ticks.map((tick) => (tick === null ? null : tickText(tick))),
      ...(log ? { splits: (_u, _i, min, max) => logTicks(min, max), filter: (_, ticks) => ticks } : {}),
    }); // prettier-ignore
    this.#plot = new uPlot(
      {
        width: this.#size[0],
        height: this.#size[1],
        padding: [8, 12, 0, 0],
        legend: { show: false },
        scales: {
          x: { time: false, auto: false, min: low, max: high, distr: options.logX ? 3 : 1, range: asAsked },
          y: { auto: false, min: this.#logY ? 0.1 : 0, max: 1, distr: this.#logY ? 3 : 1, range: asAsked },
        },
        axes: [axis(options.x, options.logX, 0), axis(options.y, this.#logY, 1)],
        series: [{}, { show: true, paths: () => null, points: { show: false } }],
        cursor: {
          show: !options.small,
          points: { show: false },
          y: false,
          drag: { x: !options.small, y: false, setScale: false, dist: 6 },
          bind: { dblclick: () => () => this.reset() },
        },
        hooks: {
          draw: [(plot) => this.#paint(plot)],
          setCursor: [(plot) => this.#say(plot)],
          setSelect: [(plot) => this.#select(plot)],
        },
      },
      NO_DATA,
      this.#box,
    );
    if (options.onClick) {
      let from = 0;
      this.#plot.over.addEventListener("pointerdown", (event) => (from = event.clientX));
      this.#plot.over.addEventListener("click", (event) => {
        if (Math.abs(event.clientX - from) < 6) options.onClick(...this.#at(this.#plot));
      });
    }
    this.draw();
  }

  #paint(plot) {
    const { left, top, width, height } = plot.bbox;
    const { x, y } = plot.scales;
    const along = position(x.min, x.max, left, left + width, this.#options.logX);
    const up = position(y.min, y.max, top + height, top, this.#logY);
    const ratio = uPlot.pxRatio;
    drawAll(plot.ctx, this.#layers, {
      left, top, width, height, ratio, x: along, y: up, low: x.min, high: x.max,
      // A place on the paper for what may lie beyond it, as the lower end of a band on a logarithmic axis.
      inside: (value) => {
        const at = up(value);
        return Number.isFinite(at) ? Math.min(Math.max(at, top - height), top + 2 * height) : top + 2 * height;
      },
      ink: colour("ink"), faint: colour("faint"), ground: colour("ground"),
      font: `${11 * ratio}px system-ui, sans-serif`,
    }); // prettier-ignore
  }

  #at(plot) {
    return [plot.posToVal(plot.cursor.left, "x"), plot.posToVal(plot.cursor.top, "y")];
  }

  #say(plot) {
    const { readOut, hint } = this.#options;
    const away = !plot || !(plot.cursor.left >= 0);
    say(this.#readout, away || !readOut ? (hint ?? "") : readOut(...this.#at(plot)));
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width > 5) this.zoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  // Arrows lead the cursor, + and − zoom around it, Escape shows all.
  #key(event) {
    if (!this.#plot || this.#options.small || event.ctrlKey || event.altKey || event.metaKey) return;
    const { width, height } = this.#plot.over.getBoundingClientRect();
    const from = this.#plot.cursor.left >= 0 ? this.#plot.cursor.left : width / 2;
    const step = (event.shiftKey ? 0.05 : 0.005) * width;
    const to = { ArrowLeft: from - step, ArrowRight: from + step }[event.key];
    if (to !== undefined) {
      this.#plot.setCursor({ left: Math.min(width, Math.max(0, to)), top: height / 2 });
      this.#readout.setAttribute("aria-live", "polite");
    } else if (event.key === "+" || event.key === "-") {
      const [low, high] = this.#zoom ?? this.#full;
      const at = this.#plot.posToVal(from, "x");
      const by = event.key === "+" ? 0.5 : 2;
      const ends = [Math.max(at + by * (low - at), this.#full[0]), Math.min(at + by * (high - at), this.#full[1])];
      this.zoom(ends[0] <= this.#full[0] && ends[1] >= this.#full[1] ? null : ends);
    } else if (event.key === "Escape") {
      this.reset();
    } else {
      if (event.key === "Enter" && this.#options.onClick) this.#options.onClick(...this.#at(this.#plot));
      return;
    }
    event.preventDefault();
  }
}

function longest(texts) {
  return Math.max(0, ...(texts ?? []).map((text) => (text ?? "").length));
}

// Ends of an axis are where they are set, and not at round numbers beyond.
function asAsked(_plot, low, high) {
  return [low, high];
}

function position(low, high, from, to, log) {
  if (log) {
    const [first, last] = [Math.log10(low), Math.log10(high)];
    return (value) => (value > 0 ? from + ((Math.log10(value) - first) / (last - first)) * (to - from) : NaN);
  }
  const scale = (to - from) / (high - low);
  return (value) => from + (value - low) * scale;
}

function reachOfX(layers) {
  let [low, high] = [Infinity, -Infinity];
  for (const { x, edges } of layers) {
    for (const value of x ?? edges ?? []) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

// The index of what is nearest to x among sorted numbers.
export function nearest(numbers, x) {
  let [low, high] = [0, numbers.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] > x) high = middle;
    else low = middle;
  }
  return Math.abs(numbers[low] - x) <= Math.abs(numbers[high] - x) ? low : high;
}
