"""The second light path: a LED shines into the cell, a cooled detector sees what comes out at a right angle.

That is emission, the LED's own light scattered by what is in the cell, and a faint background of solvent and fibre; and
as much of the light of the first path's lamp as the cell scatters, while its shutter is open. The detector has hot
pixels and a dark current that halves for every 6 °C of cooling (the usual rule for silicon).
"""

from dataclasses import dataclass

import numpy as np

from simulators.plant.light import lamp_spectrum
from simulators.plant.optics import HC_EV_NM, CadmiumSelenideAbsorption, band
from simulators.plant.parts import Array, Emitter, PlugHistory

PIXELS = 1044
_FWHM = float(2 * np.sqrt(2 * np.log(2)))
_AMBIENT_C = 23.0


@dataclass(frozen=True)
class LuminescenceProperties:
    """Counts are ADC units; rates are per millisecond of integration, at their brightest pixel."""

    led_nm: float = 405.0
    led_fwhm_nm: float = 13.0
    scatter_per_ms: float = 350.0
    emission_per_ms: float = 5000.0  # of a band of EMISSION_FWHM_EV, were all light absorbed and emitted again
    background_per_ms: float = 0.6
    lamp_per_ms: float = 40.0
    led_drift: float = 0.002  # σ of slow relative changes
    led_drift_s: float = 900.0
    dark_level: float = 1200.0
    dark_per_ms: float = 0.8  # at 20 °C
    halves_per_c: float = 6.0
    hot_pixels: float = 14.0
    hot_factor: float = 150.0
    read_noise: float = 3.0
    electrons_per_count: float = 1.2
    ceiling: float = 200_000.0  # what the detector gives at most; its converter ends at 2^18 - 1


class CadmiumSelenideEmission:
    """Emission of CdSe: from the nanocrystals, a little to the red of their exciton; hardly any from the clusters.

    Args:
        absorption: says how much of the exciting light each of them absorbs, and where the exciton is.
    """

    EMISSION_FWHM_EV = 0.12
    STOKES_EV = 0.05
    CRYSTAL_YIELD = 0.08
    #: Clusters are dark: what they emit is faint, broad and far to the red, from traps.
    CLUSTER_YIELD = 0.0004
    TRAP_EV, TRAP_FWHM_EV = 2.0, 0.5

    def __init__(self, absorption: CadmiumSelenideAbsorption):
        self._absorption = absorption

    def emission(self, plug: PlugHistory, wavelength_nm: Array, excitation_nm: float) -> Array:
        """Relative emission, shape of ``wavelength_nm``; see :class:`simulators.plant.parts.Emitter`."""
        energy = HC_EV_NM / wavelength_nm
        crystals, clusters = self._absorption.absorbed_shares(plug, excitation_nm)
        narrow = self.EMISSION_FWHM_EV
        total = self.CLUSTER_YIELD * clusters * narrow / self.TRAP_FWHM_EV
        emitted = total * band(energy, self.TRAP_EV, self.TRAP_FWHM_EV / _FWHM)
        if (line := self._line(plug)) is not None:
            centre_ev, fwhm_ev = line
            height = self.CRYSTAL_YIELD * crystals * narrow / fwhm_ev
            emitted = emitted + height * band(energy, centre_ev, fwhm_ev / _FWHM)
        return emitted

    def _line(self, plug: PlugHistory) -> tuple[float, float] | None:
        """Centre and width of the crystals' emission in eV."""
        exciton = self._absorption.exciton_of(plug)
        if exciton is None:
            return None
        first, sigma, _ = exciton
        return first - self.STOKES_EV, _FWHM * sigma

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Where the emission really is."""
        line = self._line(plug)
        centre = None if line is None else HC_EV_NM / line[0]
        return {
            "emission_nm": centre,
            "emission_fwhm_nm": None if line is None or centre is None else line[1] * centre**2 / HC_EV_NM,
        }


class NoEmission:
    """Nothing emits: what is shown is a measured absorption series, of which the emission is not known."""

    def emission(self, plug: PlugHistory, wavelength_nm: Array, excitation_nm: float) -> Array:
        """None."""
        return np.zeros_like(wavelength_nm)

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Nothing."""
        return {"emission_nm": None, "emission_fwhm_nm": None}


class DetectorCooler:
    """Keeps a detector at its set point, as far as it can.

    Attributes:
        setpoint_c: of its controller.
        enabled: whether it cools at all.
        failed: whether it has lost its current.
        temperature_c: of the detector.
    """

    MOST_BELOW_AMBIENT_C = 40.0
    TIME_CONSTANT_S = 12.0
    STABLE_WITHIN_C = 0.2

    def __init__(self) -> None:
        self.setpoint_c = _AMBIENT_C
        self.enabled = False
        self.failed = False
        self.temperature_c = _AMBIENT_C

    def advance(self, dt_s: float) -> None:
        """Move on by ``dt_s``."""
        works = self.enabled and not self.failed
        target_c = max(self.setpoint_c, _AMBIENT_C - self.MOST_BELOW_AMBIENT_C) if works else _AMBIENT_C
        self.temperature_c += (target_c - self.temperature_c) * -float(np.expm1(-dt_s / self.TIME_CONSTANT_S))

    @property
    def stable(self) -> bool:
        """Whether it is at its set point."""
        return self.enabled and abs(self.temperature_c - self.setpoint_c) < self.STABLE_WITHIN_C


class LuminescencePath:
    """LED, cell and cooled detector.

    Args:
        wavelength_nm: of each pixel.
        emitter: turns what is in the cell into emission.
        properties: how good LED and detector are.
        seed: of noise, drift and hot pixels.

    Attributes:
        led_on: whether the LED is switched on.
        led_broken: a LED that is switched on and gives no light.
        fading_per_h: share of its light that the LED loses in an hour.
        cooler: of the detector.
    """

    def __init__(
        self,
        wavelength_nm: Array,
        emitter: Emitter,
        properties: LuminescenceProperties | None = None,
        seed: int = 0,
    ):
        self.properties = p = properties or LuminescenceProperties()
        self.wavelength_nm = wavelength_nm
        self.emitter = emitter
        self.cooler = DetectorCooler()
        self.led_on = False
        self.led_broken = False
        self.fading_per_h = 0.0
        self._faded = 0.0
        self._drift = 0.0
        pixels, self._led_noise = np.random.default_rng([seed, 2]).spawn(2)
        self._seed, self._exposures = seed, 0
        self._dark = np.ones(len(wavelength_nm))
        self._dark[pixels.choice(len(wavelength_nm), int(p.hot_pixels), replace=False)] = p.hot_factor
        self._led = np.exp(-0.5 * ((wavelength_nm - p.led_nm) / (p.led_fwhm_nm / _FWHM)) ** 2)
        self._background = np.exp(-np.clip(wavelength_nm - p.led_nm, 0, None) / 120.0) * (wavelength_nm > p.led_nm)
        self._lamp = lamp_spectrum(wavelength_nm)
        self._response = np.clip(np.exp(-(((wavelength_nm - 620) / 380) ** 2)), 0.05, None)

    @property
    def led_level(self) -> float:
        """Light of the LED now, relative to when it was new."""
        return (1 + self._drift) * (1 - self._faded) if self.led_on and not self.led_broken else 0.0

    def advance(self, dt_s: float) -> None:
        """Let the LED drift and the detector cool."""
        p = self.properties
        share = dt_s / p.led_drift_s
        self._drift += -share * self._drift + p.led_drift * np.sqrt(2 * share) * float(self._led_noise.normal())
        self._faded = min(self._faded + self.fading_per_h * dt_s / 3600, 1.0) if self.fading_per_h else 0.0
        self.cooler.advance(dt_s)

    def expose(
        self, plug: PlugHistory, integration_ms: float, *, bubble: bool = False, lamp_level: float = 0.0
    ) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        """One scan.

        Args:
            plug: what is in the cell.
            integration_ms: exposure.
            bubble: a bubble is in the cell: it scatters, and there is less that could emit.
            lamp_level: light of the first path's lamp in the cell, relative to when it was new.

        Returns:
            ADC counts of each pixel.
        """
        p = self.properties
        emitted = p.emission_per_ms * self.emitter.emission(plug, self.wavelength_nm, p.led_nm) * self._response
        scattering = 6.0 if bubble else 1.0
        light = p.scatter_per_ms * scattering * self._led + p.background_per_ms * self._background
        light = light + emitted * (0.3 if bubble else 1.0)
        lamp = p.lamp_per_ms * scattering * lamp_level * self._lamp
        dark = p.dark_per_ms * 2.0 ** ((self.cooler.temperature_c - 20.0) / p.halves_per_c) * self._dark
        counts = (self.led_level * light + lamp + dark) * integration_ms
        self._exposures += 1
        noise = np.random.default_rng([self._seed, 2, self._exposures])
        # Beyond the ceiling nothing changes, and no generator draws such numbers.
        electrons = noise.poisson(np.clip(counts, 0, 2 * p.ceiling) * p.electrons_per_count)
        read = noise.normal(p.dark_level, p.read_noise, len(counts))
        return np.clip(np.rint(electrons / p.electrons_per_count + read), 0, p.ceiling).astype(np.uint32)

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Light and detector as they are, and where the emission really is."""
        return {
            "led_on": self.led_on,
            "led_level": self.led_level,
            "detector_c": self.cooler.temperature_c,
            **self.emitter.truth(plug),
        }
