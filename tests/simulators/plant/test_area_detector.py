"""Detectors against pyFAI, which nobody here wrote, and against solid geometry."""

import numpy as np
import pytest
from pyFAI.detectors import detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from simulators.plant.area_detector import DETECTORS, HC_KEV_NM, AreaDetector, Sight, look_through

ENERGY_KEV = 12.4
NAMES = {"pilatus-300k": "Pilatus300k", "eiger2-500k": "Eiger2_500k", "eiger2-1m": "Eiger2_1M"}


def as_pyfai(name: str) -> AzimuthalIntegrator:
    """The same geometry, told in pyFAI's words: metres from the corner, metres of wavelength."""
    detector = DETECTORS[name]
    return AzimuthalIntegrator(
        dist=detector.distance_mm * 1e-3,
        poni1=detector.beam_row * detector.pixel_mm * 1e-3,
        poni2=detector.beam_column * detector.pixel_mm * 1e-3,
        detector=detector_factory(NAMES[name]),
        wavelength=HC_KEV_NM / ENERGY_KEV * 1e-9,
    )


@pytest.mark.parametrize("name", NAMES)
def test_shape_pixels_and_gaps_are_those_that_pyfai_knows(name):
    known, detector = detector_factory(NAMES[name]), DETECTORS[name]
    assert known.shape == detector.shape
    assert known.pixel1 == known.pixel2 == pytest.approx(detector.pixel_mm * 1e-3)
    assert np.array_equal(known.mask.astype(bool), detector.gaps())


@pytest.mark.parametrize("name", NAMES)
def test_momentum_transfer_solid_angle_and_polarization_are_those_of_pyfai(name):
    detector, geometry = DETECTORS[name], as_pyfai(name)
    pixels = look_through(detector, ENERGY_KEV, horizontal=0.98)
    np.testing.assert_allclose(pixels.q_per_nm, geometry.qArray(detector.shape), rtol=1e-6, atol=1e-6)
    one_pixel_sr = (detector.pixel_mm / detector.distance_mm) ** 2
    expected = geometry.solidAngleArray(detector.shape) * geometry.polarization(detector.shape, factor=0.98)
    lit = pixels.acceptance_sr > 0
    found = pixels.acceptance_sr / one_pixel_sr / detector.efficiency
    np.testing.assert_allclose(found[lit], expected[lit], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_lamellae_and_small_spheres_are_both_in_sight(name):
    pixels = look_through(DETECTORS[name], ENERGY_KEV, horizontal=0.98)
    lit = pixels.q_per_nm[pixels.acceptance_sr > 0]
    per_bin = np.histogram(lit, bins=np.arange(0.1, 5.01, 0.05))[0]
    assert per_bin.min() > 200


@pytest.mark.parametrize("name", NAMES)
def test_all_pixels_together_cover_the_solid_angle_of_a_rectangle(name):
    detector = DETECTORS[name]
    whole = AreaDetector(**{**vars(detector), "gap_rows": (), "beam_stop_mm": 0.0, "efficiency": 1.0})
    down, across = (np.array(x) * detector.pixel_mm for x in ((0, detector.rows), (0, detector.columns)))
    down, across = down - detector.beam_row * detector.pixel_mm, across - detector.beam_column * detector.pixel_mm
    far = detector.distance_mm

    def corner(a: float, b: float) -> float:
        return np.arctan(a * b / (far * np.sqrt(far**2 + a**2 + b**2)))

    expected = corner(down[1], across[1]) - corner(down[0], across[1])
    expected -= corner(down[1], across[0]) - corner(down[0], across[0])
    pixels = look_through(whole, ENERGY_KEV, horizontal=0.0)
    cos = 1 - 2 * (pixels.q_per_nm * HC_KEV_NM / ENERGY_KEV / (4 * np.pi)) ** 2
    unpolarized_sr = (pixels.acceptance_sr / ((1 + cos**2) / 2)).sum()
    missing_sr = (pixels.acceptance_sr == 0).sum() * (detector.pixel_mm / far) ** 2  # dead ones, the arm
    assert unpolarized_sr + missing_sr == pytest.approx(expected, rel=1e-4)


def test_the_beam_stop_hides_the_beam_and_its_arm_leads_to_the_edge():
    for detector in DETECTORS.values():
        shadow = detector.shadow()
        row, column = int(detector.beam_row), int(detector.beam_column)
        assert shadow[row, column]
        assert shadow[:row, column].all() if detector.arm_along_rows else shadow[row, :column].all()
        assert shadow.mean() < 0.02


def test_a_detector_that_is_moved_sees_another_place():
    detector = DETECTORS["eiger2-1m"]
    moved = detector.moved(50.0, 3.0, -2.0)
    assert moved.distance_mm == 950.0
    assert (moved.beam_row - detector.beam_row, moved.beam_column - detector.beam_column) == pytest.approx((3.0, -2.0))
    assert (moved.dead() == detector.dead()).all()


def test_a_detector_too_near_for_what_is_known_is_refused():
    near = DETECTORS["pilatus-300k"].moved(-600.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="scattering is known to 8.0"):
        Sight(near, ENERGY_KEV, 0.98, np.linspace(0.0, 8.0, 8001))


def test_a_pixel_counts_no_further_than_its_counter():
    detector = DETECTORS["pilatus-300k"]
    sight = Sight(detector, ENERGY_KEV, 0.98, np.linspace(0.0, 8.0, 8001))
    sent = sight.frame(np.full(detector.shape, 10**9))
    assert set(np.unique(sent)) == {-2, -1, 2**20 - 1}
