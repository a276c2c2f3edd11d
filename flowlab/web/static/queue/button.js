// Buttons that say why they cannot be pressed, and those that ask once more.

import { element } from "../dom.js";

const TOO_QUICK_MS = 400; // the second click of a double one is no answer
const TOO_SLOW_MS = 15_000; // nor is one of somebody who finds the question there

// Not disabled for the browser: it keeps the focus, and who presses it is told why nothing happens.
// allow(why) with null, or the reason.
export function createButton(page, text, press, attributes = {}) {
  let why = null;
  const name = attributes["aria-label"] ?? text;
  const node = element(
    "button",
    { type: "button", ...attributes, onclick: () => (why === null ? press() : page.say(`${name}: ${why}`)) },
    text,
  );
  const usual = attributes.title ?? "";
  return {
    node,
    get why() {
      return why;
    },
    allow(reason) {
      if (reason === why && node.hasAttribute("aria-disabled")) return;
      why = reason;
      node.setAttribute("aria-disabled", String(why !== null));
      node.title = why === null ? usual : `Not now: ${why}`;
    },
  };
}

// One that must be pressed, and then confirmed. Escape, leaving it, or waiting is a no.
export function createTwoStep(page, text, question, yes, press, attributes = {}) {
  let armed = 0;
  let timer = null;
  const first = createButton(page, text, arm, attributes);
  const confirm = element("button", { type: "button", class: "q-confirm", onclick: confirmed, onkeydown: held }, yes);
  const cancel = element("button", { type: "button", onclick: () => disarm(true) }, "No");
  const asked = element("span", {
    class: "q-asked",
    role: "group",
    "aria-label": question,
    hidden: true,
    onkeydown: escape,
    onfocusout: left,
  });
  asked.append(element("strong", {}, question), " ", confirm, " ", cancel);
  const node = element("span", { class: "q-twostep" }, first.node, asked);

  function arm() {
    armed = performance.now();
    first.node.hidden = true;
    asked.hidden = false;
    confirm.focus();
    timer = setTimeout(() => disarm(false), TOO_SLOW_MS);
    page.say(`${question} Escape: no.`);
  }
  function disarm(focus) {
    if (asked.hidden) return;
    clearTimeout(timer);
    const had = focus || asked.contains(document.activeElement);
    asked.hidden = true;
    first.node.hidden = false;
    if (had) first.node.focus();
  }
  function confirmed() {
    if (performance.now() - armed < TOO_QUICK_MS) return;
    disarm(true);
    press();
  }
  // A key that is held down since the first press is no second one.
  function held(event) {
    if (event.repeat) event.preventDefault();
  }
  function escape(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    disarm(true);
  }
  function left(event) {
    if (event.relatedTarget && !asked.contains(event.relatedTarget)) disarm(false);
  }
  return {
    node,
    get why() {
      return first.why;
    },
    allow(why) {
      if (why !== null) disarm(false);
      first.allow(why);
    },
  };
}
