// Buttons, switches and choices as the plots have them: each with its name.

import { element, say } from "../dom.js";

export function button(text, press, attributes = {}) {
  return element("button", { type: "button", ...attributes, onclick: press }, text);
}

// A button that stays pressed.
export function toggle(text, turned, on = false) {
  const made = button(text, () => set(made.getAttribute("aria-pressed") !== "true"), { "aria-pressed": String(on) });
  function set(value) {
    made.setAttribute("aria-pressed", String(value));
    turned(value);
  }
  return made;
}

export function isOn(made) {
  return made.getAttribute("aria-pressed") === "true";
}

export function choice(text, chosen) {
  const select = element("select", { onchange: () => chosen(select.value) });
  return { node: element("label", { class: "plot-choice" }, `${text} `, select), select };
}

// Options [value, text]: touched only where they are others, so that an open list stays open.
export function offer(select, options, value) {
  const key = JSON.stringify(options);
  if (select.dataset.offered !== key) {
    select.dataset.offered = key;
    select.replaceChildren(...options.map(([name, text]) => element("option", { value: name }, text)));
  }
  if (value !== undefined && select.value !== String(value)) select.value = value;
}

// Rows of a table: [[text, …], …]; cells are touched only where they say something else.
export function fillRows(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((texts, i) => {
    const row = body.rows[i] ?? body.insertRow();
    while (row.cells.length > texts.length) row.deleteCell(-1);
    texts.forEach((text, k) => say(row.cells[k] ?? row.insertCell(), text));
  });
}

export function table(caption, heads) {
  const body = element("tbody");
  const named = element("caption", {}, caption);
  const head = element(
    "tr",
    {},
    heads.map((text) => element("th", { scope: "col" }, text)),
  );
  return {
    node: element("table", { class: "plot-table" }, named, element("thead", {}, head), body),
    body,
    caption: named,
  };
}
