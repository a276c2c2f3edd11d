"""The bench is put together from the instrument file."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowlab.errors import BadInputError
from simulators.wire.bench import Bench
from tests.simulators.benches import StandingClock, bench, shipped


def test_the_properties_in_the_file_are_those_of_the_plant() -> None:
    config = shipped()
    assert config.simulation is not None
    settings = config.simulation.settings | {"light": {"read_noise": 9.0}, "block": {"power_w": 100.0}}
    simulation = config.simulation.model_copy(update={"settings": settings})
    plant = Bench(config.model_copy(update={"simulation": simulation}), StandingClock()).plant
    assert plant.light.properties.read_noise == 9.0
    assert {block.properties.power_w for block in plant.heaters.values()} == {100.0}


def test_playback_takes_the_place_of_the_chemistry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Playback:
        def __init__(self, path: Path):
            self.made_of: Any = path

    module = ModuleType("simulators.plant.playback")
    monkeypatch.setattr(module, "Playback", Playback, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    absorber: Any = Bench(shipped(), StandingClock(), playback=tmp_path).plant.absorber
    assert absorber.made_of == tmp_path


def test_the_same_seed_gives_the_same_noise_and_each_heater_its_own() -> None:
    readings = []
    for _ in range(2):
        a_bench = bench()
        a_bench.plant.advance(0.1)
        truth = a_bench.truth()["instruments"]
        readings.append((truth["nucleation_heater"]["reading_c"], truth["growth_heater"]["reading_c"]))
    assert readings[0] == readings[1]
    assert readings[0][0] != readings[0][1]


def test_a_material_without_a_sizing_curve_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plain.toml"
    file.write_text('schema = 1\nname = "plain"\n', encoding="utf-8")
    with pytest.raises(BadInputError, match="no sizing curve"):
        Bench(shipped().model_copy(update={"material": str(file)}), StandingClock())
