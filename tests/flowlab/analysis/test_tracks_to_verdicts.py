import numpy as np
import pytest

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.features import Feature
from flowlab.analysis.scan import Knowledge, ScanAnalysis
from flowlab.analysis.sizing import SizingCurve, size
from flowlab.analysis.tracks import Tracker
from flowlab.analysis.verdict import KnownFamily, judge_panel
from flowlab.analysis.window import Panel, accumulation_window
from tests.flowlab.analysis.spectra import DARK, WAVELENGTH, band, counts, crystal

CDSE_437 = KnownFamily("CdSe-437", 437.0, 3.0)
FAMILIES = [CDSE_437, KnownFamily("CdSe-403", 403.0, 3.0)]
YU = SizingCurve("Yu 2003, CdSe", (1.6122e-9, -2.6575e-6, 1.6242e-3, -0.4277, 41.57), (350.0, 680.0), 0.10)
KNOWLEDGE = Knowledge("CdSe", FAMILIES, YU, "CdSe-437")


def feature(at: float, fwhm_ev: float = 0.1, height: float = 0.1, err: float = 0.2) -> Feature:
    return Feature(at, err, 0.1, fwhm_ev * at**2 / 1239.842, fwhm_ev, height, 0.01 * height, 50.0)


def follow(*series: list[Feature]) -> Tracker:
    tracker = Tracker()
    tracker.begin_panel()
    for index, features in enumerate(series):
        tracker.follow(index, features)
    return tracker


def verdicts(tracker: Tracker):
    judged = judge_panel(tracker.tracks, FAMILIES)
    return [judged[track.id] for track in tracker.tracks]


def wiggle(seed: int, count: int, scatter: float = 0.2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scatter, count)


def test_a_band_that_stays_is_one_track_and_so_is_one_that_moves():
    tracker = follow(*([feature(437.0), feature(500.0 + 5 * i, 0.17)] for i in range(8)))
    assert [len(t.sightings) for t in tracker.tracks] == [8, 8]


def test_a_band_that_is_missing_once_is_still_the_same_track():
    tracker = follow([feature(437.0)], [feature(437.2)], [], [feature(436.9)])
    assert [len(t.sightings) for t in tracker.tracks] == [3]


def test_a_band_that_was_away_for_long_is_another_track():
    assert len(follow([feature(437.0)], [], [], [], [], [feature(437.0)]).tracks) == 2


def test_a_new_panel_begins_new_tracks():
    tracker = follow([feature(437.0)])
    tracker.begin_panel()
    tracker.follow(1, [feature(437.0)])
    assert [t.panel for t in tracker.tracks] == [0, 1]


def test_two_bands_keep_their_tracks_when_they_come_close():
    tracker = follow(*([feature(470.0 + 6 * i, 0.17, 0.3), feature(520.0, 0.1, 0.05)] for i in range(5)))
    assert [[round(s.feature.height, 2) for s in t.sightings] for t in tracker.tracks] == [[0.3] * 5, [0.05] * 5]


def test_one_band_that_goes_and_one_that_comes_move_no_others():
    """A weak band vanishes on one side while an exciton appears on the other: what is between them stays."""
    tracker = follow(
        [feature(at) for at in (332.3, 383.3, 436.9, 469.3)], [feature(at) for at in (383.2, 436.9, 469.0, 502.9)]
    )
    followed = [[s.feature.wavelength_nm for s in t.sightings] for t in tracker.tracks]
    assert followed == [[332.3], [383.3, 383.2], [436.9, 436.9], [469.3, 469.0], [502.9]]


def test_a_narrow_band_that_stays_is_a_cluster_of_its_family():
    tracker = follow(*([feature(437.0 + d), feature(500.0 + 5 * i, 0.17, 0.3)] for i, d in enumerate(wiggle(1, 10))))
    cluster, exciton = verdicts(tracker)
    assert (cluster.kind, cluster.family, cluster.transition) == ("msc", "CdSe-437", "E1")
    assert cluster.probability > 0.95
    assert "fixed within" in cluster.why
    assert (exciton.kind, exciton.transition, exciton.family) == ("nc", "E1", None)
    assert "moves from 500 to 545 nm" in exciton.why


def test_a_narrow_fixed_band_of_no_known_family_is_a_cluster_without_family():
    tracker = follow(*([feature(420.0 + d), feature(500.0 + 5 * i, 0.17, 0.3)] for i, d in enumerate(wiggle(2, 10))))
    assert (verdicts(tracker)[0].kind, verdicts(tracker)[0].family) == ("msc", None)


def test_an_exciton_that_passes_through_the_place_of_a_family_is_no_cluster():
    tracker = follow(*([feature(425.0 + 4 * i, 0.17, 0.3)] for i in range(8)))
    assert verdicts(tracker)[0].kind == "nc"


def test_a_higher_transition_that_follows_the_exciton_is_no_cluster():
    def second(exciton: float) -> float:
        return 1239.842 / (1239.842 / exciton + 0.55)

    excitons = [565.0, 552.0, 541.0, 530.0, 519.0, 509.0, 503.0]
    tracker = follow(*([feature(second(x), 0.12, 0.02, 0.8), feature(x, 0.17, 0.3)] for x in excitons))
    assert verdicts(tracker)[0].kind == "other"
    assert verdicts(tracker)[0].transition == "E2"


def test_too_few_sightings_decide_nothing():
    (verdict,) = verdicts(follow([feature(437.0)], [feature(437.0)]))
    assert verdict.kind == "unknown"
    assert "seen in 2 of at least 3" in verdict.why


def test_a_broad_band_that_hardly_moves_is_not_called_a_cluster():
    tracker = follow(*([feature(490.0 - 0.8 * i, 0.18, 0.3, 1.0)] for i in range(4)))
    assert verdicts(tracker)[0].kind != "msc"


def test_a_band_that_stands_as_broad_as_an_exciton_is_not_called_a_cluster():
    """A scan in which nothing changes: crystals that do not grow."""
    tracker = follow(*([feature(527.0 + 0.05 * i, 0.165, 0.3, 0.3)] for i in range(10)))
    (verdict,) = verdicts(tracker)
    assert verdict.kind == "unknown"
    assert "as broad as the exciton of crystals that do not grow" in verdict.why


def test_a_weak_shoulder_that_moves_steadily_is_not_called_a_cluster_for_the_pull_of_its_neighbours():
    tracker = follow(*([feature(432.5 + i, 0.10, 0.02, 5.0)] for i in range(10)))
    (verdict,) = verdicts(tracker)
    assert verdict.kind != "msc"


def panel(coordinate: float, *spectra: list[Feature], usable: int = 6) -> Panel:
    tracker = follow(*spectra)
    judged = judge_panel(tracker.tracks, FAMILIES)
    return Panel(coordinate, usable, [(track, judged[track.id]) for track in tracker.tracks])


def test_a_window_is_told_with_its_holes():
    there, gone = [[feature(437.0)]] * 6, [[]] * 6
    panels = [panel(270.0, *there), panel(280.0, *gone), panel(290.0, *gone), panel(300.0, *there)]
    window = accumulation_window(CDSE_437, panels)
    assert (window.low, window.high, window.undecided) == (270.0, 300.0, ())
    assert window.why == "CdSe-437 found from 270 to 300, but not at 280, 290"
    nowhere = accumulation_window(CDSE_437, [panel(270.0, *gone)])
    assert (nowhere.low, nowhere.high, nowhere.why) == (None, None, "CdSe-437 was found nowhere")


def test_where_nothing_could_be_decided_absence_is_not_claimed():
    there, gone, open_to_doubt = [[feature(437.0)]] * 6, [[]] * 6, [[feature(437.0, 0.17)]] * 6
    panels = [
        panel(260.0, *gone, usable=2),
        panel(270.0, *there),
        panel(280.0, *open_to_doubt),
        panel(290.0, *gone),
    ]
    window = accumulation_window(CDSE_437, panels)
    assert (window.found, window.not_found, window.undecided) == ((270.0,), (290.0,), (260.0, 280.0))
    assert window.why == "CdSe-437 found from 270 to 270; undecided at 260, 280"


def test_a_coordinate_that_was_measured_twice_shows_what_it_showed_once():
    there, gone = [[feature(437.0)]] * 6, [[]] * 6
    window = accumulation_window(CDSE_437, [panel(280.0, *there), panel(300.0, *gone), panel(280.0, *gone)])
    assert (window.found, window.not_found) == ((280.0,), (300.0,))


@pytest.mark.parametrize(
    ("wavelength", "diameter"), [(350, 1.092), (380, 1.373), (403, 1.581), (437, 1.855), (572, 3.574)]
)
def test_diameters_are_those_of_the_published_curve(wavelength, diameter):
    found = size(wavelength, 1.0, YU)
    assert found.diameter_nm == pytest.approx(diameter, abs=0.002)
    assert found.curve_err_nm == pytest.approx(0.1 * diameter, rel=0.01)
    slope = (size(wavelength + 1, 1.0, YU).diameter_nm or np.nan) - found.diameter_nm
    assert found.fit_err_nm == pytest.approx(abs(slope), rel=0.1)


@pytest.mark.parametrize(("curve", "why"), [(YU, "holds from 350 to 680 nm only"), (None, "no sizing curve")])
def test_outside_its_range_there_is_no_diameter_but_a_reason(curve, why):
    found = size(340.0, 1.0, curve)
    assert found.diameter_nm is None
    assert why in found.why


def scan() -> ScanAnalysis:
    analysis = ScanAnalysis(WAVELENGTH, KNOWLEDGE)
    analysis.take_dark(DARK)
    analysis.take_reference(counts(0 * WAVELENGTH, seed=999))
    return analysis


def test_a_scan_of_made_up_spectra_gives_window_and_excitons():
    analysis = scan()
    seed = 0
    for panel in (260.0, 270.0, 280.0, 290.0):
        for i in range(8):
            seed += 1
            cluster = band(437.0, 0.08 - 0.005 * i, 0.117) if panel in (270.0, 280.0) else 0.0
            analysis.spectrum(panel, counts(crystal(560.0 - 7 * i) + cluster, seed))
    window = analysis.window()
    assert (window.low, window.high, window.not_found) == (270.0, 280.0, (260.0, 290.0))
    judged = analysis.verdicts()
    excitons = [t for t in analysis.tracks if judged[t.id].kind == "nc" and judged[t.id].transition == "E1"]
    assert len(excitons) == 4
    for track in excitons:
        truth = [560.0 - 7 * s.step for s in track.sightings]
        seen = np.array([s.feature.wavelength_nm for s in track.sightings])
        errors = np.array([judged[track.id].position_err_nm(s.feature) for s in track.sightings])
        assert np.abs(seen - truth).max() < 3.0
        assert (np.abs(seen - truth) < 2 * errors).all(), "what is said of the error is true"


def test_the_same_spectra_give_the_same_results():
    results = []
    for _ in range(2):
        analysis = scan()
        results.append([repr(analysis.spectrum(1.0, counts(crystal(560.0 - 7 * i), i)).features) for i in range(5)])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda c: (Counts(c.mean[:100], c.err[:100]), 0), "100 pixels instead of 1500"),
        (lambda c: (Counts(np.where(WAVELENGTH > 500, np.nan, c.mean), c.err), 0), "not numbers"),
        (lambda c: (c, 12), "12 saturated pixels"),
    ],
)
def test_a_spectrum_that_cannot_be_used_says_why(spoil, why):
    sample, saturated = spoil(counts(crystal(520.0)))
    result = scan().spectrum(1.0, sample, saturated)
    assert not result.usable
    assert why in result.why


@pytest.mark.parametrize("name", ["dark", "reference"])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [(lambda c: (c, 900), "900 saturated pixels"), (lambda c: (Counts(c.mean * np.nan, c.err), 0), "not numbers")],
)
def test_a_dark_or_reference_that_cannot_be_used_spoils_what_follows_until_the_next(name, spoil, why):
    analysis = scan()
    good = DARK if name == "dark" else counts(0 * WAVELENGTH, seed=999)
    take = getattr(analysis, f"take_{name}")
    take(*spoil(good))
    result = analysis.spectrum(1.0, counts(crystal(520.0)))
    assert not result.usable
    assert result.why.startswith(f"the {name} spectrum before it has ")
    assert why in result.why
    take(good)
    assert analysis.spectrum(1.0, counts(crystal(520.0))).usable


def test_a_reference_taken_with_a_sample_in_the_cell_is_no_reference():
    analysis = scan()
    analysis.take_reference(counts(0.5 * crystal(500.0), seed=999))
    for i in range(4):
        assert analysis.spectrum(260.0, counts(crystal(500.0), i)).usable, "nothing shows yet"
    result = analysis.spectrum(270.0, counts(0.3 * crystal(440.0), 9))
    assert result.why == "the reference before it was no blank: the sample lets more light through"
    assert not analysis.spectrum(280.0, counts(crystal(500.0), 10)).usable
    window = analysis.window()
    assert window.undecided == (260.0, 270.0, 280.0)
    analysis.take_reference(counts(0 * WAVELENGTH, seed=998))
    assert analysis.spectrum(290.0, counts(crystal(540.0), 11)).usable


def test_a_precursor_that_is_used_up_lets_more_ultraviolet_through_and_spoils_nothing():
    analysis = scan()
    precursor = 0.3 * np.exp(-(((WAVELENGTH - 300.0) / 14.0) ** 2))
    analysis.take_reference(counts(precursor, seed=999))
    result = analysis.spectrum(260.0, counts(band(500.0, 0.3, 0.17), 1))
    assert (result.spectrum.value < -0.05).sum() > 0.03 * len(WAVELENGTH), "it is below zero there"
    assert [round(feature.wavelength_nm) for feature in result.features] == [500]


def test_a_lamp_that_grew_a_little_brighter_spoils_nothing():
    sample = counts(crystal(520.0))
    brighter = Counts(DARK.mean + 1.02 * (sample.mean - DARK.mean), sample.err)
    assert scan().spectrum(1.0, brighter).usable


def test_without_dark_and_reference_there_is_no_absorbance():
    analysis = ScanAnalysis(WAVELENGTH, KNOWLEDGE)
    assert "no dark" in analysis.spectrum(1.0, DARK).why
    analysis.take_dark(DARK)
    assert "no reference" in analysis.spectrum(1.0, DARK).why


def test_negative_counts_and_darkness_are_survived():
    result = scan().spectrum(1.0, Counts(np.full(WAVELENGTH.shape, -5.0), np.full(WAVELENGTH.shape, 1.0)))
    assert result.features == []
