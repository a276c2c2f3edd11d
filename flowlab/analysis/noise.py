"""Noise of a spectrum from the spectrum itself, where nobody kept the counts.

Fourth differences of averages over m pixels do not see what varies slowly; what they see is noise, at the scale of m
pixels. The scales go from one pixel to the width of the narrowest band: instruments smooth (boxcar, Savitzky–Golay),
exports round and interpolate, and then neighbours share their noise; a single pixel shows little of it, yet it is as
high as ever at the scale of a band. The largest value of all scales counts, as the noise that independent pixels
would have with the same effect on a band. The scatter is taken as a median: bands are few, noise is everywhere.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: The widest averages: half of the smoothing with which bands are looked for.
_WIDEST_NM = 3.0
_MOST_PIXELS = 16
_BLOCKS, _LEAST_IN_BLOCK = 10, 60
_NORMAL = 1.4826  # σ of a normal distribution over its median absolute value
_FOURTH = np.sqrt(70.0)  # √(1 + 16 + 36 + 16 + 1)
#: Below this share of the range of the values nothing is known of a spectrum: no instrument is better.
_FLOOR = 1e-4
#: Pixels that a bridge spans, and from the first of the four that bear it to the last.
_LONGEST_BRIDGE, _FARTHEST_PIER = 3, 12
_LEAST_CEILING, _CEILING_PIXELS = 2.0, 5


def estimated_noise(value: Array, known: NDArray[np.bool_], step_nm: float) -> Array:
    """One sigma of each pixel, shape (pixels,).

    Args:
        value: absorbance, finite everywhere.
        known: pixels that were measured; others are not asked.
        step_nm: usual distance of pixels.
    """
    scale = _quantum(value[known])
    if known.any():
        scale = max(scale, _FLOOR * float(np.quantile(value[known], 0.98) - np.quantile(value[known], 0.02)))
    noise = np.full(len(value), max(scale, np.finfo(float).tiny))
    most = int(np.clip(round(_WIDEST_NM / step_nm), 1, _MOST_PIXELS))
    for pixels in sorted({1, 3, max(3, round(0.6 * most)), max(3, most)}):
        if len(value) > 5 * pixels + _LEAST_IN_BLOCK // 2:
            noise = np.maximum(noise, _at_scale(value, known, pixels))
    return noise


def _at_scale(value: Array, known: NDArray[np.bool_], pixels: int) -> Array:
    average = _averages(value, pixels)
    whole = _averages(known.astype(float), pixels) > 1 - 0.5 / pixels
    reach = 4 * pixels
    difference = np.zeros(len(average) - reach)
    usable = np.ones(len(difference), dtype=bool)
    for i, factor in enumerate((1, -4, 6, -4, 1)):
        part = slice(i * pixels, len(average) - reach + i * pixels)
        difference += factor * average[part]
        usable &= whole[part]
    centre = np.arange(len(difference)) + 0.5 * (reach + pixels - 1)
    blocks = int(np.clip(len(difference) // (2 * _LEAST_IN_BLOCK), 1, _BLOCKS))
    places, levels = list[float](), list[float]()
    for block in np.array_split(np.arange(len(difference)), blocks):
        block = block[usable[block]]
        if len(block) >= _LEAST_IN_BLOCK // 3:
            places.append(float(centre[block].mean()))
            levels.append(_NORMAL * float(np.median(np.abs(difference[block]))) * float(np.sqrt(pixels)) / _FOURTH)
    return np.interp(np.arange(len(value)), places, levels) if places else np.zeros(len(value))


def _averages(value: Array, pixels: int) -> Array:
    """Of so many pixels from each on."""
    total = np.concatenate([[0.0], np.cumsum(value)])
    return (total[pixels:] - total[:-pixels]) / pixels


def _quantum(value: Array) -> float:
    """Noise of rounding: the smallest step between values, over √12, where there are few different ones."""
    different = np.unique(value)
    if len(different) < 2 or len(different) > 0.5 * len(value):
        return 0.0
    return float(np.min(np.diff(different))) / np.sqrt(12)


def bridged(value: Array) -> tuple[Array, NDArray[np.bool_]]:
    """A spectrum without holes, and which of its pixels can be used.

    Holes of up to three pixels are filled by a cubic through the two nearest pixels on either side, and can be used;
    wider ones by a straight line, and cannot. A ceiling, the highest value over and over, is a hole: there the
    spectrometer saw no light.
    """
    known = np.isfinite(value) & ~_ceiling(value)
    place = np.flatnonzero(known)
    if len(place) < 2:
        return np.zeros(len(value)), np.zeros(len(value), dtype=bool)
    filled = np.interp(np.arange(len(value)), place, value[place])
    usable = known.copy()
    for number in np.flatnonzero(np.diff(place) > 1):
        before, after = int(place[number]), int(place[number + 1])
        around = place[max(number - 1, 0) : number + 3]
        reach = around[-1] - around[0] if len(around) == 4 else np.inf
        if after - before - 1 > _LONGEST_BRIDGE or reach > _FARTHEST_PIER:
            continue
        cubic = np.polyfit(around - before, value[around], 3)
        hole = slice(before + 1, after)
        filled[hole] = np.polyval(cubic, np.arange(1.0, float(after - before)))
        usable[hole] = True
    return filled, usable


def _ceiling(value: Array) -> NDArray[np.bool_]:
    highest = float(np.nanmax(value)) if np.isfinite(value).any() else 0.0
    at = value == highest
    clipped = highest >= _LEAST_CEILING and int(at.sum()) >= _CEILING_PIXELS
    return at if clipped else np.zeros(len(value), dtype=bool)
