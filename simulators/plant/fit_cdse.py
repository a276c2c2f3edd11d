"""Fit the rate constants in ``cdse.toml`` to what Palencia 2020 reports; a record of how they came about.

    python -m simulators.plant.fit_cdse --generations 1000 --out simulators/plant/cdse.toml

All candidates and all experiments are advanced at once by a Rosenbrock–W scheme; a search that adapts its
covariance, and a local one after it (:mod:`simulators.plant.fit_search`), start from the parameters that are there.
The parameters in use came of several such runs, the first ones with half the steps. The observations are those of
:mod:`simulators.plant.fit_observations`. Nothing of this is used when the plant runs.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowlab.config import load_instrument
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
    F,
    M,
    P,
    Rates,
    crystal_speed,
    derivative,
    load_parameters,
)
from simulators.plant.fit_observations import Observed, experiments, misfit, residuals
from simulators.plant.fit_search import minimise, polish

Array = NDArray[np.float64]

#: Steps in each section. With too few the scheme follows its own error; tests hold it against the plant's own
#: integrator. What leaves the oven is quenched within a few tenths of a second: with 48 steps behind it clusters were
#: off by a sixth.
STEPS = {"nucleation": 160, "growth": 800, "transfer": 400}

_AMBIENT_K = 296.15


def simulate(parameters: dict[str, Array], rows: Array) -> Array:
    """States at the optical cell, shape (12, candidates, experiments); parameters of shape (candidates, 1)."""
    path = load_instrument("simulated-flow").flow_path
    candidates = next(iter(parameters.values())).shape[0]
    y = np.zeros((SIZE, candidates, len(rows)))
    y[F] = 1.0
    liquid = np.full(len(rows), _AMBIENT_K)
    per_ml = rows[:, 2] / path.reaction_ml
    slow = path.wall_time_constant_s
    sections = {
        "nucleation": (rows[:, 0] + 273.15, path.nucleation_ml, path.nucleation_time_constant_s),
        "growth": (rows[:, 1] + 273.15, path.growth_ml, slow),
        "transfer": (np.full(len(rows), _AMBIENT_K), path.transfer_ml + path.cell_ml / 2, slow),
    }
    for name, (wall, volume, time_constant_s) in sections.items():
        duration = per_ml * volume
        ends = np.linspace(0, 1, STEPS[name] + 1) ** 1.8  # short steps first, where things change fast
        for begin, end in pairwise(ends):
            middle = duration * (begin + end) / 2
            kelvin = wall + (liquid - wall) * np.exp(-middle / time_constant_s)
            y = _step(y, Rates(parameters, kelvin), duration * (end - begin))  # type: ignore[arg-type]
        liquid = wall + (liquid - wall) * np.exp(-duration / time_constant_s)
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
        nucleation = 2 * k.nucleation * np.maximum(y[P], 0)
        x[F] = right[F] / (1 + gh * (k.prompt + k.binding))
        x[P] = (right[P] + gh * k.binding * x[F]) / (1 + gh * (k.release + UNITS[0] * nucleation))
        chain = right[C].copy()
        chain[0] += gh * nucleation * x[P]
        chain = self._chain(chain)
        released = k.prompt * x[F] + k.release * x[P]
        x[M] = (right[M] + gh * released - (self.row * chain).sum(axis=0)) / self.pivot
        x[C] = chain - self.answer * x[M]
        born = gh * (self.forward[4] * x[C.stop - 1] + self.by_m[4] * x[M])
        grown = gh * self.slope * x[M]
        x[M0] = right[M0] + born
        x[M1] = right[M1] + born * SEED_NM + grown * y[M0]
        x[M2] = right[M2] + born * SEED_NM**2 + 2 * grown * y[M1]
        x[M3] = right[M3] + born * SEED_NM**3 + 3 * grown * np.maximum(y[M2], 0)
        return x


def misfit_of(parameters: dict[str, float]) -> float:
    """How far one set of parameters misses the observations."""
    columns = {name: np.array([[value]]) for name, value in parameters.items()}
    return float(misfit(Observed(simulate(columns, experiments())))[0])


def bounds(name: str) -> tuple[float, float]:
    """Where a parameter may go."""
    return (-4.0, 5.0) if name.startswith("log10_") else (5.0, 250.0)


def fit(start: dict[str, float], generations: int, seed: int) -> dict[str, float]:
    """Improve on ``start``; return the best parameters, rounded as they are written."""
    names, rows = list(start), experiments()

    def missed(candidates: Array) -> Array:
        with np.errstate(all="ignore"):  # a candidate may be absurd; it is sorted out below
            y = simulate({name: candidates[:, i, None] for i, name in enumerate(names)}, rows)
            bad = ~np.isfinite(y).all(axis=(0, 2)) | (y.min(axis=(0, 2)) < -0.02)
            found = residuals(Observed(np.clip(np.nan_to_num(y), 0, 1e6)))
        found[bad] = 1e3
        return np.nan_to_num(found, nan=1e3)

    scale = np.array([1.0 if name.startswith("log10_") else 25.0 for name in names])
    limits = np.array([bounds(name) for name in names]).T
    x = np.array(list(start.values()))
    if generations > 0:
        x, _ = minimise(
            lambda candidates: (missed(candidates) ** 2).sum(axis=1),
            x,
            0.05 * scale,
            limits,
            generations,
            seed,
            report=lambda generation, value: print(f"{generation:5d}  {value:.4f}", flush=True),  # noqa: T201
        )
    best, _ = polish(missed, x, scale, limits, rounds=40)
    return {name: float(f"{value:.5g}") for name, value in zip(names, best, strict=True)}


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
