"""What start documents say will be measured, against where plans go; nothing is connected."""

from typing import Any

import event_model
import pytest
from bluesky.utils import Msg

from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import load_instrument
from flowlab.daemon.plans import Plan
from flowlab.daemon.preflight import preflight_on, walk
from flowlab.grid import Grid, grid_of

FLOW = load_instrument("simulated-flow")
TIME = {"residence_time_s": 14.0}
#: Each plan that scans, with its slow axis and its fast one, by the conditions that it goes to.
SCANS: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "temperature_scan",
        {"nucleation_c": [280.0, 270.0, 277.5], "growth_offsets_c": [0.0, -10.0, -25.0], **TIME},
        "nucleation_c",
        "growth_c",
    ),
    (
        "temperature_scan",
        {"nucleation_c": [270.0, 280.0], "growth_c": [200.0, 190.0, 240.0], **TIME},
        "nucleation_c",
        "growth_c",
    ),
    (
        "residence_time_scan",
        {"temperatures_c": [60.0, 50.0], "residence_times_s": [8.0, 14.0, 20.0]},
        "nucleation_c",
        "residence_time_s",
    ),
    (
        "residence_time_scan",
        {"temperatures_c": [60.0], "residence_times_s": [8.0, 14.0], "detectors": ["pl"]},
        "nucleation_c",
        "residence_time_s",
    ),
    (
        "nucleation_scan",
        {"nucleation_c": [200.0, 250.0, 225.0], "growth_c": 210.0, "detectors": ["uv-vis", "saxs", "pl"], **TIME},
        "growth_c",
        "nucleation_c",
    ),
    ("precursor_blank", {"temperatures_c": [25.0, 50.0, 100.0], **TIME}, "residence_time_s", "growth_c"),
]
OTHERS: dict[str, dict[str, Any]] = {
    "calibrate_q": {"standard": "silver_behenate"},
    "take_background": {},
    "prime": {"volumes": 1.0},
    "wash": {"volumes": 1.0},
    "refill": {"volume_ml": 1.0},
}
#: Under which an axis is read, where that is another name.
KEYS = {"nucleation_c": "nucleation_setpoint_c", "growth_c": "growth_setpoint_c"}
BLANK_C = 60.5


@pytest.fixture(scope="module")
def bench():
    with Bench(FLOW, "simulated-flow") as bench:
        yield bench


def look(bench, name: str, parameters: dict[str, Any], first_point: int = 0) -> tuple[list[dict], list[Conditions]]:
    """Start documents of a plan, as far as it makes them, and the conditions that it measures at."""
    starts: list[dict] = []
    measured: list[Conditions] = []

    def noted():
        plan = Plan(FLOW, name, "simulated-flow")(bench, parameters, first_point)
        answer = None
        while True:
            try:
                message: Msg = plan.send(answer)
            except StopIteration:
                return
            if message.command == "open_run":
                starts.append(message.kwargs)
            elif message.command == "set" and isinstance(message.args[0], Conditions):
                measured.append(message.args[0])
            answer = yield message

    walk(noted(), bench)
    return starts, [conditions for conditions in measured if conditions.growth_c != BLANK_C]


@pytest.mark.parametrize(("name", "parameters", "slow", "fast"), SCANS)
def test_a_scan_measures_what_its_start_document_says(bench, name, parameters, slow, fast):
    if "blank_c" in Plan(FLOW, name, "simulated-flow").Parameters.model_fields:
        parameters = {**parameters, "blank_c": BLANK_C}
    for first in (0, 1):
        (start,), measured = look(bench, name, parameters, first)
        grid = grid_of(start)
        assert isinstance(grid, Grid)
        assert grid.places()[first:] == [(getattr(at, slow), getattr(at, fast)) for at in measured]
        assert start["shape"] == [len(grid.panels), len(grid.coordinates)]
        assert len(start["hints"]["dimensions"]) == len(start["shape"])
        assert start["analysis"]["axes"] == [f"reactor_{KEYS.get(axis, axis)}" for axis in (slow, fast)]
        assert preflight_on(bench, Plan(FLOW, name, "simulated-flow"), parameters, first).points == len(measured)
        whole = {**start, "uid": "0" * 8, "time": 0.0}
        event_model.schema_validators[event_model.DocumentNames.start].validate(event_model.sanitize_doc(whole))


def test_what_is_no_scan_tells_no_places(bench):
    assert {name for name, *_ in SCANS} | set(OTHERS) == set(FLOW.plans)
    for name, parameters in OTHERS.items():
        starts, _ = look(bench, name, parameters)
        assert all("grid" not in start for start in starts)
