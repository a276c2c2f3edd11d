"""What a flow reactor is set to: said by plans, understood by devices."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conditions:
    """One point of a synthesis.

    Attributes:
        nucleation_c: temperature of the nucleation chamber.
        growth_c: temperature of the growth oven.
        residence_time_s: time from the mixer to the end of the growth oven.
    """

    nucleation_c: float
    growth_c: float
    residence_time_s: float

    def __str__(self) -> str:
        return (
            f"{self.nucleation_c:g} °C nucleation, {self.growth_c:g} °C growth, {self.residence_time_s:g} s residence"
        )
