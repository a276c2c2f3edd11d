"""Lines: what is narrower in a spectrum than any band of a cluster or a crystal, and is the instrument's.

Lamps and stray light leave them, upright, upside down, or as a wiggle where a line of the lamp is misplaced between
reference and sample. They are found by a sharp curvature that a blunt one does not show, described by a few
Hermite functions on a smooth polynomial, and taken away before bands are looked for.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import HC_EV_NM, Axis

Array = NDArray[np.float64]

#: σ of the kernels that see lines well, and hardly.
_SHARP_NM, _BLUNT_NM = 1.7, 4.0
#: A line's sharp curvature is so many times its blunt one: full width below 7 nm. In the ultraviolet, where a cluster's
#: band of 0.08 eV is as narrow, it is more times, so that a line is narrower than this.
_RATIO, _WIDEST_EV = 3.1, 0.07
_THRESHOLD_SIGMA = 6.0
#: Extrema so close are of one line.
_SAME_NM = 8.0
_REACH_NM = 11.0
_WIDTHS_NM = (0.8, 1.5, 2.6)  # σ of the functions that describe a line
_DEGREE = 4
_MOST_LINES = 8
#: Wider pixels do not show lines.
_WIDEST_PIXEL_NM = 1.2


@dataclass(frozen=True)
class Line:
    """A line that stands upright.

    Attributes:
        wavelength_nm: of its highest pixel.
        fwhm_nm: full width at half maximum.
        height: absorbance.
        height_err: one sigma, from the noise.
        snr: of its sharp curvature.
    """

    wavelength_nm: float
    fwhm_nm: float
    height: float
    height_err: float
    snr: float


def take_lines(spectrum: Absorbance, axis: Axis) -> tuple[Array, list[Line]]:
    """Find the lines of a spectrum.

    Args:
        spectrum: absorbance with errors.
        axis: its wavelengths.

    Returns:
        The absorbance without them, shape (pixels,), and those that stand upright.
    """
    value, wavelength = spectrum.value, axis.wavelength_nm
    pixel_nm = axis.pixel_nm
    sharp, blunt = _kernel(_SHARP_NM / pixel_nm), _kernel(_BLUNT_NM / pixel_nm)
    if pixel_nm > _WIDEST_PIXEL_NM or len(value) <= len(blunt):
        return value, []
    curvature = np.correlate(value, sharp, mode="same")
    half, most = len(sharp) // 2, len(blunt) // 2
    beside = round(_BLUNT_NM / pixel_nm)
    # Where the threshold for the quietest pixels is not passed, nothing has to be looked at closely.
    noise = float(np.sqrt(np.sum(sharp**2))) * spectrum.err
    size, begin = np.abs(curvature), max(half, 1)
    inner = slice(begin, len(value) - begin)
    high = begin + np.flatnonzero(size[inner] > _THRESHOLD_SIGMA * noise[inner])
    peaks = high[(size[high] >= size[high - 1]) & (size[high] > size[high + 1])]
    reach = most + beside
    at = [int(i) for i in peaks if reach <= i < len(value) - reach and spectrum.usable[i - reach : i + reach + 1].all()]

    def is_line(i: int) -> bool:
        ratio = _ratio(float(wavelength[i]))
        return all(
            size[i] > ratio * abs(float(blunt @ value[j - most : j + most + 1])) for j in (i, i - beside, i + beside)
        )

    at = [i for i in at if is_line(i)]
    if not at:
        return value, []
    value, lines = value.copy(), list[Line]()
    groups = np.split(at, np.flatnonzero(np.diff(wavelength[at]) > _SAME_NM) + 1)
    for group in sorted(groups, key=lambda group: -float(size[group].max()))[:_MOST_LINES]:
        window, line = _line(value, wavelength, group)
        value[window] -= line
        top = int(np.argmax(line))
        if line[top] < 0.3 * np.abs(line).max():
            continue  # upside down: no band, and no line that could be taken for one
        pixels = np.flatnonzero(line > 0.5 * line[top])
        fwhm = float(wavelength[window][pixels[-1]] - wavelength[window][pixels[0]]) + pixel_nm
        err = float(spectrum.err[window][top]) * float(np.sqrt(pixel_nm / fwhm))
        snr = float((size[group] / noise[group]).max())
        lines.append(Line(float(wavelength[window][top]), fwhm, float(line[top]), err, snr))
    return value, lines


def _ratio(wavelength_nm: float) -> float:
    """How many times its blunt curvature the sharp one of a line is at least."""
    square = (_WIDEST_EV * wavelength_nm**2 / HC_EV_NM) ** 2 / (8 * math.log(2))  # σ² of a Gaussian so wide
    return max(_RATIO, ((square + _BLUNT_NM**2) / (square + _SHARP_NM**2)) ** 1.5)


def _line(value: Array, wavelength: Array, group: NDArray[np.intp]) -> tuple[slice, Array]:
    """Where a line is, and its shape: what of the pixels there needs narrow functions to be described."""
    low, high = wavelength[group[0]], wavelength[group[-1]]
    begin, end = np.searchsorted(wavelength, [low - _REACH_NM, high + _REACH_NM])
    x = wavelength[begin:end] - 0.5 * (low + high)
    smooth = np.vander(x / np.abs(x).max(), _DEGREE + 1)
    narrow: list[Array] = []
    for width in _WIDTHS_NM:
        u = x / width
        gauss = np.exp(-0.5 * u * u)
        narrow += [gauss, u * gauss, (u * u - 1) * gauss]
    functions = np.column_stack([smooth, *narrow])
    # A little damping: functions of neighbouring widths are much alike.
    damping = np.diag([0.0] * smooth.shape[1] + [0.03 * len(x) ** 0.5] * len(narrow))
    weights: Array = np.linalg.inv(functions.T @ functions + damping + 1e-9 * np.eye(len(damping))) @ (
        functions.T @ value[begin:end]
    )
    return slice(int(begin), int(end)), functions[:, smooth.shape[1] :] @ weights[smooth.shape[1] :]


@cache
def _kernel(sigma: float) -> Array:
    """Second derivative of a Gaussian of so many pixels; blind to a slope and an offset."""
    half = max(3, int(4 * sigma + 0.5))
    x = np.arange(-half, half + 1) / sigma
    gauss = np.exp(-0.5 * x * x)
    kernel = (1 - x * x) * gauss
    kernel -= gauss * kernel.sum() / gauss.sum()
    return kernel / (gauss.sum() * sigma**2)
