"""The analysis of a run that goes on with another is that of the whole scan, whatever is known of the first one's."""

from functools import partial

import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.stream import RunStore, earlier_documents, pack
from tests.emission_runs import POINTS, emission_documents
from tests.resumed_runs import follows, keep, scan_in_runs
from tests.saxs_runs import RADII, series
from tests.support import PANELS, documents_of_a_scan


def analyse(documents, store):
    """Results of a run, the runs before it read from where they were kept."""
    with FrameReader(store.frames, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader, partial(earlier_documents, store))
        return [result for name, doc in documents for result in analyzer.take(name, doc)]


def events(results, stream):
    names = {doc["uid"]: doc["name"] for name, doc in results if name == "descriptor"}
    return [doc["data"] for name, doc in results if name == "event" and names[doc["descriptor"]] == stream]


def same(one: dict, other: dict, *but: str) -> bool:
    return all(pack([value]) == pack([other[key]]) for key, value in one.items() if key not in but)


@pytest.mark.parametrize("interrupted_behind", [(3,), (5,), (2, 7), (0, 4, 4)])
def test_tracks_and_window_of_a_scan_in_several_runs_are_those_of_one(tmp_path, interrupted_behind):
    store = RunStore(tmp_path)
    *before, last = scan_in_runs(PANELS, interrupted_behind, clusters=(270.0,))
    keep(store, *before, last)
    resumed, whole = analyse(last, store), analyse(documents_of_a_scan(PANELS, clusters=(270.0,)), store)
    assert resumed[0][1]["resumes"] == before[-1][0][1]["uid"]
    assert resumed[-1][1]["exit_status"] == "success"
    for stream in ("spectra", "window_so_far", "tracks", "families", "window"):
        pairs = list(zip(events(resumed, stream), events(whole, stream), strict=True))
        assert pairs
        assert all(same(*pair, "spectrum_event") for pair in pairs)
    (so_far,), (window,) = events(resumed, "window_so_far"), events(resumed, "window")
    assert (so_far["panels_done"], so_far["found"].tolist(), so_far["not_found"].tolist()) == (1, [270.0], [])
    assert (window["found"].tolist(), window["not_found"].tolist()) == ([270.0], [310.0])
    # Nothing but documents of the runs matters: not how they are read, nor what was found in the first run.
    assert [pack(list(r)) for r in analyse(last, store)] == [pack(list(r)) for r in resumed]


def test_results_of_earlier_points_are_there_before_the_first_new_one(tmp_path):
    store = RunStore(tmp_path)
    *before, last = scan_in_runs(PANELS, (3,))
    keep(store, *before)
    analyzer = Analyzer(load_material, read_earlier=partial(earlier_documents, store))
    assert len(events(list(analyzer.take(*last[0])), "spectra")) == 3


def test_a_point_whose_frames_are_not_all_there_does_not_count(tmp_path):
    """Its frames are taken again; and dark, open beam and background are those of each run."""
    store = RunStore(tmp_path / "runs")
    about = {"point_events": {"saxs": 3}}
    radii = list(RADII.items())
    first = follows(series(store.frames / "one", dict(radii[:2])), 0, None, num_points=3, **about)
    broken_off = [i for i, (name, _) in enumerate(first) if name == "event"][-1]
    keep(store, first[:broken_off])
    rest = list(series(store.frames / "two", dict(radii[1:])))
    second = follows(rest, 1, first[0][1]["uid"], num_points=2, **about)
    keep(store, second)
    resumed, alone, before = analyse(second, store), analyse(rest, store), analyse(first, store)
    assert resumed[-1][1]["exit_status"] == "success"
    points = events(resumed, "saxs_points")
    assert [point["coordinate"] for point in points] == list(RADII)
    assert [point["point"] for point in points] == [0, 1, 2]
    assert same(points[0], events(before, "saxs_points")[0])
    assert all(same(*pair, "point") for pair in zip(points[1:], events(alone, "saxs_points"), strict=True))
    assert [point["frames"] for point in points] == [3, 3, 3]


def test_emission_is_that_of_both_runs(tmp_path):
    store = RunStore(tmp_path)
    points = list(POINTS.items())
    about = {"point_events": {"emission": 1}}
    first = follows(emission_documents(dict(points[:2])), 0, None, num_points=3, **about)
    lit = [i for i, (name, _) in enumerate(first) if name == "event"][-1]
    keep(store, first[:lit])  # the second point has its dark spectrum only
    rest = list(emission_documents(dict(points[1:])))
    second = follows(rest, 1, first[0][1]["uid"], num_points=2, **about)
    found = events(analyse(second, store), "emission")
    assert [(one["panel"], one["coordinate"]) for one in found] == list(POINTS)
    assert np.isfinite([one["band_wavelength_nm"] for one in found]).all()
    assert all(same(*pair) for pair in zip(found[1:], events(analyse(rest, store), "emission"), strict=True))


def test_an_analysis_whose_earlier_run_cannot_be_had_ends_with_the_reason(tmp_path):
    *_, last = scan_in_runs(PANELS, (3,))
    results = analyse(last, RunStore(tmp_path))
    assert [name for name, _ in results] == ["start", "stop"]
    assert results[-1][1]["exit_status"] == "fail"
    assert "there is no run of that uid" in results[-1][1]["reason"]
    alone = [result for document in last for result in Analyzer(load_material).take(*document)]
    assert "earlier runs are not read here" in alone[-1][1]["reason"]
