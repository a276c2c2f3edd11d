"""A serial line, or what stands for one: one request at a time, each with a time limit and bounded retries.

The address is a pyserial URL, so that ``/dev/ttyUSB0``, ``COM3`` and ``socket://host:port`` all work.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import serial
from pydantic import Field

from devices.errors import LinkError, RefusedError, ReplyError, ReplyTimeoutError, SilentError
from flowlab.bench import Bench
from flowlab.config import Model

#: What a port raises when the line is lost. A serial adapter that is pulled out shows as an error of the
#: terminal, which is no OSError as pyserial's own are.
_LOST: tuple[type[Exception], ...] = (OSError,)
with contextlib.suppress(ImportError):  # a platform without terminals
    import termios

    _LOST = (OSError, termios.error)

T = TypeVar("T")

#: Real seconds within which a second copy of a reply begins: a few characters at 9600 baud.
_COPY_WITHIN_S = 0.005
#: Real seconds for which a device that said nothing is asked only once.
_SILENT_S = 30.0

#: Given everything received since the request: the reply's content, None while it is not whole, or
#: :class:`ReplyError` when it never will be.
Decode = Callable[[bytes], T | None]


class LineSettings(Model):
    """How the line is set up; ``socket://`` ignores speed and framing."""

    baudrate: Annotated[int, Field(gt=0)] = 9600
    bytesize: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    reply_within_s: float = 1.0
    attempts: int = 3
    quiet_s: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="real seconds of silence between a reply and the next request; what is heard then is superfluous, "
        "a second copy for instance, and the line is left to settle",
    )


@dataclass
class Traffic:
    """What went over a line so far.

    Attributes:
        requests: sent, those that were repeated counted each time.
        failed: of them those that brought no reply that could be used: lost, late or garbled.
        carried_bytes: of requests and of the replies that were used.
    """

    requests: int = 0
    failed: int = 0
    carried_bytes: int = 0


class Line:
    """Asks instruments on one line; may be used by several devices and from several threads.

    Args:
        address: pyserial URL.
        settings: speed, framing, time limit of one attempt, how many attempts.

    Attributes:
        traffic: requests and replies, counted.
    """

    def __init__(self, address: str, settings: LineSettings):
        self.address = address
        self.traffic = Traffic()
        self._settings = settings
        self._port: serial.Serial | None = None
        self._settled_s = 0.0  # when no late answer is to be expected any more
        self._silent_until_s: dict[str, float] = {}
        self._lock = threading.RLock()

    def ask(self, request: bytes, decode: Decode[T], device: str) -> T:
        """Send a request and return its decoded reply.

        What is asked must be harmless to ask twice: an attempt that brings no whole reply, or a garbled
        one, is repeated after the line has been silent for as long as a reply may take, so that a late
        answer is never taken for the answer to the next request; a line that was lost is opened again. A device
        that said nothing at all, however often it was asked, is asked once only for a while: those beside it on the
        line, and whoever is to make them safe, wait for it each time.

        Args:
            request: bytes to send.
            decode: see :data:`Decode`.
            device: for the message of an error.

        Raises:
            LinkError: the line cannot be opened, or is lost again and again.
            ReplyTimeoutError: no whole reply came, in any attempt.
            ReplyError: only garbled replies came.
            RefusedError: the instrument refused; it is not asked twice.
        """
        failure: ReplyError | ReplyTimeoutError | LinkError | None = None
        with self._lock:
            silent = time.monotonic() < self._silent_until_s.pop(device, 0.0)
            for _ in range(1 if silent else self._settings.attempts):
                self.traffic.requests += 1
                try:
                    return self._attempt(request, decode, device)
                except (ReplyError, ReplyTimeoutError) as error:
                    self.traffic.failed += 1
                    self._settled_s = time.monotonic() + self._settings.reply_within_s
                    failure = error
                except _LOST as error:
                    self.traffic.failed += 1
                    self._drop()
                    failure = LinkError(f"{device}: the line {self.address} is lost: {error}")
            if isinstance(failure, SilentError):
                self._silent_until_s[device] = time.monotonic() + _SILENT_S
        assert failure is not None  # noqa: S101  at least one attempt was made
        raise failure

    def tell(self, message: bytes, device: str) -> None:
        """Send what has no reply.

        Raises:
            LinkError: the line cannot be opened or is lost.
        """
        with self._lock:
            try:
                self._open(device).write(message)
            except _LOST as error:
                self._drop()
                raise LinkError(f"{device}: the line {self.address} is lost: {error}") from None

    def distrust(self) -> None:
        """Wait for silence before the next request: what was taken for answers may have been answers to older ones."""
        with self._lock:
            self._settled_s = time.monotonic() + self._settings.reply_within_s

    def hush(self) -> None:
        """Listen before the next request until a second copy of the last reply would have come, and drop it."""
        with self._lock:
            self._settled_s = max(self._settled_s, time.monotonic() + _COPY_WITHIN_S)

    def _attempt(self, request: bytes, decode: Decode[T], device: str) -> T:
        port = self._open(device)
        self._settle(port)
        port.reset_input_buffer()  # what is still there answers something else
        port.write(request)
        received = b""
        end = time.monotonic() + self._settings.reply_within_s
        while (left := end - time.monotonic()) > 0:
            received += self._read(port, left)
            try:
                reply = decode(received)
            except (ReplyError, RefusedError) as error:
                raise type(error)(f"{device}: asked {request!r}, got {received[:80]!r}: {error}") from None
            if reply is not None:
                self._settled_s = time.monotonic() + self._settings.quiet_s
                self.traffic.carried_bytes += len(request) + len(received)
                return reply
        got = f"only {received[:80]!r}" if received else "nothing"
        kind = ReplyTimeoutError if received else SilentError
        raise kind(
            f"{device}: asked {request!r} at {self.address}, got {got} within {self._settings.reply_within_s:g} s"
        )

    def _settle(self, port: serial.Serial) -> None:
        """After a reply that came late or not at all: throw away what comes until the line is silent."""
        limit_s = self._settings.reply_within_s
        end = time.monotonic() + 3 * limit_s  # a line on which somebody speaks all the time is not waited for
        while (left := min(self._settled_s, end) - time.monotonic()) > 0:
            if self._read(port, left):
                self._settled_s = time.monotonic() + limit_s

    @staticmethod
    def _read(port: serial.Serial, limit_s: float) -> bytes:
        """Wait for the first byte, then take whatever is there."""
        port.timeout = limit_s
        first = port.read(1)
        port.timeout = 0
        return first + port.read(4096) if first else b""

    def _open(self, device: str) -> serial.Serial:
        if self._port is None:
            s = self._settings
            try:
                self._port = serial.serial_for_url(  # pyright: ignore[reportAttributeAccessIssue]
                    self.address,
                    baudrate=s.baudrate,
                    bytesize=s.bytesize,
                    parity=s.parity,
                    stopbits=s.stopbits,
                    write_timeout=s.reply_within_s,
                )
            except (*_LOST, ValueError) as error:
                raise LinkError(
                    f"{device}: cannot open {self.address}: {error}; is it switched on, and the address right?"
                ) from None
        return self._port

    def _drop(self) -> None:
        if self._port is None:
            return
        # pyserial's socket:// forgets to close a socket whose other end is gone.
        socket = getattr(self._port, "_socket", None)
        with contextlib.suppress(*_LOST):  # what cannot be closed any more is lost anyway
            self._port.close()
        self._port = None
        if socket is not None:
            socket.close()

    def close(self) -> None:
        """Close the line; closing twice is harmless."""
        with self._lock:
            self._drop()


def shared_line(bench: Bench, address: str | None, device: str, settings: LineSettings) -> Line:
    """The line at an address, the same for every device on it."""
    if not address:
        raise LinkError(f'{device}: has no address; give the line it is on, as address = "/dev/ttyUSB0"')
    return bench.share(f"line {address}", lambda: Line(address, settings))
