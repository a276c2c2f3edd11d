"""The control loop inside a temperature controller: from reading and set point to output power."""

import math


class ControlLoop:
    """Proportional and integral action; the integral does not wind up while the output is at its end.

    Args:
        gain_per_c: output per degree of error: the inverse of the proportional band.
        integral_s: integral time in plant seconds.

    The defaults are tuned to :class:`~simulators.plant.heater.HeaterBlock`: a step of 10 °C near 250 °C is
    within half a degree after about 12 s, and heating up from ambient overshoots by about 2 °C.
    """

    def __init__(self, gain_per_c: float = 0.2, integral_s: float = 100.0):
        self._gain_per_c = gain_per_c
        self._integral_s = integral_s
        self._integral = 0.0

    def output(self, reading_c: float, set_point_c: float, dt_s: float) -> float:
        """Fraction of full power, 0…1, for the next ``dt_s`` plant seconds."""
        error = self._gain_per_c * (set_point_c - reading_c)
        wanted = error + self._integral
        given = min(max(wanted, 0.0), 1.0)
        # Back-calculation: what could not be given is taken back out of the integral.
        self._integral += (error + given - wanted) * dt_s / self._integral_s
        return given

    def follow(self, output: float) -> None:
        """Take over from another source of output without a bump."""
        self._integral = output


class LoopWatch:
    """Notices a loop that is broken: full power for a while, and the reading does not rise.

    Args:
        after_s: loop break time in plant seconds.
        rise_c: what counts as a rise.

    Attributes:
        broken: whether it is.
    """

    def __init__(self, after_s: float = 60.0, rise_c: float = 2.0):
        self._after_s = after_s
        self._rise_c = rise_c
        self._from_c = math.inf
        self._full_s = 0.0
        self.broken = False

    def look(self, reading_c: float, output: float, dt_s: float) -> None:
        """Take note of the reading after ``dt_s`` plant seconds at an output."""
        if output < 1.0 or reading_c > self._from_c + self._rise_c:
            self._full_s, self._from_c = 0.0, math.inf
        else:
            self._full_s, self._from_c = self._full_s + dt_s, min(self._from_c, reading_c)
        self.broken = self._full_s >= self._after_s
