// The flow scheme: feeds on the left, then what the liquid passes, to the collection. Drawn anew only when an instrument
// has other gauges than before; else only what its gauges say.

import { svg } from "../dom.js";
import { createSyringe } from "./feed.js";
import { createPipe } from "./pipe.js";
import { flowing, isPump, STAGES } from "./places.js";
import { createLine, createReading, hasRange, heightOf, LINE } from "./reading.js";
import { SYMBOLS } from "./symbols.js";

const WIDTH = 1340;
const FEED = { words: 196, tip: 286, pump: 90 }; // where its parts are, and how high one is
const LANE_X = 302; // of the first feed's pipe; each of the others goes up one further to the right
const LANE = 12;
const STAGES_X = 366;
const PIPE_Y = 62;
const BELOW_Y = 126; // where the readings of a stage begin

export function createScheme() {
  const root = svg("svg", { class: "scheme", role: "group", "aria-label": "Flow scheme", preserveAspectRatio: "xMidYMin meet" });
  let drawn = "";
  let readings = new Map(); // by the gauge's name
  let pumps = new Map();
  let common = null; // the pipe from the mixer on
  let heats = {};

  function draw(gauges, kinds) {
    readings = new Map();
    pumps = new Map();
    const at = (place) => gauges.filter((gauge) => gauge.place === place);
    const stages = Object.keys(STAGES).filter((place) => place !== "scattering" || kinds.includes("saxs") || at(place).length);
    const step = (WIDTH - STAGES_X) / stages.length;
    const feeds = svg("g", {});
    const low = drawFeeds(feeds, at("feed"), STAGES_X + step / 2);
    common = createPipe(`M${STAGES_X + step / 2} ${PIPE_Y}H${WIDTH - step / 2}`);
    const boxes = stages.map((place, i) => drawStage(place, STAGES_X + i * step, step, at(place)));
    const high = stages.map((place) => at(place).reduce((sum, gauge) => sum + heightOf(gauge), BELOW_Y));
    root.setAttribute("viewBox", `0 0 ${WIDTH} ${Math.max(low, ...high)}`);
    root.replaceChildren(common.root, feeds, ...boxes);
  }

  function drawFeeds(group, gauges, mixerX) {
    const count = gauges.filter(isPump).length;
    let y = 0;
    for (const gauge of gauges) {
      const reading = isPump(gauge) ? createReading(gauge, 2, y, FEED.words, FEED.tip) : createLine(gauge, 2, y, STAGES_X);
      readings.set(gauge.name, reading);
      if (isPump(gauge)) {
        const i = pumps.size;
        const middle = y + 36;
        const entry = PIPE_Y + (i - (count - 1) / 2) * LANE;
        const pipe = createPipe(`M${FEED.tip + 8} ${middle}H${LANE_X + i * LANE}V${entry}H${mixerX}`);
        const syringe = createSyringe(FEED.tip, middle, 2, y + 83);
        pumps.set(gauge.name, { pipe, syringe });
        group.prepend(pipe.root);
        group.append(syringe.root);
      }
      group.append(reading.root);
      y += isPump(gauge) ? FEED.pump : LINE;
    }
    return y;
  }

  function drawStage(place, x, width, gauges) {
    const group = svg("g", { class: "stage" });
    const symbol = SYMBOLS[place]();
    heats[place] = symbol.filter((part) => part.classList.contains("heat"));
    group.append(svg("text", { class: "place", x: x + width / 2, y: 16, "text-anchor": "middle" }, STAGES[place]));
    group.append(svg("g", { transform: `translate(${x + width / 2} ${PIPE_Y})` }, symbol));
    let y = BELOW_Y;
    for (const gauge of gauges) {
      const reading = createReading(gauge, x + 10, y, width - 20);
      readings.set(gauge.name, reading);
      group.append(reading.root);
      y += heightOf(gauge);
    }
    return group;
  }

  return {
    root,
    // `heard` are those of the gauges that tell what is the case now.
    update(gauges, kinds, speed, judged, heard) {
      const key = JSON.stringify([gauges.map((g) => [g.name, g.place, g.label, isPump(g), hasRange(g)]), kinds]);
      if (key !== drawn) {
        drawn = key;
        draw(gauges, kinds);
      }
      for (const gauge of gauges) {
        readings.get(gauge.name)?.show(gauge, judged.get(gauge.name));
        if (!pumps.has(gauge.name)) continue;
        const { pipe, syringe } = pumps.get(gauge.name);
        pipe.show(heard.includes(gauge) && gauge.value !== null ? gauge.value > 0 : null);
        syringe.show(gauge, speed, heard.includes(gauge));
      }
      const known = gauges.filter(isPump).every((gauge) => heard.includes(gauge) && gauge.value !== null);
      common.show(flowing(heard) || (known ? false : null));
      for (const [place, parts] of Object.entries(heats)) {
        const hot = heard.some((gauge) => gauge.place === place && gauge.units === "°C" && gauge.value > 50);
        for (const part of parts) part.style.display = hot ? "" : "none";
      }
    },
  };
}
