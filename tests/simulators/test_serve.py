"""The process: where it listens, how it ends, and what it says when it cannot start."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient

from devices.protocols import modbus
from simulators.serve import main
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, hear, place, served

SHIPPED = Path(UV_VIS).read_text(encoding="utf-8")
COMMAND = [sys.executable, "-m", "simulators"]


@pytest.fixture(scope="module")
def process() -> Iterator[Served]:
    with served(UV_VIS, "--any-port", "--speed", "100", "--seed", "3") as running:
        yield running


def on_free_ports(folder: Path) -> tuple[Path, list[int]]:
    """The shipped instrument on other ports, which were free a moment ago."""
    configured = (50100, 50101, 50102, 50103, 57357)
    with contextlib.ExitStack() as held:
        free = [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in configured]
    text = SHIPPED
    for old, new in zip(configured, free, strict=True):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    file = folder / "instrument.toml"
    file.write_text(text, encoding="utf-8")
    return file, free


def changed(folder: Path, old: str, new: str) -> str:
    """The shipped instrument with a part of its text replaced."""
    assert old in SHIPPED
    file = folder / "instrument.toml"
    file.write_text(SHIPPED.replace(old, new), encoding="utf-8")
    return str(file)


def test_it_says_where_each_device_is(process: Served) -> None:
    assert set(process.addresses) == {
        "cadmium_pump",
        "selenium_pump",
        "nucleation_heater",
        "growth_heater",
        "spectrometer",
    }
    assert process.addresses["cadmium_pump"].startswith("socket://127.0.0.1:")
    assert process.addresses["spectrometer"].startswith("tcp://127.0.0.1:")
    assert process.addresses["nucleation_heater"] == process.addresses["growth_heater"]
    assert set(process.ask(truth=True)["instruments"]) == set(process.addresses)


def test_the_plant_goes_on_while_nobody_asks(process: Served) -> None:
    before = process.ask(truth=True)["time_s"]
    while process.ask(truth=True)["time_s"] < before + 5:
        pass


def test_a_pump_runs_over_a_plain_socket(process: Served) -> None:
    with process.connect("cadmium_pump") as sock:
        sock.sendall(b"diameter 26.7\rirate 2 ml/min\rtvolume 0.1 ml\rirun\r")
        assert hear(sock, 11) == b"\n:\n:\n:\n>\nT*"
    pumped_ml = 50.0 - process.ask(truth=True)["pumps"]["cadmium_pump"]["content_ml"]
    assert pumped_ml == pytest.approx(0.1)


def test_an_independent_modbus_client_reads_the_temperature_and_heats(process: Served) -> None:
    host, port = place(process.addresses["growth_heater"])
    with ModbusTcpClient(host, port=port, framer=FramerType.RTU) as client:
        assert client.read_holding_registers(1, count=1, device_id=2).registers[0] == pytest.approx(230, abs=3)
        assert not client.write_register(24, 1500, device_id=2).isError()
        assert client.read_input_registers(5, count=1, device_id=2).registers == [1500]
        assert client.read_holding_registers(5, count=1, device_id=1).registers == [200]
        assert client.write_register(24, 9999, device_id=2).exception_code == 3
        assert client.read_holding_registers(9999, device_id=2).exception_code == 2
        while client.read_holding_registers(1, count=1, device_id=2).registers[0] < 1490:
            pass
    assert process.ask(truth=True)["heaters"]["growth_heater"]["temperature_c"] > 140


def test_an_unplugged_pump_can_be_plugged_in_again(process: Served) -> None:
    with process.connect("selenium_pump") as sock:
        assert process.ask(fault="unplug", device="selenium_pump") == {"ok": True}
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        process.connect("selenium_pump")
    assert process.ask(fault="none", device="selenium_pump") == {"ok": True}
    with process.connect("selenium_pump") as sock:
        sock.sendall(b"\r")
        assert hear(sock, 2) == b"\n:"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_frees_the_configured_ports(number: signal.Signals, tmp_path: Path) -> None:
    file, ports = on_free_ports(tmp_path)
    with subprocess.Popen([*COMMAND, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert str(ports[1]) in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", ports[1])), socket.create_connection(("127.0.0.1", ports[0])):
            process.send_signal(number)
            assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


@contextlib.contextmanager
def orphaned(linger_s: float, config: str = UV_VIS) -> Iterator[Served]:
    """Simulators whose standard input has ended."""
    command = [*COMMAND, config, "--any-port", "--speed", "50", "--until-eof", "--linger", f"{linger_s:g}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())["ready"]
            process.stdin.close()
            yield Served(process, ready["addresses"], ready["control"])
        finally:
            process.kill()


def test_it_can_outlive_who_started_it_until_nobody_has_been_there_for_a_while() -> None:
    with orphaned(1.0) as lab:
        with lab.connect("growth_heater") as sock:
            for register, value in ((26, 1500), (276, 1)):
                sock.sendall(modbus.write_request(2, register, value))
                assert sock.recv(256)
            with pytest.raises(subprocess.TimeoutExpired):
                lab.process.wait(2.5)
        # Who only asks now and then, each time on a connection of its own, is a client, too.
        for _ in range(4):
            with pytest.raises(subprocess.TimeoutExpired):
                lab.process.wait(0.6)
            assert lab.ask(truth=True)["heaters"]["growth_heater"]["temperature_c"] > 30
        left_s = time.monotonic()
        assert lab.process.wait(30) == 0
        assert time.monotonic() - left_s > 0.9


def test_clients_of_an_epics_server_and_of_a_web_server_are_there_as_well() -> None:
    with orphaned(0.7, "simulated-flow") as lab:
        for device in ("ring", "eiger"):
            with lab.connect(device), pytest.raises(subprocess.TimeoutExpired):
                lab.process.wait(2.0)
        assert lab.process.wait(30) == 0


def test_a_signal_ends_it_at_once_though_it_lingers() -> None:
    with orphaned(60.0) as lab, lab.connect("growth_heater"):
        lab.process.send_signal(signal.SIGTERM)
        assert lab.process.wait(10) == 0


def test_a_taken_port_ends_it_with_one_line_that_names_the_device(tmp_path: Path) -> None:
    file, ports = on_free_ports(tmp_path)
    with socket.create_server(("127.0.0.1", ports[2])):
        ended = subprocess.run([*COMMAND, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"selenium_pump: cannot listen on 127.0.0.1:{ports[2]}: ")
    assert ended.stderr.endswith("--any-port\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "[simulation.settings]",
            "[simulation.settings]\nfast = 1",
            "simulation.settings.fast: there is no such key",
        ),
        (
            "[simulation.settings]",
            "[simulation.settings]\nlight = {lmp = 1.0}",
            "no property 'lmp'; allowed: ",
        ),
        ("[simulation.settings]", "[simulation.settings]\nblock = {power_w = 'x'}", "block.power_w = 'x'"),
        ('\ngrowth = "growth_heater"', '\ngrowth = "oven"', "simulation.settings.growth = 'oven'"),
        ('reagent = "selenium"', 'reagent = "sulfur"', "there are cadmium, selenium"),
        (
            'syringe = "glass_50ml"\nreagent = "selenium"',
            'reagent = "selenium"',
            "settings.syringe: this key is missing",
        ),
        ("wire.harvard:PhdUltra", "wire.harvard:Phd", "there is no such simulator"),
        ("wire.harvard:PhdUltra", "wire.harward:PhdUltra", "there is no such simulator"),
        ("socket://127.0.0.1:50101", "/dev/ttyUSB0", "devices.cadmium_pump.address = '/dev/ttyUSB0'"),
        ('address = "socket://127.0.0.1:50101"', "", "devices.cadmium_pump.address is missing"),
        ("speed = 200.0", "speed = -1.0", "clock.speed"),
        ("unit = 2", "unit = 0", "devices.growth_heater.settings.unit = 0"),
        ("schema = 1", "schema =", "is not valid TOML"),
    ],
)
def test_a_wrong_instrument_file_is_refused_in_one_line(
    old: str, new: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([changed(tmp_path, old, new), "--any-port"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "CONFIG"),
        (["nowhere"], "simulated-flow"),
        (["simulated-flow", "--fast"], "--fast"),
        (["simulated-flow", "--speed", "0"], "speed = 0.0"),
        (["simulated-flow", "--seed", "-1"], "seed = -1"),
        (["simulated-flow", "--linger", "1"], "--linger 1: 0 or more seconds, and --until-eof with it"),
        (["simulated-flow", "--until-eof", "--linger", "nan"], "--linger nan"),
        (["simulated-flow", "--playback", "/nowhere/at-all"], "/nowhere/at-all: there is no such file"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert complaint in said.err


def test_a_real_instrument_is_not_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = SHIPPED[: SHIPPED.index("\n[simulation]")].replace("speed = 200.0", "speed = 1.0")
    file = tmp_path / "real.toml"
    file.write_text(real, encoding="utf-8")
    assert main([str(file)]) == 2
    assert "this instrument is real" in capsys.readouterr().err
