// One parameter of a plan: its name, what it is for, what is allowed, what is given, and what is wrong with that.

import { element, say } from "../dom.js";
import {
  choiceInput,
  choicesInput,
  jsonInput,
  numberInput,
  numbersInput,
  textInput,
  textsInput,
  yesInput,
} from "./inputs.js";
import { allowed, kindOf, same, title, unfold } from "./schema.js";
import { inWords } from "./told.js";

const INPUTS = {
  number: numberInput,
  numbers: numbersInput,
  yes: yesInput,
  choice: choiceInput,
  choices: choicesInput,
  text: textInput,
  texts: textsInput,
  json: jsonInput,
  group: groupInput,
};
let number = 0;

// {node, focus(), write(value), read(show)}: read gives {value}, {} for what may be left out, or {why}; with show it says
// what is wrong even where nobody has typed yet.
export function createField(name, found, root, required, edited) {
  const schema = unfold(found, root);
  const kind = kindOf(schema, root);
  const id = `q-field-${++number}`;
  let touched = false;
  const input = INPUTS[kind](schema, root, changed, name);
  const { target } = input;
  const none = schema.nullable ? element("input", { type: "checkbox", onchange: chosen }) : null;
  const wrong = element("p", { class: "error", id: `${id}-wrong`, hidden: true });
  const about = element("p", { class: "hint", id: `${id}-about` }, schema.description ?? "");
  const range = allowed({ ...unfold(schema.items ?? {}, root), ...schema });
  const bounds = [schema.units, range && `(${range})`, schema.type === "integer" ? "whole" : null]
    .filter(Boolean)
    .join(" ");
  const heading =
    kind === "choices"
      ? element("strong", {}, title(name, schema))
      : element("label", { for: id }, title(name, schema));
  const needed = required && kind !== "choice" && kind !== "yes" ? element("span", { class: "hint" }, " needed") : null;
  target.setAttribute("id", id);
  target.setAttribute("aria-describedby", `${id}-about ${id}-wrong`);
  if (kind === "numbers" || kind === "choices" || kind === "group")
    target.setAttribute("aria-label", title(name, schema));
  const unit = element("span", { class: "hint", hidden: kind === "group" }, bounds);
  const node = element(
    "div",
    { class: `q-field q-${kind}`, title: name },
    kind === "group" ? null : element("div", { class: "q-head" }, heading, needed, about),
    element(
      "div",
      { class: "q-given" },
      input.node,
      unit,
      none ? element("label", { class: "q-none" }, none, " none") : null,
    ),
    wrong,
  );

  function changed() {
    touched = true;
    edited();
  }
  function fold() {
    input.node.hidden = none.checked;
    unit.hidden = none.checked || kind === "group";
  }
  function chosen() {
    fold();
    if (!none.checked && document.activeElement === none) target.focus();
    changed();
  }
  function write(value) {
    touched = false;
    if (none) {
      none.checked = value === null || (value === undefined && schema.default === undefined);
      fold();
    }
    input.write(value === null ? undefined : value);
  }
  function judged() {
    if (none?.checked) return { value: null };
    const read = input.read();
    if (read.why || "value" in read) return read;
    if (!required && schema.default === undefined) return {};
    const usual =
      schema.default === undefined || schema.default === null
        ? ""
        : `; as usual it is ${inWords(schema.default, schema, root)}`;
    return {
      why: `${kind === "choice" ? "choose one" : "it is needed"}${usual || (range ? `; allowed: ${range}` : "")}`,
    };
  }
  function read(show = false) {
    const found = kind === "group" && !none?.checked ? input.read(show) : judged();
    const shown = kind !== "group" && Boolean(found.why) && (touched || show);
    wrong.hidden = !shown;
    say(wrong, shown ? found.why : "");
    if (shown) target.setAttribute("aria-invalid", "true");
    else target.removeAttribute("aria-invalid");
    return found.why
      ? { why: found.inside ?? `${title(name, schema)}: ${found.why}`, node: found.node ?? target }
      : found;
  }
  return { node, name, schema, write, read };
}

// The fields of an object, one beneath the other: {node, write(values), read(show)}. What is as usual is left out, unless
// the whole is asked for.
export function createFields(schema, root, edited, whole = false) {
  const required = schema.required ?? [];
  const fields = Object.entries(schema.properties ?? {}).map(([name, found]) =>
    createField(name, found, root, required.includes(name), edited),
  );
  return {
    node: element(
      "div",
      { class: "q-fields" },
      fields.map((field) => field.node),
    ),
    write(values) {
      for (const field of fields) field.write(field.name in values ? values[field.name] : field.schema.default);
    },
    read(show) {
      const value = {};
      let first = null;
      for (const field of fields) {
        const found = field.read(show);
        if (found.why) first ??= found;
        else if (
          "value" in found &&
          (whole || required.includes(field.name) || !same(found.value, field.schema.default))
        )
          value[field.name] = found.value;
      }
      return first ?? { value };
    },
  };
}

// An object in an object is folded as long as it is as usual.
function groupInput(schema, root, changed, name) {
  const fields = createFields(schema, root, changed, true);
  const about = schema.description ? ` ${schema.description}` : "";
  const state = element("span", { class: "hint" });
  const summary = element("summary", {}, element("strong", {}, title(name, schema)), state);
  const node = element("details", { class: "q-group" }, summary, element("fieldset", {}, fields.node));
  const usual = schema.default ?? {};
  const usually = (key) => usual[key] ?? schema.properties[key]?.default;
  return {
    node,
    target: summary,
    write(value) {
      fields.write(value ?? usual);
      node.open = value !== undefined && !same(value, usual);
    },
    read(show) {
      const found = fields.read(show);
      if (found.why) {
        if (show) node.open = true;
        say(state, `${about}: something is missing or not allowed`);
        return { ...found, inside: found.why };
      }
      const unusual = Object.entries(found.value).filter(([key, inner]) => !same(inner, usually(key)));
      say(state, `${about}: ${unusual.length > 0 ? inWords(Object.fromEntries(unusual), schema, root) : "as usual"}`);
      return found;
    },
  };
}
