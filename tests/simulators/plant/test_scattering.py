"""What a plug scatters: against slow formulas, hand-made numbers, and what Palencia 2020 saw."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, trapezoid
from scipy.signal import find_peaks

from simulators.plant.chemistry import FAMILIES_NM, UNITS, CadmiumSelenide
from simulators.plant.fluidics import FlowReactor
from simulators.plant.parts import PlugHistory, Populations
from simulators.plant.scattering import (
    CONTRAST_PER_NM2,
    CadmiumSelenideScattering,
    Spheres,
    sphere_form_factor,
    spheres,
)
from simulators.plant.standards import glassy_carbon, kapton, silver_behenate, water
from tests.simulators.plant.paths import PATH

CENTRE_ML = PATH.total_ml + 0.030 + 0.010
Q = np.arange(0.05, 6.0, 0.002)
SCATTERING = CadmiumSelenideScattering(CadmiumSelenide())
CADMIUM, BOTH = {"cadmium": 10.0}, {"cadmium": 10.0, "selenium": 10.0}


def run(
    temperature_c: float, residence_s: float = 14.0, feed: dict[str, float] = BOTH, growth_c: float | None = None
) -> FlowReactor:
    """A reactor that has run at one condition until its X-ray cell holds what it makes."""
    reactor = FlowReactor(PATH)
    flow_ml_s = PATH.reaction_ml / residence_s
    for _ in range(int(1.4 * CENTRE_ML / flow_ml_s / 0.1) + 2):
        reactor.advance(0.1, flow_ml_s, feed, temperature_c, temperature_c if growth_c is None else growth_c)
    return reactor


def plug(temperature_c: float, residence_s: float = 14.0, feed: dict[str, float] = BOTH) -> PlugHistory:
    return run(temperature_c, residence_s, feed).plug_at(CENTRE_ML)


def bragg_height(plug: PlugHistory) -> float:
    """Height of the first Bragg peak over its foot, cm⁻¹."""
    found = SCATTERING.cross_section_per_cm(plug, np.array([1.6, 1.8426, 2.1]))
    return float(found[1] - (found[0] + found[2]) / 2)


def populations(**changes: object) -> Populations:
    values = {
        "precursor": 0.0,
        "monomer": 0.0,
        "clusters": dict.fromkeys(FAMILIES_NM, 0.0),
        "crystals": 0.0,
        "diameter_nm": float("nan"),
        "diameter_sd_nm": float("nan"),
    }
    return Populations(**{**values, **changes})


@pytest.mark.parametrize("radius_nm", [0.5, 0.926, 2.0])
def test_the_form_factor_is_the_transform_of_a_ball(radius_nm):
    for q in (0.01, 0.3, 1.0, 2.7, 5.0):
        amplitude = quad(lambda r, q=q: 4 * np.pi * r * np.sin(q * r) / q, 0, radius_nm)[0]  # ∫ 4πr² sin(qr)/(qr) dr
        expected = (amplitude / (4 / 3 * np.pi * radius_nm**3)) ** 2
        found = sphere_form_factor(np.array([q]), np.array([radius_nm]))[0, 0]
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_ten_mmol_per_litre_of_cdse_437_scatter_what_their_mass_and_density_give():
    """61 units a particle; 191.38 g/mol; 5.82 g/cm³; octadecene 144 electrons, 252.5 g/mol, 0.789 g/cm³."""
    number_per_cm3 = 10e-6 / 61 * 6.022e23
    volume_cm3 = 61 * 191.38 / 6.022e23 / 5.82
    electrons_per_cm3 = 5.82 / 191.38 * 6.022e23 * (82 - 3.7) - 0.789 / 252.5 * 6.022e23 * 144
    expected_per_cm = number_per_cm3 * (volume_cm3 * electrons_per_cm3 * 2.818e-13) ** 2
    found = spheres(populations(clusters={**dict.fromkeys(FAMILIES_NM, 0.0), 437: 10.0}))
    assert found.cross_section_per_cm(np.array([1e-4]))[0] == pytest.approx(expected_per_cm, rel=2e-3)
    assert expected_per_cm == pytest.approx(0.12, rel=0.1)


def test_guinier_a_sphere_falls_off_with_r_squared_over_five():
    q = np.array([1e-3, 0.05])
    for radius in (0.79, 0.94, 1.02):
        first, second = Spheres(np.array([2 * radius]), np.array([1.0])).cross_section_per_cm(q)
        slope = np.log(second / first) / (q[1] ** 2 - q[0] ** 2)
        assert np.sqrt(-5 * slope) == pytest.approx(radius, rel=1e-3)


def test_porod_the_tail_gives_the_surface():
    radius, mmol_l = 5.0, 2.0
    q = np.linspace(40, 40 + 2 * np.pi / radius * 10, 4000)  # whole periods of the oscillation
    tail = np.mean(q**4 * Spheres(np.array([2 * radius]), np.array([mmol_l])).cross_section_per_cm(q)) * 1e-7
    fraction = mmol_l * 1e-6 * 191.38 / 5.82
    surface_per_nm = fraction * 3 / radius
    assert tail == pytest.approx(2 * np.pi * CONTRAST_PER_NM2**2 * surface_per_nm, rel=0.01)


def test_the_invariant_gives_the_volume_fraction_whatever_the_sizes():
    q = np.linspace(1e-3, 400, 400_000)
    for found in (Spheres(np.array([3.0]), np.array([4.0])), Spheres(np.array([2.0, 5.0]), np.array([1.0, 3.0]))):
        invariant = trapezoid(q**2 * found.cross_section_per_cm(q), q) * 1e-7
        assert invariant == pytest.approx(2 * np.pi**2 * CONTRAST_PER_NM2**2 * 4e-6 * 191.38 / 5.82, rel=0.01)


def test_each_family_is_a_sphere_of_its_units():
    found = spheres(populations(clusters={350: 1.0, 380: 2.0, 403: 3.0, 437: 4.0, 467: 5.0}))
    assert found.diameter_nm / 2 == pytest.approx([0.54, 0.69, 0.79, 0.926, 1.03], abs=0.005)
    assert np.pi / 6 * found.diameter_nm**3 * 18.31 == pytest.approx(UNITS, rel=1e-6)
    assert list(found.units_mmol_l) == [1.0, 2.0, 3.0, 4.0, 5.0]


@given(mean=st.floats(1.5, 6.0), spread=st.floats(0.0, 0.15), mmol_l=st.floats(0.01, 20.0))
def test_crystals_keep_their_cadmium_and_the_moments_of_their_diameters(mean, spread, mmol_l):
    found = spheres(populations(crystals=mmol_l, diameter_nm=mean, diameter_sd_nm=spread * mean))
    diameter, units = found.diameter_nm[5:], found.units_mmol_l[5:]
    number = units / diameter**3
    assert units.sum() == pytest.approx(mmol_l)
    assert np.average(diameter, weights=number) == pytest.approx(mean, rel=1e-6)
    sigma = np.sqrt(np.average((diameter - mean) ** 2, weights=number))
    assert sigma == pytest.approx(mean * np.hypot(spread, 0.045), rel=1e-6)


def test_traces_of_crystals_without_a_size_scatter_nothing():
    found = spheres(populations(crystals=1e-5, diameter_nm=float("nan"), diameter_sd_nm=float("nan")))
    assert found.cross_section_per_cm(Q) == pytest.approx(0.0)


def test_the_sum_over_a_size_distribution_is_that_of_many_thin_slices():
    found = spheres(populations(crystals=5.0, diameter_nm=3.0, diameter_sd_nm=0.3))
    sigma = np.hypot(0.3, 0.045 * 3.0)
    slices = np.linspace(3.0 - 6 * sigma, 3.0 + 6 * sigma, 2001)
    weights = np.exp(-0.5 * ((slices - 3.0) / sigma) ** 2) * slices**3
    slow = Spheres(slices, 5.0 * weights / weights.sum()).cross_section_per_cm(Q)
    assert found.cross_section_per_cm(Q) == pytest.approx(slow, rel=1e-4, abs=1e-7)


def test_the_precursor_shows_two_orders_of_lamellae_and_a_broad_maximum():
    found = SCATTERING.cross_section_per_cm(plug(25.0), Q)
    peaks = Q[find_peaks(found, prominence=0.005)[0]]
    assert peaks == pytest.approx([0.25, 1.84, 3.69], abs=0.01)
    assert 2 * np.pi / peaks[1] == pytest.approx(3.41, abs=0.01)


def test_the_mesophase_is_that_of_the_cadmium_precursor():
    assert bragg_height(plug(25.0, feed=CADMIUM)) == pytest.approx(bragg_height(plug(25.0)), rel=1e-4)
    selenium = SCATTERING.cross_section_per_cm(plug(25.0, feed={"selenium": 10.0}), Q)
    assert selenium == pytest.approx(SCATTERING.solvent(Q))


@pytest.mark.parametrize("residence_s", [1.5, 14.0])
def test_the_lamellae_are_weaker_at_50_c_and_gone_at_100_c(residence_s):
    """Although the plug is at room temperature again when it is seen."""
    at = {t: plug(t, residence_s) for t in (25.0, 50.0, 100.0)}
    assert at[100.0].temperature_c[-1] < 25.0
    heights = {t: bragg_height(history) for t, history in at.items()}
    assert heights[25.0] > 0.05
    assert 0.3 < heights[50.0] / heights[25.0] < 0.9
    assert abs(heights[100.0]) < 0.01 * heights[25.0]


def test_at_100_c_the_broad_maximum_is_still_there():
    at = Q[Q < 1.0]
    found = SCATTERING.cross_section_per_cm(plug(100.0), at)
    assert at[found.argmax()] == pytest.approx(0.25, abs=0.01)


def test_a_molten_plug_that_stands_in_the_cell_orders_again_within_minutes():
    reactor = run(100.0)
    heights = []
    for _ in range(4):
        heights.append(bragg_height(reactor.plug_at(CENTRE_ML)))
        for _ in range(50):
            reactor.advance(10.0, 0.0, {}, 100.0, 100.0)
    assert np.all(np.diff(heights) > 0.005)


def test_one_oven_of_100_c_is_enough_to_melt():
    hot_then_cold = run(100.0, growth_c=25.0).plug_at(CENTRE_ML)
    cold_then_hot = run(25.0, growth_c=100.0).plug_at(CENTRE_ML)
    assert max(bragg_height(hot_then_cold), bragg_height(cold_then_hot)) < 0.05 * bragg_height(plug(25.0))


def test_after_the_reaction_spheres_scatter_and_no_mesophase():
    history = plug(280.0)
    truth = SCATTERING.truth(history)
    assert truth["lamellar_order"] < 0.01
    assert truth["aggregate_order"] < 0.01
    alone = SCATTERING.solvent(Q) + spheres(CadmiumSelenide().react(history)).cross_section_per_cm(Q)
    assert SCATTERING.cross_section_per_cm(history, Q) == pytest.approx(alone, rel=0.01)


def test_attenuation_follows_composition():
    """Octadecene passes 0.912 of 1 mm at 12.4 keV; each mol of CdSe takes 0.0976 cm² more (Elam 2002, xraydb)."""
    solvent = SCATTERING.attenuation_per_cm(plug(25.0, feed={}))
    assert np.exp(-0.1 * solvent) == pytest.approx(0.912, abs=0.001)
    assert SCATTERING.attenuation_per_cm(plug(25.0)) - solvent == pytest.approx(0.0976, rel=0.01)


def test_glassy_carbon_follows_its_certificate_between_the_lines_that_were_kept():
    q = np.array([0.1286110, 0.4700390, 1.5136500, 1.8684100, 2.3063300])
    expected = [32.665045, 26.974065, 15.458350, 9.961979, 5.582366]
    assert glassy_carbon(q).cross_section_per_cm == pytest.approx(expected, rel=0.003)


def test_glassy_carbon_goes_on_falling_beyond_its_certificate():
    end, *beyond = np.log(glassy_carbon(np.array([2.4740200, 3.0, 4.0, 5.0])).cross_section_per_cm)
    slopes = (np.array(beyond) - end) / np.log(np.array([3.0, 4.0, 5.0]) / 2.4740200)
    last = np.log(4.463604 / 4.999113) / np.log(0.24740200 / 0.23887100)  # of the certificate's last two lines
    assert slopes == pytest.approx(last, rel=0.1)


def test_standards_are_what_they_are_used_for():
    assert water(1.0, Q).cross_section_per_cm == pytest.approx(0.01632)
    rings = Q[find_peaks(silver_behenate(1.0, Q).cross_section_per_cm, prominence=0.1)[0]]
    assert rings == pytest.approx(2 * np.pi / 5.8380 * np.arange(1, 6), abs=0.002)
    assert (kapton(0.1, Q).cross_section_per_cm > 0).all()
