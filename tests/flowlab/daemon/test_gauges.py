"""Gauges: what is read of a real simulated instrument, what comes of a device that is silent, and of the end."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import devices  # noqa: F401  before ophyd: it chooses the control layer
from flowlab.cli.inspect import check
from flowlab.clock import Clock
from flowlab.config import load_instrument
from flowlab.config.gauges import Gauge
from flowlab.config.interlocks import Interlock
from flowlab.config.load import ConfigError
from flowlab.daemon.gauges import Gauges
from flowlab.daemon.instrument import Instrument
from flowlab.daemon.interlocks import WatchedInterlock
from flowlab.errors import FlowlabError
from flowlab.stream import GaugeReading, Proxy, Readings, ReadingsSubscriber, RunStore
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served

LIMIT_S = 60.0

Told = dict[str, GaugeReading]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"place": "cellar"}, "place"),
        ({"label": ""}, "at least 1 character"),
        ({"every_s": 0.1}, "greater than or equal to 0.2"),
        ({"every_s": 61.0}, "less than or equal to 60"),
        ({"unit": "K"}, "unit"),
    ],
)
def test_a_gauge_that_says_too_little_or_too_much_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        Gauge.model_validate({"place": "growth", "label": "oven", "device": "oven", "signal": "temperature_c"} | wrong)


# On devices that are made up.


class Lab:
    """A bench of an oven and a pump that read what they are given, and what is published of them."""

    def __init__(self, **gauges: dict[str, Any]):
        self.values: dict[str, Any] = {"temperature_c": 20.0, "setpoint_c": 25.0, "rate_ml_min": 1.5, "content_ml": 9.0}
        self.devices = {
            "oven": SimpleNamespace(temperature_c=self._signal("temperature_c"), setpoint_c=self._signal("setpoint_c")),
            "pump": SimpleNamespace(rate_ml_min=self._signal("rate_ml_min"), content_ml=self._signal("content_ml")),
        }
        self.clock = Clock(20.0)
        oven = {"place": "growth", "label": "oven", "device": "oven", "signal": "temperature_c", "every_s": 0.2}
        pump = {"place": "feed", "label": "pump", "device": "pump", "signal": "rate_ml_min", "every_s": 0.2}
        tables = {"oven": oven | {"setpoint": "setpoint_c"}, "pump": pump | {"left": "content_ml"}} | gauges
        hot = {"device": "oven", "signal": "temperature_c", "above": 200.0}
        dry = {"device": "pump", "signal": "rate_ml_min", "below": 0.1}
        self.interlocks = {
            "hot": Interlock.model_validate({"when": [hot], "action": "safe"}),
            "hotter": Interlock.model_validate({"when": [hot | {"above": 300.0}], "action": "safe"}),
            "dry": Interlock.model_validate({"when": [dry, hot], "action": "safe"}),
        }
        self.config = SimpleNamespace(
            name="lab",
            gauges={name: Gauge.model_validate(table) for name, table in tables.items()},
            interlocks=self.interlocks,
        )
        self.published: list[Readings] = []
        self._news = threading.Condition()

    def _signal(self, name: str) -> SimpleNamespace:
        def get() -> Any:
            value = self.values[name]
            if isinstance(value, Exception):
                raise value
            return value() if callable(value) else value

        return SimpleNamespace(get=get)

    def send(self, readings: Readings) -> None:
        with self._news:
            self.published.append(readings)
            self._news.notify_all()

    def until(self, holds: Callable[[dict[str, GaugeReading]], object]) -> dict[str, GaugeReading]:
        """The gauges of the first message that are as they should be."""
        with self._news:

            def found() -> dict[str, GaugeReading] | None:
                newest = {gauge.name: gauge for gauge in self.published[-1].gauges} if self.published else {}
                return newest if newest and holds(newest) else None

            gauges = self._news.wait_for(found, LIMIT_S)
            assert gauges, self.published[-1:]
            return gauges

    def gauges(self) -> Gauges:
        watched = [WatchedInterlock(name, lock, self, lambda *_: None) for name, lock in self.interlocks.items()]  # type: ignore[arg-type]
        return Gauges(self, watched, self.send)  # type: ignore[arg-type]


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    gauges = lab.gauges()
    gauges.start()
    yield lab
    gauges.close()


def test_what_is_read_is_told_in_the_order_of_the_file(lab):
    now = lab.until(lambda gauges: all(gauge.value is not None for gauge in gauges.values()))
    assert list(now) == ["oven", "pump"]
    oven, pump = now.values()
    assert (oven.value, oven.setpoint, oven.left, oven.why) == (20.0, 25.0, None, None)
    assert (pump.value, pump.setpoint, pump.left, pump.why) == (1.5, None, 9.0, None)
    assert time.time() - 60 < oven.at <= time.time()
    newest = lab.published[-1]
    assert (newest.instrument, newest.speed) == ("lab", 20.0)
    assert [(lock.name, lock.action, lock.when, lock.tripped) for lock in newest.interlocks] == [
        ("hot", "safe", "oven.temperature_c above 200", None),
        ("hotter", "safe", "oven.temperature_c above 300", None),
        ("dry", "safe", "pump.rate_ml_min below 0.1 and oven.temperature_c above 200", None),
    ]


def test_the_first_interlock_that_trips_by_a_reading_alone_marks_it(lab):
    now = lab.until(lambda gauges: gauges["oven"].value is not None)
    assert (now["oven"].trips_below, now["oven"].trips_above) == (None, 200.0)
    assert (now["pump"].trips_below, now["pump"].trips_above) == (None, None)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.float64(1.25), 1.25),
        (np.int32(3), 3),
        (np.bool_(True), True),
        (np.str_("solvent"), "solvent"),
        ("two\nlines", "two lines"),
        ("\ud800", "?"),
        (2**70, float(2**70)),
        (False, False),
    ],
)
def test_numbers_texts_and_truths_are_told_as_such(lab, value, told):
    lab.values["temperature_c"] = value
    now = lab.until(lambda gauges: gauges["oven"].value == told)
    assert type(now["oven"].value) is type(told)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "oven.temperature_c has no value"),
        (float("inf"), "oven.temperature_c is infinite"),
        (None, "oven.temperature_c has no value"),
        (FlowlabError("oven: no reply\nin 3 s"), "oven.temperature_c cannot be read: oven: no reply in 3 s"),
        (ZeroDivisionError("1 / 0"), "oven.temperature_c cannot be read: ZeroDivisionError('1 / 0')"),
        (np.zeros(3), "oven.temperature_c cannot be read: TypeError('ndarray is neither a number nor text')"),
    ],
)
def test_what_is_not_known_is_told_at_once_with_the_reason_and_again_when_it_is(lab, value, why):
    lab.until(lambda gauges: gauges["oven"].value is not None)
    lab.values["temperature_c"] = value
    now = lab.until(lambda gauges: gauges["oven"].value is None)
    assert (now["oven"].why, now["oven"].setpoint) == (why, None)
    assert now["pump"].value == 1.5
    lab.values["temperature_c"] = 21.0
    assert lab.until(lambda gauges: gauges["oven"].value is not None)["oven"].why is None


def test_a_set_point_that_is_not_known_leaves_the_value_and_says_why(lab):
    lab.values["setpoint_c"] = FlowlabError("oven: no reply")
    now = lab.until(lambda gauges: gauges["oven"].value is not None and gauges["oven"].why)
    assert (now["oven"].value, now["oven"].setpoint) == (20.0, None)
    assert now["oven"].why == "oven.setpoint_c cannot be read: oven: no reply"
    lab.values["setpoint_c"] = "local"
    lab.until(lambda gauges: gauges["oven"].why == "oven.setpoint_c is no number: 'local'")


def test_a_device_that_does_not_return_ages_alone_and_neither_the_safe_state_nor_the_end_waits_for_it(monkeypatch):
    monkeypatch.setattr("flowlab.daemon.gauges._CLOSE_WITHIN_S", 0.2)
    lab = Lab()
    asked, answer = threading.Event(), threading.Event()

    def hang() -> float:
        asked.set()
        assert answer.wait(LIMIT_S)
        return 1.0

    gauges = lab.gauges()
    gauges.start()
    lab.until(lambda now: all(gauge.value is not None for gauge in now.values()))
    lab.values["temperature_c"] = hang
    assert asked.wait(LIMIT_S)
    stuck = lab.published[-1].gauges[0].at
    now = lab.until(lambda now: now["pump"].at > stuck + 1.0)
    assert now["oven"].at <= stuck
    with gauges.resting():
        pass
    gauges.close()
    count = len(lab.published)
    answer.set()
    assert not threading.Event().wait(1.2)
    assert len(lab.published) == count


def test_while_the_instrument_is_made_safe_nothing_is_read():
    lab, reads = Lab(), []
    lab.values["temperature_c"] = lambda: reads.append(True) or 20.0
    gauges = lab.gauges()
    with gauges.resting():
        gauges.start()
        assert not threading.Event().wait(0.5)
        assert not reads
        assert [gauge.why for gauge in lab.published[-1].gauges] == ["not read yet"] * 2
    lab.until(lambda now: now["oven"].value == 20.0)
    gauges.close()


def test_nothing_is_read_until_the_last_who_makes_it_safe_has_done():
    lab, reads = Lab(), []
    lab.values["temperature_c"] = lambda: reads.append(True) or 20.0
    gauges = lab.gauges()
    with gauges.resting():
        with gauges.resting():
            gauges.start()
        assert not threading.Event().wait(0.5)
        assert not reads
    lab.until(lambda now: now["oven"].value == 20.0)
    gauges.close()


def test_a_device_is_left_alone_for_some_times_as_long_as_it_was_read():
    lab, begun, enough = Lab(), [], threading.Event()

    def slow() -> float:
        begun.append(time.monotonic())
        if len(begun) > 3:
            enough.set()
        threading.Event().wait(0.1)
        return 20.0

    lab.values["temperature_c"] = slow
    gauges = lab.gauges()
    gauges.start()
    assert enough.wait(LIMIT_S)
    gauges.close()
    assert min(b - a for a, b in itertools.pairwise(begun)) >= 0.25


def test_how_often_it_is_read_is_told_and_that_a_slow_device_takes_longer():
    lab = Lab(seldom={"place": "feed", "label": "pump", "device": "pump", "signal": "content_ml", "every_s": 30.0})
    gauges = lab.gauges()
    gauges.start()
    now = lab.until(lambda now: all(gauge.value is not None for gauge in now.values()))
    assert now["seldom"].every_s == 30.0
    lab.values["temperature_c"] = lambda: threading.Event().wait(0.2) or 20.0
    slow = lab.until(lambda now: now["oven"].every_s >= 0.6)
    assert slow["seldom"].every_s == 30.0
    lab.values["temperature_c"] = 20.0
    lab.until(lambda now: now["oven"].every_s < 0.6)
    gauges.close()


def test_a_signal_that_its_device_does_not_have_is_refused():
    gauge = {"place": "growth", "label": "oven", "device": "oven", "signal": "temperature_c", "setpoint": "volume"}
    with pytest.raises(ConfigError, match=r"^lab: gauges\.wrong: oven has no signal 'volume'$"):
        Lab(wrong=gauge).gauges()


# On a simulated instrument, over its wires.

GAUGES = """
[gauges.growth]
place = "growth"
label = "growth oven"
device = "growth_heater"
signal = "temperature_c"
setpoint = "setpoint_c"
[gauges]
cadmium = { place = "feed", label = "Cd", device = "cadmium_pump", signal = "rate_ml_min", left = "content_ml" }
selenium = { place = "feed", label = "Se", device = "selenium_pump", signal = "rate_ml_min", left = "content_ml" }
residence = { place = "growth", label = "residence time", device = "reactor", signal = "residence_time_s" }
light = { place = "absorbance", label = "light", device = "spectrometer", signal = "light_level" }
lamp = { place = "absorbance", label = "lamp", device = "spectrometer", signal = "shutter_open" }

[interlocks.hot]
when = [{ device = "growth_heater", signal = "temperature_c", above = 370.0 }]
action = "safe"
"""


@pytest.fixture(scope="module")
def simulated() -> Iterator[Served]:
    with served(UV_VIS, "--any-port", "--speed", "200") as simulated:
        yield simulated


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@contextlib.contextmanager
def connected(folder: Path, proxy: Proxy, addresses: dict[str, str]) -> Iterator[None]:
    """The UV-vis lab with gauges, connected as a worker connects it."""
    file = folder / "lab.toml"
    file.write_text(Path(UV_VIS).read_text(encoding="utf-8") + GAUGES, encoding="utf-8")
    store = RunStore(folder / "data")
    config = load_instrument(file)
    instrument = Instrument(config, str(file), store, proxy.inward, addresses, lambda _: None, lambda: None)
    try:
        with instrument:
            yield
    finally:  # what ends with a worker's process
        instrument._engine._loop.close()
        with contextlib.suppress(RuntimeError):
            asyncio.get_event_loop_policy().get_event_loop().close()


def until(
    subscriber: ReadingsSubscriber, holds: Callable[[dict[str, GaugeReading]], object]
) -> dict[str, GaugeReading]:
    end = time.monotonic() + LIMIT_S
    newest: dict[str, GaugeReading] = {}
    while time.monotonic() < end:
        if (readings := subscriber.receive(1.0)) is not None:
            newest = {gauge.name: gauge for gauge in readings.gauges}
            if holds(newest):
                return newest
    pytest.fail(f"never came; the newest is {newest}")


def test_an_instrument_tells_what_its_devices_say_while_it_is_connected_and_no_longer(tmp_path, proxy, simulated):
    with ReadingsSubscriber(proxy.outward) as subscriber:
        with connected(tmp_path, proxy, simulated.addresses):
            now = until(subscriber, lambda now: all(gauge.at and gauge.why != "not read yet" for gauge in now.values()))
            assert list(now) == ["growth", "cadmium", "selenium", "residence", "light", "lamp"]
            cadmium, growth, residence, light, lamp = (
                now[name] for name in ("cadmium", "growth", "residence", "light", "lamp")
            )
            assert (cadmium.value, cadmium.units, cadmium.low, cadmium.high) == (0.0, "mL/min", 0.0, 20.0)
            assert (cadmium.left, cadmium.left_units, cadmium.why) == (pytest.approx(50.0), "mL", None)
            assert growth.value == pytest.approx(20.0, abs=5.0)
            assert (growth.units, growth.low, growth.high, growth.trips_above) == ("°C", 15.0, 360.0, 370.0)
            assert growth.setpoint is not None
            assert (residence.value, residence.why) == (None, "reactor.residence_time_s is infinite")
            assert (light.value, light.why) == (None, "spectrometer.light_level has no value")
            assert lamp.value is True
        while subscriber.receive(0.2) is not None:
            pass  # what was on its way
        assert subscriber.receive(1.5) is None
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("gauges of", "readings"))]


def test_a_pump_that_is_unplugged_is_told_and_the_others_stay_fresh(tmp_path, proxy, simulated):
    with ReadingsSubscriber(proxy.outward) as subscriber, connected(tmp_path, proxy, simulated.addresses):
        until(subscriber, lambda now: now["cadmium"].value is not None)
        simulated.ask(fault="silence", device="cadmium_pump")
        try:
            lost = until(subscriber, lambda now: now["cadmium"].value is None)["cadmium"]
            assert lost.why is not None
            assert lost.why.startswith("cadmium_pump.rate_ml_min cannot be read: cadmium_pump: ")
            fresh = until(subscriber, lambda now: now["selenium"].at > lost.at + 1.5)
            assert fresh["growth"].at > lost.at
            assert fresh["selenium"].value == 0.0
        finally:
            simulated.ask(fault="none", device="cadmium_pump")
        until(subscriber, lambda now: now["cadmium"].value is not None)


def test_a_check_of_the_file_finds_a_gauge_that_names_no_signal_of_its_device(tmp_path):
    file = tmp_path / "lab.toml"
    wrong = GAUGES.replace('signal = "light_level"', 'signal = "brightness"')
    file.write_text(Path(UV_VIS).read_text(encoding="utf-8") + wrong, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^simulated-flow: gauges\.light: spectrometer has no signal 'brightness'$"):
        check(str(file))
