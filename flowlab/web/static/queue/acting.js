// Having the server do something, and telling what came of it: at the place, and read out.

import { element, say } from "../dom.js";

const KEPT_MS = 20_000; // what went well is no news for ever; what did not, until something else is done

// Where the outcome of what is done in a part of the page is told.
export function createOutcome(page) {
  const node = element("p", { class: "q-outcome", hidden: true });
  let number = 0;
  let timer = null;
  let said = "";
  function tell(kind, text) {
    said = kind;
    clearTimeout(timer);
    if (kind === "good") timer = setTimeout(() => tell("", ""), KEPT_MS);
    node.hidden = !text;
    node.className = `q-outcome ${kind}`;
    say(node, text);
    if (text) page.say(text);
  }
  return {
    node,
    tell,
    // What was asked for has come about, and is seen elsewhere.
    settle() {
      if (said === "good") tell("", "");
    },
    // Returns what the server answered, or null where it refused.
    async act(what, ask, done) {
      const mine = ++number;
      tell("", `${what} …`);
      try {
        const answer = await ask();
        if (mine === number) tell("good", `✓ ${typeof done === "function" ? done(answer) : done}`);
        return answer ?? {};
      } catch (error) {
        if (mine === number) tell("bad", `✗ ${what}: ${error.message}`);
        return null;
      }
    },
  };
}

// Why what is shown is not what is the case, or null.
export function unheard(page) {
  if (page.live.stale) return "the server is not heard";
  return page.live.sections.status?.facts ? null : "the daemon does not answer";
}

// Whether it is the role that is missing: that is told once, above, and not beside each button.
export function looksOn(page, role = "operator") {
  return page.live.who?.control && roleMissing(page, role) !== null;
}

// Why whoever looks may not do something, or null.
const ROLES = ["viewer", "operator", "admin"];
export function roleMissing(page, role = "operator") {
  const who = page.live.who;
  if (page.live.token_needed) return "the server lets nobody in like this: log in";
  if (who === null) return "the server has not been heard yet";
  if (!who.control) return "there is no daemon to be asked";
  if (ROLES.indexOf(who.role) >= ROLES.indexOf(role)) return null;
  return `this needs ${role === "admin" ? "an admin" : "an operator"}'s token; you are let in as ${who.role}`;
}
