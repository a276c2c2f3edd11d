// The connection: what the server says, put together to one picture, and whether it is what is the case now.

const SILENT_MS = 2000; // the server says something each second
const AGAIN_MS = 500;
const DRIFT = 0.001; // how much faster than the other one clock may go
const NOT_ALLOWED = 1008; // trying again would not help; it would where there are too many viewers
const GIVEN_UP_MS = 5000; // a connection on which so long nothing new came is cut somewhere, whoever has not noticed

// The first picture comes packed: then there is no header, but a message in gzip.
async function unpacked(buffer) {
  if (new DataView(buffer).getUint32(0, true) !== 0) return buffer;
  const stream = new Blob([new Uint8Array(buffer, 4)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// A message: see docs/page.md.
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const base = 4 + length;
  const text = new TextDecoder().decode(new Uint8Array(buffer, 4, length));
  return JSON.parse(text, (_, value) => {
    if (value !== null && typeof value === "object") {
      if (Array.isArray(value.f32)) return new Float32Array(buffer, base + value.f32[0], value.f32[1]);
      if (Array.isArray(value.u8)) return new Uint8Array(buffer, base + value.u8[0], value.u8[1]);
    }
    return value;
  });
}

const LISTS = ["points", "saxs_points", "log"]; // sections that say from where on they stand

export class Live extends EventTarget {
  sections = { points: [], saxs_points: [], log: [], tracks: {} };
  who = null; // the server's hello
  refused = null; // why it lets nobody in
  token_needed = false; // whether that is for want of a token
  #socket = null;
  #heard = -Infinity;
  #begun = -Infinity;
  #lived = -Infinity; // when what is shown was what was the case, last
  #told = false; // whether this connection has brought a picture
  #ahead_ms = -Infinity; // of the server's clock, before this one's
  #said_ms = 0; // when the newest message was sent, by the server's clock
  #stale = true;
  #token;

  constructor(token) {
    super();
    this.#token = token;
    this.#connect();
    setInterval(() => {
      this.#watch();
      // All that comes seems old once a clock was set back, too: another connection compares them anew.
      const old_ms = performance.now() - Math.max(this.#lived, this.#begun);
      if (old_ms > GIVEN_UP_MS && !this.refused) this.#connect();
    }, 250);
  }

  // Whether what is shown is older than it may be: then it is not what is the case.
  get stale() {
    return this.#stale;
  }

  // Seconds since the server was heard last.
  get silence_s() {
    return (performance.now() - this.#heard) / 1000;
  }

  // The server's time, by which everything in the picture is told.
  now_s() {
    return (Date.now() + (Number.isFinite(this.#ahead_ms) ? this.#ahead_ms : 0)) / 1000;
  }

  // Another token: another connection.
  reconnect(token) {
    this.#token = token;
    this.refused = null;
    this.token_needed = false;
    this.#connect();
  }

  #connect() {
    const old = this.#socket;
    const address = new URL("/api/v1/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#told = false;
    this.#ahead_ms = -Infinity;
    this.#begun = performance.now();
    old?.close();
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ token: this.#token }));
    let before = Promise.resolve(); // what is packed takes a moment; what comes behind it waits
    socket.onmessage = ({ data }) => {
      before = before.then(async () => {
        const message = decode(await unpacked(data));
        if (socket === this.#socket) this.#take(message);
      }).catch(reportError); // prettier-ignore
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.#socket || (this.refused && code === NOT_ALLOWED)) return;
      this.#watch();
      const wait_ms = this.refused ? GIVEN_UP_MS : AGAIN_MS;
      setTimeout(() => {
        if (socket === this.#socket) this.reconnect(this.#token);
      }, wait_ms);
    };
  }

  #take(message) {
    if (message.type === "refused") {
      this.refused = message.why;
      this.token_needed = message.code === NOT_ALLOWED;
      if (this.token_needed) this.who = null; // whoever it was, they are that no longer
      this.dispatchEvent(new CustomEvent("refused"));
      return;
    }
    if (message.type === "hello") {
      this.who = message;
      this.dispatchEvent(new CustomEvent("hello"));
      return;
    }
    for (const [name, section] of Object.entries(message.sections)) {
      if (LISTS.includes(name)) {
        this.sections[name].length = Math.min(this.sections[name].length, section.from);
        for (const item of section.items) this.sections[name].push(item);
      } else {
        this.sections[name] = section;
      }
    }
    const drift_ms = (performance.now() - this.#heard) * DRIFT;
    this.#heard = performance.now();
    this.#told = true;
    this.#said_ms = message.time * 1000;
    // The quickest message tells how far the clocks are apart; slower ones have been under way for longer.
    this.#ahead_ms = Math.max(this.#said_ms - Date.now(), this.#ahead_ms - drift_ms);
    this.#watch(new Set(Object.keys(message.sections)));
  }

  // Tells what has changed; and, when the server goes silent or is heard again, that.
  #watch(changed = new Set()) {
    const cut = this.#socket.readyState > WebSocket.OPEN;
    // By the clock of the day, too: that of the page stands while a computer sleeps, and what was under way for long is old.
    const behind_ms = Math.max(performance.now() - this.#heard, Date.now() + this.#ahead_ms - this.#said_ms);
    const stale = cut || !this.#told || behind_ms > SILENT_MS;
    if (!stale) this.#lived = performance.now();
    if (stale !== this.#stale) {
      this.#stale = stale;
      changed.add("stale");
    }
    if (changed.size > 0) this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }
}
