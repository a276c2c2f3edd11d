"""Onset and Tauc gap against made-up spectra, of which the tangents are known, and against measured ones."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import Axis
from flowlab.analysis.edge import EdgeEnergy, EdgeFinder
from flowlab.analysis.noise import bridged, estimated_noise
from flowlab.storage.spectra import read_files
from tests.flowlab.analysis.spectra import HC, WAVELENGTH, spectrum

ENERGY = HC / WAVELENGTH
FINDER = EdgeFinder(Axis(WAVELENGTH))

Shape = Callable[[np.ndarray], np.ndarray]


def crystals(exciton_nm: float, fwhm_ev: float) -> Shape:
    first = HC / exciton_nm

    def band(energy: np.ndarray, at: float, fwhm: float) -> np.ndarray:
        return np.exp(-4 * np.log(2) * ((energy - at) / fwhm) ** 2)

    def shape(energy: np.ndarray) -> np.ndarray:
        rise = 0.45 * np.clip(energy - first - 0.25, 0, None) ** 1.5
        return 0.3 * band(energy, first, fwhm_ev) + 0.15 * band(energy, first + 0.2, 0.3) + rise

    return shape


def direct(gap_ev: float) -> Shape:
    """Of a direct semiconductor: (A·E)² is a straight line from the gap on."""
    return lambda energy: 0.5 * np.sqrt(np.clip(energy - gap_ev, 0, None)) / energy


def tangents(shape: Shape, exciton_nm: float) -> tuple[float, float]:
    """The slow and obvious way: without noise, on very many points, where the exciton's edge is steepest."""
    energy = np.linspace(HC / exciton_nm - 0.4, HC / exciton_nm, 100_001)
    feet = []
    for y in (shape(energy), (shape(energy) * energy) ** 2):
        slope = np.gradient(y, energy)
        at = int(np.argmax(slope))
        feet.append(float(energy[at] - y[at] / slope[at]))
    return feet[0], feet[1]


def off(found: list[EdgeEnergy], truth: float) -> tuple[np.ndarray, np.ndarray]:
    """Deviations, and the sigmas that were given."""
    energies = np.array([(one.energy_ev, one.err_ev) for one in found], float)
    return energies[:, 0] - truth, energies[:, 1]


@pytest.mark.parametrize("noise", [3e-4, 1e-3, 3e-3, 1e-2])
@pytest.mark.parametrize(("exciton_nm", "fwhm_ev"), [(450.0, 0.20), (500.0, 0.17), (560.0, 0.17), (590.0, 0.14)])
def test_deviations_are_what_their_sigma_says(exciton_nm, fwhm_ev, noise):
    shape = crystals(exciton_nm, fwhm_ev)
    value = shape(ENERGY) + 0.01
    found = [FINDER.find(spectrum(value, noise, seed)) for seed in range(40)]
    both = ([one.onset for one in found], [one.tauc for one in found])
    for edges, truth in zip(both, tangents(shape, exciton_nm), strict=True):
        deviation, sigma = off(edges, truth)
        share = np.abs(deviation) / sigma
        # 27 of 40 are expected within one sigma, 38 within two.
        assert (share < 1).sum() >= 20
        assert (share < 2).sum() >= 35
        assert np.median(sigma) < 0.0025 + 0.5 * noise, "and it is not covered by being large"


@pytest.mark.parametrize("noise", [3e-4, 1e-3, 3e-3])
def test_the_tauc_gap_of_a_direct_semiconductor_is_its_gap(noise):
    value = direct(2.2)(ENERGY)
    found = [FINDER.find(spectrum(value, noise, seed)).tauc for seed in range(40)]
    deviation, sigma = off(found, 2.2)
    assert (np.abs(deviation) < sigma).sum() >= 20
    assert (np.abs(deviation) < 2 * sigma).sum() >= 35
    assert np.median(sigma) < 0.003 + 1.5 * noise


def test_what_scatters_beneath_an_edge_moves_it_by_no_more_than_its_error():
    shape = crystals(520.0, 0.17)
    plain = FINDER.find(spectrum(shape(ENERGY), 1e-3))
    scatter = FINDER.find(spectrum(shape(ENERGY) + 0.02 * (ENERGY / 2) ** 4 + 0.03, 1e-3))
    for one, other in ((plain.onset, scatter.onset), (plain.tauc, scatter.tauc)):
        assert one.energy_ev is not None
        assert other.energy_ev is not None
        assert other.err_ev is not None
        assert abs(one.energy_ev - other.energy_ev) < 2 * other.err_ev


@given(factor=st.floats(0.05, 20.0), offset=st.floats(-1.0, 1.0))
def test_another_unit_or_offset_of_the_absorbance_moves_no_edge(factor, offset):
    one = spectrum(crystals(510.0, 0.17)(ENERGY), 1e-3)
    other = Absorbance(factor * one.value + offset, factor * one.err, one.usable)
    plain, changed = FINDER.find(one), FINDER.find(other)
    for a, b in ((plain.onset, changed.onset), (plain.tauc, changed.tauc)):
        assert b.energy_ev == pytest.approx(a.energy_ev, abs=1e-6)
        assert b.err_ev == pytest.approx(a.err_ev, rel=1e-3)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (0 * ENERGY, "no edge: the spectrum rises nowhere"),
        (0.002 * np.exp(2 * (ENERGY - 1.8)), "no (edge|baseline)"),
        (0.03 * np.exp(2 * (ENERGY - 1.8)), "no (edge|baseline)"),
        (crystals(700.0, 0.17)(ENERGY), "no baseline"),
        (direct(1.75)(ENERGY), "no baseline"),
    ],
)
def test_without_an_edge_or_a_baseline_there_is_a_reason_and_no_number(value, why):
    for seed in range(40):
        found = FINDER.find(spectrum(value, 1e-3, seed))
        for one in (found.onset, found.tauc):
            assert (one.energy_ev, one.err_ev, one.wavelength_nm, one.wavelength_err_nm) == (None,) * 4
            assert re.match(why, one.why)


def test_a_line_of_the_lamp_to_the_red_is_no_edge():
    shape = crystals(500.0, 0.17)(ENERGY)
    line = 0.03 * np.exp(-0.5 * ((WAVELENGTH - 656.0) / 1.5) ** 2)
    plain, beside = (FINDER.find(spectrum(value, 1e-3)).onset for value in (shape, shape + line))
    assert beside.energy_ev == pytest.approx(plain.energy_ev, abs=1e-3)


def test_an_edge_on_pixels_that_cannot_be_used_is_not_guessed():
    one = spectrum(crystals(500.0, 0.17)(ENERGY), 1e-3)
    usable = (WAVELENGTH < 500.0) | (WAVELENGTH > 530.0)
    spoilt = Absorbance(np.where(usable, one.value, 0.0), np.where(usable, one.err, np.inf), usable)
    found = FINDER.find(spoilt).onset
    if found.energy_ev is not None:
        truth, _ = tangents(crystals(500.0, 0.17), 500.0)
        assert abs(found.energy_ev - truth) < 2 * found.err_ev
    none = Absorbance(0 * ENERGY, np.full(ENERGY.shape, np.inf), np.zeros(ENERGY.shape, bool))
    assert FINDER.find(none).onset.energy_ev is None


@given(
    pixels=st.integers(10, 400),
    ends=st.tuples(st.floats(250.0, 500.0), st.floats(520.0, 2400.0)),
    bands=st.lists(st.tuples(st.floats(300.0, 1500.0), st.floats(-0.5, 2.0), st.floats(0.005, 0.6)), max_size=4),
    noise=st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
    holes=st.sets(st.integers(0, 399), max_size=60),
    seed=st.integers(0, 100),
)
def test_whatever_a_spectrum_is_there_is_a_finite_answer_or_a_reason(pixels, ends, bands, noise, holes, seed):
    axis = np.linspace(*ends, pixels)
    value = np.random.default_rng(seed).normal(0, max(noise, 1e-300), pixels)
    for at_nm, height, fwhm_ev in bands:
        value += height * np.exp(-4 * np.log(2) * ((HC / axis - HC / at_nm) / fwhm_ev) ** 2)
    usable = np.array([i not in holes for i in range(pixels)])
    one = Absorbance(np.where(usable, value, 0.0), np.where(usable, noise, np.inf), usable)
    found = EdgeFinder(Axis(axis)).find(one)
    for edge in (found.onset, found.tauc):
        assert edge.why
        assert (edge.energy_ev is None) == (edge.err_ev is None)
        if edge.energy_ev is not None and edge.err_ev is not None:
            assert np.isfinite(edge.err_ev)
            assert edge.err_ev > 0
            assert 0 < edge.energy_ev < HC / axis[0]


@pytest.mark.parametrize("pixels", [10, 40])
def test_a_coarse_axis_gives_an_edge_or_a_reason(pixels):
    axis = np.linspace(380.0, 700.0, pixels)
    found = EdgeFinder(Axis(axis)).find(spectrum(crystals(520.0, 0.17)(HC / axis), 1e-3))
    truth, _ = tangents(crystals(520.0, 0.17), 520.0)
    assert found.onset.why
    if found.onset.energy_ev is not None:
        assert abs(found.onset.energy_ev - truth) < 3 * found.onset.err_ev


def test_a_wavelength_s_error_is_that_of_the_energy():
    edge = EdgeEnergy(2.0, 0.002, "")
    assert edge.wavelength_nm == pytest.approx(HC / 2)
    assert edge.wavelength_err_nm == pytest.approx(HC / 1.998 - HC / 2, rel=2e-3)


@pytest.mark.parametrize("run", [1, 2, 5, 7])
def test_the_edge_of_measured_crystals_moves_as_they_grow(measured_spectra, run):
    (series,) = read_files([measured_spectra / f"run-{run}.csv"])
    finder, found = EdgeFinder(Axis(series.wavelength_nm)), []
    for one in series.spectra:
        value, usable = bridged(one.absorbance)
        noise = estimated_noise(value, usable, float(np.median(np.diff(series.wavelength_nm))))
        found.append(finder.find(Absorbance(value, np.where(usable, noise, np.inf), usable)))
    onsets = np.array([one.onset.energy_ev for one in found if one.onset.energy_ev is not None])
    gaps = np.array([one.tauc.energy_ev for one in found if one.tauc.energy_ev is not None])
    assert min(len(onsets), len(gaps)) >= 0.8 * len(found)
    for moving in (onsets, gaps):
        # From spectrum to spectrum each falls, or rises by no more than when crystals dissolve a little.
        assert moving[0] - moving[-1] > 0.1
        assert np.diff(moving).max() < 0.025
    assert all(
        one.tauc.energy_ev > one.onset.energy_ev
        for one in found
        if one.tauc.energy_ev is not None and one.onset.energy_ev is not None
    )
