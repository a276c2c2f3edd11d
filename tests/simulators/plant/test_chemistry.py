import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from simulators.plant.chemistry import (
    M0,
    M3,
    SEED_UNITS,
    SIZE,
    STOICHIOMETRY,
    UNITS,
    UNITS_PER_D3,
    C,
    CadmiumSelenide,
    F,
    M,
    P,
    Rates,
    cadmium,
    derivative,
    fresh,
    jacobian,
    load_parameters,
)
from simulators.plant.parts import PlugHistory

#: Cadmium in each quantity of a state.
CONTENT = np.zeros(SIZE)
CONTENT[[F, P, M]] = 1.0
CONTENT[C] = UNITS
CONTENT[M3] = UNITS_PER_D3

states = st.lists(st.floats(0, 1), min_size=SIZE, max_size=SIZE).map(np.array)


def history(
    temperatures_c: list[float], seconds: float, cadmium_mmol_l: float = 10.0, selenium: float = 10.0
) -> PlugHistory:
    times = np.linspace(0, seconds, len(temperatures_c))
    feed = {"cadmium": cadmium_mmol_l, "selenium": selenium}
    return PlugHistory(times, np.array(temperatures_c), feed, seconds, temperatures_c[0], temperatures_c[-1])


def test_every_process_conserves_cadmium_by_its_stoichiometry():
    made = CONTENT @ STOICHIOMETRY
    assert made == pytest.approx(np.zeros(STOICHIOMETRY.shape[1]), abs=1e-9)


@given(states, st.floats(100, 400))
def test_no_state_and_no_temperature_makes_or_loses_cadmium(y, temperature_c):
    k = Rates(load_parameters(), np.full(2, temperature_c + 273.15)).between(0, 0.5)
    rates = derivative(y, k)
    assert CONTENT @ rates == pytest.approx(0.0, abs=1e-9 * max(1.0, float(np.abs(CONTENT * rates).max())))


@pytest.mark.parametrize("temperature_c", [200.0, 280.0, 340.0])
def test_the_jacobian_is_that_of_the_derivative(temperature_c):
    k = Rates(load_parameters(), np.full(2, temperature_c + 273.15)).between(0, 0.5)
    y = CadmiumSelenide()._integrate((0.0, 4.0), (temperature_c, temperature_c))
    step = 1e-7
    numerical = np.array(
        [(derivative(y + step * e, k) - derivative(y - step * e, k)) / (2 * step) for e in np.eye(12)]
    ).T
    assert jacobian(y, k) == pytest.approx(numerical, rel=1e-4, abs=1e-5 * np.abs(numerical).max())


def test_what_cannot_be_integrated_is_an_error():
    with pytest.raises(ArithmeticError, match="could not be integrated"):
        CadmiumSelenide().react(history([280.0, float("nan")], 4.0))


@settings(max_examples=15)
@example([57.0, 206.0, 177.0, 25.0, 25.0, 25.0], 48.75)  # clusters end 40 times below where the integrator looked
@given(st.lists(st.floats(25, 350), min_size=2, max_size=6), st.floats(0.1, 100.0))
def test_whatever_a_plug_went_through_its_cadmium_is_all_there(temperatures_c, seconds):
    found = CadmiumSelenide().react(history(temperatures_c, seconds))
    assert found.cadmium == pytest.approx(10.0, rel=1e-5)
    assert min(found.precursor, found.monomer, found.crystals, *found.clusters.values()) > -1e-4


def test_a_stiff_solver_of_another_kind_agrees():
    parameters = load_parameters()
    rates = Rates(parameters, np.full(2, 553.15)).between(0, 0.0)
    other = solve_ivp(lambda _, y: derivative(y, rates), (0, 10), fresh(), method="Radau", rtol=1e-8, atol=1e-12)
    found = CadmiumSelenide(parameters).react(history([280.0, 280.0], 10.0))
    ours = np.array([found.precursor, found.monomer, *found.clusters.values(), found.crystals]) / 10.0
    y = other.y[:, -1]
    assert ours == pytest.approx([y[F] + y[P], y[M], *(UNITS * y[C]), UNITS_PER_D3 * y[M3]], abs=2e-4)
    assert cadmium(y) == pytest.approx(1.0)


def test_what_is_in_excess_stays_precursor():
    found = CadmiumSelenide().react(history([280.0, 280.0], 14.0, cadmium_mmol_l=12.0, selenium=4.0))
    assert found.precursor > 8.0
    assert found.cadmium == pytest.approx(12.0, rel=1e-5)


def test_solvent_holds_nothing():
    found = CadmiumSelenide().react(history([280.0, 280.0], 14.0, 0.0, 0.0))
    assert found.cadmium == 0.0
    assert np.isnan(found.diameter_nm)


def test_a_crystal_begins_larger_than_the_largest_family():
    assert UNITS[-1] < SEED_UNITS
    assert fresh()[M0] == 0.0
