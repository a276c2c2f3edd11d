"""Raw counts to absorbance, with uncertainty, and which pixels can be trusted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Light above the dark level must exceed its uncertainty by this factor for a pixel to be used.
_LEAST_SIGNAL = 5.0
_LN10 = float(np.log(10.0))


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


def smooth_errors(err: Array, window: int = 31) -> Array:
    """Errors estimated from a few scans, averaged over neighbours: noise varies slowly along the spectrum."""
    if len(err) <= window:
        return np.full(len(err), np.sqrt(np.mean(err**2)))
    padded = np.pad(err**2, window // 2, mode="reflect")
    return np.sqrt(np.convolve(padded, np.full(window, 1 / window), mode="valid"))


def absorbance(sample: Counts, reference: Counts, dark: Counts) -> Absorbance:
    """A = −log10((S − D)/(R − D)).

    Errors of sample, reference and dark are propagated; those of reference and dark are the same in every
    spectrum of a scan, which is not expressed.

    Args:
        sample: with the sample in the cell.
        reference: with pure solvent in the cell.
        dark: with the shutter closed.
    """
    passed, offered = sample.mean - dark.mean, reference.mean - dark.mean
    passed_err = np.hypot(sample.err, dark.err)
    offered_err = np.hypot(reference.err, dark.err)
    usable = (passed > _LEAST_SIGNAL * passed_err) & (offered > _LEAST_SIGNAL * offered_err)
    passed, offered = np.where(usable, passed, 1.0), np.where(usable, offered, 1.0)
    value = -np.log10(passed / offered)
    # σ_A² = ((σ_S/(S−D))² + (σ_R/(R−D))²)/ln²10, and the dark error that both share
    shared = dark.err * (1 / passed - 1 / offered)
    err = np.sqrt((sample.err / passed) ** 2 + (reference.err / offered) ** 2 + shared**2) / _LN10
    return Absorbance(np.where(usable, value, 0.0), np.where(usable, err, np.inf), usable)
