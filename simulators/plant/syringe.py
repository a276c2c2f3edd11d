"""A syringe on a drive: what the plunger really moves, whatever the pump believes."""

import math

from flowlab.config import Reagent, Syringe


class SyringeDrive:
    """A plunger, its barrel, and a reservoir from which it refills through a check valve.

    Args:
        syringe: the barrel as loaded.
        reagent: what it holds and how much stands in the reservoir.
        reagent_name: the name under which the chemistry knows it.

    Attributes:
        rate_ml_min: what the drive is told: positive infuses into the mixer, negative withdraws from the reservoir.
        content_ml: liquid in the barrel.
        reservoir_ml: liquid left to refill from.
        stalled: the plunger met an end (or an injected fault holds it); the drive stands until it is told anew.
        held: a fault: the plunger is stuck.
        limit_bar: pressure above which its motor cannot push.
        against_bar: pressure that it pushes against.
    """

    #: How far a plunger gives way at its end, relative to the barrel's volume, before the drive stalls.
    GIVE = 1e-4

    def __init__(self, syringe: Syringe, reagent: Reagent, reagent_name: str, limit_bar: float = math.inf):
        self.syringe = syringe
        self.reagent = reagent
        self.reagent_name = reagent_name
        self.content_ml = syringe.volume_ml
        self.reservoir_ml = reagent.reservoir_ml
        self.rate_ml_min = 0.0
        self.stalled = False
        self.held = False
        self.limit_bar = limit_bar
        self.against_bar = 0.0
        self._pressed_ml = 0.0  # against an end

    def drive(self, rate_ml_min: float) -> None:
        """Run at a rate from now on; 0 stops. Clears a stall."""
        self.rate_ml_min = rate_ml_min
        self.stalled = False
        self._pressed_ml = 0.0

    def advance(self, dt_s: float) -> float:
        """Move on by ``dt_s``; return the volume that went into the mixer, in ml."""
        if self.rate_ml_min == 0.0 or self.stalled:
            return 0.0
        wanted_ml = self.rate_ml_min * dt_s / 60
        room_ml = self.syringe.volume_ml - self.content_ml
        blocked = self.held or (wanted_ml > 0 and self.against_bar > self.limit_bar)
        moved_ml = 0.0 if blocked else max(-room_ml, min(wanted_ml, self.content_ml))
        self._pressed_ml += wanted_ml - moved_ml
        self.stalled = blocked or abs(self._pressed_ml) > self.GIVE * self.syringe.volume_ml
        self.content_ml -= moved_ml
        if moved_ml > 0:
            return moved_ml
        drawn_ml = min(-moved_ml, self.reservoir_ml)  # an empty reservoir gives air: the barrel holds less liquid
        self.content_ml -= -moved_ml - drawn_ml
        self.reservoir_ml -= drawn_ml
        return 0.0

    @property
    def running_ml_min(self) -> float:
        """What the plunger really does now."""
        return 0.0 if self.stalled or self.held else self.rate_ml_min
