// What stands in the line, drawn around the middle of its pipe.

import { svg } from "../dom.js";

const path = (d, more = {}) => svg("path", { class: "symbol", d, ...more });
const box = (width, height) =>
  svg("rect", { class: "symbol body", x: -width / 2, y: -height / 2, width, height, rx: 4 });

export const SYMBOLS = {
  mixer: () => [svg("circle", { class: "symbol body", r: 17 }), path("M-11 -9L0 0L-11 9M0 0H12")],
  nucleation: () => [box(64, 56), path("M-32 0H-20L-14 -14L-4 14L6 -14L14 14L20 0H32"), heat(-10), heat(10)],
  growth: () => [box(112, 56), path("M-56 0H-48V-16Q-48 -20 -40 -20T-32 -16V14Q-32 20 -24 20T-16 14V-14Q-16 -20 -8 -20T0 -14V14Q0 20 8 20T16 14V-14Q16 -20 24 -20T32 -14V14Q32 20 40 20T48 14V0H56"), heat(-14), heat(14)],
  absorbance: () => [box(44, 56), path("M-60 -22L-36 -8M-60 -12L-36 -2", { class: "symbol beam" }), path("M36 2L60 16M36 8L60 22", { class: "symbol beam" }), path("M-14 -28V28M14 -28V28")],
  scattering: () => [box(44, 56), path("M-60 20L-6 2L48 -14M-6 2L50 2M-6 2L48 18", { class: "symbol beam" }), path("M54 -24A60 60 0 0 1 54 26")],
  collection: () => [path("M-30 0H-4V14"), path("M-20 10V20H-24V46H24V20H20V10", { class: "symbol body" }), path("M-24 34H24V46H-24Z", { class: "symbol level" })],
};

function heat(x) {
  return path(`M${x} 34q4 4 0 8t0 8`, { class: "symbol heat" });
}
