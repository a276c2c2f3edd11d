// What is shown of a spectrum when nobody has asked for more: where bands are or may be, and around.

const [BELOW_NM, BEYOND_NM] = [50, 130];

let known = { run: null, points: 0, ends: null };

// Ends in nm, or null while no axis is known. They only widen within a run, so that the axis stays where it is.
export function usualRange({ run, axis, points }) {
  const nm = axis?.wavelength_nm;
  if (!nm?.length) return null;
  if (known.run !== run?.uid || points.length < known.points) {
    known = { run: run?.uid, points: 0, ends: null };
    for (const family of run?.families ?? []) widen(family.wavelength_nm);
  }
  for (const point of points.slice(known.points))
    for (const feature of point.features ?? []) widen(feature.wavelength_nm);
  known.points = points.length;
  if (!known.ends) return [nm[0], nm.at(-1)];
  return [Math.max(nm[0], known.ends[0] - BELOW_NM), Math.min(nm.at(-1), known.ends[1] + BEYOND_NM)];
}

function widen(at) {
  if (at === null || Number.isNaN(at)) return;
  const [low, high] = [Math.floor(at / 10) * 10, Math.ceil(at / 10) * 10];
  known.ends = known.ends ? [Math.min(low, known.ends[0]), Math.max(high, known.ends[1])] : [low, high];
}
