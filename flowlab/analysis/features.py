"""Bands in an absorption spectrum: found by the smoothed curvature, measured by a fit to it.

A band is found where −d²A/dE² has a maximum higher than five times its own uncertainty (a threshold on
height, not on prominence), shoulders included. All that are found in a spectrum are then fitted together
(:mod:`flowlab.analysis.bands`). What varies slowly underneath does not matter.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import GRID_EV, HC_EV_NM, Axis, Kernels
from flowlab.analysis.bands import Bands, curvature_of, fit_bands
from flowlab.analysis.lines import Line, take_lines

Array = NDArray[np.float64]

THRESHOLD_SIGMA = 5.0
#: Two maxima with a dip between them that is not this deep are one band with noise on its top.
_DIP_SIGMA = 4.0
_MOST_FEATURES = 16
#: A band as strong as the strongest is pulled by its neighbours by about this much, a weaker one by more.
OVERLAP_NM = 0.1
_MOST_OVERLAP_NM = 1.0
#: These are of the visible; neighbours pull by energies, which are more nm to the red of this.
_VISIBLE_NM = 720.0
#: A crystal's second transition pulls the maximum of its first exciton to the blue, by up to about this much: how
#: much depends on a shape that is not known.
EXCITON_PULL_NM = 1.0
_FWHM = float(2 * np.sqrt(2 * np.log(2)))
#: Bands are no Gaussians: a curvature may differ from the model's by this share of the highest.
_SHAPE_ERROR = 0.02
#: Height of edges behind bands, as a share of theirs: only crystals have one, broad as they are.
_EDGE, _NO_EDGE, _LEAST_CRYSTAL_EV = 1.0, 0.01, 0.14
#: One exciton may be split into a broad band and one that is no narrower than this, and neither is so often as high;
#: nor are they farther apart than this share of a width, or they had two maxima.
_LEAST_HALF_EV, _ALIKE, _HALVES_APART = 0.115, 2.5, 0.75
#: The fit reaches so far to either side of the bands.
_REACH_EV = 0.15
_LEAST_POINTS = 5
#: Full width beyond which it is no band.
_BROADEST_EV = 0.5
#: What a fit leaves shows a hidden band when it is more than this share of the curvature nearby.
_HIDDEN = 0.1
#: What is weaker than this share of a line, and as near to it, was left by it.
_LEFT_OF_LINE, _BESIDE_LINE_NM = 0.5, 4.0


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
        misfit: rms difference of the curvature from the fit around the band, as a share of the band's own.
        fwhm_err_ev: one sigma of ``fwhm_ev``, from the noise.
    """

    wavelength_nm: float
    wavelength_err_nm: float
    overlap_err_nm: float
    fwhm_nm: float
    fwhm_ev: float
    height: float
    height_err: float
    snr: float
    misfit: float = 0.0
    fwhm_err_ev: float = 0.0

    @property
    def position_err_nm(self) -> float:
        """Noise and neighbours together, one sigma."""
        return float(np.hypot(self.wavelength_err_nm, self.overlap_err_nm))


def pull_nm(visible_nm: float, wavelength_nm: float) -> float:
    """How far a band is pulled at a wavelength, when it is ``visible_nm`` in the visible: energies pull."""
    return visible_nm * max(wavelength_nm / _VISIBLE_NM, 1.0) ** 2


def find_features(spectrum: Absorbance, axis: Axis) -> list[Feature]:
    """Bands of a spectrum, from blue to red; of more than 16 those that stand out most.

    Args:
        spectrum: absorbance with errors.
        axis: its wavelengths.
    """
    pixels, lines = take_lines(spectrum, axis)
    value, err = axis.binned(pixels), spectrum.err
    usable = np.ones(len(value), bool)
    if not spectrum.usable.all():
        err, usable = np.where(spectrum.usable, err, 0.0), axis.binned(spectrum.usable.astype(float)) == 1.0
    variance = axis.binned(err * err) / axis.pixels_per_bin
    fine = _Curvature.of(value, variance, usable, axis.fine, axis)
    features = [_of_line(line) for line in lines if axis.search_nm[0] <= line.wavelength_nm <= axis.search_nm[1]]
    if fine.usable.any():
        found = sharp = _maxima(fine)
        for energy, snr in _maxima(_Curvature.of(value, variance, usable, axis.broad, axis)).items():
            if all(abs(energy - other) > axis.broad.smoothing_ev for other in found):
                found = found | {energy: snr}
        if len(found) > len(sharp):
            found = _that_can_be_fitted(found, fine)
        if found:
            first_nm, last_nm = _measured_nm(spectrum.usable, axis)
            bands = [band for band in _fitted(fine, found) if first_nm <= band.wavelength_nm <= last_nm]
            features += _with_overlap([band for band in bands if not any(_is_left_of(line, band) for line in lines)])
    return sorted(features, key=lambda feature: feature.wavelength_nm)


def _measured_nm(usable: NDArray[np.bool_], axis: Axis) -> tuple[float, float]:
    """First and last wavelength at which there was light: of a band beyond, a flank is known at most."""
    first, last = int(np.argmax(usable)), len(usable) - 1 - int(np.argmax(usable[::-1]))
    return float(axis.wavelength_nm[first]), float(axis.wavelength_nm[last])


def _that_can_be_fitted(found: dict[float, float], curvature: "_Curvature") -> dict[float, float]:
    """Where the curvature is known around a maximum: in the ultraviolet wide pixels are too few for narrow kernels."""
    known, places = curvature.kernels.energy_ev[curvature.usable], np.array(list(found))
    points = np.searchsorted(known, places + _REACH_EV) - np.searchsorted(known, places - _REACH_EV)
    return {energy: snr for (energy, snr), enough in zip(found.items(), points >= _LEAST_POINTS, strict=True) if enough}


def _fitted(curvature: "_Curvature", found: dict[float, float]) -> list[Feature]:
    """Bands that begin at these energies, and those that show when these are explained."""
    fit = _fit(curvature, _strongest(found))
    if _hidden(curvature, fit):
        # What is left may be the edge of a crystal's continuum, or a band.
        broad = _FWHM * fit.bands.sigma_ev > _LEAST_CRYSTAL_EV
        hidden = _hidden(curvature, _fit(curvature, _strongest(found), np.where(broad, _EDGE, _NO_EDGE)))
        if hidden:
            with_hidden = _fit(curvature, _strongest(found | hidden))
            more = int(with_hidden.bands.significant.sum()) > int(fit.bands.significant.sum())
            fit = with_hidden if more and not _splits_an_exciton(with_hidden, hidden) else fit
    return _features(curvature, fit)


def _splits_an_exciton(fit: "_Fit", hidden: dict[float, float]) -> bool:
    """Whether a hidden band and one beside it, as high and neither narrow, are one exciton.

    Its shape is no Gaussian, and its place is that of its maximum. A cluster's band over it would be narrow.
    """
    bands, fwhm = fit.bands, _FWHM * fit.bands.sigma_ev
    for energy in hidden:
        one = int(np.argmin(np.abs(bands.centre_ev - energy)))
        apart = np.abs(bands.centre_ev - bands.centre_ev[one])
        narrower, broader = np.minimum(fwhm, fwhm[one]), np.maximum(fwhm, fwhm[one])
        alike = (bands.height > bands.height[one] / _ALIKE) & (bands.height < bands.height[one] * _ALIKE)
        beside = (apart > 0) & (apart < _HALVES_APART * narrower) & alike
        if (beside & (narrower > _LEAST_HALF_EV) & (broader > _LEAST_CRYSTAL_EV)).any():
            return True
    return False


def _is_left_of(line: Line, band: Feature) -> bool:
    """Whether a band is what a line left in its place when it was taken away: no shape is described to the last."""
    return abs(band.wavelength_nm - line.wavelength_nm) < line.fwhm_nm + _BESIDE_LINE_NM and (
        band.height < _LEFT_OF_LINE * line.height
    )


def _of_line(line: Line) -> Feature:
    nm_per_ev = line.wavelength_nm**2 / HC_EV_NM
    err = line.fwhm_nm / line.snr
    return Feature(
        line.wavelength_nm, err, 0.0, line.fwhm_nm, line.fwhm_nm / nm_per_ev, line.height, line.height_err, line.snr
    )


def _strongest(found: dict[float, float]) -> dict[float, float]:
    """Those of the bands found that stand out most, in the order of their energies."""
    return dict(sorted(sorted(found.items(), key=lambda band: -band[1])[:_MOST_FEATURES]))


@dataclass(frozen=True)
class _Curvature:
    """−d²A/dE² of a spectrum with its noise, where it is known, and between which energies bands are looked for."""

    kernels: Kernels
    value: Array
    noise: Array
    usable: NDArray[np.bool_]
    search_ev: tuple[float, float]

    @classmethod
    def of(cls, value: Array, variance: Array, usable: NDArray[np.bool_], kernels: Kernels, axis: Axis) -> "_Curvature":
        noise = np.maximum(kernels.curvature_err(variance), 1e-12)
        return cls(kernels, kernels.curvature(value), noise, kernels.covered(usable), axis.search_ev)


def _maxima(curvature: _Curvature) -> dict[float, float]:
    """Energies of the maxima that stand out of the noise, and by how many σ."""
    energy = curvature.kernels.energy_ev
    y = np.where(curvature.usable, curvature.value, -np.inf)
    # A band at either end may have its maximum at the next point of the grid.
    lowest, highest = curvature.search_ev[0] - 0.5 * GRID_EV, curvature.search_ev[1] + 0.5 * GRID_EV
    first = max(int(np.searchsorted(energy, lowest)), 1)
    last = min(int(np.searchsorted(energy, highest, side="right")), len(y) - 1)
    before, here, after = (y[first + shift : max(last, first) + shift] for shift in (-1, 0, 1))
    peak = (here >= before) & (here > after) & (here > THRESHOLD_SIGMA * curvature.noise[first:last])
    peaks = first + np.flatnonzero(peak & np.isfinite(before) & np.isfinite(after))
    kept: list[int] = []
    for i in sorted(peaks, key=lambda i: -y[i]):
        between = [y[min(i, k) : max(i, k) + 1].min() for k in kept]
        if all(y[i] - lowest > _DIP_SIGMA * curvature.noise[i] for lowest in between):
            kept.append(int(i))
    return {float(energy[i]): float(y[i] / curvature.noise[i]) for i in kept}


@dataclass(frozen=True)
class _Fit:
    """Bands fitted together, the σ by which each stands out, and what of the curvature they leave unexplained."""

    bands: Bands
    snr: Array
    left: Array


def _fit(curvature: _Curvature, found: dict[float, float], edges: Array | None = None) -> _Fit:
    """Fit bands that begin at these energies."""
    kernels, centres = curvature.kernels, np.array(list(found))
    energy, smoothing = kernels.energy_ev, kernels.smoothing_ev
    near = curvature.usable & (np.abs(energy[:, None] - centres[None, :]) < _REACH_EV).any(axis=1)
    shape_error = _SHAPE_ERROR * float(np.abs(curvature.value[near]).max())
    bands = fit_bands(
        energy[near],
        curvature.value[near],
        np.hypot(curvature.noise[near], shape_error),
        curvature.noise[near],
        kernels.correlation[np.ix_(near, near)],
        smoothing,
        _start(curvature, centres),
        edges,
    )
    left = curvature.value - curvature_of(energy, smoothing, bands.parameters)[0]
    return _Fit(bands, np.array(list(found.values())), left)


def _hidden(curvature: _Curvature, fit: _Fit) -> dict[float, float]:
    """Bands without a maximum of their own: what the fit leaves has one, higher than the shapes of bands may differ."""
    energy = curvature.kernels.energy_ev
    explained = np.abs(curvature.value - fit.left)
    width = round(_REACH_EV / GRID_EV)
    around = maximum_filter1d(explained, 2 * width + 1)
    near = (np.abs(energy[:, None] - fit.bands.centre_ev[None, :]) < _REACH_EV).any(axis=1)
    return _maxima(replace(curvature, value=np.where(near & (fit.left > _HIDDEN * around), fit.left, 0.0)))


def _features(curvature: _Curvature, fit: _Fit) -> list[Feature]:
    """Those of the fitted bands that are bands."""
    bands = fit.bands
    features: list[Feature] = []
    columns = (bands.parameters[:, 0], bands.sigma_ev, bands.height, bands.errors, bands.significant, fit.snr)
    for centre, sigma, height, (centre_err, log_sigma_err, height_err, *_), significant, snr in sorted(
        zip(*(column.tolist() for column in columns), strict=True), key=lambda band: -band[0]
    ):
        if not significant or _FWHM * sigma > _BROADEST_EV:
            continue
        wavelength = HC_EV_NM / centre
        nm_per_ev = wavelength**2 / HC_EV_NM
        features.append(
            Feature(
                wavelength_nm=wavelength,
                wavelength_err_nm=centre_err * nm_per_ev,
                overlap_err_nm=0.0,
                fwhm_nm=_FWHM * sigma * nm_per_ev,
                fwhm_ev=_FWHM * sigma,
                height=height,
                height_err=height_err,
                snr=snr,
                misfit=_misfit(curvature, fit.left, centre, sigma, height),
                fwhm_err_ev=_FWHM * sigma * log_sigma_err,
            )
        )
    return features


def _misfit(curvature: _Curvature, off: Array, centre_ev: float, sigma_ev: float, height: float) -> float:
    """Rms of what the fit leaves around a band beyond noise, as a share of the band's own curvature."""
    kernels = curvature.kernels
    s = math.hypot(sigma_ev, kernels.smoothing_ev)
    begin, end = np.searchsorted(kernels.energy_ev, [centre_ev - 2 * s, centre_ev + 2 * s])
    usable = curvature.usable[begin:end]
    left, noise = off[begin:end][usable], curvature.noise[begin:end][usable]
    if not len(left):
        return 0.0
    excess = float(left @ left - noise @ noise) / len(left)
    return math.sqrt(max(excess, 0.0)) / (height * sigma_ev / s**3)


def _start(curvature: _Curvature, centres: Array) -> Array:
    """Parameters of each band to begin the fit with: from the curvature's maximum, and how fast it falls off."""
    energy, smoothing = curvature.kernels.energy_ev, curvature.kernels.smoothing_ev
    at = np.clip(np.searchsorted(energy, centres - 1e-6), 2, len(energy) - 3)
    y = curvature.value
    top = np.maximum(y[at], curvature.noise[at])
    bend = (2 * y[at] - y[at - 2] - y[at + 2]) / (energy[at + 2] - energy[at]) ** 2
    # −d²A falls as 1 − 3/2·(E/s)²
    s = np.sqrt(3 * top / np.maximum(bend, 1e-12))
    sigma = np.clip(np.sqrt(np.maximum(s**2 - smoothing**2, 0.0)), 0.02, 0.12)
    height = top * (sigma**2 + smoothing**2) ** 1.5 / sigma
    return np.column_stack([centres, np.log(sigma), height])


def _with_overlap(features: list[Feature]) -> list[Feature]:
    strongest = max((feature.height for feature in features), default=0.0)

    def pulled(feature: Feature) -> Feature:
        nm = min(OVERLAP_NM * strongest / feature.height, _MOST_OVERLAP_NM)
        return replace(feature, overlap_err_nm=pull_nm(nm, feature.wavelength_nm))

    return [pulled(feature) for feature in features]
