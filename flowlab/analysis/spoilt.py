"""Spectra that show no sample: no light, a bubble in the cell, a lamp that is dimmed or flickers; and single spikes.

A sample takes light by wavelength, and to the red of its bands hardly any. What takes light at all wavelengths alike is
no solution: a bubble, which bends light out of the fibre (a few to 90 % of it), something that clouds the cell, or
the lamp. And what changes within one exposure does so far beyond the noise of counting, in all pixels at once.

The thresholds follow from that. A lamp that is well drifts by a few per cent in hours, reseated cells by 0.05; a
fifth of the light is neither. Scattering by particles falls with the first to fourth power of the wavelength, over the
reddest fifth of an axis by a tenth at least, the light of a bubble by next to nothing.
"""

import math

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Absorbance, Baseline, Counts
from flowlab.analysis.axis import Axis

Array = NDArray[np.float64]

#: Absorbance that everything gains: a fifth of the light is gone.
LEAST_LOSS = 0.1
#: Where a solution absorbs least, as a share of the axis, and how much of the loss may vary there.
_RED_SHARE, _FLAT = 0.2, 0.07
_RED_BLOCKS, _BLOCKS = 5, 20
#: Nowhere is less lost than this share of it.
_EVERYWHERE = 0.7
#: Of the loss, what more of the same sample does not explain.
_UNEXPLAINED = 0.5
_SURE = 4.0  # σ
#: Less light than this share is none, where it is so at all pixels but a few.
_NO_LIGHT_ABSORBANCE, _FEW_PIXELS = 2.0, 0.05
#: Absorbance gained at all pixels but a few from one spectrum to the next, however it looks.
_ALL_GONE = 1.0
#: A loss that stays for more spectra is the sample's or the baseline's, where no reference tells.
_LONGEST = 2
#: Standard error of the light that all pixels share, relative: one of ten scans lost a tenth of it.
_MOST_SCATTER = 0.01
#: Of the variance between scans, how much the pixels have each for themselves at most.
_OWN_SHARE = 0.5
#: The mean of eight scans of which one has all the light is its own error.
_SEEN_SIGMA = 0.8
#: Of so many pixels the brighter quarter is asked.
_ENOUGH = 128
#: As widely instruments smooth; and how much is needed to tell.
_SMOOTHED_NM, _MOST_PIXELS, _LEAST_BLOCKS = 3.0, 16, 30
_NORMAL = 1.4826  # σ of a normal distribution over its median absolute value
_SPIKE_SIGMA, _LIKE_A_SPIKE = 8.0, 0.5
_LN10 = math.log(10.0)

WHAT_DIMS = "a bubble or cloudiness in the cell, or the lamp is dimmed"


def no_steady_light(found: Absorbance, sample: Counts, baseline: Baseline, axis: Axis) -> str | None:
    """Why the light behind a sample is none, or not the same in all scans; None when it is there and steady.

    Args:
        found: what follows from the counts.
        sample: counts.
        baseline: reference and dark.
        axis: of all of them.
    """
    lit = int((found.usable & (found.value < _NO_LIGHT_ABSORBANCE)).sum())
    if lit > _FEW_PIXELS * int(baseline.usable.sum()):
        return flicker(found, axis)
    # Where scans differ much their errors make the light look like none.
    why, passed = None, sample.mean - baseline.dark.mean
    seen = baseline.usable & (passed > 0)
    if int((seen & (passed > _SEEN_SIGMA * sample.err)).sum()) > 0.5 * int(baseline.usable.sum()):
        passed = np.where(seen, passed, 1.0)
        value = np.where(seen, baseline.log_offered - np.log(passed), 0.0) / _LN10
        why = flicker(Absorbance(value, np.where(seen, sample.err / passed / _LN10, np.inf), seen), axis)
    return why or "no light comes through at any wavelength: the lamp is off, the shutter closed, or the cell opaque"


def flicker(found: Absorbance, axis: Axis) -> str | None:
    """Why the scans of a spectrum are not of the same; None when they scatter as counting does.

    Noise of counting is each pixel's own, and so it is seen from pixel to pixel; what comes and goes in all of them at
    once, as a bubble or the lamp's light, makes their errors larger and the spectrum no rougher.
    """
    sparse = found.err[:: max(1, len(found.err) // _ENOUGH)]
    sparse = sparse[np.isfinite(sparse)]
    bright = _LN10 * float(np.partition(sparse, len(sparse) // 4)[len(sparse) // 4]) if len(sparse) else 0.0
    if bright < _MOST_SCATTER:
        return None
    own = _own_noise(found, axis.pixel_nm)
    shared = bright * math.sqrt(max(1 - own, 0.0))
    if own > _OWN_SHARE or shared < _MOST_SCATTER:
        return None
    return (
        f"its scans differ in all pixels at once, by {100 * shared:.1f} % in their mean: "
        "a bubble passed the cell, or the lamp flickers"
    )


def _own_noise(found: Absorbance, step_nm: float) -> float:
    """Of the variance that the errors tell, how much is seen between pixels, or averages over 3 nm: some smooth theirs.

    From fourth differences, which do not see what varies slowly; their median, as bands are few.
    """
    shares: list[float] = []
    for pixels in {1, max(1, min(round(_SMOOTHED_NM / step_nm), _MOST_PIXELS))}:
        blocks = len(found.value) // pixels
        if blocks < _LEAST_BLOCKS:
            continue
        usable = found.usable[: blocks * pixels].reshape(blocks, pixels).all(axis=1)
        value, err = _means(found.value, blocks), _means(np.where(found.usable, found.err, 0.0), blocks)
        rough = value[:-4] - 4 * value[1:-3] + 6 * value[2:-2] - 4 * value[3:-1] + value[4:]
        whole = np.convolve(usable, np.ones(5), mode="valid") == 5
        if whole.any():
            err = np.maximum(err[2:-2][whole], 1e-12)
            sigma = np.abs(rough[whole]) / (err * math.sqrt(70 / pixels))  # 70 = 1 + 16 + 36 + 16 + 1
            shares.append((_NORMAL * float(np.median(sigma))) ** 2)
    return max(shares, default=1.0)


class Light:
    """Follows how much light comes through a cell, from spectrum to spectrum.

    Args:
        axis: of the spectra.
        against_reference: whether an absorbance of 0 is known to be that of the solvent.
    """

    def __init__(self, axis: Axis, *, against_reference: bool):
        self._axis = axis
        self._against_reference = against_reference
        self._before: Absorbance | None = None
        self._lost = 0

    def renew(self) -> None:
        """There is a new reference: what was before is not comparable."""
        self._before, self._lost = None, 0

    def why_spoilt(self, found: Absorbance) -> str | None:
        """Why the next spectrum shows too little light; None when it does not."""
        if self._against_reference and (loss := grey_loss(found, None, self._axis)) is not None:
            return f"{_share(loss)} of the reference's light is lost at all wavelengths alike: {WHAT_DIMS}"
        why = self._since_before(found)
        if why is not None and self._lost < _LONGEST:
            self._lost += 1
            return why
        self._before, self._lost = found, 0
        return None

    def _since_before(self, found: Absorbance) -> str | None:
        if self._before is None:
            return None
        both = found.usable & self._before.usable
        gained = (found.value - self._before.value)[both]
        # The quantile takes longer than all else here, and is not worth it while the mean is low.
        if gained.sum() > 0.5 * _ALL_GONE * len(gained) and float(np.quantile(gained, _FEW_PIXELS)) > _ALL_GONE:
            return (
                "the light of the spectrum before it is gone at all wavelengths: the lamp is off, or the cell blocked"
            )
        loss = grey_loss(found, self._before, self._axis)
        if loss is None:
            return None
        return f"{_share(loss)} of the light of the spectrum before it is lost at all wavelengths alike: {WHAT_DIMS}"


def _share(absorbance: float) -> str:
    return f"{100 * (1 - 10.0**-absorbance):.0f} %"


def grey_loss(found: Absorbance, before: Absorbance | None, axis: Axis) -> float | None:
    """Absorbance that is gained at all wavelengths alike; None when it is less than 0.1, or not alike.

    Args:
        found: a spectrum.
        before: one before it, which may be of less of the same sample; None for the reference itself.
        axis: of both.
    """
    usable = found.usable if before is None else found.usable & before.usable
    known = np.flatnonzero(usable)
    if len(known) < 2 * _BLOCKS:
        return None
    first_nm, last_nm = (float(axis.wavelength_nm[i]) for i in (known[0], known[-1]))
    red = int(np.searchsorted(axis.wavelength_nm[known], last_nm - _RED_SHARE * (last_nm - first_nm)))
    gained = found.value[known] if before is None else found.value[known] - before.value[known]
    loss = float(gained[red:].mean())
    if loss < LEAST_LOSS or len(gained) - red < 2 * _RED_BLOCKS:
        return None
    variance = found.err[known] ** 2 + (0.0 if before is None else before.err[known] ** 2)
    noise = _SURE * float(np.sqrt(variance[red:].mean() * _RED_BLOCKS / (len(gained) - red)))
    blocks = _means(gained[red:], _RED_BLOCKS)
    if noise > 0.5 * loss or float(np.ptp(blocks)) > _FLAT * loss + noise:
        return None
    # Nor is the spectrum anywhere clearer than what was clearest before, dimmed.
    clear = 0.0 if before is None else float(before.value[known[red:]].mean())
    least = float(_means(found.value[known], _BLOCKS).min()) - clear
    if least < _EVERYWHERE * loss - _SURE * float(np.sqrt(variance.mean() * _BLOCKS / len(gained))):
        return None
    if before is not None and _beyond_dilution(gained, before.value[known], variance) < _UNEXPLAINED * loss:
        return None
    return loss


def _beyond_dilution(gained: Array, before: Array, variance: Array) -> float:
    """Offset of what is gained when some of it is more of the same sample: gained = offset + share·before."""
    around = before - before.mean()
    share = float(around @ gained) / float(around @ around + variance.sum())
    return float(gained.mean()) - share * float(before.mean())


def _means(value: Array, blocks: int) -> Array:
    """Of so many equal parts."""
    size = len(value) // blocks
    return value[: size * blocks].reshape(blocks, size).mean(axis=1)


def without_spikes(found: Absorbance) -> Absorbance:
    """A spectrum without the spikes of cosmic rays and unsteady pixels, which are one or two pixels wide.

    A spike stands as high above the pixels beside it as above those farther away; a line of the lamp does not.
    """
    value, least = found.value, _SPIKE_SIGMA * math.sqrt(1.5) * found.err
    if not (np.abs(value[1:] - value[:-1]) > np.minimum(least[1:], least[:-1])).any():
        return found
    windows: list[tuple[float, int, int]] = []
    for width in (1, 2):
        above = _above(value, width, 1)
        high = np.flatnonzero(np.abs(above) > least[1 : 1 + len(above)]) + 1
        windows += [(-abs(float(above[i - 1])), width, int(i)) for i in high]
    value = value.copy()
    # What is beside a spike looks like one upside down, half as high, until the spike is gone.
    for _, width, i in sorted(windows):
        begin, end = i - 2, i + width + 2
        if begin < 0 or end > len(value) or not found.usable[begin:end].all():
            continue
        around = value[begin:end]
        near, far = float(_above(around, width, 1)[1]), float(_above(around, width, 2)[0])
        if abs(near) > least[i] and abs(far - near) < _LIKE_A_SPIKE * abs(near):
            value[i : i + width] = np.interp(range(i, i + width), (i - 1, i + width), (value[i - 1], value[i + width]))
    return Absorbance(value, found.err, found.usable)


def _above(value: Array, width: int, away: int) -> Array:
    """How high so many pixels stand above the mean of the two that are so far away from them, first to last."""
    count = max(len(value) - width - 2 * away + 1, 0)
    middle = sum(value[away + k : away + k + count] for k in range(width)) / width
    return middle - 0.5 * (value[:count] + value[width + 2 * away - 1 : width + 2 * away - 1 + count])
