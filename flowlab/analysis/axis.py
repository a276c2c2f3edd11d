"""What depends on the wavelength axis only, computed once: energies, and kernels of smoothed derivatives."""

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HC_EV_NM = 1239.842
#: σ of the Gaussian that smooths the derivatives: somewhat less than that of the narrowest band that is
#: looked for, 7.6 nm (FWHM 18 nm).
SMOOTHING_NM = 6.0
_REACH = 4.0  # a kernel ends at so many σ
_BINS_PER_SIGMA = 4.0


@dataclass(frozen=True)
class Axis:
    """A rising wavelength axis.

    Attributes:
        wavelength_nm: shape (pixels,), strictly rising.

    Raises:
        ValueError: fewer than 10 pixels, or not strictly rising.
    """

    wavelength_nm: Array

    def __post_init__(self) -> None:
        steps = np.diff(self.wavelength_nm)
        if len(self.wavelength_nm) < 10 or not np.all(np.isfinite(self.wavelength_nm)) or not np.all(steps > 0):
            raise ValueError("a wavelength axis has at least 10 pixels and rises from each to the next")

    @cached_property
    def step_nm(self) -> Array:
        """Width of each pixel."""
        return np.gradient(self.wavelength_nm)

    @cached_property
    def pixels_per_bin(self) -> int:
        """How many pixels can be averaged into one without losing what the smoothing leaves."""
        return max(1, int(SMOOTHING_NM / _BINS_PER_SIGMA / float(np.median(self.step_nm))))

    @cached_property
    def coarse(self) -> "Axis":
        """The axis of :meth:`binned` values: sixteen times less work where four pixels make a bin."""
        return self if self.pixels_per_bin == 1 else Axis(self.binned(self.wavelength_nm))

    def binned(self, value: Array) -> Array:
        """Averages over bins of :attr:`pixels_per_bin` pixels; what is left over at the red end is dropped."""
        size = self.pixels_per_bin
        return value if size == 1 else value[: len(value) // size * size].reshape(-1, size).mean(axis=1)

    @cached_property
    def half_kernel(self) -> int:
        """Pixels on either side that a kernel covers."""
        return max(4, round(_REACH * SMOOTHING_NM / float(np.median(self.step_nm))))

    def kernel(self, order: int) -> Array:
        """Kernel of a derivative, per pixel^order, shape (2·half_kernel + 1,).

        A local polynomial fitted with Gaussian weights (Savitzky–Golay's idea, with weights that fade):
        in the limit of small pixels the derivative of a Gaussian. Equal weights leave noise so rough that
        one band shows several maxima.
        """
        return self._kernels[order]

    @cached_property
    def _kernels(self) -> dict[int, Array]:
        sigma = SMOOTHING_NM / float(np.median(self.step_nm))
        x = np.arange(-self.half_kernel, self.half_kernel + 1, dtype=float)
        weight = np.exp(-0.25 * (x / sigma) ** 2)  # square root of the weight of a squared residual
        kernels: dict[int, Array] = {}
        for order in (2, 3, 4):
            powers = np.vander(x / sigma, order + 1, increasing=True)
            # Row n of the weighted pseudo-inverse gives the coefficient of (x/σ)ⁿ; the derivative is n!/σⁿ times that.
            coefficient = np.linalg.pinv(powers * weight[:, None])[order] * weight
            kernels[order] = coefficient * factorial(order) / sigma**order
        return kernels

    def derivative(self, value: Array, order: int) -> Array:
        """dⁿ/dλⁿ of a smoothed spectrum, per nmⁿ; nan within half a kernel of either end."""
        return self._filtered(value, self.kernel(order)) / self._step_powers[order]

    def derivative_err(self, variance: Array, order: int) -> Array:
        """One sigma of :meth:`derivative` for independent pixels of these variances: σ(dⁿ) = √(Σ c²·σ²)."""
        return np.sqrt(self.derivative_covariance(variance, order, order))

    def derivative_covariance(self, variance: Array, one: int, other: int) -> Array:
        """Covariance of two derivatives at the same pixel: both are made from the same noise."""
        return self._filtered(variance, self._products[one, other]) / self._step_powers[one + other]

    @cached_property
    def _products(self) -> dict[tuple[int, int], Array]:
        return {(i, j): self._kernels[i] * self._kernels[j] for i in self._kernels for j in self._kernels}

    @cached_property
    def _step_powers(self) -> dict[int, Array]:
        return {power: self.step_nm**power for power in range(2, 9)}

    @cached_property
    def smoothing_nm(self) -> Array:
        """σ of the smoothing at each pixel: a kernel spans the same number of pixels everywhere."""
        return SMOOTHING_NM * self.step_nm / float(np.median(self.step_nm))

    def covered(self, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pixels whose whole kernel lies on usable ones."""
        unusable = np.concatenate([[0], np.cumsum(~usable)])
        half, count = self.half_kernel, len(usable)
        inside = np.zeros(count, dtype=bool)
        if count > 2 * half:
            middle = np.arange(half, count - half)
            inside[middle] = unusable[middle + half + 1] == unusable[middle - half]
        return inside

    def _filtered(self, value: Array, kernel: Array) -> Array:
        half = len(kernel) // 2
        out = np.full(len(value), np.nan)
        if len(value) >= len(kernel):
            out[half : len(value) - half] = np.correlate(value, kernel, mode="valid")
        return out
