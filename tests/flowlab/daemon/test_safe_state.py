"""The safe state from a process of its own: in what order, and what nothing may keep from happening."""

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from flowlab.process import Child
from tests.end_to_end.labs import lab_file, unsafe
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served
from tests.support import is_safe


class Watched:
    """The process of the safe state, and what it tells, with the seconds since it was started."""

    def __init__(self, lab: Served, config: str | Path, folder: Path, addresses: dict[str, str] | None = None):
        spec = {"config": str(config), "addresses": lab.addresses | (addresses or {})}
        self.begun_s = time.monotonic()
        self._child = Child("safe state", "flowlab.daemon.safe_state", spec, folder / "log")
        self.told: list[tuple[str, str | None]] = []

    def until(self, device: str, limit_s: float = 20.0) -> str | None:
        """Wait until a device is told of for the first time; what is told then."""
        while all(name != device for name, _ in self.told):
            self._hear(limit_s)
        return next(error for name, error in self.told if name == device)

    def _hear(self, limit_s: float) -> None:
        message = self._child._messages.get(timeout=limit_s)
        assert "device" in message, message
        self.told.append((message["device"], message["error"]))

    def end(self, limit_s: float = 30.0) -> tuple[int, dict[str, str | None]]:
        """Exit code and outcome."""
        while True:
            message = self._child._messages.get(timeout=limit_s)
            if "done" in message:
                return self._child.close(), message["done"]
            self.told.append((message["device"], message["error"]))

    def close(self) -> None:
        self._child.kill()
        self._child.close()


@contextlib.contextmanager
def making_safe(*args: Any) -> Iterator[Watched]:
    watched = Watched(*args)
    try:
        yield watched
    finally:
        watched.close()


@pytest.fixture
def lab() -> Iterator[Served]:
    with served(UV_VIS, "--any-port", "--speed", "20") as lab:
        yield lab


def heat_and_pump(lab: Served) -> None:
    """Both heaters at 150 °C by their remote set point, one pump running."""
    from devices.protocols import modbus

    with lab.connect("nucleation_heater") as sock:
        for unit in (1, 2):
            for register, value in ((26, 1500), (276, 1)):
                sock.sendall(modbus.write_request(unit, register, value))
                assert sock.recv(256)
    for name in ("cadmium_pump", "selenium_pump"):
        with lab.connect(name) as sock:
            sock.sendall(b"diameter 26.7\rirate 1 ml/min\rirun\r")
            heard = b""
            while heard.count(b":") < 2 or not heard.endswith(b">"):
                heard += sock.recv(256)
    assert not is_safe(lab.ask(truth=True))


def working_c(lab: Served, name: str) -> float:
    return lab.ask(truth=True)["instruments"][name]["working_set_point_c"]


def rate_ml_min(lab: Served, name: str) -> float:
    return lab.ask(truth=True)["pumps"][name]["rate_ml_min"]


def test_each_device_is_told_in_its_turn_as_soon_as_it_is_safe(lab, tmp_path):
    heat_and_pump(lab)
    with making_safe(lab, UV_VIS, tmp_path) as process:
        assert process.until("growth_heater") is None
        assert (working_c(lab, "nucleation_heater"), working_c(lab, "growth_heater")) == (20.0, 20.0)
        code, outcome = process.end()
    names = ["nucleation_heater", "growth_heater", "cadmium_pump", "selenium_pump", "spectrometer"]
    assert [name for name, _ in process.told] == list(outcome) == names
    assert (code, set(outcome.values())) == (0, {None})
    assert is_safe(lab.ask(truth=True))


def test_heaters_and_flow_do_not_wait_for_the_libraries_of_what_comes_behind(tmp_path):
    with served("simulated-flow", "--any-port") as lab, making_safe(lab, "simulated-flow", tmp_path) as process:
        process.until("solvent_pump")
        loaded = {Path(file.path).name.split(".")[0] for file in psutil.Process(process._child.pid).memory_maps()}
        code, outcome = process.end()
        assert (code, set(outcome.values())) == (0, {None})
        assert len(outcome) == 16
        assert unsafe(lab.ask(truth=True)) == set()
    assert not {name for name in loaded if "h5" in name}


def test_a_class_that_cannot_be_imported_keeps_no_other_device_from_being_safe(lab, tmp_path):
    heat_and_pump(lab)
    text = Path(UV_VIS).read_text("utf-8")
    broken = text.replace("devices.eurotherm:Eurotherm3216", "devices.no_such_family:Heater", 1)
    broken = re.sub(r"(?m)^(\[devices.cadmium_pump.settings\]\n)", r"\1no_such_key = 1\n", broken)
    file = tmp_path / "broken.toml"
    file.write_text(broken, "utf-8")
    with making_safe(lab, file, tmp_path) as process:
        code, outcome = process.end()
    assert code == 1
    assert "there is no module 'devices.no_such_family'" in (outcome.pop("nucleation_heater") or "")
    assert "no_such_key" in (outcome.pop("cadmium_pump") or "")
    assert set(outcome.values()) == {None}
    assert working_c(lab, "growth_heater") == 20.0
    assert (rate_ml_min(lab, "selenium_pump"), rate_ml_min(lab, "cadmium_pump")) == (0.0, 1.0)


def test_pumps_stop_while_a_heater_hangs_and_the_other_on_its_line_is_still_reached(lab, tmp_path):
    heat_and_pump(lab)
    assert lab.ask(fault="silence", device="nucleation_heater") == {"ok": True}
    file = tmp_path / "quick.toml"
    text = Path(UV_VIS).read_text("utf-8")
    file.write_text(text.replace("[devices.nucleation_heater]\n", "[devices.nucleation_heater]\nsafe_within_s = 1.5\n"))
    with making_safe(lab, file, tmp_path) as process:
        error = process.until("nucleation_heater")
        assert error == "nucleation_heater: not known whether it is safe: no end within 1.5 s"
        told_s = time.monotonic()
        assert "waits for nucleation_heater, on the same line" in (process.until("growth_heater") or "")
        assert process.until("selenium_pump") is None
        assert time.monotonic() - told_s < 1.0
        assert rate_ml_min(lab, "cadmium_pump") == rate_ml_min(lab, "selenium_pump") == 0.0
        code, outcome = process.end()
    # What it had begun has come to its end, and that is what counts.
    assert code == 1
    assert "got nothing within 1 s" in (outcome["nucleation_heater"] or "")
    assert [name for name, error in outcome.items() if error] == ["nucleation_heater"]
    assert working_c(lab, "growth_heater") == 20.0


def test_a_call_that_never_ends_keeps_neither_the_others_from_being_safe_nor_the_process_from_ending(
    lab, tmp_path, monkeypatch
):
    (tmp_path / "stuck.py").write_text(
        "import threading\n"
        "from flowlab.config import Model\n"
        "class Stuck:\n"
        "    Settings = Model\n"
        "    def __init__(self, *args): pass\n"
        "    def make_safe(self): threading.Event().wait()\n"
        "    def close(self): threading.Event().wait()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    text = Path(UV_VIS).read_text("utf-8").replace("safe_state = [", 'safe_state = ["stuck", ', 1)
    file = tmp_path / "stuck.toml"
    file.write_text(f'{text}\n[devices.stuck]\nclass = "stuck:Stuck"\nsafe_within_s = 0.5\n', "utf-8")
    heat_and_pump(lab)
    with making_safe(lab, file, tmp_path) as process:
        code, outcome = process.end()
    assert code == 1
    assert outcome.pop("stuck") == "stuck: not known whether it is safe: no end within 0.5 s"
    assert set(outcome.values()) == {None}
    assert is_safe(lab.ask(truth=True))


@pytest.mark.timeout(120)
def test_a_whole_lab_that_does_not_answer_is_told_as_not_known(tmp_path):
    file = lab_file(tmp_path / "lab.toml")
    text = re.sub(r"(?m)^(class = .*\n)", r"\1safe_within_s = 0.3\n", file.read_text("utf-8"))
    file.write_text(text, "utf-8")
    with served(str(file), "--any-port") as lab:
        simulators = psutil.Process(lab.process.pid)
        simulators.suspend()
        try:
            with making_safe(lab, file, tmp_path) as process:
                process.until("nucleation_heater")
                code, outcome = process.end()
        finally:
            simulators.resume()
        assert code == 1
        known = {
            "led",
            "spectrometer",
            "fluorometer",
            "incident",
            "transmitted",
            "ring",
        }  # nothing is asked
        assert {name for name, error in outcome.items() if error is None} <= known
        assert "not known" in str(outcome["cadmium_pump"])
