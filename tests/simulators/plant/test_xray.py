"""The X-ray side of the plant: what reaches frames and currents, by explicit steps and without a clock."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from scipy.optimize import curve_fit
from scipy.signal import find_peaks

from flowlab.config import FlowPath, Reagent, Syringe, load_material
from simulators.plant.area_detector import DETECTORS, HC_KEV_NM, look_through
from simulators.plant.chemistry import CadmiumSelenide
from simulators.plant.fluidics import FlowReactor
from simulators.plant.heater import HeaterBlock
from simulators.plant.light import LightPath
from simulators.plant.optics import CadmiumSelenideAbsorption
from simulators.plant.parts import Array, PlugHistory
from simulators.plant.plant import Plant
from simulators.plant.ring import Ring
from simulators.plant.scattering import CadmiumSelenideScattering, Spheres
from simulators.plant.syringe import SyringeDrive
from simulators.plant.xray import ENERGY_KEV, SLOTS_MM, Endstation, XrayProperties
from tests.simulators.plant.paths import PATH

EIGER, PILATUS = "eiger2-500k", "pilatus-300k"
STEADY = {"beam_drift": 0.0, "bubbles_per_ml": 0.0}


class Suspension:
    """A liquid that always holds the same spheres; 0.1 per cm of attenuation."""

    def __init__(self, radii_nm: tuple[float, ...] = (), mmol_l: float = 0.0):
        self._spheres = Spheres(2 * np.array(radii_nm), np.full(len(radii_nm), mmol_l))

    def cross_section_per_cm(self, plug: PlugHistory, q_per_nm: Array) -> Array:
        return 0.0187 + self._spheres.cross_section_per_cm(q_per_nm)

    def attenuation_per_cm(self, plug: PlugHistory) -> float:
        return 0.1

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        return {}


def endstation(*radii_nm: float, mmol_l: float = 1.0, seed: int = 1, **properties: float) -> Endstation:
    chosen = XrayProperties(**{**STEADY, **properties})
    return Endstation(FlowReactor(PATH), Suspension(radii_nm, mmol_l), chosen, seed)


def at(sample: str, **properties: float) -> Endstation:
    found = endstation(**properties)
    found.stage_x_mm = SLOTS_MM[sample]
    return found


def curve(counts: NDArray[np.floating], detector: str, edges: Array) -> tuple[Array, Array]:
    """Mean of the counts per acceptance in each bin of q, and its standard error from the counts themselves."""
    pixels = look_through(DETECTORS[detector], ENERGY_KEV, horizontal=0.98)
    lit = pixels.acceptance_sr > 0
    which = np.digitize(pixels.q_per_nm[lit], edges) - 1
    inside = (which >= 0) & (which < len(edges) - 1)
    total = np.bincount(which[inside], counts[lit][inside], minlength=len(edges) - 1)
    acceptance = np.bincount(which[inside], pixels.acceptance_sr[lit][inside], minlength=len(edges) - 1)
    return total / acceptance, np.sqrt(total) / acceptance


def test_water_scatters_the_photons_that_its_cross_section_says():
    """Counts back to cm⁻¹ by hand: flux, transmission, thickness, acceptance."""
    edges = np.arange(0.5, 5.0, 0.1)
    full, empty = (at(name, parasitic=0.0) for name in ("water", "empty"))
    found = [curve(e.mean_frame(EIGER), EIGER, edges)[0] / (2e13 * e.transmission) for e in (full, empty)]
    assert (found[0] - found[1]) / 0.1 == pytest.approx(0.01632, rel=1e-3)
    assert full.transmission / empty.transmission == pytest.approx(np.exp(-0.284), rel=1e-3)


def test_counts_follow_flux_and_exposure():
    beam = endstation(1.0)
    once = beam.mean_frame(EIGER)
    frame = beam.frame(EIGER, 3.0)
    counting = frame < 2**32 - 1
    assert frame[counting].sum() == pytest.approx(3 * once.sum(), rel=1e-3)
    beam.ring.current_ma /= 2
    assert beam.mean_frame(EIGER).sum() == pytest.approx(once.sum() / 2, rel=1e-3)


def test_counts_are_poisson_and_frames_independent():
    beam = endstation(1.0)
    frames = np.array([beam.frame(EIGER, 0.05) for _ in range(12)], float)
    mean = 0.05 * beam.mean_frame(EIGER).astype(float)
    some = (mean > 5) & (frames[0] < 2**32 - 1)
    chi2 = ((frames[:, some] - mean[some]) ** 2 / mean[some]).mean()
    assert chi2 == pytest.approx(1.0, abs=0.005)
    normal = (frames[:, some] - mean[some]) / np.sqrt(mean[some])
    assert abs((normal[1:] * normal[:-1]).mean()) < 0.002


def test_the_same_seed_gives_the_same_frames_and_another_gives_others():
    first, same, other = (endstation(1.0, seed=seed) for seed in (1, 1, 2))
    for beam in (first, same, other):
        beam.frame(EIGER, 1.0)
    frames = [beam.frame(PILATUS, 1.0) for beam in (first, same, other)]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] != frames[2]).any()


@pytest.mark.parametrize("name", DETECTORS)
def test_pixels_that_do_not_count_say_so_as_their_maker_has_it(name):
    detector = DETECTORS[name]
    frame = endstation(1.0).frame(name, 0.1)
    assert frame.shape == detector.shape
    assert frame.dtype == (np.int32 if name == PILATUS else np.uint32)
    gap, dead = (-1, -2) if name == PILATUS else (2**32 - 1, 2**32 - 1)
    assert (frame[detector.gaps()] == gap).all()
    assert (frame[detector.dead()] == dead).all()
    counting = frame[~(detector.gaps() | detector.dead())]
    assert 0 <= counting.min() <= counting.max() < 2**20


def test_there_is_no_scattering_behind_the_beam_stop():
    frame = endstation(1.0).frame(PILATUS, 1.0)
    assert frame[DETECTORS[PILATUS].shadow()].max() <= 1


def test_silver_behenate_through_pyfai_gives_its_rings():
    """An independent reduction of a frame finds the rings of layers of 5.8380 nm where the detector really is."""
    beam = at("silver_behenate", distance_offset_mm=7.0, beam_row_offset=-4.2, beam_column_offset=2.9)
    frame, detector = beam.frame(PILATUS, 1.0), DETECTORS[PILATUS]
    geometry = AzimuthalIntegrator(
        dist=(detector.distance_mm + 7.0) * 1e-3,
        poni1=(detector.beam_row - 4.2) * 172e-6,
        poni2=(detector.beam_column + 2.9) * 172e-6,
        pixel1=172e-6,
        pixel2=172e-6,
        wavelength=HC_KEV_NM / ENERGY_KEV * 1e-9,
    )
    mask = (frame < 0) | detector.moved(7.0, -4.2, 2.9).shadow()
    q, intensity = geometry.integrate1d_ng(
        frame, 600, mask=mask, unit="q_nm^-1", polarization_factor=0.98, method="csr"
    )
    peaks = q[find_peaks(intensity, prominence=0.1 * intensity[q > 0.8].max())[0]]
    expected = 2 * np.pi / 5.8380 * np.arange(1, 6)
    assert all(np.abs(peaks - ring).min() < 0.01 for ring in expected)


def fitted_radius_nm(radius_nm: float) -> tuple[float, float]:
    """Radius and its error from frames of one second each, of a suspension and of its solvent, on the Pilatus."""
    edges = np.arange(0.15, 5.0, 0.05)
    q = (edges[1:] + edges[:-1]) / 2
    curves = [curve(e.frame(PILATUS, 1.0), PILATUS, edges) for e in (endstation(radius_nm), endstation(seed=2))]
    difference, error = curves[0][0] - curves[1][0], np.hypot(curves[0][1], curves[1][1])

    def model(q: Array, forward: float, radius: float) -> Array:
        x = q * radius
        return forward * (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2

    best, covariance = curve_fit(model, q, difference, (difference[0], 1.0), error, absolute_sigma=True)
    return float(best[1]), float(np.sqrt(covariance[1, 1]))


def test_a_second_is_enough_to_tell_the_radii_of_neighbouring_families():
    """0.87, 0.94 and 1.02 nm at 1 mmol/l, as little as there is in clusters after 1.5 s."""
    for radius_nm in (0.87, 0.94, 1.02):
        found_nm, error_nm = fitted_radius_nm(radius_nm)
        assert error_nm < 0.01
        assert found_nm == pytest.approx(radius_nm, abs=4 * error_nm)


def test_the_ring_decays_and_is_topped_up():
    ring = Ring(lifetime_h=10.0)
    currents = []
    for _ in range(4000):
        ring.advance(1.0)
        currents.append(ring.current_ma)
    assert (min(currents), max(currents)) == pytest.approx((98.5, 100.0), abs=0.05)
    falls = sum(b < a for a, b in pairwise(currents))
    assert falls > 0.98 * len(currents)
    assert sum(b > a for a, b in pairwise(currents)) >= 8


def test_a_lost_beam_stays_lost_until_the_ring_is_filled_again():
    beam = endstation(1.0)
    before = beam.incident_a(), beam.transmitted_a()
    beam.ring.dump()
    beam.advance(600.0)
    assert beam.ring.current_ma == 0.0
    assert abs(beam.incident_a()) < 1e-10
    assert abs(beam.transmitted_a()) < 1e-10
    assert beam.frame(EIGER, 1.0)[~DETECTORS[EIGER].dead()].sum() < 100
    beam.ring.refill()
    currents = []
    for _ in range(150):
        beam.advance(1.0)
        currents.append(beam.ring.current_ma)
    assert 0.0 < currents[0] < 2.0
    assert all(b >= a for a, b in pairwise(currents[:90]))
    assert (beam.incident_a(), beam.transmitted_a()) == pytest.approx(before, rel=0.02)


def test_a_closed_shutter_leaves_detector_and_both_currents_dark():
    beam = endstation(1.0)
    beam.shutter_open = False
    assert abs(beam.incident_a()) < 1e-10
    assert abs(beam.transmitted_a()) < 1e-10
    assert beam.mean_frame(EIGER).max() < 1e-4
    beam.shutter_open = True
    assert beam.incident_a() > 1e-6


def test_the_currents_tell_the_transmission():
    beam, empty = endstation(), at("empty")
    ratio = [e.transmitted_a() / e.incident_a() for e in (beam, empty)]
    assert ratio[0] / ratio[1] == pytest.approx(np.exp(-0.01), rel=0.003)
    readings = np.array([beam.incident_a() for _ in range(300)])
    assert readings.std() / readings.mean() == pytest.approx(0.0005, rel=0.2)


def test_a_bubble_lets_more_beam_through_scatters_less_and_is_carried_out_by_the_flow():
    beam = endstation(1.0)
    filled, bright = beam.transmission, beam.mean_frame(EIGER).sum()
    beam.pass_bubble()
    assert beam.bubble
    assert beam.transmission > filled
    assert beam.mean_frame(EIGER).sum() < 0.9 * bright
    beam.advance(1.0, flow_ml=0.0)
    assert beam.bubble, "nothing flows"
    beam.advance(1.0, flow_ml=0.021)
    assert not beam.bubble
    assert (beam.transmission, beam.mean_frame(EIGER).sum()) == pytest.approx((filled, bright), rel=1e-3)


def test_bubbles_come_by_the_volume_that_is_pumped():
    beam = endstation(bubbles_per_ml=0.1, bubble_ml=0.5)
    seen = []
    for _ in range(20_000):
        beam.advance(0.1, flow_ml=0.1)
        seen.append(beam.bubble)
    assert np.mean(seen) == pytest.approx(0.5 / (0.5 + 10.0), rel=0.25)


def test_off_its_axis_the_capillary_holds_less_liquid_and_beside_it_none():
    beam = endstation(1.0, capillary_x_mm=0.2)
    walls = at("empty").transmission

    def liquid_mm(x_mm: float) -> float:
        beam.stage_x_mm = x_mm
        return -np.log(beam.transmission / walls) / 0.01

    assert [liquid_mm(x) for x in (0.2, 0.5, -0.1)] == pytest.approx([1.0, 0.8, 0.8], abs=1e-3)
    beam.stage_x_mm = 1.0
    assert beam.transmission == 1.0
    assert beam.mean_frame(EIGER)[:, 900:].max() < 1.0, "only what the slits scatter"


@pytest.mark.parametrize(("x_mm", "z_mm"), [(5.0, 0.0), (-3.0, 0.0), (0.0, 4.0), (60.0, 0.0)])
def test_between_its_windows_the_holder_stops_the_beam(x_mm, z_mm):
    beam = endstation(1.0)
    beam.stage_x_mm, beam.stage_z_mm = x_mm, z_mm
    assert beam.sample is None
    assert beam.transmission == 0.0
    assert beam.incident_a() > 1e-6
    assert abs(beam.transmitted_a()) < 1e-10
    assert beam.mean_frame(EIGER).max() < 1e-4


def test_samples_stand_where_the_stage_has_them():
    for name in SLOTS_MM:
        assert at(name).sample == name
    glassy = at("glassy_carbon", parasitic=0.0)
    found = curve(glassy.mean_frame(EIGER), EIGER, np.array([0.42, 0.43]))[0][0]
    assert found / (2e13 * glassy.transmission * 0.1055) == pytest.approx(27.33, rel=0.01)


def test_the_beam_drifts_slowly_and_both_currents_and_frames_follow():
    beam = endstation(1.0, beam_drift=0.01, lifetime_h=1e9)
    at_first = beam.incident_a(), beam.transmitted_a(), beam.mean_frame(EIGER).sum()
    changes = []
    for _ in range(500):
        beam.advance(60.0)
        changes.append(beam.flux_per_s / 2e13 - 1)
    assert np.std(changes) == pytest.approx(0.01, rel=0.4)
    now = beam.incident_a(), beam.transmitted_a(), beam.mean_frame(EIGER).sum()
    assert np.array(now) / at_first == pytest.approx(1 + changes[-1], abs=0.003)


def test_the_truth_remembers_what_frames_were_taken_of():
    beam = endstation(1.0)
    frame = beam.frame(EIGER, 0.1)
    beam.stage_x_mm = SLOTS_MM["water"]
    beam.frame(PILATUS, 0.2)
    first, second = beam.truth()["exposed"]
    assert (first["frame"], first["detector"], first["sample"]) == (1, EIGER, "capillary")
    assert first["counts"] == int(frame[frame < 2**32 - 1].sum())
    assert (second["frame"], second["detector"], second["sample"]) == (2, PILATUS, "water")


def test_without_a_cell_in_the_flow_path_there_is_nothing_to_shine_through():
    bare = FlowPath.model_validate(
        {
            **PATH.model_dump(include=set(FlowPath.model_fields)),
            **dict.fromkeys(("xray_transfer_ml", "xray_cell_ml", "xray_path_mm")),
        }
    )
    with pytest.raises(ValueError, match="no X-ray cell"):
        Endstation(FlowReactor(bare), Suspension())


def plant(make: Callable[[FlowReactor], Endstation] | None) -> Plant:
    """Two syringes, two ovens, a lamp, and perhaps X-rays."""

    def drive(name: str) -> SyringeDrive:
        reagent = Reagent(concentration_mmol_l=20.0, reservoir_ml=100.0)
        return SyringeDrive(Syringe(volume_ml=10.0, inner_diameter_mm=14.6), reagent, name)

    drives = {f"{name}_pump": drive(name) for name in ("cadmium", "selenium")}
    heaters = {"nucleation": HeaterBlock(), "growth": HeaterBlock()}
    absorber = CadmiumSelenideAbsorption(CadmiumSelenide(), load_material("CdSe"), 1.0)
    light = LightPath(np.linspace(200, 800, 2068))
    return Plant(PATH, drives, heaters, "nucleation", "growth", light, absorber, endstation=make)


def test_what_the_pumps_send_reaches_the_x_ray_cell_after_the_optical_one():
    chemistry = CadmiumSelenide()
    bench = plant(lambda reactor: Endstation(reactor, CadmiumSelenideScattering(chemistry), XrayProperties(**STEADY)))
    assert bench.xray is not None
    before = bench.xray.mean_frame(PILATUS).sum()
    for drive in bench.drives.values():
        drive.drive(0.6)  # 1.2 ml/min in all
    while bench.time_s < 23.5:  # 0.47 ml: past the optical cell, short of the other
        bench.advance(0.1)
    assert bench.plug_in_cell().concentration_mmol_l
    assert not bench.plug_in_xray_cell().concentration_mmol_l
    while bench.time_s < 30.0:
        bench.advance(0.1)
    optical, xray = bench.plug_in_cell(), bench.plug_in_xray_cell()
    assert xray.concentration_mmol_l == {"cadmium": 10.0, "selenium": 10.0}
    assert xray.time_s[-1] - optical.time_s[-1] == pytest.approx(0.05 / 0.02, abs=0.02)
    assert bench.xray.mean_frame(PILATUS).sum() > 1.05 * before
    truth = bench.truth()["xray"]
    assert truth["age_s"] == pytest.approx(xray.time_s[-1])
    assert truth["species"]["d_spacing_nm"] == 3.41
    assert truth["species"]["lamellar_order"] == pytest.approx(1.0)
    assert truth["transmission"] == bench.xray.transmission
    assert truth["ring_ma"] < 100.0


def test_a_plant_without_x_rays_says_so():
    bench = plant(None)
    assert bench.xray is None
    assert bench.truth()["xray"] is None
    with pytest.raises(ValueError, match="no X-ray cell"):
        bench.plug_in_xray_cell()
