// The map of the scan, small: the family whose window is judged, else the first that was seen.

import { HEIGHT } from "../colours.js";
import { element, say } from "../dom.js";
import { gently } from "../pace.js";
import { number } from "../words.js";
import { SIGNS, cellsOf } from "./cells.js";
import { axesOf } from "./conditions.js";
import { familiesOf } from "./features.js";
import { HeightMap } from "./height_map.js";
import { ScaleBar } from "./scale_bar.js";

export function createMiniMap(root, page) {
  const words = element("p", { class: "plot-note" });
  const place = element("div", { class: "plot-fill" });
  root.classList.add("plot-mini");
  const bar = new ScaleBar(HEIGHT);
  root.append(words, place, bar.node);
  const map = new HeightMap(place, { small: true });

  const draw = gently(() => {
    const { run, points, tracks, window } = page.live.sections;
    const family = window?.family || familiesOf(run, tracks)[0] || null;
    const { slow, fast, several } = axesOf(run);
    const across = several ? `${slow.symbol || slow.name} across, ` : "";
    const over = `${across}${fast.symbol || fast.name} up, ${fast.unit}`;
    const cells = cellsOf(run, points, tracks, family);
    const open = run?.grid ? ", dotted not measured, framed under way" : "";
    const signs = `${SIGNS.absent} not found, ${SIGNS.undecided} undecided, ${SIGNS.unusable} not usable${open}`;
    say(words, cells.length ? `${family ?? "no family"} over ${over}; ${signs}` : "No points yet.");
    map.show(run, family, cells);
    bar.node.hidden = !(map.highest > 0);
    bar.show("height", "0", number(map.highest, 3));
  });

  return {
    update(changed) {
      if (["run", "points", "tracks", "window"].some((name) => changed.has(name))) draw();
    },
  };
}
