"""What a plug absorbs: line shapes in energy for precursor, clusters and nanocrystals.

Molar absorption at the first exciton and the sizing curve are those of Yu 2003 (doi:10.1021/cm034081k):
ε = 5857 D^2.65 per particle. The shapes of the higher transitions are plain guesses of a plausible
spectrum (bands that rise towards the blue, then a continuum); an analysis may not rely on them.
"""

import numpy as np
from scipy.special import erf

from flowlab.config import Material
from simulators.plant.chemistry import UNITS, UNITS_PER_D3
from simulators.plant.parts import Array, Chemistry, PlugHistory, Populations

HC_EV_NM = 1239.842
_FWHM = 2 * np.sqrt(2 * np.log(2))


class SizingTable:
    """Wavelength of the first exciton from the diameter: a material's sizing curve, inverted on a table."""

    def __init__(self, material: Material):
        if material.sizing is None or material.sizing.coefficients is None:
            raise ValueError(f"{material.name} has no sizing curve by wavelength: its excitons cannot be simulated")
        low, high = material.sizing.valid_nm
        # Beyond its range the curve is only continued far enough for the tails of a size distribution.
        self._wavelength_nm = np.linspace(low - 15, high + 15, 4000)
        self._diameter_nm = np.polyval(material.sizing.coefficients, self._wavelength_nm)

    def wavelength_nm(self, diameter_nm: Array | float) -> Array:
        """First exciton of a particle."""
        return np.interp(np.asarray(diameter_nm), self._diameter_nm, self._wavelength_nm)


def epsilon(diameter_nm: Array | float) -> Array:
    """Molar absorption coefficient at the first exciton, l mol⁻¹ cm⁻¹ (Yu 2003)."""
    return 5857 * np.asarray(diameter_nm) ** 2.65


def band(energy_ev: Array, centre_ev: float, sigma_ev: float) -> Array:
    """A Gaussian band of height 1."""
    return np.exp(-0.5 * ((energy_ev - centre_ev) / sigma_ev) ** 2)


def onset(energy_ev: Array, centre_ev: float, sigma_ev: float) -> Array:
    """A step from 0 to 1 with a soft edge: where a continuum sets in."""
    return 0.5 * (1 + erf((energy_ev - centre_ev) / (np.sqrt(2) * sigma_ev)))


class CadmiumSelenideAbsorption:
    """Absorbance of what the chemistry makes of a plug.

    Args:
        chemistry: gives the populations.
        material: gives the sizing curve.
        optical_path_mm: path through the optical cell.
    """

    CLUSTER_FWHM_EV = 0.117  # 18 nm at 437 nm
    CRYSTAL_LINE_EV = 0.045  # σ of a single crystal's line at reaction quench
    #: Spread of diameters that mean-field growth does not show, relative.
    UNRESOLVED_SPREAD = 0.045
    SCATTERING = 0.004  # at 500 nm, λ⁻⁴

    def __init__(self, chemistry: Chemistry, material: Material, optical_path_mm: float):
        self._chemistry = chemistry
        self._sizing = SizingTable(material)
        self._path_cm = optical_path_mm / 10

    def absorbance(self, plug: PlugHistory, wavelength_nm: Array) -> Array:
        """Decadic absorbance, shape of ``wavelength_nm``."""
        found = self._chemistry.react(plug)
        energy = HC_EV_NM / wavelength_nm
        return (
            self._precursor(found, energy)
            + self._clusters(found, energy)
            + self._crystals(found, energy)
            + self.SCATTERING * (found.crystals / 10.0) * self._path_cm * (500.0 / wavelength_nm) ** 4
        )

    def absorbed_shares(self, plug: PlugHistory, wavelength_nm: float) -> tuple[float, float]:
        """Shares of the light at a wavelength that the crystals absorb, and that the clusters absorb."""
        found = self._chemistry.react(plug)
        energy = np.array([HC_EV_NM / wavelength_nm])
        crystals, clusters = float(self._crystals(found, energy)[0]), float(self._clusters(found, energy)[0])
        total = crystals + clusters + float(self._precursor(found, energy)[0])
        per_absorbance = (1 - 10.0**-total) / total if total > 0 else 0.0
        return crystals * per_absorbance, clusters * per_absorbance

    def _precursor(self, found: Populations, energy: Array) -> Array:
        # An edge in the UV with an exponential tail, 0.18 per mmol/l and cm at 4.6 eV (270 nm).
        edge = np.minimum(0.18 * np.exp((energy - 4.6) / 0.13), 0.72)
        return (found.precursor + 0.5 * found.monomer) * self._path_cm * edge

    def _clusters(self, found: Populations, energy: Array) -> Array:
        total = np.zeros_like(energy)
        sigma = self.CLUSTER_FWHM_EV / _FWHM
        for units, (family_nm, cadmium_mmol_l) in zip(UNITS, found.clusters.items(), strict=True):
            first = HC_EV_NM / family_nm
            height = epsilon((units / UNITS_PER_D3) ** (1 / 3)) * cadmium_mmol_l * 1e-3 / units * self._path_cm
            total += height * (
                band(energy, first, sigma)
                + 0.55 * band(energy, first + 0.40, 1.8 * sigma)
                + 1.2 * onset(energy, first + 0.75, 0.16)
                + 1.8 * onset(energy, first + 1.35, 0.30)
            )
        return total

    def _crystals(self, found: Populations, energy: Array) -> Array:
        exciton = self.exciton(found)
        if exciton is None:
            return np.zeros_like(energy)
        first, sigma, height = exciton
        return height * (
            band(energy, first, sigma)
            + 0.35 * band(energy, first + 0.18, 1.9 * sigma)
            + 0.9 * onset(energy, first + 0.46, 0.24)
            + 1.1 * onset(energy, first + 0.95, 0.30)
            + 1.6 * onset(energy, first + 1.45, 0.40)
        )

    def exciton(self, found: Populations) -> tuple[float, float, float] | None:
        """Energy in eV, σ in eV and height of the crystals' first exciton; None when there are no crystals."""
        if not found.crystals > 1e-6:
            return None
        mean = found.diameter_nm
        spread = np.hypot(found.diameter_sd_nm, self.UNRESOLVED_SPREAD * mean)
        # Absorption weights a size by ε: the maximum lies at the mean of D weighted with D^2.65, to first order.
        centre = mean + 2.65 * spread**2 / mean
        energies = HC_EV_NM / self._sizing.wavelength_nm(np.array([centre - spread, centre, centre + spread]))
        inhomogeneous = float(energies[0] - energies[2]) / 2
        particles_mol_l = found.crystals * 1e-3 / (UNITS_PER_D3 * (mean**3 + 3 * mean * spread**2))
        sigma = float(np.hypot(inhomogeneous, self.CRYSTAL_LINE_EV))
        # A broader distribution keeps the band's area and loses height.
        narrow = self.CRYSTAL_LINE_EV * 1.6
        height = float(epsilon(centre)) * particles_mol_l * self._path_cm * narrow / max(sigma, narrow)
        return float(energies[1]), sigma, height

    def exciton_of(self, plug: PlugHistory) -> tuple[float, float, float] | None:
        """The same as :meth:`exciton`, of what is in a plug."""
        return self.exciton(self._chemistry.react(plug))

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Populations, and where the first exciton really is."""
        found = self._chemistry.react(plug)
        exciton = self.exciton(found)
        return {
            "precursor_mmol_l": found.precursor,
            "monomer_mmol_l": found.monomer,
            "clusters_mmol_l": {str(nm): value for nm, value in found.clusters.items()},
            "crystals_mmol_l": found.crystals,
            "diameter_nm": None if exciton is None else found.diameter_nm,
            "exciton_nm": None if exciton is None else HC_EV_NM / exciton[0],
        }
