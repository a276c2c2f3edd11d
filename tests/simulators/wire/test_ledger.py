"""The ledger of what was true: nothing before it is asked for, then all of it, once."""

import base64

import numpy as np

from flowlab.config import load_instrument
from simulators.wire.bench import Bench
from simulators.wire.ledger import Ledger
from tests.simulators.benches import StandingClock, bench, say


def test_nothing_is_kept_before_it_is_asked_for() -> None:
    ledger = Ledger(lambda: {"a": 1.0})
    ledger.keep()
    ledger.note("detector", [1, 2], lit=True)
    assert (len(ledger.take()["states"]), ledger.take()["shots"]) == (1, [])


def test_what_was_kept_is_told_once_and_states_are_told_with_their_names() -> None:
    value = {"a": 1.0, "b": 2.0}
    ledger = Ledger(lambda: value)
    ledger.take()
    ledger.SHORTEST_S = 0.0
    value["a"] = 3.0
    ledger.keep()
    ledger.note("detector", np.array([7, 8], "<u2"), lit=False)
    told = ledger.take()
    assert told["names"] == ["a", "b"]
    assert [state[1:] for state in told["states"]] == [[3.0, 2.0]]
    (shot,) = told["shots"]
    assert np.frombuffer(base64.b64decode(shot["data"]), "<f8").tolist() == [7.0, 8.0]
    assert (shot["device"], shot["lit"], told["full"]) == ("detector", False, False)
    assert ledger.take()["shots"] == []


def test_that_more_was_true_than_is_kept_is_told() -> None:
    ledger = Ledger(lambda: {"a": 1.0})
    ledger.take()
    for number in range(ledger.MOST + 1):
        ledger.note("detector", number, lit=True)
    told = ledger.take()
    assert (len(told["shots"]), told["full"]) == (ledger.MOST, True)


def test_a_reading_is_in_the_ledger_as_the_picoammeter_sends_it() -> None:
    lab = Bench(load_instrument("simulated-flow"), StandingClock())
    lab.ledger.take()
    meter = lab.instruments["incident"]
    say(meter, b"*RST\rSYST:ZCH 0\r")
    said = say(meter, b"READ?\r")
    (shot,) = lab.ledger.take()["shots"]
    (value,) = np.frombuffer(base64.b64decode(shot["data"]), "<f8")
    assert float(said.split(b"A")[0]) == value
    assert shot["device"] == "incident"


def test_the_ledger_has_the_set_points_that_controllers_work_towards() -> None:
    lab = bench()
    told = lab.ledger.take()
    state = dict(zip(told["names"], told["states"][0][1:], strict=True))
    assert state["growth_heater.setpoint_c"] == lab.instruments["growth_heater"].truth()["working_set_point_c"]
    assert state["cadmium_pump.content_ml"] == 50.0
