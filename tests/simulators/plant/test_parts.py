"""Vessel, heater, syringe and light, each by explicit steps and without a clock."""

import numpy as np
import pytest

from flowlab.config import FlowPath, Reagent, Syringe
from simulators.plant.fluidics import FlowReactor
from simulators.plant.heater import BlockProperties, HeaterBlock
from simulators.plant.light import FULL_SCALE, LightPath, LightProperties
from simulators.plant.syringe import SyringeDrive

PATH = FlowPath(
    mixer_ml=0.01,
    nucleation_ml=0.05,
    growth_ml=0.34,
    transfer_ml=0.04,
    cell_ml=0.02,
    optical_path_mm=1.0,
    tubing_inner_diameter_mm=0.5,
)
FEED = {"cadmium": 10.0}
CELL_ML = PATH.reaction_ml + PATH.transfer_ml + PATH.cell_ml / 2


def run(reactor: FlowReactor, seconds: float, flow_ml_s: float, nucleation_c: float, growth_c: float) -> None:
    for _ in range(round(seconds / 0.1)):
        reactor.advance(0.1, flow_ml_s, FEED, nucleation_c, growth_c)


def test_a_plug_in_the_cell_has_the_residence_time_that_the_geometry_gives():
    reactor = FlowReactor(PATH)
    run(reactor, 40.0, 0.4 / 14, 280.0, 230.0)
    plug = reactor.plug_at(CELL_ML)
    assert plug.residence_s == pytest.approx(14.0, abs=0.02)
    assert plug.time_s[-1] == pytest.approx(CELL_ML / (0.4 / 14), abs=0.02)
    assert (plug.nucleation_c, plug.growth_c) == (280.0, 230.0)
    assert plug.concentration_mmol_l == FEED


def test_a_spectrum_belongs_to_the_conditions_its_plug_saw_not_to_those_of_now():
    reactor = FlowReactor(PATH)
    flow = 0.4 / 14
    run(reactor, 40.0, flow, 280.0, 280.0)
    run(reactor, 1.0, flow, 280.0, 230.0)
    assert reactor.plug_at(CELL_ML).growth_c == 280.0, "what is in the cell had left the oven before it cooled"
    run(reactor, 6.0, flow, 280.0, 230.0)
    assert 230.0 < reactor.plug_at(CELL_ML).growth_c < 280.0
    run(reactor, 12.0, flow, 280.0, 230.0)
    assert reactor.plug_at(CELL_ML).growth_c == 230.0


def test_a_change_of_flow_changes_the_residence_of_what_is_under_way():
    reactor = FlowReactor(PATH)
    run(reactor, 60.0, 0.4 / 14, 100.0, 100.0)
    run(reactor, 2.0, 0.4 / 4, 100.0, 100.0)
    assert 4.0 < reactor.plug_at(0.39).residence_s < 14.0
    run(reactor, 10.0, 0.4 / 4, 100.0, 100.0)
    assert reactor.plug_at(CELL_ML).residence_s == pytest.approx(4.0, abs=0.02)


def test_while_the_pumps_stand_a_plug_grows_older_where_it_is():
    reactor = FlowReactor(PATH)
    run(reactor, 40.0, 0.4 / 14, 100.0, 100.0)
    before = reactor.plug_at(0.2)
    run(reactor, 100.0, 0.0, 100.0, 100.0)
    after = reactor.plug_at(0.2)
    assert after.time_s[-1] - before.time_s[-1] == pytest.approx(100.0, abs=0.2)
    assert after.residence_s - before.residence_s == pytest.approx(100.0, abs=0.2)


def test_before_anything_was_pumped_the_line_holds_solvent():
    reactor = FlowReactor(PATH)
    assert reactor.plug_at(CELL_ML).concentration_mmol_l == {}
    run(reactor, 5.0, 0.4 / 14, 280.0, 280.0)
    assert reactor.plug_at(CELL_ML).concentration_mmol_l == {}, "the first plug has not come that far"


def test_liquid_follows_the_wall_with_the_time_constant_of_each_section():
    reactor = FlowReactor(PATH)
    run(reactor, 60.0, 0.4 / 14, 280.0, 100.0)
    plug = reactor.plug_at(CELL_ML)
    chamber, oven = 0.01 / (0.4 / 14), 0.06 / (0.4 / 14)
    at = np.interp([chamber, chamber + 0.01, chamber + 1.0], plug.time_s, plug.temperature_c)
    assert at == pytest.approx([23.0, 280 - 257 / np.e, 280.0], abs=2.0)
    at = np.interp([oven, oven + 0.1, oven + 1.0], plug.time_s, plug.temperature_c)
    assert at == pytest.approx([280.0, 100 + 180 / np.e, 100.0], abs=2.0)


def test_a_reactor_that_stands_records_nothing_and_remembers_what_is_in_it():
    reactor = FlowReactor(PATH)
    run(reactor, 60.0, 0.4 / 14, 280.0, 230.0)
    before = reactor.plug_at(CELL_ML)
    run(reactor, 1.0, 0.0, 280.0, 230.0)
    records = len(reactor._times)
    for _ in range(200):
        run(reactor, 10.0, 0.0, 280.0, 230.0)
        standing = reactor.plug_at(CELL_ML)
    assert len(reactor._times) <= records + 2
    assert standing.residence_s == pytest.approx(before.residence_s, abs=0.02)
    assert standing.time_s[-1] == pytest.approx(before.time_s[-1] + 2001.0, abs=0.2)


def test_records_are_forgotten_once_everything_that_saw_them_has_left():
    reactor = FlowReactor(PATH)
    for i in range(40_000):
        reactor.advance(0.1, 0.1, FEED, 280.0 + 0.1 * (i % 2), 230.0)
    assert len(reactor._times) < 3000
    assert reactor.plug_at(CELL_ML).residence_s == pytest.approx(4.0, abs=0.05)


def test_a_plug_that_is_farther_down_than_the_optical_cell_is_remembered_too():
    far = FlowReactor(PATH.model_copy(update={"xray_transfer_ml": 2.0, "xray_cell_ml": 0.1, "xray_path_mm": 1.0}))
    for i in range(40_000):
        far.advance(0.1, 0.01, FEED, 280.0 + 0.1 * (i % 2), 230.0)
    assert len(far._times) < 5000
    plug = far.plug_at(PATH.total_ml + 2.05)
    assert plug.residence_s == pytest.approx(40.0, abs=0.5)
    assert plug.time_s[-1] == pytest.approx((PATH.total_ml + 2.05) / 0.01, abs=0.5)


def heated(output: float, seconds: float, **properties: float) -> HeaterBlock:
    block = HeaterBlock(BlockProperties(**properties))
    block.output = output
    for _ in range(round(seconds / 0.1)):
        block.advance(0.1)
    return block


def test_a_block_comes_to_rest_where_loss_equals_power():
    block = heated(0.4, 3000.0)
    p = block.properties
    assert block.temperature_c == pytest.approx(p.room_c + 0.4 * p.power_w / p.loss_w_k, abs=1.0)


def test_a_block_goes_on_warming_when_its_power_is_cut_and_then_cools():
    block = heated(1.0, 60.0)
    hottest = before = block.temperature_c
    block.output = 0.0
    for _ in range(3000):
        block.advance(0.1)
        hottest = max(hottest, block.temperature_c)
    assert hottest > before + 1.0
    assert block.temperature_c < before


def test_a_fuse_keeps_a_block_from_melting():
    assert heated(1.0, 5000.0, power_w=2000.0).temperature_c < 460.0


def test_liquid_that_is_heated_takes_power():
    dry, wet = HeaterBlock(), HeaterBlock()
    for block, flow in ((dry, 0.0), (wet, 0.05)):
        block.output = 0.3
        for _ in range(20_000):
            block.advance(0.1, flow)
    assert wet.temperature_c < dry.temperature_c - 5.0


def drive(content_ml: float = 10.0, reservoir_ml: float = 100.0) -> SyringeDrive:
    reagent = Reagent(concentration_mmol_l=20.0, reservoir_ml=reservoir_ml)
    made = SyringeDrive(Syringe(volume_ml=10.0, inner_diameter_mm=14.6), reagent, "cadmium")
    made.content_ml = content_ml
    return made


def test_a_syringe_gives_what_it_holds_and_then_stalls():
    syringe = drive(content_ml=0.05)
    syringe.drive(6.0)
    moved = sum(syringe.advance(0.1) for _ in range(20))
    assert moved == pytest.approx(0.05)
    assert syringe.stalled
    assert syringe.content_ml == 0.0


def test_withdrawing_fills_the_barrel_from_the_reservoir_and_nothing_enters_the_mixer():
    syringe = drive(content_ml=4.0)
    syringe.drive(-6.0)
    assert sum(syringe.advance(0.1) for _ in range(100)) == 0.0
    assert syringe.content_ml == pytest.approx(5.0)
    assert syringe.reservoir_ml == pytest.approx(99.0)


def test_an_empty_reservoir_gives_air():
    syringe = drive(content_ml=4.0, reservoir_ml=0.3)
    syringe.drive(-6.0)
    for _ in range(100):
        syringe.advance(0.1)
    assert syringe.content_ml == pytest.approx(4.3)
    assert syringe.reservoir_ml == 0.0


def test_a_held_plunger_moves_nothing_and_stalls():
    syringe = drive()
    syringe.held = True
    syringe.drive(1.0)
    assert syringe.advance(0.1) == 0.0
    assert syringe.stalled


WAVELENGTH = np.linspace(200.0, 800.0, 2068)


def light(**properties: float) -> LightPath:
    return LightPath(WAVELENGTH, LightProperties(**properties), seed=3)


def test_counts_have_the_noise_of_their_electrons():
    path = light(lamp_drift=0.0, bubbles_per_ml=0.0)
    scans = np.array([path.expose(np.zeros(2068), 10.0) for _ in range(200)], float)
    mean = scans.mean(axis=0)
    expected = np.sqrt((mean - path.properties.dark_level) / path.properties.electrons_per_count + 5.5**2)
    assert np.median(scans.std(axis=0) / expected) == pytest.approx(1.0, abs=0.05)


def test_a_closed_shutter_leaves_the_dark_level():
    path = light()
    path.shutter_open = False
    assert path.expose(np.zeros(2068), 10.0).mean() == pytest.approx(1450 + 0.9 * 10, abs=2)


def test_too_long_an_exposure_saturates():
    assert (light().expose(np.zeros(2068), 1000.0) == FULL_SCALE).any()


def test_a_bubble_dims_the_light_while_it_passes():
    path = light(bubbles_per_ml=1e9, bubble_ml=0.01)
    path.advance(0.1, 0.005)
    assert path.bubble
    clear = light(bubbles_per_ml=0.0).expose(np.zeros(2068), 10.0)
    assert path.expose(np.zeros(2068), 10.0).mean() < 0.5 * clear.mean()


def test_the_lamp_drifts_slowly_and_not_far():
    path = light(bubbles_per_ml=0.0)
    drift = []
    for _ in range(5000):
        path.advance(10.0, 0.0)
        drift.append(path._drift)
    assert np.std(drift) == pytest.approx(0.003, rel=0.4)
    assert np.abs(np.diff(drift)).max() < 0.002


def test_where_no_light_passes_there_are_dark_counts():
    absorbance = np.where(WAVELENGTH < 350, np.nan, 0.0)
    counts = light().expose(absorbance, 10.0)
    assert counts[WAVELENGTH < 345].mean() < 1600


def test_the_same_seed_gives_the_same_counts_and_another_gives_others():
    first, same, other = (LightPath(WAVELENGTH, seed=seed).expose(np.zeros(2068), 10.0) for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()
