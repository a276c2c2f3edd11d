"""The inside of a temperature controller, whatever its wire: from reading and set point to output power."""

import math
import zlib
from collections.abc import Callable

import numpy as np

from flowlab.config import InstrumentConfig
from simulators.plant.heater import HeaterBlock


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


class Oven:
    """A controller with its sensor, its loop and the block that it heats.

    Args:
        name: of the device: seeds the noise of its sensor.
        config: the instrument file, for the seed.
        block: what it heats.
        range_c: lowest and highest temperature that its input can tell.
        set_point_c: gives what it works towards.

    Attributes:
        reading_c: what the sensor tells.
        output: fraction of full power that the controller gives.
        manual: whether the output is what it was told instead of what the loop wants.
        manual_output: that output.
        broken: whether the sensor is.
    """

    NOISE_C = 0.03

    def __init__(
        self,
        name: str,
        config: InstrumentConfig,
        block: HeaterBlock,
        range_c: tuple[float, float],
        set_point_c: Callable[[], float],
    ):
        self._block = block
        self._range_c = range_c
        self._set_point_c = set_point_c
        self._loop = ControlLoop()
        self._watch = LoopWatch()
        seed = config.simulation.seed if config.simulation else 0
        self._noise = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self._cut_off = False
        self._welded = False
        self._too_hot = False
        self.reading_c = block.temperature_c
        self.output = 0.0
        self.manual = False
        self.manual_output = 0.0
        self.broken = False

    @property
    def loop_broken(self) -> bool:
        """Whether full power has had no effect for a while."""
        return self._watch.broken

    @property
    def over_range(self) -> bool:
        """Whether the input is beyond what it can tell; a broken sensor drives it there."""
        return self.broken or self.reading_c > self._range_c[1]

    def set_manual(self, on: bool) -> None:
        """Change over between manual and automatic, without a bump either way."""
        if on and not self.manual:
            self.manual_output = self.output
        elif self.manual and not on:
            self._loop.follow(self.manual_output)
        self.manual = on

    def break_sensor(self, on: bool) -> None:
        """Open the thermocouple, or mend it."""
        self.broken = on
        self._read_sensor()
        if on:
            self.output = 0.0
            self._block.output = float(self._welded)
            self._loop.follow(0.0)

    def break_loop(self, on: bool) -> None:
        """Cut the heating element off, or connect it."""
        self._cut_off = on

    def run_away(self, on: bool) -> None:
        """Weld the relay behind the controller, or put in a new one: full power, whatever the controller gives."""
        self._welded = on

    def exceed_range(self, on: bool) -> None:
        """Have the sensor's signal be beyond the input's range: another type of thermocouple, or a wrong amplifier."""
        self._too_hot = on
        self._read_sensor()

    def advance(self, dt_s: float) -> None:
        """Read the sensor and set the block's output for the next ``dt_s`` plant seconds."""
        self._read_sensor()
        if self.broken:
            self.output = 0.0
        elif self.manual:
            self.output = self.manual_output
        else:
            self.output = self._loop.output(self.reading_c, self._set_point_c(), dt_s)
        self._watch.look(self.reading_c, self.output, dt_s)
        self._block.output = 0.0 if self._cut_off else 1.0 if self._welded else self.output

    def _read_sensor(self) -> None:
        noise_c = self.NOISE_C * float(self._noise.normal())
        top_c = self._range_c[1]
        self.reading_c = self._block.temperature_c + noise_c
        if self.broken:
            self.reading_c = top_c
        elif self._too_hot:
            self.reading_c = top_c + 1.0
