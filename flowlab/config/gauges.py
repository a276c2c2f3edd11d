"""Gauges: which readings an operator sees all the time, and where. Declared in the instrument file."""

from typing import Annotated, Literal

from pydantic import Field

from flowlab.config.model import Model

#: Where in the flow scheme a gauge is drawn.
Place = Literal["feed", "mixer", "nucleation", "growth", "absorbance", "scattering", "collection", "elsewhere"]


class Gauge(Model):
    """A reading that is shown while the devices are connected, whether or not a plan runs.

    Reading it must do no harm beside a plan: nothing may be exposed, moved or switched by it, and it must not wait for
    an exposure that is under way.
    """

    place: Place = Field(description="where in the flow scheme it is drawn; of one place, in the order of the file")
    label: Annotated[str, Field(min_length=1, max_length=40)] = Field(description="how it is called where it is shown")
    device: str
    signal: str = Field(description="what is read of the device: rate_ml_min, temperature_c")
    setpoint: str | None = Field(default=None, description="signal that says what it was set to: setpoint_c")
    left: str | None = Field(default=None, description="signal that says how much is left: content_ml of a syringe")
    every_s: Annotated[float, Field(ge=0.2, le=60)] = Field(default=1.0, description="real seconds between two reads")
    description: str = ""

    @property
    def signals(self) -> list[str]:
        """All that is read for it."""
        return [signal for signal in (self.signal, self.setpoint, self.left) if signal is not None]
