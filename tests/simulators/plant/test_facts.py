"""The plant against Palencia 2020 (doi:10.1039/d0nr05879c), UV-vis and small-angle scattering, with stated tolerances.

Heights are absorbances through the shipped instrument's optical cell: 10 mmol/l of cadmium, 1 mm. Sizes at 1.5 s
are the plant's own populations; what a detector and an inversion make of them is another matter.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest

from flowlab.config import load_instrument, load_material
from simulators.plant.chemistry import UNITS, UNITS_PER_D3, CadmiumSelenide, load_parameters
from simulators.plant.fluidics import FlowReactor
from simulators.plant.optics import HC_EV_NM, CadmiumSelenideAbsorption, epsilon
from simulators.plant.parts import PlugHistory, Populations
from tests.instruments import UV_VIS

PATH = load_instrument(UV_VIS).flow_path
CHEMISTRY = CadmiumSelenide()
OPTICS = CadmiumSelenideAbsorption(CHEMISTRY, load_material("CdSe"), PATH.optical_path_mm)
FEED = {"cadmium": 10.0, "selenium": 10.0}
NUCLEATION_C = range(250, 330, 10)
WINDOW_C = (270, 280, 290, 300)

#: A band that is seen, and one that is not: with noise of 0.0015 a spectroscopist, and our analysis, finds a
#: lone band of 0.01, but not one under the flank of a crystal's spectrum thirty times as high.
NOISE = 0.0015
SEEN, NOT_SEEN = 0.025, 0.010
EXCITON_NM = 3.0  # tolerance on every position


@lru_cache(maxsize=200)
def plug(nucleation_c: float, growth_c: float, residence_s: float) -> PlugHistory:
    """A plug in the optical cell, after the reactor has run at one condition for long enough."""
    reactor = FlowReactor(PATH)
    flow_ml_s = PATH.reaction_ml / residence_s
    for _ in range(int(1.3 * PATH.total_ml / flow_ml_s / 0.1) + 2):
        reactor.advance(0.1, flow_ml_s, FEED, nucleation_c, growth_c)
    return reactor.plug_at(PATH.reaction_ml + PATH.transfer_ml + PATH.cell_ml / 2)


def at(nucleation_c: float, growth_c: float, residence_s: float, chemistry: CadmiumSelenide = CHEMISTRY) -> Populations:
    return chemistry.react(plug(nucleation_c, growth_c, residence_s))


def height(found: Populations, family_nm: int) -> float:
    """Absorbance of a family's first band."""
    units = dict(zip(found.clusters, UNITS, strict=True))[family_nm]
    particles_mol_l = found.clusters[family_nm] * 1e-3 / units
    return float(epsilon((units / UNITS_PER_D3) ** (1 / 3)) * particles_mol_l * PATH.optical_path_mm / 10)


def exciton_nm(found: Populations) -> float:
    exciton = OPTICS.exciton(found)
    assert exciton is not None
    return HC_EV_NM / exciton[0]


@pytest.mark.parametrize("nucleation_c", WINDOW_C)
def test_at_14_s_cdse_437_is_there_from_270_to_300_c(nucleation_c):
    heights = [height(at(nucleation_c, nucleation_c - 10 * k, 14.0), 437) for k in range(10)]
    assert sum(h >= SEEN for h in heights) >= 3
    assert heights[0] >= SEEN, "growth at the nucleation temperature"


@pytest.mark.parametrize("nucleation_c", [t for t in NUCLEATION_C if t not in WINDOW_C])
def test_outside_the_window_none_of_ten_growth_temperatures_shows_it(nucleation_c):
    assert max(height(at(nucleation_c, nucleation_c - 10 * k, 14.0), 437) for k in range(10)) <= NOT_SEEN


@pytest.mark.parametrize("nucleation_c", WINDOW_C)
def test_cdse_437_grows_with_growth_temperature(nucleation_c):
    heights = [height(at(nucleation_c, nucleation_c - 10 * k, 14.0), 437) for k in range(10)]
    seen = [h for h in heights if h >= SEEN]
    assert all(hotter >= 0.9 * colder for hotter, colder in pairwise(seen))
    assert heights[0] > 3 * heights[6]


@pytest.mark.parametrize("nucleation_c", NUCLEATION_C)
def test_the_exciton_moves_to_the_red_with_growth_temperature_everywhere(nucleation_c):
    positions = [exciton_nm(at(nucleation_c, nucleation_c - 10 * k, 14.0)) for k in range(10)]
    assert all(hotter > colder + 0.1 for hotter, colder in pairwise(positions))


@pytest.mark.parametrize("temperature_c", [260, 280, 350])
def test_at_4_5_s_there_are_clusters_of_more_than_one_family(temperature_c):
    found = at(temperature_c, temperature_c, 4.5)
    assert height(found, 437) >= SEEN
    assert max(height(found, 403), height(found, 467)) >= SEEN


def test_at_350_c_and_4_5_s_every_family_is_there_to_be_separated():
    """Two of them are seen; the three smallest are there, each absorbing several times the noise of a spectrum."""
    found = at(350, 350, 4.5)
    heights = {family: height(found, family) for family in (350, 380, 403, 437, 467)}
    assert min(heights.values()) >= 5 * NOISE
    assert min(heights[437], heights[467]) >= SEEN


@pytest.mark.parametrize(
    ("temperature_c", "residence_s", "expected_nm"), [(280, 4.5, 490.0), (280, 14.0, 527.0), (350, 7.6, 572.0)]
)
def test_the_first_exciton_is_where_it_was_measured(temperature_c, residence_s, expected_nm):
    assert exciton_nm(at(temperature_c, temperature_c, residence_s)) == pytest.approx(expected_nm, abs=EXCITON_NM)


def test_crystals_of_350_c_and_7_6_s_have_the_diameter_seen_in_the_microscope():
    assert at(350, 350, 7.6).diameter_nm == pytest.approx(3.6, rel=0.1)


def test_at_280_c_cdse_437_is_there_at_both_times():
    assert height(at(280, 280, 4.5), 437) >= SEEN
    assert height(at(280, 280, 14.0), 437) >= SEEN


#: Radii by the number of units: 0.79, 0.93 and 1.03 nm. Palencia 2020 reads 0.87, 0.94 and 1.02 nm off its
#: distributions and takes them for these three families; 0.87 nm lies between two of them.
R403, R437, R467 = (UNITS[2:] / UNITS_PER_D3) ** (1 / 3) / 2
FLAT_C, HOT_C = (200, 210, 220), (250, 260, 270, 280)


@dataclass(frozen=True)
class Sizes:
    """What scattering resolves of a plug: radii of CdSe-403, -437, -467 and the crystals, with their shares.

    The paper could not see what is smaller.
    """

    radius_nm: np.ndarray
    by_volume: np.ndarray

    @property
    def by_number(self) -> np.ndarray:
        number = self.by_volume / self.radius_nm**3
        return number / number.sum()

    @property
    def mean_nm(self) -> float:
        return float(self.by_volume @ self.radius_nm)


def sizes(nucleation_c: float) -> Sizes:
    """At 1.5 s and a growth temperature of 230 °C."""
    found = at(nucleation_c, 230, 1.5)
    volumes = np.array([*(found.clusters[family] for family in (403, 437, 467)), found.crystals])
    return Sizes(np.array([R403, R437, R467, found.diameter_nm / 2]), volumes / volumes.sum())


def test_at_1_5_s_and_190_c_cdse_403_and_437_stand_side_by_side():
    """Unresolved, they are what the paper reads as 0.87 nm; the plant's mixture holds rather less CdSe-403."""
    seen = sizes(190)
    small, middle, large, crystals = seen.by_number
    assert 0.25 < small / middle < 1.2
    assert large + crystals < small
    assert seen.mean_nm == pytest.approx(0.87, abs=0.05)


@pytest.mark.parametrize("nucleation_c", FLAT_C)
def test_at_1_5_s_from_200_to_220_c_cdse_437_is_the_maximum(nucleation_c):
    seen = sizes(nucleation_c)
    assert seen.radius_nm[seen.by_volume.argmax()] == pytest.approx(0.94, abs=0.02)
    assert seen.radius_nm[seen.by_number.argmax()] == pytest.approx(0.94, abs=0.02)
    assert seen.mean_nm == pytest.approx(0.94, abs=0.03)


def test_at_1_5_s_a_shoulder_stands_beside_cdse_437_at_230_c_and_is_as_large_at_240_c():
    beside = {t: sizes(t).by_volume[2:].sum() / sizes(t).by_volume[1] for t in (200, 230, 240)}
    assert beside[200] < 0.45 < beside[230] < 1.0 <= beside[240]
    assert all(sizes(t).by_volume[2] > sizes(t).by_volume[3] for t in (230, 240)), "CdSe-467, not crystals yet"


@pytest.mark.parametrize("nucleation_c", HOT_C)
def test_at_1_5_s_from_250_c_up_crystals_grow(nucleation_c):
    seen = sizes(nucleation_c)
    assert seen.by_volume[3] > max(0.25, sizes(240).by_volume[3])
    assert seen.by_volume[2:].sum() > 1.3 * seen.by_volume[1]


def test_at_1_5_s_sizes_rise_with_the_nucleation_temperature_and_so_does_their_amount():
    means = [sizes(t).mean_nm for t in range(190, 270, 10)]
    assert all(hotter > colder + 0.005 for colder, hotter in pairwise(means))
    made = [sum(at(t, 230, 1.5).clusters.values()) + at(t, 230, 1.5).crystals for t in range(190, 290, 10)]
    assert all(hotter > 1.05 * colder for colder, hotter in pairwise(made))


def centre_of_window(**changes: float) -> float:
    """Mean nucleation temperature, weighted with the height of CdSe-437 at T_growth = T_nuc and 14 s."""
    parameters = load_parameters()
    chemistry = CadmiumSelenide({**parameters, **{k: parameters[k] + v for k, v in changes.items()}})
    temperatures = np.arange(230.0, 351.0, 10.0)
    heights = [height(at(t, t, 14.0, chemistry), 437) for t in temperatures]
    return float(np.average(temperatures, weights=heights))


def test_no_rule_names_the_window_moving_an_activation_energy_moves_it():
    assert centre_of_window() == pytest.approx(285.0, abs=8.0)
    assert centre_of_window(early_growth_kj_mol=+30.0) > centre_of_window() + 10.0
    assert centre_of_window(release_kj_mol=+30.0) < centre_of_window() - 10.0
