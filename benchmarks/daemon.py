"""What the daemon takes for itself: to be there, to begin a plan, from plan to plan, and of memory."""

import os
import statistics
import time

import psutil

from benchmarks.own_daemon import OwnDaemon
from benchmarks.startup import rows as startup_rows
from benchmarks.table import Row, quantile, show
from benchmarks.ticks import instrument
from flowlab.errors import FlowlabError
from flowlab.stream import Message, Subscriber

_STARTS, _SUBMITTED, _QUEUED = 5, 100, 200
_COMES_WITHIN_S = 30.0


def _ready(config: str, *more: str) -> tuple[list[float], list[float]]:
    """Seconds from exec to the line that says where it answers, and to the first answer."""
    told, answered = [], []
    for _ in range(_STARTS):
        with OwnDaemon() as daemon:
            begin = time.perf_counter()
            told.append(daemon.up("-c", config, *more))
            daemon.ask("ping")
            answered.append(time.perf_counter() - begin)
    return told, answered


def _next(subscriber: Subscriber, name: str) -> Message:
    """The next document of that name."""
    end = time.monotonic() + _COMES_WITHIN_S
    while time.monotonic() < end:
        message = subscriber.receive(1.0)
        if message is not None and message.name == name:
            return message
    raise FlowlabError(f"no {name} document came within {_COMES_WITHIN_S:g} s")


def _begin(daemon: OwnDaemon, subscriber: Subscriber) -> tuple[list[float], list[float]]:
    """Milliseconds from submitting to the start document: by its own time, and until a subscriber has it."""
    emitted, came = [], []
    for _ in range(_SUBMITTED):
        daemon.until(lambda facts: facts["state"] == "idle" and facts["safe"] is True, 10.0)
        time.sleep(0.02)
        begin, wall = time.perf_counter(), time.time()
        daemon.ask("queue_item_add", item={"item_type": "plan", "name": "ticks", "kwargs": {}})
        daemon.ask("queue_start")
        start = _next(subscriber, "start")
        came.append(1e3 * (time.perf_counter() - begin))
        emitted.append(1e3 * (start.doc["time"] - wall))
        _next(subscriber, "stop")
    return emitted, came


def _between(daemon: OwnDaemon, subscriber: Subscriber) -> list[float]:
    """Milliseconds from the stop document of one item to the start document of the next."""
    daemon.until(lambda facts: facts["state"] == "idle" and facts["safe"] is True, 10.0)
    daemon.add("ticks", {}, _QUEUED)
    daemon.ask("queue_start")
    gaps, stopped = [], None
    for _ in range(_QUEUED):
        started = _next(subscriber, "start").doc["time"]
        if stopped is not None:
            gaps.append(1e3 * (started - stopped))
        stopped = _next(subscriber, "stop").doc["time"]
    return gaps


def _memory_mb(daemon: OwnDaemon) -> float:
    pids = daemon.facts()["pids"]
    return sum(psutil.Process(pids[name]).memory_full_info().pss for name in ("supervisor", "worker")) / 1e6


def rows() -> list[Row]:
    """With the shipped instrument where that matters, else with one that has no device."""
    told, answered = _ready("simulated-flow")
    with OwnDaemon() as daemon:
        daemon.up("-c", "simulated-flow")
        daemon.until_open()
        time.sleep(2.0)
        memory_mb = _memory_mb(daemon)
    with OwnDaemon() as daemon:
        config = instrument(daemon.folder / "nothing.toml", f"ticks-{os.getpid()}")
        daemon.up("-c", str(config), "--no-simulate")
        daemon.until_open()
        with Subscriber(daemon.documents, daemon.replay) as subscriber:
            subscriber.receive(0.7)  # it is connected once a heartbeat could have come
            emitted, came = _begin(daemon, subscriber)
            gaps = _between(daemon, subscriber)
    manager = "RE Manager 0.0.25"
    return [
        Row("daemon: exec to where it answers", statistics.median(told), "s", "≤ 0.3 s", 1.5, manager),
        Row("daemon: exec to the first answer", statistics.median(answered), "s", "≤ 0.3 s", 1.5, manager),
        Row("daemon: submit to start document, emitted, p50", quantile(emitted, 0.5), "ms", "-"),
        Row("daemon: submit to start document, received, p50", quantile(came, 0.5), "ms", "< 20 ms"),
        Row("daemon: submit to start document, received, p95", quantile(came, 0.95), "ms", "-"),
        Row("daemon: stop to next start document, p50", quantile(gaps, 0.5), "ms", "< 15 ms", 500.0, manager),
        Row("daemon: stop to next start document, p95", quantile(gaps, 0.95), "ms", "-"),
        Row("daemon: idle, supervisor and worker, PSS", memory_mb, "MB", "≤ 150 MB"),
        *startup_rows(),
    ]


if __name__ == "__main__":
    show(rows())
