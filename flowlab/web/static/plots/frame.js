// The newest detector frame, small: logarithmic; what is masked is grey.

import { HEIGHT, mixed } from "../colours.js";
import { element, say } from "../dom.js";
import { duration } from "../words.js";
import { tickText } from "./axes.js";

const MASKED = [128, 128, 128];

export class Frame {
  #canvas = element("canvas", { class: "saxs-frame", role: "img" });
  #words = element("p", { class: "plot-note" });
  #frame = null;
  #colours = Uint32Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = i === 0 ? MASKED : mixed(HEIGHT, (i - 1) / 254);
    return (255 << 24) | (blue << 16) | (green << 8) | red; // as bytes of RGBA lie in memory
  });
  node = element(
    "div",
    { class: "plot-cell" },
    element("h2", { class: "plot-title" }, "Detector"),
    this.#words,
    this.#canvas,
  );

  show(frame) {
    this.#frame = frame;
    this.node.hidden = !frame;
    if (!frame) return;
    const { width, height, pixels } = frame;
    this.#canvas.hidden = !pixels?.length;
    if (!pixels?.length) return;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const image = new ImageData(width, height);
    const whole = new Uint32Array(image.data.buffer);
    for (let i = 0; i < whole.length; i += 1) whole[i] = this.#colours[pixels[i]];
    this.#canvas.getContext("2d").putImageData(image, 0, 0);
    this.#canvas.setAttribute("aria-label", `Detector frame, brightest ${tickText(frame.counts_at_255)} counts`);
  }

  tell(now_s) {
    const frame = this.#frame;
    if (!frame) return;
    const scale = frame.counts_at_255
      ? `brightest ${tickText(Number(frame.counts_at_255.toPrecision(3)))} counts, logarithmic; grey: masked`
      : "";
    const why = frame.why ? `${frame.why}; ` : "";
    say(this.#words, `${why}${scale}; ${frame.stream}, ${duration(now_s - frame.time)} ago`);
  }
}
