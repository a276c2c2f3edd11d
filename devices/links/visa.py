r"""An instrument through PyVISA: one question at a time, each with a time limit and bounded retries.

The address is a VISA resource name, ``TCPIP::192.168.0.7::1394::SOCKET`` or ``ASRL/dev/ttyUSB0::INSTR``, or what other
devices are given: ``tcp://host:port`` and ``/dev/ttyUSB0`` stand for these two. The default backend is PyVISA-py, which
needs no vendor's library.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import pyvisa
from pydantic import Field
from pyvisa.constants import Parity, StatusCode, StopBits
from pyvisa.errors import VisaIOError
from pyvisa.resources import MessageBasedResource, Resource, SerialInstrument

from devices.errors import LinkError, ReplyError, ReplyTimeoutError
from flowlab.config import Model

T = TypeVar("T")
Termination = Literal["\r", "\n", "\r\n", "\n\r"]
#: No reply is longer.
_MOST = 1024
#: A look at what has arrived already, in milliseconds: what VISA knows as the shortest time limit.
_AT_ONCE_MS = 1
#: Nothing is looked for longer: an instrument that speaks all the time is not waited for.
_SETTLE_LIMITS = 3


class VisaSettings(Model):
    """How the instrument is reached; speed and framing are those of a serial line only."""

    backend: str = Field(default="@py", description="of PyVISA: @py, @ivi, or FILE@sim")
    baudrate: int = 9600
    bytesize: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    write_termination: Termination = Field(default="\r", description="what commands end with")
    read_termination: Termination = Field(default="\r", description="what replies end with, as set on the instrument")
    reply_within_s: Annotated[float, Field(gt=0)] = 1.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3


def resource_name(address: str | None) -> str:
    """The VISA resource name of an address.

    Raises:
        ValueError: it is none.
    """
    if not address:
        raise ValueError("there is no address; give it as tcp://host:port, /dev/ttyUSB0 or a VISA resource name")
    if address.startswith("/dev/"):
        return f"ASRL{address}::INSTR"
    if "://" not in address:
        return address
    parts = urlsplit(address)
    if parts.scheme != "tcp" or not parts.hostname or not parts.port:
        raise ValueError(f"address {address!r} is not tcp://host:port, /dev/ttyUSB0 or a VISA resource name")
    return f"TCPIP::{parts.hostname}::{parts.port}::SOCKET"


class Visa:
    """Asks one instrument; may be used from several threads.

    Args:
        address: see :func:`resource_name`.
        settings: terminators, time limit of one attempt, how many attempts.
        device: its name, for messages.
    """

    def __init__(self, address: str | None, settings: VisaSettings, device: str):
        self.resource_name = resource_name(address)
        self._settings = settings
        self._device = device
        self._lock = threading.RLock()
        self._manager: pyvisa.ResourceManager | None = None
        self._resource: MessageBasedResource | None = None
        self._settled_s = 0.0  # when no late answer is to be expected any more

    def ask(self, request: str, decode: Callable[[bytes], T | None], takes_s: float = 0.0) -> T:
        """Send a question and return its decoded reply; it must be harmless to ask twice.

        Args:
            request: without its end.
            decode: given the bytes of a reply: its content, or :class:`ReplyError`.
            takes_s: real seconds that the instrument needs beyond those of any reply.

        Raises:
            LinkError: the instrument cannot be reached, or is lost again and again.
            ReplyTimeoutError: no whole reply came, in any attempt.
            ReplyError: only garbled replies came.
        """
        failure: ReplyError | ReplyTimeoutError | LinkError | None = None
        with self._lock:
            for _ in range(self._settings.attempts):
                try:
                    return self._attempt(request, decode, self._settings.reply_within_s + takes_s)
                except ReplyError as error:
                    failure = error
                except (ReplyTimeoutError, LinkError) as error:
                    self._drop()  # a connection that was closed from afar is silent, too
                    failure = error
                self._settled_s = time.monotonic() + self._settings.reply_within_s
        assert failure is not None  # noqa: S101  at least one attempt was made
        raise failure

    def tell(self, request: str) -> None:
        """Send what has no reply.

        Raises:
            LinkError: the instrument cannot be reached.
        """
        with self._lock:
            try:
                self._write(self._open(), request)
            except LinkError:  # the first that is noticed of a connection that was lost since
                self._write(self._open(), request)

    def _attempt(self, request: str, decode: Callable[[bytes], T | None], limit_s: float) -> T:
        resource = self._open()
        self._settle(resource)
        self._write(resource, request)
        received = self._read(resource, limit_s)
        if not received:
            raise ReplyTimeoutError(
                f"{self._device}: asked {request!r} at {self.resource_name}, got no whole reply within {limit_s:g} s"
            )
        try:
            reply = decode(received)
        except ReplyError as error:
            raise ReplyError(f"{self._device}: asked {request!r}, got {received[:80]!r}: {error}") from None
        if reply is None:
            raise ReplyError(f"{self._device}: asked {request!r}, got {received[:80]!r}, which is no whole reply")
        return reply

    def _settle(self, resource: MessageBasedResource) -> None:
        """Throw away what answers something else; when there is any, wait until the line is silent."""
        limit_s = self._settings.reply_within_s
        end = time.monotonic() + _SETTLE_LIMITS * limit_s
        if self._read(resource, 0.0):
            self._settled_s = time.monotonic() + limit_s
        while (left_s := min(self._settled_s, end) - time.monotonic()) > 0:
            if self._read(resource, left_s):
                self._settled_s = time.monotonic() + limit_s

    def _read(self, resource: MessageBasedResource, limit_s: float) -> bytes:
        """A line, or nothing when none ends within the time limit.

        Raises:
            LinkError: the connection is lost.
        """
        try:
            resource.timeout = max(round(1000 * limit_s), _AT_ONCE_MS)
            return resource.read_bytes(_MOST, chunk_size=_MOST, break_on_termchar=True)
        except VisaIOError as error:
            if error.error_code == StatusCode.error_timeout:
                return b""
            raise self._lost(error) from None
        except OSError as error:
            raise self._lost(error) from None

    def _write(self, resource: MessageBasedResource, request: str) -> None:
        try:
            resource.timeout = round(1000 * self._settings.reply_within_s)
            resource.write_raw((request + self._settings.write_termination).encode("ascii"))
        except (VisaIOError, OSError) as error:
            self._drop()
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> LinkError:
        return LinkError(f"{self._device}: the connection to {self.resource_name} is lost: {error}")

    def _open(self) -> MessageBasedResource:
        if self._resource is None:
            s = self._settings
            try:
                if self._manager is None:
                    self._manager = pyvisa.ResourceManager(s.backend)
                limit_ms = round(1000 * s.reply_within_s)
                resource = self._manager.open_resource(self.resource_name, open_timeout=limit_ms)
                self._set_up(resource)
            except Exception as error:  # noqa: BLE001  its backends raise whatever they like, bare Exception too
                raise LinkError(
                    f"{self._device}: cannot open {self.resource_name}: {error}; is it switched on, and the address "
                    "right?"
                ) from None
            if not isinstance(resource, MessageBasedResource):
                resource.close()
                raise LinkError(f"{self._device}: {self.resource_name} is nothing that messages can be sent to")
            self._resource = resource
        return self._resource

    def _set_up(self, resource: Resource) -> None:
        s = self._settings
        if isinstance(resource, MessageBasedResource):
            resource.read_termination = s.read_termination
        if isinstance(resource, SerialInstrument):
            resource.baud_rate = s.baudrate
            resource.data_bits = s.bytesize
            resource.parity = {"N": Parity.none, "E": Parity.even, "O": Parity.odd}[s.parity]
            resource.stop_bits = StopBits.one if s.stopbits == 1 else StopBits.two

    def _drop(self) -> None:
        resource, self._resource = self._resource, None
        if resource is not None:
            with contextlib.suppress(VisaIOError, OSError):  # what cannot be closed any more is lost anyway
                cast("Any", resource).close()

    def close(self) -> None:
        """Close the connection; closing twice is harmless. The resource manager, which others share, stays."""
        with self._lock:
            self._drop()
            self._manager = None
