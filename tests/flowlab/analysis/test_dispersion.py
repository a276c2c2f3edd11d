"""Spread of sizes against made-up ensembles of crystals, whose excitons are added up one by one."""

import dataclasses

import numpy as np
import pytest

from flowlab.analysis.axis import Axis
from flowlab.analysis.dispersion import size_dispersion
from flowlab.analysis.features import find_features
from flowlab.analysis.series import SeriesAnalysis
from flowlab.analysis.sizing import Gap, SizingCurve
from flowlab.config import load_material
from flowlab.live.knowledge import curve_of, knowledge_of
from flowlab.storage.spectra import read_files
from tests.flowlab.analysis.spectra import HC, WAVELENGTH, spectrum

CURVE = curve_of(load_material("CdSe"))
AXIS = Axis(WAVELENGTH)
HOMOGENEOUS_EV = 0.07


def ensemble(diameter_nm: float, spread: float) -> np.ndarray:
    """Absorbance of crystals of normally distributed diameters, each with its exciton, a second one and a continuum."""
    assert CURVE is not None
    known = np.linspace(351.0, 679.0, 2000)
    diameters = np.linspace(1 - 4 * spread, 1 + 4 * spread, 121) * diameter_nm
    firsts = HC / np.interp(diameters, [CURVE.diameter_nm(nm) for nm in known], known)
    weights = np.exp(-0.5 * ((diameters / diameter_nm - 1) / spread) ** 2)
    total, energy = np.zeros(len(WAVELENGTH)), HC / WAVELENGTH
    for first, weight in zip(firsts, weights / weights.sum(), strict=True):
        exciton = 0.3 * np.exp(-4 * np.log(2) * ((energy - first) / HOMOGENEOUS_EV) ** 2)
        second = 0.15 * np.exp(-4 * np.log(2) * ((energy - first - 0.2) / 0.28) ** 2)
        total += weight * (exciton + second + 0.45 * np.clip(energy - first - 0.25, 0, None) ** 1.5)
    return total


def found_in(value: np.ndarray, noise: float, seed: int, homogeneous_ev: float | None = HOMOGENEOUS_EV):
    exciton = max(find_features(spectrum(value, noise, seed), AXIS), key=lambda feature: feature.wavelength_nm)
    where = exciton.wavelength_nm, exciton.position_err_nm
    return size_dispersion(*where, exciton.fwhm_ev, exciton.fwhm_err_ev, CURVE, homogeneous_ev)


@pytest.mark.parametrize("noise", [3e-4, 1e-3, 3e-3])
@pytest.mark.parametrize("diameter_nm", [2.6, 3.2, 4.0])
@pytest.mark.parametrize("spread", [0.04, 0.07, 0.10])
def test_the_spread_of_an_ensemble_is_found_within_its_error(diameter_nm, spread, noise):
    value = ensemble(diameter_nm, spread)
    for seed in range(3):
        found = found_in(value, noise, seed)
        assert found.relative is not None
        assert found.err is not None
        assert not found.is_upper_bound
        assert abs(found.relative - spread) < 2.5 * found.err
        assert found.err < 0.3 * spread, "and it is not covered by being large"


def test_without_a_homogeneous_width_the_whole_width_gives_an_upper_bound_and_says_so():
    value = ensemble(3.2, 0.05)
    bound, found = found_in(value, 1e-3, 1, homogeneous_ev=None), found_in(value, 1e-3, 1)
    assert bound.is_upper_bound
    assert bound.why.count("upper bound")
    assert bound.relative is not None
    assert found.relative is not None
    assert bound.relative > max(found.relative, 0.05)


def test_it_is_the_width_over_the_slope_of_the_curve():
    # Moreels 2009: E = 0.41 + 1/(0.0252·D² + 0.283·D), so that dE/dD is known.
    curve = SizingCurve("PbS", (), (850.0, 2000.0), 0.1, Gap(0.41, 0.0252, 0.283))
    diameter = 5.0
    size = 0.0252 * diameter**2 + 0.283 * diameter
    slope = (2 * 0.0252 * diameter + 0.283) / size**2
    found = size_dispersion(HC / (0.41 + 1 / size), 0.0, 0.05, 0.0, curve, 0.03)
    sigma_ev = np.sqrt(0.05**2 - 0.03**2) / 2.354820
    assert found.relative == pytest.approx(sigma_ev / slope / diameter, rel=1e-4)


def test_a_curve_that_is_off_by_a_factor_tells_the_same_spread():
    assert CURVE is not None
    other = dataclasses.replace(CURVE, coefficients=tuple(1.1 * c for c in CURVE.coefficients))
    one, two = (size_dispersion(550.0, 0.5, 0.11, 0.001, curve, 0.07) for curve in (CURVE, other))
    assert one.relative == pytest.approx(two.relative)
    assert one.err == pytest.approx(two.err)


def test_errors_grow_with_those_of_width_and_position():
    errs = [
        size_dispersion(550.0, position, 0.1, width, CURVE, 0.07).err for position, width in ((0, 0), (3, 0), (0, 0.01))
    ]
    assert None not in errs
    assert min(errs[1:]) > errs[0]  # pyright: ignore[reportArgumentType, reportOptionalOperand]


@pytest.mark.parametrize(
    ("wavelength_nm", "fwhm_ev", "material", "why"),
    [
        (340.0, 0.1, "CdSe", "holds from 350 to 680 nm only"),
        (700.0, 0.1, "CdSe", "holds from 350 to 680 nm only"),
        (550.0, 0.071, "CdSe", "hardly broader than one crystal's 70 meV"),
        (550.0, 0.05, "CdSe", "hardly broader than one crystal's 70 meV"),
        (400.0, 0.1, "ZnSe", "no sizing curve is known"),
    ],
)
def test_where_nothing_can_be_said_there_is_a_reason(wavelength_nm, fwhm_ev, material, why):
    known = knowledge_of(load_material(material))
    found = size_dispersion(wavelength_nm, 0.5, fwhm_ev, 0.001, known.sizing, known.homogeneous_fwhm_ev)
    assert (found.relative, found.err, found.is_upper_bound) == (None, None, False)
    assert why in found.why


@pytest.mark.parametrize("run", [1, 2, 5, 7])
def test_measured_crystals_have_a_spread_that_changes_slowly(measured_spectra, run):
    (series,) = read_files([measured_spectra / f"run-{run}.csv"])
    analysis = SeriesAnalysis(series.wavelength_nm, knowledge_of(load_material("CdSe")))
    for one in series.spectra:
        analysis.absorbance(one.panel, one.absorbance, one.err, one.why)
    judged = analysis.verdicts()
    exciton = max(
        (track for track in analysis.tracks if judged[track.id].kind == "nc" and judged[track.id].transition == "E1"),
        key=lambda track: len(track.sightings),
    )
    found = [analysis.dispersion(sighting.feature, judged[exciton.id]) for sighting in exciton.sightings]
    spreads = np.array([(one.relative, one.err) for one in found], float)
    # Hot injection gives 5 to 10 %; nothing of it is known of these samples.
    assert ((spreads[:, 0] > 0.03) & (spreads[:, 0] < 0.10)).all()
    assert (np.abs(np.diff(spreads[:, 0])) < 2 * np.hypot(spreads[1:, 1], spreads[:-1, 1])).all()


def test_a_material_says_that_its_homogeneous_width_is_an_assumption():
    told = load_material("CdSe").linewidth
    assert told is not None
    assert told.source.startswith("assumed")
    assert knowledge_of(load_material("CdSe")).homogeneous_fwhm_ev == told.homogeneous_fwhm_ev
    assert load_material("CdTe").linewidth is None
