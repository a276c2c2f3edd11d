// What a plan was asked for, in words.

import { duration } from "../words.js";
import { counted, listed, plain } from "./numbers.js";
import { same, title, unfold } from "./schema.js";

export function inWords(value, schema = {}, root = {}) {
  const unit = schema.units ? ` ${schema.units}` : "";
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return `${plain(value)}${unit}`;
  if (Array.isArray(value)) {
    if (value.length === 0) return "none named";
    if (value.every((one) => typeof one === "number")) {
      const count = value.length > 1 ? ` (${value.length})` : "";
      return `${listed(value, unit)}${count}`;
    }
    return value.map((one) => inWords(one)).join(", ");
  }
  if (typeof value === "object") {
    const parts = Object.entries(value).map(([name, inner]) => {
      const found = unfold(schema.properties?.[name] ?? {}, root);
      return `${title(name, found)} ${inWords(inner, found, root)}`;
    });
    return parts.join(", ") || "as usual";
  }
  return String(value);
}

// Of each parameter {name, title, words, usual}: usual is what it would have been anyhow.
export function parametersInWords(parameters, root = {}) {
  const names = new Set([...Object.keys(root.properties ?? {}), ...Object.keys(parameters)]);
  return [...names].map((name) => {
    const schema = unfold(root.properties?.[name] ?? {}, root);
    const usual = !(name in parameters) || same(parameters[name], schema.default);
    const value = name in parameters ? parameters[name] : schema.default;
    return {
      name,
      title: title(name, schema),
      words: value === undefined ? "–" : inWords(unusual(value, schema), schema, root),
      usual,
    };
  });
}

// Of a group, only what is other than usual.
function unusual(value, schema) {
  const usual = schema.default;
  if (
    value === null ||
    usual === null ||
    typeof value !== "object" ||
    typeof usual !== "object" ||
    Array.isArray(value)
  )
    return value;
  const other = Object.entries(value).filter(([name, inner]) => !same(inner, usual[name]));
  return other.length > 0 ? Object.fromEntries(other) : value;
}

// Those that differ from the defaults, in one line.
export function unusualInWords(parameters, root) {
  const told = parametersInWords(parameters, root).filter(({ usual }) => !usual);
  return told.map(({ title, words }) => `${title} ${words}`).join(" · ") || "all as usual";
}

// What a plan would do at most: [what, how much, whether that is long] each. Temperatures are told in the steps' words only.
export function preflightInWords({ steps, total, available_ml: available }, speed = 1) {
  const temperatures = steps.flatMap(({ does }) =>
    [...does.matchAll(/(-?[\d.]+) °C/g)].map((match) => Number(match[1])),
  );
  const settings = steps.filter(({ does }) => does.startsWith("go to")).length;
  const taken = Object.entries(total.takes_at_most).map(([what, count]) =>
    counted(count, what, what === "spectrum" ? "spectra" : `${what}s`),
  );
  const used = Object.entries(total.volumes_ml_at_most)
    .filter(([, ml]) => ml > 0)
    .map(([reagent, ml]) => {
      const of = reagent in available ? ` of ${plain(available[reagent])}` : "";
      return `${reagent} ${ml.toFixed(1)}${of} mL`;
    });
  return [
    [
      "Time",
      `at most ${duration(total.seconds_at_most)}${total.seconds_at_most > speed && speed > 1 ? `; simulated ${plain(speed)} times as fast, ${duration(total.seconds_at_most / speed)}` : ""}`,
    ],
    ["Reactor", settings > 0 ? `set ${settings === 1 ? "once" : `${settings} times`}` : "not set"],
    ["Measured", taken.length > 0 ? `at most ${taken.join(", ")}` : "nothing"],
    ["Hottest", temperatures.length > 0 ? `${plain(Math.max(...temperatures))} °C` : "nothing is heated"],
    ["Reagents", used.length > 0 ? `at most ${used.join(", ")}` : "none", "long"],
  ];
}
