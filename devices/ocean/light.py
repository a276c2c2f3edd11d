"""A light that hangs on one of a spectrometer's lines: a LED, or the shutter of a lamp."""

from typing import Annotated, Any, Literal, cast

from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import Status
from pydantic import Field

from devices.base import Instrument, Quantity
from devices.errors import DeviceError
from devices.ocean.spectrometer import OceanSpectrometer
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, Model

#: Messages of the lines (libseabreeze's list of messages).
LINES = {"lamp": 0x00110410, "single_strobe": 0x00300012, "continuous_strobe": 0x00310011}


class LightSwitchSettings(Model):
    """How the light is wired."""

    line: Literal["lamp", "single_strobe", "continuous_strobe"] = Field(
        default="lamp", description="the spectrometer's line that switches it"
    )
    wavelength_nm: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="of a LED: what an analysis has to leave out"
    )


class LightSwitch(Instrument):
    """Set it to True or False; safe is off. Its one part, ``spectrometer``, has the line.

    A real DH-2000 has its shutter on a TTL input, which is wired to the lamp line.
    """

    Settings = LightSwitchSettings

    is_on = Cpt(Quantity, ask="ask_is_on", units="", kind=Kind.normal)
    wavelength_nm = Cpt(Signal, value=0.0, kind=Kind.config)

    def __init__(self, name: str, entry: DeviceEntry, settings: LightSwitchSettings, bench: Bench):
        if set(entry.parts) != {"spectrometer"} or isinstance(entry.parts["spectrometer"], list):
            raise ValueError("a light has one part: spectrometer, the one whose line switches it")
        part = bench.devices[entry.parts["spectrometer"]]
        if not isinstance(part, OceanSpectrometer):
            raise ValueError(f"parts.spectrometer = {entry.parts['spectrometer']!r} is no spectrometer of Ocean")
        self._spectrometer = part
        self._message = LINES[settings.line]
        super().__init__(name, entry, bench)
        self.wavelength_nm.put(settings.wavelength_nm or float("nan"))

    def connect(self) -> None:
        """Off."""
        self.make_safe()

    def set(self, value: bool) -> Status:
        """Switch it; done when the spectrometer has acknowledged and reads so.

        Raises:
            DeviceError: it was refused, or it reads otherwise.
        """
        try:
            self._spectrometer.switch(self._message, on=bool(value))
        except DeviceError as error:
            raise type(error)(f"{self.name}: {error}") from error
        return self.done()

    def ask_is_on(self) -> bool:
        """Whether it is on, by the spectrometer itself where it can tell."""
        return self._spectrometer.is_lit(self._message)

    def make_safe(self) -> None:
        """Switch it off."""
        self.set(False)

    def describe(self) -> Any:
        """Data keys with their source."""
        keys = cast("dict[str, Any]", super().describe())
        keys[f"{self.name}_is_on"]["source"] = f"{type(self).__name__} on a line of {self._spectrometer.name}"
        return keys

    def describe_configuration(self) -> Any:
        """Data keys of the configuration with units."""
        keys = cast("dict[str, Any]", super().describe_configuration())
        keys[f"{self.name}_wavelength_nm"]["units"] = "nm"
        return keys
