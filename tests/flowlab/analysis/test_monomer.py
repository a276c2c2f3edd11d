"""The stepwise model against a stiff solver that knows nothing of its trick, and at its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from flowlab.analysis.monomer import Chain, Conditions, Rates, arrhenius, grow, nucleated_share

CHAIN = Chain(("CdSe-403", "CdSe-437"), (19.0, 38.0, 61.0, 84.0))
UNITS = np.array(CHAIN.units)
REFERENCE = (285.0, 240.0)


def conditions(*samples: tuple[float, float, float]) -> Conditions:
    return Conditions(*np.array(samples, float).T)


def rates(log_nucleated=0.0, log_rate=(-1.0, 0.5, 1.0), log_uptake=4.0, energies=(60.0, 90.0, 120.0)) -> Rates:
    return Rates(
        REFERENCE,
        np.array(log_nucleated),
        np.array(250.0),
        np.array(log_rate),
        np.array(energies),
        np.array(log_uptake),
    )


def integrated(it: Rates, nucleation_c: float, growth_c: float, residence_s: float) -> np.ndarray:
    """Particles and monomer, in time and step by step, as the paper writes the rates."""
    share = float(nucleated_share(it, np.array([nucleation_c]))[0])
    factor = [float(arrhenius(energy, np.array([growth_c]), REFERENCE[1])[0]) for energy in it.energy_kj_mol]
    k, uptake = np.exp(it.log_rate + factor), np.exp(it.log_uptake + factor[-1])

    def slope(_, y):
        steps = k * y[:3] * y[4]
        particles = [-steps[0], steps[0] - steps[1], steps[1] - steps[2], steps[2]]
        return [*particles, -steps @ np.diff(UNITS) - uptake * y[3] * y[4]]

    start = [share / UNITS[0], 0, 0, 0, 1 - share]
    return solve_ivp(slope, (0, residence_s), start, method="Radau", rtol=1e-8, atol=1e-12).y[:, -1]


@pytest.mark.parametrize(
    "it",
    [
        rates(),
        rates(log_rate=(3.0, 3.0, 3.0), energies=(80.0, 80.0, 80.0)),  # alike: no eigenvectors
        rates(log_rate=(6.0, -3.0, 5.0), log_uptake=9.0),  # stiff
        rates(log_rate=(-4.0, -4.0, -4.0), log_uptake=-5.0),
    ],
)
def test_a_stiff_solver_of_the_rates_agrees(it):
    samples = [(250.0, 200.0, 14.0), (280.0, 280.0, 4.5), (310.0, 250.0, 14.0)]
    found = grow(CHAIN, it, conditions(*samples))
    for i, sample in enumerate(samples):
        expected = integrated(it, *sample)
        scale = expected[:4].sum()
        assert found.particles[i] == pytest.approx(expected[:4], abs=3e-3 * scale)
        assert found.monomer[i] == pytest.approx(expected[4], abs=3e-3)


@settings(max_examples=40, deadline=None)
@given(
    log_nucleated=st.floats(-12, 12),
    log_rate=st.tuples(*[st.floats(-10, 10)] * 3),
    log_uptake=st.floats(-10, 13),
    residence_s=st.floats(0.01, 1000),
    growth_c=st.floats(150, 350),
)
def test_no_monomer_comes_or_goes_and_nothing_is_negative(log_nucleated, log_rate, log_uptake, residence_s, growth_c):
    it = rates(log_nucleated, log_rate, log_uptake)
    found = grow(CHAIN, it, conditions((280.0, growth_c, residence_s)))
    total = found.monomer + found.particles @ UNITS + found.taken_up
    assert total == pytest.approx(1.0, abs=1e-6)
    assert found.particles.sum() * UNITS[0] == pytest.approx(nucleated_share(it, np.array([280.0]))[0], rel=1e-6)
    for amounts in (found.particles, found.monomer, found.taken_up):
        assert np.all(amounts >= -2e-3)


def test_without_monomer_nuclei_stay_nuclei():
    found = grow(CHAIN, rates(log_nucleated=15.0), conditions((285.0, 280.0, 1000.0)))
    assert found.particles[0] == pytest.approx([1 / UNITS[0], 0, 0, 0], abs=1e-4 / UNITS[0])


def test_without_time_nothing_grows():
    found = grow(CHAIN, rates(), conditions((285.0, 280.0, 1e-9), (285.0, 280.0, 14.0)))
    assert found.particles[0] == pytest.approx([0.5 / UNITS[0], 0, 0, 0], abs=1e-8)
    assert found.monomer[0] == pytest.approx(0.5)


@pytest.mark.parametrize("residence_s", [1e6, np.inf])
def test_in_infinite_time_crystals_take_all_monomer(residence_s):
    found = grow(CHAIN, rates(log_nucleated=-3.0), conditions((285.0, 240.0, residence_s)))
    assert found.monomer[0] == pytest.approx(0.0, abs=2e-3)
    assert found.taken_up[0] > 0.5


def test_more_nucleation_leaves_less_monomer():
    share = nucleated_share(rates(), np.array([250.0, 285.0, 320.0]))
    assert share[1] == pytest.approx(0.5)
    assert np.all(np.diff(share) > 0)


def test_many_sets_of_parameters_at_once_are_each_of_them():
    samples = conditions((270.0, 240.0, 4.5), (290.0, 250.0, 14.0))
    alone = [grow(CHAIN, rates(x), samples).particles for x in (-1.0, 1.0)]
    one = rates()
    rate, energy = (np.stack([column, column]) for column in (one.log_rate, one.energy_kj_mol))
    stacked = Rates(REFERENCE, np.array([-1.0, 1.0]), np.full(2, 250.0), rate, energy, np.full(2, 4.0))
    assert grow(CHAIN, stacked, samples).particles == pytest.approx(np.stack(alone), rel=1e-9)


@pytest.mark.parametrize(
    ("families", "units"),
    [((), (1.0, 2.0)), (("a",), (1.0, 2.0)), (("a",), (1.0, 3.0, 2.0)), (("a",), (0.0, 1.0, 2.0))],
)
def test_chains_that_are_none_are_refused(families, units):
    with pytest.raises(ValueError, match="famil|units"):
        Chain(families, units)
