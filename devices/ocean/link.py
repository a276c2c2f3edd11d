"""The connection to a spectrometer of Ocean: opened, asked, told; every error is one of ours and names the device."""

import itertools
import struct
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import usb.core
from seabreeze.pyseabreeze.devices import SeaBreezeDevice
from seabreeze.pyseabreeze.exceptions import SeaBreezeError
from seabreeze.pyseabreeze.transport import USBTransportDeviceInUse, USBTransportError

from devices.errors import (
    DeviceError,
    InstrumentFaultError,
    LinkError,
    NotReachedError,
    RefusedError,
    ReplyError,
    ReplyTimeoutError,
)
from devices.ocean.handles import place
from devices.ocean.protocol import GivenUpError, StrictProtocol
from devices.ocean.settings import OceanSettings
from devices.protocols import obp

T = TypeVar("T")

#: What seabreeze raises on a reply that it cannot read.
_GARBLED = (SeaBreezeError, AssertionError, LookupError, TypeError, ValueError, struct.error)
_TIMED_OUT = (TimeoutError, usb.core.USBTimeoutError)
_LOST = (OSError, RuntimeError, USBTransportError, USBTransportDeviceInUse)


class OceanLink:
    """Reaches one spectrometer through seabreeze. It is lost after whatever makes its state unsure.

    Args:
        name: of the device, for messages.
        address: see :mod:`devices.ocean.handles`.
        model: seabreeze's name of it.
        schemes: of the addresses that it has a plug for.
        settings: how it speaks, and how long it is waited for.
        wait: see :class:`StrictProtocol`.

    Raises:
        ValueError: the address is none.
    """

    def __init__(
        self,
        name: str,
        address: str | None,
        model: str,
        schemes: tuple[str, ...],
        settings: OceanSettings,
        wait: Callable[[float], bool],
    ):
        self._place = place(address, model, schemes, settings.reply_within_s)
        self._name, self._address, self._model = name, address, model
        self._settings = settings
        self._wait = wait
        self._numbers = itertools.count(1)
        self._device: SeaBreezeDevice | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it has to be opened, anew or for the first time."""
        return self._device is None

    @property
    def serial_number(self) -> str:
        """Of the one that is open."""
        return self._open_device().serial_number

    def open(self) -> None:
        """Open it and set nothing.

        Raises:
            LinkError: nobody is there.
            ReplyTimeoutError: it does not answer.
            ReplyError: it is something else.
        """
        self.drop()
        try:
            self._device = self._find()
        except _TIMED_OUT:
            self.drop()
            raise ReplyTimeoutError(f"{self._name}: what is at {self._address} does not answer") from None
        except (RefusedError, ReplyError, *_GARBLED) as error:
            self.drop()
            raise ReplyError(
                f"{self._name}: what answers at {self._address} is no {self._model}: {_in_words(error)}"
            ) from None
        except _LOST as error:
            self.drop()
            raise LinkError(
                f"{self._name}: cannot open {self._address}: {error}; is it switched on, and the address right?"
            ) from None

    def _find(self) -> SeaBreezeDevice:
        """The one that is asked for, opened."""
        found: list[str] = []
        for handle in self._place.handles():
            device = SeaBreezeDevice(handle)
            transport: Any = device._transport
            transport._protocol_cls = self._protocol
            self._device = device  # so that it is closed when opening fails
            device.open()
            if self._place.serial_number in ("", device.serial_number):
                return device
            found.append(device.serial_number)
            device.close()
        raise RuntimeError(f"there is no {self._model} of that serial number, only {', '.join(found) or 'none at all'}")

    def _protocol(self, transport: Any) -> StrictProtocol:
        settings = self._settings
        # A reply to a request before a loss answers none after it: the numbers go on.
        protocol = StrictProtocol(transport, self._numbers)
        protocol.checksum, protocol.numbered = settings.checksum, settings.numbered
        protocol.reply_within_s = settings.reply_within_s
        protocol.wait = self._wait
        return protocol

    def drop(self) -> None:
        """Close it."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def expect_exposure(self, exposure_s: float) -> None:
        """How much longer than other replies that with a spectrum may take."""
        self._strict().exposure_s = exposure_s

    def feature(self, what: str, ask: Callable[[Any], T]) -> T:
        """Have seabreeze's spectrometer feature do something."""
        return self._call(what, lambda: ask(cast("Any", self._open_device()).f.spectrometer))

    def ask(self, what: str, kind: int, payload: Iterable[int] = b"") -> bytes:
        """The answer to a message."""
        return self._call(what, lambda: self._strict().ask(kind, payload))

    def tell(self, what: str, kind: int, payload: Iterable[int]) -> None:
        """Send a command and have it acknowledged."""
        self._call(f"{what} ({bytes(payload).hex()})", lambda: self._strict().tell(kind, payload))

    def ask_number(self, what: str, kind: int) -> int:
        """The answer to a message, a whole number."""
        return self.decoded(what, obp.unsigned, self.ask(what, kind))

    def check(self, what: str, kind: int, wanted: int) -> None:
        """Read back what was set.

        Raises:
            NotReachedError: it reads otherwise.
        """
        found = self.ask_number(what, kind)
        if found != wanted:
            raise NotReachedError(f"{self._name}: {what} was set to {wanted} but reads {found}")

    def decoded(self, what: str, decode: Callable[..., T], payload: bytes, *arguments: Any) -> T:
        """What a payload says.

        Raises:
            ReplyError: nothing that can be read.
        """
        try:
            return decode(payload, *arguments)
        except ReplyError as error:
            self.drop()
            raise ReplyError(f"{self._name}: asked for {what}, got a wrong reply: {error}") from None

    def _open_device(self) -> SeaBreezeDevice:
        if self._device is None:
            raise LinkError(f"{self._name}: is not connected")
        return self._device

    def _strict(self) -> StrictProtocol:
        return cast("StrictProtocol", self._open_device()._transport.protocol)

    def _call(self, what: str, ask: Callable[[], T]) -> T:
        """Do it; errors of seabreeze, of its transports and of the protocol become ours, with the device's name."""
        try:
            return ask()
        except (RefusedError, InstrumentFaultError) as error:
            raise type(error)(f"{self._name}: refused {what}: {error}") from None
        except GivenUpError as error:
            self.drop()  # its reply is still to come
            raise NotReachedError(f"{self._name}: {error}") from None
        except _TIMED_OUT:
            self.drop()
            raise ReplyTimeoutError(f"{self._name}: asked for {what}, got nothing in time") from None
        except (ReplyError, *_GARBLED) as error:
            self.drop()
            raise ReplyError(f"{self._name}: asked for {what}, got a wrong reply: {_in_words(error)}") from None
        except _LOST as error:
            self.drop()
            raise LinkError(f"{self._name}: the connection to {self._address} is lost: {error}") from None


def _in_words(error: Exception) -> str:
    """What is wrong with a reply; errors that are not seabreeze's or ours say little without their name."""
    return str(error) if isinstance(error, SeaBreezeError | DeviceError) else repr(error)
