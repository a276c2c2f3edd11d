"""How spectra are taken with any spectrometer of Ocean."""

from typing import Annotated

from pydantic import Field

from flowlab.config import Model


class OceanSettings(Model):
    """How spectra are taken."""

    scans: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=8, description="scans averaged into one spectrum; their scatter gives its uncertainty"
    )
    attempts: Annotated[int, Field(ge=1, le=5)] = Field(
        default=3, description="how often a spectrum, or a setting, is tried; each new attempt connects anew"
    )
    reply_within_s: Annotated[float, Field(gt=0)] = Field(default=2.0, description="real seconds beyond the exposure")
    shutter_message: Annotated[int, Field(ge=0)] = Field(
        default=0x00110410,
        description="OBP message that switches the light: 0x00110410 the lamp-enable line, 0x00300012 the single "
        "strobe, 0x00310011 the continuous strobe; 0: it cannot be switched; scans, which begin with a dark spectrum, "
        "are then refused",
    )
    checksum: bool = Field(
        default=True, description="messages carry MD5 checksums; false for a spectrometer that knows none"
    )
    numbered: bool = Field(
        default=True, description="the spectrometer returns the number of a request; false for one that does not"
    )
    read_back: bool = Field(
        default=True, description="the integration time is read back; false for a spectrometer that cannot tell it"
    )
