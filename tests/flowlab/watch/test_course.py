"""How far a run has come, and how long it will go on."""

import math
import statistics

import pytest

from flowlab.config import load_material
from flowlab.watch.course import Course

START = {"uid": "run", "time": 1000.0, "plan_name": "scan", "num_points": 10}


def course(*times: float, stream: str = "primary", **more) -> Course:
    one = Course({**START, **more}, None)
    for number, time in enumerate(times, 1):
        one.take_event(stream, {"seq_num": number, "time": time})
    return one


def eta(*times: float, **more) -> dict:
    return course(*times, **more).facts()["eta"]


def test_points_at_a_known_pace_tell_when_the_rest_will_be_there():
    found = eta(1000.0, 1010.0, 1020.0, 1030.0)
    assert found == {"seconds": 60.0, "err_seconds": 0.0, "as_of": 1030.0, "why": None}


def test_its_error_is_that_of_the_steps_that_come_and_of_the_mean_of_those_that_were():
    steps = [9.0, 11.0, 14.0, 8.0]
    found = eta(1000.0, 1009.0, 1020.0, 1034.0, 1042.0)
    left = 5
    assert found["seconds"] == pytest.approx(left * 10.5)
    spread = statistics.stdev(steps)
    assert found["err_seconds"] == pytest.approx(math.hypot(spread * math.sqrt(left), left * spread / math.sqrt(4)))


def test_only_the_pace_of_late_counts():
    slow = [1000.0 + 100 * n for n in range(20)]
    fast = [slow[-1] + 2 * n for n in range(1, 41)]
    assert eta(*slow, *fast, num_points=100)["seconds"] == pytest.approx(80.0)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_less_than_three_points_nothing_is_known(count):
    found = eta(*[1000.0, 1010.0][:count])
    assert found == {"seconds": None, "err_seconds": None, "as_of": None, "why": "known after three points"}


def test_a_plan_that_does_not_tell_how_many_points_it_has_has_no_end_that_is_known():
    one = course(1.0, 2.0, 3.0, 4.0, num_points=None)
    facts = one.facts()
    assert (facts["points_total"], facts["points_done"], facts["eta"]["seconds"]) == (None, 4, None)
    assert facts["eta"]["why"] == "the plan does not tell how many points it has"


@pytest.mark.parametrize("reason", ["", "ended from outside"])
def test_a_run_that_has_ended_takes_no_longer(reason):
    one = course(1.0, 2.0, 3.0, 4.0)
    one.stop({"time": 5.0, "exit_status": "abort", "reason": reason})
    facts = one.facts()
    assert facts["stopped"] == {"time": 5.0, "exit_status": "abort", "reason": reason or None}
    assert (facts["eta"]["seconds"], facts["eta"]["why"]) == (None, "the run has ended")


def test_at_the_last_point_nothing_is_left():
    assert eta(*[1000.0 + n for n in range(10)])["seconds"] == 0.0


def test_a_run_that_goes_on_counts_on():
    one = course(1.0, 2.0, 3.0, first_point=4, resumes="earlier")
    facts = one.facts()
    assert (facts["points_total"], facts["points_done"], facts["resumes"]) == (14, 7, "earlier")
    assert facts["eta"]["seconds"] == pytest.approx(7.0)


def test_a_point_of_several_frames_is_done_with_the_last():
    done = []
    one = Course({**START, "point_events": {"saxs": 3}}, None)
    for number in range(1, 10):
        assert one.take_event("saxs", {"seq_num": number, "time": float(number)})
        assert not one.take_event("saxs_dark", {"seq_num": 99, "time": 0.0})
        done.append(one.facts()["points_done"])
    assert done == [0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert one.facts()["eta"]["seconds"] == pytest.approx(7 * 3.0)


def test_a_point_is_done_with_the_last_of_all_that_is_measured_there():
    one = Course({**START, "point_events": {"primary": 1, "saxs": 2}}, None)
    done = []
    for stream, number in (("primary", 1), ("saxs", 1), ("saxs", 2), ("primary", 2), ("saxs", 3), ("saxs", 4)):
        assert one.take_event(stream, {"seq_num": number, "time": float(len(done))})
        done.append(one.facts()["points_done"])
    assert done == [0, 0, 1, 1, 1, 2]


GRID = {"panels": [270.0, 280.0], "coordinates": [0.0, -10.0, -20.0, -30.0, -40.0], "relative": True}


def test_where_it_will_measure_is_told_before_it_does():
    assert course(grid=GRID).facts()["grid"] == GRID
    assert course(grid=GRID, first_point=4, num_points=6).facts()["grid"] == GRID


@pytest.mark.parametrize("grid", [None, "hostile", {**GRID, "panels": [math.nan, 1.0]}, {**GRID, "panels": [270.0]}])
def test_where_it_will_measure_is_not_known_where_the_start_document_makes_no_sense(grid):
    assert course(grid=grid).facts()["grid"] is None


def test_more_places_than_a_map_can_show_are_not_told():
    axis = [float(value) for value in range(101)]
    assert course(grid={"panels": axis, "coordinates": axis}, num_points=101 * 101).facts()["grid"] is None


def test_the_facts_of_a_run_are_those_of_its_start_document():
    axes = ["reactor_nucleation_setpoint_c", "reactor_growth_setpoint_c"]
    analysis = {"kind": "absorbance", "saxs": {}, "axes": axes}
    more = {"material": "CdSe", "config": {"simulation": {}}, "plan_parameters": {"a": 1}, "analysis": analysis}
    facts = Course({**START, **more}, load_material("CdSe")).facts()
    assert [axis["key"] for axis in facts["axes"]] == axes
    assert [axis["unit"] for axis in facts["axes"]] == ["°C", "°C"]
    assert (facts["kinds"], facts["simulated"], facts["material"]) == (["absorbance", "saxs"], True, "CdSe")
    assert {"name": "CdSe-437", "wavelength_nm": pytest.approx(437, abs=3), "accumulates": True} in facts["families"]
    assert (facts["uid"], facts["plan"], facts["started"], facts["stopped"]) == ("run", "scan", 1000.0, None)
    assert facts["parameters"] == {"a": 1}


def test_a_start_document_that_says_next_to_nothing_has_a_course_all_the_same():
    facts = Course({"uid": "run", "time": 0.0}, None).facts()
    assert (facts["plan"], facts["points_total"], facts["kinds"], facts["axes"]) == ("a run", None, [], [])
    assert facts["grid"] is None
