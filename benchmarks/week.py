"""A week of runs in an hour: what a daemon that is never ended needs of memory, threads and files must not grow.

``python -m benchmarks.week [RUNS]``. Most runs are of the cheapest plan with a hundred events; one in fifty is a real
scan, which analyzer and writer follow. Every hundred runs it is noted what each process has; at the end all journals
are read.
"""

import contextlib
import math
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.own_daemon import OwnDaemon
from benchmarks.table import Row, show
from flowlab.errors import FlowlabError
from flowlab.stream import read_journal

RUNS, EVENTS = 2000, 105
SPEED = 100.0
_NOTED_EVERY = 100
_QUEUED_AT_ONCE = 50
_BATCH_WITHIN_S = 600.0
#: Megabytes per thousand runs, a week of one every ten minutes, that are nothing.
_FLAT_MB = 1.0

_TEMPLATE = Path(__file__).parent.parent / "tests" / "instruments" / "uv-vis.toml"
_TICKS = '\n[plans.ticks]\nfunction = "benchmarks.ticks:ticks"\n'
_SCAN = {"nucleation_c": [60.0], "growth_offsets_c": [0.0, -1.0], "residence_time_s": 30.0, "blank_c": None}


@dataclass
class Process:
    """What one process had, each time it was looked at.

    Attributes:
        after: runs by then.
        memory_mb: of its own, beside what it shares: that depends on who else there is.
    """

    after: list[int] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def note(self, runs: int, process: psutil.Process) -> None:
        """Take down what it has now."""
        with process.oneshot():
            had = (process.memory_full_info().uss / 1e6, process.num_threads(), process.num_fds())
        for kept, value in zip((self.after, self.memory_mb, self.threads, self.files), (runs, *had), strict=True):
            kept.append(value)  # type: ignore[arg-type]

    def slope(self) -> tuple[float, float]:
        """Memory gained over a thousand runs, in MB, with its standard error; without the first tenth, a warming up."""
        first = max(1, len(self.after) // 10)
        x, y = np.array(self.after[first:]) / 1000, np.array(self.memory_mb[first:])
        if len(x) < 4:
            return math.nan, math.nan
        (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
        return float(slope), float(np.sqrt(covariance[0, 0]))


def _tenth(values: list[float] | list[int], *, last: bool) -> float:
    size = max(1, len(values) // 10)
    return sum(values[-size:] if last else values[:size]) / size


def _run(daemon: OwnDaemon, runs: int) -> dict[str, Process]:
    """Have so many runs; note what the processes have meanwhile."""
    noted: dict[str, Process] = defaultdict(Process)
    begin, done = time.monotonic(), 0
    while done < runs:
        batch = min(_QUEUED_AT_ONCE, runs - done)
        daemon.add("temperature_scan", _SCAN)
        daemon.add("ticks", {"events": EVENTS}, batch - 1)
        daemon.ask("queue_start")
        daemon.until(_has_ended, _BATCH_WITHIN_S)
        done += batch
        if done % _NOTED_EVERY == 0 or done == runs:
            facts = daemon.facts()
            for name, pid in facts["pids"].items():
                if pid is not None:
                    with contextlib.suppress(psutil.Error):  # analyzer and writer may have been let go
                        noted[name].note(done, psutil.Process(pid))
            told = ", ".join(
                f"{name} {p.memory_mb[-1]:.1f} MB {p.threads[-1]} threads {p.files[-1]} files"
                for name, p in noted.items()
            )
            print(f"{done:6} runs, {time.monotonic() - begin:6.0f} s: {told}", flush=True)
    return noted


def _has_ended(facts: dict[str, object]) -> bool:
    if facts["state"] in ("interrupted", "unsafe"):
        raise FlowlabError(f"a run did not end well: {facts['why']}")
    return facts["state"] == "idle" and facts["queue"] == 0 and facts["safe"] is True


def _verify(daemon: OwnDaemon) -> tuple[int, int, int]:
    """Runs and events in all journals, and how many are not whole."""
    runs = events = bad = 0
    for path in daemon.store.journals():
        messages = list(read_journal(path))
        if messages[-1].name != "stop" or [m.position for m in messages] != list(range(len(messages))):
            print(f"NOT WHOLE: {path}")
            bad += 1
            continue
        if path.stem != "documents":
            continue
        there = sum(message.name == "event" for message in messages)
        if sum(messages[-1].doc["num_events"].values()) != there or messages[-1].doc["exit_status"] != "success":
            print(f"NOT RIGHT: {path}: {messages[-1].doc}")
            bad += 1
        runs, events = runs + 1, events + there
    return runs, events, bad


def rows(runs: int = RUNS) -> list[Row]:
    """Run them, and say of each process whether it grows."""
    with OwnDaemon() as daemon:
        config = daemon.folder / "lab.toml"
        text = _TEMPLATE.read_text(encoding="utf-8").replace("reservoir_ml = 1000.0", "reservoir_ml = 1000000.0")
        config.write_text(text + _TICKS, encoding="utf-8")
        daemon.up("-c", str(config), "--speed", str(SPEED))
        daemon.until_open()
        begin = time.monotonic()
        noted = _run(daemon, runs)
        took_s = time.monotonic() - begin
        daemon.end()
        kept, events, bad = _verify(daemon)
    table = [
        Row("week: runs", kept, "runs", f"{runs}"),
        Row("week: events", events, "events", "-"),
        Row("week: runs a second", kept / took_s, "1/s", "-"),
        Row("week: journals that are not whole", bad, "journals", "0"),
    ]
    for name, process in noted.items():
        slope, error = process.slope()
        flat = "flat" if slope < max(2 * error, _FLAT_MB) else "GROWS"
        if math.isnan(slope):
            flat = "too few runs to tell"
        print(f"{name:12} {slope:+.3f} ± {error:.3f} MB per 1000 runs: {flat}")
        for what, unit, values in (
            ("memory", "MB", process.memory_mb),
            ("threads", "threads", process.threads),
            ("file handles", "files", process.files),
        ):
            first, last = _tenth(values, last=False), _tenth(values, last=True)
            table.append(Row(f"week: {name}, {what}, last tenth", last, unit, "as the first", first, "first tenth"))
    return table


if __name__ == "__main__":
    print()
    show(rows(int(sys.argv[1]) if sys.argv[1:] else RUNS))
