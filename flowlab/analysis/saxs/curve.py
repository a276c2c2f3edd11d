"""I(q) with its errors: what the integration gives and every later step takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """I(q); all arrays have shape (bins,).

    Attributes:
        q_per_nm: rising.
        intensity: nan where nothing was measured.
        err: one sigma, independent from bin to bin; nan where nothing was measured.
        pixels: how many pixels each bin is made of: its weight when bins are joined.
    """

    q_per_nm: Array
    intensity: Array
    err: Array
    pixels: NDArray[np.int64]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Bins with a value and an error."""
        return np.isfinite(self.intensity) & np.isfinite(self.err) & (self.err > 0)

    def between(self, low_per_nm: float, high_per_nm: float) -> "Curve":
        """The usable bins of a range."""
        kept = self.usable & (self.q_per_nm >= low_per_nm) & (self.q_per_nm <= high_per_nm)
        return Curve(self.q_per_nm[kept], self.intensity[kept], self.err[kept], self.pixels[kept])

    def scaled(self, factor: float) -> "Curve":
        """The same, times a number without error."""
        return Curve(self.q_per_nm, factor * self.intensity, abs(factor) * self.err, self.pixels)


def joined(curve: Curve, edges_per_nm: Array) -> Curve:
    """Bins joined to fewer and wider ones, each weighted by its pixels.

    Weights of counted errors would favour the bins that happened to count less. q is the mean of the joined bins;
    an empty bin has nan, at its middle.

    Args:
        curve: of narrow bins.
        edges_per_nm: shape (wide bins + 1,), rising.
    """
    usable = curve.between(edges_per_nm[0], edges_per_nm[-1])
    wide = np.clip(np.searchsorted(edges_per_nm, usable.q_per_nm, side="right") - 1, 0, len(edges_per_nm) - 2)
    count = len(edges_per_nm) - 1
    pixels = np.bincount(wide, usable.pixels, count)
    empty = pixels == 0
    share = 1 / np.where(empty, np.nan, pixels)
    q = share * np.bincount(wide, usable.pixels * usable.q_per_nm, count)
    return Curve(
        np.where(empty, (edges_per_nm[:-1] + edges_per_nm[1:]) / 2, q),
        share * np.bincount(wide, usable.pixels * usable.intensity, count),
        share * np.sqrt(np.bincount(wide, (usable.pixels * usable.err) ** 2, count)),
        pixels.astype(np.int64),
    )
