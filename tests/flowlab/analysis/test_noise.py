import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import Axis
from flowlab.analysis.features import find_features
from flowlab.analysis.noise import bridged, estimated_noise
from flowlab.analysis.scan import Knowledge
from flowlab.analysis.series import SeriesAnalysis
from tests.flowlab.analysis.spectra import band, crystal

AXES = {"1 nm": np.arange(350.0, 651.0), "0.2 nm": np.linspace(350.0, 760.0, 2048)}
NOTHING = Knowledge("nothing", [], None, None)


def estimate(value: np.ndarray, nm: np.ndarray) -> np.ndarray:
    return estimated_noise(value, np.ones(len(value), bool), float(np.median(np.diff(nm))))


@pytest.mark.parametrize("nm", AXES.values(), ids=AXES)
@pytest.mark.parametrize("seed", range(4))
def test_white_noise_is_found_beneath_crystals_and_clusters(nm, seed):
    random = np.random.default_rng(seed)
    clean = crystal(520.0, wavelength=nm) + band(437.0, 0.1, 0.117, nm)
    found = estimate(clean + random.normal(0, 1e-3, len(nm)), nm)
    assert 0.85e-3 < np.median(found) < 1.4e-3


@pytest.mark.parametrize("boxcar", [3, 11])
def test_smoothed_noise_counts_as_what_it_is_at_the_width_of_a_band(boxcar):
    """A boxcar of w takes √w off each pixel, and nothing off a band."""
    nm = AXES["0.2 nm"]
    random = np.random.default_rng(boxcar)
    smoothed = uniform_filter1d(random.normal(0, 1e-3, len(nm)), boxcar)
    assert smoothed.std() < 0.6e-3
    assert 0.7e-3 < np.median(estimate(smoothed, nm)) < 1.2e-3


def test_noise_may_differ_along_the_spectrum():
    nm = AXES["0.2 nm"]
    level = np.where(nm < 450, 5e-3, 5e-4)
    found = estimate(np.random.default_rng(0).normal(0, level), nm)
    assert np.median(found[nm < 430]) > 4e-3
    assert np.median(found[nm > 500]) < 7e-4


def test_rounding_is_noise_and_no_spectrum_is_without():
    nm = AXES["1 nm"]
    assert np.all(estimate(np.round(crystal(520.0, wavelength=nm), 2), nm) >= 0.01 / np.sqrt(12) * 0.99)
    assert np.all(estimate(crystal(520.0, wavelength=nm), nm) > 1e-5)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 40.0])
@pytest.mark.parametrize("offset", [0.0, -0.3, 1.0])
def test_the_estimate_scales_with_the_spectrum_and_does_not_see_an_offset(factor, offset):
    nm = AXES["1 nm"]
    value = crystal(500.0, wavelength=nm) + np.random.default_rng(1).normal(0, 1e-3, len(nm))
    assert np.allclose(estimate(factor * (value + offset), nm), factor * estimate(value, nm), rtol=1e-6)


@pytest.mark.parametrize("nm", AXES.values(), ids=AXES)
def test_no_band_is_found_in_noise_alone_and_weak_ones_are(nm):
    everywhere = np.ones(len(nm), bool)
    found, weak = 0, 0
    for seed in range(30):
        value = np.random.default_rng(seed).normal(0, 1e-3, len(nm))
        with_band = value + band(437.0, 0.02 if len(nm) > 1000 else 0.04, 0.117, nm)
        for spectrum, count in ((value, "none"), (with_band, "one")):
            features = find_features(Absorbance(spectrum, estimate(spectrum, nm), everywhere), Axis(nm))
            if count == "none":
                found += len(features)
            else:
                weak += any(abs(f.wavelength_nm - 437.0) < 3 for f in features)
    assert found == 0
    assert weak >= 29


def test_small_holes_are_bridged_and_wide_ones_are_not_used():
    nm = AXES["1 nm"]
    clean = crystal(500.0, wavelength=nm)
    holed = clean.copy()
    holed[[50, 120, 121, 122]] = np.nan
    holed[200:210] = np.nan
    filled, usable = bridged(holed)
    assert np.flatnonzero(~usable).tolist() == list(range(200, 210))
    assert np.allclose(filled[[50, 120, 121, 122]], clean[[50, 120, 121, 122]], atol=2e-4)
    assert np.array_equal(filled[usable & ~np.isnan(holed)], clean[usable & ~np.isnan(holed)])


def test_a_ceiling_is_no_measurement():
    nm = AXES["1 nm"]
    clipped = np.minimum(20 * crystal(500.0, wavelength=nm), 3.0)
    _, usable = bridged(clipped)
    assert np.array_equal(~usable, clipped == 3.0)
    _, usable = bridged(np.minimum(clipped, 1.0))  # so little light was never the least that is seen
    assert usable.all()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (np.full(301, np.nan), "only 0 of 301"),
        (np.where(np.arange(301) % 10 < 6, np.nan, 0.1), "only 120 of 301"),
        (np.full(301, 0.25), "the same value at every pixel"),
    ],
)
def test_spectra_that_say_nothing_are_told_so(value, why):
    result = SeriesAnalysis(AXES["1 nm"], NOTHING).absorbance(0.0, value)
    assert not result.usable
    assert result.why is not None
    assert result.why.startswith(why)


def test_what_the_lamp_does_not_reach_at_either_end_is_not_missed():
    wide = np.arange(200.0, 1100.0)
    value = np.where((wide > 380.0) & (wide < 620.0), crystal(500.0, wavelength=wide), np.nan)
    result = SeriesAnalysis(wide, NOTHING).absorbance(0.0, value)
    assert result.usable
    assert result.features[-1].wavelength_nm == pytest.approx(500.0, abs=0.5)
    narrow = SeriesAnalysis(wide, NOTHING).absorbance(0.0, np.where(wide < 430.0, value, np.nan))
    assert narrow.why == "it spans 48 nm; a band is not told from what is beneath it in less than 50"


def test_a_short_axis_shows_no_band():
    result = SeriesAnalysis(np.arange(400.0, 440.0, 0.1), NOTHING).absorbance(0.0, np.arange(400.0))
    assert result.why == "it spans 40 nm; a band is not told from what is beneath it in less than 50"


def test_measured_light_that_exceeds_its_reference_is_refused_and_a_file_s_offset_is_not():
    nm = AXES["1 nm"]
    value = crystal(520.0, wavelength=nm) - 0.4 + np.random.default_rng(0).normal(0, 1e-3, len(nm))
    assert SeriesAnalysis(nm, NOTHING).absorbance(0.0, value).usable
    measured = SeriesAnalysis(nm, NOTHING).absorbance(0.0, value, np.full(len(nm), 1e-3))
    assert measured.why == "it lets more light through than the reference: that was no blank"
