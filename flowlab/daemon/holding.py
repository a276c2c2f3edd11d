"""Acquisition waits while an interlock that holds is tripped; what was acquired meanwhile is acquired again.

Only the triggers of the held devices wait. Everything else of a plan, pumps and heaters above all, goes on. What was
acquired counts only when the interlock, looked at after it, has not tripped since before it.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.preprocessors import plan_mutator
from bluesky.protocols import Reading
from bluesky.utils import Msg, MsgGenerator
from event_model import DataKey

from flowlab.daemon.interlocks import WatchedInterlock
from flowlab.errors import FlowlabError

#: How often it is looked whether a hold is over, in real seconds.
_LOOK_EVERY_S = 0.2
#: How often it is looked whether an interlock has been looked at, in real seconds.
_LOOKED_EVERY_S = 0.002


class BlindError(FlowlabError):
    """Nobody can tell any more whether acquisition may go on."""


class Hold:
    """A hold that was: read like a device, in the stream ``holds``, when it is over."""

    name = "hold"
    parent = None
    hints: dict[str, Any] = {"fields": []}  # noqa: RUF012  bluesky asks for an attribute

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._time = time.time()

    def note(self, interlock: str, reason: str, held_s: float) -> None:
        """Remember what the next event tells."""
        self._values = {"hold_interlock": interlock, "hold_reason": reason, "hold_s": held_s}
        self._time = time.time()

    def read(self) -> dict[str, Reading[Any]]:
        """What was noted, as readings."""
        return {key: {"value": value, "timestamp": self._time} for key, value in self._values.items()}

    def describe(self) -> dict[str, DataKey]:
        """Data keys."""
        text: DataKey = {"source": "flowlab.daemon.holding", "dtype": "string", "shape": []}
        seconds: DataKey = {"source": text["source"], "dtype": "number", "shape": [], "units": "s"}
        return {"hold_interlock": text, "hold_reason": text, "hold_s": seconds}

    def read_configuration(self) -> dict[str, Reading[Any]]:
        """Nothing to configure."""
        return {}

    def describe_configuration(self) -> dict[str, DataKey]:
        """Nothing to configure."""
        return {}


def holding(plan: MsgGenerator[Any], interlocks: Sequence[WatchedInterlock]) -> MsgGenerator[Any]:
    """The plan, in which acquisition waits while an interlock that holds it is tripped.

    A trigger of a held device waits before it is sent. When the interlock tripped between a trigger and the end of
    the wait for it, both are done again. Each hold becomes an event of the stream ``holds``: a held device is triggered
    between events, not within one.

    Args:
        plan: any.
        interlocks: those with ``action = "hold"``.

    Raises:
        BlindError: in the plan: a reading that it waits for does not come back.
    """
    return (yield from plan_mutator(plan, _Holding(interlocks).replace))


@dataclass(frozen=True)
class _Triggered:
    """A trigger that was sent, and how often the interlocks that hold it had tripped by then."""

    message: Msg
    watched: Sequence[WatchedInterlock]
    trips: int

    def spoilt(self) -> bool:
        """Whether one of them tripped since."""
        return _trips(self.watched) != self.trips


class _Holding:
    """What goes in the place of the messages of a plan."""

    def __init__(self, interlocks: Sequence[WatchedInterlock]):
        self._watched: dict[str, list[WatchedInterlock]] = defaultdict(list)
        for interlock in interlocks:
            for device in interlock.interlock.holds:
                self._watched[device].append(interlock)
        self._triggered: dict[Any, list[_Triggered]] = defaultdict(list)
        self._hold = Hold()
        self._in_run = False

    def replace(self, message: Msg) -> tuple[MsgGenerator[Any] | None, None]:
        """What is done instead of a message, as :func:`bluesky.preprocessors.plan_mutator` wants it."""
        match message.command:
            case "open_run" | "close_run":
                self._in_run = message.command == "open_run"
            case "trigger" if getattr(message.obj, "name", None) in self._watched:
                return self._trigger(message), None
            case "wait" if self._triggered:
                return self._wait(message), None
            case _:
                pass
        return None, None

    def _trigger(self, message: Msg) -> MsgGenerator[Any]:
        watched = self._watched[message.obj.name]
        trips = -1
        while trips != _trips(watched):  # counted before it is looked: what trips in between is not missed
            trips = _trips(watched)
            for interlock in watched:
                yield from self._until_clear(interlock)
        sent = _Triggered(message, watched, trips)
        self._triggered[message.kwargs.get("group")].append(sent)
        return (yield message)

    def _wait(self, message: Msg) -> MsgGenerator[Any]:
        group = message.kwargs.get("group", message.args[0] if message.args else None)
        while True:
            done = yield message
            triggered = self._triggered.pop(group, [])
            yield from _look_again({id(w): w for sent in triggered for w in sent.watched}.values())
            spoilt = [sent for sent in triggered if sent.spoilt()]
            if not spoilt:
                return done
            for sent in spoilt:
                yield from self._trigger(sent.message)

    def _until_clear(self, interlock: WatchedInterlock) -> MsgGenerator[None]:
        reason, begun_s = interlock.tripped, time.monotonic()
        if reason is None:
            return
        while interlock.tripped is not None:
            if interlock.blind is not None:
                raise BlindError(f"interlock {interlock.name}: {interlock.blind}; nothing is acquired without it")
            yield from bps.sleep(_LOOK_EVERY_S)
            yield from _look_again([interlock])
        self._hold.note(interlock.name, reason, time.monotonic() - begun_s)
        if self._in_run:
            yield from bps.create(name="holds")
            yield from bps.read(self._hold)
            yield from bps.save()


def _look_again(interlocks: Iterable[WatchedInterlock]) -> MsgGenerator[None]:
    """Wait until each has been looked at once more."""
    for interlock, number in [(interlock, interlock.ask()) for interlock in interlocks]:
        while interlock.looks < number:
            yield from bps.sleep(_LOOKED_EVERY_S)


def _trips(watched: Sequence[WatchedInterlock]) -> int:
    return sum(interlock.trips for interlock in watched)
