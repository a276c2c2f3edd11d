// A thin bar: where a value stands between its limits, and where interlocks trip.

import { svg } from "../dom.js";

const HEIGHT = 6;

// Drawn from (x, y) on, `width` wide. show(gauge) draws it, or nothing where there are no limits.
export function createLimits(x, y, width) {
  const track = svg("rect", { class: "track", x, y, width, height: HEIGHT, rx: 3 });
  const filled = svg("rect", { class: "filled", x, y, width: 0, height: HEIGHT, rx: 3 });
  const beyondLow = svg("rect", { class: "beyond", y, height: HEIGHT });
  const beyondHigh = svg("rect", { class: "beyond", y, height: HEIGHT });
  const trips = [svg("path", { class: "trips" }), svg("path", { class: "trips" })];
  const setpoint = svg("path", { class: "setpoint" });
  const root = svg("g", { class: "limits" }, track, filled, beyondLow, beyondHigh, trips, setpoint);
  let shown = "";

  return {
    root,
    show(gauge) {
      const { value, setpoint: set, low, high, trips_below: below, trips_above: above } = gauge;
      const key = [value, set, low, high, below, above].join();
      if (key === shown) return;
      shown = key;
      const top = above === null ? high : above * 1.1; // what a sensor could measure beyond that is of no interest
      root.style.display = top === null || typeof value === "boolean" || typeof value === "string" ? "none" : "";
      if (root.style.display) return;
      const from = Math.min(low ?? 0, below ?? Infinity, 0);
      const to = top;
      const at = (v) => x + width * Math.min(1, Math.max(0, (v - from) / (to - from)));
      put(filled, x, value === null ? 0 : at(value) - x);
      put(beyondLow, x, below === null ? 0 : at(below) - x);
      put(beyondHigh, at(above ?? to), above === null ? 0 : x + width - at(above));
      [below, above].forEach((trip, i) => mark(trips[i], trip === null ? null : at(trip), y - 3, y + HEIGHT + 3));
      mark(setpoint, set === null ? null : at(set), y - 4, y + HEIGHT + 1);
    },
  };

  function put(rect, from, length) {
    rect.setAttribute("x", from.toFixed(1));
    rect.setAttribute("width", Math.max(0, length).toFixed(1));
  }

  function mark(path, at, from, to) {
    if (at === null) path.removeAttribute("d");
    else path.setAttribute("d", `M${at.toFixed(1)} ${from}V${to}`);
  }
}
