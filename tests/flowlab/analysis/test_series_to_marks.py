"""Made-up series whose every band is known, and what the analysis makes of them: a small part of the benchmark."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy import Marks, analysed, figures, knowledge_of, mark, suite
from benchmarks.series import KINDS, make_series
from flowlab.analysis.absorbance import Absorbance, Counts
from flowlab.analysis.axis import Axis
from flowlab.analysis.bands import curvature_of, fit_bands
from flowlab.analysis.features import find_features
from flowlab.analysis.lines import take_lines
from flowlab.analysis.scan import ScanAnalysis
from flowlab.analysis.tracks import Tracker
from flowlab.analysis.verdict import judge_panel
from tests.flowlab.analysis.spectra import WAVELENGTH, band, counts, crystal, spectrum

AXIS = Axis(WAVELENGTH)


@pytest.fixture(scope="module")
def marks() -> Marks:
    return mark(suite(seed=9000, each=6))


def test_clusters_are_found_and_none_is_claimed_that_is_not_there(marks):
    assert marks.series == 6 * len(KINDS)
    assert marks.found + marks.missed >= 45
    assert marks.recall >= 0.98, marks.failures
    assert marks.precision >= 0.99, marks.failures
    assert marks.false_share == 0.0, marks.failures


def test_positions_are_as_near_as_they_have_to_be(marks):
    assert np.median(marks.cluster_error_nm) <= 0.5
    assert np.median(marks.exciton_error_nm) <= 1.5
    assert np.quantile(marks.exciton_error_nm, 0.95) <= 4.0
    assert marks.exciton_followed >= 0.95


def test_probabilities_are_what_they_say(marks):
    # Of these few verdicts one is half a per cent.
    assert marks.calibration_error <= 0.05
    assert {row.task for row in figures(marks)} >= {"clusters found", "expected calibration error"}


def test_a_series_is_the_same_each_time_and_says_what_is_in_it():
    one, same, other = make_series("CdSe 437", 1), make_series("CdSe 437", 1), make_series("CdSe 437", 2)
    assert np.array_equal(one.samples[3].mean, same.samples[3].mean)
    assert len(one.wavelength_nm) == 2048
    assert one.wavelength_nm[0] != other.wavelength_nm[0]
    (cluster,) = [b for b in one.bands if (b.kind, b.transition) == ("msc", "E1")]
    assert (cluster.family, len(cluster.height)) == ("CdSe-437", len(one.samples))


def test_marks_go_down_when_the_truth_is_another():
    series = make_series("CdSe 437 alone", 3)
    assert mark([(3, series)]).found == 1
    lied = [
        b if b.family is None else type(b)(b.kind, b.transition, "CdSe-403", b.wavelength_nm - 34, b.height)
        for b in series.bands
    ]
    wrong = mark([(3, type(series)(**{**vars(series), "bands": lied}))])
    assert (wrong.found, wrong.missed) == (0, 1)
    assert wrong.right == 0
    assert wrong.wrong >= 1


def test_the_jacobian_is_that_of_the_curvature():
    energy = np.linspace(2.0, 3.5, 151)
    at = np.array([[2.5, np.log(0.07), 0.3, 0.1], [2.83, np.log(0.045), 0.1, 0.0]])
    for parameters in (at, at[:, :3]):
        jacobian = curvature_of(energy, 0.022, parameters)[1]()
        for n in range(parameters.size):
            step = np.zeros(parameters.size)
            step[n] = 1e-6
            up, down = (
                curvature_of(energy, 0.022, parameters + sign * step.reshape(parameters.shape))[0] for sign in (1, -1)
            )
            assert jacobian[n] == pytest.approx((up - down) / 2e-6, abs=1e-4 * np.abs(jacobian[n]).max())


def test_the_fit_finds_the_bands_that_made_the_curvature():
    energy = np.linspace(2.2, 3.2, 101)
    truth = np.array([[2.5, np.log(0.07), 0.3], [2.83, np.log(0.045), 0.1]])
    value, _ = curvature_of(energy, 0.022, truth)
    err = np.full(len(energy), 1e-3 * value.max())
    start = truth + np.array([[0.01, 0.3, 0.05], [-0.01, -0.2, 0.03]])
    found = fit_bands(energy, value, err, err, np.eye(len(energy)), 0.022, start)
    assert found.parameters == pytest.approx(truth, abs=2e-3)
    assert (found.errors < 0.02).all()


def test_a_line_is_taken_away_and_the_band_beneath_it_stays():
    bands = crystal(520.0) + band(437.0, 0.08)
    line = 0.04 * np.exp(-0.5 * ((WAVELENGTH - 470.0) / 1.2) ** 2)
    without, (found,) = take_lines(spectrum(bands + line, noise=5e-4), AXIS)
    assert found.wavelength_nm == pytest.approx(470.0, abs=0.5)
    assert found.fwhm_nm < 6.0
    assert np.abs(without - bands).max() < 0.012
    assert take_lines(spectrum(bands, noise=5e-4), AXIS)[1] == []


def test_a_fixed_line_that_grows_with_the_spectrum_is_an_artefact_and_no_cluster():
    def judged(height_nm_wide: float):
        scan = ScanAnalysis(WAVELENGTH, knowledge_of("CdSe"))
        scan.take_dark(Counts(np.full(WAVELENGTH.shape, 1500.0), np.full(WAVELENGTH.shape, 2.0)))
        scan.take_reference(counts(0 * WAVELENGTH, seed=999))
        for i in range(10):
            strength = 0.5 + 0.1 * i
            line = 0.05 * strength * np.exp(-0.5 * ((WAVELENGTH - 437.0) / (height_nm_wide / 2.3548)) ** 2)
            scan.spectrum(0.0, counts(strength * crystal(505.0 + 3 * i) + line, i))
        found = scan.verdicts()
        return {found[t.id].kind for t in scan.tracks if abs(t.last.feature.wavelength_nm - 437.0) < 2}

    assert judged(3.0) == {"artefact"}
    assert judged(17.0) == {"msc"}


def test_beside_strong_clusters_a_weak_exciton_that_moves_is_an_exciton():
    tracker = Tracker()
    tracker.begin_panel()
    for i in range(10):
        value = band(437.0, 0.4, 0.1) + band(500.0 + 3 * i, 0.03, 0.16)
        tracker.follow(i, find_features(spectrum(value, noise=3e-4, seed=i), AXIS))
    verdicts = judge_panel(tracker.tracks, knowledge_of("CdSe").families)
    excitons = [t for t in tracker.tracks if (verdicts[t.id].kind, verdicts[t.id].transition) == ("nc", "E1")]
    assert [len(t.sightings) for t in excitons] == [10]


SHOWN = spectrum(crystal(520.0) + band(437.0, 0.08), noise=3e-4)


def _positions(found) -> list[float]:
    return [feature.wavelength_nm for feature in found]


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 100.0), st.floats(-0.5, 3.0))
def test_the_unit_of_absorbance_and_an_added_constant_change_no_band(scale, constant):
    changed = Absorbance(SHOWN.value * scale + constant, SHOWN.err * scale, SHOWN.usable)
    before, after = find_features(SHOWN, AXIS), find_features(changed, AXIS)
    assert _positions(after) == pytest.approx(_positions(before), abs=1e-4)
    assert [f.height for f in after] == pytest.approx([scale * f.height for f in before], rel=1e-3)
    assert [f.fwhm_nm for f in after] == pytest.approx([f.fwhm_nm for f in before], rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)), st.booleans())
def test_pixels_in_another_order_are_put_in_order_or_refused(blocks, reverse):
    order = np.concatenate([np.arange(len(WAVELENGTH)).reshape(6, -1)[block] for block in blocks])
    order = order[::-1] if reverse else order
    if np.all(np.diff(WAVELENGTH[order]) > 0):
        return
    with pytest.raises(ValueError, match="rises"):
        Axis(WAVELENGTH[order])
    back = np.argsort(WAVELENGTH[order])
    sorted_again = Absorbance(SHOWN.value[order][back], SHOWN.err[order][back], SHOWN.usable[order][back])
    assert find_features(sorted_again, Axis(WAVELENGTH[order][back])) == find_features(SHOWN, AXIS)


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
@settings(max_examples=10, deadline=None)
@given(pixel=st.integers(0, len(WAVELENGTH) - 1))
def test_a_count_that_is_no_number_spoils_its_spectrum_and_no_other(spoiled, pixel):
    scan = ScanAnalysis(WAVELENGTH, knowledge_of("CdSe"))
    scan.take_dark(Counts(np.full(WAVELENGTH.shape, 1500.0), np.full(WAVELENGTH.shape, 2.0)))
    scan.take_reference(counts(0 * WAVELENGTH, seed=999))
    good = counts(crystal(520.0), 1)
    bad = Counts(np.where(np.arange(len(WAVELENGTH)) == pixel, spoiled, good.mean), good.err)
    result = scan.spectrum(0.0, bad)
    assert (result.usable, result.why) == (False, "counts that are not numbers")
    assert scan.spectrum(0.0, good).usable


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-3000.0, 0.0))
def test_negative_counts_show_no_bands(seed, level):
    scan = ScanAnalysis(WAVELENGTH, knowledge_of("CdSe"))
    scan.take_dark(Counts(np.full(WAVELENGTH.shape, 1500.0), np.full(WAVELENGTH.shape, 2.0)))
    scan.take_reference(counts(0 * WAVELENGTH, seed=999))
    noise = np.random.default_rng(seed).normal(0, 5.0, WAVELENGTH.shape)
    assert scan.spectrum(0.0, Counts(level + noise, np.full(WAVELENGTH.shape, 5.0))).features == []


def test_one_spectrum_decides_nothing():
    series = make_series("CdSe 437 alone", 3)
    short = type(series)(**{**vars(series), "samples": series.samples[:1]})
    scan = analysed(short)
    assert scan.tracks
    assert {verdict.kind for verdict in scan.verdicts().values()} == {"unknown"}


@pytest.mark.parametrize("wavelength", [np.linspace(430, 445, 10), np.linspace(900, 1700, 512), np.linspace(1, 9, 10)])
def test_axes_too_short_or_elsewhere_show_nothing_and_break_nothing(wavelength):
    value = band(437.0, 0.1, wavelength=wavelength)
    assert find_features(spectrum(value), Axis(wavelength)) == []


def test_a_long_run_costs_no_more_per_spectrum_and_gives_the_same_verdict():
    """Of a track of a thousand sightings as many are looked at as of one of fifty."""
    tracker = Tracker()
    tracker.begin_panel()
    found = [find_features(spectrum(band(437.0, 0.1, 0.1), seed=seed), AXIS) for seed in range(20)]
    for i in range(1000):
        tracker.follow(i, found[i % 20])
    (track,) = tracker.tracks
    verdict = judge_panel([track], knowledge_of("CdSe").families)[track.id]
    assert (verdict.kind, verdict.family, len(track.sightings)) == ("msc", "CdSe-437", 1000)
