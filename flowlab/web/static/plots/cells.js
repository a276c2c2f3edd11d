// The cells of a map of the scan: every place where a run has measured, and, as far as it says, where it is going to.

import { withError } from "../words.js";
import { bandOf, trackOf } from "./features.js";

const NEAR_NM = 9; // half the width of a cluster's band

export const SIGNS = { absent: "–", undecided: "?", unusable: "×", waiting: "…", underway: "▸" };
const WORDS = {
  absent: "looked for, not found",
  undecided: "not decided yet",
  unusable: "not usable",
  waiting: "measured, not analysed yet",
  underway: "under way",
  planned: "not measured yet",
  left: "not measured",
};

// Where a run is going to take spectra: see `grid` in docs/page.md. Null where it takes none, or does not say.
function gridOf(run) {
  return run?.kinds?.includes("absorbance") ? run.grid : null;
}

// [{panel, coordinate}, …] in the order of the visit.
function placesOf(run) {
  const { panels, coordinates, relative } = gridOf(run) ?? { panels: [] };
  return panels.flatMap((panel) =>
    coordinates.map((value) => ({ panel, coordinate: relative ? panel + value : value })),
  );
}

// [{key, panel, coordinate, point, found, now}, …]: `point` is the newest at that place, or null; `found` of a family
// there {state, height, err}; `now`: whether it is under way.
export function cellsOf(run, points, tracks, family) {
  const places = placesOf(run);
  const cells = new Map();
  const cellAt = ({ panel, coordinate }) => {
    const key = `${panel} ${coordinate}`;
    if (!cells.has(key)) cells.set(key, { key, panel, coordinate, point: null, found: null, now: false });
    return cells.get(key);
  };
  places.forEach((place, number) => {
    const cell = cellAt(place);
    if (cell.now) return; // the scan comes back to it later
    cell.found = { state: stateOf(run, number) };
    cell.now = cell.found.state === "underway";
  });
  for (const point of points) {
    // Where it was to be, by its number: what pumps and heaters make of that may be a little beside it.
    const place = places[point.index] ?? point;
    if (place.panel === null || place.coordinate === null) continue;
    Object.assign(cellAt(place), { point, found: heightAt(run, tracks, point, family) });
  }
  return [...cells.values()];
}

// Of a place that has not been heard of.
function stateOf(run, number) {
  if (number < run.points_done) return "waiting";
  if (run.stopped) return "left";
  return number === run.points_done ? "underway" : "planned";
}

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

export function cellText({ found, point, now }) {
  const text = heightText(found, point);
  return now && point ? `${text}; ${WORDS.underway}` : text;
}

// How many points a map shows, and how many are still to come, or never came.
export function countText(run, cells) {
  const said = [`found at ${inState(cells, "found")} of ${cells.filter(({ point }) => point).length} points`];
  const waiting = inState(cells, "waiting");
  if (waiting) said.push(`${waiting} ${WORDS.waiting}`);
  if (gridOf(run)) said.push(`${openCount(cells)} ${openWords(run)}`);
  return said.join(", ");
}

// What the signs mean. As long from the first point to the last: what stands above it keeps its size.
export function legendText(run, cells) {
  const signs = `${SIGNS.absent} looked for, not found; ${SIGNS.undecided} undecided; ${SIGNS.unusable} not usable`;
  if (!gridOf(run)) return `${signs}; empty: not measured${run && !run.grid ? " (what is planned is not told)" : ""}`;
  const count = `${openCount(cells)} of ${cells.length}`;
  return `${signs}; ${SIGNS.underway} under way; dotted: ${openWords(run)} (${count})`;
}

function openWords(run) {
  return run.stopped ? WORDS.left : WORDS.planned;
}

function openCount(cells) {
  return inState(cells, "planned", "underway", "left");
}

function inState(cells, ...states) {
  return cells.filter(({ found }) => states.includes(found.state)).length;
}
