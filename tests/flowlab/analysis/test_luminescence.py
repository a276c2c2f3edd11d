"""Raw counts of a cooled spectrometer to a band of emission, or to the reason why there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.axis import HC_EV_NM, Axis
from flowlab.analysis.luminescence import Mask, emission, find_emission, hot_pixels

PIXELS, SCANS, LEVEL, CEILING = 1044, 8, 1200.0, 200_000
AXIS = Axis(350.0 + 0.7703 * np.arange(PIXELS) - 3.8e-5 * np.arange(PIXELS) ** 2)
FWHM = 2.3548
LED = 8000.0


def light(at_nm: float, height: float, fwhm_nm: float, led: float = LED) -> np.ndarray:
    """Counts of a band, Gaussian in energy, beside the LED's line, on a weak background."""
    energy, centre = HC_EV_NM / AXIS.wavelength_nm, HC_EV_NM / at_nm
    sigma = fwhm_nm * HC_EV_NM / at_nm**2 / FWHM
    line = led * np.exp(-0.5 * ((AXIS.wavelength_nm - 405.0) / (13.0 / FWHM)) ** 2)
    background = led / 400 * np.exp(-np.clip(AXIS.wavelength_nm - 405.0, 0, None) / 120.0)
    return height * np.exp(-0.5 * ((energy - centre) / sigma) ** 2) + line + background


def taken(counts: np.ndarray, seed: int, hot: dict[int, float] | None = None) -> Counts:
    """A spectrum of several scans: shot noise, read noise, hot pixels."""
    noise = np.random.default_rng(seed)
    for pixel, extra in (hot or {}).items():
        counts = counts + extra * (np.arange(PIXELS) == pixel)
    scans = noise.poisson(counts * 1.2, (SCANS, PIXELS)) / 1.2 + noise.normal(LEVEL, 3.0, (SCANS, PIXELS))
    scans = np.minimum(scans, CEILING)
    return Counts(scans.mean(axis=0), scans.std(axis=0, ddof=1) / np.sqrt(SCANS))


def seen(counts: np.ndarray, seed: int = 1, mask: Mask | None = None, **more: dict[int, float]):
    dark = taken(np.zeros(PIXELS), 1000 + seed, **more)
    return find_emission(taken(counts, seed, **more), dark, AXIS, mask or Mask(), CEILING)


@pytest.mark.parametrize("at_nm", [470.0, 500.0, 532.0, 607.0, 680.0])
@pytest.mark.parametrize("fwhm_nm", [22.0, 35.0])
def test_a_band_is_found_where_it_is(at_nm, fwhm_nm):
    found = seen(light(at_nm, 4000.0, fwhm_nm))
    assert found.why is None
    assert found.band.wavelength_nm == pytest.approx(at_nm, abs=0.5)
    assert found.band.fwhm_nm == pytest.approx(fwhm_nm, rel=0.05)
    assert found.band.height == pytest.approx(4000.0, rel=0.05)
    alone = light(at_nm, 4000.0, fwhm_nm) - light(at_nm, 0.0, fwhm_nm)
    assert found.band.area == pytest.approx(np.trapezoid(alone, AXIS.wavelength_nm), rel=0.03)
    assert found.mask_nm == (385.0, 425.0)
    assert found.scatter == pytest.approx(LED, rel=0.1)


def test_the_errors_are_those_that_occur():
    bands = [seen(light(532.0, 300.0, 32.0), seed).band for seed in range(60)]
    alone = light(532.0, 300.0, 32.0) - light(532.0, 0.0, 32.0)
    for value, err, true in (
        ([b.wavelength_nm for b in bands], [b.wavelength_err_nm for b in bands], 532.0),
        ([b.fwhm_nm for b in bands], [b.fwhm_err_nm for b in bands], 32.0),
        ([b.height for b in bands], [b.height_err for b in bands], 300.0),
        ([b.area for b in bands], [b.area_err for b in bands], np.trapezoid(alone, AXIS.wavelength_nm)),
    ):
        pull = (np.array(value) - true) / np.array(err)
        assert 0.7 < pull.std() < 1.4
        assert abs(pull.mean()) < 0.8


def test_what_an_unknown_response_does_to_the_position_is_part_of_its_error():
    response = np.exp(0.0018 * (AXIS.wavelength_nm - 560.0))  # a steep one
    for fwhm_nm in (25.0, 50.0):
        band = seen(light(560.0, 40_000.0, fwhm_nm) * response).band
        apart_nm = abs(band.wavelength_nm - 560.0)
        assert 5 * band.wavelength_err_nm < apart_nm < band.response_err_nm + 3 * band.wavelength_err_nm


def test_a_faint_band_is_told_from_nothing():
    assert seen(light(540.0, 60.0, 32.0)).band.wavelength_nm == pytest.approx(540.0, abs=3.0)
    nothing = [seen(light(540.0, 0.0, 32.0), seed) for seed in range(40)]
    assert all(found.band is None for found in nothing)
    assert {found.why for found in nothing} == {"no band stands out of the noise"}


@pytest.mark.parametrize("at_nm", [405.0, 420.0, 430.0, 438.0])
def test_a_band_at_the_leds_line_is_unknown(at_nm):
    found = seen(light(at_nm, 6000.0, 30.0))
    assert found.band is None
    assert "LED's line" in found.why


def test_without_its_mask_the_leds_line_would_be_taken_for_emission():
    narrow = seen(light(532.0, 300.0, 32.0), mask=Mask(405.0, 1.0))
    assert narrow.band is None or abs(narrow.band.wavelength_nm - 532.0) > 50 or narrow.band.height < 400
    assert seen(light(532.0, 300.0, 32.0)).band.wavelength_nm == pytest.approx(532.0, abs=1.0)


def test_a_saturated_band_is_unknown_and_a_saturated_led_is_not():
    found = seen(light(532.0, 3.0e5, 32.0))
    assert found.band is None
    assert "pixels outside the LED's line are saturated" in found.why
    assert seen(light(532.0, 4000.0, 32.0, led=5.0e5)).band.wavelength_nm == pytest.approx(532.0, abs=1.0)


def test_a_led_that_is_off_is_told():
    found = seen(np.zeros(PIXELS))
    assert found.band is None
    assert "no scattered light of the LED" in found.why


def test_hot_pixels_make_no_bands_and_are_counted():
    hot = {300: 5000.0, 450: 20_000.0, 700: 3000.0}
    dark = taken(np.zeros(PIXELS), 5, hot)
    assert set(np.flatnonzero(hot_pixels(dark.mean))) == set(hot)
    found = seen(light(532.0, 2000.0, 32.0), hot=hot)
    assert found.hot_pixels == 3
    assert found.band.wavelength_nm == pytest.approx(532.0, abs=0.5)
    empty = seen(light(532.0, 0.0, 32.0), hot=hot)
    assert empty.band is None


def test_emission_is_sample_less_dark_with_both_errors():
    sample, dark = taken(light(532.0, 2000.0, 32.0), 1), taken(np.zeros(PIXELS), 2)
    found = emission(sample, dark, AXIS, Mask(405.0, 15.0))
    assert np.array_equal(found.value, sample.mean - dark.mean)
    assert np.median(found.err) == pytest.approx(np.median(np.hypot(sample.err, dark.err)), rel=0.1)
    assert AXIS.wavelength_nm[found.masked][[0, -1]] == pytest.approx([390.0, 420.0], abs=1.0)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(460.0, 690.0), st.floats(20.0, 45.0), st.floats(500.0, 50_000.0))
def test_whatever_the_band_its_position_is_within_its_error_or_there_is_a_reason(seed, at_nm, fwhm_nm, height):
    found = seen(light(at_nm, height, fwhm_nm), seed)
    assert (found.band is None) != (found.why is None)
    if found.band is not None:
        assert abs(found.band.wavelength_nm - at_nm) < 6 * found.band.wavelength_err_nm + 0.2
    if at_nm - fwhm_nm > 440.0:
        assert found.band is not None
