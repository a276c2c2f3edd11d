// The flow scheme: feeds on the left, then what the liquid passes, to the collection. Drawn anew only when an instrument
// has other gauges than before; else only what its gauges say.

import { say, svg } from "../dom.js";
import { duration, number } from "../words.js";
import { isPump, lasts_s } from "./judgement.js";
import { createReading, ROW } from "./reading.js";
import { SYMBOLS } from "./symbols.js";

const WIDTH = 1340;
const FEED = { width: 268, height: 88 };
const BUS_X = 300;
const PIPE_Y = 58;
const BELOW_Y = 122; // where the readings of a stage begin
const STAGES = [
  ["mixer", "Mixer"],
  ["nucleation", "Nucleation oven"],
  ["growth", "Growth oven"],
  ["absorbance", "UV-vis cell"],
  ["scattering", "SAXS cell"],
  ["collection", "Collection"],
];
const WHERE_DRAWN = new Set(["feed", ...STAGES.map(([place]) => place)]);

// Gauges that are at no place of the scheme.
export function elsewhere(gauges) {
  return gauges.filter((gauge) => !WHERE_DRAWN.has(gauge.place));
}

export function createScheme() {
  const root = svg("svg", { class: "scheme", role: "group", "aria-label": "Flow scheme", preserveAspectRatio: "xMidYMid meet" });
  let drawn = "";
  let readings = new Map(); // by the gauge's name
  let pumps = [];
  let common = null; // the pipe from the mixer on

  function draw(gauges, kinds) {
    readings = new Map();
    const feeds = gauges.filter((gauge) => gauge.place === "feed");
    const stages = STAGES.filter(([place]) => place !== "scattering" || kinds.includes("saxs") || gauges.some((g) => g.place === place));
    const most = Math.max(1, ...stages.map(([place]) => gauges.filter((g) => g.place === place).length));
    const height = Math.max(feeds.length * FEED.height, BELOW_Y + most * ROW);
    root.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    common = createPipe(`M${BUS_X} ${PIPE_Y}H${WIDTH - 30}`);
    pumps = feeds.map((gauge, i) => drawFeed(gauge, i));
    const lines = pumps.filter((pump) => pump.pipe).map((pump) => pump.pipe.root);
    const step = (WIDTH - BUS_X - 20) / stages.length;
    const boxes = stages.map(([place, title], i) => drawStage(place, title, BUS_X + 20 + i * step, step - 14, gauges));
    root.replaceChildren(...lines, common.root, ...pumps.map((pump) => pump.root), ...boxes);
  }

  function drawFeed(gauge, i) {
    const y = i * FEED.height;
    const reading = createReading(gauge, isPump(gauge) ? 92 : 12, y + 2, FEED.width - (isPump(gauge) ? 96 : 16));
    readings.set(gauge.name, reading);
    if (!isPump(gauge)) return { gauge, root: svg("g", {}, reading.root) };
    const middle = y + FEED.height / 2 - 4;
    const pipe = createPipe(`M${FEED.width} ${middle}H${BUS_X}V${PIPE_Y}`);
    const syringe = createSyringe(6, y + 10);
    return { gauge, pipe, syringe, root: svg("g", {}, syringe.root, reading.root) };
  }

  function drawStage(place, title, x, width, gauges) {
    const group = svg("g", { class: `stage ${place}` });
    group.append(svg("text", { class: "place", x: x + width / 2, y: 12, "text-anchor": "middle" }, title));
    group.append(svg("g", { transform: `translate(${x + width / 2} ${PIPE_Y})` }, ...SYMBOLS[place]()));
    const here = gauges.filter((gauge) => gauge.place === place);
    here.forEach((gauge, i) => {
      const reading = createReading(gauge, x + 4, BELOW_Y + i * ROW, width - 8);
      readings.set(gauge.name, reading);
      group.append(reading.root);
    });
    return group;
  }

  return {
    root,
    update(gauges, kinds, speed, judged, stale) {
      const key = JSON.stringify([gauges.map((g) => [g.name, g.place, g.label, g.units]), kinds]);
      if (key !== drawn) {
        drawn = key;
        draw(gauges, kinds);
      }
      for (const gauge of gauges) readings.get(gauge.name)?.show(gauge, judged.get(gauge.name));
      let flows = false;
      let known = true;
      for (const pump of pumps.filter((one) => one.pipe)) {
        const gauge = gauges.find((one) => one.name === pump.gauge.name);
        const silent = stale || judged.get(gauge.name).old;
        const rate = silent ? null : gauge.value;
        known &&= rate !== null;
        flows ||= rate > 0;
        pump.pipe.show(rate === null ? null : rate > 0);
        pump.syringe.show(gauge, speed, gauges);
      }
      common.show(flows ? true : known ? false : null);
    },
  };
}

// A pipe: with liquid that moves (true), that stands (false), or of which that is not known (null).
function createPipe(path) {
  const root = svg("g", { class: "pipe" },
    svg("path", { class: "wall", d: path }), svg("path", { class: "inside", d: path }), svg("path", { class: "moving", d: path })); // prettier-ignore
  return {
    root,
    show(flows) {
      const now = flows === null ? "not-known" : flows ? "flows" : "stands";
      if (root.dataset.is !== now) root.dataset.is = now;
    },
  };
}

// A syringe, or a bottle: how full it is, as far as is known, and how long that lasts.
function createSyringe(x, y) {
  const level = svg("rect", { class: "level", x: x + 3, width: 24, y: y + 40, height: 0 });
  const left = svg("text", { class: "left", x: x + 34, y: y + 26 });
  const lasts = svg("text", { class: "lasts", x: x + 34, y: y + 42 });
  let most = 0;
  return {
    root: svg("g", { class: "syringe" },
      level,
      svg("path", { class: "glass", d: `M${x + 15} ${y - 8}v8m-12 0h24v52h-24zm12 52v9m-8 0h16` }),
      left,
      lasts), // prettier-ignore
    show(gauge, speed) {
      most = Math.max(most, gauge.left ?? 0);
      const share = gauge.left === null || most === 0 ? 0 : Math.max(0, gauge.left / most);
      level.setAttribute("y", (y + 52 * (1 - share)).toFixed(1));
      level.setAttribute("height", (52 * share).toFixed(1));
      say(left, gauge.left === null ? "" : `${number(gauge.left, 1)} ${gauge.left_units ?? ""}`);
      const seconds = lasts_s(gauge, speed);
      say(lasts, seconds === null ? (gauge.left === null ? "" : "left") : `for ${duration(seconds)}`);
    },
  };
}
