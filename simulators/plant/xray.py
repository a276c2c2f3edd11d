"""The X-ray side of the bench: storage ring, beam shutter, sample stage, flow cell, detectors and current monitors.

Along the beam: undulator, shutter, ion chamber (``incident_a``), sample on the stage, flight tube, beam stop with a
photodiode (``transmitted_a``), detector. Each detector of :data:`~simulators.plant.area_detector.DETECTORS` sees the
sample as if it alone were mounted.

The flux assumed is 2e13 photons/s at 12.4 keV and 100 mA: what an undulator beamline for SAXS with a Si(111)
monochromator gives with slits half closed (ESRF ID02, where Palencia 2020 measured, is one), and far more than a
bending magnet. A liquid that flows takes no harm from it. At 1.5 s of residence only some 1 mmol/l of cadmium is in
clusters: 1 mm of them scatters about as much as its solvent, and a second gives I(q) in bins of 0.05 nm⁻¹ within
0.06 % of counts, so that the difference to the solvent is known to some 0.2 %: what tells narrow sizes from a broad one.

Samples are slots of the stage along x; between their windows the holder stops the beam::

    x = 0 mm    capillary        the flow cell: a Kapton capillary along z, so that a beam off its axis passes less
                                 liquid, and beyond its wall none at all
    x = 10 mm   empty            the same capillary, empty, flat to the beam
    x = 20 mm   water            the same, filled with water at 20 °C
    x = 30 mm   silver_behenate  0.5 mm of powder between Kapton
    x = 40 mm   glassy_carbon    NIST SRM 3600, 1.055 mm
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.plant.area_detector import DETECTORS, AreaDetector, Pixels, look_through
from simulators.plant.fluidics import FlowReactor
from simulators.plant.parts import Array, PlugHistory, Scatterer
from simulators.plant.ring import Ring
from simulators.plant.standards import (
    Layer,
    glassy_carbon,
    kapton,
    scattered_per_sr,
    silver_behenate,
    transmission,
    water,
)

ELEMENTARY_CHARGE_C = 1.602176634e-19
#: Where each sample stands on the stage.
SLOTS_MM = {"capillary": 0.0, "empty": 10.0, "water": 20.0, "silver_behenate": 30.0, "glassy_carbon": 40.0}
WINDOW_X_MM, WINDOW_Z_MM = 2.0, 3.0  # half of a window's width and height


@dataclass(frozen=True)
class XrayProperties:
    """How good the beam is and where things stand.

    Attributes:
        flux_per_s: photons per second at :attr:`top_up_ma`.
        energy_kev: of the photons; contrasts and attenuation stay those of 12.4 keV.
        horizontal_polarization: (I_h − I_v)/(I_h + I_v).
        top_up_ma, lowest_ma, lifetime_h, fill_ma_s: see :class:`~simulators.plant.ring.Ring`.
        beam_drift: σ of slow relative changes of the flux, with the time constant ``beam_drift_s``.
        ion_chamber_share: photons that the ion chamber takes: 50 mm of nitrogen, at 34.8 eV a pair.
        diode_share: photons that reach the diode through the absorber before it, at 3.66 eV a pair.
        current_noise: σ of a reading of either current, relative.
        leakage_a: σ of a reading without beam.
        kapton_mm: both walls of the capillary.
        parasitic: share of the transmitted beam that slits and windows scatter, per sr at 0.1 nm⁻¹; falls with q⁻⁴.
        bubbles_per_ml, bubble_ml: how many bubbles pass the cell, and how long they are.
        bubble_liquid: share of the path that is liquid while a bubble is in the cell.
        capillary_x_mm: where the capillary's axis really is, seen from where the stage says that slot is.
        distance_offset_mm, beam_row_offset, beam_column_offset: by how much the detectors are not where they should be.
    """

    flux_per_s: float = 2e13
    energy_kev: float = 12.4
    horizontal_polarization: float = 0.98
    top_up_ma: float = 100.0
    lowest_ma: float = 98.5
    lifetime_h: float = 12.0
    fill_ma_s: float = 1.0
    beam_drift: float = 0.004
    beam_drift_s: float = 600.0
    ion_chamber_share: float = 0.012
    diode_share: float = 0.02
    current_noise: float = 0.0005
    leakage_a: float = 2e-12
    kapton_mm: float = 0.1
    parasitic: float = 0.02
    bubbles_per_ml: float = 0.002
    bubble_ml: float = 0.02
    bubble_liquid: float = 0.15
    capillary_x_mm: float = 0.0
    distance_offset_mm: float = 0.0
    beam_row_offset: float = 0.0
    beam_column_offset: float = 0.0


class Endstation:
    """Everything that the beam meets.

    Args:
        reactor: what flows through the cell; its path must have an X-ray cell.
        scatterer: turns what is in the cell into scattering.
        properties: how good beam and apparatus are.
        seed: of noise, drift and bubbles: with one seed the drift is the same at the same plant time, the bubbles at
            the same volume pumped, and the noise in the same frame or reading, counted from the first.

    Raises:
        ValueError: there is no X-ray cell.

    Attributes:
        ring: the storage ring.
        shutter_open: the beam shutter, before the ion chamber.
        stage_x_mm, stage_z_mm: where the sample stage stands.
        bubble: whether a bubble is in the cell now.
    """

    REMEMBERED_FRAMES = 50
    Q_STEP = 0.001
    Q_HIGHEST = 8.0

    def __init__(
        self, reactor: FlowReactor, scatterer: Scatterer, properties: XrayProperties | None = None, seed: int = 0
    ):
        path = reactor.path
        if path.xray_path_mm is None or path.xray_centre_ml is None:
            raise ValueError("the flow path has no X-ray cell: xray_transfer_ml, xray_cell_ml and xray_path_mm")
        self.properties = p = properties or XrayProperties()
        self.ring = Ring(p.top_up_ma, p.lowest_ma, p.lifetime_h, p.fill_ma_s)
        self.shutter_open = True
        self.stage_x_mm = 0.0
        self.stage_z_mm = 0.0
        self._reactor, self._centre_ml, self._bore_mm = reactor, path.xray_centre_ml, path.xray_path_mm
        self._scatterer = scatterer
        self._beam_noise, self._bubbles, self._current_noise = np.random.default_rng([seed, 1]).spawn(3)
        self._seed, self._frames = seed, 0
        self._exposed: deque[dict[str, object]] = deque(maxlen=self.REMEMBERED_FRAMES)
        self._drift = 0.0
        self._to_next_bubble_ml = self._next_bubble_ml()
        self._q = np.arange(0.0, self.Q_HIGHEST, self.Q_STEP)
        self._sights: dict[str, _Sight] = {}
        self._latest: tuple[object, Array] | None = None

    def _next_bubble_ml(self) -> float:
        rate = self.properties.bubbles_per_ml
        return float(self._bubbles.exponential(1 / rate)) if rate > 0 else float("inf")

    @property
    def bubble(self) -> bool:
        """Whether a bubble is in the cell now."""
        return self._to_next_bubble_ml <= 0

    def pass_bubble(self) -> None:
        """Let a bubble come into the cell now; the flow carries it out."""
        self._to_next_bubble_ml = 0.0

    def advance(self, dt_s: float, flow_ml: float = 0.0) -> None:
        """Move ring and beam on, and let what flows pass the cell."""
        p = self.properties
        self.ring.advance(dt_s)
        share = min(dt_s / p.beam_drift_s, 1.0)
        self._drift += -share * self._drift + p.beam_drift * np.sqrt(2 * share) * float(self._beam_noise.normal())
        self._to_next_bubble_ml -= flow_ml
        if self._to_next_bubble_ml < -p.bubble_ml:
            self._to_next_bubble_ml = self._next_bubble_ml()

    def plug(self) -> PlugHistory:
        """What is in the middle of the cell now, bubbles apart."""
        return self._reactor.plug_at(self._centre_ml)

    @property
    def flux_per_s(self) -> float:
        """Photons per second on the sample now."""
        p = self.properties
        return p.flux_per_s * self.ring.current_ma / p.top_up_ma * (1 + self._drift) if self.shutter_open else 0.0

    @property
    def sample(self) -> str | None:
        """What the beam meets, by the names of :data:`SLOTS_MM`; None: the holder, which stops it."""
        if abs(self.stage_z_mm) > WINDOW_Z_MM:
            return None
        return next((name for name, at in SLOTS_MM.items() if abs(self.stage_x_mm - at) <= WINDOW_X_MM), None)

    @cached_property
    def _standards(self) -> dict[str, list[Layer]]:
        q, bore_mm = self._q, self._bore_mm
        walls = kapton(self.properties.kapton_mm, q)
        return {
            "empty": [walls],
            "water": [walls, water(bore_mm, q)],
            "silver_behenate": [walls, silver_behenate(0.5, q)],
            "glassy_carbon": [glassy_carbon(q)],
        }

    def _layers(self, sample: str) -> Sequence[Layer]:
        if sample != "capillary":
            return self._standards[sample]
        off_mm = abs(self.stage_x_mm - self.properties.capillary_x_mm)
        if off_mm > self._bore_mm / 2 + self.properties.kapton_mm / 2:
            return []
        chord_mm = np.sqrt(max(self._bore_mm**2 - (2 * off_mm) ** 2, 0.0))
        liquid_mm = chord_mm * (self.properties.bubble_liquid if self.bubble else 1.0)
        plug = self.plug()
        liquid = Layer(
            liquid_mm,
            self._cross_section_per_cm(plug),
            self._scatterer.attenuation_per_cm(plug),
        )
        return [*self._standards["empty"], liquid]

    def _cross_section_per_cm(self, plug: PlugHistory) -> Array:
        """That of the liquid; plugs with the same history, as one after another is, are computed once."""
        key = (plug.time_s.tobytes(), plug.temperature_c.tobytes(), tuple(plug.concentration_mmol_l.items()))
        if self._latest is None or self._latest[0] != key:
            self._latest = key, self._scatterer.cross_section_per_cm(plug, self._q)
        return self._latest[1]

    @property
    def transmission(self) -> float:
        """Share of the beam that passes what is in it."""
        sample = self.sample
        return 0.0 if sample is None else transmission(self._layers(sample))

    def incident_a(self) -> float:
        """One reading of the ion chamber before the sample, in ampere."""
        p = self.properties
        pairs = p.ion_chamber_share * p.energy_kev * 1e3 / 34.8
        return self._reading(self.flux_per_s * pairs * ELEMENTARY_CHARGE_C)

    def transmitted_a(self) -> float:
        """One reading of the photodiode in the beam stop, in ampere."""
        p = self.properties
        pairs = p.diode_share * p.energy_kev * 1e3 / 3.66
        return self._reading(self.flux_per_s * self.transmission * pairs * ELEMENTARY_CHARGE_C)

    def _reading(self, current_a: float) -> float:
        p = self.properties
        relative, absolute = self._current_noise.normal(0.0, (p.current_noise, p.leakage_a))
        return float(current_a * (1 + relative) + absolute)

    def mean_frame(self, detector: str) -> NDArray[np.float32]:
        """Counts per second that each pixel would give on average now; 0 where there is no pixel that counts.

        Args:
            detector: a name of :data:`~simulators.plant.area_detector.DETECTORS`.

        Raises:
            KeyError: there is no such detector.
        """
        return self._sight(detector).mean(self._scattered_per_sr(), self.flux_per_s)

    def frame(self, detector: str, exposure_s: float) -> NDArray[Any]:
        """Counts of one exposure, with the beam and the sample as they are now: call it when the exposure ends.

        Args:
            detector: a name of :data:`~simulators.plant.area_detector.DETECTORS`.
            exposure_s: how long it counted, plant seconds.

        Returns:
            Shape (rows, columns). Pilatus: int32, -1 in gaps and -2 in dead pixels. Eiger2: uint32, 2³² − 1 in both.

        Raises:
            KeyError: there is no such detector.
        """
        sight = self._sight(detector)
        mean = self.mean_frame(detector) * np.float32(exposure_s)
        self._frames += 1
        counts = np.random.Generator(np.random.SFC64([self._seed, 2, self._frames])).poisson(mean)
        self._exposed.append(
            {
                "frame": self._frames,
                "detector": detector,
                "exposure_s": exposure_s,
                "sample": self.sample,
                "flux_per_s": self.flux_per_s,
                "transmission": self.transmission,
                "counts": int(counts.sum()),
            }
        )
        return sight.frame(counts)

    def _scattered_per_sr(self) -> Array:
        """Share of the incident beam that is scattered into a unit of solid angle, on the grid of q."""
        sample = self.sample
        if sample is None:
            return np.zeros_like(self._q)
        layers = self._layers(sample)
        halo = self.properties.parasitic * (np.maximum(self._q, 0.03) / 0.1) ** -4
        return transmission(layers) * (scattered_per_sr(layers, len(self._q)) + halo)

    def _sight(self, name: str) -> "_Sight":
        if name not in self._sights:
            p = self.properties
            self._sights[name] = _Sight(
                DETECTORS[name].moved(p.distance_offset_mm, p.beam_row_offset, p.beam_column_offset), p, self.Q_STEP
            )
        return self._sights[name]

    def truth(self) -> dict[str, Any]:
        """As it is, not as the instruments say."""
        plug = self.plug()
        return {
            "ring_ma": self.ring.current_ma,
            "shutter_open": self.shutter_open,
            "flux_per_s": self.flux_per_s,
            "stage_x_mm": self.stage_x_mm,
            "stage_z_mm": self.stage_z_mm,
            "sample": self.sample,
            "transmission": self.transmission,
            "bubble": self.bubble,
            # What the latest frames were taken of, the last of them last; counts are those of all pixels that count.
            "exposed": list(self._exposed),
            "age_s": float(plug.time_s[-1]),
            "residence_s": plug.residence_s,
            "nucleation_c": _none_if_nan(plug.nucleation_c),
            "growth_c": _none_if_nan(plug.growth_c),
            "species": self._scatterer.truth(plug),
        }


class _Sight:
    """A detector's tables, and the last mean frame: as long as nothing changes in the cell, frames share it."""

    def __init__(self, detector: AreaDetector, properties: XrayProperties, q_step: float):
        self.detector = detector
        self.pixels: Pixels = look_through(detector, properties.energy_kev, properties.horizontal_polarization)
        self._nearest = np.rint(self.pixels.q_per_nm / q_step).astype(np.int32)
        self._acceptance_sr = self.pixels.acceptance_sr.astype(np.float32)
        self._dark_per_s = (detector.DARK_PER_S * self.pixels.counting).astype(np.float32)
        self._gaps, self._dead = detector.gaps(), detector.dead()
        self._scattered_per_sr: Array | None = None
        self._per_photon = np.zeros(detector.shape, np.float32)

    def mean(self, scattered_per_sr: Array, flux_per_s: float) -> NDArray[np.float32]:
        """Counts per second and pixel."""
        if self._scattered_per_sr is None or not np.array_equal(scattered_per_sr, self._scattered_per_sr):
            self._scattered_per_sr = scattered_per_sr
            self._per_photon = scattered_per_sr.astype(np.float32)[self._nearest] * self._acceptance_sr
        return self._per_photon * np.float32(flux_per_s) + self._dark_per_s

    def frame(self, counts: NDArray[np.int64]) -> NDArray[Any]:
        """Counts as the detector sends them."""
        sent = np.minimum(counts, self.detector.highest).astype(self.detector.dtype)
        sent[self._gaps] = self.detector.gap_value
        sent[self._dead] = self.detector.dead_value
        return sent


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
