"""How CdSe grows: released monomer, clusters in steps, nanocrystals continuously; every rate an Arrhenius law.

The mechanism is the one Palencia 2020 (doi:10.1039/d0nr05879c) argues for, written as rate equations::

    P        → M                     k_p[P]                      release of monomer
    12 P     → C350                  k_n[P]²                     nucleation
    C_i + Δn M → C_i+1               g_i[C_i][M]                 stepwise growth 350 → 380 → 403 → 437 → 467
    C467 + Δn M → NC                 g_5[C467][M]                onset of continuous growth
    C_i      → C_i-1 + Δn M          d_i·max(0, 1 − [M]/S_i)[C_i]  dissolution once monomer is depleted
    NC grow  dD/dt = k_G([M] − S_NC)                             reaction-limited, moments of the diameter

No rule names a temperature window, a family's presence or an exciton's position: what accumulates where
comes out of the rates in ``cdse.toml``, which ``fit_cdse.py`` fitted to the published observations.
Concentrations are relative to the precursor's at the mixer; clusters and crystals are counted in particles.
Cadmium is conserved: P + M + Σ n_i C_i + n(NC) = 1.
"""

import tomllib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from simulators.plant.parts import PlugHistory, Populations

R_KJ_MOL_K = 8.314462618e-3
FAMILIES_NM = (350, 380, 403, 437, 467)
#: Formula units in a particle of each family (Palencia 2020, Fig. 4).
UNITS = np.array([12.0, 25.0, 38.0, 61.0, 84.0])
#: Formula units per volume of a sphere of diameter D: n = UNITS_PER_NM3·π/6·D³.
UNITS_PER_NM3 = 18.31
UNITS_PER_D3 = UNITS_PER_NM3 * np.pi / 6
#: A nanocrystal begins with this many units.
SEED_UNITS = 100.0
SEED_NM = (SEED_UNITS / UNITS_PER_D3) ** (1 / 3)

_STEP_UNITS = np.diff(np.append(UNITS, SEED_UNITS))  # taken up by each growth step
_LOST_UNITS = np.diff(np.insert(UNITS, 0, 0.0))  # given back by each dissolution step
#: Below its seed's size a crystal does not shrink further; the rate fades out over this width.
_FADE_NM = 0.1

# Where each quantity stands in a state vector.
P, M = 0, 1
C = slice(2, 7)
M0, M1, M2, M3 = 7, 8, 9, 10  # moments of the crystals' diameter: number, Σ D, Σ D², Σ D³
SIZE = 11

Parameters = dict[str, float]


def load_parameters(path: Path | None = None) -> Parameters:
    """Rate constants at the reference temperature and activation energies, as fitted."""
    with (path or Path(__file__).with_name("cdse.toml")).open("rb") as file:
        return tomllib.load(file)["parameters"]


class Rates:
    """Every rate constant at a temperature; arrays broadcast over temperatures and parameter sets.

    Args:
        parameters: as in ``cdse.toml``: ``log10_*`` at the reference temperature, ``*_kj_mol`` energies.
        temperature_k: a temperature or an array of them.
    """

    REFERENCE_K = 553.15

    def __init__(self, parameters: Parameters, temperature_k: NDArray[np.float64] | float):
        p = parameters
        x = (1 / np.asarray(temperature_k) - 1 / self.REFERENCE_K) / R_KJ_MOL_K

        def arrhenius(log10_at_reference: float, energy_kj_mol: float) -> NDArray[np.float64]:
            return np.exp(np.log(10) * log10_at_reference - energy_kj_mol * x)

        early = p["early_growth_kj_mol"]
        self.release = arrhenius(p["log10_release"], p["release_kj_mol"])
        self.nucleation = arrhenius(p["log10_nucleation"], p["nucleation_kj_mol"])
        self.growth = np.array(
            [
                arrhenius(p["log10_growth_350"], early),
                arrhenius(p["log10_growth_380"], early),
                arrhenius(p["log10_growth_403"], early),
                arrhenius(p["log10_growth_437"], p["growth_437_kj_mol"]),
                arrhenius(p["log10_growth_467"], p["growth_467_kj_mol"]),
            ]
        )
        self.solubility = np.array(
            [arrhenius(p[f"log10_solubility_{nm}"], p["solubility_kj_mol"]) for nm in FAMILIES_NM]
        )
        self.dissolution = np.array(
            [arrhenius(p[f"log10_dissolution_{nm}"], p["dissolution_kj_mol"]) for nm in FAMILIES_NM]
        )
        self.crystal_growth = arrhenius(p["log10_crystal_growth"], p["crystal_growth_kj_mol"])
        self.crystal_solubility = arrhenius(p["log10_crystal_solubility"], p["crystal_solubility_kj_mol"])


def derivative(y: NDArray[np.float64], k: Rates) -> NDArray[np.float64]:
    """Time derivative of a state, per second; both of shape (11, …)."""
    m, c = y[M], y[C]
    released = k.release * y[P]
    nucleated = k.nucleation * y[P] ** 2
    grown = k.growth * c * m
    dissolved = k.dissolution * np.maximum(1 - m / k.solubility, 0) * c
    speed = crystal_speed(y, k)
    born = grown[4]

    dy = np.empty_like(y)
    dy[P] = -released - UNITS[0] * nucleated
    dy[C] = -grown - dissolved
    dy[2] += nucleated
    dy[3:7] += grown[:4]
    dy[2:6] += dissolved[1:]
    dy[M0] = born
    dy[M1] = speed * y[M0] + born * SEED_NM
    dy[M2] = 2 * speed * y[M1] + born * SEED_NM**2
    dy[M3] = 3 * speed * y[M2] + born * SEED_NM**3
    dy[M] = (
        released
        - np.tensordot(_STEP_UNITS, grown, 1)
        + np.tensordot(_LOST_UNITS, dissolved, 1)
        - UNITS_PER_D3 * 3 * speed * y[M2]
    )
    return dy


def crystal_speed(y: NDArray[np.float64], k: Rates) -> NDArray[np.float64]:
    """Growth rate of the crystals' diameter, nm/s; negative while they dissolve."""
    speed = k.crystal_growth * (y[M] - k.crystal_solubility)
    mean_nm = y[M1] / np.maximum(y[M0], 1e-30)
    return np.where(speed < 0, speed * np.clip((mean_nm - SEED_NM) / _FADE_NM, 0, 1), speed)


def cadmium(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """All cadmium of a state, relative to the precursor at the mixer: 1, always."""
    return y[P] + y[M] + np.tensordot(UNITS, y[C], 1) + UNITS_PER_D3 * y[M3]


def fresh() -> NDArray[np.float64]:
    """The state right after mixing: precursor only."""
    y = np.zeros(SIZE)
    y[P] = 1.0
    return y


class CadmiumSelenide:
    """The chemistry of CdSe from a cadmium and a selenium precursor.

    Args:
        parameters: rate constants; those of ``cdse.toml`` when not given.

    Both reagents are needed one to one: what is in excess stays precursor. Plugs whose histories are the
    same within a few hundredths of a degree are computed once.
    """

    REMEMBERED = 512

    def __init__(self, parameters: Parameters | None = None):
        self._parameters = parameters or load_parameters()
        self._react = lru_cache(maxsize=self.REMEMBERED)(self._integrate)

    def react(self, history: PlugHistory) -> Populations:
        """Populations at the end of a history."""
        cadmium_mmol_l = history.concentration_mmol_l.get("cadmium", 0.0)
        usable = min(cadmium_mmol_l, history.concentration_mmol_l.get("selenium", 0.0))
        if usable <= 0.0 or history.time_s[-1] <= 0.0:
            return Populations(cadmium_mmol_l, 0.0, dict.fromkeys(FAMILIES_NM, 0.0), 0.0, float("nan"), float("nan"))
        times = np.round(history.time_s, 3)
        y = self._react(tuple(times), tuple(np.round(history.temperature_c / 0.04) * 0.04))
        return populations(y, usable, excess_mmol_l=cadmium_mmol_l - usable)

    def _integrate(self, time_s: tuple[float, ...], temperature_c: tuple[float, ...]) -> NDArray[np.float64]:
        times, kelvin = np.array(time_s), np.array(temperature_c) + 273.15

        def rhs(t: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
            return derivative(y, Rates(self._parameters, float(np.interp(t, times, kelvin))))

        solution = solve_ivp(rhs, (times[0], times[-1]), fresh(), method="LSODA", rtol=1e-5, atol=1e-9)
        if not solution.success:
            raise ArithmeticError(f"the rate equations could not be integrated: {solution.message}")
        return solution.y[:, -1]


def populations(y: NDArray[np.float64], usable_mmol_l: float, excess_mmol_l: float = 0.0) -> Populations:
    """A relative state as concentrations."""
    number = max(float(y[M0]), 0.0)
    mean = float(y[M1]) / number if number > 1e-12 else float("nan")
    variance = float(y[M2]) / number - mean**2 if number > 1e-12 else float("nan")
    return Populations(
        precursor=float(y[P]) * usable_mmol_l + excess_mmol_l,
        monomer=float(y[M]) * usable_mmol_l,
        clusters={nm: float(n * c) * usable_mmol_l for nm, n, c in zip(FAMILIES_NM, UNITS, y[C], strict=True)},
        crystals=float(UNITS_PER_D3 * y[M3]) * usable_mmol_l,
        diameter_nm=mean,
        diameter_sd_nm=float(np.sqrt(max(variance, 0.0))) if number > 1e-12 else float("nan"),
    )
