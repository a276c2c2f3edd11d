"""What feed and valve do when their lines are cut or another driver comes: each test has a bench of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.errors import DeviceError, LinkError
from flowlab.bench import Bench
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
