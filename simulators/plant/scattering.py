"""What a plug scatters: spheres of clusters and nanocrystals, the precursor's mesophase, the solvent; in cm⁻¹.

The spheres are on an absolute scale because composition and densities give it: per volume of liquid,
``dΣ/dΩ = Σ n V² Δρ² P(q)`` with ``P(q) = [3 (sin x − x cos x)/x³]²``, ``x = qR``. Ligands hardly differ from
the solvent in density and are left out; at some 1e-4 of the volume the particles do not see one another (structure
factor 1).

The cadmium precursor orders in lamellae (Bragg peaks at q and 2q, d = 3.41 nm) that melt by 100 °C, and shows a broad
maximum at 0.25 nm⁻¹ (Palencia 2020, doi:10.1039/d0nr05879c, Fig. 3). What the paper does not say is assumed here, and
no analysis may rely on it: how high these features are, how fast they melt (0.1 s) and come back (10 min), and that the
broad maximum melts above 100 °C. Melting follows the plug's own history: a blank that passed ovens of 100 °C is still
molten when it reaches the X-ray cell, although it is cold again by then.
"""

import math
from dataclasses import dataclass

import numpy as np

from simulators.plant.chemistry import UNITS, UNITS_PER_D3, UNITS_PER_NM3
from simulators.plant.optics import CadmiumSelenideAbsorption
from simulators.plant.parts import Array, Chemistry, PlugHistory, Populations

#: Classical radius of the electron.
ELECTRON_RADIUS_NM = 2.8179403e-6
AVOGADRO = 6.02214076e23
CM_PER_NM = 1e-7

# At 12.4 keV, 0.26 keV below the K edge of selenium: scattering electrons per formula unit, Z + f′ (34 − 3.4 for Se,
# 48 − 0.3 for Cd), and mass attenuation coefficients in cm²/g (Chantler 2000, Elam 2002).
ELECTRONS_CDSE = 78.3
CADMIUM_CM2_G, SELENIUM_CM2_G = 69.6, 24.5
CADMIUM_G_MOL, SELENIUM_G_MOL = 112.41, 78.97
# Octadecene, C18H36, 0.789 g/cm³.
SOLVENT_ELECTRONS_NM3 = 0.789 / 252.48 * AVOGADRO * 1e-21 * 144
SOLVENT_PER_CM = 0.926  # attenuation
CONTRAST_PER_NM2 = ELECTRON_RADIUS_NM * (UNITS_PER_NM3 * ELECTRONS_CDSE - SOLVENT_ELECTRONS_NM3)

#: Standard deviations and weights by which a size distribution is summed (Gauss–Hermite).
_SPREAD, _SHARE = np.polynomial.hermite_e.hermegauss(21)


def sphere_form_factor(q_per_nm: Array, radius_nm: Array) -> Array:
    """P(q) of homogeneous spheres, 1 at q = 0; shape (radii, q)."""
    x = np.maximum(np.outer(radius_nm, q_per_nm), 1e-3)  # below, 1 − x²/5 is 1 within 2e-7
    return (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2


@dataclass(frozen=True)
class Spheres:
    """Spheres in a liquid.

    Attributes:
        diameter_nm: shape (n,).
        units_mmol_l: formula units in spheres of each diameter, in mmol per litre, shape (n,).
    """

    diameter_nm: Array
    units_mmol_l: Array

    def cross_section_per_cm(self, q_per_nm: Array) -> Array:
        """dΣ/dΩ in cm⁻¹, shape of ``q_per_nm``."""
        volume_nm3 = np.pi / 6 * self.diameter_nm**3
        fraction = self.units_mmol_l * 1e-6 * AVOGADRO * 1e-21 / UNITS_PER_NM3  # of the liquid's volume
        forward_per_nm = fraction * volume_nm3 * CONTRAST_PER_NM2**2
        return (forward_per_nm / CM_PER_NM) @ sphere_form_factor(q_per_nm, self.diameter_nm / 2)


def spheres(found: Populations) -> Spheres:
    """Every sphere of the populations: clusters of one size each, crystals with their distribution of diameters."""
    diameters = [(UNITS / UNITS_PER_D3) ** (1 / 3)]
    amounts = [np.array(list(found.clusters.values()))]
    if found.crystals > 1e-9:
        # A normal distribution with the moments of the chemistry and the spread that mean-field growth does not show.
        sigma = np.hypot(found.diameter_sd_nm, CadmiumSelenideAbsorption.UNRESOLVED_SPREAD * found.diameter_nm)
        diameter = np.maximum(found.diameter_nm + sigma * _SPREAD, 0.2 * found.diameter_nm)
        units = _SHARE * diameter**3
        diameters.append(diameter)
        amounts.append(found.crystals * units / units.sum())
    return Spheres(np.concatenate(diameters), np.maximum(np.concatenate(amounts), 0.0))


@dataclass(frozen=True)
class Melting:
    """How far something is ordered: all of it up to one temperature, none from another on.

    Attributes:
        ordered_c: highest temperature at which all of it is ordered.
        gone_c: lowest temperature at which nothing is.
        melts_s: time constant of melting.
        returns_s: time constant of ordering again.
    """

    ordered_c: float
    gone_c: float
    melts_s: float = 0.1
    returns_s: float = 600.0

    def after(self, plug: PlugHistory) -> float:
        """Share that is ordered at the end of a history; all is when the streams meet."""
        mean_c = (plug.temperature_c[1:] + plug.temperature_c[:-1]) / 2
        lasting = np.clip((self.gone_c - mean_c) / (self.gone_c - self.ordered_c), 0, 1)
        order = 1.0
        for goal, dt_s in zip(lasting.tolist(), np.diff(plug.time_s).tolist(), strict=True):
            order = goal + (order - goal) * math.exp(-dt_s / (self.melts_s if goal < order else self.returns_s))
        return order


class CadmiumSelenideScattering:
    """Scattering and attenuation of what the chemistry makes of a plug.

    Args:
        chemistry: gives the populations.
    """

    D_SPACING_NM = 3.41
    LAMELLAE = Melting(ordered_c=25.0, gone_c=95.0)
    AGGREGATES = Melting(ordered_c=100.0, gone_c=180.0)
    # Heights in cm⁻¹ for 10 mmol/l of precursor, all of it ordered; widths σ in nm⁻¹.
    BRAGG_HEIGHTS = (0.060, 0.018)
    BRAGG_SIGMA = 0.030
    AGGREGATE_HEIGHT = 0.060
    AGGREGATE_Q = 0.25
    #: Density fluctuations of a liquid alkane, flat at small angles: (ρ/ρ_water)²·(κ/κ_water) of water's 0.0163 cm⁻¹.
    SOLVENT_HEIGHT = 0.0187

    def __init__(self, chemistry: Chemistry):
        self._chemistry = chemistry

    def cross_section_per_cm(self, plug: PlugHistory, q_per_nm: Array) -> Array:
        """dΣ/dΩ of the liquid, solvent included, in cm⁻¹; shape of ``q_per_nm``."""
        found = self._chemistry.react(plug)
        return (
            self.solvent(q_per_nm)
            + spheres(found).cross_section_per_cm(q_per_nm)
            + found.precursor / 10.0 * self.LAMELLAE.after(plug) * self.lamellae(q_per_nm)
            + found.precursor / 10.0 * self.AGGREGATES.after(plug) * self.aggregates(q_per_nm)
        )

    def solvent(self, q_per_nm: Array) -> Array:
        """dΣ/dΩ of the solvent; it rises towards the liquid's own maximum beyond 10 nm⁻¹."""
        return self.SOLVENT_HEIGHT * (1 + (q_per_nm / 9.0) ** 2)

    def lamellae(self, q_per_nm: Array) -> Array:
        """Bragg peaks of the first two orders, for 10 mmol/l."""
        first = 2 * np.pi / self.D_SPACING_NM
        peaks = [
            height * np.exp(-0.5 * ((q_per_nm - order * first) / self.BRAGG_SIGMA) ** 2)
            for order, height in enumerate(self.BRAGG_HEIGHTS, start=1)
        ]
        return np.sum(peaks, axis=0)

    def aggregates(self, q_per_nm: Array) -> Array:
        """A broad maximum, for 10 mmol/l: the form of Teubner and Strey 1987 (doi:10.1063/1.453006)."""
        x2 = (q_per_nm / self.AGGREGATE_Q) ** 2 / 2  # 1/((1 − x²)² + x²) is highest, 4/3, at x² = 1/2
        return self.AGGREGATE_HEIGHT * 0.75 / ((1 - x2) ** 2 + x2)

    def attenuation_per_cm(self, plug: PlugHistory) -> float:
        """Linear attenuation coefficient of the liquid."""
        cadmium, selenium = (plug.concentration_mmol_l.get(name, 0.0) * 1e-6 for name in ("cadmium", "selenium"))
        return SOLVENT_PER_CM + cadmium * CADMIUM_G_MOL * CADMIUM_CM2_G + selenium * SELENIUM_G_MOL * SELENIUM_CM2_G

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Populations with their radii, and how much of the mesophase is left."""
        found = self._chemistry.react(plug)
        families = (UNITS / UNITS_PER_D3) ** (1 / 3) / 2
        ordered = found.precursor > 0
        return {
            "precursor_mmol_l": found.precursor,
            "clusters_mmol_l": {str(nm): value for nm, value in found.clusters.items()},
            "clusters_radius_nm": {str(nm): float(r) for nm, r in zip(found.clusters, families, strict=True)},
            "crystals_mmol_l": found.crystals,
            "crystals_radius_nm": found.diameter_nm / 2 if found.crystals > 1e-6 else None,
            "crystals_radius_sd_nm": found.diameter_sd_nm / 2 if found.crystals > 1e-6 else None,
            "d_spacing_nm": self.D_SPACING_NM if ordered else None,
            "lamellar_order": self.LAMELLAE.after(plug) if ordered else 0.0,
            "aggregate_order": self.AGGREGATES.after(plug) if ordered else 0.0,
        }
