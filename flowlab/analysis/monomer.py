"""Clusters and crystals that grow stepwise by the monomer which nucleation has left (Palencia 2020).

Nucleation in the chamber, at T_nuc, is over before growth begins: it leaves the monomer M and n nuclei. In the oven,
at T_growth, each step is of first order in what grows and in the monomer, and takes units of it:

    nuclei → family → … → last family → crystals,    r(next) = k(next)·[previous]·[M]

Crystals go on taking up monomer. With dθ = [M]·dt the chain is linear, so a matrix exponential solves it for all
conditions of one T_growth; how much time has passed at θ is then ∫dθ/[M]. That is stiff-safe: where the monomer runs
out, time goes to infinity, and θ does not.

All amounts are per monomer unit that was put in: [M] is 1 before nucleation, rate constants are in 1/s.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Real, or complex where a derivative is taken by a complex step; the model is analytic in its parameters.
Values = NDArray[Any]

GAS_CONSTANT_KJ = 8.314462618e-3  # per mol and K
ZERO_C_K = 273.15
#: Of the grid in θ: steps in each octave, and octaves below the fastest time constant.
_STEPS, _OCTAVES_BELOW, _MOST_OCTAVES = 12, 1, 44
_TAYLOR_ORDER = 7
#: Of two values that differ by less than this share, the difference of logarithms loses digits.
_ALIKE = 1e-3


@dataclass(frozen=True)
class Chain:
    """What grows into what.

    Attributes:
        families: names, from the smallest to the largest.
        units: of monomer in a nucleus, in a particle of each family, and in a crystal when it begins to be one;
            shape (families + 2,), rising.
    """

    families: tuple[str, ...]
    units: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.families:
            raise ValueError("a chain has at least one family")
        if len(self.units) != len(self.families) + 2 or self.units[0] <= 0 or np.any(np.diff(self.units) <= 0):
            raise ValueError(f"{len(self.families)} families take {len(self.families) + 2} rising numbers of units")

    @property
    def steps(self) -> tuple[str, ...]:
        """What each rate constant is of."""
        species = ("nuclei", *self.families, "crystals")
        return tuple(f"{a} → {b}" for a, b in pairwise(species))


@dataclass(frozen=True)
class Conditions:
    """Of each sample, shape (samples,).

    Attributes:
        nucleation_c: temperature of the nucleation chamber.
        growth_c: temperature of the growth oven.
        residence_s: residence time.
    """

    nucleation_c: Array
    growth_c: Array
    residence_s: Array

    def __len__(self) -> int:
        return len(self.residence_s)


@dataclass(frozen=True)
class Rates:
    """The parameters of the model; each may have leading axes of its own, shape (…,) or (…, steps).

    Attributes:
        reference_c: temperature at which logarithms are given: of nucleation, of growth.
        log_nucleated: ln of monomer nucleated over monomer left, at the reference temperature of nucleation.
        nucleation_kj_mol: apparent activation energy of that ratio.
        log_rate: ln of the steps' rate constants in 1/s.
        energy_kj_mol: activation energies of the steps.
        log_uptake: ln of the units that a crystal takes up, in 1/s; its energy is that of the last step.
    """

    reference_c: tuple[float, float]
    log_nucleated: Values
    nucleation_kj_mol: Values
    log_rate: Values
    energy_kj_mol: Values
    log_uptake: Values


def real(values: Values) -> Array:
    """The real part: what is compared; a complex step is too small to change that."""
    return np.asarray(np.real(values), np.float64)


def arrhenius(energy_kj_mol: Values, temperature_c: Array, reference_c: float) -> Values:
    """Ln of k(T)/k(reference) = −E/R·(1/T − 1/T_ref); energies' axes come before the temperatures'."""
    inverse = 1 / (temperature_c + ZERO_C_K) - 1 / (reference_c + ZERO_C_K)
    return -np.asarray(energy_kj_mol)[..., None] / GAS_CONSTANT_KJ * inverse


def nucleated_share(rates: Rates, nucleation_c: Array) -> Values:
    """Share of the monomer that nucleation takes, shape (…, samples).

    Of second order in monomer and stopped by the quench at the chamber's end: x/(1 + x), x by an Arrhenius law.
    """
    ratio = rates.log_nucleated[..., None] + arrhenius(rates.nucleation_kj_mol, nucleation_c, rates.reference_c[0])
    return 1 / (1 + np.exp(-ratio))


@dataclass(frozen=True)
class Population:
    """What is in each sample, per monomer unit put in; shape (…, samples), species behind.

    Attributes:
        particles: nuclei, each family, crystals, shape (…, samples, species).
        monomer: left.
        taken_up: units that crystals took up since they began to be crystals.
    """

    particles: Values
    monomer: Values
    taken_up: Values


def grow(chain: Chain, rates: Rates, conditions: Conditions) -> Population:
    """The population that the conditions lead to.

    Args:
        chain: what grows into what.
        rates: parameters, leading axes (…,).
        conditions: of the samples; a residence time may be infinite.
    """
    share = nucleated_share(rates, conditions.nucleation_c)
    growth_c, of_growth = np.unique(conditions.growth_c, return_inverse=True)
    factor = np.stack([arrhenius(e, growth_c, rates.reference_c[1]) for e in np.moveaxis(rates.energy_kj_mol, -1, 0)])
    factor = np.moveaxis(factor, 0, -1)  # (…, temperatures, steps)
    rate = np.exp(rates.log_rate[..., None, :] + factor)
    uptake = np.exp(rates.log_uptake[..., None] + factor[..., -1])
    units = np.asarray(chain.units)
    theta, state = _grown(rate, uptake / units[0], _longest(rate, conditions.residence_s))
    particles, of_crystals = state[..., :-1], state[..., -1]
    # Units that a nucleus has taken up with all that it became, shape (…, temperatures, nodes).
    consumed = particles @ (units - units[0]) + uptake[..., None] * of_crystals
    left = 1 - share
    number = share / units[0]
    monomer = left[..., None] - number[..., None] * consumed[..., of_growth, :]
    at, node = _reached(theta, monomer, conditions.residence_s)
    # Between two nodes by Hermite's cubic: the derivatives are known, the chain is linear.
    generator = _generator(rate)
    found = _between(theta, state, generator, of_growth, node, at)
    used = found[..., :-1] @ (units - units[0]) + uptake[..., of_growth] * found[..., -1]
    return Population(
        number[..., None] * found[..., :-1],
        left - number * used,
        number * uptake[..., of_growth] * found[..., -1],
    )


def _longest(rate: Values, residence_s: Array) -> float:
    """The end of the grid: [M] is at most 1, so θ is at most the residence time; and after long, nothing changes."""
    slowest = float(np.min(np.abs(rate)))
    finite = residence_s[np.isfinite(residence_s)]
    return float(np.max(finite)) if len(finite) == len(residence_s) else max(60.0 / slowest, *finite, 1.0)


def _generator(rate: Values) -> Values:
    """dz/dθ = A·z of the particles' shares and of ∫crystals dθ, shape (…, d, d)."""
    steps = rate.shape[-1]
    generator = np.zeros((*rate.shape[:-1], steps + 2, steps + 2), rate.dtype)
    for i in range(steps):
        generator[..., i, i] = -rate[..., i]
        generator[..., i + 1, i] = rate[..., i]
    generator[..., steps + 1, steps] = 1
    return generator


def _grown(rate: Values, drain: Values, longest: float) -> tuple[Array, Values]:
    """The chain from nuclei only, at θ in octaves of equal steps: nodes (nodes,), state (…, nodes, d)."""
    fastest = max(float(np.max(real(rate))), float(np.max(real(drain))), 1.0 / longest)
    octaves = int(np.clip(np.ceil(np.log2(fastest * longest)) + _OCTAVES_BELOW, 2, _MOST_OCTAVES))
    first = longest / 2.0**octaves / _STEPS
    generator = _generator(rate) * first
    step = np.broadcast_to(np.eye(generator.shape[-1], dtype=rate.dtype), generator.shape).copy()
    for order in range(_TAYLOR_ORDER, 0, -1):
        step = np.eye(generator.shape[-1]) + generator @ step / order
    state = np.zeros((*generator.shape[:-1], 1), rate.dtype)
    state[..., 0, 0] = 1
    nodes, states = [0.0], [state]
    for octave in range(octaves + 1):
        width = first * 2.0 ** max(octave - 1, 0)
        if octave > 1:
            step = step @ step
        for _ in range(_STEPS):
            state = step @ state
            nodes.append(nodes[-1] + width)
            states.append(state)
    return np.array(nodes), np.stack([s[..., 0] for s in states], axis=-2)


def _times(width: Array, monomer: Values) -> Values:
    """∫dθ/[M] from node to node, shape (…, nodes − 1); 0 where [M] does not stay above 0.

    [M] is taken to fall linearly, which gives Δθ·ln(a/b)/(a − b), and 2Δθ/(a + b) where a and b are alike.
    """
    positive = real(monomer) > 0
    safe = np.where(positive, monomer, 1)
    before, after = safe[..., :-1], safe[..., 1:]
    fall = before - after
    alike = np.abs(real(fall)) < _ALIKE * real(before)
    lasts = -np.diff(np.log(safe)) / np.where(alike, 1, fall)
    return np.where(alike, 2 / (before + after), lasts) * (width * positive[..., 1:])


def _reached(theta: Array, monomer: Values, residence_s: Array) -> tuple[Values, NDArray[np.intp]]:
    """θ after the residence time, beyond the node before it, and that node; shape (…, samples).

    The monomer is taken to fall linearly from node to node, which is integrated exactly.
    """
    width = np.diff(theta)
    lasts = _times(width, monomer)
    time = np.concatenate([np.zeros_like(lasts[..., :1]), np.cumsum(lasts, -1)], -1)
    reachable = np.where(real(monomer) > 0, real(time), np.inf)
    node = np.sum(reachable <= residence_s[:, None], -1) - 1
    node = np.clip(node, 0, len(theta) - 2)
    here = node[..., None]
    m0 = np.take_along_axis(monomer, here, -1)[..., 0]
    m1 = np.take_along_axis(monomer, here + 1, -1)[..., 0]
    slope = (m0 - m1) / width[node]
    since = residence_s - np.take_along_axis(time, here, -1)[..., 0]
    forever = ~np.isfinite(residence_s)
    since = np.where(forever, 0, since)
    x = slope * since
    small = np.abs(x) < 1e-4
    apart = np.where(small, 1.0, x)
    beyond = m0 * since * np.where(small, 1 - x / 2 + x**2 / 6, -np.expm1(-apart) / apart)
    ended = np.where(real(m1) <= 0, m0 / np.where(slope == 0, 1, slope), width[node])
    return np.where(forever, ended, beyond), node


def _between(
    theta: Array, state: Values, generator: Values, of_growth: NDArray[np.intp], node: NDArray[np.intp], beyond: Values
) -> Values:
    """The state a little beyond a node, shape (…, samples, d), by the cubic that has its derivatives at both ends."""
    rows = state.reshape(*state.shape[:-3], -1, state.shape[-1])
    index = (of_growth * len(theta) + node)[..., None]
    y0, y1 = (np.take_along_axis(rows, i, -2) for i in (index, index + 1))
    slopes = generator[..., of_growth, :, :]
    width = np.diff(theta)[node][..., None]
    d0, d1 = ((slopes @ y[..., None])[..., 0] * width for y in (y0, y1))
    u = beyond[..., None] / width
    return y0 * (1 + 2 * u) * (1 - u) ** 2 + d0 * u * (1 - u) ** 2 + y1 * u**2 * (3 - 2 * u) + d1 * u**2 * (u - 1)
