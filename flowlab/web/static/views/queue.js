// Queue and control: what runs and what can be done about it, what is queued, what ended, and the forms of the plans.

import { element, say } from "../dom.js";
import { unheard } from "../queue/acting.js";
import { createControl } from "../queue/control.js";
import { createForm } from "../queue/form.js";
import { createHistory } from "../queue/history.js";
import { createList } from "../queue/list.js";
import { Plans } from "../queue/plans.js";

export function createQueue(root, page) {
  const plans = new Plans(() => {
    form.refresh();
    if (!root.hidden) update(new Set(["status", "queue"]));
  });
  const viewer = element("p", { class: "notice q-viewer", hidden: true });
  const form = createForm(page, plans);
  const control = createControl(page, plans);
  const list = createList(page, plans);
  const history = createHistory(page, plans, form.fill);
  root.classList.add("q-view");
  root.append(viewer, element("div", { class: "q-now" }, control.node, list.node, history.node), form.node);

  function sayRole() {
    const who = page.live.who;
    viewer.hidden = who === null || who.role !== "viewer";
    say(
      viewer,
      "You look on as a viewer: you can see and reckon everything, and change nothing. To act takes an operator's token, to halt an admin's: flowlab tokens new NAME --role operator",
    );
  }

  function update(changed) {
    if (page.live.who !== null) plans.want(page.live.who);
    if (!["status", "queue", "stale"].some((name) => changed.has(name))) return;
    sayRole();
    root.classList.toggle("q-old", unheard(page) !== null);
    control.update();
    list.update();
    history.update();
    form.update();
  }
  // What is told to be old must tell how old, though nothing comes in.
  setInterval(() => {
    if (page.live.stale && !root.hidden) control.update();
  }, 1000);
  return { update };
}
