"""Lamp, flow cell and array detector: absorbance in, raw counts out, with all that is wrong with them.

A deuterium–halogen lamp of uneven spectrum that drifts slowly; stray light that does not pass the sample
spectrally; bubbles that pass the cell; shot noise, read noise, a dark level, and the ADC's ceiling.
"""

from dataclasses import dataclass

import numpy as np

from simulators.plant.parts import Array

PIXELS = 2068
FULL_SCALE = 65535


@dataclass(frozen=True)
class LightProperties:
    """Counts are ADC units; rates are per millisecond of integration."""

    dark_level: float = 1450.0
    dark_per_ms: float = 0.9
    read_noise: float = 5.5
    electrons_per_count: float = 2.5
    brightest_per_ms: float = 4400.0
    stray_fraction: float = 0.0004
    lamp_drift: float = 0.003  # σ of slow relative changes
    lamp_drift_s: float = 1500.0
    bubbles_per_ml: float = 0.004
    bubble_ml: float = 0.012
    bubble_absorbance: float = 0.6


def pixel_wavelengths(coefficients: tuple[float, ...], pixels: int = PIXELS) -> Array:
    """Wavelength in nm of each pixel from the calibration polynomial, lowest power first."""
    pixel = np.arange(pixels, dtype=np.float64)
    return np.vander(pixel, len(coefficients), increasing=True) @ np.array(coefficients)


def lamp_spectrum(wavelength_nm: Array) -> Array:
    """Relative intensity as the detector sees it, 1 at its brightest: D₂ continuum, D_α and D_β, halogen, grating."""
    deuterium = 0.55 * np.exp(-(((wavelength_nm - 255) / 75) ** 2)) + 0.10 * np.exp(-(wavelength_nm - 200) / 180)
    lines = sum(h * np.exp(-0.5 * ((wavelength_nm - at) / 0.9) ** 2) for at, h in ((486.0, 0.03), (656.1, 0.20)))
    x = 1.4388e7 / (wavelength_nm * 2950.0)
    halogen = (600.0 / wavelength_nm) ** 5 * np.expm1(1.4388e7 / (600.0 * 2950.0)) / np.expm1(x)
    response = np.exp(-(((wavelength_nm - 520) / 260) ** 2)) * (1 - np.exp(-((wavelength_nm - 185) / 22)))
    spectrum = (deuterium + 0.75 * halogen + lines) * np.clip(response, 0, None)
    return spectrum / spectrum.max()


class LightPath:
    """The optical side of the plant.

    Args:
        wavelength_nm: of each pixel.
        properties: how good lamp and detector are.
        seed: of noise, drift and bubbles. With one seed the lamp is the same at the same plant time, the bubbles
            at the same volume pumped, and the noise in the same exposure, counted from the first.
    """

    def __init__(self, wavelength_nm: Array, properties: LightProperties | None = None, seed: int = 0):
        self.properties = properties or LightProperties()
        self.wavelength_nm = wavelength_nm
        self.shutter_open = True
        #: The lamp gives no light; it loses so much of it in an hour; a bubble sits in the cell and does not leave.
        self.lamp_out = False
        self.fading_per_h = 0.0
        self.stuck_bubble = False
        self._faded = 0.0
        self._lamp_noise, self._bubbles = np.random.default_rng(seed).spawn(2)
        self._seed, self._exposures = seed, 0
        self._lamp = lamp_spectrum(wavelength_nm)
        self._drift = 0.0
        self._tilt = 0.0
        self._to_next_bubble_ml = self._next_bubble_ml()

    def _next_bubble_ml(self) -> float:
        rate = self.properties.bubbles_per_ml
        return float(self._bubbles.exponential(1 / rate)) if rate > 0 else float("inf")

    @property
    def lamp_level(self) -> float:
        """Light of the lamp that falls into the cell now, relative to when it was new."""
        return 0.0 if self.lamp_out or not self.shutter_open else 1 - self._faded

    @property
    def bubble(self) -> bool:
        """Whether a bubble is in the cell now."""
        return self.stuck_bubble or self._to_next_bubble_ml <= 0

    def advance(self, dt_s: float, flow_ml: float) -> None:
        """Let the lamp drift and what flows pass the cell."""
        p = self.properties
        share = dt_s / p.lamp_drift_s
        kick = p.lamp_drift * np.sqrt(2 * share)
        self._drift += -share * self._drift + kick * float(self._lamp_noise.normal())
        self._tilt += -share * self._tilt + 0.3 * kick * float(self._lamp_noise.normal())
        self._faded = min(self._faded + self.fading_per_h * dt_s / 3600, 1.0) if self.fading_per_h else 0.0
        self._to_next_bubble_ml -= flow_ml
        if self._to_next_bubble_ml < -p.bubble_ml:
            self._to_next_bubble_ml = self._next_bubble_ml()

    def expose(self, absorbance: Array, integration_ms: float) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
        """One scan.

        Args:
            absorbance: of the cell's content at each pixel; nan where no light passes.
            integration_ms: exposure.

        Returns:
            ADC counts of each pixel.
        """
        p = self.properties
        if self.bubble:
            absorbance = absorbance + p.bubble_absorbance
        colour = 1 + self._drift + self._tilt * (self.wavelength_nm - 500) / 300
        light = p.brightest_per_ms * self.lamp_level * integration_ms * self._lamp * colour
        passed = light * np.nan_to_num(10.0**-absorbance, nan=0.0)
        stray = p.stray_fraction * float(passed.mean())
        counts = passed + stray + p.dark_per_ms * integration_ms
        self._exposures += 1
        noise = np.random.default_rng([self._seed, self._exposures])
        electrons = noise.poisson(np.clip(counts * p.electrons_per_count, 0, None) * np.ones_like(self._lamp))
        read = noise.normal(p.dark_level, p.read_noise, self._lamp.shape)
        return np.clip(np.rint(electrons / p.electrons_per_count + read), 0, FULL_SCALE).astype(np.uint16)
