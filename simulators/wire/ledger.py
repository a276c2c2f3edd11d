"""What was true, and when: against it, what drivers recorded can be held afterwards, value by value.

Nothing is kept before it is asked for the first time. Times are seconds since the epoch, as documents have them.
"""

import base64
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class Ledger:
    """Keeps states of the bench, and each conversion of a detector as it was digitised.

    Args:
        look: gives what an instrument could tell now, by ``device.quantity``.
    """

    #: Between two states, in seconds.
    SHORTEST_S = 0.004
    #: Of both kinds, between two times that they are asked for; the oldest are lost then, and that is told.
    MOST = 20_000

    def __init__(self, look: Callable[[], Mapping[str, float]]):
        self._look = look
        self._kept = False
        self._states: deque[list[float]] = deque(maxlen=self.MOST)
        self._shots: deque[dict[str, Any]] = deque(maxlen=self.MOST)

    def keep(self) -> None:
        """Keep the state now, unless one was kept just before."""
        now_s = time.time()
        if self._kept and not (self._states and now_s - self._states[-1][0] < self.SHORTEST_S):
            self._states.append([now_s, *self._look().values()])

    def note(self, device: str, digitised: ArrayLike, *, lit: bool) -> None:
        """Keep what a detector digitised, and whether there was light."""
        if self._kept:
            data = base64.b64encode(np.asarray(digitised, "<f8").tobytes()).decode("ascii")
            self._shots.append({"device": device, "time": time.time(), "data": data, "lit": lit})

    def take(self) -> dict[str, Any]:
        """What was kept since this was asked before.

        Returns:
            ``names`` of the columns, ``states`` as rows of time and values, ``shots`` with ``device``, ``time``,
            ``data`` (base64 of little-endian doubles) and ``lit``; ``full`` when more may have been lost.
        """
        self._kept = True
        if not self._states:
            self.keep()
        states, shots = list(self._states), list(self._shots)
        self._states.clear()
        self._shots.clear()
        names = list(self._look())
        return {"names": names, "states": states, "shots": shots, "full": self.MOST in (len(states), len(shots))}
