// Light, dark, or as the system has it. data-theme on <html> is always one of the two that the page can have; who draws
// with the page's colours draws anew at the window's event "theme".

import { element, say } from "../dom.js";

const KEPT = "flowlab theme";
const CHOICES = { system: "◐", light: "☀", dark: "☾" };
const dark = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  const kept = localStorage.getItem(KEPT);
  return kept in CHOICES ? kept : "system";
}

function apply() {
  const system = dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen() === "system" ? system : chosen();
  window.dispatchEvent(new Event("theme"));
}

// A button that goes through the choices.
export function createThemeButton() {
  const button = element("button", { type: "button", class: "small", onclick: next });
  function tell() {
    say(button, CHOICES[chosen()]);
    button.title = `Colours: ${chosen() === "system" ? "as the system has them" : chosen()}. Change`;
    button.setAttribute("aria-label", button.title);
  }
  function next() {
    const names = Object.keys(CHOICES);
    localStorage.setItem(KEPT, names[(names.indexOf(chosen()) + 1) % names.length]);
    apply();
    tell();
  }
  dark.addEventListener("change", apply);
  apply();
  tell();
  return button;
}
