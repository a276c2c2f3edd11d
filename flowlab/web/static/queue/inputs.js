// What is typed or chosen into, one kind of each. All are {node, target, write(value), read()}: target is what a label
// belongs to, write takes undefined for nothing, and read gives {value}, or {why} it is none, or {} where nothing is given.

import { element, say } from "../dom.js";
import { counted, parseNumber, parseNumbers, plain } from "./numbers.js";
import { unfold, wrongNumber } from "./schema.js";

const MOST_SHOWN = 60;

export function numberInput(schema, root, changed) {
  const target = element("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    size: 10,
    oninput: changed,
  });
  return {
    node: target,
    target,
    write(value) {
      target.value = value === undefined || value === null ? "" : plain(value);
    },
    read() {
      if (target.value.trim() === "") return {};
      const value = parseNumber(target.value);
      if (value === null) return { why: `“${target.value.trim()}” is no number; with a point, as 14.5` };
      const why = wrongNumber(value, schema);
      return why ? { why } : { value };
    },
  };
}

export function numbersInput(schema, root, changed) {
  const items = unfold(schema.items, root);
  const target = element("input", {
    type: "text",
    class: "q-wide",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "250, 260, 270 or 250:320:10",
    oninput: changed,
  });
  const parsed = element("output", { class: "hint q-parsed" });
  function read() {
    const { values, why } = parseNumbers(target.value);
    say(parsed, values?.length > 0 ? parsedInWords(values) : "");
    if (why) return { why };
    if (values.length === 0 && schema.minItems) return {};
    for (const value of values) {
      const wrong = wrongNumber(value, { units: schema.units, ...items });
      if (wrong) return { why: wrong };
    }
    return lengthOf(values, schema, "value");
  }
  return {
    node: element("div", {}, target, parsed),
    target,
    write(value) {
      target.value = (value ?? []).map(plain).join(", ");
      read();
    },
    read,
  };
}

function parsedInWords(values) {
  const shown = values.slice(0, MOST_SHOWN).map(plain).join(", ");
  return `${counted(values.length, "value")}: ${shown}${values.length > MOST_SHOWN ? " …" : ""}`;
}

function lengthOf(value, { minItems, maxItems, uniqueItems }, one) {
  if (value.length < minItems) return { why: `asked ${counted(value.length, one)}; allowed: at least ${minItems}` };
  if (value.length > maxItems) return { why: `asked ${counted(value.length, one)}; allowed: at most ${maxItems}` };
  if (uniqueItems && new Set(value).size < value.length) return { why: `a ${one} is there twice; allowed: each once` };
  return { value };
}

export function yesInput(schema, root, changed) {
  const target = element("input", { type: "checkbox", onchange: changed });
  return {
    node: target,
    target,
    write(value) {
      target.checked = value === true;
    },
    read: () => ({ value: target.checked }),
  };
}

export function choiceInput(schema, root, changed) {
  const options = schema.enum.map((value, index) => element("option", { value: index }, String(value)));
  const unchosen = element("option", { value: "" }, "choose …");
  const target = element("select", { onchange: changed }, unchosen, options);
  return {
    node: target,
    target,
    write(value) {
      const index = schema.enum.length === 1 && value === undefined ? 0 : schema.enum.indexOf(value);
      target.value = index < 0 ? "" : String(index);
    },
    read: () => (target.value === "" ? {} : { value: schema.enum[Number(target.value)] }),
  };
}

export function choicesInput(schema, root, changed) {
  const values = unfold(schema.items, root).enum;
  const boxes = values.map(() => element("input", { type: "checkbox", onchange: changed }));
  const node = element(
    "span",
    { class: "q-choices", role: "group" },
    values.map((value, index) => element("label", {}, boxes[index], ` ${value}`)),
  );
  return {
    node,
    target: node,
    write(value) {
      boxes.forEach((box, index) => (box.checked = (value ?? []).includes(values[index])));
    },
    read() {
      const value = values.filter((_, index) => boxes[index].checked);
      return value.length === 0 && schema.minItems
        ? { why: `none is ticked; allowed: at least ${schema.minItems} of ${values.join(", ")}` }
        : lengthOf(value, schema, "choice");
    },
  };
}

export function textInput(schema, root, changed) {
  const { minLength, maxLength } = schema;
  const target = element("input", { type: "text", class: "q-wide", autocomplete: "off", oninput: changed });
  return {
    node: target,
    target,
    write(value) {
      target.value = value ?? "";
    },
    read() {
      const value = target.value;
      if (value === "" && schema.default !== "") return {};
      if (value.length < minLength || value.length > maxLength)
        return {
          why: `asked ${counted(value.length, "character")}; allowed: ${minLength ?? 0} to ${maxLength ?? "any number"}`,
        };
      if (schema.pattern && !matches(schema.pattern, value))
        return { why: `“${value}” is not of the form ${schema.pattern}` };
      return { value };
    },
  };
}

// A pattern that only Python understands is left to the server.
function matches(pattern, value) {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}

export function textsInput(schema, root, changed) {
  const target = element("input", {
    type: "text",
    class: "q-wide",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "names, with commas between",
    oninput: changed,
  });
  return {
    node: target,
    target,
    write(value) {
      target.value = (value ?? []).join(", ");
    },
    read() {
      const value = target.value
        .split(",")
        .map((word) => word.trim())
        .filter(Boolean);
      return value.length === 0 && schema.minItems ? {} : lengthOf(value, schema, "name");
    },
  };
}

// What the page knows no better way for.
export function jsonInput(schema, root, changed) {
  const target = element("textarea", {
    class: "q-wide q-code",
    rows: 3,
    spellcheck: "false",
    placeholder: "JSON",
    oninput: changed,
  });
  return {
    node: target,
    target,
    write(value) {
      target.value = value === undefined ? "" : JSON.stringify(value);
    },
    read() {
      if (target.value.trim() === "") return {};
      try {
        return { value: JSON.parse(target.value) };
      } catch (error) {
        return { why: `this is no JSON: ${error.message}` };
      }
    },
  };
}
