"""What Palencia 2020 (doi:10.1039/d0nr05879c) reports, as numbers by which simulated states can miss it.

The window of CdSe-437 at 14 s (Fig. 1), families at 4.5 s and excitons (Fig. S2, text), and the sizes that
small-angle scattering shows at 1.5 s (Fig. 2). Heights are absorbances of 10 mmol/l through 1 mm.
"""

import numpy as np
from numpy.typing import NDArray

from flowlab.config import load_material
from simulators.plant.chemistry import M0, M1, M2, M3, UNITS, UNITS_PER_D3, C, cadmium
from simulators.plant.optics import CadmiumSelenideAbsorption, SizingTable, epsilon

Array = NDArray[np.float64]
Terms = list[tuple[float, Array]]

NUCLEATION_C = np.arange(250.0, 330.0, 10.0)
OFFSETS_C = np.array([0.0, -10.0, -30.0, -50.0, -70.0, -90.0])
PANELS = (len(NUCLEATION_C), len(OFFSETS_C))
INSIDE = (NUCLEATION_C >= 270) & (NUCLEATION_C <= 300)
#: Reaction times other than 14 s, all at T_growth = T_nuc: (temperature, time).
SHORT = [(260.0, 4.5), (280.0, 4.5), (350.0, 4.5), (350.0, 7.6)]
#: Small-angle scattering, at 1.5 s and a growth temperature of 230 °C: nucleation temperatures.
X_RAY_C = np.arange(190.0, 290.0, 10.0)
#: Weight of a decade in what they show.
X = 2.0

_CONCENTRATION_MOL_L, _PATH_CM = 10e-3, 0.1


def experiments() -> Array:
    """Rows of nucleation °C, growth °C, reaction time s: the panels of Fig. 1, the short times, the X-rays."""
    rows = [(t, t + offset, 14.0) for t in NUCLEATION_C for offset in OFFSETS_C]
    rows += [(t, t, time) for t, time in SHORT]
    return np.array(rows + [(t, 230.0, 1.5) for t in X_RAY_C])


class Observed:
    """What would be seen of states: heights of the families, position and height of the exciton, volumes.

    Args:
        y: states, shape (12, candidates, experiments).

    Attributes:
        families: absorbance of each family's first band, shape (5, candidates, experiments).
        exciton_nm: position of the crystals' first exciton, shape (candidates, experiments).
        exciton: its absorbance, likewise.
        mean_nm: number-mean diameter of the crystals, likewise.
        volumes: share of the cadmium in each family and in the crystals, shape (6, candidates, experiments).
        cadmium: all of it, relative to what was fed, shape (candidates, experiments).
    """

    def __init__(self, y: Array):
        diameters = (UNITS / UNITS_PER_D3) ** (1 / 3)
        scale = _CONCENTRATION_MOL_L * _PATH_CM
        self.families = y[C] * (epsilon(diameters) * scale)[:, None, None]
        number = np.maximum(y[M0], 1e-30)
        mean = np.clip(y[M1] / number, 0.5, 8)
        spread = np.maximum(y[M2] / number - mean**2, 0) + (CadmiumSelenideAbsorption.UNRESOLVED_SPREAD * mean) ** 2
        self.exciton_nm = SizingTable(load_material("CdSe")).wavelength_nm(mean + 2.65 * spread / mean)
        self.mean_nm = mean
        self.volumes = np.concatenate([UNITS[:, None, None] * y[C], UNITS_PER_D3 * y[M3][None]])
        self.exciton = y[M0] * epsilon(mean) * scale
        self.cadmium = cadmium(y)


def below(value: Array, wanted: Array | float) -> Array:
    """Shortfall of a quantity, in decades."""
    return np.maximum(np.log10(wanted) - np.log10(np.maximum(value, 1e-6)), 0)


def above(value: Array, wanted: Array | float) -> Array:
    """Excess of a quantity, in decades."""
    return np.maximum(np.log10(np.maximum(value, 1e-6)) - np.log10(wanted), 0)


def residuals(seen: Observed) -> Array:
    """By how much each observation is missed, weighted, shape (candidates, observations); 0 where it is met."""
    count = seen.exciton.shape[0]
    terms = [*_panels(seen), *_short_times(seen), *_x_rays(seen)]
    terms.append((10.0, np.sqrt(np.abs(seen.cadmium - 1).max(axis=1))))
    return np.concatenate([weight * np.asarray(term).reshape(count, -1) for weight, term in terms], axis=1)


def misfit(seen: Observed) -> Array:
    """How far the observations are missed, one number for each candidate."""
    return (residuals(seen) ** 2).sum(axis=1)


def _panels(seen: Observed) -> Terms:
    """Fig. 1 of the paper: ultraviolet and visible spectra at 14 s."""
    count, number = seen.exciton.shape[0], PANELS[0] * PANELS[1]
    panels = seen.families[:, :, :number].reshape(5, count, *PANELS)
    f437, f403, f467 = panels[3], panels[2], panels[4]
    exciton_nm = seen.exciton_nm[:, :number].reshape(count, *PANELS)
    exciton = seen.exciton[:, :number].reshape(count, *PANELS)
    inside, outside = f437[:, INSIDE], f437[:, ~INSIDE]
    rise = np.log10(np.maximum(inside[:, :, :-1], 1e-6)) - np.log10(np.maximum(inside[:, :, 1:], 1e-6))
    return [
        (2.45, below(inside[:, :, 0], 0.10)),
        (0.71, below(inside[:, :, :4], 0.05)),
        (1.73, below(inside[:, [0, -1], :3], 0.05)),  # at its edges, too, at several growth temperatures
        (2.83, above(outside, 0.0035)),
        # CdSe-437 grows with growth temperature; it is the dominant family; the exciton moves to the red.
        (12.0, np.maximum(0.02 - rise, 0)),
        (6.0, above(inside[:, -1, 3:5], np.array([0.40, 0.14]) * inside[:, -1, :1])),
        (1.0, above(f467, np.maximum(0.4 * f437, 0.012))),
        (1.0, above(np.maximum(f403, f467)[:, INSIDE, :3], 0.63 * inside[:, :, :3])),
        (0.71, above(np.maximum(f403, f467)[:, ~INSIDE], 0.01)),
        (0.55, np.maximum(-np.diff(OFFSETS_C) / 10 - (exciton_nm[:, :, :-1] - exciton_nm[:, :, 1:]), 0)),
        (1.0, below(exciton, 0.12)),
        (0.67, exciton_nm[:, 3, 0] - 527),
    ]


def _short_times(seen: Observed) -> Terms:
    """Fig. S2 and the text: spectra at 4.5 and 7.6 s."""
    first = PANELS[0] * PANELS[1]
    short, short_nm = seen.families[:, :, first : first + len(SHORT)], seen.exciton_nm[:, first : first + len(SHORT)]
    return [
        (0.67, short_nm[:, 1] - 490),
        (0.67, short_nm[:, 3] - 572),
        # At 4.5 s there are clusters at all three temperatures, and more than one family.
        (2.0, below(short[3, :, :3], 0.05)),
        (8.0, below(np.maximum(short[2, :, :3], short[4, :, :3]), 0.03)),
        # At 350 °C every family is there to be separated.
        (4.0, below(short[:, :, 2].T, np.array([0.012, 0.012, 0.028, 0.034, 0.034]))),
    ]


def _x_rays(seen: Observed) -> Terms:
    """Fig. 2: volumes of the species relative to that of CdSe-437, at 1.5 s and by nucleation temperature.

    The paper takes its 0.87, 0.94 and 1.02 nm for CdSe-403, -437 and -467, which have 0.79, 0.93 and 1.03 nm by
    their units; 0.87 nm is then CdSe-403 and CdSe-437 side by side. What is smaller than 0.8 nm it could not see.
    What is larger than CdSe-437 makes the shoulder; a crystal begins with 1.09 nm.
    """
    of = seen.volumes[:, :, -len(X_RAY_C) :]  # species, candidate, nucleation temperature
    f403, f437, f467, crystals = np.maximum(of[2:], 1e-9)
    resolved = of[2:].sum(axis=0)
    larger = (f467 + crystals) / f437
    cold, flat, shoulder, hot = slice(0, 1), slice(1, 4), slice(4, 6), slice(6, None)  # 190, 200…220, 230…240, 250… °C
    growing = np.diff(seen.mean_nm[:, -len(X_RAY_C) :][:, hot])
    return [
        (X, below(f403[:, cold] / f437[:, cold], 0.6)),
        (X, above(f403[:, cold] / f437[:, cold], 0.9)),
        (X, above(f403[:, flat] / f437[:, flat], 0.35)),
        (X, above(larger[:, cold], 0.2)),
        (X, above(larger[:, flat], 0.35)),
        (X, below(larger[:, shoulder], np.array([0.45, 1.0]))),
        (X, above(larger[:, shoulder], np.array([0.75, 1.6]))),
        (X, above(crystals[:, shoulder] / f467[:, shoulder], 1.0)),
        (X, below(crystals[:, hot] / f437[:, hot], np.array([1.0, 1.2, 1.5, 1.8]))),
        (X, below(crystals[:, hot] / f467[:, hot], 1.2)),
        (40 * X, np.maximum(0.005 - growing, 0)),
        (X, above(of[:2].sum(axis=0) / resolved, 0.25)),
        (X, below(resolved, 0.02)),
    ]
