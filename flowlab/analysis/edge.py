"""The red edge of an absorption spectrum: its onset, and the gap that a Tauc plot gives.

Both are the place where a tangent meets nothing: that of the absorbance at the steepest point of its red edge meets the
baseline at the *onset*; that of (A·E)² meets zero at the *Tauc gap* of a direct allowed transition (J. Tauc et al.,
phys. stat. sol. 1966, 15, 627). The baseline is what is measured to the red of the edge, continued as a + b·E²: between
the drift of a lamp, which is straight, and the scattering of small particles, E⁴. A tangent is taken from a cubic
through the edge, which is neither smoothed nor dragged along by what lies beside it.

Of crystals whose exciton stands out, the Tauc gap is that of the exciton's edge, and lower than its energy; it is the
gap of the material where absorption goes on rising behind the edge.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.sparse import csr_array

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import HC_EV_NM, Axis

Array = NDArray[np.float64]

#: Slopes are looked at so far apart, and smoothed by a Gaussian of this σ: half that of the narrowest exciton.
_GRID_EV, _SMOOTHING_EV = 0.01, 0.03
_REACH, _LEAST_BINS = 3.0, 5
_RANGE_NM = (300.0, 2500.0)
#: An edge is so many σ steep, and no line of the instrument.
_THRESHOLD_SIGMA, _NARROWEST_EV = 5.0, 0.02
#: Behind its steepest point it falls off by so many σ: what only grows steeper has ripples of noise, but no edge.
_DIP_SIGMA = 4.0
_LEAST_SHARES = ((0.2, 0.3), (0.05, 1.2))  # of the highest within so many eV to the blue
#: The cubic reaches so far to where the slope has fallen to a half, and no farther to either side.
_SHARE, _WIDEST_EV = 0.8, 0.15
#: A cubic's tangent is wrong by about this share of its length: no edge is a cubic.
_SHAPE_ERROR = 0.02
#: From the steepest point to where the slope has fallen to a half, in σ of a Gaussian band.
_HALF_SLOPE = 0.92
#: The baseline ends so many widths (σ of a Gaussian) before the steepest point, where nothing of a Gaussian is left to
#: see, and begins so many before that.
_BASELINE_ENDS, _BASELINE_LENGTH, _LEAST_BASELINE = 2.5, 4.0, 0.5
#: Its slope, as a share of the edge's, may be so much.
_STEEPEST_BASELINE = 0.2
_LEAST_POINTS, _LEAST_KNOWN = 7, 0.8
#: A tangent whose foot is less sure than this share of its length is none.
_LEAST_SURE = 0.25


@dataclass(frozen=True)
class EdgeEnergy:
    """Where an edge is, or why that is not known.

    Attributes:
        energy_ev: None when it is not known.
        err_ev: one sigma: noise, the shape of the edge, and how the baseline goes on beneath it.
        why: how it was found, or why it was not.
    """

    energy_ev: float | None
    err_ev: float | None
    why: str

    @property
    def wavelength_nm(self) -> float | None:
        """The same as a wavelength."""
        return None if self.energy_ev is None else HC_EV_NM / self.energy_ev

    @property
    def wavelength_err_nm(self) -> float | None:
        """One sigma of it."""
        if self.energy_ev is None or self.err_ev is None:
            return None
        return HC_EV_NM / self.energy_ev**2 * self.err_ev


@dataclass(frozen=True)
class AbsorptionEdge:
    """Onset and Tauc gap of a spectrum."""

    onset: EdgeEnergy
    tauc: EdgeEnergy


class _Steepest(NamedTuple):
    """A steepest point on the grid, and how far on either side the slope falls to a half of its own."""

    at: int
    energy_ev: float
    red_ev: float
    blue_ev: float


class _Baseline(NamedTuple):
    """a + b·E²: its value and slope at ``origin_ev``, where it is known, with their covariance."""

    origin_ev: float
    parameters: Array
    covariance: Array

    @staticmethod
    def design(energy_ev: Array, origin_ev: float) -> Array:
        """What multiplies the parameters, shape (points, 2)."""
        return np.column_stack([np.ones_like(energy_ev), (energy_ev**2 - origin_ev**2) / (2 * origin_ev)])

    def at(self, energy_ev: Array) -> Array:
        return self.design(energy_ev, self.origin_ev) @ self.parameters

    def slope(self, energy_ev: Array) -> Array:
        return self.parameters[1] * energy_ev / self.origin_ev

    def unknown(self, energy_ev: float) -> float:
        """How much it may be off, one sigma, where it is continued to: as a straight line is."""
        return float(abs(self.parameters[1]) * (energy_ev - self.origin_ev) ** 2 / (2 * self.origin_ev))


class _Cubic(NamedTuple):
    """A cubic through the edge, over the energy from the middle of the points on, in units of their span."""

    origin_ev: float
    unit_ev: float
    parameters: Array
    covariance: Array
    gain: Array


@lru_cache(maxsize=8)
def edge_finder(axis: Axis) -> "EdgeFinder":
    """The one of an axis, whose kernels are computed once."""
    return EdgeFinder(axis)


class EdgeFinder:
    """Finds the red edge of spectra on one axis.

    Args:
        axis: of the spectra.
    """

    def __init__(self, axis: Axis):
        self._axis = axis
        wavelength = axis.binned(axis.wavelength_nm)
        self._seen = (wavelength >= _RANGE_NM[0]) & (wavelength <= _RANGE_NM[1])
        self._energy = HC_EV_NM / wavelength[self._seen][::-1]
        self._grid, rows, self._begins, self._ends = _kernels(self._energy)
        self._values_and_slopes = csr_array(np.concatenate(rows))
        self._squared = csr_array(rows[1] ** 2)

    def find(self, spectrum: Absorbance) -> AbsorptionEdge:
        """Onset and Tauc gap of a spectrum."""
        value, variance, usable = self._rising(spectrum)
        whole = self._whole(usable)
        both: Array = np.asarray(self._values_and_slopes @ value, np.float64)
        smooth, slope = both[: len(whole)], np.where(whole, both[len(whole) :], 0.0)
        err: Array = np.sqrt(np.asarray(self._squared @ variance, np.float64))
        steepest = _steepest(self._grid, slope, err, whole)
        if isinstance(steepest, str):
            return _neither(steepest)
        width = steepest.red_ev / _HALF_SLOPE
        line = _baseline(self._energy, value, variance, usable, steepest.energy_ev, width)
        if isinstance(line, str):
            return _neither(line)
        if abs(line.parameters[1]) > _STEEPEST_BASELINE * slope[steepest.at]:
            return _neither("no baseline: the spectrum goes on falling beyond its edge")
        onset = _onset(self._energy, value, variance, usable, steepest, line)
        net = smooth - line.at(self._grid)
        # d(A·E)²/dE of the net absorbance
        rise = 2 * net * self._grid * (net + self._grid * (slope - line.slope(self._grid)))
        return AbsorptionEdge(onset, self._tauc(value, variance, usable, np.where(whole, rise, 0.0), steepest, line))

    def _rising(self, spectrum: Absorbance) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Binned values, variances, and which can be used, with rising energy."""
        bins, err, seen = self._axis.binned, spectrum.err, self._seen
        if spectrum.usable.all():
            usable = np.ones(len(seen), bool)
        else:
            err, usable = np.where(spectrum.usable, err, 0.0), bins(spectrum.usable.astype(float)) == 1.0
        value, variance = bins(spectrum.value), bins(err * err) / self._axis.pixels_per_bin
        return value[seen][::-1], variance[seen][::-1], usable[seen][::-1]

    def _whole(self, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Points of the grid whose whole kernel lies on bins that can be used."""
        if usable.all():
            return np.ones(len(self._grid), bool)
        missing = np.concatenate([[0], np.cumsum(~usable)])
        return missing[self._ends] == missing[self._begins]

    def _tauc(
        self, value: Array, variance: Array, usable: NDArray[np.bool_], rise: Array, edge: _Steepest, line: _Baseline
    ) -> EdgeEnergy:
        top = _next_top(rise, edge.at)
        if top is None:
            return EdgeEnergy(None, None, "no linear part: (A·E)² grows ever steeper to the blue")
        steepest = _widths(self._grid, rise, top)
        near = _around(self._energy, usable, steepest)
        if near is None:
            return EdgeEnergy(None, None, "no linear part: too few pixels on the edge")
        energy = self._energy[near]
        net = value[near] - line.at(energy)
        cubic = _cubic(energy, (net * energy) ** 2, (2 * net * energy**2) ** 2 * variance[near])
        # The baseline is in each point: d(A·E)²/dB = −2·(A − B)·E²
        by_baseline = (-2 * net * energy**2)[:, None] * line.design(energy, line.origin_ev)
        return _foot(cubic, cubic.gain @ by_baseline, line, "the linear part of (A·E)²")


def _neither(why: str) -> AbsorptionEdge:
    return AbsorptionEdge(EdgeEnergy(None, None, why), EdgeEnergy(None, None, why))


def _kernels(energy: Array) -> tuple[Array, Array, NDArray[np.intp], NDArray[np.intp]]:
    """Energies of the grid, rows that give value and slope there, the first bin of each and the one after its last.

    Each row is a parabola fitted with Gaussian weights; their shape is (2, points, bins).
    """
    reach = _REACH * _SMOOTHING_EV
    first, last = (energy[0] + reach, energy[-1] - reach) if len(energy) else (1.0, 0.0)
    grid: Array = _GRID_EV * np.arange(np.ceil(first / _GRID_EV), np.floor(last / _GRID_EV) + 1, dtype=np.float64)
    begins, ends = np.searchsorted(energy, grid - reach), np.searchsorted(energy, grid + reach, side="right")
    kept = ends - begins >= _LEAST_BINS
    grid, begins, ends = grid[kept], begins[kept], ends[kept]
    rows = np.zeros((2, len(grid), len(energy)))
    for i, (at, begin, end) in enumerate(zip(grid, begins, ends, strict=True)):
        x = energy[begin:end] - at
        design = np.column_stack([np.ones_like(x), x, x * x])
        # Each energy counts alike, however many pixels there are.
        weight = np.exp(-0.5 * (x / _SMOOTHING_EV) ** 2) * np.gradient(energy[begin:end])
        rows[:, i, begin:end] = np.linalg.solve((design.T * weight) @ design, design.T * weight)[:2]
    return grid, rows, begins, ends


def _steepest(grid: Array, slope: Array, err: Array, whole: NDArray[np.bool_]) -> _Steepest | str:
    """The steepest point of the red edge, or why there is none."""
    if not whole.any():
        return "no edge: too few pixels that can be used"
    candidates = whole & (slope > _THRESHOLD_SIGMA * err)
    if not candidates.any():
        return "no edge: the spectrum rises nowhere beyond its noise"
    for share, within_ev in _LEAST_SHARES:
        # Of what comes from each point on: the filter's window is centred when nothing is said.
        steps = 2 * round(0.5 * within_ev / _GRID_EV)
        candidates &= slope >= share * maximum_filter1d(slope, steps + 1, origin=-(steps // 2))
    why, least = "no edge: the absorption only grows steeper to the blue", 0.0
    if candidates[0]:
        why = "no baseline: the spectrum ends before its absorption does"
    candidates[1:-1] &= (slope[1:-1] >= slope[:-2]) & (slope[1:-1] > slope[2:])
    candidates[[0, -1]] = False
    for i in np.flatnonzero(candidates):
        if slope[i] < least or _dip(slope[i:]) < _DIP_SIGMA * err[i]:
            continue
        if slope[: int(i)].min() > 0.5 * slope[i]:
            # It may be a ripple on what scatters, but then there is an edge that is much steeper.
            why, least = "no baseline: the spectrum ends before its absorption does", 2 * float(slope[i])
            continue
        found = _widths(grid, slope, int(i))
        if found.red_ev > _NARROWEST_EV:
            return found
    return why


def _dip(slope: Array) -> float:
    """How far a slope falls behind its first value, before it rises above that."""
    higher = np.flatnonzero(slope > slope[0])
    return float(slope[0] - slope[: int(higher[0]) if len(higher) else None].min())


def _widths(grid: Array, slope: Array, at: int) -> _Steepest:
    """How wide a maximum of the slope is; what the smoothing added is taken off."""
    below = slope < 0.5 * slope[at]
    red = np.flatnonzero(below[:at])
    blue = np.flatnonzero(below[at:])

    def half(inner: int, outer: int) -> float:
        """Distance of the half between two points of the grid."""
        share = (slope[inner] - 0.5 * slope[at]) / (slope[inner] - slope[outer])
        distance = abs(grid[inner] + share * (grid[outer] - grid[inner]) - grid[at])
        return float(np.sqrt(max(distance**2 - _SMOOTHING_EV**2 * _HALF_SLOPE**2, 0.0)))

    red_ev = half(int(red[-1]) + 1, int(red[-1])) if len(red) else _WIDEST_EV
    blue_ev = half(at + int(blue[0]) - 1, at + int(blue[0])) if len(blue) else _WIDEST_EV
    return _Steepest(at, float(grid[at]), min(red_ev, _WIDEST_EV), min(blue_ev, _WIDEST_EV))


def _next_top(rise: Array, begin: int) -> int | None:
    """The first maximum from a point on to the blue; None where there is none."""
    here = rise[begin:-1]
    tops = np.flatnonzero((here >= rise[begin - 1 : -2]) & (here > rise[begin + 1 :]) & (here > 0))
    return begin + int(tops[0]) if len(tops) else None


def _baseline(
    energy: Array, value: Array, variance: Array, usable: NDArray[np.bool_], steepest_ev: float, width_ev: float
) -> _Baseline | str:
    """The baseline through what is measured to the red of an edge, or why there is none."""
    end = steepest_ev - _BASELINE_ENDS * width_ev
    first, last = np.searchsorted(energy, [end - _BASELINE_LENGTH * width_ev, end])
    near = first + np.flatnonzero(usable[first:last])
    if len(near) < _LEAST_POINTS or energy[near[-1]] - energy[near[0]] < _LEAST_BASELINE * width_ev:
        return f"no baseline: hardly anything was measured beyond {HC_EV_NM / end:.0f} nm"
    fit = _least_squares(_Baseline.design(energy[near], end), value[near], variance[near])
    return _Baseline(end, *fit[:2])


def _around(energy: Array, usable: NDArray[np.bool_], steepest: _Steepest) -> NDArray[np.intp] | None:
    """Points on an edge; None where there are too few."""
    red, blue = _SHARE * steepest.red_ev, _SHARE * steepest.blue_ev
    first, last = np.searchsorted(energy, [steepest.energy_ev - red, steepest.energy_ev + blue])
    near = first + np.flatnonzero(usable[first:last])
    return near if len(near) >= max(_LEAST_POINTS, _LEAST_KNOWN * (last - first)) else None


def _least_squares(design: Array, value: Array, variance: Array) -> tuple[Array, Array, Array]:
    """Parameters, covariance, and the matrix that makes the parameters of the values.

    What a fit is off by more than the noise widens its errors.
    """
    # Where next to nothing is left above the baseline, (A·E)² has no error to speak of, and must not count for all.
    scale = float(variance.mean())
    relative = np.maximum(variance / scale, 0.2) if scale > 0 else np.ones(len(variance))
    weighted = design.T / relative
    gain: Array = np.linalg.solve(weighted @ design, weighted).astype(np.float64)
    parameters = gain @ value
    scatter = float(np.sum((value - design @ parameters) ** 2 / relative)) / max(len(value) - design.shape[1], 1)
    covariance = (gain * relative) @ gain.T * max(scatter, scale)
    return parameters, covariance, gain


def _cubic(energy: Array, value: Array, variance: Array) -> _Cubic:
    origin, unit = float(0.5 * (energy[0] + energy[-1])), float(0.5 * (energy[-1] - energy[0]))
    x = (energy - origin) / unit
    return _Cubic(origin, unit, *_least_squares(np.vander(x, 4, increasing=True), value, variance))


def _onset(
    energy: Array, value: Array, variance: Array, usable: NDArray[np.bool_], steepest: _Steepest, line: _Baseline
) -> EdgeEnergy:
    near = _around(energy, usable, steepest)
    if near is None:
        return EdgeEnergy(None, None, "too few pixels on the edge")
    cubic = _cubic(energy[near], value[near] - line.at(energy[near]), variance[near])
    return _foot(cubic, -cubic.gain @ line.design(energy[near], line.origin_ev), line, "the steepest point of the edge")


def _foot(cubic: _Cubic, by_baseline: Array, line: _Baseline, what: str) -> EdgeEnergy:
    """Where the tangent at a cubic's steepest point meets zero.

    Args:
        cubic: through the edge above the baseline.
        by_baseline: how its parameters change with those of the baseline, shape (4, 2).
        line: the baseline.
        what: the tangent is of, in words.
    """
    _, _, bend, twist = cubic.parameters
    # The slope is greatest where the curvature passes zero from above; a straight edge has no such place, and any does.
    x = float(np.clip(-bend / (3 * twist), -0.5, 0.5)) if twist < 0 else 0.0
    powers, slopes = np.array([1.0, x, x * x, x**3]), np.array([0.0, 1.0, 2 * x, 3 * x * x])
    value, climb = float(powers @ cubic.parameters), float(slopes @ cubic.parameters)
    if climb <= 0:
        return EdgeEnergy(None, None, f"{what} does not rise")
    foot = x - value / climb
    # d foot = ((x − foot)·d climb − d value)/climb; x itself does not matter, for there the curvature is zero
    gradient = ((x - foot) * slopes - powers) / climb
    of_line = gradient @ by_baseline
    energy, length = cubic.origin_ev + foot * cubic.unit_ev, (x - foot) * cubic.unit_ev
    # The first of the baseline's parameters lifts all of it.
    unknown = of_line[0] * line.unknown(energy)
    variance = gradient @ cubic.covariance @ gradient + of_line @ line.covariance @ of_line + unknown**2
    err = float(np.hypot(np.sqrt(variance) * cubic.unit_ev, _SHAPE_ERROR * length))
    if not err < _LEAST_SURE * length or energy <= 0:
        return EdgeEnergy(None, None, f"{what} is lost in the noise")
    return EdgeEnergy(energy, err, f"tangent at {what}, at {HC_EV_NM / (energy + length):.0f} nm")
