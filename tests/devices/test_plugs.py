"""Plugs and what they went through, reckoned from notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.plugs import PlugLog
from flowlab.config import FlowPath
from simulators.plant.fluidics import FlowReactor

PATH = FlowPath(
    mixer_ml=0.1,
    nucleation_ml=0.3,
    growth_ml=1.6,
    transfer_ml=0.5,
    cell_ml=0.2,
    optical_path_mm=1.0,
    tubing_inner_diameter_mm=0.5,
    xray_transfer_ml=0.4,
    xray_cell_ml=0.1,
    xray_path_mm=1.0,
)
OPTICAL_ML, XRAY_ML = 2.6, 3.15


def noted(*notes: tuple[float, list[float], float, float]) -> PlugLog:
    log = PlugLog(PATH)
    for note in notes:
        log.note(*note)
    return log


def test_at_a_steady_flow_age_is_volume_by_flow():
    log = noted((0.0, [0.0, 0.0], 280.0, 230.0), (100.0, [5.0, 5.0], 280.0, 230.0))
    plug = log.at(OPTICAL_ML)
    assert (plug.age_s, plug.residence_s) == (pytest.approx(26.0), pytest.approx(20.0))
    assert (plug.nucleation_c, plug.growth_c) == (pytest.approx(280.0), pytest.approx(230.0))
    assert plug.why == ""


def test_what_is_in_the_second_cell_was_in_the_first_before():
    log = noted((0.0, [0.0], 20.0, 20.0), (100.0, [10.0], 20.0, 20.0))
    seen = log.at(OPTICAL_ML)
    log.note(100.0 + (XRAY_ML - OPTICAL_ML) / 0.1, [10.0 + XRAY_ML - OPTICAL_ML], 20.0, 20.0)
    assert log.at(XRAY_ML).entered_ml == pytest.approx(seen.entered_ml)
    assert log.at(XRAY_ML).age_s == pytest.approx(seen.age_s + 5.5)


def test_it_tells_the_temperatures_that_a_plug_saw_and_not_those_of_now():
    log = noted(
        (0.0, [0.0], 200.0, 100.0),
        (100.0, [10.0], 300.0, 100.0),
        (200.0, [20.0], 300.0, 100.0),
        (201.0, [20.1], 50.0, 60.0),
    )
    assert log.at(15.1).nucleation_c == pytest.approx(252.5, abs=1e-6)  # it was there from 51 s to 54 s
    assert log.at(OPTICAL_ML).growth_c == pytest.approx(100.0)


def test_while_nothing_flows_a_plug_only_grows_older():
    log = noted((0.0, [0.0], 20.0, 20.0), (100.0, [10.0], 20.0, 20.0))
    before = log.at(OPTICAL_ML)
    log.note(160.0, [10.0], 20.0, 20.0)
    after = log.at(OPTICAL_ML)
    assert (after.entered_ml, after.residence_s) == (before.entered_ml, before.residence_s)
    assert after.age_s == pytest.approx(before.age_s + 60.0)


def test_a_count_that_begins_anew_loses_nothing():
    log = noted((0.0, [7.0, 0.0], 20.0, 20.0), (100.0, [9.0, 2.0], 20.0, 20.0), (200.0, [1.0, 4.0], 20.0, 20.0))
    assert log.pumped_ml == pytest.approx(7.0)


def test_what_entered_before_the_first_note_is_not_known():
    for plug in (PlugLog(PATH).at(1.0), noted((0.0, [0.0], 20.0, 20.0), (1.0, [0.5], 20.0, 20.0)).at(OPTICAL_ML)):
        assert np.isnan([plug.age_s, plug.residence_s, plug.nucleation_c, plug.growth_c]).all()
        assert "before flow and temperatures were noted" in plug.why


def test_notes_are_forgotten_once_no_cell_needs_them():
    log = PlugLog(PATH)
    for i in range(2000):
        log.note(float(i), [0.1 * i], 20.0, 20.0)
    assert len(log._notes) < 200
    assert log.at(XRAY_ML).why == ""


@given(
    steps=st.lists(
        st.tuples(st.floats(0.0, 0.2), st.floats(20.0, 350.0), st.floats(20.0, 350.0)), min_size=40, max_size=80
    )
)
def test_it_agrees_with_the_plant_whatever_pumps_and_heaters_do(steps):
    """Both follow the same flow; the plant holds temperatures over a step, the notes draw lines between them."""
    plant, log = FlowReactor(PATH), PlugLog(PATH)
    log.note(0.0, [0.0], 23.0, 23.0)
    pumped, nucleation_c, growth_c = 0.0, 20.0, 20.0
    for i, (flow, to_nucleation_c, to_growth_c) in enumerate(steps):
        nucleation_c += np.clip(to_nucleation_c - nucleation_c, -1.0, 1.0)
        growth_c += np.clip(to_growth_c - growth_c, -1.0, 1.0)
        pumped += flow
        plant.advance(1.0, flow, {"cadmium": 1.0}, nucleation_c, growth_c)
        log.note(i + 1.0, [pumped], nucleation_c, growth_c)
    plug = log.at(OPTICAL_ML)
    if plug.why:
        return
    truth = plant.plug_at(OPTICAL_ML)
    # The plant makes no record of a flow that changes by less than a hundredth.
    assert plug.age_s == pytest.approx(float(truth.time_s[-1]), abs=1.0)
    assert plug.residence_s == pytest.approx(truth.residence_s, abs=1.0)
    for mine, true in ((plug.nucleation_c, truth.nucleation_c), (plug.growth_c, truth.growth_c)):
        if not np.isnan(true):
            assert mine == pytest.approx(true, abs=2.0)
