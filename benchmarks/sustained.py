"""A beamtime's minute: frames of an Eiger2 1M taken by a plan, written, journalled, streamed, integrated, published.

``python -m benchmarks.sustained [SECONDS [FRAMES_PER_S]]`` runs it alone, longer or faster. Every process is the one
that is used: simulators, worker, analyzer, writer, and the session that follows. The detector repeats one picture.
"""

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import psutil
from bluesky.utils import MsgGenerator

from benchmarks.table import Row, show
from flowlab.daemon.session import Session
from flowlab.report.load import load_run
from flowlab.stream import read_journal
from plans.spectra import record
from tests.devices.eiger_lab import NAME, eiger_file

SECONDS, FRAMES_PER_S = 60, 10.0
_TABLES = """
[saxs]
beam_stop_mm = 2.0
[saxs.poni]
detector = "Eiger2 CdTe 1M"
distance_m = 1.1
poni1_m = 0.04
poni2_m = 0.038
wavelength_m = 1e-10
"""
_PLAN = """
[plans.sustain]
function = "benchmarks.sustained:sustain"
devices = {{ detector = "{name}" }}
"""


def sustain(detector: Any, *, frames: int, period_s: float) -> MsgGenerator[None]:
    """One event for each frame, begun ``period_s`` after the one before."""
    keys = {"frames": f"{detector.name}_image", "exposed_s": f"{detector.name}_exposed_s"}
    keys |= dict.fromkeys(("incident_a", "incident_err_a", "transmitted_a", "transmitted_err_a"))
    analysis = {"kind": "saxs", "saxs": keys, "axes": [f"{detector.name}_total_counts"]}

    @bpp.stage_decorator([detector])
    @bpp.run_decorator(md={"plan_name": "sustain", "num_points": frames, "analysis": analysis})
    def take() -> MsgGenerator[None]:
        due_s = time.monotonic()
        for _ in range(frames):
            yield from bps.sleep(max(0.0, due_s - time.monotonic()))
            due_s += period_s
            yield from bps.trigger(detector, wait=True)
            yield from record([detector], "saxs")

    yield from take()


class Memory:
    """Resident memory of the processes of a session, noted as documents come."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._next_s = 0.0
        self.seen_mb: dict[str, list[tuple[float, float]]] = {}

    def note(self, session: Session) -> None:
        """Look at all of them, once a second."""
        now_s = time.perf_counter() - self._begin
        if now_s < self._next_s:
            return
        self._next_s = now_s + 1.0
        for name, pid in {**session.pids, "worker": session.worker_pid}.items():
            self.seen_mb.setdefault(name, []).append((now_s, psutil.Process(pid).memory_info().rss / 1e6))

    def growth_mb(self, name: str) -> float:
        """From ten seconds on, or from half of a shorter time."""
        seen = self.seen_mb[name]
        settled = [mb for at_s, mb in seen if at_s >= min(10.0, seen[-1][0] / 2)]
        return settled[-1] - settled[0]


def rows(seconds: int = SECONDS, frames_per_s: float = FRAMES_PER_S) -> list[Row]:
    """Frames through the whole chain."""
    wanted = round(seconds * frames_per_s)
    with tempfile.TemporaryDirectory() as folder:
        file = eiger_file(
            Path(folder) / "eiger.toml",
            simulated="fresh_every = 1000000",
            exposure_s=0.5 / frames_per_s,
        )
        text = file.read_text("utf-8").replace(
            "\n[simulation]\n", f"{_TABLES}{_PLAN.format(name=NAME)}\n[simulation]\n", 1
        )
        file.write_text(text.replace("speed = 200.0", "speed = 1.0"), "utf-8")
        memory = Memory()
        with Session(str(file), Path(folder) / "runs", simulate=True) as session:
            outcome = session.run(
                "sustain", {"frames": wanted, "period_s": 1 / frames_per_s}, lambda message: memory.note(session)
            )
        if outcome.problems:
            sys.exit("; ".join(outcome.problems))
        begun = [m.doc["time"] for m in read_journal(outcome.stored.journal) if m.name == "event"]
        referred = sum(
            m.doc["indices"]["stop"] - m.doc["indices"]["start"]
            for m in read_journal(outcome.stored.journal)
            if m.name == "stream_datum"
        )
        curves = load_run(outcome.stored).frames
    task = f"Eiger2 1M, {frames_per_s:g} Hz, {seconds} s"
    kept = min(len(begun), referred, curves)
    longest_s = max(after - before for before, after in pairwise(begun))
    found = [
        Row(f"{task}: written, referred to, I(q) published", kept, "frames", "all", missing=wanted - kept),
        Row(f"{task}: over the whole run", (len(begun) - 1) / (begun[-1] - begun[0]), "frames/s", "-"),
        Row(f"{task}: longest between two frames", 1e3 * longest_s, "ms", "-"),
    ]
    gained = f"{task}: memory gained since 10 s"
    return found + [Row(f"{gained}, {name}", memory.growth_mb(name), "MB", "flat") for name in memory.seen_mb]


if __name__ == "__main__":
    show(rows(int(sys.argv[1]) if sys.argv[1:] else SECONDS, float(sys.argv[2]) if sys.argv[2:] else FRAMES_PER_S))
