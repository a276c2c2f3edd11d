"""``flowlab devices`` on the simulated lab, as its user meets it; what it left behind is told by the plant."""

import json
import socket
from typing import Any

import pytest

from flowlab.config.paths import shipped_config
from tests.flowlab.cli.test_cli import addressed, complaint, flowlab
from tests.simulators.benches import hear, served
from tests.support import is_safe

WHOLE_LAB = str(shipped_config() / "instruments" / "simulated-flow.toml")


@pytest.fixture(scope="module")
def lab():
    with served("simulated-flow", "--any-port", "--speed", "400") as running:
        yield running


@pytest.fixture
def config(lab, tmp_path):
    return addressed(tmp_path / "mine.toml", lab.addresses, instrument=WHOLE_LAB)


@pytest.fixture
def fault(lab):
    """Switch faults on; they are off again after the test."""
    struck: list[str] = []

    def strike(name: str, device: str) -> None:
        struck.append(device)
        assert lab.ask(fault=name, device=device)["ok"]

    yield strike
    for device in struck:
        assert lab.ask(fault="none", device=device)["ok"]


def run_a_pump(lab, device: str) -> None:
    """As a person would, from a terminal; so slowly that its syringe lasts, however long the test takes."""
    with lab.connect(device) as pump:
        for command in ("diameter 26.7", "irate 10 ul/min", "irun"):
            pump.sendall(f"{command}\r".encode())
            while not hear(pump, 1).endswith((b":", b">")):
                pass
    assert lab.ask(truth=True)["pumps"][device]["rate_ml_min"] > 0


def no_such_number(text: str) -> Any:
    raise AssertionError(f"{text} is no JSON")


def test_what_cannot_be_left_safe_is_told(lab, config, fault):
    assert lab.ask(truth=True)["xray"]["shutter_open"] is True  # as the simulated lab begins
    fault("stuck", "beam_shutter")
    result = flowlab("devices", "beam_shutter", "-c", config)
    assert result.returncode == 1
    assert "1 of 1 failed: NOT SAFE: beam_shutter: was told to close, but its status is 1" in complaint(result)
    assert "  open                   yes" in result.stdout
    assert result.stdout.splitlines()[-1] == "left safe: none"


def test_each_device_is_read_with_units_and_all_are_left_safe(lab, config):
    run_a_pump(lab, "cadmium_pump")
    result = flowlab("devices", "-c", config, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    told = json.loads(result.stdout, parse_constant=no_such_number)
    assert told["instrument"] == "simulated-flow"
    devices = told["devices"]
    assert {name: d["address"] for name, d in devices.items() if d["address"]} == lab.addresses
    assert all(d["failure"] is None for d in devices.values())
    assert {name for name, d in devices.items() if d["safe"]} == {*lab.addresses, "led"}
    assert {name for name, d in devices.items() if d["safe"] is None} == {"pressure", "reactor", "xray"}
    assert devices["cadmium_pump"]["readings"]["rate_ml_min"] == {"value": 0.0, "units": "mL/min"}
    temperature = devices["growth_heater"]["readings"]["temperature_c"]
    assert temperature["units"] == "°C"
    truth = lab.ask(truth=True)
    assert temperature["value"] == pytest.approx(truth["heaters"]["growth_heater"]["temperature_c"], abs=1.0)
    assert devices["ring"]["readings"]["current_ma"]["value"] == pytest.approx(truth["xray"]["ring_ma"], rel=0.1)
    assert devices["spectrometer"]["configuration"]["serial_number"]["value"] == "HDX00001"
    assert devices["spectrometer"]["readings"]["counts"] == {"value": None, "units": "counts"}  # none was taken
    assert is_safe(truth)
    assert truth["xray"]["shutter_open"] is False
    assert truth["instruments"]["fluorometer"]["led_on"] is False


def test_one_device_is_called_and_no_other(lab, config):
    run_a_pump(lab, "cadmium_pump")
    run_a_pump(lab, "selenium_pump")
    result = flowlab("devices", "selenium_pump", "-c", config)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == f"selenium_pump (PhdUltra at {lab.addresses['selenium_pump']})"
    assert "rate_ml_min            0 mL/min" in result.stdout
    assert result.stdout.splitlines()[-1] == "left safe: selenium_pump"
    pumps = lab.ask(truth=True)["pumps"]
    assert pumps["selenium_pump"]["rate_ml_min"] == 0
    assert pumps["cadmium_pump"]["rate_ml_min"] > 0


def test_what_fails_is_named_and_keeps_only_what_is_made_of_it_from_being_read(lab, config, fault):
    fault("unplug", "selenium_pump")
    result = flowlab("devices", "reactor", "-c", config, "--json")
    assert result.returncode == 1
    assert complaint(result).startswith("flowlab: 2 of 6 failed: selenium_pump: ")
    assert "reactor: was not tried, for selenium_pump failed" in result.stderr
    devices = json.loads(result.stdout)["devices"]
    assert {name for name, d in devices.items() if d["failure"]} == {"selenium_pump", "reactor"}
    assert devices["selenium_pump"]["readings"] == {}
    assert devices["selenium_pump"]["safe"] is None
    assert [d["safe"] for name, d in devices.items() if d["address"] and name != "selenium_pump"] == [True] * 4


def test_nobody_there_is_told_with_what_to_do(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = addressed(tmp_path / "mine.toml", {"cadmium_pump": f"socket://127.0.0.1:{port}"}, instrument=WHOLE_LAB)
    result = flowlab("devices", "cadmium_pump", "-c", path)
    assert result.returncode == 1
    assert f"cannot open socket://127.0.0.1:{port}" in complaint(result)
    assert f"start it with flowlab simulate {path}" in result.stderr
