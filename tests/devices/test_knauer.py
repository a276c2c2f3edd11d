"""The Azura's driver against the simulated pump, behind a selector valve, in the shipped lab."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bluesky import protocols
from bluesky.protocols import check_supports
from pydantic import ValidationError

from devices.agreement import DisagreementError
from devices.errors import InstrumentFaultError, LimitError, NotReachedError, ReplyTimeoutError
from devices.knauer import AzuraCompactSettings
from flowlab.bench import Bench
from flowlab.config.load import ConfigError
from tests.devices import feeds
from tests.devices.conftest import SPEED
from tests.simulators.benches import Served, served

WAIT_S = 60.0
NAME = "feed_pump"
RESISTS, OPENS = 2.0, 5.0  # bar min/ml, bar: as in feeds.write


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feeds.write(tmp_path_factory.mktemp("knauer"), feed="idle_current = 0")


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture(scope="module")
def connected(file: Path, lab: Served) -> Iterator[Bench]:
    with feeds.bench_at(file, lab.addresses) as bench:
        bench.devices[NAME].connect()
        bench.devices["selector"].connect()
        yield bench


@pytest.fixture
def bench(connected: Bench, lab: Served) -> Iterator[Bench]:
    """Feeds solvent; safe again after each test."""
    connected.devices["selector"].set("solvent").wait(WAIT_S)
    yield connected
    lab.ask(fault="none", device=NAME)
    connected.devices[NAME].make_safe()


@pytest.fixture
def changed(pump, monkeypatch):
    """Changes settings of the pump until the test ends."""

    def change(**settings) -> None:
        monkeypatch.setattr(pump, "settings", pump.settings.model_copy(update=settings))

    return change


@pytest.fixture
def pump(bench: Bench):
    return bench.devices[NAME]


def flow(lab: Served) -> float:
    return lab.ask(truth=True)["feeds"][NAME]["rate_ml_min"]


def until(bench: Bench, condition, limit_s: float = 6000.0) -> bool:
    return bench.clock.wait_until(condition, every_s=1.0, limit_s=limit_s)


def test_it_is_a_pump_for_bluesky_with_units(bench, pump):
    for protocol in (protocols.Readable, protocols.Movable, protocols.Stoppable, protocols.Checkable):
        check_supports(pump, protocol)
    assert [key["units"] for key in pump.describe().values()] == ["mL/min", "bar", "mL"]
    assert bench.devices["gauge"].describe()["gauge_pressure_bar"]["units"] == "bar"


def test_it_runs_at_the_rate_it_is_set_to_and_stops(lab, pump):
    for rate in (1.25, 0.05, 10.0):
        pump.set(rate).wait(WAIT_S)
        assert (flow(lab), pump.ask_rate_ml_min()) == (rate, rate)
    pump.set(0).wait(WAIT_S)
    assert (flow(lab), pump.ask_rate_ml_min()) == (0, 0)
    assert lab.ask(truth=True)["instruments"][NAME]["flow_ul_min"] == 0


@pytest.mark.parametrize("rate", [10.1, -1.0, float("nan"), 0.001])
def test_a_rate_outside_the_limits_is_refused_before_anything_is_sent(lab, pump, rate):
    with pytest.raises(LimitError, match=f"{NAME}: rate"):
        pump.set(rate)
    assert flow(lab) == 0


def test_pressure_is_told_by_the_pump_and_by_the_gauge(bench, lab, pump):
    pump.set(6.0).wait(WAIT_S)
    wanted_bar = OPENS + RESISTS * 6.0
    assert until(bench, lambda: abs(lab.ask(truth=True)["pressure_bar"] - wanted_bar) < 0.1)
    assert pump.ask_pressure_bar() == wanted_bar
    assert bench.devices["gauge"].pressure_bar.get() == wanted_bar


def test_what_it_delivered_is_reckoned(bench, lab, pump):
    before = pump.ask_content_ml()
    truth_before = lab.ask(truth=True)["instruments"][NAME]["delivered_ml"]
    pump.set(8.0).wait(WAIT_S)
    assert until(bench, lambda: pump.ask_content_ml() < before - 30)
    pump.set(0).wait(WAIT_S)
    delivered = lab.ask(truth=True)["instruments"][NAME]["delivered_ml"] - truth_before
    # A real millisecond is half a plant second: 0.07 mL for each command that it takes.
    assert before - pump.ask_content_ml() == pytest.approx(delivered, rel=0.1)
    assert pump.refill().done


def test_the_stream_that_the_valve_selects_is_fed(bench, lab, pump):
    pump.set(10.0).wait(WAIT_S)
    assert lab.ask(truth=True)["feeds"][NAME]["bottle"] == "solvent"
    left = lab.ask(truth=True)["feeds"][NAME]["content_ml"]
    bench.devices["selector"].set("cadmium").wait(WAIT_S)
    assert until(bench, lambda: lab.ask(truth=True)["feeds"][NAME]["content_ml"] < 1000.0)
    assert lab.ask(truth=True)["feeds"][NAME]["bottle"] == "cadmium"
    assert left > 1000.0


def test_a_clog_raises_the_pressure_until_the_pump_stops_by_itself_which_stays_an_error(bench, lab, pump):
    pump.set(8.0).wait(WAIT_S)
    lab.ask(fault="clog", device=NAME, severity=10)
    for _ in range(2):
        with pytest.raises(InstrumentFaultError, match=f"{NAME}: stopped by itself: its last errors are 2, "):
            until(bench, lambda: pump.ask_rate_ml_min() < 0)
    assert flow(lab) == 0
    lab.ask(fault="none", device=NAME)
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: stopped by itself"):
        pump.set(1.0)
    pump.make_safe()
    pump.set(1.0).wait(WAIT_S)
    assert pump.ask_rate_ml_min() == 1.0


def test_a_leak_lets_the_pressure_fall_below_what_the_pump_goes_on_with(bench, lab, pump, changed, monkeypatch):
    changed(lowest_bar=10)
    pump.connect()
    pump.set(6.0).wait(WAIT_S)
    assert until(bench, lambda: pump.ask_pressure_bar() > 15)
    lab.ask(fault="leak", device=NAME, share=0.9)
    with pytest.raises(InstrumentFaultError, match="stopped by itself: its last errors are 3, "):
        until(bench, lambda: pump.ask_rate_ml_min() < 0)
    monkeypatch.undo()
    pump.connect()


def test_a_blocked_motor_is_an_error(bench, lab, pump):
    pump.set(1.0).wait(WAIT_S)
    lab.ask(fault="stall", device=NAME)
    with pytest.raises(InstrumentFaultError, match=NAME):
        until(bench, lambda: pump.ask_rate_ml_min() < 0)
    pump.make_safe()


def test_making_it_safe_fails_when_it_is_silent(lab, pump):
    lab.ask(fault="silence", device=NAME)
    with pytest.raises(ReplyTimeoutError, match=f"{NAME}: "):
        pump.make_safe()


def test_a_pump_that_goes_on_is_not_safe(pump, monkeypatch):
    pump.set(1.0).wait(WAIT_S)
    order = pump._order
    monkeypatch.setattr(pump, "_order", lambda command: None if command == "OFF" else order(command))
    with pytest.raises(NotReachedError, match=f"{NAME}: was switched off, but its motor turns"):
        pump.make_safe()


def test_another_head_is_noticed(pump, changed):
    changed(head_ml=50)
    with pytest.raises(InstrumentFaultError, match="has a head of 10 mL, but settings.head_ml is 50"):
        pump.connect()


def test_a_gauge_that_tells_what_cannot_be_is_an_error(bench, pump, changed):
    """What a unit that is configured ten times too large looks like."""
    pump.set(6.0).wait(WAIT_S)
    assert until(bench, lambda: pump.ask_pressure_bar() == OPENS + RESISTS * 6)
    changed(pressure_unit_bar=100.0, pressure_agrees_bar=100.0)
    with pytest.raises(InstrumentFaultError, match="gauge: feed_pump tells 1700 bar, which is outside -1…400 bar"):
        bench.devices["gauge"].ask_pressure_bar()


SETTINGS = {"reagent": "cadmium", "highest_ml_min": 10.0, "highest_bar": 100}


def test_the_unit_of_the_pressure_has_no_default():
    with pytest.raises(ValidationError, match="pressure_unit_bar"):
        AzuraCompactSettings.model_validate(SETTINGS)
    assert AzuraCompactSettings.model_validate(SETTINGS | {"pressure_unit_bar": 0.1}).pressure_unit_bar == 0.1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("head_ml = 50\nlowest_bar = 200", "above the highest|150 bar at most"),
        ("lowest_ml_min = 20.0", "above the highest"),
        ("bottle_ml = 0.0", "bottle_ml"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, line, message):
    file = feeds.write(tmp_path, feed=line)
    with pytest.raises(ConfigError, match=message):
        feeds.bench_at(file, {})


@pytest.mark.parametrize(
    ("unit_bar", "feed", "simulated"),
    [
        (0.1, "bare_values = true", 'orders = "plain"\nline_end = "crlf"'),
        (
            1.0,
            'remote_command = "REMOTE"\nidle_current = 0\nstart_within_s = 500.0',
            'orders = "named"\nline_end = "lfcr"\nspin_up_s = 50.0',
        ),
    ],
)
def test_what_no_source_settles_can_be_either_way(tmp_path, unit_bar, feed, simulated):
    file = feeds.write(tmp_path, unit_bar=unit_bar, feed=feed, simulated=simulated)
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab, feeds.bench_at(file, lab.addresses) as bench:
        pump = bench.devices[NAME]
        pump.connect()
        pump.set(3.0).wait(WAIT_S)
        assert pump.ask_rate_ml_min() == flow(lab) == 3.0
        wanted_bar = OPENS + RESISTS * 3.0
        assert until(bench, lambda: abs(pump.ask_pressure_bar() - wanted_bar) <= 0.11)
        pump.make_safe()
        assert flow(lab) == 0


def test_a_motor_that_does_not_begin_to_turn_is_an_error(pump, lab, changed):
    changed(idle_current=99)
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: was started, but its motor stands"):
        pump.set(1.0)


def test_who_asks_while_another_thread_starts_it_takes_a_motor_that_stands_for_no_fault(pump, monkeypatch):
    pump.set(1.0).wait(WAIT_S)
    with monkeypatch.context() as patched, pump._telling():
        patched.setattr(pump, "_runs", lambda: False)
        assert pump.ask_rate_ml_min() == 0.0

    def stands_and_is_told() -> bool:  # between two questions of one reading
        with pump._telling():
            return False

    with monkeypatch.context() as patched:
        patched.setattr(pump, "_runs", stands_and_is_told)
        assert pump.ask_rate_ml_min() == 0.0
    assert pump.ask_rate_ml_min() == 1.0
    monkeypatch.setattr(pump, "_runs", lambda: False)
    with pytest.raises(InstrumentFaultError, match="was started, but its motor stands"):
        pump.ask_rate_ml_min()


def test_readings_that_do_not_agree_are_no_pressure(pump, monkeypatch):
    readings = iter(range(0, 1000, 7))
    monkeypatch.setattr(pump, "_exchange_value", lambda name, read: next(readings))
    with pytest.raises(DisagreementError, match=f"{NAME}: no 3 readings"):
        pump.ask_pressure_bar()
