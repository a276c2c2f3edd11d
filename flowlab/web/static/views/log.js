// What happened, newest on top.

import { element, say } from "../dom.js";
import { clock } from "../words.js";

const MOST = 500;
const LEVELS = {
  alarm: "✕ alarm",
  warning: "▲ warning",
  notice: "● notice",
  info: "· info",
};

export function createLog(root, page) {
  const least = element("select", { id: "log-least", onchange: redraw },
    Object.entries({ info: "everything", notice: "notices and worse", warning: "warnings and alarms", alarm: "alarms alone" })
      .map(([value, words]) => element("option", { value }, words))); // prettier-ignore
  const sought = element("input", { id: "log-text", type: "search", placeholder: "any text", oninput: redraw });
  const count = element("span", { class: "muted", role: "status" });
  const newer = element("button", { type: "button", class: "small", hidden: true, onclick: toTop });
  const list = element("ol", { class: "lines", reversed: true });
  const box = element("div", { class: "scrolls card", tabindex: "0", role: "region", "aria-label": "Log, newest on top", onscroll: scrolled }, list);
  root.classList.add("log");
  root.append(
    element("form", { class: "filter", onsubmit: (event) => event.preventDefault() },
      element("label", { for: "log-least" }, "Show"), least,
      element("label", { for: "log-text" }, "with"), sought, count, newer),
    box,
  ); // prettier-ignore

  let shown = []; // as in the list, newest first
  let unseen = 0;

  function wanted({ level, text }) {
    const order = Object.keys(LEVELS);
    return order.indexOf(level) <= order.indexOf(least.value) && text.toLowerCase().includes(sought.value.trim().toLowerCase());
  }

  function redraw() {
    list.replaceChildren();
    shown = [];
    unseen = 0;
    draw();
    box.scrollTop = 0;
  }

  // Who reads further down stays at what is read: what is new goes on top, and the list is scrolled by as much.
  function draw() {
    const all = page.live.sections.log;
    const now = all.filter(wanted).slice(-MOST).reverse();
    const fresh = shown.length ? now.indexOf(shown[0]) : now.length;
    const top = box.scrollTop;
    const high = box.scrollHeight;
    if (fresh < 0) {
      list.replaceChildren(...now.map(line)); // the server tells it from the beginning again
    } else {
      list.prepend(...now.slice(0, fresh).map(line));
      while (list.childElementCount > now.length) list.lastElementChild.remove();
    }
    if (top > 0 && fresh > 0) {
      box.scrollTop = top + box.scrollHeight - high;
      unseen += fresh;
    }
    shown = now;
    say(count, now.length === all.length ? `${all.length} lines` : `${now.length} of ${all.length} lines`);
    scrolled();
  }

  function scrolled() {
    if (box.scrollTop <= 0) unseen = 0;
    newer.hidden = unseen === 0;
    say(newer, `↑ ${unseen} newer`);
  }

  function toTop() {
    box.scrollTop = 0;
    box.focus();
  }

  return {
    update(changed) {
      if (changed.has("log")) draw();
    },
  };
}

function line({ time, level, text }) {
  const date = new Date(time * 1000);
  return element("li", { "data-level": level },
    element("time", { datetime: date.toISOString(), title: date.toLocaleString() }, clock(time)),
    element("span", { class: `level ${level}` }, LEVELS[level] ?? level),
    element("span", { class: "text" }, text)); // prettier-ignore
}
