// The scan as it grows: a panel's spectra, the map of a family, the exciton, and the window that follows.

import { HEIGHT } from "../colours.js";
import { element, say } from "../dom.js";
import { gently } from "../pace.js";
import { number, withError } from "../words.js";
import { cellText, cellsOf, heightAt, heightText, legendText } from "../plots/cells.js";
import { axesOf, panelsOf, plain, whereText } from "../plots/conditions.js";
import { button, choice, fillRows, offer } from "../plots/controls.js";
import { familiesOf, kindWords, trackOf } from "../plots/features.js";
import { HeightMap } from "../plots/height_map.js";
import { PanelSpectra } from "../plots/panel_spectra.js";
import { ScaleBar } from "../plots/scale_bar.js";
import { createTrends } from "../plots/trends.js";
import { windowSentences } from "../plots/window_words.js";

export function createScan(root, page) {
  const { live } = page;
  let wanted = null; // the family that was chosen
  let picked = null; // index of the point whose cell was chosen

  const spectra = new PanelSpectra(page);
  const trends = createTrends(page);
  const family = choice("Height of", (name) => {
    wanted = name;
    draw();
  });
  const bar = new ScaleBar(HEIGHT);
  const place = element("div", { class: "plot-fill" });
  const map = new HeightMap(place, { picked: (point) => pick(point.index) });
  const signs = element("p", { class: "plot-note" });
  const cell = element("p", { class: "plot-note", "aria-live": "polite" });
  const clear = button("Show none", () => pick(null));
  const head = element("tr");
  const body = element("tbody");
  const details = element("details", { ontoggle: () => draw() },
    element("summary", {}, "The map as a table"),
    element("div", { class: "plot-scrolls" }, element("table", { class: "plot-table" }, element("thead", {}, head), body))); // prettier-ignore
  const window = element("ul", { class: "plot-window" });

  root.classList.add("plot-view", "scan-view");
  root.append(
    spectra.node,
    element("div", { class: "plot-cell" }, element("div", { class: "plot-bar" }, family.node, bar.node), place, signs, details),
    trends.node,
    element("div", { class: "plot-cell plot-side" },
      element("h2", { class: "plot-title" }, "Window of formation"), window,
      element("div", { class: "plot-bar" }, element("h2", { class: "plot-title" }, "Chosen point"), clear), cell),
  ); // prettier-ignore

  function shownFamily() {
    const { run, tracks, window: found } = live.sections;
    const names = familiesOf(run, tracks);
    if (names.includes(wanted)) return wanted;
    return names.includes(found?.family) ? found.family : (names[0] ?? null);
  }

  function pick(index) {
    picked = index;
    const point = live.sections.points.find((each) => each.index === index) ?? null;
    spectra.highlight(point);
    draw();
  }

  const draw = gently(() => {
    const { run, points, tracks } = live.sections;
    const names = familiesOf(run, tracks);
    const name = shownFamily();
    offer(
      family.select,
      names.map((each) => [each, each]),
      name ?? "",
    );
    const cells = cellsOf(run, points, tracks, name);
    map.show(run, name, cells, picked);
    say(signs, legendText(run, cells));
    bar.node.hidden = !(map.highest > 0);
    bar.show("", "0", `${number(map.highest, 3)} absorbance`);
    tellCell(run, tracks, name);
    fillTable(cells);
  });

  function tellCell(run, tracks, name) {
    const point = live.sections.points.find((each) => each.index === picked);
    clear.disabled = !point;
    if (!point) return say(cell, "Click a cell of the map, or go there with the arrow keys and press Enter.");
    const said = [`Point ${point.index + 1}, ${whereText(run, point)}`];
    if (name) said.push(`${name}: ${heightText(heightAt(run, tracks, point, name), point)}`);
    for (const feature of point.features ?? []) {
      const track = trackOf(tracks, feature);
      const what = track.family ? `${kindWords(track)} (${track.family})` : kindWords(track);
      const at = withError(feature.wavelength_nm, feature.wavelength_err_nm, "nm");
      said.push(`${what}, ${at}, height ${withError(feature.height, feature.height_err)}`);
    }
    if (point.diameter_nm !== null)
      said.push(`diameter ${withError(point.diameter_nm, point.diameter_fit_err_nm, "nm")} (fit)`);
    return say(cell, `${said.join("; ")}.`);
  }

  // A row for each coordinate, a column for each panel; only while somebody has it open.
  function fillTable(cells) {
    if (!details.open) return;
    const { run } = live.sections;
    const panels = panelsOf(cells);
    const { slow, fast } = axesOf(run);
    const heads = [
      `${fast.symbol || fast.name} \\ ${slow.symbol || slow.name}`,
      ...panels.map((panel) => `${plain(panel)} ${slow.unit}`),
    ];
    while (head.cells.length > heads.length) head.lastChild.remove();
    heads.forEach((text, i) => {
      if (!head.cells[i]) head.append(element("th", { scope: "col" }));
      say(head.cells[i], text);
    });
    const texts = new Map(cells.map((cell) => [cell.key, cellText(cell)]));
    const none = run?.grid ? "not planned" : "not measured";
    const coordinates = [...new Set(cells.map(({ coordinate }) => coordinate))].sort((a, b) => b - a);
    fillRows(body, coordinates.map((at) => [`${plain(at)} ${fast.unit}`, ...panels.map((panel) => texts.get(`${panel} ${at}`) ?? none)])); // prettier-ignore
  }

  function tellWindow() {
    const lines = windowSentences(live.sections.run, live.sections.window);
    while (window.children.length > lines.length) window.lastChild.remove();
    lines.forEach((text, i) => {
      if (!window.children[i]) window.append(element("li"));
      say(window.children[i], text);
    });
  }

  let run = null;
  return {
    update(changed) {
      if (changed.has("run") && live.sections.run?.uid !== run) {
        run = live.sections.run?.uid;
        picked = null;
        spectra.highlight(null);
      }
      if (["run", "points"].some((name) => changed.has(name))) spectra.update();
      if (["run", "points", "tracks", "window"].some((name) => changed.has(name))) draw();
      if (changed.has("run") || changed.has("points")) trends.update();
      if (changed.has("run") || changed.has("window")) tellWindow();
    },
  };
}
