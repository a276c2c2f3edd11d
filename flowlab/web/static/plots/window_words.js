// The window of a family, as far as it is known now, in words.

import { withError } from "../words.js";
import { axesOf, plain } from "./conditions.js";

function listed(values, unit) {
  return `${values.map(plain).join(", ")}${unit ? ` ${unit}` : ""}`;
}

export function windowSentences(run, window) {
  if (!window) return ["No window yet: it follows from several panels."];
  const { slow } = axesOf(run);
  const lines = window.found?.length ? [`${window.family}: found at ${listed(window.found, slow.unit)}.`] : [];
  if (window.not_found?.length) lines.push(`Looked for and not found at ${listed(window.not_found, slow.unit)}.`);
  if (window.undecided?.length) lines.push(`Undecided at ${listed(window.undecided, slow.unit)}.`);
  const edges = [["begins", "lower"], ["ends", "upper"]]
    .filter(([, side]) => typeof window[`${side}_edge`] === "number")
    .map(([verb, side]) => `${verb} at ${withError(window[`${side}_edge`], window[`${side}_edge_err`], slow.unit)}`); // prettier-ignore
  if (edges.length) lines.push(`Over ${slow.name} it ${edges.join(" and ")}.`);
  if (window.why)
    lines.push(`${window.why[0].toUpperCase()}${window.why.slice(1)}${/[.!?]$/.test(window.why) ? "" : "."}`);
  const done = window.panels_done ?? null;
  const count = Array.isArray(done) ? done.length : done;
  const after = count === null ? "" : `, with ${count} ${count === 1 ? "panel" : "panels"} done`;
  lines.push(window.final ? "This is final." : `So far${after}: it may change.`);
  return lines;
}
