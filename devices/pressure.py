"""The pressure in front of the reactor, read from whatever instrument has a sensor there: an HPLC pump."""

from typing import Annotated, Any, Protocol

from ophyd import Component as Cpt
from ophyd import Kind
from pydantic import Field

from devices.base import Instrument, Quantity
from devices.errors import InstrumentFaultError
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, Model


class Gauge(Protocol):
    """What has a pressure sensor in it."""

    name: str

    def ask_pressure_bar(self) -> float:
        """Pressure now."""
        ...


class PressureSettings(Model):
    """What its sensor can tell."""

    lowest_bar: float = Field(default=-1.0, description="less cannot be: the sensor or its unit is wrong")
    highest_bar: Annotated[float, Field(gt=0)] = Field(description="more cannot be: the sensor or its unit is wrong")


class PressureSensor(Instrument):
    """A gauge of its own name on the bench, in which plans and interlocks find the pressure. Nothing moves.

    A reading outside what the sensor can tell is an error, not a pressure: a pump whose unit is configured ten times
    too large is found that way.
    """

    Settings = PressureSettings

    pressure_bar = Cpt(Quantity, ask="ask_pressure_bar", units="bar", precision=1, kind=Kind.hinted)

    def __init__(self, name: str, entry: DeviceEntry, settings: PressureSettings, bench: Bench):
        if set(entry.parts) != {"gauge"} or not isinstance(entry.parts["gauge"], str):
            raise ValueError("parts must be one: gauge = the device with a pressure sensor in it")
        gauge: Any = bench.devices[entry.parts["gauge"]]
        if not hasattr(gauge, "ask_pressure_bar"):
            raise ValueError(f"parts.gauge = {entry.parts['gauge']!r} has no pressure sensor")
        self.settings = settings
        self.gauge: Gauge = gauge
        super().__init__(name, entry, bench)

    def ask_pressure_bar(self) -> float:
        """Pressure now.

        Raises:
            InstrumentFaultError: the sensor cannot have told that.
        """
        pressure_bar = self.gauge.ask_pressure_bar()
        low, high = self.settings.lowest_bar, self.settings.highest_bar
        if not low <= pressure_bar <= high:
            raise InstrumentFaultError(
                f"{self.name}: {self.gauge.name} tells {pressure_bar:g} bar, which is outside {low:g}…{high:g} bar"
            )
        return pressure_bar

    def connect(self) -> None:
        """Read it once."""
        self.ask_pressure_bar()

    def make_safe(self) -> None:
        """Nothing to do: it only reads."""
