"""What a plan would do, told before it does it, and without touching anything."""

import pytest
from bluesky.utils import Msg

from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import load_instrument
from flowlab.daemon.preflight import Preflight, preflight, walk
from flowlab.errors import BadInputError
from tests.instruments import UV_VIS

SCAN = {"nucleation_c": [270.0, 280.0], "growth_offsets_c": [0.0, -10.0], "residence_time_s": 14.0}


def foretold(plan: str, parameters: dict, **changes) -> Preflight:
    """For the shipped instrument, whose simulators do not run: nothing can be connected."""
    config = load_instrument(UV_VIS).model_copy(update=changes)
    return preflight(config, "simulated-flow", plan, parameters)


def test_a_scan_goes_to_the_blank_and_then_to_each_point():
    found = foretold("temperature_scan", SCAN)
    assert [step.does.split(", 14 s")[0] for step in found.steps] == [
        "",  # the dark spectrum, before anything moves
        "go to 60 °C nucleation, 60 °C growth",
        "go to 270 °C nucleation, 270 °C growth",
        "go to 270 °C nucleation, 260 °C growth",
        "go to 280 °C nucleation, 280 °C growth",
        "go to 280 °C nucleation, 270 °C growth",
    ]
    assert [step.takes["spectrum"] for step in found.steps] == [1, 1, 8, 8, 8, 8]  # when none gets steady
    assert found.missing() == {}


def test_it_tells_how_many_points_and_how_hot_at_most():
    facts = foretold("temperature_scan", SCAN).facts()
    assert (facts["points"], facts["highest_c"]) == (4, 280.0)
    rest = preflight(load_instrument(UV_VIS), "simulated-flow", "temperature_scan", SCAN, first_point=3).facts()
    assert (rest["points"], rest["highest_c"]) == (1, 280.0)


def test_a_plan_without_points_that_heats_nothing_says_so():
    facts = preflight(load_instrument("simulated-flow"), "simulated-flow", "wash", {"volumes": 1.0}).facts()
    assert (facts["points"], facts["highest_c"]) == (None, None)


def test_points_are_those_of_all_runs_and_a_heater_of_its_own_counts():
    config = load_instrument(UV_VIS)
    with Bench(config, "simulated-flow") as bench:
        oven, path = bench.devices["growth_heater"], bench.devices["reactor"]

        def plan():
            for points in (2, 3):
                yield Msg("open_run", None, num_points=points)
                yield Msg("set", oven, 100.0 * points)
                yield Msg("close_run")
            yield Msg("open_run", None)
            yield Msg("set", path, Conditions(270.0, 240.0, 14.0))

        steps, points = walk(plan(), bench)
    assert points == 5
    assert [step.does for step in steps[:2]] == ["set growth_heater to 200 °C", "set growth_heater to 300 °C"]
    assert [step.highest_c for step in steps] == [200.0, 300.0, 270.0]
    assert steps[0].seconds > steps[1].seconds > 0  # it is on its way already


def test_a_heater_is_not_foreseen_beyond_its_limits():
    with Bench(load_instrument(UV_VIS), "simulated-flow") as bench:
        plan = [Msg("set", bench.devices["growth_heater"], 900.0)]
        with pytest.raises(BadInputError, match="set point 900 °C is outside"):
            walk((message for message in plan), bench)


def test_what_is_left_of_a_scan_is_the_blank_again_and_the_points_that_are_missing():
    config = load_instrument(UV_VIS)
    whole, rest = (preflight(config, "simulated-flow", "temperature_scan", SCAN, first_point=n) for n in (0, 3))
    assert [step.does for step in rest.steps] == [*(step.does for step in whole.steps[:2]), whole.steps[-1].does]
    assert rest.total.volumes_ml["cadmium"] < whole.total.volumes_ml["cadmium"]


def test_reagent_and_time_are_those_of_flow_and_heaters():
    config = load_instrument(UV_VIS)
    path = config.flow_path
    found = foretold("residence_time_scan", {"temperatures_c": [60.0], "residence_times_s": [14.0], "blank_c": None})
    dark_and_reference, step = found.steps
    assert dark_and_reference.volumes_ml == {}
    volumes = 1.5 + 7 * 0.3  # flushed, when the sample never gets steady; more flows while the heaters settle
    flow_ml_s = path.reaction_ml / 14.0
    assert step.seconds > volumes * path.total_ml / flow_ml_s
    assert step.volumes_ml["cadmium"] == pytest.approx(step.volumes_ml["selenium"])
    assert volumes * path.total_ml < sum(step.volumes_ml.values()) <= step.seconds * flow_ml_s


def test_emission_is_two_spectra_at_each_point_and_the_flow_meanwhile():
    config = load_instrument("simulated-flow")
    fluorometer = config.devices["fluorometer"]
    slow = fluorometer.model_copy(update={"settings": fluorometer.settings | {"integration_ms": 5000.0}})
    slowly = config.model_copy(update={"devices": config.devices | {"fluorometer": slow}})
    scan = {"temperatures_c": [60.0], "residence_times_s": [14.0, 8.0], "detectors": ["pl"]}
    quick, long = (preflight(c, "simulated-flow", "residence_time_scan", scan).steps for c in (config, slowly))
    assert [step.takes["emission spectrum"] for step in quick] == [1, 2, 2]  # a dark one comes first
    scans = fluorometer.settings["scans"] + 3  # and those that are thrown away behind a change of light
    for before, after in zip(quick[1:], long[1:], strict=True):
        assert after.seconds - before.seconds == pytest.approx(2 * scans * (5.0 - 0.05))
    whole = {
        "nucleation_c": [200.0],
        "growth_c": 200.0,
        "residence_time_s": 14.0,
        "detectors": ["uv-vis", "saxs", "pl"],
    }
    total = preflight(config, "simulated-flow", "nucleation_scan", whole).total
    assert dict(total.takes) == {"spectrum": 10, "frame": 33, "emission spectrum": 3}


def test_streams_share_what_flows():
    half = foretold("prime", {"streams": ["cadmium"], "volumes": 2.0})
    both = foretold("prime", {"volumes": 2.0})
    assert half.total.volumes_ml["cadmium"] == pytest.approx(2 * both.total.volumes_ml["cadmium"])
    assert half.total.volumes_ml["selenium"] == 0.0


def test_what_is_not_there_is_missing():
    config = load_instrument(UV_VIS)
    few = {name: reagent.model_copy(update={"reservoir_ml": 0.0}) for name, reagent in config.reagents.items()}
    found = foretold("temperature_scan", SCAN | {"nucleation_c": [270.0] * 20}, reagents=few)
    needed_ml, available_ml = found.missing()["cadmium"]
    assert needed_ml > available_ml == 50.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({**SCAN, "nucleation_c": [400.0]}, "set point 400 °C is outside"),
        ({"nucleation_c": [280.0]}, "this key is missing"),
        (
            {**SCAN, "nucleation_c": [60.0, 350.0], "residence_time_s": 2.0},
            "mL of cadmium may flow between two refills",
        ),
    ],
)
def test_what_the_plan_refuses_is_refused(parameters, message):
    with pytest.raises(BadInputError, match=message):
        foretold("temperature_scan", parameters)
