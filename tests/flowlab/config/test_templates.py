"""The templates for real hardware: useless as they are, and said to be; whole once they are filled in."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.load import ConfigError, to_fill_in
from flowlab.config.paths import shipped_config
from flowlab.daemon.interlocks import Interlocks
from flowlab.daemon.plans import Plan

TEMPLATES = ("lab-serial", "beamline-epics")
#: A key to fill in, and the example in the comment behind it.
_EXAMPLE = re.compile(r'"FILL IN"([^#\n]*# e\.g\. )([^;\n]+);')


def template(name: str) -> str:
    return (shipped_config() / "instruments" / f"{name}.toml").read_text(encoding="utf-8")


def filled_in(text: str) -> str:
    return _EXAMPLE.sub(r"\2\1\2;", text)


def with_alternative(text: str, device: str) -> str:
    """The template with a device replaced by the one that its comments offer."""
    tables = rf"\[devices\.{device}\]\n(?:[^\n]+\n)+"
    commented = re.search(rf"# \[devices\.{device}\]\n(?:# [^\n]+\n)+", text)
    assert commented is not None
    alternative = commented[0].replace("# ", "", 1).replace("\n# ", "\n")
    return re.sub(rf"^{tables}", lambda _: alternative, text.replace(commented[0], ""), count=1, flags=re.M)


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_does_not_load_and_names_every_key_that_is_left(name):
    with pytest.raises(ConfigError) as error:
        load_instrument(name)
    told = str(error.value)
    assert "\n" not in told
    keys = list(to_fill_in(tomllib.loads(template(name))))
    assert len(keys) == sum('"FILL IN"' in line for line in template(name).splitlines() if not line.startswith("#"))
    assert f"{len(keys)} keys are still to be filled in" in told
    for *table, key in keys:
        assert re.search(rf"(^|[ ;]){re.escape('.'.join(table))}: [^;]*\b{key}\b", told), (table, key)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_address_and_nothing_that_has_been_decided_is_left_to_fill_in(name):
    devices = tomllib.loads(template(name))["devices"]
    assert {d["address"] for d in devices.values() if "address" in d} == {"FILL IN"}
    assert not any("simulator" in d or "simulated" in d for d in devices.values())


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_whole_once_it_is_filled_in(name, written):
    path = written(filled_in(template(name)))
    config = load_instrument(path)
    assert config.simulation is None
    with Bench(config, str(path)) as bench:
        Interlocks(bench, lambda name, reason: None)
        for plan in config.plans:
            Plan(config, plan, str(path))
    assert set(config.interlocks) >= {"high_pressure", "over_temperature", "zero_flow_while_hot", "low_reagent"}
    heaters = config.safe_state[:2]
    assert heaters == ["nucleation_heater", "growth_heater"]


@pytest.mark.parametrize(("device", "kind"), [("selenium_pump", "Ne1000"), ("growth_heater", "Eurotherm2408")])
def test_the_alternatives_in_the_comments_take_the_place_of_what_they_stand_for(device, kind, written):
    path = written(filled_in(with_alternative(template("lab-serial"), device)))
    with Bench(load_instrument(path), str(path)) as bench:
        assert type(bench.devices[device]).__name__ == kind


def test_the_last_key_that_is_left_is_told_alone(written):
    text = filled_in(template("lab-serial")).replace('address = "http://192.168.0.40"', 'address = "FILL IN: its name"')
    with pytest.raises(ConfigError, match=r"mine\.toml: 1 key is still to be filled in: devices\.eiger: address$"):
        load_instrument(written(text))


@pytest.mark.parametrize("command", ["check", "run", "safe-state", "devices", "simulate"])
def test_no_command_does_anything_with_a_template(command, tmp_path):
    arguments = {
        "check": ["lab-serial"],
        "run": ["lab-serial", "wash"],
        "safe-state": ["-c", "lab-serial"],
        "devices": ["-c", "lab-serial"],
        "simulate": ["lab-serial"],
    }[command]
    result = subprocess.run(
        [sys.executable, "-m", "flowlab", command, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "keys are still to be filled in: flow_path: mixer_ml, nucleation_ml" in line
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
