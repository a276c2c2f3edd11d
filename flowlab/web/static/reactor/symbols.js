// What stands in the line, drawn around the middle of its pipe.

import { svg } from "../dom.js";

function line(d, kind = "") {
  return svg("path", { class: `symbol ${kind}`, d });
}

function box(width, height) {
  return svg("rect", { class: "symbol body", x: -width / 2, y: -height / 2, width, height, rx: 4 });
}

// Warm air above an oven that is hot.
function heat(...places) {
  return places.map((x) => line(`M${x} 34q5 4 0 8t0 8`, "heat"));
}

// A tube that goes to and fro, `turns` times, `far` up and down.
function coil(turns, far, step) {
  const half = turns * step;
  let d = `M${-half - 12} 0H${-half}`;
  for (let i = 0; i < turns; i++) d += `q0 ${-far} ${step / 2} ${-far}t${step / 2} ${far}q0 ${far} ${step / 2} ${far}t${step / 2} ${-far}`;
  return line(`${d}H${half + 12}`, "tube");
}

export const SYMBOLS = {
  mixer: () => [svg("circle", { class: "symbol body", r: 22 }), line("M-13 -12L0 0L-13 12M0 0H14")],
  nucleation: () => [box(56, 52), coil(1, 14, 16), ...heat(-10, 10)],
  growth: () => [box(128, 52), coil(3, 16, 17), ...heat(-24, 0, 24)],
  absorbance: () => [box(30, 52), line("M0 -42V-27M0 27V42", "beam"), line("M-5 34L0 42L5 34", "beam")],
  scattering: () => [box(30, 52), line("M-58 24L0 0", "beam"), line("M0 0L54 -34M0 0L60 -25M0 0L64 -14", "beam"), line("M52 -42Q70 -30 74 -8", "thick")],
  collection: () => [
    svg("path", { class: "symbol body", d: "M-9 -8H9V8L26 40H-26L-9 8Z" }),
    line("M-18 25H18L26 40H-26Z", "level"),
  ],
};
