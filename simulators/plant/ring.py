"""The storage ring: a current that decays, is topped up, and is lost now and then."""


class Ring:
    """Current of the stored beam.

    Args:
        top_up_ma: current after a top-up.
        lowest_ma: current at which the next one begins.
        lifetime_h: of the stored beam.
        fill_ma_s: how fast it is filled.

    Attributes:
        current_ma: now.
    """

    def __init__(
        self, top_up_ma: float = 100.0, lowest_ma: float = 98.5, lifetime_h: float = 12.0, fill_ma_s: float = 1.0
    ):
        self.top_up_ma = top_up_ma
        self.current_ma = top_up_ma
        self._lowest_ma, self._lifetime_s, self._fill_ma_s = lowest_ma, 3600 * lifetime_h, fill_ma_s
        self._filling, self._lost = False, False

    def dump(self) -> None:
        """Lose the beam; it stays lost until :meth:`refill`."""
        self.current_ma = 0.0
        self._filling, self._lost = False, True

    def refill(self) -> None:
        """Begin to fill up to the top-up current."""
        self._filling, self._lost = True, False

    def advance(self, dt_s: float) -> None:
        """Move on by ``dt_s``."""
        if self._lost:
            return
        self.current_ma *= 1 - min(dt_s / self._lifetime_s, 1.0)
        self._filling = self._filling or self.current_ma <= self._lowest_ma
        if self._filling:
            self.current_ma = min(self.current_ma + self._fill_ma_s * dt_s, self.top_up_ma)
            self._filling = self.current_ma < self.top_up_ma
