// What ended, newest first, and how.

import { post } from "../api.js";
import { element, say } from "../dom.js";
import { clock, duration } from "../words.js";
import { createOutcome, roleMissing, unheard } from "./acting.js";
import { createButton } from "./button.js";
import { createParameters } from "./parameters.js";

const MOST = 50;
const ENDS = {
  completed: ["✓", "good", "completed"],
  stopped: ["■", "", "stopped"],
  aborted: ["✗", "bad", "aborted"],
  halted: ["✗", "bad", "halted"],
  failed: ["✗", "bad", "failed"],
  interrupted: ["!", "bad", "interrupted"],
};

export function createHistory(page, plans, again) {
  const outcome = createOutcome(page);
  const rows = new Map();
  const list = element("ol", { class: "q-list q-ended" });
  const none = element("p", { class: "q-small" });
  const node = element(
    "section",
    { class: "card q-history", "aria-labelledby": "q-history-title" },
    element("h2", { id: "q-history-title" }, "What ended"),
    outcome.node,
    none,
    list,
  );

  function update() {
    const { queue } = page.live.sections;
    const newest = (queue?.history ?? []).slice(-MOST).reverse();
    none.hidden = newest.length > 0;
    say(none, queue ? "Nothing has ended yet." : "What ended is not known: no daemon has been heard.");
    const there = new Set(newest.map((item) => item.item_uid));
    for (const [uid, row] of rows) {
      if (there.has(uid)) continue;
      row.node.remove();
      rows.delete(uid);
    }
    const missing = roleMissing(page) ?? unheard(page);
    newest.forEach((item, index) => {
      let row = rows.get(item.item_uid);
      if (!row) rows.set(item.item_uid, (row = createEnded(page, plans, item, outcome, again)));
      if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] ?? null);
      row.update(missing);
    });
  }
  return { node, update };
}

// What ended does not change any more, but for who may queue it again.
function createEnded(page, plans, item, outcome, again) {
  const result = item.result ?? {};
  const [sign, kind, words] = ENDS[result.exit_status] ?? ["?", "", result.exit_status ?? "not known"];
  const uids = result.run_uids ?? [];
  const path = `history/${encodeURIComponent(item.item_uid)}/resume`;
  const resume = () => outcome.act(`Queue what is left of ${item.name}`, () => post(path), "queued, at the front");
  const once = createButton(page, "Queue again …", () => again(item), {
    title: "Fills the form with what it was asked for",
  });
  const left = createButton(page, "Queue what is left", resume, {
    title: "As another run, at the front: the points that are not complete",
  });
  const parameters = createParameters(plans);
  const runs = uids.flatMap((uid, index) => [index > 0 ? ", " : "", element("code", { title: uid }, uid.slice(0, 8))]);
  const node = element(
    "li",
    { class: kind, title: `item ${item.item_uid}` },
    element(
      "div",
      { class: "q-row" },
      element(
        "span",
        {},
        element("strong", {}, item.name),
        " ",
        element("span", { class: "q-end" }, `${sign} ${words}`),
        " ",
        element(
          "span",
          { class: "q-small" },
          when(result),
          runs.length > 0 ? ", run " : ", no run",
          runs,
          item.user ? `, by ${item.user}` : "",
        ),
      ),
      element("span", { class: "q-moves" }, once.node, result.exit_status !== "completed" ? left.node : null),
    ),
    result.msg ? element("p", { class: "q-why" }, result.msg) : null,
    parameters.node,
  );

  function update(missing) {
    parameters.update(item);
    once.allow(null);
    left.allow(missing ?? (uids.length > 0 ? null : "it ended before it began a run; queue it again"));
  }
  return { node, update };
}

function when({ time_start: start, time_stop: stop }) {
  if (!stop) return "";
  const day = new Date(stop * 1000);
  const today = day.toDateString() === new Date().toDateString();
  const date = today ? "" : `${day.toLocaleDateString([], { day: "numeric", month: "short" })}, `;
  return `${date}${clock(stop)}${start ? `, took ${duration(stop - start)}` : ""}`;
}
