"""The unit of systemd: what stands in it, and what is never overwritten."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flowlab.config.paths import shipped_config
from tests.flowlab.cli.test_cli import complaint, flowlab
from tests.instruments import UV_VIS

SHIPPED = shipped_config() / "instruments" / "simulated-flow.toml"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("FLOWLAB_STATE", raising=False)
    return tmp_path


def read(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  systemd minds the case
    parser.read_string(text)
    return parser


def test_the_unit_runs_the_daemon_and_makes_safe_whatever_ended_it(home):
    result = flowlab("install-service", "--user", "-c", "simulated-flow")
    assert (result.returncode, result.stderr) == (0, "")
    file = home / ".config" / "systemd" / "user" / "flowlab.service"
    for told in (str(file), "daemon-reload", "systemctl --user enable --now flowlab", "loginctl enable-linger"):
        assert told in result.stdout
    service = read(file.read_text("utf-8"))["Service"]
    program, *words = service["ExecStart"].split()
    assert Path(program).is_absolute()
    assert words[-3:] == ["up", "-c", str(SHIPPED)]
    assert service["ExecStopPost"] == service["ExecStart"].replace(" up -c ", " safe-state -c ")
    assert (service["KillMode"], service["Restart"]) == ("mixed", "on-failure")
    assert not {"WatchdogSec", "PrivateDevices", "ProtectSystem", "DevicePolicy"} & set(service)


def test_a_path_becomes_absolute_and_survives_systemds_quoting(home, monkeypatch):
    file = home / 'my "100 %" $lab.toml'
    shutil.copy(UV_VIS, file)
    monkeypatch.setenv("FLOWLAB_STATE", "state here")
    result = flowlab("install-service", "--print", "-c", file.name, cwd=home)
    assert result.returncode == 0, result.stderr
    service = read(result.stdout)["Service"]
    assert service["ExecStart"].endswith(rf' up -c "{home}/my \"100 %%\" $$lab.toml"')
    assert service["Environment"].endswith(f' "FLOWLAB_STATE={home}/state here"')
    assert not (home / ".config").exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_has_no_complaint(home):
    printed = flowlab("install-service", "--print", "-c", UV_VIS).stdout
    analyze = str(shutil.which("systemd-analyze"))

    def said_of(text: str) -> list[str]:
        file = home / "flowlab.service"
        file.write_text(text, "utf-8")
        command = [analyze, "--user", "verify", str(file)]
        environment = os.environ | {"XDG_RUNTIME_DIR": str(home)}
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        # That the command is not installed where tests run says nothing of the unit.
        return [line for line in result.stderr.splitlines() if "flowlab.service:" in line and "executable" not in line]

    if not said_of(printed.replace("KillMode=mixed", "KillMode=mxed")):
        pytest.skip("systemd-analyze cannot look at units here")
    assert said_of(printed) == []


def test_the_unit_of_somebody_else_is_left_alone(home):
    file = home / ".config" / "systemd" / "user" / "flowlab.service"
    file.parent.mkdir(parents=True)
    file.write_text("[Service]\nExecStart=/usr/bin/true\n", "utf-8")
    result = flowlab("install-service", "--user")
    assert result.returncode == 2
    assert "is none of flowlab's; --force overwrites it" in complaint(result)
    assert "true" in file.read_text("utf-8")
    assert flowlab("install-service", "--user", "--force").returncode == 0
    # Its own is written anew without being asked twice.
    assert flowlab("install-service", "--user", "-c", UV_VIS).returncode == 0
    assert str(UV_VIS) in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "say --user"),
        (["--user", "-c", "nowhere"], "there is no such file"),
        (["--user", "-c", "lab-serial"], "still to be filled in"),
    ],
)
def test_what_cannot_run_is_not_installed(home, arguments, why):
    result = flowlab("install-service", *arguments)
    assert result.returncode == 2
    assert why in complaint(result)
    assert not (home / ".config").exists()


def test_the_interpreter_stands_in_for_a_command_that_is_not_there(home, monkeypatch):
    from flowlab.cli.service import unit

    monkeypatch.setattr(sys, "executable", str(home / "bin" / "python3"))
    assert f"ExecStart={home}/bin/python3 -m flowlab up -c /lab.toml\n" in unit("lab", Path("/lab.toml"), "flowlab")
