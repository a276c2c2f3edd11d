"""Pressure in front of the reactor: flow, viscosity and the tube's resistance, and a back-pressure regulator behind it.

One pressure stands for everything between the pumps and the reactor. A clogged path resists more; where it leaks, a
share of what the pumps deliver is lost before the reactor and neither meets resistance nor reaches a cell.
"""

import math
from dataclasses import dataclass

from flowlab.config import FlowPath
from flowlab.errors import BadInputError

_PA_PER_BAR = 1e5


@dataclass(frozen=True)
class HydraulicProperties:
    """How the path resists, as an instrument file may have it in ``[simulation.settings.hydraulics]``.

    Attributes:
        viscosity_mpa_s: of the liquid, mean of the path; hot octadecene has about 0.5.
        back_pressure_bar: at which the regulator behind the cells opens; 0: there is none.
        settling_s: time constant with which the pressure follows the flow: tubing and bubbles give way.
        resistance_bar_min_ml: pressure for a flow of 1 ml/min; 0: reckoned from the tubing.
    """

    viscosity_mpa_s: float = 0.5
    back_pressure_bar: float = 0.0
    settling_s: float = 1.0
    resistance_bar_min_ml: float = 0.0


def tube_resistance_bar_min_ml(path: FlowPath, viscosity_mpa_s: float) -> float:
    """Pressure for a flow of 1 ml/min through the whole path as one tube of its inner diameter.

    Hagen-Poiseuille, Δp = 128 η L Q / (π d⁴), with L = 4 V / (π d²).
    """
    diameter_m = path.tubing_inner_diameter_mm * 1e-3
    length_m = 4 * path.total_ml * 1e-6 / (math.pi * diameter_m**2)
    return 128 * viscosity_mpa_s * 1e-3 * length_m * (1e-6 / 60) / (math.pi * diameter_m**4) / _PA_PER_BAR


class Hydraulics:
    """The pressure that the pumps work against.

    Args:
        path: volumes and diameter of the flow path.
        properties: how it resists.

    Attributes:
        pressure_bar: above ambient.
        clogged: by which factor the path resists more than a clean one.
        leaking: share of the flow that is lost before the reactor.
    """

    def __init__(self, path: FlowPath, properties: HydraulicProperties):
        self.properties = properties
        self.resistance_bar_min_ml = properties.resistance_bar_min_ml or tube_resistance_bar_min_ml(
            path, properties.viscosity_mpa_s
        )
        self.pressure_bar = 0.0
        self.clogged = 1.0
        self.leaking = 0.0

    def advance(self, dt_s: float, pumped_ml: float) -> float:
        """Move on by one step.

        Args:
            dt_s: plant seconds.
            pumped_ml: what the pumps delivered in them.

        Returns:
            What of it goes through the reactor, in ml.
        """
        through_ml = pumped_ml * (1 - self.leaking)
        opens_bar = self.properties.back_pressure_bar
        if through_ml > 0:
            flow_ml_min = through_ml / dt_s * 60
            rests_bar = opens_bar + self.resistance_bar_min_ml * self.clogged * flow_ml_min
        elif self.leaking > 0:
            rests_bar = 0.0
        else:
            rests_bar = min(self.pressure_bar, opens_bar)  # the regulator closes and holds what is left
        self.pressure_bar += (rests_bar - self.pressure_bar) * -math.expm1(-dt_s / self.properties.settling_s)
        return through_ml

    def clog(self, on: bool, *, severity: float = 30.0) -> None:
        """Let the path resist ``severity`` times as much, or clean it."""
        if not 1.0 <= severity <= 1e6:
            raise BadInputError(f"severity = {severity:g} is outside 1…1e6: by how much a clogged path resists more")
        self.clogged = severity if on else 1.0

    def leak(self, on: bool, *, share: float = 0.3) -> None:
        """Lose a ``share`` of the flow before the reactor, or none."""
        if not 0.0 <= share < 1.0:
            raise BadInputError(f"share = {share:g} is outside 0…1: what of the flow is lost")
        self.leaking = share if on else 0.0
