"""Fit the rate constants in ``cdse.toml`` to what Palencia 2020 reports; a record of how they came about.

    python -m simulators.plant.fit_cdse --generations 500 --out simulators/plant/cdse.toml

Differential evolution over the parameters of :mod:`simulators.plant.chemistry`, all candidates and all
experiments advanced at once by a Rosenbrock–W scheme. It starts from the parameters that are there; an
hour on one core improves little on them. The observations are the UV-vis lines of the paper
(doi:10.1039/d0nr05879c): the nucleation window of CdSe-437 at 14 s, families at 4.5 s, positions of the
first exciton. Nothing of this is used when the plant runs.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, OptimizeResult, differential_evolution

from flowlab.config import load_instrument, load_material
from simulators.plant.chemistry import (
    LOST_UNITS,
    M0,
    M1,
    M2,
    M3,
    SEED_NM,
    SIZE,
    STEP_UNITS,
    UNITS,
    UNITS_PER_D3,
    C,
    M,
    P,
    Rates,
    cadmium,
    crystal_speed,
    derivative,
    load_parameters,
)
from simulators.plant.optics import CadmiumSelenideAbsorption, SizingTable, epsilon

Array = NDArray[np.float64]

NUCLEATION_C = np.arange(250.0, 330.0, 10.0)
OFFSETS_C = np.array([0.0, -10.0, -30.0, -50.0, -70.0, -90.0])
PANELS = (len(NUCLEATION_C), len(OFFSETS_C))
INSIDE = (NUCLEATION_C >= 270) & (NUCLEATION_C <= 300)
#: Reaction times other than 14 s, all at T_growth = T_nuc: (temperature, time).
SHORT = [(260.0, 4.5), (280.0, 4.5), (350.0, 4.5), (350.0, 7.6)]
#: Steps in each section. With half as many the scheme still follows the parameters in use, with a quarter it
#: does not; tests hold it against the plant's own integrator.
STEPS = {"nucleation": 160, "growth": 800, "transfer": 48}

_AMBIENT_K = 296.15
_CONCENTRATION_MOL_L, _PATH_CM = 10e-3, 0.1


def experiments() -> Array:
    """Rows of nucleation °C, growth °C, reaction time s: the panels of Fig. 1, then the short times."""
    rows = [(t, t + offset, 14.0) for t in NUCLEATION_C for offset in OFFSETS_C]
    return np.array(rows + [(t, t, time) for t, time in SHORT])


def simulate(parameters: dict[str, Array], rows: Array) -> Array:
    """States at the optical cell, shape (11, candidates, experiments); parameters of shape (candidates, 1)."""
    path = load_instrument("simulated-flow").flow_path
    candidates = next(iter(parameters.values())).shape[0]
    y = np.zeros((SIZE, candidates, len(rows)))
    y[P] = 1.0
    liquid = np.full(len(rows), _AMBIENT_K)
    per_ml = rows[:, 2] / path.reaction_ml
    sections = {
        "nucleation": (rows[:, 0] + 273.15, path.nucleation_ml),
        "growth": (rows[:, 1] + 273.15, path.growth_ml),
        "transfer": (np.full(len(rows), _AMBIENT_K), path.transfer_ml + path.cell_ml / 2),
    }
    for name, (wall, volume) in sections.items():
        duration = per_ml * volume
        ends = np.linspace(0, 1, STEPS[name] + 1) ** 1.8  # short steps first, where things change fast
        for begin, end in pairwise(ends):
            middle = duration * (begin + end) / 2
            kelvin = wall + (liquid - wall) * np.exp(-middle / path.wall_time_constant_s)
            y = _step(y, Rates(parameters, kelvin), duration * (end - begin))  # type: ignore[arg-type]
        liquid = wall + (liquid - wall) * np.exp(-duration / path.wall_time_constant_s)
    return y


_GAMMA = 1 - 1 / np.sqrt(2)


def _step(y: Array, k: Rates, h: Array) -> Array:
    """ROS2 (Verwer 1999): second order whatever matrix is used, stable for stiff rates."""
    solve = _Matrix(y, k, _GAMMA * h).solve
    k1 = h * solve(derivative(y, k))
    k2 = h * solve(derivative(y + k1, k) - 2 * k1 / h)
    return y + 1.5 * k1 + 0.5 * k2


class _Matrix:
    """1 − γh·A, where A is the derivative's Jacobian without the terms that make the moments talk back.

    What is left out on one side of a balance is left out on the other: cadmium stays conserved exactly.
    """

    def __init__(self, y: Array, k: Rates, gh: Array):
        m, c = np.maximum(y[M], 0), np.maximum(y[C], 0)
        self.gh, self.k, self.y = gh, k, y
        self.forward = k.growth * m
        depleted = np.maximum(1 - y[M] / k.solubility, 0)
        self.back = k.dissolution * depleted
        self.by_m = k.growth * c
        back_by_m = np.where(depleted > 0, k.dissolution * c / k.solubility, 0)
        self.slope = np.where(crystal_speed(y, k) < 0, 0.0, 1.0) * k.crystal_growth
        column = -self.by_m + back_by_m
        column[1:] += self.by_m[:4]
        column[:4] -= back_by_m[1:]
        self.column = -gh * column
        taken, lost = STEP_UNITS[:, None, None], LOST_UNITS[:, None, None]
        self.row = gh * (taken * self.forward - lost * self.back)
        corner = np.tensordot(STEP_UNITS, self.by_m, 1) + np.tensordot(LOST_UNITS, back_by_m, 1)
        corner = 1 + gh * (corner + 3 * UNITS_PER_D3 * self.slope * np.maximum(y[M2], 0))
        # Thomas factors of the tridiagonal chain of clusters.
        self.upper = -gh * self.back[1:]
        self.diagonal = 1 + gh * (self.forward + self.back)
        self.factor = np.zeros_like(self.forward)
        for i in range(1, 5):
            self.factor[i] = -gh * self.forward[i - 1] / self.diagonal[i - 1]
            self.diagonal[i] = self.diagonal[i] - self.factor[i] * self.upper[i - 1]
        self.answer = self._chain(self.column)
        self.pivot = corner - (self.row * self.answer).sum(axis=0)

    def _chain(self, right: Array) -> Array:
        x = right.copy()
        for i in range(1, 5):
            x[i] -= self.factor[i] * x[i - 1]
        x[4] /= self.diagonal[4]
        for i in range(3, -1, -1):
            x[i] = (x[i] - self.upper[i] * x[i + 1]) / self.diagonal[i]
        return x

    def solve(self, right: Array) -> Array:
        """X with (1 − γh·A) x = right."""
        gh, k, y = self.gh, self.k, self.y
        x = np.empty_like(right)
        x[P] = right[P] / (1 + gh * (k.release + 2 * UNITS[0] * k.nucleation * np.maximum(y[P], 0)))
        chain = right[C].copy()
        chain[0] += gh * 2 * k.nucleation * np.maximum(y[P], 0) * x[P]
        chain = self._chain(chain)
        x[M] = (right[M] + gh * k.release * x[P] - (self.row * chain).sum(axis=0)) / self.pivot
        x[C] = chain - self.answer * x[M]
        born = gh * (self.forward[4] * x[6] + self.by_m[4] * x[M])
        grown = gh * self.slope * x[M]
        x[M0] = right[M0] + born
        x[M1] = right[M1] + born * SEED_NM + grown * y[M0]
        x[M2] = right[M2] + born * SEED_NM**2 + 2 * grown * y[M1]
        x[M3] = right[M3] + born * SEED_NM**3 + 3 * grown * np.maximum(y[M2], 0)
        return x


class Observed:
    """What a spectrometer would see of states: heights of the families, position and height of the exciton."""

    def __init__(self, y: Array):
        diameters = (UNITS / UNITS_PER_D3) ** (1 / 3)
        scale = _CONCENTRATION_MOL_L * _PATH_CM
        self.families = y[C] * (epsilon(diameters) * scale)[:, None, None]
        number = np.maximum(y[M0], 1e-30)
        mean = np.clip(y[M1] / number, 0.5, 8)
        spread = np.maximum(y[M2] / number - mean**2, 0) + (CadmiumSelenideAbsorption.UNRESOLVED_SPREAD * mean) ** 2
        self.exciton_nm = SizingTable(load_material("CdSe")).wavelength_nm(mean + 2.65 * spread / mean)
        self.exciton = y[M0] * epsilon(mean) * scale
        self.cadmium = cadmium(y)


def below(value: Array, wanted: Array | float) -> Array:
    """Squared shortfall of a height, in decades."""
    return np.maximum(np.log10(wanted) - np.log10(np.maximum(value, 1e-6)), 0) ** 2


def above(value: Array, wanted: Array | float) -> Array:
    """Squared excess of a height, in decades."""
    return np.maximum(np.log10(np.maximum(value, 1e-6)) - np.log10(wanted), 0) ** 2


def misfit(seen: Observed) -> Array:
    """How far the observations are missed, one number for each candidate."""
    count = seen.exciton.shape[0]
    panels = seen.families[:, :, : np.prod(PANELS)].reshape(5, count, *PANELS)
    f437, f403, f467 = panels[3], panels[2], panels[4]
    exciton_nm = seen.exciton_nm[:, : np.prod(PANELS)].reshape(count, *PANELS)
    exciton = seen.exciton[:, : np.prod(PANELS)].reshape(count, *PANELS)
    inside, outside = f437[:, INSIDE], f437[:, ~INSIDE]
    short = seen.families[:, :, np.prod(PANELS) :]
    short_nm = seen.exciton_nm[:, np.prod(PANELS) :]

    def total(terms: Array) -> Array:
        return terms.reshape(count, -1).sum(axis=1)

    cost = 6 * total(below(inside[:, :, 0], 0.10)) + 0.5 * total(below(inside[:, :, :4], 0.05))
    cost += 3 * total(below(inside[:, [0, -1], :3], 0.05))  # at its edges, too, at several growth temperatures
    cost += 8 * total(above(outside, 0.0035))
    # CdSe-437 grows with growth temperature; it is the dominant family; the exciton moves to the red.
    rise = np.log10(np.maximum(inside[:, :, :-1], 1e-6)) - np.log10(np.maximum(inside[:, :, 1:], 1e-6))
    cost += 60 * total(np.maximum(0.02 - rise, 0) ** 2)
    cost += total(above(f467, np.maximum(0.4 * f437, 0.012)))
    cost += total(above(np.maximum(f403, f467)[:, INSIDE, :3], 0.63 * inside[:, :, :3]))
    cost += 0.5 * total(above(np.maximum(f403, f467)[:, ~INSIDE], 0.01))
    cost += 0.3 * total(np.maximum(-np.diff(OFFSETS_C) / 10 - (exciton_nm[:, :, :-1] - exciton_nm[:, :, 1:]), 0) ** 2)
    cost += total(below(exciton, 0.12))
    # Positions: 490 nm (280 °C, 4.5 s), 527 nm (280 °C, 14 s), 572 nm (350 °C, 7.6 s).
    cost += ((short_nm[:, 1] - 490) / 1.5) ** 2 + ((exciton_nm[:, 3, 0] - 527) / 1.5) ** 2
    cost += ((short_nm[:, 3] - 572) / 1.5) ** 2
    # At 4.5 s there are clusters at all three temperatures, and more than one family.
    cost += 4 * total(below(short[3, :, :3], 0.05) + below(np.maximum(short[2, :, :3], short[4, :, :3]), 0.05))
    # At 350 °C every family is there to be separated.
    cost += 3 * total(np.moveaxis(below(short[:, :, 2], 0.028), 0, 1))
    return cost + 100 * np.abs(seen.cadmium - 1).max(axis=1)


def misfit_of(parameters: dict[str, float]) -> float:
    """How far one set of parameters misses the observations."""
    columns = {name: np.array([[value]]) for name, value in parameters.items()}
    return float(misfit(Observed(simulate(columns, experiments())))[0])


def bounds(name: str, value: float) -> tuple[float, float]:
    """Where a parameter may go."""
    if name.startswith("log10_"):
        return value - 1.0, value + 1.0
    return max(8.0, value - 60.0), value + 60.0


def fit(start: dict[str, float], generations: int, seed: int) -> dict[str, float]:
    """Improve on ``start``; return the best parameters, rounded as they are written."""
    names, rows = list(start), experiments()

    def objective(x: Array) -> Array:
        x = x[:, None] if x.ndim == 1 else x
        with np.errstate(all="ignore"):
            y = simulate({name: x[i][:, None] for i, name in enumerate(names)}, rows)
            bad = ~np.isfinite(y).all(axis=(0, 2)) | (y.min(axis=(0, 2)) < -0.02)
            cost = misfit(Observed(np.clip(np.nan_to_num(y), 0, 1e6)))
        return np.where(bad | ~np.isfinite(cost), 1e6, cost)

    limits = np.array([bounds(name, value) for name, value in start.items()])
    random = np.random.default_rng(seed)
    size = 5 * len(names)
    width = np.where(np.arange(size) % 4 == 0, 0.15, 0.03)[:, None] * np.ptp(limits, axis=1)
    first = np.clip(np.array(list(start.values())) + width * random.normal(size=(size, len(names))), *limits.T)
    first[0] = list(start.values())

    def report(intermediate_result: OptimizeResult) -> None:
        print(f"{intermediate_result.nit:5d}  {intermediate_result.fun:.4f}", flush=True)  # noqa: T201

    result = differential_evolution(
        objective,  # type: ignore[arg-type]  vectorized: it takes and gives arrays
        Bounds(limits[:, 0], limits[:, 1]),
        init=first,
        vectorized=True,
        updating="deferred",
        strategy="currenttobest1bin",
        mutation=(0.3, 0.9),
        recombination=0.9,
        maxiter=generations,
        polish=False,
        tol=1e-9,
        seed=seed,
        callback=report,
    )
    return {name: float(f"{value:.5g}") for name, value in zip(names, result.x, strict=True)}


def main() -> None:
    """Fit and write the parameters."""
    parser = argparse.ArgumentParser(description="Fit the rate constants of CdSe.")
    parser.add_argument("--generations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, default=None, help="parameters to start from (default: those in use)")
    parser.add_argument("--out", type=Path, required=True, help="where to write the parameters")
    arguments = parser.parse_args()
    best = fit(load_parameters(arguments.start), arguments.generations, arguments.seed)
    arguments.out.write_text(
        "# Rate constants at 280 °C (log10, per second or per second and relative concentration) and activation\n"
        "# energies. Written by fit_cdse.py, which names the observations they were fitted to, and the misfit.\n"
        f"\nmisfit = {misfit_of(best):.3f}\n\n[parameters]\n"
        + "".join(f"{name} = {value:.5g}\n" for name, value in best.items())
    )


if __name__ == "__main__":
    main()
