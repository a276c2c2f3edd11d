"""The inside of a Harvard syringe pump: what it believes it pumps, and how it moves its plunger.

The pump counts by the syringe diameter it was *told*; the plunger moves the syringe that is really there.
"""

import enum
import math
from collections.abc import Callable

from simulators.plant.syringe import SyringeDrive


class Motion(enum.Enum):
    """What the pump does, by the prompt that says so (manual 5419-002, p. 83)."""

    IDLE = ":"
    INFUSING = ">"
    WITHDRAWING = "<"
    STALLED = "*"
    TARGET_REACHED = "T*"


class Direction(enum.Enum):
    """Where the plunger goes, by the letter in the status flags."""

    INFUSE = "i"
    WITHDRAW = "w"


_RUNNING = {Direction.INFUSE: Motion.INFUSING, Direction.WITHDRAW: Motion.WITHDRAWING}


class PumpMotor:
    """The drive with the pump's counters around it; :meth:`advance` belongs into the plant's controllers.

    Args:
        drive: the plunger that it moves.
        on_target: called when the target volume is reached.

    Attributes:
        diameter_mm: of the syringe, as told.
        rate_ml_min: as told, for each direction; None before one is told.
        moved_ml: counted since the counter was cleared, by the diameter as told.
        spent_s: plant seconds of motion since the counter was cleared.
        target_ml: motion ends when this much has moved in its direction.
    """

    #: Plunger speed, from the limits that the manual prints for its example: 14.7792 nl/min to 15.3477 ml/min.
    SLOWEST_MM_MIN = 0.183613e-3
    FASTEST_MM_MIN = 190.676
    #: The diameter of that example. A pump powers up with the last one it was told: with a wrong one, that is.
    POWER_UP_DIAMETER_MM = 10.12345

    def __init__(self, drive: SyringeDrive, on_target: Callable[[], None]):
        self._drive = drive
        self._on_target = on_target
        self._ends = False  # the step under way is the last, shorter one before the target
        self.diameter_mm = self.POWER_UP_DIAMETER_MM
        self.motion = Motion.IDLE
        self.direction = Direction.INFUSE
        self.rate_ml_min: dict[Direction, float | None] = dict.fromkeys(Direction)
        self.moved_ml = dict.fromkeys(Direction, 0.0)
        self.spent_s = dict.fromkeys(Direction, 0.0)
        self.target_ml: float | None = None

    @property
    def running(self) -> bool:
        """Whether the motor turns."""
        return self.motion in _RUNNING.values()

    @property
    def limits_ml_min(self) -> tuple[float, float]:
        """Lowest and highest rate for the diameter as told."""
        area_mm2 = math.pi / 4 * self.diameter_mm**2
        return area_mm2 * self.SLOWEST_MM_MIN / 1000, area_mm2 * self.FASTEST_MM_MIN / 1000

    def takes(self, rate_ml_min: float) -> bool:
        """Whether a rate is within the limits, as far as the digits go with which the pump prints them."""
        lowest, highest = self.limits_ml_min
        return lowest * (1 - 1e-5) <= rate_ml_min <= highest * (1 + 1e-5)

    def set_diameter(self, diameter_mm: float) -> None:
        """Take a new diameter; forget rates that are impossible with it."""
        self.diameter_mm = diameter_mm
        self.rate_ml_min = {d: r if r is not None and self.takes(r) else None for d, r in self.rate_ml_min.items()}

    def set_rate(self, direction: Direction, rate_ml_min: float) -> None:
        """Take a rate; a running motor changes at once."""
        self.rate_ml_min[direction] = rate_ml_min
        if self.running and direction is self.direction and not self._drive.stalled:
            self._turn(rate_ml_min)

    def run(self, direction: Direction) -> None:
        """Start in a direction whose rate was told."""
        self.direction = direction
        self._ends = False
        if self._left_ml() <= 0:
            self._stand(Motion.TARGET_REACHED)
            self._on_target()
            return
        self.motion = _RUNNING[direction]
        self._turn(self.rate_ml_min[direction] or 0.0)

    def stop(self) -> None:
        """Stand still."""
        self._stand(Motion.IDLE)

    def clear(self, direction: Direction) -> None:
        """Count from zero."""
        self.moved_ml[direction] = 0.0
        self.spent_s[direction] = 0.0

    def advance(self, dt_s: float) -> None:
        """Count the step that is about to be made; stop where the plunger stalled or the target was reached."""
        if not self.running:
            return
        if self._drive.stalled:  # in the last step before the target as in any other
            self._ends = False
            self.motion = Motion.STALLED
            return
        if self._ends:
            self._stand(Motion.TARGET_REACHED)
            self._on_target()
            return
        step_ml = (self.rate_ml_min[self.direction] or 0.0) * dt_s / 60
        left_ml = self._left_ml()
        if step_ml >= left_ml:
            step_ml = left_ml
            self._ends = True
            self._turn(left_ml / dt_s * 60)
        self.moved_ml[self.direction] += step_ml
        self.spent_s[self.direction] += dt_s

    def _left_ml(self) -> float:
        if self.target_ml is None:
            return math.inf
        left_ml = self.target_ml - self.moved_ml[self.direction]
        return left_ml if left_ml > 1e-9 * self.target_ml else 0.0

    def _turn(self, rate_ml_min: float) -> None:
        true_ml_min = rate_ml_min * (self._drive.syringe.inner_diameter_mm / self.diameter_mm) ** 2
        self._drive.drive(true_ml_min if self.direction is Direction.INFUSE else -true_ml_min)

    def _stand(self, motion: Motion) -> None:
        self._ends = False
        self.motion = motion
        self._drive.drive(0.0)
