"""Made-up series of spectra whose every band is known: what the analysis is marked against.

The line shapes are made here and nowhere else: nothing of the plant, and nothing of the analysis but the
types it takes. Bands are Voigt-like in energy; crystals have higher transitions and a continuum; beneath
lie scattering and an offset; amplitudes jump from spectrum to spectrum, as in aliquots and behind bubbles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from flowlab.analysis.absorbance import Counts

Array = NDArray[np.float64]
Kind = Literal["msc", "nc", "other", "artefact"]

HC_EV_NM = 1239.842
PIXELS = 2048
#: Families as published: CdSe by Palencia 2020, CdTe by Mech 2023 and what it cites. Name and wavelength in nm.
FAMILIES = {
    "CdSe": {f"CdSe-{nm}": float(nm) for nm in (350, 380, 403, 437, 467)},
    "CdTe": {f"CdTe-{nm}": float(nm) for nm in (373, 417, 449, 469, 487, 506)},
}
_LIGHT, _DARK = 40_000.0, 1500.0


@dataclass(frozen=True, eq=False)
class Band:
    """A band that was put into a series.

    Attributes:
        kind: msc (cluster), nc (a crystal's first exciton), other (higher transitions of crystals, precursor complex),
            artefact.
        transition: E1 or E2 of a cluster or a crystal, else None.
        family: of a cluster.
        wavelength_nm: of its centre in each spectrum.
        height: in each spectrum, absorbance; 0 where it is absent.
    """

    kind: Kind
    transition: str | None
    family: str | None
    wavelength_nm: Array
    height: Array


@dataclass(frozen=True)
class Series:
    """Spectra of one scan, and the truth about them.

    Attributes:
        name: which kind of series.
        material: CdSe or CdTe.
        wavelength_nm: shape (2048,).
        noise: standard deviation of the absorbance of a pixel where nothing absorbs.
        dark: counts.
        reference: counts.
        samples: counts of each spectrum.
        absorbance: of each spectrum without noise, shape (spectra, 2048).
        bands: what was put in.
    """

    name: str
    material: str
    wavelength_nm: Array
    noise: float
    dark: Counts
    reference: Counts
    samples: list[Counts]
    absorbance: Array
    bands: list[Band]


class _Mixture:
    """A series in the making: bands are added, then amplitudes, scattering and noise."""

    def __init__(self, random: np.random.Generator, material: str):
        self.random, self.material = random, material
        self.count = int(random.integers(8, 21))
        low, high = random.uniform(295.0, 325.0), random.uniform(720.0, 800.0)
        pixel = np.linspace(0.0, 1.0, PIXELS)
        self.wavelength_nm = low + (high - low) * (pixel - random.uniform(-0.08, 0.08) * pixel * (1 - pixel))
        self.energy_ev = HC_EV_NM / self.wavelength_nm
        self.value = np.zeros((self.count, PIXELS))
        self.bands: list[Band] = []
        self.noise = float(np.exp(random.uniform(np.log(3e-4), np.log(3e-3))))
        self.steps = np.linspace(0.0, 1.0, self.count)

    def line(self, centre_ev: Array, fwhm_ev: Array | float, lorentzian: float) -> Array:
        """Lines of height 1: a Gaussian with some of a Lorentzian, shape (spectra, pixels)."""
        x = (self.energy_ev[None, :] - centre_ev[:, None]) / np.broadcast_to(fwhm_ev, centre_ev.shape)[:, None]
        return (1 - lorentzian) * np.exp(-4 * np.log(2) * x**2) + lorentzian / (1 + 4 * x**2)

    def cluster(self, family: str, strongest: float | None = None, second_ev: float | None = None) -> None:
        """A magic-size cluster: it comes or goes, and does not move; with its own second transition.

        That of CdSe-437 does not lie under CdSe-403, where nobody could tell the two apart.
        """
        random, count = self.random, self.count
        nominal = FAMILIES[self.material][family] + random.normal(0.0, 0.5)
        first = np.full(count, HC_EV_NM / nominal)
        strongest = float(np.exp(random.uniform(np.log(0.035), np.log(0.3)))) if strongest is None else strongest
        height = strongest * self._history()
        self._add("msc", "E1", family, first, random.uniform(0.08, 0.13), height, random.uniform(0.0, 0.2))
        second = first + (random.uniform(0.35, 0.6) if second_ev is None else second_ev)
        share = random.uniform(0.25, 0.7)
        self._add("msc", "E2", family, second, random.uniform(0.13, 0.25), share * height, 0.1)
        self._continuum(first + 0.45, random.uniform(0.3, 1.0) * height)

    def _history(self) -> Array:
        """How a cluster's amount goes with time: steady, growing, fading, or there for a part of the series."""
        random, t = self.random, self.steps
        match random.integers(4):
            case 0:
                return np.ones(self.count)
            case 1:
                return 0.3 + 0.7 * t ** random.uniform(0.5, 1.5)
            case 2:
                return np.exp(-random.uniform(0.3, 1.2) * t)
            case _:
                length = int(random.integers(6, self.count + 1))
                begin = int(random.integers(0, self.count - length + 1))
                inside = (np.arange(self.count) >= begin) & (np.arange(self.count) < begin + length)
                return np.where(inside, 1.0, 0.0)

    def crystal(self, first_nm: Array, strongest: float | None = None, fwhm_ev: float | None = None) -> None:
        """A nanocrystal: first exciton, higher transitions that move with it, and the continuum above.

        Measured crystals (cdse-hot-injection) show hardly any structure beyond the first exciton; those made here
        have a second transition that may be sharp, and a third that is broad.
        """
        random, first = self.random, HC_EV_NM / first_nm
        strongest = random.uniform(0.1, 0.6) if strongest is None else strongest
        fwhm = random.uniform(0.13, 0.21) if fwhm_ev is None else fwhm_ev
        fwhm = fwhm * np.linspace(1.0, random.uniform(0.85, 1.1), self.count)
        height = strongest * np.linspace(random.uniform(0.5, 1.0), 1.0, self.count)
        self._add("nc", "E1", None, first, fwhm, height, random.uniform(0.0, 0.15))
        distance = random.uniform(0.16, 0.28)
        share = random.uniform(0.3, 0.9)
        self._add("other", "E2", None, first + distance, fwhm * random.uniform(1.1, 1.7), share * height, 0.1)
        if random.random() < 0.6:
            distance += random.uniform(0.2, 0.35)
            share = random.uniform(0.1, 0.4)
            self._add("other", "E2", None, first + distance, fwhm * random.uniform(1.8, 2.8), share * height, 0.1)
        if random.random() < 0.6:
            self._edge(first + random.uniform(0.0, 0.08), fwhm, random.uniform(0.2, 1.2) * height)
        self._continuum(first + 0.3, random.uniform(0.8, 2.0) * height)

    def broad(self, centre_nm: float, fwhm_ev: float, strongest: float) -> None:
        """A fixed broad band: the precursor complex of Mech 2023, which is no cluster."""
        growth = np.linspace(self.random.uniform(0.6, 1.0), 1.0, self.count)
        centre = np.full(self.count, HC_EV_NM / centre_nm)
        self._add("other", None, None, centre, fwhm_ev, strongest * growth, self.random.uniform(0.0, 0.2))
        self._continuum(centre + 0.5, self.random.uniform(0.5, 1.5) * strongest * growth)

    def _add(
        self,
        kind: Kind,
        transition: str | None,
        family: str | None,
        centre_ev: Array,
        fwhm_ev: Array | float,
        height: Array,
        lorentzian: float,
    ) -> None:
        self.value += height[:, None] * self.line(centre_ev, fwhm_ev, lorentzian)
        self.bands.append(Band(kind, transition, family, HC_EV_NM / centre_ev, height))

    def _edge(self, onset_ev: Array, fwhm_ev: Array, height: Array) -> None:
        """Transitions too close to be seen apart: measured crystals often show a shoulder on a rise, and no valley."""
        sigma = fwhm_ev / 2.3548
        self.value += height[:, None] * ndtr((self.energy_ev[None, :] - onset_ev[:, None]) / sigma[:, None])
        # Its curvature is highest one σ above the onset.
        self.bands.append(Band("other", "E2", None, HC_EV_NM / (onset_ev + sigma), height))

    def _continuum(self, onset_ev: Array, height: Array) -> None:
        """A rise to the blue with a soft edge: the density of states of many transitions."""
        soft = 0.1 * np.logaddexp(0.0, (self.energy_ev[None, :] - onset_ev[:, None]) / 0.1)
        self.value += height[:, None] * soft ** self.random.uniform(1.0, 1.6)

    def dilute(self) -> None:
        """Amplitudes jump, as of aliquots that are diluted by hand; a bubble takes most of the sample's light path."""
        random = self.random
        factor = np.ones(self.count)
        if random.random() < 0.5:
            factor = np.exp(random.normal(0.0, random.uniform(0.05, 0.3), self.count))
        if random.random() < 0.25:
            factor[random.integers(self.count)] *= random.uniform(0.15, 0.5)
        self.value *= factor[:, None]
        self.bands = [Band(b.kind, b.transition, b.family, b.wavelength_nm, b.height * factor) for b in self.bands]

    def scatter(self) -> None:
        """Turbidity, which falls with the fourth power of the wavelength or less, and an offset."""
        random = self.random
        power = random.uniform(1.0, 4.0)
        turbid = random.uniform(0.0, 0.05) * np.exp(random.normal(0.0, 0.3, self.count))
        self.value += turbid[:, None] * (450.0 / self.wavelength_nm[None, :]) ** power
        self.value += np.clip(random.normal(0.0, 0.005, self.count), -0.015, 0.015)[:, None]

    def artefact(self) -> None:
        """The instrument's own: sharp, fixed, and as high as the whole spectrum is; a line, or a line misplaced."""
        random = self.random
        families = list(FAMILIES[self.material].values())
        at_nm = random.choice(families) + random.normal(0, 1.5) if random.random() < 0.5 else random.uniform(370, 620)
        sigma_nm = random.uniform(1.5, 6.0) / 2.3548
        x = (self.wavelength_nm - at_nm) / sigma_nm
        shape = np.exp(-0.5 * x**2) if random.random() < 0.7 else -x * np.exp(0.5 - 0.5 * x**2)
        total = np.clip(self.value, 0.0, None).mean(axis=1)
        height = random.uniform(0.02, 0.08) * total / total.max()
        self.value += height[:, None] * shape[None, :]
        self.bands.append(Band("artefact", None, None, np.full(self.count, at_nm), height))

    def measured(self, name: str) -> Series:
        """Counts through a lamp's spectrum, with shot noise of sample and reference."""
        random = self.random
        lamp = 0.25 + np.exp(-0.5 * ((self.wavelength_nm - random.uniform(500, 600)) / random.uniform(90, 150)) ** 2)
        light = _LIGHT * lamp / lamp.max()
        # A pixel of median light has the absorbance noise that is asked for.
        shot = (self.noise * np.log(10)) ** 2 * float(np.median(light))

        def counted(absorbance: Array, scans: float) -> Counts:
            mean = light * 10.0**-absorbance
            err = np.sqrt(shot * mean / scans)
            return Counts(_DARK + random.normal(mean, err), err)

        dark = Counts(np.full(PIXELS, _DARK), np.full(PIXELS, 0.5))
        reference = counted(np.zeros(PIXELS), 5.0)
        samples = [counted(row, 1.0) for row in self.value]
        return Series(
            name, self.material, self.wavelength_nm, self.noise, dark, reference, samples, self.value, self.bands
        )

    def path(self, first_nm: float, last_nm: float) -> Array:
        """Positions of an exciton that moves fast at first and then more slowly, with a little scatter."""
        bend = self.random.uniform(0.3, 3.0)
        share = (1 - np.exp(-bend * self.steps)) / (1 - np.exp(-bend))
        return first_nm + (last_nm - first_nm) * share + self.random.normal(0.0, 0.2, self.count)


def _grown(mix: _Mixture) -> Array:
    """An exciton well to the red of the clusters: it grows, or now and then dissolves."""
    first = mix.random.uniform(495.0, 530.0)
    last = first + mix.random.uniform(15.0, 60.0)
    return mix.path(first, last) if mix.random.random() < 0.85 else mix.path(last, first)


def _cdse_437(mix: _Mixture) -> None:
    mix.cluster("CdSe-437")
    mix.crystal(_grown(mix))


def _cdse_403_437(mix: _Mixture) -> None:
    mix.cluster("CdSe-403")
    mix.cluster("CdSe-437")
    mix.crystal(_grown(mix))


def _cdse_437_alone(mix: _Mixture) -> None:
    mix.cluster("CdSe-437")


def _crossing(mix: _Mixture) -> None:
    path = mix.path(mix.random.uniform(405.0, 428.0), mix.random.uniform(448.0, 500.0))
    mix.crystal(path if mix.random.random() < 0.85 else path[::-1])


def _slow(mix: _Mixture) -> None:
    first = mix.random.uniform(430.0, 560.0)
    mix.crystal(mix.path(first, first + mix.random.choice([-1.0, 1.0, 1.0]) * mix.random.uniform(3.0, 10.0)))


def _blank(mix: _Mixture) -> None:
    mix.value += 0.0


def _noisy(mix: _Mixture) -> None:
    mix.noise = mix.random.uniform(0.004, 0.012)
    mix.cluster("CdSe-437")
    mix.crystal(_grown(mix))


def _cdte_449(mix: _Mixture) -> None:
    mix.cluster("CdTe-449", second_ev=0.30)
    if mix.random.random() < 0.4:
        mix.crystal(mix.path(mix.random.uniform(510.0, 525.0), mix.random.uniform(530.0, 560.0)))


def _cdte_469(mix: _Mixture) -> None:
    mix.cluster("CdTe-469", second_ev=0.26)


def _cdte_both(mix: _Mixture) -> None:
    mix.cluster("CdTe-449", mix.random.uniform(0.06, 0.3), second_ev=0.30)
    mix.cluster("CdTe-469", mix.random.uniform(0.06, 0.3), second_ev=0.26)


def _complex(mix: _Mixture) -> None:
    mix.broad(mix.random.uniform(426.0, 434.0), mix.random.uniform(0.25, 0.45), mix.random.uniform(0.05, 0.5))
    if mix.random.random() < 0.4:
        mix.crystal(mix.path(mix.random.uniform(510.0, 525.0), mix.random.uniform(530.0, 560.0)))


def _artefacts(mix: _Mixture) -> None:
    if mix.random.random() < 0.8:
        mix.crystal(_grown(mix))
    else:
        mix.broad(mix.random.uniform(340.0, 380.0), 0.5, mix.random.uniform(0.2, 0.5))


def _artefacts_and_cluster(mix: _Mixture) -> None:
    mix.cluster("CdSe-437", mix.random.uniform(0.05, 0.3))
    mix.crystal(_grown(mix))


#: Kinds of series by name, their material, and what is in them.
KINDS: dict[str, tuple[str, Callable[[_Mixture], None]]] = {
    "CdSe 437": ("CdSe", _cdse_437),
    "CdSe 403 + 437": ("CdSe", _cdse_403_437),
    "CdSe 437 alone": ("CdSe", _cdse_437_alone),
    "crossing": ("CdSe", _crossing),
    "slow": ("CdSe", _slow),
    "blank": ("CdSe", _blank),
    "noisy": ("CdSe", _noisy),
    "CdTe 449": ("CdTe", _cdte_449),
    "CdTe 469": ("CdTe", _cdte_469),
    "CdTe 449 + 469": ("CdTe", _cdte_both),
    "complex": ("CdTe", _complex),
    "artefact": ("CdSe", _artefacts),
    "artefact + 437": ("CdSe", _artefacts_and_cluster),
}


def make_series(name: str, seed: int) -> Series:
    """A series of a kind in :data:`KINDS`; the same seed gives the same."""
    material, put_in = KINDS[name]
    mix = _Mixture(np.random.default_rng([seed, list(KINDS).index(name)]), material)
    put_in(mix)
    if name != "blank":
        mix.dilute()
    mix.scatter()
    if name.startswith("artefact"):
        for _ in range(int(mix.random.integers(1, 4))):
            mix.artefact()
    return mix.measured(name)
