"""Rate constants of stepwise growth, fitted to the heights of families of clusters in many samples.

The model is that of :mod:`flowlab.analysis.monomer`. A family's height is its amount times a factor of its own, its
extinction, the path and the concentration, which is fitted along. That a family was sought and not found counts, too:
its height was then less than can be detected.

A parameter that the heights leave open has no value: None, and why.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares
from scipy.stats import chi2

from flowlab.analysis.kinetic_parameters import Allowed, Parameter, ParameterSet, covariance_of, told
from flowlab.analysis.monomer import GAS_CONSTANT_KJ, ZERO_C_K, Chain, Conditions, real

Array = NDArray[np.float64]
Values = NDArray[Any]

#: A family that was found in fewer samples says nothing of two rate constants.
LEAST_HEIGHTS = 5
#: Of a height, from sample to sample: doses, bubbles, and what neighbouring bands do to a fit.
SCATTER = 0.1
#: What is detected is five times its error; so the limit's own error is a fifth of it.
_LIMIT_ERR = 0.2
_COMPLEX_STEP = 1e-30
#: Starts that are tried, so many at once; the best of them are followed for a few rounds, and the best of those on.
_CANDIDATES, _CHUNK, _POLISHED, _FIRST_ROUND, _LAST_ROUND = 256, 32, 5, 20, 100
_MARGIN, _TINY = 1e-4, 1e-300


@dataclass(frozen=True)
class Heights:
    """Of families in samples.

    Attributes:
        height: shape (samples, families); 0 where a family was sought and not found, nan where that is not known.
        height_err: one sigma, same shape; counts where a height was found.
        detectable: the lowest height at which each family would have been found, shape (families,).
    """

    height: Array
    height_err: Array
    detectable: Array


@dataclass(frozen=True)
class NoFit:
    """There are no rate constants.

    Attributes:
        why: in words.
    """

    why: str


@dataclass(frozen=True)
class Residuals:
    """What the model and the heights have against each other, over the errors.

    Attributes:
        parameters: of the model.
        conditions: of the samples.
        heights: of the families in them.
        scatter: relative, of a height, from sample to sample.
    """

    parameters: ParameterSet
    conditions: Conditions
    heights: Heights
    scatter: float

    @property
    def found(self) -> NDArray[np.bool_]:
        """Where a family was found, shape (samples, families)."""
        return self.heights.height > 0

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where it was sought and not found."""
        return self.heights.height == 0

    def of(self, model: Values) -> Values:
        """Of heights that the model says, shape (…, samples, families): those found, then those not found."""
        measured = self.heights.height[self.found]
        err = np.hypot(self.heights.height_err[self.found], self.scatter * measured)
        limit = np.broadcast_to(self.heights.detectable, self.heights.height.shape)[self.missing]
        above = model[..., self.missing] - limit
        above = np.where(real(above) > 0, above, 0)
        limit_err = limit * np.hypot(_LIMIT_ERR, self.scatter)
        return np.concatenate([(model[..., self.found] - measured) / err, above / limit_err], -1)

    def __call__(self, p: Values) -> Values:
        """Of parameters, shape (…, parameters)."""
        return self.of(self.parameters.heights(p, self.conditions))

    def jacobian(self, p: Array) -> Array:
        """Exact to the last digits: the model is analytic, and a complex step has no cancellation."""
        steps = p + 1j * _COMPLEX_STEP * np.eye(len(p))
        derivatives = np.asarray(np.imag(self(steps)), np.float64) / _COMPLEX_STEP
        return np.ascontiguousarray(derivatives.T)


@dataclass(frozen=True)
class KineticFit:
    """The stepwise model, fitted.

    Attributes:
        told: rate constants, energies and what nucleation leaves, each with its interval or why it has none.
        best: the parameters, shape (parameters,).
        covariance: of them, scaled by the misfit where that is more than 1; what the heights leave open has the width
            of what was allowed.
        misfit: χ² per degree of freedom.
        degrees: of freedom.
        probability: of a χ² as high, were the model and the errors right.
        typical_error: median of |model/height − 1| over the heights found.
        heights_found: how many heights were fitted.
        contradicted: in how many samples the model has a family above its limit that was not found.
        residuals: what was fitted.
        allowed: what the parameters might be.
    """

    told: tuple[Parameter, ...]
    best: Array
    covariance: Array
    misfit: float
    degrees: int
    probability: float
    typical_error: float
    heights_found: int
    contradicted: int
    residuals: Residuals
    allowed: Allowed

    @property
    def chain(self) -> Chain:
        """What grows into what."""
        return self.residuals.parameters.chain

    @property
    def reference_c(self) -> tuple[float, float]:
        """Temperatures at which nucleation and rate constants are given."""
        return self.residuals.parameters.reference_c

    def heights(self, conditions: Conditions) -> Array:
        """Heights of the families at any conditions, shape (samples, families)."""
        return self.residuals.parameters.heights(self.best, conditions)


def fit_kinetics(
    chain: Chain, conditions: Conditions, heights: Heights, scatter: float = SCATTER
) -> KineticFit | NoFit:
    """Fit rate constants, activation energies and nucleation.

    Args:
        chain: what grows into what; its families are those of ``heights``.
        conditions: of the samples, at least as many as heights are needed.
        heights: of the families in them; samples with conditions that are no numbers do not count.
        scatter: relative, from sample to sample, beside the errors of the heights.

    Returns:
        The fit; or why there is none.

    Raises:
        ValueError: shapes do not fit each other, a limit of detection or the scatter is not above 0.
    """
    shape = (len(conditions), len(chain.families))
    if heights.height.shape != shape or heights.height_err.shape != shape or heights.detectable.shape != shape[1:]:
        raise ValueError(f"heights of {shape[1]} families in {shape[0]} samples have the shape {heights.height.shape}")
    if not (scatter > 0 and np.all(heights.detectable > 0)):
        raise ValueError("scatter and limits of detection must be above 0")
    conditions, heights = _sane(conditions, heights)
    parameters = ParameterSet(chain, _reference(conditions))
    if why := _too_little(parameters, conditions, heights):
        return NoFit(why)
    residuals = Residuals(parameters, conditions, heights, scatter)
    allowed = _allowed(parameters, heights)
    best = _search(residuals, _start(parameters, conditions, heights), allowed)
    return _told(residuals, best, allowed)


def _sane(conditions: Conditions, heights: Heights) -> tuple[Conditions, Heights]:
    """Without samples whose conditions are none; a height that is no number, or below 0, is not known."""
    values = np.stack([conditions.nucleation_c, conditions.growth_c, conditions.residence_s])
    kept = np.all(np.isfinite(values), 0) & np.all(values[:2] > -ZERO_C_K, 0) & (values[2] > 0)
    height, err = heights.height[kept], heights.height_err[kept]
    known = (height == 0) | ((height > 0) & np.isfinite(height) & np.isfinite(err) & (err >= 0))
    return Conditions(*values[:, kept]), Heights(np.where(known, height, np.nan), err, heights.detectable)


def _reference(conditions: Conditions) -> tuple[float, float]:
    """Round temperatures in the middle of the samples': there rates and energies are least correlated."""
    if not len(conditions):
        return (0.0, 0.0)
    return (round(float(np.median(conditions.nucleation_c)), -1), round(float(np.median(conditions.growth_c)), -1))


def _too_little(parameters: ParameterSet, conditions: Conditions, heights: Heights) -> str | None:
    found = np.sum(heights.height > 0, 0)
    for family, count in zip(parameters.chain.families, found, strict=True):
        if count < LEAST_HEIGHTS:
            return f"{family} was found in {count} samples; rate constants take at least {LEAST_HEIGHTS}"
    known = heights.height >= 0
    if int(found.sum()) <= parameters.size:
        return f"{int(found.sum())} heights are too few for {parameters.size} parameters"
    sampled = np.any(known, 1)
    if len(np.unique(conditions.nucleation_c[sampled])) < 2:
        return "all samples have one nucleation temperature; what nucleation leaves takes at least two"
    return None


def _allowed(parameters: ParameterSet, heights: Heights) -> Allowed:
    """What parameters may be, wide enough not to decide anything: steps from one in a day to one in 10 µs."""
    steps = len(parameters.chain.steps)
    # Were all monomer in particles of a family at its highest, its factor would be about that times the units in one.
    top = np.log(np.nanmax(heights.height, 0) * parameters.chain.units[0])
    lowest = [-15.0, 0.0, *[-11.5] * steps, *[0.0] * steps, -11.5, *(top - 0.5)]
    highest = [15.0, 600.0, *[11.5] * steps, *[400.0] * steps, 14.0, *(top + 9.0)]
    return Allowed(np.array(lowest), np.array(highest))


def _start(parameters: ParameterSet, conditions: Conditions, heights: Heights) -> Array:
    """A first guess from the data; factors of the families follow from it."""
    height, steps = np.nan_to_num(heights.height), len(parameters.chain.steps)
    weight = height.sum(1)
    seen = conditions.nucleation_c[weight > 0]
    # Families accumulate where nucleation leaves about half of the monomer: over the range from a tenth to nine tenths.
    middle = float(np.sum(weight * conditions.nucleation_c) / np.sum(weight)) + ZERO_C_K
    span = max(float(np.ptp(seen)), 20.0)
    nucleation = float(np.clip(2 * np.log(9) * GAS_CONSTANT_KJ * middle**2 / span, 50.0, 400.0))
    log_nucleated = -nucleation / GAS_CONSTANT_KJ * (1 / (parameters.reference_c[0] + ZERO_C_K) - 1 / middle)
    # Each step is about over within the time in which samples were looked at.
    rate = np.log(2 / float(np.median(conditions.residence_s))) + np.zeros(steps)
    energy = [_slope(conditions, height[:, f]) for f in range(len(parameters.chain.families))]
    uptake = np.log(parameters.chain.units[0]) + rate[0]
    return np.array([log_nucleated, nucleation, *rate, *energy, energy[-1], uptake])


def _slope(conditions: Conditions, height: Array) -> float:
    """Apparent energy by which a family's height rises with the growth temperature, in kJ/mol."""
    slopes = list[float]()
    for at in np.unique(conditions.nucleation_c):
        here = (conditions.nucleation_c == at) & (height > 0)
        inverse = 1 / (conditions.growth_c[here] + ZERO_C_K)
        if len(np.unique(inverse)) >= 3:
            slopes.append(-GAS_CONSTANT_KJ * float(np.polyfit(inverse, np.log(height[here]), 1)[0]))
    return float(np.clip(np.median(slopes), 20.0, 200.0)) if slopes else 80.0


def _search(residuals: Residuals, start: Array, allowed: Allowed) -> Array:
    """The best of many starts around the first guess: the surface has more than one hollow."""
    steps = len(residuals.parameters.chain.steps)
    spread = np.array([2.0, 80.0, *[3.0] * steps, *[50.0] * steps, 3.0])
    offsets = np.random.default_rng(0).uniform(-1, 1, (_CANDIDATES, len(spread)))
    offsets[0] = 0
    candidates = [_with_factors(residuals, part, allowed) for part in _chunks(start + offsets * spread)]
    cost = np.concatenate([np.sum(residuals(part) ** 2, -1) for part in candidates])
    best = np.concatenate(candidates)[np.argsort(cost, kind="stable")[:_POLISHED]]
    rounds = [_polished(residuals, p, allowed, _FIRST_ROUND) for p in best]
    return _polished(residuals, min(rounds, key=lambda result: float(result.cost)).x, allowed, _LAST_ROUND).x


def _chunks(rows: Array) -> list[Array]:
    return np.array_split(rows, len(rows) // _CHUNK or 1)


def _with_factors(residuals: Residuals, rough: Array, allowed: Allowed) -> Array:
    """Candidates with the factors of the families that suit them best: the heights are linear in those."""
    unknown = np.zeros((len(rough), len(residuals.parameters.chain.families)))
    inside = allowed.inside(np.concatenate([rough, unknown], -1), _MARGIN)
    amounts = residuals.parameters.amounts(inside, residuals.conditions)
    relative = np.where(residuals.found, amounts / np.where(residuals.found, residuals.heights.height, 1), 0)
    factor = np.sum(relative, -2) / np.maximum(np.sum(relative**2, -2), _TINY)
    inside[:, residuals.parameters.kinetic :] = np.log(np.maximum(factor, _TINY))
    return allowed.inside(inside, _MARGIN)


def _polished(residuals: Residuals, p: Array, allowed: Allowed, most: int) -> OptimizeResult:
    return least_squares(
        residuals,
        allowed.inside(p, _MARGIN),
        residuals.jacobian,
        (allowed.lowest, allowed.highest),
        x_scale="jac",
        ftol=1e-8,
        xtol=1e-8,
        max_nfev=most,
    )


def _told(residuals: Residuals, best: Array, allowed: Allowed) -> KineticFit:
    parameters = residuals.parameters
    model = parameters.heights(best, residuals.conditions)
    terms = residuals.of(model)
    measured = residuals.heights.height[residuals.found]
    found = len(measured)
    contradicted = int(np.sum(terms[found:] > 0))
    degrees = found + contradicted - parameters.size  # above 0: fewer heights are refused
    total = float(np.sum(terms**2))
    misfit = total / degrees
    covariance = covariance_of(residuals.jacobian(best) / np.sqrt(max(misfit, 1.0)), allowed)
    return KineticFit(
        told=told(parameters, best, covariance, allowed, degrees),
        best=best,
        covariance=covariance,
        misfit=misfit,
        degrees=degrees,
        probability=float(chi2.sf(total, degrees)),
        typical_error=float(np.median(np.abs(model[residuals.found] / measured - 1))),
        heights_found=found,
        contradicted=contradicted,
        residuals=residuals,
        allowed=allowed,
    )
