"""Timing and the table that is printed."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        task: what was done.
        ours: our figure.
        peer: the peer's figure in the same unit; None where there is no peer.
        peer_name: who that is.
        unit: of both.
        goal: in words.
        higher_is_better: for rates.
        missing: samples, ours and the peer's, that should have come and did not.
    """

    task: str
    ours: float
    unit: str
    goal: str
    peer: float | None = None
    peer_name: str = ""
    higher_is_better: bool = False
    missing: int = 0

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if self.peer is None or math.isnan(self.ours) or math.isnan(self.peer) or 0 in (self.ours, self.peer):
            return None
        return self.ours / self.peer if self.higher_is_better else self.peer / self.ours


def interleaved(ours: Callable[[], object], peer: Callable[[], object], rounds: int, each: int) -> tuple[float, float]:
    """Median microseconds of two calls, measured in turn so that both see the same machine."""
    ours(), peer()  # warm
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for kept, call in zip(times, (ours, peer), strict=True):
            begin = time.perf_counter()
            for _ in range(each):
                call()
            kept.append((time.perf_counter() - begin) / each * 1e6)
    return statistics.median(times[0]), statistics.median(times[1])


def alone(call: Callable[[], object], rounds: int, each: int) -> float:
    """Median microseconds of a call."""
    return interleaved(call, lambda: None, rounds, each)[0]


def quantile(values: list[float], share: float) -> float:
    """A quantile of measured values; nan where there are none."""
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'task':58} {'ours':>10} {'peer':>10} {'unit':9} {'times better':>12}  goal; peer")
    for row in rows:
        peer = f"{row.peer:10.4g}" if row.peer is not None else f"{'':10}"
        ratio = f"{row.ratio:12.3g}" if row.ratio is not None else f"{'':12}"
        lost = f"; {row.missing} SAMPLES MISSING" if row.missing else ""
        who = row.peer_name or "no peer"
        print(f"{row.task:58} {row.ours:10.4g} {peer} {row.unit:9} {ratio}  {row.goal}; {who}{lost}")
