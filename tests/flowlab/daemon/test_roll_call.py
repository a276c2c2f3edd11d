import pytest

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.daemon.roll_call import Reading, called
from flowlab.errors import BadInputError


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ring", []),
        ("led", ["fluorometer"]),
        ("reactor", ["cadmium_pump", "selenium_pump", "solvent_pump", "nucleation_heater", "growth_heater"]),
    ],
)
def test_a_device_is_called_after_those_it_is_made_of_and_with_no_others(name, parts):
    with Bench(load_instrument("simulated-flow")) as bench:
        assert called(bench, name) == [*parts, name]


def test_all_are_called_when_none_is_named():
    with Bench(load_instrument("simulated-flow")) as bench:
        assert set(called(bench, None)) == set(bench.devices)


def test_a_device_that_is_not_there_is_bad_input():
    with (
        Bench(load_instrument("simulated-flow")) as bench,
        pytest.raises(BadInputError, match="simulated-flow has no device 'kettle'; there are cadmium_pump, "),
    ):
        called(bench, "kettle")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_is_given_no_number_that_it_does_not_know(value):
    assert Reading(value, "s").facts() == {"value": None, "units": "s"}
