"""Interlocks at work: each is looked at in a thread of its own, whatever the plan does meanwhile."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowlab.bench import Bench
from flowlab.config.interlocks import Condition, Interlock
from flowlab.config.load import ConfigError
from flowlab.errors import FlowlabError


@dataclass(frozen=True)
class Judgement:
    """What became of one condition: whether it holds (None: not known), and in words."""

    holds: bool | None
    words: str


def judge(condition: Condition, reading: Callable[[], Any]) -> Judgement:
    """Hold a condition against a reading; one that fails, or is no number, is not known."""
    where = f"{condition.device}.{condition.signal}"
    try:
        value = float(reading())
    except (FlowlabError, TypeError, ValueError) as error:
        return Judgement(None, f"{where} cannot be read: {error}")
    if math.isnan(value):
        return Judgement(None, f"{where} has no value")
    if condition.above is not None:
        return Judgement(value > condition.above, f"{where} is {value:g}, above {condition.above:g}")
    assert condition.below is not None  # noqa: S101  the model sees to it
    return Judgement(value < condition.below, f"{where} is {value:g}, below {condition.below:g}")


def verdict(interlock: Interlock, judgements: list[Judgement]) -> str | None:
    """Why an interlock would trip, None when it would not: when one condition surely does not hold, it does not."""
    for condition, judgement in zip(interlock.when, judgements, strict=True):
        if judgement.holds is False or (judgement.holds is None and condition.unknown == "passes"):
            return None
    return " and ".join(judgement.words for judgement in judgements)


class WatchedInterlock:
    """Looks at one interlock again and again.

    Args:
        name: as the configuration has it.
        interlock: what to look at.
        bench: the devices.
        on_trip: called with name and reason when it trips, from the thread that looks.

    Attributes:
        tripped: why, None while it is not tripped. One that makes safe stays tripped; one that holds does not.
        trips: how often it tripped.
    """

    def __init__(self, name: str, interlock: Interlock, bench: Bench, on_trip: Callable[[str, str], None]):
        self.name = name
        self.interlock = interlock
        self.tripped: str | None = None
        self.trips = 0
        self._readings = [_reading(name, condition, bench) for condition in interlock.when]
        self._clock = bench.clock
        self._on_trip = on_trip
        self._since_s: float | None = None
        self._looked = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"interlock {name}", daemon=True)

    def start(self) -> None:
        """Begin, and wait for the first look."""
        self._thread.start()
        self._looked.wait()

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._look()
            finally:
                self._looked.set()
            self._closed.wait(self.interlock.every_s)

    def _look(self) -> None:
        conditions = zip(self.interlock.when, self._readings, strict=True)
        reason = verdict(self.interlock, [judge(condition, reading) for condition, reading in conditions])
        if reason is None:
            self._since_s = None
            if self.interlock.action == "hold":
                self.tripped = None
            return
        now_s = self._clock.now_s()
        self._since_s = now_s if self._since_s is None else self._since_s
        if self.tripped is None and now_s - self._since_s >= self.interlock.for_s and not self._closed.is_set():
            self.tripped = reason
            self.trips += 1
            self._on_trip(self.name, reason)


class Interlocks:
    """All interlocks of a bench.

    Args:
        bench: the devices, connected.
        on_safe: called with name and reason when one trips that makes safe; from another thread.

    Raises:
        ConfigError: an interlock names a signal that its device does not have.
    """

    def __init__(self, bench: Bench, on_safe: Callable[[str, str], None]):
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

    def close(self) -> None:
        """Stop looking."""
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
