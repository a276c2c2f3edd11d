"""Made-up spectra with known bands, for tests of the analysis; nothing of the plant is used."""

import numpy as np

from flowlab.analysis.absorbance import Absorbance, Counts

HC = 1239.842
WAVELENGTH = np.linspace(300.0, 750.0, 1500)


def band(at_nm: float, height: float, fwhm_ev: float = 0.12, wavelength=WAVELENGTH) -> np.ndarray:
    """A Gaussian band in energy."""
    return height * np.exp(-4 * np.log(2) * ((HC / wavelength - HC / at_nm) / fwhm_ev) ** 2)


def crystal(exciton_nm: float, height: float = 0.3, wavelength=WAVELENGTH) -> np.ndarray:
    """A nanocrystal: exciton, a second transition and a continuum that rises to the blue."""
    energy, first = HC / wavelength, HC / exciton_nm
    rise = height * 1.5 * np.clip(energy - first - 0.25, 0, None) ** 1.5
    return band(exciton_nm, height, 0.17, wavelength) + band(HC / (first + 0.2), 0.5 * height, 0.3, wavelength) + rise


def spectrum(value: np.ndarray, noise: float = 0.001, seed: int = 0) -> Absorbance:
    """Absorbance with noise."""
    random = np.random.default_rng(seed)
    return Absorbance(
        value + random.normal(0, noise, value.shape), np.full(value.shape, noise), np.ones(value.shape, bool)
    )


def counts(absorbance: np.ndarray, seed: int = 0, light: float = 20_000.0, dark: float = 1500.0) -> Counts:
    """Counts behind a sample, with shot noise of 2.5 electrons per count and 8 scans."""
    random = np.random.default_rng(seed)
    mean = light * 10.0**-absorbance
    err = np.sqrt(mean / 2.5 / 8 + 30 / 8)
    return Counts(dark + random.normal(mean, err), err)


DARK = Counts(np.full(WAVELENGTH.shape, 1500.0), np.full(WAVELENGTH.shape, 2.0))
