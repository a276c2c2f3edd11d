"""What the simulated spectrometers of Ocean have in common: how they answer the Ocean Binary Protocol.

Source: OBP chapters of the maker's data sheets, libseabreeze's list of messages; that unmodified seabreeze reads them
is part of the tests.
"""

import struct
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

from flowlab.config import DeviceEntry, InstrumentConfig
from flowlab.errors import BadInputError
from simulators.plant.plant import Plant
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings
from simulators.wire.obp import (
    BAD_DATA,
    BAD_LENGTH,
    MD5,
    NO_SUCH_DATA,
    NOT_READY,
    REQUEST_ACK,
    UNKNOWN_CHECKSUM,
    UNKNOWN_TYPE,
    Message,
    encode,
    take_message,
)

U8, U16, U32, F32 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<L"), struct.Struct("<f")

LAMP, SINGLE_STROBE, CONTINUOUS_STROBE = 0x00110400, 0x00300002, 0x00310001
_LINES = {"lamp": LAMP, "single_strobe": SINGLE_STROBE, "continuous_strobe": CONTINUOUS_STROBE}
#: A message that sets something is the one that asks for it, with this bit.
SET = 0x10


class OceanSettings(BenchSettings):
    """What differs from instrument to instrument, or is not known of it.

    Attributes:
        light_line: the line to which the light is wired.
        checksums: whether it knows MD5 checksums.
        returns_numbers: whether a response has the number of its request.
        tells_lines: whether a line can be read back.
        processes: whether it can average and smooth by itself.
        averaged_before: scans that it averages when it is switched on: another program left it so.
        light_lags: whether the spectra that are under way when the light is switched are of the light before.
    """

    light_line: Literal["lamp", "single_strobe", "continuous_strobe"] = "lamp"
    checksums: bool = True
    returns_numbers: bool = True
    tells_lines: bool = True
    processes: bool = True
    averaged_before: int = 1
    light_lags: bool = False


class RefusedError(Exception):
    """A request that is answered by a NACK.

    Args:
        error: OBP error number.
    """

    def __init__(self, error: int):
        super().__init__(f"OBP error {error}")
        self.error = error


@dataclass(frozen=True)
class Query:
    """A message type that asks: length of its payload, and what gives the answer."""

    length: int
    answer: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Command:
    """A message type that tells: length of its payload, and what carries it out."""

    length: int
    obey: Callable[[bytes], None]


def as_stored(*coefficients: float) -> tuple[float, ...]:
    """Calibration coefficients in the single precision in which the instrument keeps them."""
    layout = f"<{len(coefficients)}f"
    return struct.unpack(layout, struct.pack(layout, *coefficients))


class OceanInstrument(Instrument):
    """A spectrometer. See :class:`Instrument` for the arguments.

    A spectrum takes its integration time and is exposed at the end of it. Some spectra are always under way in the
    detector: after a change of integration time that many still have the old one.
    """

    SERIAL_NUMBER: ClassVar[bytes]
    #: Message type of a spectrum.
    SPECTRUM: ClassVar[int]
    SHORTEST_US: ClassVar[int]
    LONGEST_US: ClassVar[int]
    UNDER_WAY: ClassVar[int]
    WAVELENGTH_COEFFICIENTS: ClassVar[tuple[float, ...]]
    #: The simulated detectors are linear.
    NONLINEARITY_COEFFICIENTS: ClassVar[tuple[float, ...]] = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    TRIGGER_MODES: ClassVar[tuple[int, ...]]

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._settings = bench_settings(OceanSettings, name, entry, config)
        self._integration_us = 10_000
        self._under_way_us = deque([self._integration_us] * self.UNDER_WAY)
        self._before: deque[bool] = deque()  # light of the spectra that were under way when it was switched
        self._trigger_mode = 0
        self._averaged, self._boxcar = self._settings.averaged_before, 0
        #: Each line by the message that asks for it; the one of the light is the plant's.
        self._lines = {kind: False for kind in _LINES.values() if kind != self._light_line}
        self._messages: dict[int, Query | Command] = self._common_messages()

    @property
    def _light_line(self) -> int:
        return _LINES[self._settings.light_line]

    # What a model does in its own way.

    @property
    @abstractmethod
    def _lit(self) -> bool:
        """Whether the light is on."""

    @abstractmethod
    def _light(self, on: bool) -> None:
        """Switch the light."""

    @abstractmethod
    def _exposed(self, exposure_us: int) -> bytes:
        """The payload of a spectrum that ends now."""

    def _common_messages(self) -> dict[int, Query | Command]:
        wavelength, nonlinearity = self.WAVELENGTH_COEFFICIENTS, self.NONLINEARITY_COEFFICIENTS
        messages: dict[int, Query | Command] = {
            0x00000100: Query(0, lambda _: self.SERIAL_NUMBER),
            0x00000101: Query(0, lambda _: U8.pack(len(self.SERIAL_NUMBER))),
            0x00110000: Query(0, lambda _: U32.pack(self._integration_us)),
            0x00110010: Command(4, lambda payload: self._set_integration(*U32.unpack(payload))),
            0x00110100: Query(0, lambda _: U8.pack(self._trigger_mode)),
            0x00110110: Command(1, lambda payload: self._set_trigger_mode(payload[0])),
            0x00180100: Query(0, lambda _: U8.pack(len(wavelength))),
            0x00180101: Query(1, lambda payload: _coefficient(wavelength, payload[0])),
            0x00181100: Query(0, lambda _: U8.pack(len(nonlinearity))),
            0x00181101: Query(1, lambda payload: _coefficient(nonlinearity, payload[0])),
        }
        for kind in _LINES.values():
            messages[kind + SET] = Command(1, partial(self._set_line, kind))
            if self._settings.tells_lines:
                messages[kind] = Query(0, partial(self._get_line, kind))
        if self._settings.processes:
            messages[0x00120000] = Query(0, lambda _: U16.pack(self._averaged))
            messages[0x00120010] = Command(2, self._set_averaged)
            messages[0x00121000] = Query(0, lambda _: U8.pack(self._boxcar))
            messages[0x00121010] = Command(1, self._set_boxcar)
        return messages

    def next_reply(self) -> Reply | None:
        """Handle the next message."""
        request = take_message(self._buffer)
        if request is None:
            return None
        if not self._settings.returns_numbers:
            request = replace(request, regarding=0)
        try:
            return self._reply(request)
        except RefusedError as refused:
            return Reply.at_once(encode(request.refusal(refused.error)))

    def truth(self) -> dict[str, Any]:
        """Settings, and how many of the spectra to come are stale."""
        return {
            "integration_ms": self._integration_us / 1000,
            "stale_spectra": sum(us != self._integration_us for us in self._under_way_us),
            "trigger_mode": self._trigger_mode,
            "averaged": self._averaged,
            "boxcar": self._boxcar,
        }

    def _reply(self, request: Message) -> Reply:
        if request.error:
            raise RefusedError(request.error)
        if request.checksum == MD5 and not self._settings.checksums:
            raise RefusedError(UNKNOWN_CHECKSUM)
        if request.type == self.SPECTRUM:
            return self._expose(request)
        message = self._messages.get(request.type)
        if message is None:
            raise RefusedError(UNKNOWN_TYPE)
        if len(request.payload) != message.length:
            raise RefusedError(BAD_LENGTH)
        if isinstance(message, Query):
            return Reply.at_once(encode(request.response(message.answer(request.payload))))
        message.obey(request.payload)
        return Reply.at_once(encode(request.response()) if request.flags & REQUEST_ACK else b"")

    def _expose(self, request: Message) -> Reply:
        if request.payload:
            raise RefusedError(BAD_LENGTH)
        if self._trigger_mode != 0:
            raise RefusedError(NOT_READY)  # no trigger is wired: a spectrum would never come
        exposure_us = self._under_way_us.popleft()
        self._under_way_us.append(self._integration_us)
        exposed = self._exposed if not self._before else partial(self._exposed_before, self._before.popleft())
        return Reply(lambda: encode(request.response(exposed(exposure_us))), takes_s=exposure_us * 1e-6)

    def _exposed_before(self, lit: bool, exposure_us: int) -> bytes:
        """A spectrum of the light that was before it was switched."""
        now = self._lit
        self._light(lit)
        try:
            return self._exposed(exposure_us)
        finally:
            self._light(now)

    def _set_integration(self, integration_us: int) -> None:
        if not self.SHORTEST_US <= integration_us <= self.LONGEST_US:
            raise RefusedError(BAD_DATA)
        self._integration_us = integration_us

    def _set_trigger_mode(self, mode: int) -> None:
        if mode not in self.TRIGGER_MODES:
            raise RefusedError(BAD_DATA)
        self._trigger_mode = mode

    def _set_averaged(self, payload: bytes) -> None:
        (averaged,) = U16.unpack(payload)
        if not 1 <= averaged <= 5000:
            raise RefusedError(BAD_DATA)
        self._averaged = averaged

    def _set_boxcar(self, payload: bytes) -> None:
        if payload[0] > 15:
            raise RefusedError(BAD_DATA)
        self._boxcar = payload[0]

    def _set_line(self, kind: int, payload: bytes) -> None:
        if payload[0] not in (0, 1):
            raise RefusedError(BAD_DATA)
        if kind == self._light_line:
            if self._settings.light_lags and self._lit != (payload[0] == 1):
                self._before.extend([self._lit] * (self.UNDER_WAY - len(self._before)))
            self._light(payload[0] == 1)
        else:
            self._lines[kind] = payload[0] == 1

    def _get_line(self, kind: int, _: bytes) -> bytes:
        return U8.pack(self._lit if kind == self._light_line else self._lines[kind])


def checked_share(per_h: float) -> float:
    """What a light may lose in an hour.

    Raises:
        BadInputError: it is no share.
    """
    if not 0.0 <= per_h <= 1e6:
        raise BadInputError(f"per_h = {per_h:g} is outside 0…1e6")
    return per_h


def _coefficient(coefficients: tuple[float, ...], index: int) -> bytes:
    if index >= len(coefficients):
        raise RefusedError(NO_SUCH_DATA)
    return F32.pack(coefficients[index])
