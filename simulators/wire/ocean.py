"""An Ocean HDX spectrometer: the Ocean Binary Protocol over TCP, port 57357 on a real one.

Source: OBP chapters of the maker's data sheets; that unmodified seabreeze reads it is part of the tests.
"""

from typing import Any

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.instrument import BenchSettings, bench_settings
from simulators.wire.ocean_messages import U16, OceanInstrument, Query, as_stored, checked_share


class HdxSettings(BenchSettings):
    """What is not known of an HDX.

    Attributes:
        metadata_bytes: what stands before the pixels of a spectrum.
    """

    metadata_bytes: int = 0


class OceanHdx(OceanInstrument):
    """The spectrometer behind the cell, through which the lamp shines. See :class:`Instrument` for the arguments."""

    part = "light"

    SERIAL_NUMBER = b"HDX00001"
    SPECTRUM = 0x00101000
    VENDOR, PRODUCT = 0x2457, 0x2003
    SHORTEST_US, LONGEST_US = 6_000, 10_000_000
    UNDER_WAY = 2
    #: Pixel to nm: 198.5 nm to 800.0 nm over 2068 pixels.
    WAVELENGTH_COEFFICIENTS = as_stored(198.5, 0.3065, -7.0e-6, -2.4e-10)
    #: Normal, rising edge, level, off.
    TRIGGER_MODES = (0x00, 0x01, 0x03, 0xFF)
    MULTICAST_GROUP, MULTICAST_PORT = (239, 239, 239, 239), 57357

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._metadata_bytes = bench_settings(HdxSettings, name, entry, config).metadata_bytes
        self.faults = {"lamp_out": self._lamp_out, "lamp_drift": self._lamp_drift, "bubble": self._bubble}
        self._messages |= {
            0x00000A80: Query(1, lambda _: b"\x01"),  # multicast enabled, group, port, time to live
            0x00000A81: Query(1, lambda _: bytes(self.MULTICAST_GROUP)),
            0x00000A82: Query(1, lambda _: U16.pack(self.MULTICAST_PORT)),
            0x00000A83: Query(1, lambda _: b"\x01"),
            0x00000E00: Query(0, lambda _: U16.pack(self.VENDOR)),
            0x00000E01: Query(0, lambda _: U16.pack(self.PRODUCT)),
            0x00000E11: Query(0, lambda _: b"Ocean HDX"),
        }

    def truth(self) -> dict[str, Any]:
        """Settings, how many of the spectra to come are stale, and whether the lamp shines into the cell."""
        return super().truth() | {"lamp_on": self._lit}

    @property
    def _lit(self) -> bool:
        return self._plant.light.shutter_open

    def _light(self, on: bool) -> None:
        self._plant.light.shutter_open = on

    def _exposed(self, exposure_us: int) -> bytes:
        counts = self._plant.expose(exposure_us / 1000)
        self._plant.note(self.name, counts, lit=self._lit)
        return bytes(self._metadata_bytes) + counts.astype("<u2").tobytes()

    def _lamp_out(self, on: bool) -> None:
        self._plant.light.lamp_out = on

    def _lamp_drift(self, on: bool, *, per_h: float = 0.2) -> None:
        self._plant.light.fading_per_h = checked_share(per_h) if on else 0.0

    def _bubble(self, on: bool) -> None:
        self._plant.light.stuck_bubble = on
