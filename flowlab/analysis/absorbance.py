"""Raw counts to absorbance, with uncertainty, and which pixels can be trusted."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

Array = NDArray[np.float64]

#: Light above the dark level must exceed its uncertainty by this factor for a pixel to be used.
_LEAST_SIGNAL = 5.0
#: Absorbance below zero that a drifting lamp does not make, and the share of the pixels that must show it.
_LEAST_NEGATIVE, _NEGATIVE_SHARE = 0.02, 0.03
_LN10 = float(np.log(10.0))
#: Errors are averaged over so many pixels.
_WINDOW = 31
#: Scans of a pixel that was hit have so many times the variance of those around; nothing less is looked at closely.
_HIT, _PERHAPS_HIT = 20.0, 5.0


@dataclass(frozen=True)
class Counts:
    """A spectrum of raw counts.

    Attributes:
        mean: counts of each pixel, shape (pixels,).
        err: standard error of the mean, same shape.
    """

    mean: Array
    err: Array


@dataclass(frozen=True)
class Absorbance:
    """Decadic absorbance.

    Attributes:
        value: shape (pixels,); 0 where not usable.
        err: one sigma, same shape; inf where not usable.
        usable: pixels with enough light in reference and sample.
    """

    value: Array
    err: Array
    usable: NDArray[np.bool_]


def smooth_errors(err: Array, window: int = _WINDOW) -> Array:
    """Errors estimated from a few scans, averaged over neighbours: noise varies slowly along the spectrum."""
    if len(err) <= window:
        return np.full(len(err), np.sqrt(np.mean(err**2)))
    return np.sqrt(uniform_filter1d(err**2, window, mode="mirror"))


def tidy(counts: Counts) -> Counts:
    """Counts with :func:`smooth_errors`; that of a pixel which a cosmic ray hit in one scan is not shared around."""
    err = smooth_errors(counts.err)
    square = counts.err**2
    if len(err) > _WINDOW and (square > _PERHAPS_HIT * err**2).any():
        # Of logarithms, which few high ones hardly change.
        usual = np.exp(uniform_filter1d(np.log(square + 1e-3 * square.mean()), _WINDOW, mode="mirror"))
        hit = square > _HIT * usual
        others = uniform_filter1d((~hit).astype(float), _WINDOW, mode="mirror")
        rest = uniform_filter1d(np.where(hit, 0.0, square), _WINDOW, mode="mirror")
        err = np.sqrt(rest / np.maximum(others, 1 / _WINDOW))
    return Counts(counts.mean, err)


class Baseline:
    """Reference and dark spectrum, made ready once for the many spectra that are measured against them.

    Args:
        reference: with pure solvent in the cell.
        dark: with the shutter closed.
    """

    def __init__(self, reference: Counts, dark: Counts):
        self.dark = dark
        offered = reference.mean - dark.mean
        self.usable = offered > _LEAST_SIGNAL * np.hypot(reference.err, dark.err)
        offered = np.where(self.usable, offered, 1.0)
        self.log_offered = np.log(offered)
        self.reciprocal = 1 / offered
        self.relative_variance = (reference.err / offered) ** 2
        self.dark_variance = dark.err**2

    @property
    def light(self) -> Absorbance:
        """The reference's light above the dark level on the scale of an absorbance, but for a constant."""
        value = np.where(self.usable, -self.log_offered / _LN10, 0.0)
        err = np.where(self.usable, np.sqrt(self.relative_variance) / _LN10, np.inf)
        return Absorbance(value, err, self.usable)


def is_negative(found: Absorbance, judged: NDArray[np.bool_]) -> bool:
    """Whether more light came through the sample than through the reference, beyond noise and drift of the lamp.

    Then the reference was no blank: something absorbed in the cell when it was taken.

    Args:
        found: against the reference.
        judged: pixels that are asked, where bands are looked for: what a reaction uses up absorbs in the ultraviolet.
    """
    seen = found.usable & judged
    below = seen & (found.value < -np.maximum(_LEAST_NEGATIVE, _LEAST_SIGNAL * found.err))
    return int(below.sum()) > _NEGATIVE_SHARE * int(seen.sum())


def absorbance(sample: Counts, baseline: Baseline) -> Absorbance:
    """A = −log10((S − D)/(R − D)).

    Errors of sample, reference and dark are propagated; those of reference and dark are the same in every
    spectrum of a scan, which is not expressed.

    Args:
        sample: with the sample in the cell.
        baseline: reference and dark.
    """
    passed = sample.mean - baseline.dark.mean
    variance = sample.err**2
    usable = baseline.usable & (passed > 0)
    usable &= passed * passed > _LEAST_SIGNAL**2 * (variance + baseline.dark_variance)
    passed = np.where(usable, passed, 1.0)
    reciprocal = 1 / passed
    # σ_A² = ((σ_S/(S−D))² + (σ_R/(R−D))² + σ_D²·(1/(S−D) − 1/(R−D))²)/ln²10: the dark is in both
    shared = reciprocal - baseline.reciprocal
    relative = variance * reciprocal * reciprocal + baseline.relative_variance
    relative += baseline.dark_variance * shared * shared
    value = (baseline.log_offered - np.log(passed)) * (1 / _LN10)
    err = np.sqrt(relative) * (1 / _LN10)
    if not usable.all():
        value[~usable], err[~usable] = 0.0, np.inf
    return Absorbance(value, err, usable)


def total_absorbance(spectrum: Absorbance) -> float:
    """Mean absorbance of the usable pixels: how much light the sample takes in all; nan when there is none."""
    return float(spectrum.value[spectrum.usable].mean()) if spectrum.usable.any() else math.nan
