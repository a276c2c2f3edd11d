from types import SimpleNamespace

import jsonschema
import pytest

from flowlab.config import load_instrument, load_recipe
from flowlab.config.load import ConfigError
from flowlab.daemon.plans import Plan
from flowlab.errors import BadInputError
from tests.instruments import UV_VIS

CONFIG = load_instrument(UV_VIS)
FLOW = load_instrument("simulated-flow")
SCAN = {"nucleation_c": [250, 260], "growth_offsets_c": [0, -10], "residence_time_s": 14}


def plan(name: str = "temperature_scan") -> Plan:
    return Plan(CONFIG, name, "simulated-flow")


#: Parameters that are no quantity with a unit.
UNITLESS = {"steady", "frames", "streams", "detectors", "standard", "volumes"}


def test_every_plan_describes_its_parameters_as_json_schema_with_units():
    config = load_instrument("simulated-flow")
    for name in config.plans:
        schema = Plan(config, name, "simulated-flow").Parameters.model_json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"]
        for key, field in schema["properties"].items():
            assert field["description"]
            assert ("units" in field) == (key not in UNITLESS)


def test_the_schema_accepts_what_the_plan_accepts():
    jsonschema.validate(SCAN, plan().Parameters.model_json_schema())
    assert plan().check(SCAN)["nucleation_c"] == [250.0, 260.0]
    recipe = load_recipe("palencia-2020-fig1")
    assert plan(recipe.plan).check(recipe.parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nucleation_c": "hot"}, "nucleation_c = 'hot': input should be a valid list"),
        ({"nucleation_c": []}, "nucleation_c = []: list should have at least 1 item"),
        ({"residence_time_s": -1}, "residence_time_s = -1: input should be greater than 0"),
        ({"steady": {"drift": 0}}, "steady.drift = 0: input should be greater than 0"),
        ({"residence_time_s": True}, "residence_time_s = True: input should be a valid number"),
        ({"nucleation_c": [float("nan")]}, "nucleation_c.0 = nan: input should be a finite number"),
    ],
)
def test_a_wrong_parameter_is_told_in_one_line_with_what_the_plan_takes(change, message):
    with pytest.raises(BadInputError, match="plan temperature_scan: ") as error:
        plan().check({**SCAN, **change})
    assert message in str(error.value)
    assert "it takes nucleation_c, growth_offsets_c, growth_c, residence_time_s, steady" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": 3}, "speed: there is no such key; allowed: nucleation_c, growth_offsets_c, growth_c, "),
        (
            {"steady": {"flush_volume": 3}},
            "steady.flush_volume: there is no such key; allowed: flush_volumes, between_volumes, drift, most_spectra",
        ),
    ],
)
def test_an_unknown_parameter_is_told_with_those_of_its_own_table(change, message):
    with pytest.raises(BadInputError, match=message):
        plan().check({**SCAN, **change})


def test_a_missing_parameter_is_named():
    with pytest.raises(BadInputError, match="residence_time_s: this key is missing"):
        plan().check({"nucleation_c": [250]})


@pytest.mark.parametrize("change", [{"growth_offsets_c": None}, {"growth_c": [200]}, {"growth_offsets_c": []}])
def test_parameters_that_do_not_go_together_are_bad_input_before_there_is_any_device(change):
    with pytest.raises(BadInputError, match="^plan temperature_scan: give the growth temperatures either as"):
        plan().check({**SCAN, **change})


def test_what_is_no_function_is_no_plan():
    entry = CONFIG.plans["temperature_scan"].model_copy(update={"function": "plans.scan:CELSIUS"})
    config = CONFIG.model_copy(update={"plans": {"temperature_scan": entry}})
    with pytest.raises(ConfigError, match=r"x.toml: plans.temperature_scan.function: 'plans.scan:CELSIUS' is no func"):
        Plan(config, "temperature_scan", "x.toml")


def test_a_plan_that_the_instrument_has_not_is_told_with_those_it_has():
    with pytest.raises(
        BadInputError, match="no plan 'boil'; there are prime, refill, residence_time_scan, temperature_scan"
    ):
        plan("boil")


def test_devices_that_do_not_fit_the_plan_are_a_mistake_in_the_configuration():
    entry = CONFIG.plans["temperature_scan"].model_copy(update={"devices": {"reactor": "reactor"}})
    config = CONFIG.model_copy(update={"plans": {"temperature_scan": entry}})
    with pytest.raises(ConfigError, match="gives reactor; the plan takes reactor, spectrometer"):
        Plan(config, "temperature_scan", "x.toml")


def test_a_device_that_a_plan_can_do_without_may_be_left_out_but_none_may_be_too_much():
    entry = CONFIG.plans["residence_time_scan"]
    assert "fluorometer" not in entry.devices
    scan = {"temperatures_c": [40], "residence_times_s": [14]}
    assert plan("residence_time_scan").check(scan)["detectors"] == ["uv-vis"]
    more = entry.model_copy(update={"devices": entry.devices | {"xray": "reactor"}})
    config = CONFIG.model_copy(update={"plans": {"residence_time_scan": more}})
    taken = r"takes reactor, spectrometer, fluorometer \(may be left out\), led \(may be left out\)"
    with pytest.raises(ConfigError, match=taken):
        Plan(config, "residence_time_scan", "x.toml")


@pytest.mark.parametrize("detectors", [["pl"], ["uv-vis", "pl"]])
@pytest.mark.parametrize("given", [{}, {"fluorometer": "spectrometer"}, {"led": "reactor"}])
def test_emission_without_a_fluorometer_and_its_led_is_bad_input_before_there_is_any_device(detectors, given):
    entry = CONFIG.plans["residence_time_scan"]
    entry = entry.model_copy(update={"devices": entry.devices | given})
    config = CONFIG.model_copy(update={"plans": {"residence_time_scan": entry}})
    scan = {"temperatures_c": [40], "residence_times_s": [14], "detectors": detectors}
    with pytest.raises(BadInputError, match='^plan residence_time_scan: detectors has "pl", but .* no fluorometer'):
        Plan(config, "residence_time_scan", "x.toml").check(scan)


def test_the_scan_over_nucleation_refuses_emission_without_a_fluorometer_alike():
    config = load_instrument("simulated-flow")
    entry = config.plans["nucleation_scan"]
    scan = {"nucleation_c": [200], "growth_c": 200, "residence_time_s": 14, "detectors": ["uv-vis", "saxs", "pl"]}
    assert Plan(config, "nucleation_scan", "x.toml").check(scan)["detectors"] == ["uv-vis", "saxs", "pl"]
    without = {role: name for role, name in entry.devices.items() if role not in ("fluorometer", "led")}
    entry = entry.model_copy(update={"devices": without})
    config = config.model_copy(update={"plans": {"nucleation_scan": entry}})
    with pytest.raises(BadInputError, match='^plan nucleation_scan: detectors has "pl", but .* no fluorometer'):
        Plan(config, "nucleation_scan", "x.toml").check(scan)


@pytest.mark.parametrize("reference", ["plans.nowhere:scan", "plans.scan:nowhere"])
def test_a_plan_that_cannot_be_loaded_is_told_with_its_place(reference):
    entry = CONFIG.plans["temperature_scan"].model_copy(update={"function": reference})
    config = CONFIG.model_copy(update={"plans": {"temperature_scan": entry}})
    with pytest.raises(ConfigError, match=r"x.toml: plans.temperature_scan.function: .* cannot be loaded"):
        Plan(config, "temperature_scan", "x.toml")


def test_how_many_points_are_left_out_is_no_parameter_of_a_person():
    resumable = {name for name in FLOW.plans if Plan(FLOW, name, "simulated-flow").resumable}
    assert resumable == {"temperature_scan", "residence_time_scan", "nucleation_scan", "precursor_blank"}
    assert "first_point" not in plan().Parameters.model_json_schema()["properties"]
    with pytest.raises(BadInputError, match="first_point: there is no such key"):
        plan().check({**SCAN, "first_point": 2})


def test_a_plan_that_cannot_leave_points_out_says_so():
    bench = SimpleNamespace(devices=dict.fromkeys(FLOW.devices))
    with pytest.raises(BadInputError, match="plan wash: cannot be resumed; run it anew"):
        Plan(FLOW, "wash", "simulated-flow")(bench, {}, first_point=1)  # type: ignore[arg-type]
