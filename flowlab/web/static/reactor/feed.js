// A pump of the feed: its syringe, how full it is as far as is known, and how long that lasts.

import { say, svg } from "../dom.js";
import { duration, number } from "../words.js";
import { lasts_s } from "./judgement.js";

const BARREL = { width: 62, height: 24 };

// Lying, its tip at (x, y); the words begin at (wordsX, wordsY).
export function createSyringe(x, y, wordsX, wordsY) {
  const left = x - BARREL.width;
  const top = y - BARREL.height / 2;
  const level = svg("rect", { class: "level", y: top, height: BARREL.height });
  const plunger = svg("path", { class: "glass" });
  const words = svg("text", { class: "left", x: wordsX, y: wordsY });
  let most = 0;
  const barrel = svg("path", { class: "glass", d: `M${left} ${top}H${x}V${top + BARREL.height}H${left}M${x} ${y}h8` });
  const root = svg("g", {}, level, barrel, plunger, words);
  return {
    root,
    show(gauge, speed, heard) {
      root.classList.toggle("old", !heard);
      most = Math.max(most, gauge.left ?? 0); // the syringe's volume is not told: the fullest that was seen is full
      const known = gauge.left !== null && most > 0;
      const share = known ? Math.max(0, gauge.left / most) : 0.5;
      const at = x - BARREL.width * share;
      level.setAttribute("x", at.toFixed(1));
      level.setAttribute("width", known ? (x - at).toFixed(1) : 0);
      plunger.setAttribute("d", `M${at.toFixed(1)} ${top}v${BARREL.height}M${at.toFixed(1)} ${y}H${(at - 16).toFixed(1)}m0 -8v16`);
      const seconds = lasts_s(gauge, speed);
      const lasts = seconds === null ? "" : `, ${duration(seconds)} at the present rate`;
      const digits = gauge.left >= 100 ? 0 : 1;
      say(words, gauge.left === null ? "" : `${number(gauge.left, digits)} ${gauge.left_units ?? ""} in it${lasts}`);
    },
  };
}
