"""How likely a track's positions are if its band stands, moves, or keeps its distance to another.

Each hypothesis is a Gaussian process, and what counts is its marginal likelihood: a band that may move explains
positions that stand, too, but less well than one that cannot.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

from flowlab.analysis.axis import HC_EV_NM
from flowlab.analysis.tracks import Track

Array = NDArray[np.float64]

# Scatter in nm beyond the errors of the fit: of a band that stands, of one that moves, of one that follows.
_FIXED_NM, _FOLLOWING_NM = 0.3, 1.0
#: The broader a band, the farther what lies beneath it pulls it about: so much of its width, here
#: and there; and so far from one end of the track to the other, as they move themselves.
_PULLED, _PULLED_ALONG_NM = 0.03, 0.8
#: What moves moves slowly or fast: slope and walk in nm per step of the scan, and scatter.
_MOTIONS = ((1.0, 0.4, 0.4), (5.0, 2.0, 0.8))
_ANYWHERE_NM = 100.0
_STRAYS, _STRAY_NM = 0.03, 8.0  # share of sightings that are of something else, and how far off
_LOG_2_PI = math.log(2 * math.pi)
_SIGMA_PER_MEDIAN = 1.4826
_USUAL_WIDTH_ERROR = 0.1  # relative, of one fitted width, beyond the noise
#: Of a longer track as many sightings are looked at, evenly spread, so that a run of days costs no more than a scan.
_MOST_SIGHTINGS = 48


@dataclass(frozen=True)
class Course:
    """What is known of a track, in columns; shape (sightings,) each.

    Attributes:
        steps: number of the spectrum within the panel.
        positions_nm: of the band.
        variance_nm2: of the positions, from noise and neighbours.
        heights: of the band, absorbance.
        fwhm_ev: its full width at half maximum.
        fwhm_err: relative error of that, from the noise.
        totals: absorbance of the whole spectrum; nan where that is not known.
        misfits: how badly the shape of a band fits.
    """

    steps: Array
    positions_nm: Array
    variance_nm2: Array
    heights: Array
    fwhm_ev: Array
    fwhm_err: Array
    totals: Array
    misfits: Array

    @classmethod
    def of(cls, track: Track) -> "Course":
        """The course of a track."""
        sightings, count = track.sightings, len(track.sightings)
        some = slice(None)
        if count > _MOST_SIGHTINGS:
            some = np.round(np.linspace(0, count - 1, _MOST_SIGHTINGS)).astype(np.intp)

        def column(name: str) -> Array:
            return sightings.column(name, some)

        return cls(
            steps=column("step"),
            positions_nm=column("wavelength_nm"),
            variance_nm2=column("wavelength_err_nm") ** 2 + column("overlap_err_nm") ** 2,
            heights=column("height"),
            fwhm_ev=column("fwhm_ev"),
            fwhm_err=column("fwhm_err_ev") / column("fwhm_ev"),
            totals=column("total"),
            misfits=column("misfit"),
        )

    @cached_property
    def position_nm(self) -> float:
        """Usual position."""
        return median(self.positions_nm.tolist())

    @cached_property
    def height(self) -> float:
        """Usual height, absorbance."""
        return median(self.heights.tolist())

    @cached_property
    def spread_nm(self) -> float:
        """Standard deviation of the positions, were it not for some that are far off."""
        return _SIGMA_PER_MEDIAN * median(np.abs(self.positions_nm - self.position_nm).tolist())

    @cached_property
    def width_ev(self) -> float:
        """Usual full width at half maximum; the sure ones count most."""
        weight = self._width_weight
        return math.exp(float(weight @ np.log(self.fwhm_ev)) / float(weight.sum()))

    @cached_property
    def width_err(self) -> float:
        """Relative error of :attr:`width_ev`: from the noise, or from how it scatters where that is more."""
        weight = self._width_weight
        square = float(weight @ np.log(self.fwhm_ev / self.width_ev) ** 2) / float(weight.sum())
        return math.sqrt(max(square / len(weight), 1 / float(weight.sum())))

    @cached_property
    def width_scatter(self) -> float:
        """Relative scatter of the widths, beyond what the noise explains."""
        off = np.log(self.fwhm_ev / self.width_ev)
        return math.sqrt(max(float(off @ off - self.fwhm_err @ self.fwhm_err) / len(off), 0.0))

    @cached_property
    def width_nm(self) -> float:
        """The same as :attr:`width_ev` in nm."""
        return self.width_ev * self.position_nm**2 / HC_EV_NM

    @cached_property
    def _width_weight(self) -> Array:
        return 1 / (self.fwhm_err**2 + _USUAL_WIDTH_ERROR**2)


def stands_or_moves(course: Course) -> tuple[float, float]:
    """Logarithms of the likelihoods that a band stands, and that it moves.

    What stands scatters as the fit does, or as its neighbours pull it about, or is pulled along a little as they
    move; now and then a neighbour is taken for it. What moves has a slope and a random walk besides.
    """
    t = course.steps - float(course.steps.sum()) / len(course.steps)
    walked = course.steps - course.steps[0]
    slope, walk = t[:, None] * t, np.minimum(walked[:, None], walked)
    pulled_along = _PULLED_ALONG_NM / float(walked[-1])
    residual = course.positions_nm - float(course.positions_nm.sum()) / len(t)
    along, *moving = [
        _log_likelihood(residual, slope * steep**2 + walk * wandering**2, course.variance_nm2 + scatter**2)
        for steep, wandering, scatter in ((pulled_along, 0.0, _FIXED_NM), *_MOTIONS)
    ]
    quiet, pulled = _stands(course, np.array([[_FIXED_NM], [_FIXED_NM + _PULLED * course.width_nm]]))
    return _mean_of([quiet, pulled, along]), _mean_of(moving)


def _mean_of(logarithms: list[float]) -> float:
    return log_sum(logarithms) - math.log(len(logarithms))


def log_sum(logarithms: list[float]) -> float:
    """Logarithm of the sum of what these are the logarithms of."""
    most = max(logarithms)
    return most + math.log(sum([math.exp(one - most) for one in logarithms]))


def _stands(course: Course, scatter_nm: Array) -> list[float]:
    """Likelihood for each of several scatters, shape (scatters, 1)."""
    variance = course.variance_nm2 + scatter_nm**2
    square = (course.positions_nm - course.position_nm) ** 2
    itself = math.log(1 - _STRAYS) - 0.5 * (square / variance + np.log(2 * math.pi * variance))
    stray = math.log(_STRAYS) - 0.5 * (square / _STRAY_NM**2 + math.log(2 * math.pi * _STRAY_NM**2))
    # The position is not known beforehand: that costs the ratio of what is known of it after and before.
    known_better = -0.5 * np.log(1 + _ANYWHERE_NM**2 * np.sum(1 / variance, axis=1))
    found: list[float] = (np.logaddexp(itself, stray).sum(axis=1) + known_better).tolist()
    return found


def follows(course: Course, first: Course) -> float | None:
    """Logarithm of the likelihood that a band keeps its distance in energy to a redder one; None if it cannot.

    Args:
        course: the band.
        first: the redder one, which must have been seen in every spectrum that shows the other.
    """
    redder = dict(zip(first.steps, first.positions_nm, strict=True))
    if not all(step in redder for step in course.steps):
        return None
    beside = np.array([redder[step] for step in course.steps])
    if np.any(course.positions_nm >= beside):
        return None
    distance = HC_EV_NM / course.positions_nm - HC_EV_NM / beside
    # Where the band would be if the distance were the same throughout; what is left is scatter.
    expected = HC_EV_NM / (HC_EV_NM / beside + float(distance.mean()))
    return _around(course.positions_nm - expected, course.variance_nm2 + _FOLLOWING_NM**2)


def _around(positions: Array, variance: Array) -> float:
    """Marginal likelihood of independent positions around an unknown level."""
    weight = 1 / variance
    spread = float(weight @ (positions - float(weight @ positions) / float(weight.sum())) ** 2)
    known_better = math.log(1 + _ANYWHERE_NM**2 * float(weight.sum()))
    return -0.5 * (spread + float(np.log(2 * math.pi * variance).sum()) + known_better)


def _log_likelihood(residual: Array, covariance: Array, variance: Array) -> float:
    """Marginal likelihood of positions around an unknown level.

    Args:
        residual: positions without their mean.
        covariance: of what they have in common, shape (positions, positions).
        variance: of what each has of its own.
    """
    covariance += _ANYWHERE_NM**2
    covariance.ravel()[:: len(residual) + 1] += variance
    factor, solved, _ = dposv(covariance, residual, lower=True)  # positive definite: its diagonal has errors
    determinant = 2 * float(np.log(factor.diagonal()).sum())
    return -0.5 * (float(residual @ solved) + determinant + len(residual) * _LOG_2_PI)
