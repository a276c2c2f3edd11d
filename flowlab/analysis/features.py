"""Bands in an absorption spectrum: found and measured by smoothed derivatives.

A band is found where −d²A/dλ² has a maximum higher than five times its own uncertainty (a threshold on
height, not on prominence). A Gaussian band of σ and height h, smoothed by a Gaussian of σ_k, has with
s² = σ² + σ_k² at its centre

    −d² = h·σ/s³,   d⁴ = 3·h·σ/s⁵,   and d³ = 0,

so that position, width and height follow from three derivatives, shoulders included, and their errors
from those of the derivatives. What varies slowly underneath does not matter.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import HC_EV_NM, SMOOTHING_NM, Axis

Array = NDArray[np.float64]

THRESHOLD_SIGMA = 5.0
#: Bands are looked for between these wavelengths.
SEARCH_NM = (330.0, 720.0)
_MOST_FEATURES = 16
#: A band as strong as the strongest is pulled by its neighbours by about this much, a weaker one by more.
OVERLAP_NM = 0.1
_MOST_OVERLAP_NM = 5.0
#: A crystal's second transition pulls the maximum of its first exciton to the blue, by up to about this much: how
#: much depends on a shape that is not known.
EXCITON_PULL_NM = 1.0
_FWHM = float(2 * np.sqrt(2 * np.log(2)))
#: σ of a band; what comes out narrower than the spectrum can resolve is given the lower value.
_NARROWEST_NM, _WIDEST_NM = 2.0, 60.0


@dataclass(frozen=True)
class Feature:
    """A band.

    Attributes:
        wavelength_nm: of its maximum.
        wavelength_err_nm: one sigma, from the noise.
        overlap_err_nm: how far neighbouring bands may have pulled the maximum: a weak band beside a strong one.
        fwhm_nm: full width at half maximum.
        fwhm_ev: the same in energy.
        height: above what varies slowly beneath it, in absorbance.
        height_err: one sigma, from the noise.
        snr: height of −d²A over its uncertainty.
    """

    wavelength_nm: float
    wavelength_err_nm: float
    overlap_err_nm: float
    fwhm_nm: float
    fwhm_ev: float
    height: float
    height_err: float
    snr: float

    @property
    def position_err_nm(self) -> float:
        """Noise and neighbours together, one sigma."""
        return float(np.hypot(self.wavelength_err_nm, self.overlap_err_nm))


def find_features(spectrum: Absorbance, axis: Axis) -> list[Feature]:
    """Bands of a spectrum, from blue to red; of more than 16 those that stand out most.

    Args:
        spectrum: absorbance with errors.
        axis: its wavelengths.
    """
    size, coarse = axis.pixels_per_bin, axis.coarse
    value = axis.binned(spectrum.value)
    variance = axis.binned(np.where(spectrum.usable, spectrum.err, 0.0) ** 2) / size
    usable = axis.binned(spectrum.usable.astype(float)) == 1.0
    curvature = -coarse.derivative(value, 2)
    curvature_err = coarse.derivative_err(variance, 2)
    peaks = _peaks(curvature, curvature_err, coarse, usable)
    if not len(peaks):
        return []
    third, fourth = coarse.derivative(value, 3), coarse.derivative(value, 4)
    third_err, fourth_err = coarse.derivative_err(variance, 3), coarse.derivative_err(variance, 4)
    covariance = -coarse.derivative_covariance(variance, 2, 4)
    features: list[Feature] = []
    for i in peaks:
        if fourth[i] <= 0:
            continue  # the top of a ramp, not of a band
        # s² = 3·(−d²)/d⁴ and h = (−d²)·s³/σ
        s_nm = float(np.sqrt(3 * curvature[i] / fourth[i]))
        resolved = s_nm**2 - float(coarse.smoothing_nm[i]) ** 2 > _NARROWEST_NM**2
        sigma_nm = float(np.sqrt(s_nm**2 - coarse.smoothing_nm[i] ** 2)) if resolved else _NARROWEST_NM
        if sigma_nm > _WIDEST_NM:
            continue
        height = float(curvature[i]) * s_nm**3 / sigma_nm
        # The centre is where d³ passes zero, d³/d⁴ away from the pixel (d⁵ ≈ 0 there).
        wavelength = float(coarse.wavelength_nm[i] - third[i] / fourth[i])
        # d ln h = d ln(−d²) + (3 − s²/σ²)·½·(d ln(−d²) − d ln d⁴), where σ follows s as long as it is resolved
        half = (3 - (s_nm / sigma_nm) ** 2 if resolved else 3) / 2
        by_curvature, by_fourth = (1 + half) / curvature[i], -half / fourth[i]
        relative_variance = (by_curvature * curvature_err[i]) ** 2 + (by_fourth * fourth_err[i]) ** 2
        relative_variance += 2 * by_curvature * by_fourth * covariance[i]
        features.append(
            Feature(
                wavelength_nm=wavelength,
                wavelength_err_nm=float(third_err[i] / fourth[i]),
                overlap_err_nm=0.0,
                fwhm_nm=_FWHM * sigma_nm,
                fwhm_ev=_FWHM * sigma_nm * HC_EV_NM / wavelength**2,
                height=height,
                height_err=height * float(np.sqrt(max(relative_variance, 0.0))),
                snr=float(curvature[i] / curvature_err[i]),
            )
        )
    return _with_overlap(features)


def _with_overlap(features: list[Feature]) -> list[Feature]:
    strongest = max((feature.height for feature in features), default=0.0)
    return [
        replace(feature, overlap_err_nm=min(OVERLAP_NM * strongest / feature.height, _MOST_OVERLAP_NM))
        for feature in features
    ]


def _peaks(curvature: Array, err: Array, axis: Axis, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Pixels of the maxima of −d²A that stand out of the noise, from blue to red."""
    wavelength = axis.wavelength_nm
    searched = axis.covered(usable) & (wavelength >= SEARCH_NM[0]) & (wavelength <= SEARCH_NM[1])
    y = np.where(searched, curvature, -np.inf)
    inner = np.arange(1, len(y) - 1)
    highest = (y[inner] >= y[inner - 1]) & (y[inner] > y[inner + 1]) & searched[inner - 1] & searched[inner + 1]
    peaks = inner[highest]
    snr = y[peaks] / np.maximum(err[peaks], 1e-300)
    kept: list[int] = []
    for i in np.argsort(-snr, kind="stable"):
        if snr[i] <= THRESHOLD_SIGMA or len(kept) == _MOST_FEATURES:
            break
        # Two maxima closer than the smoothing are one band with noise on its top.
        if all(abs(wavelength[peaks[i]] - wavelength[k]) > SMOOTHING_NM for k in kept):
            kept.append(int(peaks[i]))
    return np.array(sorted(kept), dtype=np.intp)
