"""What was true in the simulated lab, and when, as its control port tells: asked for in a thread of its own."""

import base64
import bisect
import threading
from collections import Counter, defaultdict
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from tests.simulators.benches import Served


class Shot(NamedTuple):
    """What a detector digitised, when, and whether there was light."""

    time_s: float
    data: np.ndarray
    lit: bool


class Ledger:
    """Use as a context: it collects until it ends.

    Args:
        lab: whose control port is asked.

    Attributes:
        shots: what each detector digitised, in order.
        spoilt: replies spoilt so far, by device and fault.
    """

    EVERY_S = 0.5

    def __init__(self, lab: Served):
        self._lab = lab
        self._names: list[str] = []
        self._times: list[float] = []
        self._states: list[list[float]] = []
        self.shots: dict[str, list[Shot]] = defaultdict(list)
        self.spoilt: dict[str, Counter[str]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="ledger")
        self._lock = threading.Lock()
        self.failure: Exception | None = None

    def _collect(self) -> None:
        try:
            while not self._ended.wait(self.EVERY_S):
                self.take()
        except Exception as error:  # noqa: BLE001  it is raised where the ledger is used
            self.failure = error

    def take(self) -> None:
        """Ask for what was kept meanwhile."""
        with self._lock:
            told = self._lab.ask(ledger=True)
            assert not told["full"], "the ledger was asked too seldom"
            self._names = told["names"]
            self._times += [state[0] for state in told["states"]]
            self._states += [state[1:] for state in told["states"]]
            for shot in told["shots"]:
                data = np.frombuffer(base64.b64decode(shot["data"]), "<f8")
                self.shots[shot["device"]].append(Shot(shot["time"], data, shot["lit"]))
            instruments = self._lab.ask(truth=True)["instruments"]
            self.spoilt = {name: Counter(own["spoilt"]) for name, own in instruments.items() if "spoilt" in own}

    @property
    def spoilt_replies(self) -> int:
        """All of them; one that was spoilt in two ways counts twice."""
        return sum(kinds.total() for kinds in self.spoilt.values())

    def range_of(self, name: str, begin_s: float, end_s: float) -> tuple[float, float]:
        """The lowest and the highest that a quantity was between two times, and at the states kept next to them."""
        first = max(bisect.bisect_left(self._times, begin_s) - 1, 0)
        last = bisect.bisect_right(self._times, end_s) + 1
        column = self._names.index(name)
        values = [state[column] for state in self._states[first:last]]
        assert values, f"nothing is known of {name} then"
        return min(values), max(values)

    def shots_before(self, device: str, end_s: float, most: int) -> list[Shot]:
        """The latest shots of a detector up to a time."""
        return [shot for shot in self.shots[device] if shot.time_s <= end_s][-most:]

    def __enter__(self) -> Self:
        self.take()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self.failure is not None and error is None:
            raise self.failure
