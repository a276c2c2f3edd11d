"""What feed and valve do when their lines are cut or another driver comes: each test has a bench of its own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.errors import DeviceError, InstrumentFaultError, LinkError, ReplyError, ReplyTimeoutError
from flowlab.bench import Bench
from flowlab.conditions import Conditions
from tests.devices import feeds
from tests.devices.conftest import SPEED
from tests.simulators.benches import Served, served

WAIT_S = 60.0
NAME = "feed_pump"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return feeds.write(tmp_path_factory.mktemp("lines"))


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture
def bench(file: Path, lab: Served) -> Iterator[Bench]:
    with feeds.bench_at(file, lab.addresses) as bench:
        yield bench
        lab.ask(fault="none", device=NAME)
        lab.ask(fault="none", device="selector")


def known(lab: Served) -> dict:
    return lab.ask(truth=True)["instruments"][NAME]


def flow(lab: Served) -> float:
    return lab.ask(truth=True)["feeds"][NAME]["rate_ml_min"]


def test_a_feed_goes_on_when_its_line_dies_and_is_found_running_when_it_is_back(bench, lab):
    """It has no time-out: the documents say so, and here it is seen."""
    pump = bench.devices[NAME]
    pump.connect()
    pump.set(1.0).wait(WAIT_S)
    lab.ask(fault="unplug", device=NAME)
    for ask in (pump.ask_rate_ml_min, pump.ask_pressure_bar, pump.make_safe):
        with pytest.raises(LinkError, match=f"{NAME}: "):
            ask()
    assert flow(lab) == 1.0
    lab.ask(fault="none", device=NAME)
    assert pump.ask_rate_ml_min() == 1.0


@pytest.mark.parametrize("how", ["make_safe", "connect"])
def test_another_driver_stops_a_feed_that_was_left_running(file, lab, how):
    with feeds.bench_at(file, lab.addresses) as bench:
        bench.devices[NAME].connect()
        bench.devices[NAME].set(1.0).wait(WAIT_S)
    assert flow(lab) == 1.0
    with feeds.bench_at(file, lab.addresses) as other:
        getattr(other.devices[NAME], how)()
    assert (flow(lab), known(lab)["on"], known(lab)["flow_ul_min"]) == (0, False, 0)
    assert (known(lab)["highest_bar"], known(lab)["lowest_bar"], known(lab)["remote"]) == (100, 0, True)


def test_a_feed_whose_motor_is_not_asked_is_not_taken_for_standing_before_it_is_connected(bench, lab):
    pump = bench.devices[NAME]
    with pytest.raises(DeviceError, match=f"{NAME}: it is not known whether it runs"):
        pump.ask_rate_ml_min()
    pump.connect()
    assert pump.ask_rate_ml_min() == 0
    pump.set(1.0).wait(WAIT_S)
    assert pump.ask_rate_ml_min() == 1.0
    pump.make_safe()
    assert flow(lab) == 0


def test_an_unplugged_valve_is_a_lost_link(bench, lab):
    lab.ask(fault="unplug", device="selector")
    with pytest.raises(LinkError, match="selector: "):
        bench.devices["selector"].ask_position()


def test_a_reactor_runs_with_a_continuous_feed_beside_a_syringe_pump(file, lab, tmp_path):
    text = file.read_text("utf-8").replace('pumps = ["cadmium_pump", ', 'pumps = ["feed_pump", ')
    mixed = tmp_path / "mixed.toml"
    mixed.write_text(text, "utf-8")
    with feeds.bench_at(mixed, lab.addresses) as bench:
        bench.connect()
        bench.devices["selector"].set("cadmium").wait(WAIT_S)
        reactor = bench.devices["reactor"]
        try:
            reactor.reagent.set([10.0, 20.0]).wait(WAIT_S)
            reactor.refill.set(20.0).wait(WAIT_S)
            reactor.set(Conditions(60.0, 50.0, 14.0)).wait(WAIT_S)
            assert flow(lab) == 0.857
            assert reactor.ask_residence_time_s() == pytest.approx(14.0, rel=1e-3)
            reactor.flush.set(1.0).wait(WAIT_S)
            reactor.trigger().wait(WAIT_S)
            lab.ask(fault="stall", device=NAME)
            with pytest.raises(InstrumentFaultError, match=f"{NAME}: stopped by itself"):
                bench.clock.wait_until(lambda: reactor.ask_flow_ml_min() < 0, every_s=1, limit_s=6000)
            lab.ask(fault="none", device=NAME)
        finally:
            assert not any(bench.make_safe().values())
        assert flow(lab) == 0


def test_on_a_bad_cable_feed_and_valve_tell_the_truth_or_an_error_with_their_name(bench, lab):
    pump, valve = bench.devices[NAME], bench.devices["selector"]
    pump.connect()
    pump.set(6.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: abs(lab.ask(truth=True)["pressure_bar"] - 17) < 0.01, every_s=1, limit_s=600)
    faults = {"garble": 0.25, "cut": 0.03, "lose": 0.03, "duplicate": 0.2}
    asked = {
        (NAME, pump.ask_rate_ml_min): (6.0, 0.0),
        (NAME, pump.ask_pressure_bar): (17.0, 1.0),
        ("selector", valve.ask_position): (1, 0),
    }
    valve.set(1).wait(WAIT_S)
    for device in (NAME, "selector"):
        for fault, probability in faults.items():
            lab.ask(fault=fault, device=device, probability=probability)
    taken = 0
    for _ in range(10):
        for (name, ask), (true, slack) in asked.items():
            with contextlib.suppress(ReplyError, ReplyTimeoutError):
                told = ask()
                assert abs(told - true) <= slack, (name, told)
                taken += 1
    assert taken > 20
