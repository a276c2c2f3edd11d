// Numbers and times in words, as reports have them: a value with the digits that its error leaves, and its unit.

const MINUS = "−";
const MOST_DIGITS = 12; // whatever an error says, nobody reads more

export function number(value, digits = 2) {
  if (typeof value !== "number" || Number.isNaN(value)) return "–";
  return value.toFixed(Math.min(digits, MOST_DIGITS)).replace("-", MINUS);
}

// A value and its error, 437.1 ± 0.2: the error to one digit, or two when it begins with a 1.
export function withError(value, err, unit = "") {
  if (typeof value !== "number" || Number.isNaN(value)) return "–";
  const space = unit ? ` ${unit}` : "";
  if (!(err > 0) || !Number.isFinite(err)) return `${number(value, 3)}${space}, error not known`;
  const power = Math.floor(Math.log10(err));
  const digits = Math.max(0, err / 10 ** power < 1.95 ? 1 - power : -power);
  return `${number(value, digits)} ± ${number(err, digits)}${space}`;
}

// A name of the program's, temperature_scan, as words.
export function words(name) {
  return (name ?? "").replaceAll("_", " ");
}

// How long: 45 s, 12 min, 3 h 05 min.
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "not known";
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function clock(unix_s) {
  return new Date(unix_s * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

// How a plan comes to its end: abort, asked for by anna.
export function endingInWords({ how, why }) {
  return [how, why].filter(Boolean).join(", ");
}

// What a peak is, in words and as a short sign.
export const KINDS = {
  msc: { words: "cluster, stays", sign: "●" },
  nc: { words: "crystal exciton, moves", sign: "▲" },
  artefact: { words: "artefact", sign: "×" },
  other: { words: "something else", sign: "◆" },
  unknown: { words: "not known yet", sign: "?" },
};
