"""Interlocks: what must never last, and what is done about it. Declared in the instrument file."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flowlab.config.model import Model


class Condition(Model):
    """A reading beyond a bound."""

    device: str
    signal: str = Field(description="what is read of the device: pressure_bar, temperature_c")
    above: float | None = None
    below: float | None = None
    unknown: Literal["trips", "passes"] = Field(
        default="trips", description="what a reading that fails, or has no value, counts as"
    )

    @model_validator(mode="after")
    def _one_bound(self) -> "Condition":
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self

    def __str__(self) -> str:
        bound = f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"
        return f"{self.device}.{self.signal} {bound}"


class Interlock(Model):
    """Trips when all its conditions have held for a while.

    ``safe`` aborts the plan and makes everything safe; it is latched: no plan runs until a person has acknowledged
    it. ``hold`` has acquisition wait while it lasts, and repeats what was acquired meanwhile; the chemistry goes on.

    Readings that fail for a moment trip nothing that makes safe; a hold holds at once, and ends the plan when they do
    not come back.
    """

    when: Annotated[list[Condition], Field(min_length=1, description="all of these")]
    action: Literal["safe", "hold"]
    holds: list[str] = Field(default_factory=list, description="devices whose acquisition waits, for action = hold")
    for_s: Annotated[float, Field(ge=0)] = Field(default=0.0, description="how long, in plant seconds")
    every_s: Annotated[float, Field(gt=0, le=60)] = Field(default=0.5, description="real seconds between two looks")
    blind_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=5.0,
        description="real seconds for which readings may fail before that makes safe, or ends a hold's plan",
    )
    description: str = ""

    @model_validator(mode="after")
    def _holds_something(self) -> "Interlock":
        if (self.action == "hold") != bool(self.holds):
            raise ValueError("holds names the devices that wait: with action = 'hold', and only then")
        return self
