// Numbers as people type them: 14.5, −10, lists such as 250, 260, 270 and ranges such as 250:320:10.

const MOST = 2000; // more points than any scan has

// A number, or null where it is none. A comma is no point: 1,500 would be one thing or another.
export function parseNumber(text) {
  const plain = text.trim().replace("−", "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : null;
}

// As it was typed, or would be: digits that binary fractions add are none of anybody's.
export function plain(value) {
  return String(Number(value.toPrecision(12))).replace("-", "−");
}

// {values}, or {why} it is no list. start:stop:step takes the stop in, where the steps meet it.
export function parseNumbers(text) {
  const values = [];
  for (const word of text.split(/[,;\s]+/).filter(Boolean)) {
    if (word.includes(":")) {
      const { range, why } = parseRange(word);
      if (why) return { why };
      values.push(...range);
    } else {
      const value = parseNumber(word);
      if (value === null) return { why: `“${word}” is no number; a list is 250, 260, 270 or 250:270:10` };
      values.push(value);
    }
    if (values.length > MOST) return { why: `these are more than ${MOST} values` };
  }
  return { values };
}

function parseRange(word) {
  const parts = word.split(":").map(parseNumber);
  if (parts.length !== 3 || parts.includes(null))
    return { why: `“${word}” is no range; one is start:stop:step, as 250:320:10` };
  const [start, stop, step] = parts;
  if (step === 0 || (stop - start) * step < 0)
    return { why: `“${word}”: steps of ${plain(step)} do not lead from ${plain(start)} to ${plain(stop)}` };
  const count = Math.floor((stop - start) / step + 1e-9) + 1;
  if (count > MOST) return { why: `“${word}” would be ${count} values; at most ${MOST}` };
  return { range: Array.from({ length: count }, (_, index) => Number((start + index * step).toPrecision(12))) };
}

// Many values in few words: “250 to 300 °C in steps of 10”, where they are such; else each.
export function listed(values, unit = "") {
  const step = values[1] - values[0];
  const even =
    values.length > 3 &&
    step !== 0 &&
    values.every((value, i) => Math.abs(value - values[0] - i * step) < 1e-9 * (1 + Math.abs(value)));
  if (even) return `${plain(values[0])} to ${plain(values.at(-1))}${unit} in steps of ${plain(Math.abs(step))}`;
  return `${values.map(plain).join(", ")}${unit}`;
}

export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
