// Beside the flow scheme, as lists: what is the matter, the interlocks, and readings from elsewhere.

import { element, say } from "../dom.js";
import { createAcknowledgeButton } from "../strip/acknowledge.js";
import { asked, quantity } from "./judgement.js";
import { named } from "./places.js";

const SIGNS = { unknown: "?", notice: "●", warning: "▲", alarm: "✕" };
const ORDER = ["alarm", "warning", "unknown", "notice"];
const FINE = "Every reading is heard, near its set point and within its limits.";
const NO_GAUGES = "The instrument file names no gauges: nothing is read between events of a run.";
const MOST_SILENT = 3; // that are told one by one

// Rows that are made once and told what they show: what does not change is not drawn anew.
function createRows(parent, make) {
  const rows = [];
  return (items) => {
    items.forEach((item, i) => {
      if (i >= rows.length) {
        rows.push(make());
        parent.append(rows[i].root);
      }
      rows[i].show(item);
    });
    for (const row of rows.splice(items.length)) row.root.remove();
  };
}

// What is the matter, the worst first.
export function createTroubles() {
  const list = element("ul");
  const whole = element("p", { class: "muted" });
  const root = element("section", { class: "troubles card", "aria-label": "What is the matter" }, element("h2", {}, "What is the matter"), whole, list);
  const show = createRows(list, () => {
    const row = element("li");
    return {
      root: row,
      show([level, text]) {
        row.className = `live ${level}`;
        say(row, `${SIGNS[level]} ${text}`);
      },
    };
  });
  return {
    root,
    // `hidden`: why nothing can be said of any of them.
    show(judged, hidden) {
      const silent = judged.filter(([, { old }]) => old);
      const many = silent.length > MOST_SILENT;
      const troubled = judged
        .filter(([, { level, old }]) => level && !(many && old))
        .map(([gauge, { level, short, long }]) => [level, [named(gauge), short, long].filter(Boolean).join(": ")]);
      if (many) troubled.push(["unknown", `${silent.length} of ${judged.length} readings are old: their devices are not heard`]);
      if (hidden) troubled.length = 0;
      troubled.sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
      say(whole, hidden || (troubled.length ? "" : judged.length ? FINE : NO_GAUGES));
      show(troubled);
    },
  };
}

// Interlocks: what each watches, whether it has tripped, and is to be acknowledged.
export function createInterlocks(page) {
  const body = element("tbody");
  const title = element("h2");
  const root = element("section", { class: "interlocks card", "aria-label": "Interlocks" }, title, element("table", {}, body));
  const show = createRows(body, () => {
    const sign = element("td", { class: "state" });
    const words = element("div");
    const button = createAcknowledgeButton(page);
    return {
      root: element("tr", {}, sign, element("td", {}, words, button.node)),
      show({ name, action, when, tripped, latched }) {
        const holds = action === "hold";
        say(sign, !tripped ? "✓ watching" : holds ? "▲ holds" : "✕ TRIPPED");
        sign.className = `state live ${!tripped ? "ok" : holds ? "warning" : "alarm"}`;
        const does = holds ? "exposures wait" : "makes safe";
        const text = `${name.replaceAll("_", " ")}: ${tripped ?? `${when}; ${does}`}`;
        say(words, text);
        words.className = !tripped ? "one-line" : holds ? "warning" : "alarm";
        if (words.title !== text) words.title = text;
        button.show(latched ? name : null);
      },
    };
  });
  return {
    root,
    // `latched`: those that are to be acknowledged; whoever watches them may have been started anew, or be gone.
    show(watched, latched) {
      const by = new Map(watched.map((one) => [one.name, one]));
      for (const { name, reason } of latched) by.set(name, { action: "safe", ...by.get(name), name, tripped: reason, latched: true });
      const all = [...by.values()];
      root.hidden = all.length === 0;
      const tripped = all.filter((one) => one.tripped).length;
      say(title, tripped ? `Interlocks: ${tripped} of ${all.length} tripped` : `Interlocks: ${all.length} watch, none has tripped`);
      show(all.sort((a, b) => Boolean(b.tripped) - Boolean(a.tripped)));
    },
  };
}

// Readings that are at no place of the scheme.
export function createOthers() {
  const body = element("tbody");
  const root = element("section", { class: "others card", "aria-label": "Elsewhere" },
    element("h2", {}, "Elsewhere"), element("table", {}, body)); // prettier-ignore
  const show = createRows(body, () => {
    const label = element("td");
    const value = element("td", { class: "number live" });
    const words = element("td");
    return {
      root: element("tr", {}, label, value, words),
      show([gauge, { level, short, long, old }]) {
        say(label, gauge.label);
        say(value, quantity(gauge.value, gauge.units));
        value.classList.toggle("old", old);
        say(words, [asked(gauge), level ? `${SIGNS[level]} ${short}` : ""].filter(Boolean).join(" "));
        words.className = `live ${level ?? "muted"}`;
        if (words.title !== long) words.title = long;
      },
    };
  });
  return {
    root,
    show(gauges, judged) {
      root.hidden = gauges.length === 0;
      show(gauges.map((gauge) => [gauge, judged.get(gauge.name)]));
    },
  };
}
