"""The page: how soon it is there, what it costs the browser that shows it, and what fifty viewers cost the daemon.

``python -m benchmarks.page [MINUTES]`` has a browser look at it for so long. A worker publishes twenty spectra of 2048
points a second, in scans of 400 points one after the other; analyzer, writer and HTTP server are those that are used.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.own_daemon import OwnDaemon
from benchmarks.spectra_plan import RUN_S, instrument
from benchmarks.table import Row, quantile, show
from flowlab.errors import FlowlabError
from flowlab.stream import RAW, Subscriber
from tests.browser.chromium import ARGUMENTS, HOW, find

MINUTES, VIEWERS = 2.0, 50
_LOOK_S, _FIRST_VIEWS = 20.0, 5
_VIEWS = ("spectrum", "scan", "reactor")
_WARM_S = 30.0
#: What all that is not the heap takes at most; what is left of the spectra then is aborted.
_BESIDE_S = 600.0
#: What is there at first: something of the run in the strip, and it is live.
_SHOWN = "document.getElementById('strip').innerText.includes('spectra') && !document.body.classList.contains('stale')"

_LOOK = f"""
function look() {{
  if (document.readyState !== "loading" && {_SHOWN}) requestAnimationFrame(() => (window.shown_ms = performance.now()));
  else requestAnimationFrame(look);
}}
look();
"""

# How often the plot that is drawn most is drawn: each time, all of its canvas is cleared first.
_COUNT = """
window.drawn = new Map();
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (left, top, width, height) {
  const whole = width >= this.canvas.width && height >= this.canvas.height;
  if (whole) window.drawn.set(this.canvas, (window.drawn.get(this.canvas) ?? 0) + 1);
  return clear.call(this, left, top, width, height);
};
"""
_DRAWN = "Math.max(0, ...window.drawn.values())"


def rows(minutes: float = MINUTES) -> list[Row]:
    """All of it, beside one daemon."""
    path = find()
    if path is None:
        raise SystemExit(f"there is no Chromium: {HOW}")
    with OwnDaemon() as daemon:
        file = instrument(daemon.folder / "spectra.toml", f"spectra-{os.getpid()}")
        daemon.up("-c", str(file), "--no-simulate")
        daemon.until_open()
        daemon.add("spectra", {"runs": round((60 * minutes + _BESIDE_S) / RUN_S)})
        daemon.ask("queue_start")
        facts = daemon.until(lambda facts: facts["running"] and facts["running"]["done"], 60.0)
        url = facts["addresses"]["http"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
            with closing(browser):
                found = _first_view(browser, url) + _browser(browser, url, minutes)
        found += _viewers(daemon, url)
        daemon.ask("re_abort")
    return found


def _session(browser: Browser) -> tuple[Page, CDPSession]:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    return page, context.new_cdp_session(page)


def _until(page: Page, expression: str) -> None:
    """Wait until something is so; the page itself may evaluate nothing."""
    end = time.monotonic() + _WARM_S
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise FlowlabError(f"the page does not come to show anything within {_WARM_S:g} s: {expression}")
        page.wait_for_timeout(20.0)


def _first_view(browser: Browser, url: str) -> list[Row]:
    """Seconds until something live is shown, and bytes until then, in a browser that knows nothing yet."""
    took, files, pictures = [], [], []
    for _ in range(_FIRST_VIEWS):
        page, session = _session(browser)
        loaded: list[float] = []
        told: list[float] = []
        load, tell = loaded.append, told.append
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event, load=load: load(event["encodedDataLength"]))
        session.on("Network.webSocketFrameReceived", lambda event, tell=tell: tell(_frame_bytes(event["response"])))
        page.add_init_script(_LOOK)
        page.goto(url)
        _until(page, "window.shown_ms !== undefined")
        took.append(page.evaluate("window.shown_ms") / 1e3)
        files.append(sum(loaded) / 1e3)
        pictures.append(sum(told[:2]) / 1e3)  # the greeting, and all that there is to be seen
        page.context.close()
    return [
        Row("page: first view from this machine", statistics.median(took), "s", "< 1 s"),
        Row("page: carried until then, files", statistics.median(files), "kB", "< 300 kB, all"),
        Row("page: carried until then, the first picture, smallest", min(pictures), "kB", "< 300 kB, all"),
        Row("page: carried until then, the first picture, largest", max(pictures), "kB", "< 300 kB, all"),
    ]


def _frame_bytes(frame: dict[str, Any]) -> float:
    """Of a frame, which the server does not compress; binary ones are told in base64."""
    length = len(frame["payloadData"])
    return 0.75 * length if frame["opcode"] == 2 else length


def _browser(browser: Browser, url: str, minutes: float) -> list[Row]:
    """Shares of a core while twenty spectra come a second, and the heap over minutes."""
    page, session = _session(browser)
    page.add_init_script(_COUNT)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # its work, not its waiting for a core
    found = []
    for view in _VIEWS:
        page.goto(f"{url}/#{view}")
        _until(page, _SHOWN)
        page.wait_for_timeout(3000.0)
        processes = _family()
        page.evaluate("window.drawn.clear()")
        before, cpu_s, begin = _tasks_s(session), _cpu_s(processes), time.perf_counter()
        page.wait_for_timeout(1e3 * _LOOK_S)
        took = time.perf_counter() - begin
        share = 100 * (_tasks_s(session) - before) / took
        whole = 100 * (_cpu_s(processes) - cpu_s) / took
        drawn = page.evaluate(_DRAWN) / took
        found.append(Row(f"page, 20 spectra/s: the page's thread, {view}", share, "% core", "< 30 %"))
        found.append(Row(f"page, 20 spectra/s: all of the browser, {view}", whole, "% core", "< 30 %"))
        found.append(Row(f"page, 20 spectra/s: drawings of a plot, {view}", drawn, "1/s", "-"))
    page.goto(f"{url}/#spectrum")
    page.wait_for_timeout(1e3 * _WARM_S)
    heaps = [_heap_mb(session)]
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        page.wait_for_timeout(min(30e3, max(0.0, 1e3 * (end - time.monotonic()))))
        heaps.append(_heap_mb(session))
    page.context.close()
    half = len(heaps) // 2
    gained = statistics.fmean(heaps[half:]) - statistics.fmean(heaps[: half or 1])
    return [
        *found,
        Row("page, 20 spectra/s: heap after collection, largest", max(heaps), "MB", "-"),
        Row(f"page, 20 spectra/s: heap gained, halves of {minutes:g} min", gained, "MB", "flat"),
    ]


def _family() -> list[psutil.Process]:
    """The browser's processes, and those of who drives it."""
    return [process for process in psutil.Process().children(recursive=True) if "chrom" in process.name()]


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes if process.is_running())


def _tasks_s(session: CDPSession) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def _heap_mb(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"] / 1e6


def _viewers(daemon: OwnDaemon, url: str) -> list[Row]:
    """What many viewers cost the server, and whether the run takes notice of them."""
    alone_ms, without = _delays_and_shares(daemon)
    command = [sys.executable, "-m", "benchmarks.viewers", url.replace("http", "ws") + "/api/v1/live", str(VIEWERS)]
    viewers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert viewers.stdout is not None  # noqa: S101  it was asked for
    if viewers.stdout.readline().strip() != "ready":
        raise FlowlabError(f"{VIEWERS} viewers could not connect")
    beside_ms, with_them = _delays_and_shares(daemon)
    said, _ = viewers.communicate("")
    saw = json.loads(said)
    name = f"page, {VIEWERS} viewers"
    silent = VIEWERS - saw["viewers"]
    return [
        Row(f"{name}: the HTTP server", with_them["web"], "% core", "-", missing=silent),
        Row("page, no viewer: the HTTP server", without["web"], "% core", "-"),
        Row(f"{name}: supervisor and worker", with_them["daemon"], "% core", "-"),
        Row("page, no viewer: supervisor and worker", without["daemon"], "% core", "-"),
        Row(f"{name}: pictures a second to each", saw["per_s"], "1/s", "-"),
        Row(f"{name}: sent to each", saw["kb_per_s"], "kB/s", "-"),
        *(
            Row(
                f"{name}: document → subscriber, p{100 * share:g}",
                1e3 * quantile(beside_ms, share),
                "ms",
                "as without viewers",
                1e3 * quantile(alone_ms, share),
                "no viewer",
            )
            for share in (0.5, 0.99)
        ),
    ]


def _delays_and_shares(daemon: OwnDaemon) -> tuple[list[float], dict[str, float]]:
    """Seconds that documents took to a subscriber, and percent of a core that processes took meanwhile."""
    pids = daemon.facts()["pids"]
    groups = {"web": ["web"], "daemon": ["supervisor", "worker"]}
    processes = {group: [psutil.Process(pids[name]) for name in names] for group, names in groups.items()}
    delays = []
    with Subscriber(daemon.documents, daemon.replay, prefix=RAW) as subscriber:
        for uid in subscriber.runs()[:-1]:
            subscriber.ignore(uid)
        until = time.monotonic() + 3.0  # what the run that goes on has published so far is fetched
        while time.monotonic() < until:
            subscriber.receive(0.1)
        before = {group: _cpu_s(those) for group, those in processes.items()}
        begin = time.perf_counter()
        while time.perf_counter() - begin < _LOOK_S:
            message = subscriber.receive(0.5)
            if message is not None and message.name == "event":
                delays.append(time.time() - message.doc["time"])
        took = time.perf_counter() - begin
        shares = {group: 100 * (_cpu_s(those) - before[group]) / took for group, those in processes.items()}
    return delays, shares


if __name__ == "__main__":
    show(rows(float(sys.argv[1]) if sys.argv[1:] else MINUTES))
