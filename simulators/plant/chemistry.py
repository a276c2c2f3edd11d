"""How CdSe grows: released monomer, clusters in steps, nanocrystals continuously; every rate an Arrhenius law.

The mechanism is the one Palencia 2020 (doi:10.1039/d0nr05879c) argues for, written as rate equations::

    F        → M                     k_f[F]                      prompt release of monomer
    F        → P                     k_b[F]                      binding: precursor that releases slowly
    P        → M                     k_p[P]                      slow release of monomer
    12 P     → C350                  k_n[P]²                     nucleation
    C_i + Δn M → C_i+1               g_i[C_i][M]                 stepwise growth 350 → 380 → 403 → 437 → 467
    C467 + Δn M → NC                 g_5[C467][M]                onset of continuous growth
    C_i      → C_i-1 + Δn M          d_i·max(0, 1 − [M]/S_i)[C_i]  dissolution once monomer is depleted
    NC grow  dD/dt = k_G([M] − S_NC)                             reaction-limited, moments of the diameter

Fresh precursor lasts for hundredths of a second: how much of it becomes monomer at once, and how much is bound
first, is settled in the nucleation chamber, whatever the growth oven's temperature (docs/decisions/004).
No rule names a temperature window, a family's presence or an exciton's position: what accumulates where
comes out of the rates in ``cdse.toml``, which ``fit_cdse.py`` fitted to the published observations.
Concentrations are relative to the precursor's at the mixer; clusters and crystals are counted in particles.
Cadmium is conserved: F + P + M + Σ n_i C_i + n(NC) = 1.
"""

import tomllib
from bisect import bisect_right
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import odeint

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

STEP_UNITS = np.diff(np.append(UNITS, SEED_UNITS))  # taken up by each growth step
LOST_UNITS = np.diff(np.insert(UNITS, 0, 0.0))  # given back by each dissolution step
#: Below its seed's size a crystal does not shrink further; the rate fades out over this width.
_FADE_NM = 0.1

# Where each quantity stands in a state vector.
F, P, M = 0, 1, 2  # fresh precursor, bound precursor, monomer
C = slice(3, 8)
M0, M1, M2, M3 = 8, 9, 10, 11  # moments of the crystals' diameter: number, Σ D, Σ D², Σ D³
SIZE = 12

Parameters = dict[str, float]
Array = NDArray[np.float64]


def load_parameters(path: Path | None = None) -> Parameters:
    """Rate constants at the reference temperature and activation energies, as fitted."""
    with (path or Path(__file__).with_name("cdse.toml")).open("rb") as file:
        return tomllib.load(file)["parameters"]


class Rates:
    """Every rate constant at a temperature; arrays broadcast over temperatures and parameter sets.

    Args:
        parameters: as in ``cdse.toml``: ``log10_*`` at the reference temperature, ``*_kj_mol`` energies.
        temperature_k: temperatures, shape (n,).
    """

    REFERENCE_K = 553.15

    def __init__(self, parameters: Parameters, temperature_k: Array):
        p = parameters
        x = (1 / temperature_k - 1 / self.REFERENCE_K) / R_KJ_MOL_K

        def arrhenius(log10_at_reference: float, energy_kj_mol: float) -> Array:
            return np.exp(np.log(10) * log10_at_reference - energy_kj_mol * x)

        early = p["early_growth_kj_mol"]
        self._table = np.array(
            [
                arrhenius(p["log10_prompt"], p["prompt_kj_mol"]),
                arrhenius(p["log10_binding"], p["binding_kj_mol"]),
                arrhenius(p["log10_release"], p["release_kj_mol"]),
                arrhenius(p["log10_nucleation"], p["nucleation_kj_mol"]),
                arrhenius(p["log10_crystal_growth"], p["crystal_growth_kj_mol"]),
                arrhenius(p["log10_crystal_solubility"], p["crystal_solubility_kj_mol"]),
                arrhenius(p["log10_growth_350"], early),
                arrhenius(p["log10_growth_380"], early),
                arrhenius(p["log10_growth_403"], p["growth_403_kj_mol"]),
                arrhenius(p["log10_growth_437"], p["growth_437_kj_mol"]),
                arrhenius(p["log10_growth_467"], p["growth_467_kj_mol"]),
                *(arrhenius(p[f"log10_solubility_{nm}"], p["early_solubility_kj_mol"]) for nm in (350, 380, 403)),
                arrhenius(p["log10_solubility_437"], p["solubility_437_kj_mol"]),
                arrhenius(p["log10_solubility_467"], p["solubility_467_kj_mol"]),
                *(arrhenius(p[f"log10_dissolution_{nm}"], p["dissolution_kj_mol"]) for nm in FAMILIES_NM),
            ]
        )
        self._name_rows()

    def _name_rows(self) -> None:
        table = self._table
        self.prompt, self.binding, self.release, self.nucleation = table[:4]
        self.crystal_growth, self.crystal_solubility = table[4:6]
        self.growth, self.solubility, self.dissolution = table[6:11], table[11:16], table[16:21]

    def between(self, node: int, share: float) -> "Rates":
        """Rates between two neighbouring temperatures, ``share`` of the way from ``node`` to the next, as numbers."""
        rates = object.__new__(Rates)
        low, step = self._steps[node]
        rates._table = (low + share * step).tolist()
        rates._name_rows()
        return rates

    @cached_property
    def _steps(self) -> list[tuple[Array, Array]]:
        return list(zip(self._table.T[:-1].copy(), np.diff(self._table).T.copy(), strict=True))


def _stoichiometry() -> Array:
    """What each process does to each quantity, shape (12, 17).

    Processes: prompt release, binding, slow release, nucleation, growth of each family (5), dissolution of each
    family (5), and growth of the crystals in mean, square and cube of their diameter (3).
    """
    table = np.zeros((SIZE, 17))
    table[[F, M], 0] = -1, 1
    table[[F, P], 1] = -1, 1
    table[[P, M], 2] = -1, 1
    table[[P, C.start], 3] = -UNITS[0], 1
    for i in range(5):
        growth, dissolution = 4 + i, 9 + i
        table[[M, C.start + i], growth] = -STEP_UNITS[i], -1
        table[[M, C.start + i], dissolution] = LOST_UNITS[i], -1
        if i < 4:
            table[C.start + i + 1, growth] = 1
            table[C.start + i, dissolution + 1] = 1
    table[[M0, M1, M2, M3], 8] = SEED_NM ** np.arange(4)  # the last family becomes a crystal
    table[M1, 14], table[M2, 15], table[M3, 16] = 1, 2, 3
    table[M, 16] = -3 * UNITS_PER_D3
    return table


STOICHIOMETRY = _stoichiometry()


def derivative(y: Array, k: Rates) -> Array:
    """Time derivative of a state, per second; both of shape (12, …)."""
    # Numbers are reckoned with one by one three times as fast as arrays that hold one each.
    flux = np.array(_fluxes(y.tolist() if y.ndim == 1 else list(y), k))
    return np.tensordot(STOICHIOMETRY, flux, 1) if y.ndim > 1 else STOICHIOMETRY @ flux


def _fluxes(y: list[Any], k: Rates) -> list[Any]:
    """How fast each process goes, in the order of :func:`_stoichiometry`; of numbers or of arrays alike."""
    m, p = y[M], y[P]
    speed = crystal_speed(y, k)
    return [
        k.prompt * y[F],
        k.binding * y[F],
        k.release * p,
        k.nucleation * p * p,
        *[g * c * m for g, c in zip(k.growth, y[C], strict=True)],
        *[d * (m < s) * (1 - m / s) * c for d, s, c in zip(k.dissolution, k.solubility, y[C], strict=True)],
        speed * y[M0],
        speed * y[M1],
        speed * y[M2],
    ]


#: Where the terms of :func:`jacobian` stand: each process, and the quantity it depends on.
_DEPENDS = np.array(
    [(0, F), (1, F), (2, P), (3, P)]
    + [(4 + i, C.start + i) for i in range(5)]
    + [(4 + i, M) for i in range(5)]
    + [(9 + i, C.start + i) for i in range(5)]
    + [(9 + i, M) for i in range(5)]
    + [(14 + i, M0 + i) for i in range(3)]
    + [(14 + i, M) for i in range(3)]
).T


def jacobian(y: Array, k: Rates) -> Array:
    """How the derivative of one state depends on that state, shape (12, 12); an integrator finds its way by it.

    That crystals fade as they shrink is left out.
    """
    state = y.tolist()
    m, clusters, moments = state[M], state[C], state[M0:M3]
    dissolving = [(d * (m < s), s) for d, s in zip(k.dissolution, k.solubility, strict=True)]
    flux = np.zeros((17, SIZE))
    flux[*_DEPENDS] = [
        k.prompt,
        k.binding,
        k.release,
        2 * k.nucleation * state[P],
        *[g * m for g in k.growth],
        *[g * c for g, c in zip(k.growth, clusters, strict=True)],
        *[d * (1 - m / s) for d, s in dissolving],
        *[-d / s * c for (d, s), c in zip(dissolving, clusters, strict=True)],
        *[crystal_speed(state, k)] * 3,
        *[k.crystal_growth * moment for moment in moments],
    ]
    return STOICHIOMETRY @ flux


def crystal_speed(y: Any, k: Rates) -> Any:
    """Growth rate of the crystals' diameter, nm/s; negative while they dissolve. Of numbers or of arrays alike."""
    speed = k.crystal_growth * (y[M] - k.crystal_solubility)
    left = (y[M1] / (abs(y[M0]) + 1e-30) - SEED_NM) / _FADE_NM
    fading = (left >= 1) + (left > 0) * (left < 1) * left
    return speed * ((speed >= 0) + (speed < 0) * fading)


def cadmium(y: Array) -> Array:
    """All cadmium of a state, relative to the precursor at the mixer: 1, always."""
    return y[F] + y[P] + y[M] + np.tensordot(UNITS, y[C], 1) + UNITS_PER_D3 * y[M3]


def fresh() -> Array:
    """The state right after mixing: fresh precursor only."""
    y = np.zeros(SIZE)
    y[F] = 1.0
    return y


class CadmiumSelenide:
    """The chemistry of CdSe from a cadmium and a selenium precursor.

    Args:
        parameters: rate constants; those of ``cdse.toml`` when not given.

    Both reagents are needed one to one: what is in excess stays precursor. Plugs with the same history
    are computed once.
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
        y = self._react(tuple(np.round(history.time_s, 4)), tuple(np.round(history.temperature_c, 4)))
        return populations(y, usable, excess_mmol_l=cadmium_mmol_l - usable)

    def _integrate(self, time_s: tuple[float, ...], temperature_c: tuple[float, ...]) -> Array:
        rates = Rates(self._parameters, np.array(temperature_c) + 273.15)
        last = len(time_s) - 2

        @lru_cache(maxsize=1)  # asked for again at the same moment by each turn of an implicit step
        def rates_at(t: float) -> Rates:
            node = min(max(bisect_right(time_s, t) - 1, 0), last)
            step = time_s[node + 1] - time_s[node]
            return rates.between(node, (t - time_s[node]) / step if step > 0 else 0.0)

        def rhs(t: float, y: Array) -> Array:
            return derivative(y, rates_at(t))

        def jac(t: float, y: Array) -> Array:
            return jacobian(y, rates_at(t))

        # LSODA without a look at every step, of which there are hundreds.
        span = [time_s[0], time_s[-1]]
        y, told = odeint(
            rhs,
            fresh(),
            span,
            Dfun=jac,
            tfirst=True,
            tcrit=span[1:],
            rtol=1e-4,
            atol=3e-9,
            mxstep=50_000,
            full_output=True,
        )
        if told["message"] != "Integration successful." or not np.isfinite(y[-1]).all():
            raise ArithmeticError(f"the rate equations could not be integrated: {told['message']}")
        return y[-1]


def populations(y: Array, usable_mmol_l: float, excess_mmol_l: float = 0.0) -> Populations:
    """A relative state as concentrations."""
    number = max(float(y[M0]), 0.0)
    mean = float(y[M1]) / number if number > 1e-12 else float("nan")
    variance = float(y[M2]) / number - mean**2 if number > 1e-12 else float("nan")
    return Populations(
        precursor=float(y[F] + y[P]) * usable_mmol_l + excess_mmol_l,
        monomer=float(y[M]) * usable_mmol_l,
        clusters={nm: float(n * c) * usable_mmol_l for nm, n, c in zip(FAMILIES_NM, UNITS, y[C], strict=True)},
        crystals=float(UNITS_PER_D3 * y[M3]) * usable_mmol_l,
        diameter_nm=mean,
        diameter_sd_nm=float(np.sqrt(max(variance, 0.0))) if number > 1e-12 else float("nan"),
    )
