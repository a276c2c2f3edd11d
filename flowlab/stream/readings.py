"""What the instrument says now, apart from any run: published about once a second, for who shows it to people.

A message is ``readings readings payload`` and goes where documents go, under a prefix of its own: whoever subscribes to
documents never receives it. It is a state, not a record: it is in no journal, and one that is lost is not fetched.
"""

import math
import threading
import time
from types import TracebackType
from typing import Self

import msgspec
import zmq

from flowlab.config.gauges import Place
from flowlab.stream.codec import CodecError, pack, unpack
from flowlab.stream.message import READINGS

_PREFIX = READINGS + b" "
_MOST_BYTES = 1 << 20
#: Messages that wait for a subscriber, or are looked through at once for the newest of them.
_MOST_WAITING = 64


class GaugeReading(msgspec.Struct, frozen=True, kw_only=True):
    """One gauge of the instrument file, and what it says.

    Attributes:
        value: None while it is not known.
        setpoint: what it was set to, in the same units.
        left: how much is left, in ``left_units``.
        low, high: limits of the signal, or of what it is set by.
        trips_below, trips_above: where an interlock trips by this signal alone.
        at: unix time at which it was read last, whatever came of that.
        every_s: real seconds between two reads as things go: what the instrument file asks for, or more where the
            device is slow.
        why: in one line, why something of this is not known.
    """

    name: str
    place: Place
    label: str
    device: str
    signal: str
    units: str | None
    value: bool | int | float | str | None
    setpoint: float | None
    left: float | None
    left_units: str | None
    low: float | None
    high: float | None
    trips_below: float | None
    trips_above: float | None
    at: float
    every_s: float
    why: str | None


class InterlockState(msgspec.Struct, frozen=True, kw_only=True):
    """One interlock: what it does, when, and why it is tripped (None: it is not)."""

    name: str
    action: str
    when: str
    tripped: str | None


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """All gauges and interlocks of an instrument.

    Attributes:
        time: unix time at which this was put together.
        instrument: its name.
        speed: plant seconds per real second.
    """

    time: float
    instrument: str
    speed: float
    gauges: list[GaugeReading]
    interlocks: list[InterlockState]

    def to_bytes(self) -> bytes:
        """``readings payload``."""
        return _PREFIX + pack(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Readings":
        """Read ``readings payload``.

        Raises:
            CodecError: the bytes are not readings of ours.
        """
        if not data.startswith(_PREFIX) or len(data) > _MOST_BYTES:
            raise CodecError("not readings")
        try:
            readings = msgspec.convert(unpack(data.removeprefix(_PREFIX)), cls)
        except msgspec.ValidationError as error:
            raise CodecError(f"not readings: {error}") from None
        for part in (readings, *readings.gauges):
            for field in part.__struct_fields__:
                value: object = getattr(part, field)
                if isinstance(value, float) and not math.isfinite(value):
                    raise CodecError(f"not readings: {field} is {value}")
        return readings


class ReadingsPublisher:
    """Sends readings to a proxy; may be called from any thread.

    Args:
        address: where the proxy takes documents in.
    """

    def __init__(self, address: str):
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)  # what is not sent by now is old
        self._socket.connect(address)
        self._lock = threading.Lock()

    def send(self, readings: Readings) -> None:
        """Publish them, unless this is closed.

        Raises:
            CodecError: they cannot be sent.
        """
        data = _PREFIX + readings.to_bytes()
        with self._lock:
            if not self._socket.closed:
                self._socket.send(data)

    def close(self) -> None:
        """Close; closing twice is harmless."""
        with self._lock:
            self._socket.close()
        self._context.term()


class ReadingsSubscriber:
    """Receives readings.

    Args:
        documents: where the proxy gives documents out.

    Attributes:
        socket: for who polls it with others; :meth:`receive` takes what is there.
        refused: messages that were not readings of ours; they were dropped.
    """

    def __init__(self, documents: str):
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, _MOST_WAITING)
        self.socket.setsockopt(zmq.SUBSCRIBE, _PREFIX)
        self.socket.connect(documents)
        self.refused = 0

    def receive(self, timeout_s: float | None = None) -> Readings | None:
        """The newest readings that have come, or None when none came within ``timeout_s`` real seconds.

        Of several that wait, those before the newest are dropped.
        """
        end = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if (newest := self._newest()) is not None:
                return newest
            wait_s = end - time.monotonic()
            if wait_s <= 0:
                return None
            self.socket.poll(None if wait_s == math.inf else math.ceil(1000 * wait_s))

    def _newest(self) -> Readings | None:
        newest: Readings | None = None
        for _ in range(_MOST_WAITING):
            try:
                # As parts, which ours never has: those of a stranger are not to be taken for messages.
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                newest = Readings.from_bytes(b"".join(parts).removeprefix(_PREFIX))
            except CodecError:
                self.refused += 1
        return newest

    def close(self) -> None:
        """Close the socket; closing twice is harmless."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
