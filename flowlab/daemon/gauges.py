"""Gauges at work: what the instrument file wants shown is read all the time, a thread for each device.

It must not get in the way: nothing here raises, no read is waited for when the instrument is to be safe, and a device
that is slow or silent is left alone for some times as long as it was read.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowlab.bench import Bench, in_words
from flowlab.config.gauges import Gauge
from flowlab.config.load import ConfigError
from flowlab.daemon.interlocks import WatchedInterlock
from flowlab.stream import CodecError, GaugeReading, InterlockState, Readings

Value = bool | int | float | str | None

_PUBLISH_EVERY_S = 1.0
#: A device rests for so many times as long as it was read: a line that is shared is mostly free, though one be silent.
_REST = 2.0
#: Real seconds that reads under way are waited for in the end. Devices answer, or fail, sooner; one that never returns
#: must not keep the others from being let go.
_CLOSE_WITHIN_S = 5.0
_LONGEST_TEXT = 300


@dataclass(frozen=True)
class _Said:
    """What became of the last read; replaced as a whole, as another thread looks at it."""

    at: float
    value: Value = None
    setpoint: float | None = None
    left: float | None = None
    why: str | None = "not read yet"


@dataclass(frozen=True)
class _Key:
    """What a signal tells of itself."""

    units: str | None = None
    low: float | None = None
    high: float | None = None


class ReadGauge:
    """Reads one gauge when it is told to.

    Args:
        name: as the configuration has it.
        gauge: what to read.
        bench: the devices, connected.

    Raises:
        ConfigError: the device has no such signal.
    """

    def __init__(self, name: str, gauge: Gauge, bench: Bench):
        self.name = name
        self.gauge = gauge
        self._device = bench.devices[gauge.device]
        for signal in gauge.signals:
            if not hasattr(getattr(self._device, signal, None), "get"):
                where = f"{bench.config.name}: gauges.{name}"
                raise ConfigError(f"{where}: {gauge.device} has no signal {signal!r}")
        alone = [lock.when[0] for lock in bench.config.interlocks.values() if len(lock.when) == 1]
        self._trips = [c for c in alone if (c.device, c.signal) == (gauge.device, gauge.signal)]
        self._said = _Said(at=time.time())
        #: Real seconds between two reads as things go.
        self.every_s = gauge.every_s
        self._keys: dict[str, _Key] = {}

    def look(self, may_read: threading.Event) -> bool:
        """Read it.

        Args:
            may_read: no further read is begun while it is not set.

        Returns:
            Whether what was known is not, or the other way round.
        """
        gauge, was = self.gauge, self._said
        value, why = self._read(gauge.signal)
        setpoint: float | None = None
        left: float | None = None
        if (
            why is None and may_read.is_set()
        ):  # else the device is silent, and to ask it for more would only take longer
            setpoint, no_setpoint = self._read_number(gauge.setpoint)
            left, none_left = self._read_number(gauge.left) if may_read.is_set() else (was.left, None)
            why = no_setpoint or none_left
        self._said = _Said(time.time(), value, setpoint, left, why)
        return (value is None) is not (was.value is None)

    def _read(self, signal: str) -> tuple[Value, str | None]:
        """What a signal says, or in words why that is not known."""
        where = f"{self.gauge.device}.{signal}"
        try:
            component = getattr(self._device, signal)
            said = component.get()
            value = _plain(said)
            if signal not in self._keys and value is not None:
                self._keys[signal] = _key(self._device, signal, component)
        except Exception as error:  # noqa: BLE001  whatever it is, the others are shown all the same
            return None, _line(f"{where} cannot be read: {in_words(error)}")
        if value is not None:
            return value, None
        return None, f"{where} is infinite" if said in (math.inf, -math.inf) else f"{where} has no value"

    def _read_number(self, signal: str | None) -> tuple[float | None, str | None]:
        if signal is None:
            return None, None
        value, why = self._read(signal)
        if isinstance(value, str):
            return None, _line(f"{self.gauge.device}.{signal} is no number: {value!r}")
        return (None if value is None else float(value)), why

    def reading(self) -> GaugeReading:
        """What it said last."""
        gauge, said = self.gauge, self._said
        key = self._keys.get(gauge.signal, _Key())
        limits = key if key.low is not None else self._keys.get(gauge.setpoint or "", key)
        return GaugeReading(
            name=self.name,
            place=gauge.place,
            label=gauge.label,
            device=gauge.device,
            signal=gauge.signal,
            units=key.units,
            value=said.value,
            setpoint=said.setpoint,
            left=said.left,
            left_units=self._keys.get(gauge.left or "", _Key()).units,
            low=limits.low,
            high=limits.high,
            # Of several, the one that trips first.
            trips_below=max((c.below for c in self._trips if c.below is not None), default=None),
            trips_above=min((c.above for c in self._trips if c.above is not None), default=None),
            at=said.at,
            every_s=self.every_s,
            why=said.why,
        )


class Gauges:
    """All gauges of a bench, and how its interlocks are.

    Args:
        bench: the devices, connected.
        interlocks: which are told of.
        send: is given readings about once a second, and at once when a value becomes known or unknown; it may raise
            :class:`CodecError`.

    Raises:
        ConfigError: a gauge names a signal that its device does not have.
    """

    def __init__(self, bench: Bench, interlocks: Sequence[WatchedInterlock], send: Callable[[Readings], None]):
        self._name = bench.config.name
        self._clock = bench.clock
        self._interlocks = interlocks
        self._send = send
        self._gauges = [ReadGauge(name, gauge, bench) for name, gauge in bench.config.gauges.items()]
        self._closed = threading.Event()
        self._changed = threading.Event()
        self._counting, self._resting = threading.Lock(), 0
        self._may_read = threading.Event()
        self._may_read.set()
        self._threads = [threading.Thread(target=self._publish, name="readings", daemon=True)]
        for device in dict.fromkeys(gauge.gauge.device for gauge in self._gauges):
            of_it = [gauge for gauge in self._gauges if gauge.gauge.device == device]
            self._threads.append(
                threading.Thread(target=self._read, args=(of_it,), name=f"gauges of {device}", daemon=True)
            )

    def start(self) -> None:
        """Begin; nothing is waited for."""
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Begin no read meanwhile: the lines are free for what makes safe. One under way is not waited for."""
        with self._counting:
            self._resting += 1
            self._may_read.clear()
        try:
            yield
        finally:
            with self._counting:
                self._resting -= 1
                if not self._resting:  # who makes safe at the same time needs the lines still
                    self._may_read.set()

    def end(self) -> None:
        """Publish nothing any more, and begin no read; one under way is not waited for."""
        self._closed.set()
        self._may_read.set()
        self._changed.set()

    def close(self) -> None:
        """End, and wait for reads that are under way, but not for one that never returns."""
        self.end()
        end_s = time.monotonic() + _CLOSE_WITHIN_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(end_s - time.monotonic(), 0.0))

    def readings(self) -> Readings:
        """How everything is now, as far as it is known."""
        return Readings(
            time=time.time(),
            instrument=self._name,
            speed=self._clock.speed,
            gauges=[gauge.reading() for gauge in self._gauges],
            interlocks=[_state(watched) for watched in self._interlocks],
        )

    def _publish(self) -> None:
        while not self._closed.is_set():
            self._changed.clear()
            with contextlib.suppress(CodecError):  # what cannot be sent is not worth an instrument
                self._send(self.readings())
            if not self._closed.is_set():
                self._changed.wait(_PUBLISH_EVERY_S)

    def _read(self, gauges: list[ReadGauge]) -> None:
        due_s = [0.0] * len(gauges)
        while not self._closed.is_set():
            took_s = 0.0
            for i, gauge in enumerate(gauges):
                self._may_read.wait()
                begun_s = time.monotonic()
                if self._closed.is_set() or due_s[i] > begun_s:
                    continue
                if gauge.look(self._may_read):
                    self._changed.set()
                took_s += time.monotonic() - begun_s
                due_s[i] = begun_s + gauge.gauge.every_s
            if took_s:
                for gauge in gauges:
                    gauge.every_s = max(gauge.gauge.every_s, (1 + _REST) * took_s)
            self._closed.wait(max(min(due_s) - time.monotonic(), _REST * took_s))


def _state(watched: WatchedInterlock) -> InterlockState:
    when = " and ".join(str(condition) for condition in watched.interlock.when)
    tripped = watched.tripped
    return InterlockState(
        name=watched.name,
        action=watched.interlock.action,
        when=when,
        tripped=None if tripped is None else _line(tripped),
    )


def _plain(value: Any) -> Value:
    """A number, text or truth that can be sent; None for nan and infinity, which are no values.

    Raises:
        TypeError: it is something else, an array for instance.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        number = float(value)
        if not math.isfinite(number):
            return None
        return int(value) if isinstance(value, int) and abs(number) < 2**53 else number
    if isinstance(value, str):
        return _line(value)
    raise TypeError(f"{type(value).__name__} is neither a number nor text")


def _line(text: str) -> str:
    """One line of text, not too long, of characters that can be sent."""
    return " ".join(text.split())[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")


def _key(device: Any, signal: str, component: Any) -> _Key:
    """Units and limits of a signal that was just read: describing it asks the instrument nothing then."""
    described = component.describe()[component.name] if hasattr(component, "describe") else {}
    limits = described.get("limits", {}).get("control", {})
    # What measures has plain signals, and tells their units by their names.
    units = described.get("units") or getattr(device, "UNITS", {}).get(signal)
    low, high = (_plain(limits.get(which)) for which in ("low", "high"))
    if not (isinstance(low, int | float) and isinstance(high, int | float) and low < high):
        return _Key(units or None)
    return _Key(units or None, float(low), float(high))
