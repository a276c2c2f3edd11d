// What the instrument does now: the flow scheme, what is the matter, and beneath it the newest spectrum and the map.

import { element, say } from "../dom.js";
import { createMiniMap } from "../plots/mini_map.js";
import { createMiniSpectrum } from "../plots/mini_spectrum.js";
import { judge, silence_s } from "../reactor/judgement.js";
import { createInterlocks, createOthers, createTroubles } from "../reactor/lists.js";
import { elsewhere } from "../reactor/places.js";
import { createScheme } from "../reactor/scheme.js";

export function createReactor(root, page) {
  const { live } = page;
  const scheme = createScheme();
  const troubles = createTroubles();
  const others = createOthers();
  const interlocks = createInterlocks(page);
  const absent = element("p", { class: "empty absent" });
  const miniSpectrum = element("div", { class: "mini-spectrum card" });
  const miniMap = element("div", { class: "mini-map card" });
  const drawing = element("div", { class: "drawing" }, scheme.root, absent);
  root.classList.add("reactor");
  root.append(
    drawing,
    element("div", { class: "beneath" }, miniSpectrum, miniMap,
      element("div", { class: "lists scrolls", tabindex: "0", role: "region", "aria-label": "Trouble and interlocks" }, troubles.root, interlocks.root, others.root)),
  ); // prettier-ignore
  const minis = [createMiniSpectrum(miniSpectrum, page), createMiniMap(miniMap, page)];

  function draw() {
    const { readings, run, status } = live.sections;
    const latched = status?.facts?.latched ?? [];
    absent.hidden = Boolean(readings);
    scheme.root.toggleAttribute("hidden", !readings);
    if (!readings) {
      say(absent, whyAbsent(live));
      troubles.show([], "Not known: there are no readings.");
      interlocks.show([], latched);
      others.show([], new Map());
      return;
    }
    const now_s = live.now_s();
    const judged = new Map();
    for (const gauge of readings.gauges) {
      const silent_s = silence_s(gauge, now_s);
      judged.set(gauge.name, { ...judge(gauge, silent_s), old: silent_s !== null });
    }
    const heard = live.stale ? [] : readings.gauges.filter((gauge) => !judged.get(gauge.name).old);
    scheme.update(readings.gauges, run?.kinds ?? [], readings.speed, judged, heard);
    const old = live.stale ? "Not known: nothing comes from the server, and all readings are old." : "";
    troubles.show(readings.gauges.map((gauge) => [gauge, judged.get(gauge.name)]), old);
    interlocks.show(readings.interlocks, latched);
    others.show(elsewhere(readings.gauges), judged);
  }

  setInterval(() => root.hidden || draw(), 1000); // ages grow while nothing is heard
  return {
    update(changed) {
      if (["readings", "stale", "status", "run"].some((name) => changed.has(name))) draw();
      for (const mini of minis) mini.update(changed);
    },
  };
}

// Why there are no readings.
function whyAbsent({ who, sections, stale }) {
  if (stale && !who) return "Not connected to the server yet.";
  if (who?.control === false) return "There is no daemon here: nothing is read from any device.";
  if (sections.status?.lost) return `The daemon does not answer: ${sections.status.lost}`;
  const { state, environment, why } = sections.status?.facts ?? {};
  if (environment === "opening" || state === "starting") return "The devices are being connected; a moment.";
  if (environment === "open") return "No readings have come from the devices yet.";
  return `The devices are not connected: nothing is read from them.${why ? ` ${why}` : ""}`;
}
