"""The fit that gave the rate constants: it computes what the plant computes, and says truly how well they fit."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import simulators.plant
from flowlab.config import load_instrument
from simulators.plant.chemistry import CadmiumSelenide, cadmium, load_parameters, populations
from simulators.plant.fit_cdse import misfit_of, simulate
from simulators.plant.fit_observations import Observed, experiments
from simulators.plant.fluidics import FlowReactor
from tests.instruments import UV_VIS

PATH = load_instrument(UV_VIS).flow_path


def test_the_misfit_that_is_written_is_that_of_the_parameters():
    written = tomllib.loads((Path(simulators.plant.__file__).parent / "cdse.toml").read_text(encoding="utf-8"))
    assert misfit_of(written["parameters"]) == pytest.approx(written["misfit"], abs=0.01)


def test_the_fit_computes_what_the_plant_does():
    """To a tenth of a height: the plant tabulates a plug's temperatures, the fit has them in closed form."""
    rows = experiments()
    states = simulate({name: np.array([[value]]) for name, value in load_parameters().items()}, rows)
    seen = Observed(states)
    assert cadmium(states) == pytest.approx(np.ones((1, len(rows))), abs=1e-6)
    every_fifth_and_the_hottest = [i for i, row in enumerate(rows) if i % 5 == 0 or row[0] == 350.0]
    for i in every_fifth_and_the_hottest:
        nucleation_c, growth_c, residence_s = rows[i]
        found = at(nucleation_c, growth_c, residence_s)
        ours = populations(states[:, 0, i], 10.0)
        assert ours.diameter_nm == pytest.approx(found.diameter_nm, rel=0.01)
        assert ours.clusters[437] == pytest.approx(found.clusters[437], rel=0.1, abs=0.02)
        assert 400.0 < seen.exciton_nm[0, i] < 650.0


def at(nucleation_c: float, growth_c: float, residence_s: float):
    reactor = FlowReactor(PATH)
    flow_ml_s = PATH.reaction_ml / residence_s
    for _ in range(int(1.3 * PATH.total_ml / flow_ml_s / 0.1) + 2):
        reactor.advance(0.1, flow_ml_s, {"cadmium": 10.0, "selenium": 10.0}, nucleation_c, growth_c)
    plug = reactor.plug_at(PATH.reaction_ml + PATH.transfer_ml + PATH.cell_ml / 2)
    return CadmiumSelenide().react(plug)
