// What a gauge says, in words: its value, what it was set to, and whether something is the matter with it.
// Nothing here touches the page.

import { duration, number } from "../words.js";

const NEAR = 0.9;
// A gauge is old that was not read for so many times as long as it takes from read to read, and for so long at least.
const READS_MISSED = 2.5;
const LEAST_SILENCE_S = 3;
const COLD_C = 50; // what is colder cools by itself, or not at all
const DIGITS = { "°C": 1, "mL/min": 3, mL: 1, bar: 1, mA: 1, "%": 1 };

const SMALLER = [[1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]]; // prettier-ignore

// [text, units] of a value.
export function inUnits(value, units) {
  if (value === null || value === undefined) return ["–", ""];
  if (typeof value === "boolean") return [value ? "yes" : "no", ""];
  if (typeof value === "string") return [value, ""];
  const size = Math.abs(value);
  if (units === "A") {
    const [factor, prefix] = SMALLER.find(([least]) => size >= least) ?? SMALLER[0];
    return [number(value / factor, 2), `${prefix}A`];
  }
  if (size > 0 && size < 1e-3 && !(units in DIGITS)) return [value.toExponential(2).replaceAll("-", "−"), units ?? ""];
  return [number(value, DIGITS[units] ?? (size >= 100 ? 0 : size >= 1 ? 1 : 3)), units ?? ""];
}

export function quantity(value, units) {
  return inUnits(value, units).filter(Boolean).join(" ");
}

// What it was set to, or where an interlock trips, or its limit; as short as it can be: 280, not 280.0 °C.
export function asked({ setpoint, units, high, trips_above: above, trips_below: below }) {
  if (known(setpoint)) return `asked ${short(setpoint, units)}`;
  if (known(above)) return `trips above ${short(above, units)}`;
  if (known(below)) return `trips below ${short(below, units)}`;
  return known(high) ? `up to ${short(high, units)}` : "";
}

function short(value, units) {
  return inUnits(value, units)[0].replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

// Seconds for which a gauge was not read, or null when that is not longer than usual.
export function silence_s({ at, every_s }, now_s) {
  return now_s - at > Math.max(LEAST_SILENCE_S, READS_MISSED * every_s) ? now_s - at : null;
}

// {level, short, long}: of one gauge; level null when nothing is to be said.
export function judge(gauge, silent_s) {
  const { value, units } = gauge;
  const is = quantity(value, units);
  if (silent_s !== null) return told("unknown", `not heard for ${duration(silent_s)}`, gauge.why);
  if (value === null || value === undefined) {
    // The device answers, and there is none: no light level before the first spectrum, no end of the residence without flow.
    if (gauge.why?.endsWith("has no value")) return told(null, "no value now", gauge.why);
    if (gauge.why?.endsWith("is infinite")) return told(null, "infinite", gauge.why);
    return told("unknown", "not known", gauge.why ?? "why is not told");
  }
  if (typeof value !== "number") return gauge.why ? told("unknown", "in part not known", gauge.why) : NOTHING;
  const { trips_above: above, trips_below: below, low, high, setpoint } = gauge;
  const at = (limit) => quantity(limit, units);
  if (known(above) && value > above) return told("alarm", "above its trip", `${is}; an interlock trips above ${at(above)}`);
  if (known(below) && value < below) return told("alarm", "below its trip", `${is}; an interlock trips below ${at(below)}`);
  if (known(high) && value > high * (1 + 1e-9)) return told("warning", "above its limit", `${is}; its limit is ${at(high)}`);
  if (known(above) && value > NEAR * above) return told("warning", "near its trip", `${is}; an interlock trips above ${at(above)}`);
  if (below > 0 && value < below / NEAR) return told("warning", "near its trip", `${is}; an interlock trips below ${at(below)}`);
  if (known(low) && !known(setpoint) && value < low) return told("warning", "below its limit", `${is}; its limit is ${at(low)}`);
  const far = known(setpoint) ? apart(gauge) : null;
  if (far) return far;
  if (high > 0 && value > NEAR * high) return told("notice", "near its limit", `${is}; its limit is ${at(high)}`);
  return gauge.why ? told("unknown", "in part not known", gauge.why) : NOTHING;
}

// Far from what it was set to: on the way there, for a heater.
function apart({ value, setpoint, units }) {
  const far = value - setpoint;
  const within = units === "°C" ? 2 : Math.max(0.02 * Math.abs(setpoint), 1e-3);
  if (Math.abs(far) <= within || (units === "°C" && far > 0 && value < COLD_C)) return null;
  const long = `${quantity(value, units)}, asked ${quantity(setpoint, units)}`;
  if (units === "°C") return told("notice", far < 0 ? "heating" : "cooling", long);
  return told("notice", far < 0 ? "below what was asked" : "above what was asked", long);
}

// Real seconds until what is left is gone, at the present rate; a simulated plant may go faster than the clock.
export function lasts_s({ value, left, units }, speed) {
  if (!known(left) || typeof value !== "number" || value <= 0 || units !== "mL/min") return null;
  return ((left / value) * 60) / speed;
}

const NOTHING = { level: null, short: "", long: "" };

function told(level, short, long) {
  return { level, short, long: long ?? "" };
}

function known(value) {
  return value !== null && value !== undefined;
}
