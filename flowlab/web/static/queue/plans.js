// The plans that there are, and what each takes: asked for once for each connection, and shared by what shows them.

import { get } from "../api.js";

const AGAIN_MS = 5000;

export class Plans {
  #plans = {};
  #for = null; // the connection that they were asked on
  #asking = false;
  #changed;
  why = null; // why they are not known

  constructor(changed) {
    this.#changed = changed;
  }

  get names() {
    return Object.keys(this.#plans);
  }

  schema(name) {
    return this.#plans[name]?.schema;
  }

  // Ask, where nobody has since this connection was made.
  async want(who) {
    if (this.#for === who || this.#asking) return;
    this.#asking = true;
    try {
      this.#plans = (await get("plans")).plans;
      this.why = null;
    } catch (error) {
      this.why = error.message;
      setTimeout(() => this.again(), AGAIN_MS); // a daemon that has just begun finds out first which there are
    }
    this.#for = who;
    this.#asking = false;
    this.#changed();
  }

  again() {
    this.#for = null;
    this.#changed();
  }
}
