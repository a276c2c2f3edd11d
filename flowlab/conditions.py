"""What a flow reactor is set to: said by plans, understood by devices."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conditions:
    """One point of a synthesis.

    Attributes:
        nucleation_c: temperature of the nucleation chamber.
        growth_c: temperature of the growth oven.
        residence_time_s: time from the mixer to the end of the growth oven.
        streams: reagents that flow, in equal parts; all of them when none is named.
    """

    nucleation_c: float
    growth_c: float
    residence_time_s: float
    streams: tuple[str, ...] = ()

    def __str__(self) -> str:
        streams = f", {' and '.join(self.streams)} only" if self.streams else ""
        return (
            f"{self.nucleation_c:g} °C nucleation, {self.growth_c:g} °C growth, "
            f"{self.residence_time_s:g} s residence{streams}"
        )
