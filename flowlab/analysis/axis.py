"""What depends on the wavelength axis only, computed once: energies, and kernels of the smoothed curvature.

Bands have widths in energy, so the kernels have, too: each is a few hundredths of an eV wide everywhere, however
wide the pixels are there.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Array = NDArray[np.float64]

HC_EV_NM = 1239.842
#: Curvatures are computed at energies so far apart.
GRID_EV = 0.01
#: σ of the Gaussian that smooths: half that of the narrowest cluster's band, and that of a crystal's exciton.
FINE_EV, BROAD_EV = 0.022, 0.06
#: Between these wavelengths curvatures are computed.
RANGE_NM = (310.0, 760.0)
_REACH = 3.5  # a kernel ends at so many σ
_LEAST_PIXELS = 6  # in a kernel


@dataclass(frozen=True)
class Kernels:
    """A smoothed −d²A/dE² at equidistant energies, as a matrix that multiplies the pixels.

    Each row is a parabola fitted with Gaussian weights (Savitzky–Golay's idea, with weights that fade), which is the
    second derivative after a Gaussian smoothing where the pixels are small. Equal weights leave noise so rough that
    one band shows several maxima.

    Attributes:
        energy_ev: rising, shape (points,).
        smoothing_ev: σ of the Gaussian.
        matrix: shape (points, pixels).
        squared: the same with each element squared.
        correlation: of the noise at two energies, shape (points, points).
        begins: first pixel of each row.
        ends: the pixel after its last.
    """

    energy_ev: Array
    smoothing_ev: float
    matrix: csr_array
    squared: csr_array
    correlation: Array
    begins: NDArray[np.intp]
    ends: NDArray[np.intp]

    def curvature(self, value: Array) -> Array:
        """−d²A/dE² in eV⁻², shape (points,)."""
        return -(self.matrix @ value)

    def curvature_err(self, variance: Array) -> Array:
        """One sigma of :meth:`curvature` for independent pixels of these variances: √(Σ c²·σ²)."""
        return np.sqrt(self.squared @ variance)

    def covered(self, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Energies whose whole kernel lies on usable pixels."""
        unusable = np.concatenate([[0], np.cumsum(~usable)])
        return unusable[self.ends] == unusable[self.begins]


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
    def fine(self) -> Kernels:
        """Kernels as narrow as clusters' bands need."""
        return self.kernels(FINE_EV)

    @cached_property
    def broad(self) -> Kernels:
        """Kernels that find a faint broad band where the narrow ones see noise."""
        return self.kernels(BROAD_EV)

    def kernels(self, smoothing_ev: float) -> Kernels:
        """Kernels of a smoothing; those that would reach beyond the axis, or hold too few pixels, are left out."""
        low, high = max(self.wavelength_nm[0], RANGE_NM[0]), min(self.wavelength_nm[-1], RANGE_NM[1])
        reach = _REACH * smoothing_ev
        first, last = (HC_EV_NM / high + reach, HC_EV_NM / low - reach) if high > low > 0 else (1.0, 0.0)
        energy: Array = GRID_EV * np.arange(np.ceil(first / GRID_EV), np.floor(last / GRID_EV) + 1, dtype=np.float64)
        begins = np.searchsorted(self.wavelength_nm, HC_EV_NM / (energy + reach))
        ends = np.searchsorted(self.wavelength_nm, HC_EV_NM / (energy - reach), side="right")
        kept = ends - begins >= _LEAST_PIXELS
        energy, begins, ends = energy[kept], begins[kept], ends[kept]
        rows = [self._row(e, smoothing_ev, b, n) for e, b, n in zip(energy, begins, ends, strict=True)]
        columns = [np.arange(int(b), int(n)) for b, n in zip(begins, ends, strict=True)]
        pointers = np.concatenate([[0], np.cumsum(ends - begins)])
        shape = (len(energy), len(self.wavelength_nm))
        flat = (np.concatenate([*rows, np.empty(0)]), np.concatenate([*columns, np.empty(0, dtype=np.intp)]), pointers)
        matrix = csr_array(flat, shape=shape)
        squared = csr_array((flat[0] ** 2, flat[1], flat[2]), shape=shape)
        covariance = (matrix @ matrix.T).toarray()
        scale = np.sqrt(np.diag(covariance))
        return Kernels(energy, smoothing_ev, matrix, squared, covariance / np.outer(scale, scale), begins, ends)

    def _row(self, energy_ev: float, smoothing_ev: float, begin: int, end: int) -> Array:
        wavelength = self.wavelength_nm[begin:end]
        x = (HC_EV_NM / wavelength - energy_ev) / smoothing_ev
        width = self.step_nm[begin:end] / wavelength**2  # of a pixel in energy: each energy counts alike
        weight = np.exp(-0.25 * x * x) * np.sqrt(width)  # square root of the weight of a squared residual
        powers = np.vander(x, 3, increasing=True)
        # Row 2 of the weighted pseudo-inverse gives the coefficient of (x/σ)²; the derivative is 2!/σ² times that.
        return np.linalg.pinv(powers * weight[:, None])[2] * weight * 2.0 / smoothing_ev**2
