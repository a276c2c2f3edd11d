import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.analysis.absorbance import Baseline, Counts, absorbance, smooth_errors
from flowlab.analysis.axis import Axis
from flowlab.analysis.features import find_features
from flowlab.analysis.steady import drift
from tests.flowlab.analysis.spectra import DARK, HC, WAVELENGTH, band, counts, crystal, spectrum

AXIS = Axis(WAVELENGTH)
LOW = np.full(WAVELENGTH.shape, 1.0)


def test_absorbance_comes_out_as_it_went_in_and_its_error_is_its_scatter():
    truth = crystal(520.0)
    reference = counts(0 * truth, seed=1000)
    found = [absorbance(counts(truth, seed), Baseline(reference, DARK)) for seed in range(200)]
    values = np.array([spectrum.value for spectrum in found])
    assert np.allclose(values.mean(axis=0), truth, atol=0.004)
    # The reference's own noise is common to all: what scatters is the sample's.
    own = np.sqrt(found[0].err ** 2 - (reference.err / (reference.mean - DARK.mean) / np.log(10)) ** 2)
    assert np.median(values.std(axis=0) / own) == pytest.approx(1.0, abs=0.1)


def test_pixels_without_light_are_marked_and_not_guessed():
    dim = np.where(WAVELENGTH < 400, 6.0, 0.2)
    found = absorbance(counts(dim), Baseline(counts(0 * dim, seed=1), DARK))
    assert not found.usable[WAVELENGTH < 395].any()
    assert found.usable[WAVELENGTH > 405].all()
    assert np.isinf(found.err[WAVELENGTH < 395]).all()


def test_errors_are_averaged_over_neighbours():
    random = np.random.default_rng(0)
    noisy = np.sqrt(random.chisquare(7, 2000) / 7)
    assert smooth_errors(noisy).std() < 0.3 * noisy.std()
    assert smooth_errors(np.full(5, 2.0)).tolist() == [2.0] * 5


@pytest.mark.parametrize("kernels", [AXIS.fine, AXIS.broad])
@pytest.mark.parametrize(("power", "curvature"), [(0, 0.0), (1, 0.0), (2, -2.0)])
def test_a_kernel_gives_the_curvature_of_a_parabola_exactly(kernels, power, curvature):
    # E² about 2.5 eV, so that rounding of large numbers does not matter.
    value = (HC / AXIS.binned(WAVELENGTH) - 2.5) ** power
    assert kernels.curvature(value) == pytest.approx(np.full(len(kernels.energy_ev), curvature), abs=1e-7)


@pytest.mark.parametrize("kernels", [AXIS.fine, AXIS.broad])
def test_the_curvature_of_a_gaussian_is_that_of_a_broader_one(kernels):
    centre, sigma = 2.8, 0.05
    s = np.hypot(sigma, kernels.smoothing_ev)
    u = (kernels.energy_ev - centre) / s
    expected = sigma / s**3 * (1 - u**2) * np.exp(-(u**2) / 2)
    found = kernels.curvature(AXIS.binned(np.exp(-0.5 * ((HC / WAVELENGTH - centre) / sigma) ** 2)))
    assert found == pytest.approx(expected, abs=0.04 * expected.max())


@pytest.mark.parametrize("kernels", [AXIS.fine, AXIS.broad])
def test_the_error_of_a_curvature_is_its_scatter(kernels):
    random = np.random.default_rng(0)
    noise = [AXIS.binned(row) for row in random.normal(0, 0.01, (400, len(WAVELENGTH)))]
    scatter = np.std([kernels.curvature(row) for row in noise], axis=0)
    expected = kernels.curvature_err(np.full(len(noise[0]), 0.01**2 / AXIS.pixels_per_bin))
    assert np.median(scatter / expected) == pytest.approx(1.0, abs=0.05)
    neighbours = np.corrcoef(np.array([kernels.curvature(row) for row in noise]).T)
    assert np.abs(neighbours - kernels.correlation).max() < 0.25


@pytest.mark.parametrize("at", [400.0, 437.0, 500.0, 572.0])
def test_a_single_band_is_measured_right(at):
    (feature,) = find_features(spectrum(band(at, 0.1), noise=1e-4), AXIS)
    assert feature.wavelength_nm == pytest.approx(at, abs=0.7)
    assert feature.fwhm_ev == pytest.approx(0.12, rel=0.1)
    assert feature.height == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("fwhm_ev", [0.07, 0.12, 0.2])
def test_errors_of_position_and_height_are_their_scatter(fwhm_ev):
    found = [find_features(spectrum(band(437.0, 0.1, fwhm_ev), seed=seed), AXIS) for seed in range(400)]
    (features,) = zip(*found, strict=True)
    scatter = np.std([f.wavelength_nm for f in features])
    assert scatter == pytest.approx(np.mean([f.wavelength_err_nm for f in features]), rel=0.2)
    scatter = np.std([f.height for f in features])
    assert scatter == pytest.approx(np.mean([f.height_err for f in features]), rel=0.2)


def test_a_band_is_as_high_on_an_axis_whose_pixels_grow():
    wavelength = 300.0 + 450.0 * np.linspace(0, 1, 1500) ** 1.4
    (feature,) = find_features(spectrum(band(400.0, 0.1, wavelength=wavelength), noise=1e-4), Axis(wavelength))
    assert feature.height == pytest.approx(0.1, rel=0.05)


def test_a_band_of_a_hundredth_is_found_every_time_and_noise_alone_never():
    assert all(len(find_features(spectrum(band(437.0, 0.01), seed=s), AXIS)) == 1 for s in range(100))
    assert not any(find_features(spectrum(0 * WAVELENGTH, seed=s), AXIS) for s in range(100))


def test_a_shoulder_on_the_flank_of_a_crystal_is_found():
    found = find_features(spectrum(crystal(520.0) + band(437.0, 0.08)), AXIS)
    assert min(abs(f.wavelength_nm - 437.0) for f in found) < 2.0
    assert min(abs(f.wavelength_nm - 520.0) for f in found) < 3.0


def test_a_weak_band_beside_a_strong_one_says_that_it_may_be_pulled():
    weak, strong = find_features(spectrum(crystal(520.0) + band(437.0, 0.08)), AXIS)[-2:]
    assert weak.overlap_err_nm > strong.overlap_err_nm


@given(st.floats(0.5, 4.0), st.floats(-0.2, 0.2))
def test_scaling_and_an_offset_change_no_position(scale, offset):
    plain = spectrum(crystal(520.0) + band(437.0, 0.08), noise=1e-4)
    changed = type(plain)(plain.value * scale + offset, plain.err * scale, plain.usable)
    before, after = find_features(plain, AXIS), find_features(changed, AXIS)
    assert [f.wavelength_nm for f in after] == pytest.approx([f.wavelength_nm for f in before], abs=1e-6)
    assert [f.height for f in after] == pytest.approx([f.height * scale for f in before], rel=1e-6)


def test_a_hole_in_the_usable_pixels_makes_no_band():
    plain = spectrum(crystal(520.0))
    usable = (WAVELENGTH < 430) | (WAVELENGTH > 450)
    holed = type(plain)(np.where(usable, plain.value, 0.0), np.where(usable, plain.err, np.inf), usable)
    assert all(not 425 < f.wavelength_nm < 455 for f in find_features(holed, AXIS))


@pytest.mark.parametrize(
    "wavelength", [np.arange(9.0), np.full(20, 500.0), np.arange(20.0)[::-1], np.array([*range(19), np.nan])]
)
def test_an_axis_that_cannot_be_one_is_refused(wavelength):
    with pytest.raises(ValueError, match="at least 10 pixels and rises"):
        Axis(wavelength)


def test_a_short_axis_gives_no_features_and_no_error():
    axis = Axis(np.linspace(400, 410, 10))
    assert find_features(spectrum(np.zeros(10)), axis) == []


def test_drift_is_zero_for_noise_and_grows_with_change():
    sample = counts(crystal(520.0), seed=1)
    same = [drift(sample.mean, sample.err, *_pair(counts(crystal(520.0), seed=s))) for s in range(2, 40)]
    moved = drift(sample.mean, sample.err, *_pair(counts(crystal(522.0), seed=50)))
    assert np.max(same) < 0.3
    assert moved > 0.5
    assert np.isnan(drift(LOW[:5], LOW[:5], LOW[:5], LOW[:5]))
    assert drift(LOW, 0 * LOW, LOW, 0 * LOW) == 0.0
    assert drift(LOW, 0 * LOW, 2 * LOW, 0 * LOW) == float("inf")


def _pair(spectrum: Counts) -> tuple[np.ndarray, np.ndarray]:
    return spectrum.mean, spectrum.err


@pytest.mark.parametrize("apart_ev", [0.05, 0.06, 0.07, 0.076])
def test_an_exciton_that_is_no_gaussian_is_one_band_where_its_maximum_is(apart_ev):
    """Sizes are skewed, and so are excitons: measured ones look like this."""
    red = HC / 520.0
    value = band(520.0, 0.061, 0.128) + band(HC / (red + apart_ev), 0.071, 0.187) + 0.02 * crystal(440.0)
    highest = WAVELENGTH[(WAVELENGTH > 480) & (WAVELENGTH < 560)][
        np.argmax(value[(WAVELENGTH > 480) & (WAVELENGTH < 560)])
    ]
    for seed in range(5):
        (exciton,) = [f for f in find_features(spectrum(value, 2e-4, seed), AXIS) if 480 < f.wavelength_nm < 540]
        assert exciton.wavelength_nm == pytest.approx(highest, abs=3.0)


def test_a_cluster_s_band_over_an_exciton_is_two():
    value = band(437.0, 0.1, 0.105) + band(440.0, 0.1, 0.19)
    found = find_features(spectrum(value, 2e-4), AXIS)
    assert min(f.fwhm_ev for f in found) < 0.13
