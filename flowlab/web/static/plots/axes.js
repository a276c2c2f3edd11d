// Where an axis has its ticks and what it reaches: linear, and logarithmic with 1, 2, 5 where decades are few.

// Ends such that they stay where they are while what is shown only trembles; `least`: what they span, of their value.
export function around([low, high], log, least = 0) {
  if (!(high >= low)) return log ? [0.1, 10] : [0, 1];
  if (log) {
    const bottom = Math.max(low, high / 1e4);
    return [10 ** (Math.floor(5 * Math.log10(bottom * 0.9)) / 5), 10 ** (Math.ceil(5 * Math.log10(high * 1.1)) / 5)];
  }
  const short = (least * Math.abs(high + low)) / 2 - (high - low);
  if (short > 0) return around([low - short / 2, high + short / 2], false);
  if (high === low) return [low - 1, high + 1];
  const step = 10 ** Math.floor(Math.log10(high - low)) / 10;
  const room = 0.05 * (high - low);
  return [Math.floor((low - room) / step) * step, Math.ceil((high + room) / step) * step];
}

// More than so many decades: steps within one.
const STEPS = [
  [4, [1]],
  [2.5, [1, 3]],
  [0.8, [1, 2, 5]],
  [-Infinity, [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]],
];

export function logTicks(low, high) {
  if (!(low > 0 && high < Infinity)) return []; // an axis without data yet, or that begins at nought, has no decades
  const decades = Math.log10(high / low);
  const [, steps] = STEPS.find(([from]) => decades > from);
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) {
      const tick = step * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// 0.02, 300; and 3·10⁻⁵ where that would be long.
export function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return String(Number(value.toPrecision(6))).replace("-", "−");
  const power = Math.floor(Math.log10(size) + 1e-9);
  const factor = Number((value / 10 ** power).toPrecision(3));
  const raised = [...String(power)].map((digit) => (digit === "-" ? "⁻" : SUPERSCRIPTS[digit])).join("");
  return `${factor === 1 ? "" : `${String(factor).replace("-", "−")}·`}10${raised}`;
}
