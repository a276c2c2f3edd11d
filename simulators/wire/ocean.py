"""An Ocean HDX spectrometer: the Ocean Binary Protocol over TCP, port 57357 on a real one.

Source: OBP chapters of the maker's data sheets; that unmodified seabreeze reads it is part of the tests.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.instrument import Instrument, Reply
from simulators.wire.obp import (
    BAD_DATA,
    BAD_LENGTH,
    NO_SUCH_DATA,
    NOT_READY,
    REQUEST_ACK,
    UNKNOWN_TYPE,
    Message,
    encode,
    take_message,
)

SPECTRUM_NOW = 0x00101000


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


def _as_stored(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Calibration coefficients in the single precision in which the instrument keeps them."""
    layout = f"<{len(coefficients)}f"
    return struct.unpack(layout, struct.pack(layout, *coefficients))


class OceanHdx(Instrument):
    """The spectrometer. See :class:`Instrument` for the arguments.

    A spectrum takes its integration time and is exposed at the end of it. Two spectra are always under way
    in the detector: after a change of integration time the next two still have the old one.
    """

    part = "light"

    SERIAL_NUMBER = b"HDX00001"
    VENDOR, PRODUCT = 0x2457, 0x2003
    SHORTEST_US, LONGEST_US = 6_000, 10_000_000
    UNDER_WAY = 2
    #: Pixel to nm: 198.5 nm to 800.0 nm over 2068 pixels.
    WAVELENGTH_COEFFICIENTS = _as_stored((198.5, 0.3065, -7.0e-6, -2.4e-10))
    #: The simulated detector is linear.
    NONLINEARITY_COEFFICIENTS = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    #: Normal, rising edge, level, off.
    TRIGGER_MODES = (0x00, 0x01, 0x03, 0xFF)
    MULTICAST_GROUP, MULTICAST_PORT = (239, 239, 239, 239), 57357

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._integration_us = 10_000
        self._under_way_us = deque([self._integration_us] * self.UNDER_WAY)
        self._trigger_mode = 0
        u16, u32 = struct.Struct("<H"), struct.Struct("<L")
        wavelength, nonlinearity = self.WAVELENGTH_COEFFICIENTS, self.NONLINEARITY_COEFFICIENTS
        self._messages: dict[int, Query | Command] = {
            0x00000100: Query(0, lambda _: self.SERIAL_NUMBER),
            0x00000101: Query(0, lambda _: bytes((len(self.SERIAL_NUMBER),))),
            0x00000A80: Query(1, lambda _: b"\x01"),  # multicast enabled, group, port, time to live
            0x00000A81: Query(1, lambda _: bytes(self.MULTICAST_GROUP)),
            0x00000A82: Query(1, lambda _: u16.pack(self.MULTICAST_PORT)),
            0x00000A83: Query(1, lambda _: b"\x01"),
            0x00000E00: Query(0, lambda _: u16.pack(self.VENDOR)),
            0x00000E01: Query(0, lambda _: u16.pack(self.PRODUCT)),
            0x00000E11: Query(0, lambda _: b"Ocean HDX"),
            0x00110000: Query(0, lambda _: u32.pack(self._integration_us)),
            0x00110010: Command(4, lambda payload: self._set_integration(*u32.unpack(payload))),
            0x00110110: Command(1, lambda payload: self._set_trigger_mode(payload[0])),
            0x00110410: Command(1, lambda payload: self._set_lamp(payload[0])),
            0x00180100: Query(0, lambda _: bytes((len(wavelength),))),
            0x00180101: Query(1, lambda payload: _coefficient(wavelength, payload[0])),
            0x00181100: Query(0, lambda _: bytes((len(nonlinearity),))),
            0x00181101: Query(1, lambda payload: _coefficient(nonlinearity, payload[0])),
        }

    def next_reply(self) -> Reply | None:
        """Handle the next message."""
        request = take_message(self._buffer)
        if request is None:
            return None
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
            "lamp_on": self._plant.light.shutter_open,
        }

    def _reply(self, request: Message) -> Reply:
        if request.error:
            raise RefusedError(request.error)
        if request.type == SPECTRUM_NOW:
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

        def spectrum() -> bytes:
            return encode(request.response(self._plant.expose(exposure_us / 1000).astype("<u2").tobytes()))

        return Reply(spectrum, takes_s=exposure_us * 1e-6)

    def _set_integration(self, integration_us: int) -> None:
        if not self.SHORTEST_US <= integration_us <= self.LONGEST_US:
            raise RefusedError(BAD_DATA)
        self._integration_us = integration_us

    def _set_trigger_mode(self, mode: int) -> None:
        if mode not in self.TRIGGER_MODES:
            raise RefusedError(BAD_DATA)
        self._trigger_mode = mode

    def _set_lamp(self, on: int) -> None:
        if on not in (0, 1):
            raise RefusedError(BAD_DATA)
        self._plant.light.shutter_open = on == 1


def _coefficient(coefficients: tuple[float, ...], index: int) -> bytes:
    if index >= len(coefficients):
        raise RefusedError(NO_SUCH_DATA)
    return struct.pack("<f", coefficients[index])
