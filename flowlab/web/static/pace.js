// How often things are drawn: all together, and so seldom that the page takes a small part of a core, however fast the
// server speaks and however slow the computer is.

const LEAST_MS = 40; // spectra come not faster; what comes meanwhile is drawn with the next
const REST = 4; // times as long as drawing took: it takes no more than a fifth of the time
const READ_MS = 200; // numbers that change faster are not read

const wanted = new Set();
let due = false;
let next_ms = 0;

// draw, to be called as often as something has changed.
export function gently(draw) {
  return () => {
    wanted.add(draw);
    if (due) return;
    due = true;
    wait();
  };
}

// The same of what is read, and not looked at.
export function readably(draw) {
  let [read_ms, later] = [-Infinity, false];
  const write = gently(() => {
    read_ms = performance.now();
    draw();
  });
  return () => {
    if (later) return;
    const wait_ms = read_ms + READ_MS - performance.now();
    if (wait_ms <= 0) return write();
    later = true;
    setTimeout(() => {
      later = false;
      write();
    }, wait_ms);
  };
}

function wait() {
  const wait_ms = next_ms - performance.now();
  if (wait_ms > 0) setTimeout(wait, wait_ms);
  else requestAnimationFrame(drawAll); // which does not come while nobody looks
}

function drawAll() {
  const begun_ms = performance.now();
  for (const draw of wanted) {
    wanted.delete(draw); // what is added meanwhile is come to yet
    try {
      draw();
    } catch (error) {
      reportError(error); // the others are drawn all the same
    }
  }
  // The browser paints before it comes to this: what that took is known only now.
  setTimeout(() => {
    const now_ms = performance.now();
    next_ms = Math.max(begun_ms + LEAST_MS, now_ms + REST * (now_ms - begun_ms));
    due = wanted.size > 0;
    if (due) wait();
  });
}
