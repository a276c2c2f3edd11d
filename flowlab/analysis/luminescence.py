"""Photoluminescence: raw counts to emission, and the band in it, apart from the scattered light that excites it.

A band is found as bands in absorption are (:mod:`flowlab.analysis.features`) and then measured by a least-squares fit
of a Gaussian in energy on a straight line. Light of the LED is left out by a mask, which is a part of the result. What
cannot be said, is said: a spectrum that is saturated, shows nothing, or has its band at the mask, has no band but a
reason.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from flowlab.analysis.absorbance import Absorbance, Counts, smooth_errors
from flowlab.analysis.axis import HC_EV_NM, Axis
from flowlab.analysis.features import Feature, find_features

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_FWHM = float(2 * np.sqrt(2 * np.log(2)))
#: What is less sure than this many σ is not there.
_SIGNIFICANT = 5.0
#: A pixel whose dark counts are so many typical deviations above those of its neighbours is hot.
_HOT = 12.0
_NEIGHBOURS = 15
#: Share of the ceiling from which on the mean of several scans may hide one that was saturated.
_NEAR_CEILING = 0.95
#: The fit reaches so many half widths to either side.
_REACH = 2.5
#: Relative slope that the response of a silicon detector behind a grating may have, per nm, in the visible.
_RESPONSE_PER_NM = 0.002
#: Beside the mask the flank of a band beneath it may show; how far from its edge that is, and what it is compared with.
_BESIDE_NM, _FARTHER_NM = 10.0, (40.0, 60.0)


@dataclass(frozen=True)
class Mask:
    """Where scattered light of the LED may be.

    Attributes:
        wavelength_nm: of the LED.
        half_width_nm: to either side.
    """

    wavelength_nm: float = 405.0
    half_width_nm: float = 20.0

    @property
    def edges_nm(self) -> tuple[float, float]:
        """First and last wavelength that are left out."""
        return self.wavelength_nm - self.half_width_nm, self.wavelength_nm + self.half_width_nm

    def covers(self, wavelength_nm: Array) -> Flags:
        """Which pixels are left out."""
        low, high = self.edges_nm
        return (wavelength_nm >= low) & (wavelength_nm <= high)


@dataclass(frozen=True)
class Emission:
    """What came out of the sample, in counts above the dark level.

    Attributes:
        value: shape (pixels,); that of a hot pixel is interpolated between its neighbours.
        err: one sigma, same shape.
        masked: pixels at the wavelength of the LED.
        hot: pixels whose dark counts are far above those around them.
    """

    value: Array
    err: Array
    masked: Flags
    hot: Flags


@dataclass(frozen=True)
class Band:
    """A band of emission; errors are one sigma, enlarged where the band is no Gaussian.

    Attributes:
        wavelength_nm: of its maximum.
        wavelength_err_nm: from the noise.
        response_err_nm: how far the detector's response, which is not corrected for, may have moved the maximum.
        fwhm_nm: full width at half maximum.
        fwhm_err_nm: from the noise.
        height: counts above what lies beneath it.
        height_err: from the noise.
        snr: height over its error.
        area: under the band, in counts·nm.
        area_err: from the noise.
    """

    wavelength_nm: float
    wavelength_err_nm: float
    response_err_nm: float
    fwhm_nm: float
    fwhm_err_nm: float
    height: float
    height_err: float
    snr: float
    area: float
    area_err: float


@dataclass(frozen=True)
class Luminescence:
    """What a spectrum shows.

    Attributes:
        band: None when that is not known, or there is none.
        why: why there is no band; None when there is one.
        mask_nm: what was left out.
        scatter: counts of the LED's scattered light at its brightest, which tell that it was on.
        hot_pixels: how many were interpolated.
        saturated_pixels: how many are saturated outside the LED's line.
        emission: in which it was looked for.
    """

    band: Band | None
    why: str | None
    mask_nm: tuple[float, float]
    scatter: float
    hot_pixels: int
    saturated_pixels: int
    emission: Emission


def emission(sample: Counts, dark: Counts, axis: Axis, mask: Mask) -> Emission:
    """E = S − D.

    Args:
        sample: with the LED on.
        dark: with the LED off, of the same integration time and detector temperature.
        axis: wavelengths.
        mask: what is left out.
    """
    hot = hot_pixels(dark.mean)
    pixel = np.arange(len(hot), dtype=np.float64)
    value = np.interp(pixel, pixel[~hot], (sample.mean - dark.mean)[~hot])
    variance = np.interp(pixel, pixel[~hot], (sample.err**2 + dark.err**2)[~hot])
    return Emission(value, smooth_errors(np.sqrt(variance)), mask.covers(axis.wavelength_nm), hot)


def hot_pixels(dark: Array) -> Flags:
    """Pixels whose dark counts are far above the median of their neighbours', shape of ``dark``."""
    padded = np.pad(dark, _NEIGHBOURS, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1), axis=1)
    above = dark - around
    spread = 1.4826 * float(np.median(np.abs(above)))  # σ of normal noise from its median deviation
    return above > _HOT * max(spread, 1e-9)


def find_emission(sample: Counts, dark: Counts, axis: Axis, mask: Mask, saturated_counts: float) -> Luminescence:
    """The band of emission to the red of the LED.

    Args:
        sample: raw counts with the LED on.
        dark: raw counts with the LED off.
        axis: wavelengths.
        mask: where the LED's own light is.
        saturated_counts: from which on a pixel is saturated.
    """
    found = emission(sample, dark, axis, mask)
    scatter = float(found.value[found.masked].max(initial=0.0))
    saturated = int(((sample.mean >= _NEAR_CEILING * saturated_counts) & ~found.masked).sum())

    def told(band: Band | None, why: str | None) -> Luminescence:
        return Luminescence(band, why, mask.edges_nm, scatter, int(found.hot.sum()), saturated, found)

    def unknown(why: str) -> Luminescence:
        return told(None, why)

    if saturated:
        return unknown(f"{saturated} pixels outside the LED's line are saturated")
    if not scatter > _SIGNIFICANT * float(np.median(found.err)):
        return unknown("there is no scattered light of the LED: it is off, or does not reach the sample")
    usable = ~found.masked & (axis.wavelength_nm > mask.wavelength_nm)
    candidates = find_features(Absorbance(found.value, found.err, usable), axis)
    best = max(candidates, key=lambda feature: feature.height * feature.fwhm_nm, default=None)
    if best is None:
        return unknown(_why_none(found, axis, mask))
    band = _fitted(found, usable, axis.wavelength_nm, best)
    if band is None or not band.snr > _SIGNIFICANT:
        return unknown("a band stands out, but its shape cannot be fitted")
    if band.wavelength_nm - band.fwhm_nm / 2 <= mask.edges_nm[1]:
        return unknown(f"the band at {band.wavelength_nm:.0f} nm runs into the LED's line")
    return told(band, None)


def _why_none(found: Emission, axis: Axis, mask: Mask) -> str:
    edge_nm = mask.edges_nm[1]
    behind_nm = axis.wavelength_nm - edge_nm
    beside = (behind_nm > 0) & (behind_nm < _BESIDE_NM)
    farther = (behind_nm > _FARTHER_NM[0]) & (behind_nm < _FARTHER_NM[1])
    if not beside.any() or not farther.any():
        return "the LED's line covers the spectrum"
    light, background = float(found.value[beside].mean()), float(found.value[farther].mean())
    err = float(np.hypot(_err_of_mean(found.err[beside]), _err_of_mean(found.err[farther])))
    # A background of solvent and fibre falls slowly, the flank of a band steeply.
    if light - 2 * background > _SIGNIFICANT * err and light - background > _SIGNIFICANT * err:
        return f"there is light beside the LED's line, up to {edge_nm:.0f} nm: a band may lie beneath it"
    return "no band stands out of the noise"


def _err_of_mean(err: Array) -> float:
    return float(np.sqrt(np.sum(err**2))) / len(err)


def _fitted(found: Emission, usable: Flags, wavelength_nm: Array, start: Feature) -> Band | None:
    """A Gaussian in energy on a straight line, fitted around a feature; None when it does not end well."""
    near = np.abs(wavelength_nm - start.wavelength_nm) <= _REACH / 2 * start.fwhm_nm
    inside = usable & near & ~found.hot
    if int(inside.sum()) < 10:
        return None
    energy = HC_EV_NM / wavelength_nm[inside]
    value, err = found.value[inside], found.err[inside]
    centre, sigma = HC_EV_NM / start.wavelength_nm, start.fwhm_ev / _FWHM
    guess = np.array([start.height, 0.0, 1.0, float(value.min()), 0.0])

    def residuals(p: Array) -> Array:
        # Position and width in units of the width that was found; the line in units of counts.
        x = (energy - centre) / sigma
        return (p[0] * np.exp(-0.5 * ((x - p[1]) / p[2]) ** 2) + p[3] + p[4] * x - value) / err

    bounds = ([0.0, -1.5, 0.3, -np.inf, -np.inf], [np.inf, 1.5, 3.0, np.inf, np.inf])
    fit = least_squares(residuals, guess, bounds=bounds, x_scale=[start.height, 1.0, 1.0, start.height, start.height])
    jacobian = np.asarray(fit.jac, dtype=np.float64)
    freedom = len(value) - len(guess)
    if not fit.success or freedom < 1 or np.linalg.matrix_rank(jacobian) < len(guess):
        return None
    # σ² of the parameters, enlarged by χ² per degree of freedom where the shape does not fit
    enlarged = max(1.0, float(2 * fit.cost) / freedom)
    covariance = np.linalg.inv(jacobian.T @ jacobian)[:3, :3] * enlarged
    height_err, position_err, width_err = np.sqrt(np.diag(covariance))
    height, position, width = (float(p) for p in fit.x[:3])
    peak_nm = HC_EV_NM / (centre + position * sigma)
    nm_per_ev = peak_nm**2 / HC_EV_NM
    # ∫ h·exp(−(E − c)²/2s²) dλ with dλ = hc/E² dE: h·s·√2π·hc/c²·(1 + 3(s/c)² + …)
    wide = width * sigma * peak_nm / HC_EV_NM
    area = float(np.sqrt(2 * np.pi)) * height * width * sigma * nm_per_ev * (1 + 3 * wide**2)
    # What the position adds is nothing beside height and width, which go against one another.
    relative_variance = (height_err / height) ** 2 + (width_err / width) ** 2 + 2 * covariance[0, 2] / (height * width)
    return Band(
        wavelength_nm=peak_nm,
        wavelength_err_nm=float(position_err) * sigma * nm_per_ev,
        # A Gaussian times a response of relative slope r is one whose maximum is σ²·r farther.
        response_err_nm=(width * sigma * nm_per_ev) ** 2 * _RESPONSE_PER_NM,
        fwhm_nm=_FWHM * width * sigma * nm_per_ev,
        fwhm_err_nm=_FWHM * float(width_err) * sigma * nm_per_ev,
        height=height,
        height_err=float(height_err),
        snr=height / float(height_err),
        area=area,
        area_err=area * float(np.sqrt(relative_variance)),
    )
