// The places of the flow scheme, in the order in which the liquid passes them.

import { silence_s } from "./judgement.js";

export const STAGES = {
  mixer: "Mixer",
  nucleation: "Nucleation oven",
  growth: "Growth oven",
  absorbance: "UV-vis cell",
  scattering: "SAXS cell",
  collection: "Collection",
};

// What a gauge is called where its place cannot be seen: nucleation oven, temperature.
export function named({ place, label }) {
  return place in STAGES ? `${STAGES[place]}, ${label}` : label;
}

export function isPump({ place, units }) {
  return place === "feed" && (units ?? "").endsWith("/min");
}

// Gauges that are at no place of the scheme.
export function elsewhere(gauges) {
  return gauges.filter(({ place }) => place !== "feed" && !(place in STAGES));
}

// Readings as far as they are of now: null where none come any more, a value null where it was not read for longer than
// usual.
export function heard(readings, now_s) {
  if (!readings || now_s - readings.time > 3) return null;
  const gauges = readings.gauges.map((gauge) => (silence_s(gauge, now_s) === null ? gauge : { ...gauge, value: null }));
  return { ...readings, gauges };
}

const HOT_C = 50;

// The hottest reading that is hot, or null: a reactor that is safe may burn all the same.
export function hottest(gauges) {
  const hot = gauges.filter(({ units, value }) => units === "°C" && value > HOT_C);
  return hot.reduce((most, gauge) => (most === null || gauge.value > most.value ? gauge : most), null);
}

export function flowing(gauges) {
  return gauges.some((gauge) => isPump(gauge) && gauge.value > 0);
}
