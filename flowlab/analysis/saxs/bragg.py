"""Bragg peaks on a decaying background: found and measured, with errors.

Around each q a Gaussian on a quadratic background is fitted, linearly in its height, for a ladder of widths; gaps
have no weight. A peak is where that height has a maximum above five times its error (the rule of features.py), and
where the background's misfit is counted into the error: a steep decay is no peak. What is found is then fitted in
position, height and width.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from flowlab.analysis.saxs.curve import Array, Curve

THRESHOLD_SIGMA = 5.0
#: A broader maximum than this share of its q is no Bragg peak (structure between particles, form factors).
WIDEST_RELATIVE_FWHM = 0.15
_FWHM = float(2 * np.sqrt(2 * np.log(2)))
_REACH = 4.0  # a fit sees so many σ on either side
_LADDER = 1.5  # from one width to the next
_FEWEST_BINS = 8
_MOST_PEAKS = 16
#: Of the search for centre (in first widths) and ln of the width: steps, longest, how far in all, least gain in χ².
_MOST_STEPS, _LONGEST_STEP, _FARTHEST, _LEAST_GAIN = 40, 0.5, 3.0, 1e-3


@dataclass(frozen=True)
class BraggPeak:
    """A peak.

    Attributes:
        q_per_nm: of its centre.
        q_err_per_nm: one sigma.
        fwhm_per_nm: full width at half maximum.
        height: above the background, in the curve's unit.
        height_err: one sigma.
        snr: height over its error at the width that shows it best.
    """

    q_per_nm: float
    q_err_per_nm: float
    fwhm_per_nm: float
    height: float
    height_err: float
    snr: float


def find_peaks(curve: Curve, widest_per_nm: float = np.inf) -> list[BraggPeak]:
    """Peaks of a curve, by rising q; of more than 16 those that stand out most.

    Args:
        curve: bins of equal width; unusable ones are left out.
        widest_per_nm: greatest FWHM that is looked for, besides the limit of 15 % of q.
    """
    usable = curve.usable
    if usable.sum() < _FEWEST_BINS:
        return []
    candidates = _candidates(curve, widest_per_nm)
    found: list[BraggPeak] = []
    for snr, q, sigma in sorted(candidates, reverse=True):
        if len(found) == _MOST_PEAKS:
            break
        if any(abs(q - other.q_per_nm) < max(other.fwhm_per_nm, _FWHM * sigma) for other in found):
            continue
        peak = _fitted(curve, q, sigma, snr)
        # The fit may have slid onto a peak that is known already.
        if peak is not None and all(abs(peak.q_per_nm - other.q_per_nm) > other.fwhm_per_nm for other in found):
            found.append(peak)
    return sorted(found, key=lambda peak: peak.q_per_nm)


def _candidates(curve: Curve, widest_per_nm: float) -> list[tuple[float, float, float]]:
    """(height over error, q, σ) of each local maximum above the threshold, at every width of the ladder."""
    q = curve.q_per_nm
    step = float(np.median(np.diff(q)))
    sigma, found = 1.2 * step, list[tuple[float, float, float]]()
    while _FWHM * sigma < min(WIDEST_RELATIVE_FWHM * q[-1], widest_per_nm):
        snr = local_snr(curve, sigma)
        snr[_FWHM * sigma > WIDEST_RELATIVE_FWHM * q] = np.nan
        y = np.nan_to_num(snr, nan=-np.inf)
        top = np.flatnonzero((y[1:-1] >= y[:-2]) & (y[1:-1] > y[2:]) & (y[1:-1] > THRESHOLD_SIGMA)) + 1
        found += [(float(y[i]), float(q[i]), sigma) for i in top]
        sigma *= _LADDER
    return found


def local_snr(curve: Curve, sigma_per_nm: float) -> Array:
    """Height over error of a Gaussian of this σ on a quadratic background, centred on each bin; shape (bins,).

    nan where too few bins are near, or where they lie on one side only.
    """
    step = float(np.median(np.diff(curve.q_per_nm)))
    half = max(4, round(_REACH * sigma_per_nm / step))
    x = np.arange(-half, half + 1) / half
    gauss = np.exp(-0.5 * (x * half * step / sigma_per_nm) ** 2)
    basis = np.stack([np.ones_like(x), x, x * x, gauss])
    usable = curve.usable
    weight = np.where(usable, 1 / np.where(usable, curve.err, 1.0) ** 2, 0.0)
    y = np.where(usable, curve.intensity, 0.0)

    def summed(values: Array, kernel: Array) -> Array:
        return np.convolve(values, kernel[::-1], mode="full")[half : half + len(values)]

    normal = np.empty((len(y), 4, 4))
    right = np.empty((len(y), 4))
    for i in range(4):
        right[:, i] = summed(weight * y, basis[i])
        for j in range(i, 4):
            normal[:, i, j] = normal[:, j, i] = summed(weight, basis[i] * basis[j])
    ones = np.ones_like(x)
    near, squares = summed(usable.astype(float), ones), summed(weight * y * y, ones)
    left = summed(usable.astype(float), np.where(x < 0, ones, 0.0))
    # two thirds of the bins that there would be, and some on both flanks
    able = (near > max(_FEWEST_BINS - 1, 4 * half / 3)) & (left > half / 3) & (near - left > half / 3)
    snr = np.full(len(y), np.nan)
    if not able.any():
        return snr
    scale = np.sqrt(np.einsum("nii->ni", normal[able]))
    scaled = normal[able] / (scale[:, :, None] * scale[:, None, :])
    inverse = np.asarray(np.linalg.inv(scaled + 1e-13 * np.eye(4)), dtype=np.float64)
    covariance = inverse / (scale[:, :, None] * scale[:, None, :])
    solved = np.einsum("nij,nj->ni", covariance, right[able])
    chi2 = squares[able] - np.einsum("ni,ni->n", solved, right[able])
    # What the background cannot follow is counted as noise: σ² of the height times the reduced χ².
    misfit = np.maximum(chi2 / np.maximum(near[able] - 4, 1.0), 1.0)
    snr[able] = solved[:, 3] / np.sqrt(covariance[:, 3, 3] * misfit)
    return snr


def _fitted(curve: Curve, q: float, sigma: float, snr: float) -> BraggPeak | None:
    """The peak near q; None where no peak of a possible width is there."""
    fit = _fitted_once(curve, q, sigma)
    if fit is not None:  # once more with the window of the width found
        fit = _fitted_once(curve, fit[0][0], fit[0][1])
    if fit is None:
        return None
    (q, sigma, height), (q_err, _, height_err) = fit
    if height < THRESHOLD_SIGMA * height_err:
        return None
    return BraggPeak(q, q_err, _FWHM * sigma, height, height_err, snr)


_Gaussian = tuple[tuple[float, float, float], tuple[float, float, float]]


def _fitted_once(curve: Curve, q: float, sigma: float) -> _Gaussian | None:
    near = curve.between(q - _REACH * sigma, q + _REACH * sigma)
    if len(near.q_per_nm) < _FEWEST_BINS:
        return None
    fit = fit_gaussian(near, q, sigma)
    if fit is None:
        return None
    q, sigma, _ = fit[0]
    inside = near.q_per_nm[0] < q < near.q_per_nm[-1] and 0 < _FWHM * sigma < WIDEST_RELATIVE_FWHM * q
    return fit if inside else None


def fit_gaussian(near: Curve, q: float, sigma: float) -> _Gaussian | None:
    """Centre, σ and height of a Gaussian on a quadratic background, with their errors; None where there is none.

    Height and background enter linearly and are eliminated: only centre and width are searched.
    """
    x0, width = q, sigma
    inverse = 1 / near.err
    x = (near.q_per_nm - x0) / width
    background = np.stack([np.ones_like(x), x, x * x], axis=1) * inverse[:, None]
    # Without its background every column is orthogonal to it: what is left is fitted by the peak alone.
    frame = cast("tuple[Array, Array]", np.linalg.qr(background))[0]

    def rid(column: Array) -> Array:
        return column - frame @ (frame.T @ column)

    y = rid(near.intensity * inverse)

    def at(p: Array) -> tuple[float, float, Array, Array, Array]:
        """χ², height, column of the peak, residuals, and derivatives by centre and ln σ of the fit."""
        z = (x - p[0]) / np.exp(p[1])
        bell = np.exp(-0.5 * z * z) * inverse
        column = rid(bell)
        top = float(column @ y / max(float(column @ column), 1e-300))
        rest = y - top * column
        slopes = np.stack([rid(top * bell * z / np.exp(p[1])), rid(top * bell * z * z)])
        return float(rest @ rest), top, column, rest, slopes

    place, damping = np.zeros(2), 1e-3
    state = at(place)
    for _ in range(_MOST_STEPS):
        chi2, top, column, rest, slopes = state
        norm2 = max(float(column @ column), 1e-300)
        jacobian = slopes - np.outer(slopes @ column, column) / norm2
        hessian, gradient = jacobian @ jacobian.T, jacobian @ rest
        try:
            step = np.linalg.solve(hessian + np.diag(damping * np.diag(hessian) + 1e-300), gradient)
        except np.linalg.LinAlgError:  # nothing here depends on centre and width
            return None
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        tried = np.clip(place + step, -_FARTHEST, _FARTHEST)
        if float((tried - place) @ gradient) < _LEAST_GAIN:
            break
        new = at(tried)
        if new[0] < chi2:
            place, state, damping = tried, new, damping * 0.1
        else:
            damping *= 10
    chi2, top, column, _, slopes = state
    if top <= 0:
        return None
    # Errors of all three from the full Jacobian: centre, ln σ, height.
    jacobian = np.stack([*slopes, column], axis=1)
    scatter = max(chi2 / max(len(y) - 6, 1), 1.0)
    try:
        covariance = np.linalg.inv(jacobian.T @ jacobian) * scatter
    except np.linalg.LinAlgError:
        return None
    variances = np.diag(covariance)
    if not np.all(variances >= 0):  # rounding has the better of a matrix that can hardly be inverted
        return None
    errors = np.sqrt(variances)
    found_sigma = width * float(np.exp(place[1]))
    return (
        (x0 + width * float(place[0]), found_sigma, top),
        (width * float(errors[0]), found_sigma * float(errors[1]), float(errors[2])),
    )
