"""A simulated lab in a process of its own, and a bench of drivers connected to it over its real wires."""

from collections.abc import Iterator

import pytest

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served

SPEED = 250.0


def bench_at(addresses: dict[str, str], **settings: dict) -> Bench:
    """The shipped instrument at these addresses; keywords name devices and give settings of theirs."""
    config = load_instrument(UV_VIS)
    devices = {
        name: entry.model_copy(update={"settings": entry.settings | settings.get(name, {})})
        for name, entry in config.devices.items()
    }
    config = config.model_copy(update={"clock": ClockSettings(speed=SPEED), "devices": devices})
    return Bench(config, "simulated-flow", addresses)


@pytest.fixture(scope="module")
def lab() -> Iterator[Served]:
    with served(UV_VIS, "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture(scope="module")
def free_lab() -> Iterator[Served]:
    """Another lab, to which nothing is connected: a serial line admits one client at a time."""
    with served(UV_VIS, "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture(scope="module")
def connected(lab: Served) -> Iterator[Bench]:
    with bench_at(lab.addresses) as bench:
        bench.connect()
        bench.make_safe()  # the heaters' set points are refreshed from now on
        yield bench


@pytest.fixture
def bench(connected: Bench) -> Iterator[Bench]:
    """The bench of ``lab``; safe again after each test."""
    yield connected
    assert all(error is None for error in connected.make_safe().values())
