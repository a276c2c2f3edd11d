// A colour scale with its ends, and what it is a scale of.

import { css, mixed } from "../colours.js";
import { element, say, svg } from "../dom.js";
import { ofCondition, onTheme } from "./theme.js";

let made = 0;

export class ScaleBar {
  #low = element("span");
  #high = element("span");
  #name = element("span");
  #stops = [];
  #points;

  // points: of colours.js; none: those of conditions, as the theme has them.
  constructor(points = null) {
    this.#points = points;
    made += 1;
    const id = `plot-scale-${made}`;
    for (let i = 0; i <= 16; i += 1) this.#stops.push(svg("stop", { offset: i / 16 }));
    const bar = svg(
      "svg",
      { class: "plot-scale-bar", width: 110, height: 12, "aria-hidden": "true" },
      svg("defs", {}, svg("linearGradient", { id }, this.#stops)),
      svg("rect", { width: 110, height: 12, rx: 2, fill: `url(#${id})` }),
    );
    this.node = element("div", { class: "plot-scale" }, this.#name, this.#low, bar, this.#high);
    this.#paint();
    onTheme(() => this.#paint());
  }

  show(name, low, high) {
    say(this.#name, name);
    say(this.#low, low);
    say(this.#high, high);
  }

  #paint() {
    this.#stops.forEach((stop, i) =>
      stop.setAttribute("stop-color", this.#points ? css(mixed(this.#points, i / 16)) : ofCondition(i / 16)),
    );
  }
}
