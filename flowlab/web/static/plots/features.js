// What the peaks of a point are, as far as is known now.

import { KINDS, number, withError } from "../words.js";
import { ofSeries } from "./theme.js";

const SERIES_OF = { msc: "cluster", nc: "exciton", artefact: "artefact" };

// A feature's track: {kind, family, probability, …}; of a kind that is not known yet where there is none.
export function trackOf(tracks, feature) {
  const found = feature.track === null || feature.track === undefined ? undefined : tracks?.[feature.track];
  return found ?? { kind: "unknown", family: "", probability: null, why: "", final: false };
}

export function kindWords(track) {
  const { words, sign } = KINDS[track.kind] ?? KINDS.unknown;
  const order = track.transition && track.transition !== "E1" ? `, ${track.transition}` : "";
  return `${sign} ${words}${order}`;
}

// Whether it is known what it is: what there is no room for is left out where all is small.
export function isKnown(tracks, feature) {
  return ["msc", "nc"].includes(trackOf(tracks, feature).kind);
}

export function markOf(tracks, feature) {
  const track = trackOf(tracks, feature);
  const { sign, words } = KINDS[track.kind] ?? KINDS.unknown;
  const name = track.family || words.split(",")[0];
  return {
    mark: feature.wavelength_nm,
    text: `${sign} ${name} ${number(feature.wavelength_nm, 1)}`,
    colour: () => ofSeries(SERIES_OF[track.kind] ?? "unknown"),
  };
}

export const FEATURE_HEADS = ["what it is", "family", "certain", "position / nm", "height", "width / nm", "S/N"];

export function featureRow(tracks, feature) {
  const track = trackOf(tracks, feature);
  const certain =
    track.probability === null || track.probability === undefined ? "–" : `${number(100 * track.probability, 0)} %`;
  return [
    kindWords(track),
    track.family || "–",
    certain,
    withError(feature.wavelength_nm, feature.wavelength_err_nm),
    withError(feature.height, feature.height_err),
    number(feature.fwhm_nm, 1),
    number(feature.snr, 0),
  ];
}

// The feature of a point that is the first band of a family's cluster, or null.
export function bandOf(tracks, point, family) {
  for (const feature of point.features ?? []) {
    const track = trackOf(tracks, feature);
    if (track.kind === "msc" && track.family === family && (track.transition ?? "E1") === "E1") return feature;
  }
  return null;
}

// Families to choose from: the one whose window is sought, those that were seen, then those that the material has.
export function familiesOf(run, tracks) {
  const known = run?.families ?? [];
  const sought = known.filter((family) => family.accumulates);
  const seen = Object.values(tracks ?? {}).filter((track) => track.kind === "msc" && track.family);
  const names = [...sought.map(({ name }) => name), ...seen.map(({ family }) => family), ...known.map(({ name }) => name)];
  return [...new Set(names)];
}
