"""What the parts of a plant hand to one another."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PlugHistory:
    """What a plug of liquid went through, from the mixer to where it is looked at.

    Attributes:
        time_s: plant seconds since the streams met, shape (n,), rising from 0.
        temperature_c: temperature of the liquid at those times, shape (n,); linear in between.
        concentration_mmol_l: of each reagent right after mixing, by name.
        residence_s: time from the mixer to the end of the growth oven, so far.
        nucleation_c: mean wall temperature that it saw in the nucleation chamber; nan when it was not there.
        growth_c: likewise in the growth oven.
    """

    time_s: Array
    temperature_c: Array
    concentration_mmol_l: dict[str, float]
    residence_s: float
    nucleation_c: float
    growth_c: float


@dataclass(frozen=True)
class Populations:
    """What is in a plug: every species with its concentration in mmol of cadmium per litre.

    Attributes:
        precursor: cadmium precursor that has not reacted, whether it will find selenium or not.
        monomer: released monomer.
        clusters: cadmium in each family of clusters, by the family's wavelength in nm.
        crystals: cadmium in nanocrystals.
        diameter_nm: number-mean diameter of the nanocrystals; nan when there are none.
        diameter_sd_nm: standard deviation of their diameters.
    """

    precursor: float
    monomer: float
    clusters: dict[int, float]
    crystals: float
    diameter_nm: float
    diameter_sd_nm: float

    @property
    def cadmium(self) -> float:
        """All cadmium, mmol/l."""
        return self.precursor + self.monomer + sum(self.clusters.values()) + self.crystals


class Chemistry(Protocol):
    """Turns a history into populations."""

    def react(self, history: PlugHistory) -> Populations:
        """Populations of a plug at the end of its history."""
        ...


class Emitter(Protocol):
    """Turns what is in a plug into what it emits when light shines on it."""

    def emission(self, plug: PlugHistory, wavelength_nm: Array, excitation_nm: float) -> Array:
        """Light emitted at each wavelength, shape of ``wavelength_nm``.

        1 is the maximum of a band of 0.12 eV full width when all light of ``excitation_nm`` is absorbed and emitted.
        """
        ...

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Where the emission really is: ``emission_nm`` and ``emission_fwhm_nm``, None when there is none."""
        ...


class Absorber(Protocol):
    """Turns what is in a plug into its absorbance."""

    def absorbance(self, plug: PlugHistory, wavelength_nm: Array) -> Array:
        """Decadic absorbance through the optical cell, shape of ``wavelength_nm``; nan where it is not known."""
        ...

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """What is really there, for comparison with what an analysis says."""
        ...


class Scatterer(Protocol):
    """Turns what is in a plug into how it scatters and attenuates X-rays."""

    def cross_section_per_cm(self, plug: PlugHistory, q_per_nm: Array) -> Array:
        """Differential cross-section per volume dΣ/dΩ of the liquid, in cm⁻¹, shape of ``q_per_nm``."""
        ...

    def attenuation_per_cm(self, plug: PlugHistory) -> float:
        """Linear attenuation coefficient of the liquid."""
        ...

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """What is really there, for comparison with what an analysis says."""
        ...
