"""The control loop inside a temperature controller: from reading and set point to output power."""


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
