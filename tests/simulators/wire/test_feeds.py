"""An Azura and a valve answer as public drivers and manuals say, act on the plant, and get over garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.config import DeviceEntry
from flowlab.errors import BadInputError
from simulators.wire.bench import Bench
from simulators.wire.instrument import Instrument
from tests.simulators.benches import StandingClock, pass_time, say, shipped

PUMP = {"reagent": "cadmium", "valve": "selector"}
VALVE = {"positions": 6, "ports": {"1": "solvent", "2": "cadmium", "6": "waste"}}


def bench(pump: dict | None = None, valve: dict | None = None) -> Bench:
    config = shipped()
    more = {
        "selector": DeviceEntry.model_validate(
            {
                "class": "devices.vici:MultipositionValve",
                "address": "socket://127.0.0.1:0",
                "simulator": "simulators.wire.vici:MultipositionValve",
                "settings": VALVE | (valve or {}),
            }
        ),
        "feed_pump": DeviceEntry.model_validate(
            {
                "class": "devices.knauer:AzuraCompact",
                "address": "socket://127.0.0.1:0",
                "simulator": "simulators.wire.knauer:AzuraCompact",
                "settings": PUMP | (pump or {}),
            }
        ),
    }
    return Bench(config.model_copy(update={"devices": config.devices | more}), StandingClock())


def on(a_bench: Bench, name: str) -> Instrument:
    instrument = a_bench.instruments[name]
    assert isinstance(instrument, Instrument)
    return instrument


def in_cell(a_bench: Bench) -> dict[str, float]:
    return {name: c for name, c in a_bench.plant.plug_in_cell().concentration_mmol_l.items() if c}


def test_a_feed_fills_the_reactor_with_what_the_valve_selects() -> None:
    a_bench = bench()
    pump, valve = on(a_bench, "feed_pump"), on(a_bench, "selector")
    assert say(valve, b"GO2\r") == b""
    pass_time(a_bench, 1.0)
    assert say(pump, b"FLOW:6000\n\rON\n\r") == b"FLOW:OK\rON:OK\r"
    pass_time(a_bench, 10.0)
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(1.0)
    assert in_cell(a_bench) == {"cadmium": 20.0}
    say(valve, b"GO1\r")
    pass_time(a_bench, 11.0)
    assert in_cell(a_bench) == {}, "solvent has nothing that reacts"
    truth = a_bench.plant.truth()
    assert truth["feeds"]["feed_pump"] == {
        "rate_ml_min": 6.0,
        "bottle": "solvent",
        "content_ml": pytest.approx(1e6, abs=2),
    }
    assert truth["valves"] == {"selector": {"port": 1, "turning": False}}


def test_a_port_with_nothing_at_it_feeds_nothing() -> None:
    a_bench = bench()
    say(on(a_bench, "selector"), b"GO6\r")
    pass_time(a_bench, 1.0)
    say(on(a_bench, "feed_pump"), b"FLOW:6000\n\rON\n\r")
    pass_time(a_bench, 10.0)
    assert a_bench.plant.reactor.pumped_ml == 0.0


@pytest.mark.parametrize(("unit_bar", "said"), [(1.0, b"PRESSURE:12\r"), (0.1, b"PRESSURE:120\r")])
def test_its_pressure_is_in_the_unit_that_is_set(unit_bar: float, said: bytes) -> None:
    a_bench = bench({"pressure_unit_bar": unit_bar})
    a_bench.plant.hydraulics.pressure_bar = 12.0
    assert say(on(a_bench, "feed_pump"), b"PRESSURE?\n\r") == said


@pytest.mark.parametrize(
    ("limit", "errors"), [(b"PMAX10:50\n\r", b"ERRORS:2,0,0,0,0\r"), (b"PMIN10:90\n\r", b"ERRORS:3,0,0,0,0\r")]
)
def test_outside_its_pressure_limits_it_stops_by_itself(limit: bytes, errors: bytes) -> None:
    a_bench = bench()
    pump = on(a_bench, "feed_pump")
    pump.faults["clog"](True, severity=60 / a_bench.plant.hydraulics.resistance_bar_min_ml / 6)
    say(pump, limit + b"FLOW:6000\n\rON\n\r")
    pass_time(a_bench, 30.0)
    assert say(pump, b"ERRORS?\n\rIMOTOR?\n\r") == errors + b"IMOTOR:0\r"
    assert a_bench.plant.truth()["feeds"]["feed_pump"]["rate_ml_min"] == 0.0


def test_a_blocked_motor_stops_it() -> None:
    a_bench = bench()
    pump = on(a_bench, "feed_pump")
    say(pump, b"FLOW:6000\n\rON\n\r")
    pass_time(a_bench, 1.0)
    pump.faults["stall"](True)
    pass_time(a_bench, 1.0)
    assert say(pump, b"ERRORS?\n\r") == b"ERRORS:1,0,0,0,0\r"
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(0.1)


def test_a_valve_tells_where_it_is_while_it_turns() -> None:
    a_bench = bench(valve={"dialect": "emh"})
    valve = on(a_bench, "selector")
    say(valve, b"CW3\r")
    assert say(valve, b"CP\r") == b"Position is near to = 1\r"
    pass_time(a_bench, 0.2)
    assert say(valve, b"CP\r") == b"Position is near to = 2\r"
    pass_time(a_bench, 0.2)
    assert say(valve, b"CP\r") == b"Position is  = 3\r"
    assert say(valve, b"SMR\rSM\rGO\r") == b"SM = R\r"
    pass_time(a_bench, 0.2)
    assert say(valve, b"CP\rGO2\rGO7\r") == b"Position is  = 2\rGO2 = Bad command\rGO7 = Bad command\r"


@pytest.mark.parametrize(
    ("pump", "valve", "message"),
    [
        ({"valve": "tap"}, {}, "feed_pump.simulated.valve = 'tap'"),
        ({"valve": None, "reagent": "tea"}, {}, "feed_pump.settings.reagent = 'tea'"),
        ({}, {"ports": {"7": "solvent"}}, "selector.settings.ports.7: there is no such port"),
    ],
)
def test_plumbing_that_cannot_be_is_named(pump: dict, valve: dict, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        bench(pump, valve)


PIECES = [b"ON\n\r", b"OFF\n\r", b"FLOW:12\n\r", b"PRESSURE?\n\r", b"CP\r", b"GO3\r", b"LG1\r", b"SMF\r", b"NP\r"]


@given(st.lists(st.one_of(st.binary(), st.sampled_from(PIECES)), max_size=8))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    a_bench = bench()
    for name in ("feed_pump", "selector"):
        for piece in pieces:
            say(on(a_bench, name), piece)
            a_bench.plant.advance(0.1)
    assert say(on(a_bench, "feed_pump"), b"\rHEADTYPE?\n\r").endswith((b"HEADTYPE:10\r", b"HEADTYPE:50\r"))
    assert say(on(a_bench, "selector"), b"\rNP\r").endswith((b"NP06\r", b"NP = 6\r"))


def test_lines_that_never_end_are_not_kept() -> None:
    a_bench = bench()
    for name in ("feed_pump", "selector"):
        say(on(a_bench, name), b"x" * 100_000)
        assert len(on(a_bench, name)._buffer) <= 256
