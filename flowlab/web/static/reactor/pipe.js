// A pipe: with liquid that moves (true), that stands (false), or of which that is not known (null).

import { svg } from "../dom.js";

export function createPipe(d) {
  const root = svg("g", { class: "pipe" }, ["wall", "inside", "moving"].map((part) => svg("path", { class: part, d })));
  return {
    root,
    show(flows) {
      const now = flows === null ? "not-known" : flows ? "flows" : "stands";
      if (root.dataset.is !== now) root.dataset.is = now;
    },
  };
}
