// What a plan takes, read from the JSON Schema of its parameters.

import { plain } from "./numbers.js";

// A schema without its references, and without “or null”, which is said as nullable.
export function unfold(schema, root) {
  const { $ref, allOf, anyOf, ...own } = schema;
  let found = own;
  if ($ref) found = { ...unfold(at($ref, root), root), ...own };
  else if (allOf?.length === 1) found = { ...unfold(allOf[0], root), ...own };
  else if (anyOf) {
    const others = anyOf.filter((one) => one.type !== "null");
    const nullable = others.length < anyOf.length;
    found =
      others.length === 1 ? { ...unfold(others[0], root), ...own, nullable } : { ...own, several: true, nullable };
  }
  if ("const" in found) found = { ...found, enum: [found.const] };
  return found;
}

function at(reference, root) {
  return (
    reference
      .split("/")
      .slice(1)
      .reduce((inside, key) => inside?.[key], root) ?? {}
  );
}

// Of what kind of field it is: see fields.js.
export function kindOf(schema, root) {
  if (schema.several) return "json";
  if (schema.enum) return "choice";
  switch (schema.type) {
    case "number":
    case "integer":
      return "number";
    case "boolean":
      return "yes";
    case "string":
      return "text";
    case "object":
      return schema.properties ? "group" : "json";
    case "array": {
      const items = unfold(schema.items ?? {}, root);
      if (items.nullable || items.several) return "json";
      if (items.enum) return "choices";
      if (items.type === "number" || items.type === "integer") return "numbers";
      return items.type === "string" ? "texts" : "json";
    }
    default:
      return "json";
  }
}

// What a number must be, in words; empty where anything may be.
export function allowed({ minimum: low, maximum: high, exclusiveMinimum: above, exclusiveMaximum: below }) {
  const words = [];
  if (low !== undefined && high !== undefined) words.push(`${plain(low)} to ${plain(high)}`);
  else if (low !== undefined) words.push(`at least ${plain(low)}`);
  if (above !== undefined) words.push(`above ${plain(above)}`);
  if (low === undefined && high !== undefined) words.push(`at most ${plain(high)}`);
  if (below !== undefined) words.push(`below ${plain(below)}`);
  return words.join(", ");
}

// What is wrong with a number, in one line: what was asked, what is allowed; or null.
export function wrongNumber(value, schema) {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, units } = schema;
  const unit = units ? ` ${units}` : "";
  const outside = value < minimum || value > maximum || value <= exclusiveMinimum || value >= exclusiveMaximum;
  if (!Number.isFinite(value)) return "asked what is no finite number";
  if (outside) return `asked ${plain(value)}${unit}; allowed: ${allowed(schema)}${unit}`;
  if (schema.type === "integer" && !Number.isInteger(value))
    return `asked ${plain(value)}${unit}; allowed: whole numbers`;
  if (multipleOf && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9)
    return `asked ${plain(value)}${unit}; allowed: multiples of ${plain(multipleOf)}`;
  return null;
}

export function same(one, other) {
  if (one === other) return true;
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object") return false;
  const keys = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    keys.length === Object.keys(other).length &&
    keys.every((key) => same(one[key], other[key]))
  );
}

// nucleation_c → nucleation: the unit is told beside the number.
const SUFFIXES = { "°C": "_c", s: "_s", mL: "_ml", nm: "_nm", "%": "_percent" };
export function title(name, schema = {}) {
  const suffix = SUFFIXES[schema.units] ?? "";
  return (suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name).replaceAll("_", " ");
}

// The first paragraph of what a plan says of itself: the rest is for who programs.
export function summary(schema) {
  return (schema.description ?? "").split("\n\n")[0].replaceAll("\n", " ").replaceAll("``", "");
}

// The paragraphs behind it, without what it raises.
export function more(schema) {
  const rest = (schema.description ?? "").split("\n\n").slice(1);
  return rest
    .filter((paragraph) => !paragraph.startsWith("Raises:"))
    .map((paragraph) => paragraph.replaceAll("\n", " ").replaceAll("``", ""));
}
