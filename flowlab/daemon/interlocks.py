"""Interlocks at work: each is looked at in a thread of its own, whatever the plan does meanwhile."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowlab.bench import Bench
from flowlab.config.interlocks import Condition, Interlock
from flowlab.config.load import ConfigError
from flowlab.errors import FlowlabError

#: Called with name and reason of what tripped, from the thread that looks. It must not raise.
OnTrip = Callable[[str, str], None]


@dataclass(frozen=True)
class Judgement:
    """What became of one condition: whether it holds (None: not known), and in words."""

    holds: bool | None
    words: str


def judge(condition: Condition, reading: Callable[[], Any]) -> Judgement:
    """Hold a condition against a reading; one that fails, in whatever way, or is no number, is not known."""
    where = f"{condition.device}.{condition.signal}"
    try:
        value = float(reading())
    except Exception as error:  # noqa: BLE001  whatever it is, an interlock must not end because of it
        what = str(error) if isinstance(error, FlowlabError) else repr(error)
        return Judgement(None, f"{where} cannot be read: {what}")
    if math.isnan(value):
        return Judgement(None, f"{where} has no value")
    if condition.above is not None:
        return Judgement(value > condition.above, f"{where} is {value:g}, above {condition.above:g}")
    assert condition.below is not None  # noqa: S101  the model sees to it
    return Judgement(value < condition.below, f"{where} is {value:g}, below {condition.below:g}")


@dataclass(frozen=True)
class Verdict:
    """Why an interlock would trip, in words, and whether every reading behind that is known."""

    reason: str
    known: bool


def verdict(interlock: Interlock, judgements: list[Judgement]) -> Verdict | None:
    """Why an interlock would trip, None when it would not: when one condition surely does not hold, it does not."""
    for condition, judgement in zip(interlock.when, judgements, strict=True):
        if judgement.holds is False or (judgement.holds is None and condition.unknown == "passes"):
            return None
    reason = " and ".join(judgement.words for judgement in judgements)
    return Verdict(reason, known=all(judgement.holds is not None for judgement in judgements))


class WatchedInterlock:
    """Looks at one interlock again and again.

    Args:
        name: as the configuration has it.
        interlock: what to look at.
        bench: the devices.
        on_trip: see :data:`OnTrip`.

    Attributes:
        tripped: why, None while it is not tripped. One that makes safe stays tripped; one that holds does not.
        trips: how often it tripped.
        blind: why a hold that is tripped has not been able to tell for too long; None while it can.
        looks: how often it has looked.
    """

    def __init__(self, name: str, interlock: Interlock, bench: Bench, on_trip: OnTrip):
        self.name = name
        self.interlock = interlock
        self.tripped: str | None = None
        self.trips = 0
        self.blind: str | None = None
        self.looks = 0
        self._readings = [_reading(name, condition, bench) for condition in interlock.when]
        self._clock = bench.clock
        self._on_trip = on_trip
        self._since_s: float | None = None
        self._unknown_since_s: float | None = None
        self._begun = 0
        self._asked = threading.Event()
        self._looked = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"interlock {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait_for_first_look(self) -> None:
        """Wait until it has been looked at once."""
        self._looked.wait()

    def ask(self) -> int:
        """Have it look now.

        Returns:
            What :attr:`looks` is, at least, once a look is over that began after this was called.
        """
        number = self._begun + 1
        self._asked.set()
        return number

    def end(self) -> None:
        """Trip no more; a reading that is under way is not waited for."""
        self._closed.set()
        self._asked.set()

    def close(self) -> None:
        """End, and wait for a reading that is under way."""
        self.end()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._asked.clear()
            self._begun += 1
            try:
                self._look()
            finally:
                self.looks = self._begun
                self._looked.set()
            if not self._closed.is_set():
                self._asked.wait(self.interlock.every_s)

    def _look(self) -> None:
        conditions = zip(self.interlock.when, self._readings, strict=True)
        found = verdict(self.interlock, [judge(condition, reading) for condition, reading in conditions])
        holds = self.interlock.action == "hold"
        if found is None:
            self._since_s = self._unknown_since_s = self.blind = None
            if holds:
                self.tripped = None
            return
        now_s = self._clock.now_s()
        self._since_s = now_s if self._since_s is None else self._since_s
        blind = self._is_blind(found)
        self.blind = found.reason if blind and holds else None
        counts = found.known or blind or holds
        if (
            self.tripped is None
            and counts
            and now_s - self._since_s >= self.interlock.for_s
            and not self._closed.is_set()
        ):
            self.trips += 1
            self.tripped = found.reason
            self._on_trip(self.name, found.reason)

    def _is_blind(self, found: Verdict) -> bool:
        """Whether readings have failed for too long."""
        if found.known:
            self._unknown_since_s = None
            return False
        now_s = time.monotonic()
        self._unknown_since_s = now_s if self._unknown_since_s is None else self._unknown_since_s
        return now_s - self._unknown_since_s >= self.interlock.blind_s


class Interlocks:
    """All interlocks of a bench.

    Args:
        bench: the devices, connected.
        on_safe: see :data:`OnTrip`: for those that make safe.

    Raises:
        ConfigError: an interlock names a signal that its device does not have.
    """

    def __init__(self, bench: Bench, on_safe: OnTrip):
        self.watched = [
            WatchedInterlock(name, interlock, bench, on_safe if interlock.action == "safe" else _note_nothing)
            for name, interlock in bench.config.interlocks.items()
        ]

    @property
    def holding(self) -> list[WatchedInterlock]:
        """Those that have acquisition wait."""
        return [watched for watched in self.watched if watched.interlock.action == "hold"]

    def start(self) -> None:
        """Begin; each has been looked at once when this returns."""
        for watched in self.watched:
            watched.start()
        for watched in self.watched:
            watched.wait_for_first_look()

    def end(self) -> None:
        """Have none trip any more; readings that are under way are not waited for."""
        for watched in self.watched:
            watched.end()

    def close(self) -> None:
        """Stop looking, and wait for readings that are under way."""
        self.end()
        for watched in self.watched:
            watched.close()


def _note_nothing(name: str, reason: str) -> None:
    """One that holds is asked, when something is about to be acquired."""


def _reading(name: str, condition: Condition, bench: Bench) -> Callable[[], Any]:
    get = getattr(getattr(bench.devices[condition.device], condition.signal, None), "get", None)
    if get is None:
        where = f"{bench.config.name}: interlocks.{name}"
        raise ConfigError(f"{where}: {condition.device} has no signal {condition.signal!r}")
    return get
