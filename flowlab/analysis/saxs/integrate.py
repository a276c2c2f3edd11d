"""A frame to I(q) by one product with a sparse matrix that is made before the first frame."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from flowlab.analysis.saxs.curve import Array, Curve
from flowlab.analysis.saxs.geometry import Geometry
from flowlab.errors import BadInputError


class Integrator:
    """Azimuthal mean over whole pixels: each belongs to the bin of its centre ("no split" in pyFAI).

    With n counts in a pixel of weight w = solid angle · polarization,

        I = Σ n / Σ w,   σ_I = √(Σ n) / Σ w.

    The variance of the counts in a bin is their sum; a bin with no count at all is given one, else it would seem
    infinitely well known. pyFAI takes at least one count in each *pixel*, which overestimates the errors of weak
    frames; where every pixel counts, both are equal.

    Args:
        geometry: what each pixel sees.
        bins: how many, of equal width.
        q_range_per_nm: lower and upper edge; that of the unmasked pixels where None.
        saturated_at: counts from which a pixel is not believed (a Pilatus3's counter ends at 1 048 575). Besides,
            the highest value of an unsigned frame and negative ones of a signed frame are never counts: that is how
            Eiger and Pilatus mark dead and overflowing pixels.

    Raises:
        BadInputError: no pixel falls into the range, or there are no bins.
    """

    def __init__(
        self,
        geometry: Geometry,
        bins: int = 1000,
        q_range_per_nm: tuple[float, float] | None = None,
        saturated_at: int | None = None,
    ):
        if bins < 1:
            raise BadInputError(f"I(q) needs at least one bin, not {bins}")
        if saturated_at is not None and saturated_at < 1:
            raise BadInputError(f"a pixel saturates at a positive number of counts, not at {saturated_at}")
        q = geometry.q_per_nm.ravel()
        seen = ~geometry.masked.ravel()
        if q_range_per_nm is None:
            if not seen.any():
                raise BadInputError("every pixel of the detector is masked")
            # The outermost pixel shall lie inside: by as much as pyFAI widens its range, to give the same bins.
            q_range_per_nm = float(q[seen].min()), float(q[seen].max() * (1 + np.finfo(np.float32).eps))
        low, high = q_range_per_nm
        if not low < high:
            raise BadInputError(f"q from {low:g} to {high:g} nm⁻¹ is no range")
        seen &= (q >= low) & (q < high)
        pixels = np.flatnonzero(seen)
        if not len(pixels):
            raise BadInputError(f"no unmasked pixel sees q from {low:g} to {high:g} nm⁻¹")
        width = (high - low) / bins
        self.shape = geometry.shape
        self.q_per_nm: Array = low + width * (np.arange(bins, dtype=np.float64) + 0.5)
        self._bin = np.full(q.size, -1, dtype=np.int32)
        self._bin[pixels] = np.minimum(((q[pixels] - low) / width).astype(np.int32), bins - 1)
        self._weight = (geometry.solid_angle * geometry.polarization).ravel()
        ones = np.ones(len(pixels), dtype=np.uint32)
        # indices of 32 bits: half the memory to walk through per frame
        self._sum = csr_array((ones, (self._bin[pixels], pixels.astype(np.int32))), shape=(bins, q.size))
        self._weight_sum = np.bincount(self._bin[pixels], self._weight[pixels], bins)
        self._pixels: NDArray[np.int64] = np.bincount(self._bin[pixels], minlength=bins)
        self._sums_safe_below = 2**32 // int(self._pixels.max())
        self._saturated_at = saturated_at

    def curve(self, frame: NDArray[np.integer]) -> Curve:
        """I(q) of a frame, in counts per pixel of normal incidence.

        Args:
            frame: counts as they were read, shape (rows, columns), of an integer type. Frames of one state are added
                before (as integers): then their counts are still counts.

        Raises:
            BadInputError: another shape, or not integers: an error cannot be counted from values that are not counts.
        """
        if frame.shape != self.shape or frame.dtype.kind not in "ui":
            raise BadInputError(f"a frame here is {self.shape} integers, not {frame.shape} {frame.dtype}")
        flat = np.ascontiguousarray(frame).ravel()
        bad, bright = self._outstanding(flat)
        weight, pixels = self._weight_sum, self._pixels
        if len(bad):
            flat = flat.copy()
            flat[bad] = 0
            where = self._bin[bad]
            weight = weight - np.bincount(where, self._weight[bad], len(weight))
            pixels = pixels - np.bincount(where, minlength=len(pixels))
        counts = self._counts(flat, bright)
        per_weight = 1 / np.where(pixels > 0, weight, np.nan)
        return Curve(self.q_per_nm, counts * per_weight, np.sqrt(np.maximum(counts, 1.0)) * per_weight, pixels)

    def _outstanding(self, flat: NDArray[np.integer]) -> tuple[NDArray[np.intp], bool]:
        """Unmasked pixels whose value is no count, and whether another is so high that sums of 32 bits may overflow."""
        kind = np.iinfo(flat.dtype)
        # Read as unsigned, negative numbers are the highest ones: one comparison finds both ends.
        limit = kind.max if kind.min == 0 else kind.max + 1
        if self._saturated_at is not None:
            limit = min(limit, self._saturated_at)
        unsigned = flat.view(f"{flat.dtype.byteorder}u{flat.dtype.itemsize}")
        high = np.flatnonzero(unsigned >= min(limit, self._sums_safe_below))
        high = high[self._bin[high] >= 0]
        bad = high[unsigned[high] >= limit]
        return bad, len(bad) < len(high)

    def _counts(self, flat: NDArray[np.integer], bright: bool) -> Array:
        """Σ n of each bin. Sums of 32 bits take half the time of floats, and are exact where they do not overflow."""
        if bright:
            bins = len(self.q_per_nm)
            return np.asarray(np.bincount(self._bin + 1, flat.astype(np.float64), bins + 1)[1:], dtype=np.float64)
        return np.asarray(self._sum @ flat.astype(np.uint32, copy=False), dtype=np.float64)
