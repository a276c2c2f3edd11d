// What a gauge says, in words: its value, what it was set to, and whether something is the matter with it.
// Nothing here touches the page.

import { duration, number } from "../words.js";

const NEAR = 0.9;
const LEAST_SILENCE_S = 3;
const DIGITS = { "°C": 1, "mL/min": 3, mL: 1, bar: 1, mA: 1, "%": 1 };

export function bare(value, units) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  const digits = DIGITS[units] ?? (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 1 : 3);
  return number(value, digits);
}

export function quantity(value, units) {
  return units && typeof value === "number" ? `${bare(value, units)} ${units}` : bare(value, units);
}

// What it was set to, or where an interlock trips; as short as it can be: 280, not 280.0 °C.
export function asked({ setpoint, units, trips_above: above, trips_below: below }) {
  if (known(setpoint)) return `asked ${short(setpoint, units)}`;
  if (known(above)) return `trips above ${short(above, units)}`;
  return known(below) ? `trips below ${short(below, units)}` : "";
}

function short(value, units) {
  return bare(value, units).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

// Which gauges have fallen silent: one that is asked seldom may be silent for longer.
export class Ages {
  #heard = new Map();

  // Seconds for which a gauge was not heard, or null when that is not longer than usual.
  silent(gauge, now_s) {
    const last = this.#heard.get(gauge.name) ?? { at: gauge.at, every_s: 0 };
    if (gauge.at > last.at) this.#heard.set(gauge.name, { at: gauge.at, every_s: gauge.at - last.at });
    else this.#heard.set(gauge.name, last);
    const { every_s } = this.#heard.get(gauge.name);
    const age_s = now_s - gauge.at;
    return age_s > Math.max(LEAST_SILENCE_S, 2.5 * every_s) ? age_s : null;
  }
}

// {level, short, long}: of one gauge; level null when nothing is to be said.
export function judge(gauge, silent_s) {
  const { value, units } = gauge;
  const is = quantity(value, units);
  if (silent_s !== null) return told("unknown", `not heard for ${duration(silent_s)}`, gauge.why);
  if (value === null || value === undefined) return told("unknown", "not known", gauge.why ?? "why is not told");
  if (typeof value !== "number") return gauge.why ? told("unknown", "in part not known", gauge.why) : NOTHING;
  const { trips_above: above, trips_below: below, low, high } = gauge;
  if (known(above) && value > above) return told("alarm", "beyond its interlock", `${is}, above ${quantity(above, units)}, where an interlock trips`);
  if (known(below) && value < below) return told("alarm", "below its interlock", `${is}, below ${quantity(below, units)}, where an interlock trips`);
  if (known(high) && value > high * (1 + 1e-9)) return told("warning", "above its limit", `${is}, its limit is ${quantity(high, units)}`);
  if (known(above) && value > NEAR * above) return told("warning", "near its interlock", `${is}; an interlock trips above ${quantity(above, units)}`);
  if (known(below) && below > 0 && value < below / NEAR) return told("warning", "near its interlock", `${is}; an interlock trips below ${quantity(below, units)}`);
  if (known(low) && gauge.setpoint === null && value < low) return told("warning", "below its limit", `${is}, its lower limit is ${quantity(low, units)}`);
  const far = known(gauge.setpoint) ? apart(gauge) : null;
  if (far) return far;
  if (known(high) && high > 0 && value > NEAR * high) return told("notice", "near its limit", `${is}; its limit is ${quantity(high, units)}`);
  return gauge.why ? told("unknown", "in part not known", gauge.why) : NOTHING;
}

// Far from what it was set to: on the way there, for a heater.
function apart({ value, setpoint, units }) {
  const far = value - setpoint;
  const within = units === "°C" ? 2 : Math.max(0.02 * Math.abs(setpoint), 1e-3);
  if (Math.abs(far) <= within) return null;
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
