"""Where a family should accumulate, by the fitted model: nucleation temperatures at which it can be detected.

The uncertainty comes from parameters drawn as the heights make them likely, beginning from their covariance: the model
is far from linear in them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.kinetics import KineticFit
from flowlab.analysis.monomer import Conditions, real

Array = NDArray[np.float64]

_STEP_C = 2.0
#: Beyond the nucleation temperatures of the samples the model is followed so far and no farther.
_BEYOND_C = 20.0
_WALKERS, _STEPS, _SETTLING, _EVERY, _LONG_STRIDE = 32, 120, 60, 3, 10
_FIRST_SPREAD, _MARGIN, _TINY = 0.3, 1e-5, 1e-300
#: Where fewer moves are accepted, the walkers do not show how far parameters may go.
_LEAST_ACCEPTED = 0.03
_ONE_SIGMA = (0.16, 0.84)


@dataclass(frozen=True)
class Edge:
    """An edge of a window.

    Attributes:
        at_c: None where there is none within what was looked at.
        interval_c: 68 %, None where the draws do not tell.
        why: in words, where one of the two is None; None where neither is.
    """

    at_c: float | None
    interval_c: tuple[float, float] | None
    why: str | None


@dataclass(frozen=True)
class PredictedWindow:
    """Where a family should accumulate.

    Attributes:
        family: its name.
        residence_s: residence time that it is for.
        growth: which growth temperature goes with each nucleation temperature, in words.
        nucleation_c: temperatures that were looked at, shape (temperatures,).
        height: of the family there.
        height_err: one sigma, nan where the draws do not tell.
        detectable: height from which on it is found.
        low: of the window around the highest height; None when the family is below ``detectable`` everywhere.
        high: likewise.
        no_window: share of the draws in which the family is not to be found anywhere.
        accepted: share of the moves by which parameters were drawn; few tell no uncertainty.
    """

    family: str
    residence_s: float
    growth: str
    nucleation_c: Array
    height: Array
    height_err: Array
    detectable: float
    low: Edge | None
    high: Edge | None
    no_window: float
    accepted: float


def predict_window(fit: KineticFit, family: str, residence_s: float) -> PredictedWindow:
    """The window of a family at a residence time, with its uncertainty.

    Raises:
        ValueError: the fit has no such family, or the residence time is not above 0.
    """
    if family not in fit.chain.families:
        raise ValueError(f"{family}: the fit has {', '.join(fit.chain.families)}")
    if not 0 < residence_s < np.inf:
        raise ValueError(f"{residence_s}: a residence time is a number above 0")
    place = fit.chain.families.index(family)
    detectable = float(fit.residuals.heights.detectable[place])
    measured = fit.residuals.conditions
    temperatures = np.arange(
        np.min(measured.nucleation_c) - _BEYOND_C, np.max(measured.nucleation_c) + _BEYOND_C + _STEP_C / 2, _STEP_C
    )
    growth_c, growth = _growth(measured, temperatures)
    conditions = Conditions(temperatures, growth_c, np.full(len(temperatures), residence_s))
    height = fit.heights(conditions)[:, place]
    drawn, accepted = _draws(fit)
    of_drawn = [fit.residuals.parameters.heights(part, conditions)[..., place] for part in _chunks(drawn)]
    heights = np.concatenate(of_drawn)
    known = accepted >= _LEAST_ACCEPTED
    edges = np.array([_edges(temperatures, one, detectable) for one in heights])
    own = _edges(temperatures, height, detectable)
    there = ~np.isnan(edges[:, 0])
    return PredictedWindow(
        family,
        residence_s,
        growth,
        temperatures,
        height,
        np.std(heights, 0) if known else np.full(len(height), np.nan),
        detectable,
        *(_edge(own[i], edges[there, i], known, temperatures[-i]) for i in (0, 1)),
        no_window=float(np.mean(~there)),
        accepted=accepted,
    )


def _growth(measured: Conditions, temperatures: Array) -> tuple[Array, str]:
    """The highest growth temperature that was tried with each nucleation temperature, or with all of them."""
    offsets = np.round(measured.growth_c - measured.nucleation_c, 1)
    if len(np.unique(offsets)) <= len(np.unique(np.round(measured.growth_c, 1))):
        offset = float(np.max(offsets))
        return temperatures + offset, "T_growth = T_nuc" + (f" {offset:+g} °C" if offset else "")
    growth_c = float(np.max(measured.growth_c))
    return np.full(len(temperatures), growth_c), f"T_growth = {growth_c:g} °C"


def _draws(fit: KineticFit) -> tuple[Array, float]:
    """Parameters as likely as the heights make them, shape (draws, parameters), and the share of moves accepted.

    Walkers begin as the covariance has it and move along each other's differences (ter Braak 2006, DE-MC): what is
    bent, as ridges of rate constants are, is followed, where draws from the covariance alone would leave it.
    """
    rng = np.random.default_rng(0)
    scale, size = 2 * max(fit.misfit, 1.0), len(fit.best)
    width = fit.allowed.width
    variance, axes = np.linalg.eigh(fit.covariance / width / width[:, None])
    root = width[:, None] * axes * np.sqrt(np.maximum(variance, 0))
    walkers = fit.best + _FIRST_SPREAD * rng.standard_normal((_WALKERS, size)) @ root.T
    walkers = fit.allowed.inside(walkers, _MARGIN * width)
    cost = _sum_of_squares(fit, walkers) / scale
    kept, accepted = list[Array](), 0
    for step in range(_STEPS):
        others = np.array([rng.choice(_WALKERS - 1, 2, replace=False) for _ in walkers])
        others += others >= np.arange(_WALKERS)[:, None]  # a walker is none of its own others
        stride = 1.0 if step % _LONG_STRIDE == 0 else 2.38 / np.sqrt(2 * size)
        difference = walkers[others[:, 0]] - walkers[others[:, 1]]
        moved = walkers + stride * difference + 1e-6 * width * rng.standard_normal(walkers.shape)
        inside = np.all((moved > fit.allowed.lowest) & (moved < fit.allowed.highest), -1)
        new = _sum_of_squares(fit, np.where(inside[:, None], moved, walkers)) / scale
        taken = inside & (rng.random(_WALKERS) < np.exp(np.minimum(cost - new, 0)))
        walkers, cost = np.where(taken[:, None], moved, walkers), np.where(taken, new, cost)
        accepted += int(taken.sum()) if step >= _SETTLING else 0
        if step >= _SETTLING and step % _EVERY == 0:
            kept.append(walkers)
    return np.concatenate(kept), accepted / ((_STEPS - _SETTLING) * _WALKERS)


def _sum_of_squares(fit: KineticFit, p: Array) -> Array:
    return np.sum(real(fit.residuals(p)) ** 2, -1)


def _chunks(rows: Array) -> list[Array]:
    return np.array_split(rows, len(rows) // _WALKERS or 1)


def _edges(temperatures: Array, height: Array, detectable: float) -> tuple[float, float]:
    """Temperatures between which a height can be detected, around its highest; infinite, or nan where it cannot."""
    top = int(np.argmax(height))
    if not height[top] >= detectable:
        return np.nan, np.nan
    below = np.flatnonzero(~(height >= detectable))
    before, after = below[below < top], below[below > top]
    low = _crossing(temperatures, height, int(before[-1]), detectable) if len(before) else -np.inf
    high = _crossing(temperatures, height, int(after[0]) - 1, detectable) if len(after) else np.inf
    return low, high


def _crossing(temperatures: Array, height: Array, i: int, level: float) -> float:
    """Where the height passes a level between two temperatures; it changes as an exponential does."""
    first, second = np.log(np.maximum(height[i : i + 2], _TINY))
    return float(temperatures[i] + (np.log(level) - first) / (second - first) * (temperatures[i + 1] - temperatures[i]))


def _edge(at: float, drawn: Array, known: bool, limit: float) -> Edge | None:
    if np.isnan(at):
        return None
    beyond = f"beyond {limit:g} °C, farther than the model is followed"
    if not known or not len(drawn):
        why = "the heights leave too much open for its uncertainty"
        return Edge(None, None, beyond) if np.isinf(at) else Edge(at, None, why)
    low, high = (float(q) for q in np.quantile(drawn, _ONE_SIGMA, method="nearest"))
    if np.isinf(at):
        return Edge(None, None, beyond)
    if np.isinf(low) or np.isinf(high):
        return Edge(at, None, f"it may be {beyond}")
    return Edge(at, (low, high), None)
