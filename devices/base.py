"""What every driver is made of: quantities that live in an instrument, and watches that wait for something.

A driver is an ophyd device whose components are :class:`Quantity`: reading one asks the instrument,
setting one sends, and reads back. Motion is told by a status from :func:`watch`, which looks at the
instrument again and again until it is there, has failed, or takes too long.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from ophyd import Device, Signal
from ophyd.status import Status

from devices.errors import DeviceError, LimitError, NotReachedError
from flowlab.bench import Bench
from flowlab.clock import Clock
from flowlab.config import DeviceEntry
from flowlab.errors import FlowlabError


class Quantity(Signal):
    """A quantity that lives in an instrument.

    Args:
        ask: name of the parent's method that asks the instrument for the value.
        units: unit of the value; None for what has none, text for instance.
        precision: digits behind the point that mean something.
        limits: name of the parent's attribute that holds (lowest, highest); None for what is only read.
    """

    def __init__(
        self,
        *,
        ask: str,
        units: str | None = None,
        precision: int | None = None,
        limits: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._ask = ask
        self._units = units
        self._precision = precision
        self._limits = limits

    def get(self, **kwargs: Any) -> Any:
        """Ask the instrument."""
        self._readback = getattr(self.parent, self._ask)()
        self._metadata["timestamp"] = time.time()
        return self._readback

    def put(self, value: Any, **kwargs: Any) -> None:
        """Not the way: set the device, which checks limits and reads back."""
        raise TypeError(f"{self.name} is only read; set the device it belongs to")

    def describe(self) -> dict[str, Any]:
        """Data key with source, unit, precision and limits."""
        if not isinstance(self._readback, np.ndarray | float | int | str | bool) or not self._metadata.get("timestamp"):
            self.get()
        description = cast("dict[str, Any]", super().describe())
        key = description[self.name]
        device = cast("Instrument", self.parent)
        key["source"] = f"{type(device).__name__} at {device.address or device.name}"
        if self._units is not None:
            key["units"] = self._units
        if self._precision is not None:
            key["precision"] = self._precision
        if self._limits is not None:
            low, high = getattr(self.parent, self._limits)
            key["limits"] = {"control": {"low": low, "high": high}}
        return description


class Action(Signal):
    """Something a device does when it is set to a number, which takes a while: a flush of so many volumes.

    Args:
        do: name of the parent's method that starts it and returns its status.
    """

    def __init__(self, *, do: str, **kwargs: Any):
        super().__init__(**kwargs)
        self._do = do

    def set(self, value: Any, **_: Any) -> Any:
        """Start it.

        Returns:
            The status of what was started.
        """
        return getattr(self.parent, self._do)(value)

    def put(self, value: Any, **_: Any) -> None:
        """Start it and wait for its end."""
        self.set(value).wait()


class Instrument(Device):
    """Base of the drivers: knows its name on the bench, its address and the clock, and can be watched.

    Args:
        name: as the configuration names it.
        entry: its table in the configuration.
        bench: what it shares with others.
    """

    def __init__(self, name: str, entry: DeviceEntry, bench: Bench):
        super().__init__(name=name)
        self.address = entry.address
        self.clock: Clock = bench.clock
        self._watches: list[Watch] = []

    def watch(self, arrived: Callable[[], bool], *, what: str, every_s: float, limit_s: float) -> Status:
        """A status that is done when ``arrived`` returns True; see :class:`Watch`."""
        self._watches = [watch for watch in self._watches if not watch.status.done]
        watch = Watch(self, arrived, what=what, every_s=every_s, limit_s=limit_s)
        self._watches.append(watch)
        return watch.status

    def done(self) -> Status:
        """The status of something that is over at once."""
        status = Status(obj=self)
        status.set_finished()
        return status

    def give_up_watching(self, *, success: bool = False) -> None:
        """End every watch; their statuses fail, unless giving up is no failure."""
        for watch in self._watches:
            watch.cancel(success=success)
        self._watches.clear()

    def make_safe(self) -> None:
        """Bring the instrument into its safe state and check that it is there."""
        raise NotImplementedError

    def stop(self, success: bool = False) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  bluesky's
        """Give up waiting and be safe: what bluesky's ``stop`` message does, with which every plan ends.

        With ``success`` temperatures and flow stay what they are. A RunEngine calls it so by itself when a
        plan is paused, but also when one has failed: being safe is the plan's business. A status that failed meanwhile
        would fail the plan when it goes on; what it waited for is asked for once more then, from the checkpoint on.
        """
        self.give_up_watching(success=success)
        if not success:
            self.make_safe()

    def close(self) -> None:
        """Close what was opened; nothing moves."""
        self.give_up_watching()
        self.destroy()


class Watch:
    """Looks at a condition in a thread of its own until it holds, fails or takes too long.

    Args:
        device: for messages.
        arrived: looks at the instrument; raises when something is wrong with it.
        what: what is waited for, for the message of a time-out.
        every_s: plant seconds between two looks.
        limit_s: plant seconds after which to give up.
    """

    def __init__(self, device: Instrument, arrived: Callable[[], bool], *, what: str, every_s: float, limit_s: float):
        self.status = Status(obj=device)
        self._device = device
        self._arrived = arrived
        self._what = what
        self._every_s = every_s
        self._limit_s = limit_s
        self._given_up = threading.Event()
        self._given_up_well = False
        self._thread = threading.Thread(target=self._run, name=f"{device.name}: {what}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            arrived = self._device.clock.wait_until(
                self._arrived, every_s=self._every_s, limit_s=self._limit_s, wake=self._given_up
            )
        except FlowlabError as error:
            self.status.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001  without an end of its status, a plan would wait for ever
            self.status.set_exception(DeviceError(f"{self._device.name}: waiting for {self._what}: {error!r}"))
            return
        if arrived or self._given_up_well:
            self.status.set_finished()
        elif self._given_up.is_set():
            self.status.set_exception(NotReachedError(f"{self._device.name}: gave up waiting for {self._what}"))
        else:
            self.status.set_exception(
                NotReachedError(f"{self._device.name}: {self._what} not reached within {self._limit_s:g} s")
            )

    def cancel(self, *, success: bool = False) -> None:
        """Stop looking and wait for the thread; the status fails unless it was done, or this is to be no failure."""
        self._given_up_well = success
        self._given_up.set()
        self._thread.join()


class Refresher:
    """Says again and again, in a thread of its own, what an instrument must hear to go on.

    It does not raise: a line that is dead shows at the next reading, and the instrument does by itself what
    is safe when it hears nothing.

    Args:
        device: for messages.
        refresh: says it once.
        every_s: real seconds between two times.
    """

    def __init__(self, device: Instrument, refresh: Callable[[], None], every_s: float):
        self._device = device
        self._refresh = refresh
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{device.name}: refresh", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(self._every_s):
            try:
                self._refresh()
            except DeviceError as error:
                self._device.log.warning("not refreshed: %s", error)

    def close(self) -> None:
        """Stop refreshing."""
        self._closed.set()
        self._thread.join()


def all_done(statuses: Sequence[Status]) -> bool:
    """Whether all are done; what the first that failed raises is raised: statuses joined by ``&`` would hide it."""
    for status in statuses:
        if status.done:
            status.wait(0)
    return all(status.done for status in statuses)


def check_limits(device: str, what: str, value: float, limits: tuple[float, float], units: str) -> None:
    """Refuse a set point outside the limits, before anything is sent.

    Raises:
        LimitError: it is outside, or not a number.
    """
    low, high = limits
    if not low <= value <= high:  # also catches nan
        raise LimitError(f"{device}: {what} {value:g} {units} is outside {low:g}…{high:g} {units}")
