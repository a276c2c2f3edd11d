"""How long the command line takes before it says anything."""

import statistics
import subprocess
import sys
import time

from benchmarks.table import Row


def _seconds(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def rows() -> list[Row]:
    """``flowlab --help`` against an interpreter that does nothing."""
    times = [(_seconds("-m", "flowlab", "--help"), _seconds("-c", "pass")) for _ in range(7)]
    ours, bare = (statistics.median(column) for column in zip(*times, strict=True))
    return [Row("flowlab --help", ours, "s", "≤ 0.3 s", bare, "python -c pass")]
