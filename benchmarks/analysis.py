"""Spectra to verdicts: how right they are on made-up series, and how long each step takes.

``python -m benchmarks.analysis [--seed N] [--each N] [--plot PNG] [--failures]`` prints how right they are.
"""

import time
from collections.abc import Callable

import numpy as np
from lmfit.models import GaussianModel, QuadraticModel
from scipy.signal import find_peaks, savgol_filter

from benchmarks import accuracy
from benchmarks.table import Row, alone, interleaved, quantile
from flowlab.analysis.absorbance import Absorbance, Baseline, Counts, absorbance
from flowlab.analysis.axis import HC_EV_NM, Axis
from flowlab.analysis.bands import fit_bands
from flowlab.analysis.edge import EdgeFinder
from flowlab.analysis.features import find_features
from flowlab.analysis.scan import Knowledge, ScanAnalysis
from flowlab.analysis.verdict import KnownFamily

WAVELENGTH = np.linspace(300.0, 750.0, 2048)
ENERGY = 1239.842 / WAVELENGTH
KNOWLEDGE = Knowledge("CdSe", [KnownFamily("CdSe-437", 437.0, 3.0)], None, "CdSe-437")


def sample(exciton_nm: float, seed: int) -> Counts:
    """Counts behind a crystal with an exciton, its continuum and a cluster."""
    first = 1239.842 / exciton_nm
    value = 0.3 * np.exp(-0.5 * ((ENERGY - first) / 0.07) ** 2) + 0.45 * np.clip(ENERGY - first - 0.25, 0, None) ** 1.5
    value += 0.08 * np.exp(-0.5 * ((ENERGY - 2.837) / 0.05) ** 2)
    random = np.random.default_rng(seed)
    mean = 20_000 * 10.0**-value
    err = np.sqrt(mean / 20)
    return Counts(1500 + random.normal(mean, err), err)


DARK = Counts(np.full(2048, 1500.0), np.full(2048, 2.0))
REFERENCE = Counts(np.full(2048, 21_500.0), np.full(2048, 30.0))
BASELINE = Baseline(REFERENCE, DARK)


def _by_lmfit(spectrum) -> object:
    """Exciton and cluster as two Gaussians on a quadratic background, as one would write it with lmfit."""
    window = (WAVELENGTH > 415) & (WAVELENGTH < 560)
    x, y, weights = ENERGY[window], spectrum.value[window], 1 / spectrum.err[window]
    exciton, cluster, background = GaussianModel(prefix="a_"), GaussianModel(prefix="b_"), QuadraticModel(prefix="c_")
    model = exciton + cluster + background
    start = model.make_params(
        a_center=2.39,
        a_sigma=0.07,
        a_amplitude=0.05,
        b_center=2.837,
        b_sigma=0.05,
        b_amplitude=0.01,
        c_a=0,
        c_b=0,
        c_c=0.1,
    )
    return model.fit(y, start, x=x, weights=weights)


def _by_bands(spectrum: Absorbance, axis: Axis) -> Callable[[], object]:
    """The same two Gaussians, fitted as the analysis does."""
    kernels, variance = axis.fine, axis.binned(spectrum.err**2) / axis.pixels_per_bin
    start = np.array([[2.39, np.log(0.07), 0.3], [2.837, np.log(0.05), 0.1]])
    near = (kernels.energy_ev > HC_EV_NM / 560) & (kernels.energy_ev < HC_EV_NM / 415)

    def fit() -> object:
        curvature, noise = kernels.curvature(axis.binned(spectrum.value)), kernels.curvature_err(variance)
        curvature, noise, correlation = curvature[near], noise[near], kernels.correlation[np.ix_(near, near)]
        err = np.hypot(noise, 0.02 * curvature.max())
        return fit_bands(kernels.energy_ev[near], curvature, err, noise, correlation, kernels.smoothing_ev, start)

    return fit


def _begun() -> ScanAnalysis:
    analysis = ScanAnalysis(WAVELENGTH, KNOWLEDGE)
    analysis.take_dark(DARK)
    analysis.take_reference(REFERENCE)
    return analysis


def _window_so_far(scan: list[Counts]) -> float:
    """Median microseconds of the window by the panels that are complete, when another one is."""
    analysis, took = _begun(), list[float]()
    for i, one in enumerate(scan):
        analysis.spectrum(float(i // 10), one)
        if i and i % 10 == 0:
            begin = time.perf_counter()
            analysis.window(complete=True)
            took.append(1e6 * (time.perf_counter() - begin))
    return quantile(took, 0.5)


def rows() -> list[Row]:
    """One spectrum of 2048 pixels on one core."""
    axis = Axis(WAVELENGTH)
    counts = sample(520.0, 1)
    spectrum = absorbance(counts, BASELINE)
    to_absorbance = alone(lambda: absorbance(counts, BASELINE), 30, 200)

    def peaks_by_scipy() -> object:
        curvature = -savgol_filter(spectrum.value, 71, 3, deriv=2)
        return find_peaks(curvature, height=5 * float(np.std(curvature[-200:])))

    features, features_peer = interleaved(lambda: find_features(spectrum, axis), peaks_by_scipy, 30, 20)
    ours = _by_bands(spectrum, axis)
    fit, fit_peer = interleaved(ours, lambda: _by_lmfit(spectrum), 9, 3)

    scan = [sample(560.0 - 4 * i, i) for i in range(20)] * 5

    def whole_scan() -> None:
        analysis = _begun()
        for i, one in enumerate(scan):
            analysis.spectrum(float(i // 10), one)

    finder = EdgeFinder(axis)
    edges = alone(lambda: finder.find(spectrum), 30, 50)
    whole, whole_peer = interleaved(whole_scan, lambda: _by_lmfit(spectrum), 9, 1)
    lmfit = "lmfit, two Gaussians and background"
    return [
        Row("counts → absorbance with errors, 2048 px", to_absorbance, "µs", "≤ 20 µs"),
        Row(
            "bands found and fitted, with errors",
            features,
            "µs",
            "≤ 1500 µs",
            features_peer,
            "savgol + find_peaks, found only",
        ),
        Row("two bands fitted", fit, "µs", "≤ 1500 µs, ≥ 20 ×", fit_peer, lmfit),
        Row("whole spectrum → tracks and verdicts", whole / len(scan), "µs", "≤ 2000 µs", whole_peer, lmfit),
        Row("window so far, once for each panel of ten", _window_so_far(scan), "µs", "≤ 2000 µs"),
        Row("onset and Tauc gap, beside that", edges, "µs", "-"),
        *accuracy.rows(),
    ]


if __name__ == "__main__":
    accuracy.main()
