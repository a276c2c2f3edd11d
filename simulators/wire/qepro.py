"""An Ocean QE Pro spectrometer: the Ocean Binary Protocol over USB, whose transfers come over TCP here.

Source: QE Pro data sheet 891-00000-000-05, pages 11–13 and 21–27, as the maker's sample program and public drivers have
it; libseabreeze's list of messages. That unmodified seabreeze reads it is part of the tests.
"""

import struct
from collections import deque
from typing import Any

from flowlab.config import DeviceEntry, InstrumentConfig
from flowlab.errors import BadInputError
from simulators.plant.luminescence import LuminescencePath
from simulators.plant.plant import Plant
from simulators.wire.obp import BAD_DATA
from simulators.wire.ocean_messages import (
    F32,
    U8,
    U32,
    Command,
    OceanInstrument,
    Query,
    RefusedError,
    as_stored,
    checked_share,
)

#: Number of the spectrum, own time in µs, integration time in µs, reserved, trigger mode, reserved.
_METADATA = struct.Struct("<LQLHB13x")


class OceanQePro(OceanInstrument):
    """The spectrometer beside the cell, into which the LED shines. See :class:`Instrument` for the arguments.

    It exposes all the time and keeps what it has exposed: a request gets the oldest, so that after a change the next
    ones are stale, unless the buffer was emptied before.
    """

    part = "luminescence"

    SERIAL_NUMBER = b"QEP00001"
    SPECTRUM = 0x00100928
    SHORTEST_US, LONGEST_US = 8_000, 1_600_000_000
    UNDER_WAY = 3
    BUFFER = 15_000
    #: Pixel to nm: 350 nm to 1100 nm over 1044 pixels.
    WAVELENGTH_COEFFICIENTS = as_stored(350.0, 0.7703, -3.8e-5, -1.1e-8)
    #: Normal, level, synchronised, edge.
    TRIGGER_MODES = (0, 1, 2, 3)
    COLDEST_C, WARMEST_C = -50.0, 50.0

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        if plant.luminescence is None:
            raise BadInputError(f"{name}: this plant has no second light path")
        self._path: LuminescencePath = plant.luminescence
        self._count = 0
        self.faults = {
            "lamp_out": self._lamp_out,
            "lamp_drift": self._lamp_drift,
            "bubble": self._bubble,
            "cooler_out": self._cooler_out,
        }
        cooler = self._path.cooler
        self._messages |= {
            0x00100000: Command(0, lambda _: None),  # abort: what is under way is not given out
            0x00100820: Query(0, lambda _: U32.pack(self.BUFFER)),
            0x00100830: Command(0, lambda _: self._empty_buffer()),
            0x00100902: Command(0, lambda _: None),  # acquire into the buffer
            0x00100908: Query(0, lambda _: b"\x01"),
            0x00420000: Query(0, lambda _: U8.pack(cooler.enabled)),
            0x00420001: Query(0, lambda _: F32.pack(cooler.setpoint_c)),
            0x00420003: Query(0, lambda _: U8.pack(cooler.stable)),
            0x00420004: Query(0, lambda _: F32.pack(cooler.temperature_c)),
            0x00420010: Command(1, lambda payload: self._set_cooler(payload[0])),
            0x00420011: Command(4, lambda payload: self._set_setpoint(*F32.unpack(payload))),
        }

    def truth(self) -> dict[str, Any]:
        """Settings, how many of the spectra to come are stale, whether the LED is on, and what cools the detector."""
        cooler = self._path.cooler
        cold = {"cooler_on": cooler.enabled, "detector_setpoint_c": cooler.setpoint_c}
        return super().truth() | {"led_on": self._lit} | cold

    @property
    def _lit(self) -> bool:
        return self._path.led_on

    def _light(self, on: bool) -> None:
        self._path.led_on = on

    def _exposed(self, exposure_us: int) -> bytes:
        self._count += 1
        own_time_us = round(self._plant.time_s * 1e6) + self._count
        head = _METADATA.pack(self._count, own_time_us, exposure_us, 0, self._trigger_mode)
        counts = self._plant.expose_emission(exposure_us / 1000)
        self._plant.note(self.name, counts, lit=self._lit)
        return head + counts.astype("<u4").tobytes()

    def _empty_buffer(self) -> None:
        self._under_way_us = deque([self._integration_us] * self.UNDER_WAY)
        self._before.clear()

    def _set_cooler(self, on: int) -> None:
        if on not in (0, 1):
            raise RefusedError(BAD_DATA)
        self._path.cooler.enabled = on == 1

    def _set_setpoint(self, setpoint_c: float) -> None:
        if not self.COLDEST_C <= setpoint_c <= self.WARMEST_C:  # also catches nan
            raise RefusedError(BAD_DATA)
        self._path.cooler.setpoint_c = setpoint_c

    def _lamp_out(self, on: bool) -> None:
        self._path.led_broken = on

    def _lamp_drift(self, on: bool, *, per_h: float = 0.2) -> None:
        self._path.fading_per_h = checked_share(per_h) if on else 0.0

    def _bubble(self, on: bool) -> None:
        self._plant.light.stuck_bubble = on

    def _cooler_out(self, on: bool) -> None:
        self._path.cooler.failed = on
