"""The valve's driver against the simulated actuator, in both dialects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bluesky import protocols
from bluesky.protocols import check_supports

from devices.errors import InstrumentFaultError, LimitError, NotReachedError, RefusedError, ReplyError
from devices.protocols.vici import Position, command
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.load import ConfigError
from tests.devices import feeds
from tests.devices.conftest import SPEED
from tests.devices.test_line import Scripted
from tests.simulators.benches import Served, served

WAIT_S = 60.0
NAME = "selector"
VARIANTS = {
    "eut": ("eut", "unit = 3", ""),
    "eut with an echo": ("eut", "", "\n[devices.selector.simulated]\necho = true\n"),
    "emh": ("emh", 'safe_position = "waste"', ""),
}


@pytest.fixture(scope="module", params=VARIANTS)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dialect, settings, simulated = VARIANTS[request.param]
    return feeds.write(tmp_path_factory.mktemp("vici"), dialect=dialect, valve=settings + simulated)


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture(scope="module")
def connected(file: Path, lab: Served) -> Iterator[Bench]:
    with feeds.bench_at(file, lab.addresses) as bench:
        bench.devices[NAME].connect()
        yield bench


@pytest.fixture
def valve(connected: Bench, lab: Served):
    """At position 1."""
    connected.devices[NAME].set(1).wait(WAIT_S)
    yield connected.devices[NAME]
    lab.ask(fault="none", device=NAME)


@pytest.fixture
def changed(valve, monkeypatch):
    """Changes settings of the valve until the test ends."""

    def change(**settings) -> None:
        monkeypatch.setattr(valve, "settings", valve.settings.model_copy(update=settings))

    return change


def port(lab: Served) -> int | None:
    """Where it really is; None while it turns."""
    known = lab.ask(truth=True)["valves"][NAME]
    return None if known["turning"] else known["port"]


def test_it_can_be_set_and_located_by_bluesky(valve):
    for protocol in (protocols.Readable, protocols.Movable, protocols.Stoppable, protocols.Locatable):
        check_supports(valve, protocol)
    assert valve.read()["selector_port"]["value"] == 1
    assert valve.read()["selector_stream"]["value"] == "solvent"
    assert {key: value["dtype"] for key, value in valve.describe().items()} == {
        "selector_port": "integer",
        "selector_stream": "string",
    }


@pytest.mark.parametrize("to", [2, 7, 10, 1])
def test_it_turns_to_a_position_and_says_when_it_is_there(lab, valve, to):
    valve.connect()
    valve.set(to).wait(WAIT_S)
    assert port(lab) == valve.ask_position() == to
    assert valve.locate() == {"setpoint": to, "readback": to}


def test_it_turns_to_a_stream_by_its_name(lab, valve):
    valve.set("cadmium").wait(WAIT_S)
    assert (port(lab), valve.ask_stream()) == (2, "cadmium")
    valve.set(5).wait(WAIT_S)
    assert valve.ask_stream() == "5"


@pytest.mark.parametrize("direction", ["clockwise", "counterclockwise"])
def test_it_turns_the_way_that_is_set(lab, valve, changed, direction):
    changed(direction=direction)
    valve.set(4).wait(WAIT_S)
    assert port(lab) == 4


def test_where_it_is_already_nothing_is_sent(lab, valve, monkeypatch):
    monkeypatch.setattr(valve, "_turn", lambda number: pytest.fail("it was told to turn"))
    assert valve.set(1).done


@pytest.mark.parametrize("position", [0, 11, "tea", "1.5", True, 2.0])
def test_a_position_that_there_is_not_is_refused_before_anything_is_sent(lab, valve, position):
    with pytest.raises(LimitError, match=r"selector: position .* is not one of 1…10 or solvent, cadmium, waste"):
        valve.set(position)
    assert port(lab) == 1


def test_a_valve_that_sticks_is_not_reached_and_named(lab, valve, changed):
    changed(move_within_s=50.0)
    lab.ask(fault="stick", device=NAME)
    with pytest.raises(NotReachedError, match=r"selector: position 2 \(cadmium\) not reached within 50 s"):
        valve.set("cadmium").wait(WAIT_S)
    assert port(lab) is None
    if valve.settings.dialect == "emh":  # the other cannot tell
        with pytest.raises(NotReachedError, match="selector: is between two positions, near 1; does it stick?"):
            valve.ask_position()
    lab.ask(fault="none", device=NAME)
    valve.set("cadmium").wait(WAIT_S)
    assert port(lab) == 2


def test_a_valve_that_arrives_in_the_moment_it_is_told_to_go_there_is_there(lab, valve, monkeypatch):
    valve.set("cadmium").wait(WAIT_S)
    look, seen = valve._looks, [Position(1, there=True)]
    monkeypatch.setattr(valve, "_looks", lambda: seen.pop() if seen else look())
    valve.set("cadmium").wait(WAIT_S)
    assert port(lab) == 2
    # A refusal for another reason ends in an error: that of the actuator, or that it was not reached.
    refused = command("GO77", valve.settings.unit)
    monkeypatch.setattr(valve, "_turn", lambda number: valve._line.tell(refused, valve.name))
    with pytest.raises((RefusedError, NotReachedError), match="selector: "):
        valve.set("waste").wait(WAIT_S)


def test_a_valve_that_did_not_hear_is_told_again(lab, valve, changed, monkeypatch):
    told: list[int] = []
    turn = valve._turn

    def lost_once(number: int) -> None:
        told.append(number)
        if len(told) > 1:
            turn(number)

    monkeypatch.setattr(valve, "_turn", lost_once)
    changed(move_within_s=5000.0)
    valve.set(3).wait(WAIT_S)
    assert (port(lab), told) == (3, [3, 3])


def test_the_safe_position_is_gone_to_where_there_is_one(lab, valve):
    valve.make_safe()
    assert port(lab) == (10 if valve.settings.safe_position else 1)


def test_another_number_of_positions_is_noticed(valve, changed):
    changed(positions=6)
    with pytest.raises(InstrumentFaultError, match="selector: has 10 positions, but settings.positions is 6"):
        valve.connect()


def test_the_wrong_dialect_is_an_error_that_shows_what_came_back(valve, changed):
    other = "emh" if valve.settings.dialect == "eut" else "eut"
    changed(dialect=other)
    with pytest.raises(Exception, match=f"{NAME}: .*no answer to NP"):
        valve.connect()


def test_a_position_that_the_valve_does_not_have_is_no_answer(file):
    """One bit makes of CP03 CP13; repeated by the line, it would be believed."""
    dialect = load_instrument(str(file)).devices[NAME].settings["dialect"]
    scripted = Scripted([{"eut": b"CP13\r", "emh": b"Position is  = 13\r"}[dialect]] * 9)
    try:
        with (
            feeds.bench_at(file, {NAME: scripted.address}) as bench,
            pytest.raises(ReplyError, match="selector: .*there is no position 13, there are 10"),
        ):
            bench.devices[NAME].ask_position()
    finally:
        scripted.close()


def test_a_refusal_is_told_in_its_words(file):
    scripted = Scripted([b"GO02 = Bad command\r"])
    try:
        with (
            feeds.bench_at(file, {NAME: scripted.address}) as bench,
            pytest.raises(Exception, match="selector: .*says 'GO02 = Bad command'"),
        ):
            bench.devices[NAME].ask_position()
    finally:
        scripted.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('safe_position = "tea"', "safe_position.*'tea' is not one of"),
        ("unit = 10", "unit"),
        ("move_within_s = 0.0", "move_within_s"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        feeds.bench_at(feeds.write(tmp_path, valve=settings), {})


@pytest.mark.parametrize(
    "ports", ['{ 11 = "solvent" }', '{ 1 = "solvent", 2 = "solvent" }', '{ a = "solvent" }', '{ 1 = "2" }']
)
def test_ports_that_cannot_be_are_refused(tmp_path, ports):
    file = feeds.write(tmp_path)
    text = file.read_text("utf-8").replace('{ 1 = "solvent", 2 = "cadmium", 10 = "waste" }', ports)
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="ports"):
        feeds.bench_at(file, {})
