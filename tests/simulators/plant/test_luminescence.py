"""The second light path: LED, emission and cooled detector; and that the analysis finds in its counts what is there."""

from dataclasses import replace

import numpy as np
import pytest

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.axis import Axis
from flowlab.analysis.luminescence import Luminescence, Mask, find_emission
from flowlab.config import load_material
from simulators.plant.light import LightPath, pixel_wavelengths
from simulators.plant.luminescence import (
    PIXELS,
    CadmiumSelenideEmission,
    DetectorCooler,
    LuminescencePath,
    LuminescenceProperties,
    NoEmission,
)
from simulators.plant.optics import CadmiumSelenideAbsorption
from simulators.plant.parts import PlugHistory, Populations
from simulators.wire.qepro import OceanQePro
from tests.simulators.plant.test_facts import CHEMISTRY, OPTICS, PATH, plug

GRID = pixel_wavelengths(OceanQePro.WAVELENGTH_COEFFICIENTS, PIXELS)
EMITTER = CadmiumSelenideEmission(OPTICS)
LED = (GRID > 395) & (GRID < 415)
CRYSTALS = (280.0, 280.0, 14.0)  # nucleation and growth in °C, residence in s


def path(seed: int = 3, cold: bool = True, **properties: float) -> LuminescencePath:
    made = LuminescencePath(GRID, EMITTER, LuminescenceProperties(**properties), seed)
    made.cooler.setpoint_c, made.cooler.enabled = -10.0, cold
    for _ in range(1000):
        made.advance(0.1)
    return made


def scans(of: LuminescencePath, content: PlugHistory, integration_ms: float, count: int = 8, **how: bool) -> Counts:
    taken = np.array([of.expose(content, integration_ms, **how) for _ in range(count)], float)
    return Counts(taken.mean(axis=0), taken.std(axis=0, ddof=1) / np.sqrt(count))


def analysed(content: PlugHistory, seed: int = 3) -> Luminescence:
    of = path(seed)
    dark = scans(of, content, 100.0)
    of.led_on = True
    return find_emission(scans(of, content, 100.0), dark, Axis(GRID), Mask(), 200_000)


def test_the_grid_goes_from_350_to_1100_nm():
    assert len(GRID) == PIXELS == 1044
    assert GRID[[0, -1]] == pytest.approx([350.0, 1100.0], abs=0.5)
    assert np.diff(GRID).min() > 0


@pytest.mark.parametrize("growth_c", [260.0, 280.0, 300.0])
def test_crystals_emit_to_the_red_of_their_exciton_and_the_analysis_finds_it(growth_c):
    content = plug(280.0, growth_c, 14.0)
    truth = EMITTER.truth(content)
    exciton_nm = OPTICS.truth(content)["exciton_nm"]
    assert 5.0 < truth["emission_nm"] - exciton_nm < 25.0
    found = analysed(content)
    assert found.why is None
    assert found.band.wavelength_nm == pytest.approx(truth["emission_nm"], abs=2.0)
    assert found.band.fwhm_nm == pytest.approx(truth["emission_fwhm_nm"], rel=0.1)


def test_emission_follows_the_crystals_to_the_red():
    seen = [analysed(plug(280.0, 280.0, residence_s)).band.wavelength_nm for residence_s in (4.5, 7.6, 14.0)]
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] > 15.0


class OnlyClusters:
    """The chemistry of a plug without its crystals."""

    def react(self, history: PlugHistory) -> Populations:
        return replace(CHEMISTRY.react(history), crystals=0.0)


def test_clusters_absorb_and_hardly_emit():
    content = plug(*CRYSTALS)
    optics = CadmiumSelenideAbsorption(OnlyClusters(), load_material("CdSe"), PATH.optical_path_mm)
    clusters = optics.absorbed_shares(content, 405.0)[1]
    crystals = OPTICS.absorbed_shares(content, 405.0)[0]
    per_absorbed = CadmiumSelenideEmission(optics).emission(content, GRID, 405.0).max() / clusters
    assert 0.0 < per_absorbed < 0.01 * EMITTER.emission(content, GRID, 405.0).max() / crystals


def test_what_does_not_emit_shows_no_band():
    solvent = PlugHistory(np.array([0.0, 1.0]), np.array([23.0, 23.0]), {}, 1.0, 23.0, 23.0)
    found = analysed(solvent)
    assert found.band is None
    assert found.why == "no band stands out of the noise"
    assert found.scatter > 1000
    assert not NoEmission().emission(solvent, GRID, 405.0).any()
    assert NoEmission().truth(solvent)["emission_nm"] is None


def test_no_more_light_is_absorbed_than_there_is():
    crystals, clusters = OPTICS.absorbed_shares(plug(*CRYSTALS), 405.0)
    assert 0.0 < clusters < crystals < 1.0
    total = float(OPTICS.absorbance(plug(*CRYSTALS), np.array([405.0]))[0])
    assert crystals + clusters <= 1 - 10**-total


def test_a_led_that_is_off_or_broken_gives_no_light():
    content, of = plug(*CRYSTALS), path()
    dark = scans(of, content, 100.0).mean
    of.led_on = True
    lit = scans(of, content, 100.0).mean
    assert lit[LED].max() > dark[LED].max() + 10_000
    of.led_broken = True
    assert abs(np.median(scans(of, content, 100.0).mean - dark)) < 2.0
    of.led_broken, of.fading_per_h = False, 3600.0 / 100.0
    of.advance(50.0)
    assert of.led_level == pytest.approx(0.5, abs=0.05)


def test_cooling_halves_the_dark_current_every_6_degrees():
    content, of = plug(*CRYSTALS), path(read_noise=0.0)
    levels = []
    for temperature_c in (20.0, 14.0, 8.0):
        of.cooler.temperature_c = temperature_c
        levels.append(float(scans(of, content, 10_000.0).mean.min()) - 1200.0)
    assert levels == pytest.approx([8000.0, 4000.0, 2000.0], rel=0.03)


def test_hot_pixels_are_few_and_cooling_reduces_them():
    content, of = plug(*CRYSTALS), path(hot_pixels=14)
    cold = scans(of, content, 200.0).mean
    of.cooler.temperature_c = 20.0
    warm = scans(of, content, 200.0).mean
    hot = warm > np.median(warm) + 1000
    assert hot.sum() == 14
    assert np.median(cold[hot] - np.median(cold)) < 0.1 * np.median(warm[hot] - np.median(warm))


def test_a_bubble_scatters_more_and_emits_less():
    content, of = plug(*CRYSTALS), path()
    of.led_on = True
    clear, bubble = (scans(of, content, 20.0, bubble=bubble).mean - 1200 for bubble in (False, True))
    emitted = np.abs(GRID - float(EMITTER.truth(content)["emission_nm"])) < 10
    assert bubble[LED].max() > 4 * clear[LED].max()
    assert bubble[emitted].mean() < 0.5 * clear[emitted].mean()


def test_counts_end_at_the_ceiling():
    of = path(ceiling=2**18 - 1)
    of.led_on = True
    assert of.expose(plug(*CRYSTALS), 1e6).max() == 2**18 - 1


def test_a_cooler_reaches_what_it_can_and_warms_when_it_fails():
    cooler = DetectorCooler()
    cooler.setpoint_c, cooler.enabled = -30.0, True
    cooler.advance(1000.0)
    assert cooler.temperature_c == pytest.approx(-17.0), "40 °C below the room, and no colder"
    assert not cooler.stable
    cooler.setpoint_c = -10.0
    cooler.advance(1000.0)
    assert cooler.stable
    cooler.failed = True
    cooler.advance(1000.0)
    assert cooler.temperature_c == pytest.approx(23.0)


@pytest.mark.parametrize("fault", ["lamp_out", "fading", "bubble"])
def test_the_lamp_of_the_first_path_fails_fades_or_has_a_bubble_before_it(fault):
    lamp = LightPath(np.linspace(200.0, 800.0, 2068), seed=3)
    before = lamp.expose(np.zeros(2068), 10.0).mean() - 1450
    lamp.lamp_out, lamp.stuck_bubble = fault == "lamp_out", fault == "bubble"
    lamp.fading_per_h = 36.0 if fault == "fading" else 0.0
    lamp.advance(50.0, 0.0)
    after = lamp.expose(np.zeros(2068), 10.0).mean() - 1450
    assert after / before == pytest.approx({"lamp_out": 0.0, "fading": 0.5, "bubble": 10**-0.6}[fault], abs=0.02)
    lamp.lamp_out, lamp.stuck_bubble, lamp.fading_per_h = False, False, 0.0
    lamp.advance(0.1, 0.0)
    assert lamp.expose(np.zeros(2068), 10.0).mean() - 1450 == pytest.approx(before, rel=0.03)
