"""The bench is put together from the instrument file."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowlab.config import InstrumentConfig
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


def with_xray(xray: dict[str, float], cell: bool = True) -> InstrumentConfig:
    """The shipped file with an X-ray side, and a flow path that has or lacks a cell for it."""
    config = shipped()
    assert config.simulation is not None
    ends = {"xray_transfer_ml": 0.03, "xray_cell_ml": 0.02, "xray_path_mm": 1.0}
    path = config.flow_path.model_copy(update=ends if cell else dict.fromkeys(ends))
    simulation = config.simulation.model_copy(update={"settings": config.simulation.settings | {"xray": xray}})
    return config.model_copy(update={"flow_path": path, "simulation": simulation})


def test_the_x_ray_side_has_the_properties_of_the_file_and_tells_the_truth() -> None:
    a_bench = Bench(with_xray({"top_up_ma": 200.0}), StandingClock())
    assert a_bench.plant.xray is not None
    a_bench.plant.advance(0.1)
    a_bench.plant.xray.frame("pilatus-300k", 0.1)
    truth = json.loads(json.dumps(a_bench.truth(), allow_nan=False))["xray"]
    assert truth["ring_ma"] == pytest.approx(200.0, abs=0.01)
    assert truth["exposed"][0]["detector"] == "pilatus-300k"


def test_x_rays_without_a_cell_to_pass_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"simulation\.settings\.xray: flow_path has no X-ray cell"):
        Bench(with_xray({}, cell=False), StandingClock())


def test_an_x_ray_property_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInputError, match="there is no property 'flux'; allowed: flux_per_s"):
        Bench(with_xray({"flux": 1.0}), StandingClock())


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
