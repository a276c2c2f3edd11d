"""Ocean HDX spectrometer, over TCP or USB.

Source: Ocean Binary Protocol as seabreeze speaks it to the HDX; HDX installation and operation manual.
"""

from typing import Annotated

from pydantic import Field

from devices.ocean.settings import OceanSettings
from devices.ocean.spectrometer import Counts, OceanSpectrometer
from devices.protocols import obp


class OceanHdxSettings(OceanSettings):
    """How spectra are taken."""

    integration_ms: Annotated[float, Field(ge=6.0, lt=10000.0)]
    stale_reads: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2,
        description="scans thrown away after a change of integration time or light: they were under way before it",
    )
    saturated_counts: Annotated[int, Field(gt=0, le=65535)] = Field(
        default=65535, description="a pixel with so many counts is saturated"
    )
    metadata_bytes: Annotated[int, Field(ge=0, le=256)] = Field(
        default=0, description="bytes before the pixels of a spectrum; seabreeze takes them to be none"
    )


class OceanHdx(OceanSpectrometer):
    """2068 pixels of 16 bits, for absorbance; its light is a lamp behind a shutter, open from the beginning."""

    Settings = OceanHdxSettings
    MODEL = "HDX"
    SCHEMES = ("tcp", "usb", "usb+tcp")
    PIXELS = 2068
    INTEGRATION_LIMITS_MS = (6.0, 9_999.999)
    LIT = True

    def _scan(self) -> Counts:
        return self._link.decoded(
            "spectrum", obp.spectrum_16, self._raw_scan(), self.PIXELS, self.settings.metadata_bytes
        )
