// Logging in: the dialog that takes an operator's token.

import { token } from "../api.js";
import { element, say } from "../dom.js";

export function createLogin(page) {
  const why = element("p", { class: "error", role: "alert" });
  const field = element("input", {
    id: "login-token", type: "password", autocomplete: "off", spellcheck: "false", required: true,
  }); // prettier-ignore
  const form = element(
    "form",
    { method: "dialog", onsubmit: use },
    element("h2", {}, "Log in"),
    element("p", {}, "Everybody on this machine may look. To change something takes an operator's token, as ",
      element("code", {}, "flowlab tokens new NAME --role operator"), " prints it."),
    why,
    element("p", {}, element("label", { for: "login-token" }, "Token "), field),
    element("p", { class: "hint" }, "It is kept until this tab is closed, or you log out."),
    element("button", { type: "submit", class: "main" }, "Log in"),
    " ",
    element("button", { type: "button", onclick: look }, "Only look on"),
  ); // prettier-ignore
  const dialog = element("dialog", { class: "login", "aria-label": "Log in" }, form);

  function use() {
    const text = field.value.trim();
    field.value = "";
    if (text) page.useToken(text);
  }

  function look() {
    dialog.close();
    if (page.live.token_needed && token()) page.useToken(""); // the one it has is worth nothing
  }

  return {
    dialog,
    // Open it, and say why it is needed.
    open(reason = "") {
      say(why, reason);
      why.hidden = !reason;
      if (!dialog.open) dialog.showModal();
      field.focus();
    },
  };
}
