"""The one clock: the only place that knows how much faster than real time the plant runs.

Real hardware runs at ``speed = 1``. A simulated plant may run hundreds of times faster; waits of the
chemistry and of the heaters are then given in plant seconds and go through here. Time limits of wires
(a serial reply, a keep-alive) stay in real seconds: a wire is not a part of the plant.
"""

import time
from collections.abc import Callable
from threading import Event


class Clock:
    """Converts between real seconds and plant seconds.

    Args:
        speed: plant seconds per real second; 1 for real hardware.
    """

    #: The shortest pause between two looks at a condition, in real seconds: what a serial line can answer.
    SHORTEST_PAUSE_S = 0.002
    #: The shortest time limit, in real seconds, where the plant runs faster than real time: a busy machine stands still
    #: that long, while much happens in the plant.
    SHORTEST_LIMIT_S = 3.0

    def __init__(self, speed: float = 1.0):
        if not speed > 0:
            raise ValueError(f"clock speed must be positive, not {speed!r}")
        self.speed = float(speed)
        self._start = time.monotonic()

    def now_s(self) -> float:
        """Plant seconds since this clock was made."""
        return (time.monotonic() - self._start) * self.speed

    def real_s(self, plant_s: float) -> float:
        """Real seconds in which ``plant_s`` plant seconds pass."""
        return plant_s / self.speed

    def sleep(self, plant_s: float, wake: Event | None = None) -> bool:
        """Wait for ``plant_s`` plant seconds; return True when ``wake`` was set before they were over."""
        pause_s = max(self.real_s(plant_s), self.SHORTEST_PAUSE_S)
        if wake is None:
            time.sleep(pause_s)
            return False
        return wake.wait(pause_s)

    def wait_until(
        self, condition: Callable[[], bool], *, every_s: float, limit_s: float, wake: Event | None = None
    ) -> bool:
        """Look at ``condition`` every ``every_s`` plant seconds; False when ``limit_s`` is over or ``wake`` set."""
        if self.speed > 1:
            limit_s = max(limit_s, self.SHORTEST_LIMIT_S * self.speed)
        end_s = self.now_s() + limit_s
        while not condition():
            if self.now_s() >= end_s or self.sleep(every_s, wake):
                return False
        return True
