"""Where the edges of an accumulation window lie."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlab.analysis.features import Feature
from flowlab.analysis.tracks import Tracker
from flowlab.analysis.verdict import KnownFamily, judge_panel
from flowlab.analysis.window import Panel, accumulation_window

CDSE_437 = KnownFamily("CdSe-437", 437.0, 3.0)


def feature(at_nm: float, fwhm_ev: float = 0.1) -> Feature:
    return Feature(at_nm, 0.2, 0.1, fwhm_ev * at_nm**2 / 1239.842, fwhm_ev, 0.1, 0.001, 50.0)


def panel(coordinate: float, *spectra: list[Feature]) -> Panel:
    tracker = Tracker()
    tracker.begin_panel()
    for index, features in enumerate(spectra):
        tracker.follow(index, features)
    judged = judge_panel(tracker.tracks, [CDSE_437])
    return Panel(coordinate, len(spectra), [(track, judged[track.id]) for track in tracker.tracks])


THERE, GONE, OPEN_TO_DOUBT = [[feature(437.0)]] * 6, [[]] * 6, [[feature(437.0, 0.17)]] * 6


def test_the_edges_of_a_window_lie_between_absent_and_found():
    shown = {250.0: GONE, 260.0: GONE, 270.0: THERE, 280.0: GONE, 300.0: THERE, 320.0: GONE, 340.0: GONE}
    window = accumulation_window(CDSE_437, [panel(at, *seen) for at, seen in reversed(shown.items())])
    lower, upper = window.lower_edge, window.upper_edge
    assert (lower.coordinate, lower.between, lower.why) == (265.0, (260.0, 270.0), "absent at 260, found at 270")
    assert (upper.coordinate, upper.between, upper.why) == (310.0, (300.0, 320.0), "absent at 320, found at 300")
    assert (lower.err, upper.err) == (pytest.approx(10 / 12**0.5), pytest.approx(20 / 12**0.5))


def test_what_is_undecided_widens_an_edge():
    shown = {250.0: GONE, 260.0: OPEN_TO_DOUBT, 270.0: THERE, 280.0: OPEN_TO_DOUBT, 290.0: GONE}
    window = accumulation_window(CDSE_437, [panel(at, *seen) for at, seen in shown.items()])
    lower, upper = window.lower_edge, window.upper_edge
    assert (lower.coordinate, lower.between) == (260.0, (250.0, 270.0))
    assert (upper.coordinate, upper.between) == (280.0, (270.0, 290.0))
    assert lower.why == "absent at 250, found at 270; undecided at 260"
    assert lower.err == pytest.approx(20 / 12**0.5)


@pytest.mark.parametrize(
    ("shown", "lower", "upper"),
    [
        ({270.0: THERE}, "nothing was measured below 270", "nothing was measured above 270"),
        ({260.0: OPEN_TO_DOUBT, 270.0: THERE, 280.0: GONE}, "undecided below 270", None),
        ({260.0: GONE, 270.0: THERE, 280.0: OPEN_TO_DOUBT}, None, "undecided above 270"),
        ({260.0: GONE, 270.0: OPEN_TO_DOUBT}, "it was found nowhere", "it was found nowhere"),
    ],
)
def test_an_edge_that_the_scan_does_not_reach_beyond_is_not_guessed(shown, lower, upper):
    window = accumulation_window(CDSE_437, [panel(at, *seen) for at, seen in shown.items()])
    for edge, why in ((window.lower_edge, lower), (window.upper_edge, upper)):
        if why is not None:
            assert (edge.coordinate, edge.err, edge.between, edge.why) == (None, None, None, why)
        else:
            assert edge.coordinate is not None


@given(
    edges=st.tuples(st.floats(200.0, 260.0), st.floats(300.0, 360.0)),
    spacing=st.floats(3.0, 20.0),
    offset=st.floats(0.0, 3.0),
)
@settings(max_examples=30)
def test_the_true_edges_are_in_the_bracket_wherever_a_scan_s_points_fall(edges, spacing, offset):
    at = np.arange(180.0 + offset, 400.0, spacing)
    judged = {seen: panel(0.0, *(THERE if seen else GONE)) for seen in (True, False)}
    panels = [replace(judged[bool(edges[0] <= c <= edges[1])], coordinate=float(c)) for c in at]
    window = accumulation_window(CDSE_437, panels)
    for edge, truth in zip((window.lower_edge, window.upper_edge), edges, strict=True):
        assert edge.between is not None
        assert edge.between[0] <= truth <= edge.between[1]
        assert edge.coordinate is not None
        assert edge.err is not None
        assert abs(edge.coordinate - truth) <= 3**0.5 * edge.err + 1e-9
