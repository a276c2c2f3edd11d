"""What depends on the wavelength axis only, computed once: energies, and kernels of the smoothed curvature.

Bands have widths in energy, so the kernels have, too: each is a few hundredths of an eV wide everywhere, however
wide the pixels are there.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Array = NDArray[np.float64]

HC_EV_NM = 1239.842
#: Curvatures are computed at energies so far apart.
GRID_EV = 0.01
#: σ of the Gaussian that smooths: half that of the narrowest cluster's band, and that of a crystal's exciton.
FINE_EV, BROAD_EV = 0.022, 0.06
#: Between these wavelengths bands are looked for where the material does not say otherwise.
SEARCH_NM = (330.0, 720.0)
#: Curvatures are computed so far beyond them, to the red and to the blue, and are known less far by a kernel's reach.
_BEYOND_EV = (0.09, 0.24)
_REACH = 3.5  # a kernel ends at so many σ
_LEAST_BINS = 6  # in a kernel
_BIN_NM = 0.7


@dataclass(frozen=True)
class Kernels:
    """A smoothed −d²A/dE² at equidistant energies, as a matrix that multiplies binned pixels, see :meth:`Axis.binned`.

    Each row is a parabola fitted with Gaussian weights (Savitzky–Golay's idea, with weights that fade), which is the
    second derivative after a Gaussian smoothing where the pixels are small. Equal weights leave noise so rough that
    one band shows several maxima.

    Attributes:
        energy_ev: rising, shape (points,).
        smoothing_ev: σ of the Gaussian.
        matrix: shape (points, bins).
        squared: the same with each element squared.
        begins: first bin of each row.
        ends: the bin after its last.
    """

    energy_ev: Array
    smoothing_ev: float
    matrix: csr_array
    squared: csr_array
    begins: NDArray[np.intp]
    ends: NDArray[np.intp]

    @cached_property
    def correlation(self) -> Array:
        """Of the noise at two energies, where it is the same in all bins, shape (points, points)."""
        covariance = (self.matrix @ self.matrix.T).toarray()
        scale = np.sqrt(np.diag(covariance))
        return covariance / np.outer(scale, scale)

    def curvature(self, value: Array) -> Array:
        """−d²A/dE² in eV⁻², shape (points,)."""
        return -(self.matrix @ value)

    def curvature_err(self, variance: Array) -> Array:
        """One sigma of :meth:`curvature` for independent bins of these variances: √(Σ c²·σ²)."""
        return np.sqrt(self.squared @ variance)

    def covered(self, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Energies whose whole kernel lies on usable bins."""
        unusable = np.concatenate([[0], np.cumsum(~usable)])
        return unusable[self.ends] == unusable[self.begins]


def axis_of(wavelength_nm: Array, search_nm: tuple[float, float] = SEARCH_NM) -> "Axis":
    """The axis of these pixels: one and the same for all runs on it, so that kernels are computed once.

    Raises:
        ValueError: see :class:`Axis`.
    """
    pixels = np.asarray(wavelength_nm, np.float64)
    if pixels.ndim != 1:
        raise ValueError(f"a wavelength axis has one dimension, not {pixels.ndim}")
    return _axis_of(pixels.tobytes(), search_nm)


@lru_cache(maxsize=8)
def _axis_of(pixels: bytes, search_nm: tuple[float, float]) -> "Axis":
    return Axis(np.frombuffer(pixels), search_nm)


@dataclass(frozen=True, eq=False)
class Axis:
    """A rising wavelength axis.

    Attributes:
        wavelength_nm: shape (pixels,), strictly rising.
        search_nm: between which wavelengths bands are looked for.

    Raises:
        ValueError: fewer than 10 pixels, or not strictly rising.
    """

    wavelength_nm: Array
    search_nm: tuple[float, float] = SEARCH_NM

    def __post_init__(self) -> None:
        steps = np.diff(self.wavelength_nm)
        if len(self.wavelength_nm) < 10 or not np.all(np.isfinite(self.wavelength_nm)) or not np.all(steps > 0):
            raise ValueError("a wavelength axis has at least 10 pixels and rises from each to the next")

    @cached_property
    def searched(self) -> NDArray[np.bool_]:
        """Pixels where bands are looked for."""
        return (self.wavelength_nm >= self.search_nm[0]) & (self.wavelength_nm <= self.search_nm[1])

    @cached_property
    def step_nm(self) -> Array:
        """Width of each pixel."""
        return np.gradient(self.wavelength_nm)

    @cached_property
    def pixel_nm(self) -> float:
        """Usual width of a pixel."""
        return float(np.median(self.step_nm))

    @cached_property
    def search_ev(self) -> tuple[float, float]:
        """:attr:`search_nm` as energies, the lower one first."""
        return HC_EV_NM / self.search_nm[1], HC_EV_NM / self.search_nm[0]

    @cached_property
    def pixels_per_bin(self) -> int:
        """How many pixels can be averaged into one without losing what the smoothing leaves."""
        return max(1, int(_BIN_NM / self.pixel_nm))

    def binned(self, value: Array) -> Array:
        """Averages over bins of :attr:`pixels_per_bin` pixels; what is left over at the red end is dropped."""
        size = self.pixels_per_bin
        return value if size == 1 else value[: len(value) // size * size].reshape(-1, size).mean(axis=1)

    @cached_property
    def fine(self) -> Kernels:
        """Kernels as narrow as clusters' bands need."""
        return self.kernels(FINE_EV)

    @cached_property
    def broad(self) -> Kernels:
        """Kernels that find a faint broad band where the narrow ones see noise."""
        return self.kernels(BROAD_EV)

    def kernels(self, smoothing_ev: float) -> Kernels:
        """Kernels of a smoothing; those that would reach beyond the axis, or hold too few bins, are left out."""
        wavelength = self.binned(self.wavelength_nm)
        reach = _REACH * smoothing_ev
        lowest, highest = self.search_ev[0] - _BEYOND_EV[0], self.search_ev[1] + _BEYOND_EV[1]
        reddest, bluest = max(float(wavelength[-1]), 1e-9), max(float(wavelength[0]), 1e-9)
        first, last = max(HC_EV_NM / reddest, lowest) + reach, min(HC_EV_NM / bluest, highest) - reach
        energy: Array = GRID_EV * np.arange(np.ceil(first / GRID_EV), np.floor(last / GRID_EV) + 1, dtype=np.float64)
        begins = np.searchsorted(wavelength, HC_EV_NM / (energy + reach))
        ends = np.searchsorted(wavelength, HC_EV_NM / (energy - reach), side="right")
        kept = ends - begins >= _LEAST_BINS
        energy, begins, ends = energy[kept], begins[kept], ends[kept]
        x = (HC_EV_NM / wavelength[None, :] - energy[:, None]) / smoothing_ev
        inside = (np.arange(len(wavelength)) >= begins[:, None]) & (np.arange(len(wavelength)) < ends[:, None])
        width = np.abs(np.gradient(HC_EV_NM / wavelength))  # of a bin: each energy counts alike
        weight = np.where(inside, np.exp(-0.5 * x * x) * width, 0.0)
        terms = [weight]
        for _ in range(4):
            terms.append(terms[-1] * x)
        moments = np.array([term.sum(axis=1) for term in terms])
        # The parabola's normal equations; row 2 of their inverse gives the coefficient of (x/σ)².
        normal = np.array([[moments[i + j] for j in range(3)] for i in range(3)]).transpose(2, 0, 1)
        third = np.linalg.inv(normal)[:, 2]
        rows = np.sum([third[:, j, None] * terms[j] for j in range(3)], axis=0) * 2.0 / smoothing_ev**2
        return Kernels(energy, smoothing_ev, csr_array(rows), csr_array(rows**2), begins, ends)
