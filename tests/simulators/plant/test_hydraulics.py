"""Pressure, feeds and the valve in front of them, by explicit steps and without a clock."""

import math

import pytest

from flowlab.config import FlowPath, Reagent, Syringe
from flowlab.errors import BadInputError
from simulators.plant.feed import Bottles, Feed, Selector
from simulators.plant.hydraulics import HydraulicProperties, Hydraulics, tube_resistance_bar_min_ml
from simulators.plant.syringe import SyringeDrive
from tests.simulators.benches import bench, pass_time

PATH = FlowPath(
    mixer_ml=0.01,
    nucleation_ml=0.05,
    growth_ml=0.34,
    transfer_ml=0.04,
    cell_ml=0.02,
    optical_path_mm=1.0,
    tubing_inner_diameter_mm=0.5,
)


def flow(hydraulics: Hydraulics, seconds: float, ml_min: float) -> float:
    """Run so long at a flow; what went through, in ml."""
    return sum(hydraulics.advance(0.1, ml_min / 600) for _ in range(round(seconds / 0.1)))


def test_the_tube_resists_as_hagen_and_poiseuille_have_it():
    """Δp = 8 η L Q / (π r⁴), in SI units: the other way to write it."""
    length_m = PATH.total_ml * 1e-6 / (math.pi * 0.25e-3**2)
    pascal = 8 * 3e-3 * length_m * (1e-6 / 60) / (math.pi * 0.25e-3**4)
    assert tube_resistance_bar_min_ml(PATH, 3.0) == pytest.approx(pascal / 1e5)


def test_pressure_is_the_regulators_and_what_the_tube_resists():
    hydraulics = Hydraulics(PATH, HydraulicProperties(back_pressure_bar=5.0, resistance_bar_min_ml=0.5))
    flow(hydraulics, 20.0, 2.0)
    assert hydraulics.pressure_bar == pytest.approx(6.0, abs=0.01)
    flow(hydraulics, 20.0, 0.0)
    assert hydraulics.pressure_bar == pytest.approx(5.0, abs=0.01), "the regulator holds what is left"


def test_a_clog_multiplies_the_resistance_and_a_leak_loses_flow():
    hydraulics = Hydraulics(PATH, HydraulicProperties(resistance_bar_min_ml=0.5))
    hydraulics.clog(True, severity=10.0)
    assert flow(hydraulics, 20.0, 3.0) == pytest.approx(1.0)
    assert hydraulics.pressure_bar == pytest.approx(15.0, abs=0.01)
    hydraulics.leak(True, share=0.4)
    assert flow(hydraulics, 20.0, 3.0) == pytest.approx(0.6)
    assert hydraulics.pressure_bar == pytest.approx(9.0, abs=0.01)
    hydraulics.clog(False)
    hydraulics.leak(False)
    assert flow(hydraulics, 20.0, 3.0) == pytest.approx(1.0)
    assert hydraulics.pressure_bar == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_or_a_severity_that_cannot_be_is_refused(share):
    hydraulics = Hydraulics(PATH, HydraulicProperties())
    with pytest.raises(BadInputError, match="share"):
        hydraulics.leak(True, share=share)
    with pytest.raises(BadInputError, match="severity"):
        hydraulics.clog(True, severity=0.5)


def test_a_syringe_stalls_above_its_pressure_but_withdraws_at_any():
    drive = SyringeDrive(
        Syringe(volume_ml=10.0, inner_diameter_mm=14.6), Reagent(concentration_mmol_l=1.0, reservoir_ml=9.0), "a", 20.0
    )
    drive.drive(1.0)
    drive.against_bar = 19.9
    assert drive.advance(6.0) == pytest.approx(0.1)
    drive.against_bar = 20.1
    assert drive.advance(6.0) == 0.0
    assert drive.stalled
    drive.drive(-1.0)
    drive.advance(6.0)
    assert drive.content_ml == pytest.approx(10.0)


BOTTLES = {"cadmium": Reagent(concentration_mmol_l=20.0, reservoir_ml=1.0)}


def test_a_feed_delivers_what_the_valve_selects_and_nothing_while_it_turns():
    bottles = Bottles(BOTTLES)
    valve = Selector(6, {1: "solvent", 3: "cadmium"})
    feed = Feed(bottles, valve, 100.0)
    feed.drive(6.0)
    assert (feed.bottle, feed.concentration_mmol_l) == ("solvent", 0.0)
    assert feed.advance(1.0, 0.0) == pytest.approx(0.1)
    valve.turn(3, 0)
    assert feed.advance(1.0, 0.0) == 0.0
    for _ in range(4):
        valve.advance(0.1)
    assert (valve.port, feed.bottle, feed.concentration_mmol_l) == (3, "cadmium", 20.0)
    assert sum(feed.advance(1.0, 0.0) for _ in range(20)) == pytest.approx(1.0), "the bottle is empty"
    assert feed.running_ml_min == 0.0


def test_a_feed_stalls_above_its_pressure_until_it_is_driven_anew():
    feed = Feed(Bottles(BOTTLES), "cadmium", 100.0)
    feed.drive(0.6)
    assert feed.advance(1.0, 99.0) == pytest.approx(0.01)
    assert feed.advance(1.0, 101.0) == 0.0
    assert feed.advance(1.0, 0.0) == 0.0
    feed.drive(0.6)
    assert feed.advance(1.0, 0.0) == pytest.approx(0.01)


@pytest.mark.parametrize(("step", "passes"), [(0, [2, 1]), (-1, [2, 1]), (1, [4, 5, 6, 1])])
def test_a_valve_turns_port_by_port_in_its_direction(step, passes):
    valve = Selector(6, {})
    valve.port = valve.heading = 3
    valve.turn(1, step)
    seen = []
    while valve.turning:
        valve.advance(Selector.STEP_S)
        seen.append(valve.port)
    assert seen == passes


def test_a_valve_that_is_stuck_stays_between_its_ports():
    valve = Selector(6, {1: "solvent"})
    valve.stuck = True
    valve.turn(2, 0)
    valve.advance(10.0)
    assert (valve.turning, valve.port, valve.bottle) == (True, 1, None)
    valve.stuck = False
    valve.advance(10.0)
    assert (valve.turning, valve.port) == (False, 2)


def test_a_clogged_cell_shows_as_pressure_and_stalls_the_pumps_of_the_bench():
    a_bench = bench(cadmium_pump={"stall_bar": 10.0})
    plant = a_bench.plant
    for drive in plant.drives.values():
        drive.drive(5.0)
    pass_time(a_bench, 20.0)
    clean_bar = plant.truth()["pressure_bar"]
    assert clean_bar == pytest.approx(plant.hydraulics.resistance_bar_min_ml * 10.0, rel=0.01)
    a_bench.instruments["cadmium_pump"].faults["clog"](True, severity=10.0)
    pass_time(a_bench, 20.0)
    truth = plant.truth()
    assert truth["pumps"]["cadmium_pump"]["rate_ml_min"] == 0.0
    assert truth["pumps"]["selenium_pump"]["rate_ml_min"] == 5.0
    assert truth["pressure_bar"] == pytest.approx(5 * clean_bar, rel=0.01)


def test_what_leaks_does_not_reach_the_cell():
    a_bench = bench()
    a_bench.instruments["selenium_pump"].faults["leak"](True, share=0.25)
    for drive in a_bench.plant.drives.values():
        drive.drive(3.0)
    pass_time(a_bench, 10.0)
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(0.75)
