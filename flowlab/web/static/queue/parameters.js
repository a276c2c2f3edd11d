// What an item was asked for: what is not as usual in a line, and all of it when somebody wants to know.

import { element, say } from "../dom.js";
import { parametersInWords, unusualInWords } from "./told.js";

export function createParameters(plans) {
  let shown = null;
  const line = element("summary");
  const all = element("dl", { class: "q-facts" });
  const node = element("details", { class: "q-parameters" }, line, all);

  function update(item) {
    const schema = plans.schema(item.name);
    if (shown?.item === item && shown.schema === schema) return;
    shown = { item, schema };
    const parameters = item.kwargs ?? {};
    say(line, unusualInWords(parameters, schema));
    const rows = parametersInWords(parameters, schema).flatMap(({ name, title, words, usual }) => [
      element("dt", { title: name }, title),
      element("dd", {}, words, usual ? element("span", { class: "q-small" }, " (as usual)") : null),
    ]);
    all.replaceChildren(...rows);
  }
  return { node, update };
}
