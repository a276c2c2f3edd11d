// Where light is enough to be measured: what is shown of a spectrum when nobody has asked for more.

const ENOUGH = 0.05; // error of absorbance
let known = { run: null, axis: null, ends: null };

// Ends in nm; they only widen within a run, so that the axis stays where it is.
export function measurable(run, nm, spectrum) {
  if (!nm?.length) return null;
  if (known.run !== run || known.axis !== nm.length) known = { run, axis: nm.length, ends: null };
  const err = spectrum?.absorbance_err;
  if (known.ends && (!err || known.seen === spectrum)) return known.ends;
  if (!err) return [nm[0], nm.at(-1)];
  known.seen = spectrum;
  // A window of pixels, so that one that happens to be quiet does not widen the range.
  const wide = Math.max(1, Math.round(nm.length / 100));
  const good = (i) => err[i] < ENOUGH && Number.isFinite(spectrum.absorbance[i]);
  const first = edge(0, 1, nm.length, wide, good);
  const last = edge(nm.length - 1, -1, nm.length, wide, good);
  if (first === null || last <= first) return known.ends ?? [nm[0], nm.at(-1)];
  const [low, high] = [Math.floor(nm[first] / 10) * 10, Math.ceil(nm[last] / 10) * 10];
  known.ends = known.ends ? [Math.min(known.ends[0], low), Math.max(known.ends[1], high)] : [low, high];
  return known.ends;
}

function edge(from, step, count, wide, good) {
  let run = 0;
  for (let i = from; i >= 0 && i < count; i += step) {
    run = good(i) ? run + 1 : 0;
    if (run === wide) return i - step * (wide - 1);
  }
  return null;
}
