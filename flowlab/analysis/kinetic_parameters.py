"""The parameters of stepwise growth as one vector for a fit, and what is told of each afterwards.

A parameter that the heights leave open has no value: None, and why.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from flowlab.analysis.monomer import GAS_CONSTANT_KJ, ZERO_C_K, Chain, Conditions, Rates, grow

Array = NDArray[np.float64]
Values = NDArray[Any]

CONFIDENCE = 0.95
#: A parameter is known when its interval reaches no farther to either side: a factor of ten, 100 kJ/mol, 50 °C.
_KNOWN_LOG, _KNOWN_KJ, _KNOWN_C = float(np.log(10)), 100.0, 50.0
#: So near to an edge, as a share of what was allowed, a parameter is held by it and not by the heights.
_AT_EDGE = 1e-3
_CORRELATED = 0.9


@dataclass(frozen=True)
class Allowed:
    """What parameters may be, shape (parameters,) each."""

    lowest: Array
    highest: Array

    @property
    def width(self) -> Array:
        """From the lowest to the highest."""
        return self.highest - self.lowest

    def inside(self, p: Array, margin: float | Array) -> Array:
        """The nearest parameters that are allowed, off the edges."""
        return np.clip(p, self.lowest + margin, self.highest - margin)


@dataclass(frozen=True)
class Parameter:
    """A fitted parameter.

    Attributes:
        name: what it is of.
        unit: of the value.
        value: None where the heights leave it open.
        interval: 95 %, None likewise.
        why: in words, where it is open; None where it is not.
    """

    name: str
    unit: str
    value: float | None
    interval: tuple[float, float] | None
    why: str | None


@dataclass(frozen=True)
class ParameterSet:
    """Where each parameter is: nucleation's two, ln k of the steps, their energies, ln of the uptake, of the factors.

    Attributes:
        chain: what grows into what.
        reference_c: temperatures at which logarithms are given: of nucleation, of growth.
    """

    chain: Chain
    reference_c: tuple[float, float]

    @property
    def size(self) -> int:
        """How many there are."""
        return self.kinetic + len(self.chain.families)

    @property
    def kinetic(self) -> int:
        """How many there are before the factors."""
        return 3 + 2 * len(self.chain.steps)

    @property
    def names(self) -> tuple[str, ...]:
        """Of each parameter."""
        steps = self.chain.steps
        rates = [f"k({step})" for step in steps]
        energies = [f"E({step})" for step in steps]
        factors = [f"the factor of {family}" for family in self.chain.families]
        return ("nucleation", "E(nucleation)", *rates, *energies, "uptake by crystals", *factors)

    @property
    def is_energy(self) -> NDArray[np.bool_]:
        """Which are energies in kJ/mol; all others are logarithms."""
        return np.array([name.startswith("E(") for name in self.names])

    def rates(self, p: Values) -> Rates:
        """Of the model, shape of ``p`` (…, parameters)."""
        steps = len(self.chain.steps)
        rate, energy = p[..., 2 : 2 + steps], p[..., 2 + steps : 2 + 2 * steps]
        return Rates(self.reference_c, p[..., 0], p[..., 1], rate, energy, p[..., 2 + 2 * steps])

    def amounts(self, p: Values, conditions: Conditions) -> Values:
        """Particles of each family per monomer unit put in, shape (…, samples, families); no factors needed."""
        return grow(self.chain, self.rates(p), conditions).particles[..., 1:-1]

    def heights(self, p: Values, conditions: Conditions) -> Values:
        """Heights of the families, shape (…, samples, families)."""
        return np.exp(p[..., None, self.kinetic :]) * self.amounts(p, conditions)


def covariance_of(jacobian: Array, allowed: Allowed) -> Array:
    """Covariance from residuals' derivatives, shape (residuals, parameters).

    A direction that the residuals leave open has the variance of an even distribution over what was allowed.
    """
    width = allowed.width
    # By singular values: the square of the Jacobian would lose what is hardly known.
    _, singular, axes = np.linalg.svd(jacobian * width, full_matrices=False)
    return (axes.T / (singular**2 + 12)) @ axes * width * width[:, None]


def told(
    parameters: ParameterSet, best: Array, covariance: Array, allowed: Allowed, degrees: int
) -> tuple[Parameter, ...]:
    """What is known of each parameter, factors left out: those hold extinction, path and concentration in one."""
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, degrees))
    reach = quantile * np.sqrt(np.diag(covariance))
    found = [_half(parameters, best, covariance, allowed, quantile)]
    for i in range(1, parameters.kinetic):
        name, why = parameters.names[i], _open(i, parameters, best, reach, covariance, allowed)
        low, high = float(best[i] - reach[i]), float(best[i] + reach[i])
        if parameters.is_energy[i]:
            # An activation energy below 0 was not allowed, so none is told.
            value, interval, unit = float(best[i]), (max(low, 0.0), high), "kJ/mol"
        else:
            unit = "units/s" if name == "uptake by crystals" else "1/s"
            value, interval = float(np.exp(best[i])), (float(np.exp(low)), float(np.exp(high)))
        found.append(Parameter(name, unit, None if why else value, None if why else interval, why))
    return tuple(found)


def _half(parameters: ParameterSet, best: Array, covariance: Array, allowed: Allowed, quantile: float) -> Parameter:
    """T_nuc at which nucleation takes half of the monomer: 1/T = 1/T_ref + R·ln x/E."""
    name, unit = "nucleation takes half of the monomer at", "°C"
    log_ratio, energy = float(best[0]), float(best[1])
    if energy <= _AT_EDGE * float(allowed.width[1]):
        return Parameter(name, unit, None, None, "nucleation does not depend on the temperature in this fit")
    inverse = 1 / (parameters.reference_c[0] + ZERO_C_K) + GAS_CONSTANT_KJ * log_ratio / energy
    if not inverse > 0:
        return Parameter(name, unit, None, None, "there is no such temperature in this fit")
    slope = GAS_CONSTANT_KJ * np.array([1 / energy, -log_ratio / energy**2])
    reach = quantile * float(np.sqrt(slope @ covariance[:2, :2] @ slope)) / inverse**2
    at = 1 / inverse - ZERO_C_K
    if reach > _KNOWN_C:
        return Parameter(name, unit, None, None, f"open by ± {reach:.0f} °C around {at:.0f} °C")
    return Parameter(name, unit, at, (at - reach, at + reach), None)


def _open(
    i: int, parameters: ParameterSet, best: Array, reach: Array, covariance: Array, allowed: Allowed
) -> str | None:
    """Why a parameter is open; None where it is known."""
    energy = bool(parameters.is_energy[i])
    margin = _AT_EDGE * allowed.width[i]
    for edge, away, word in ((allowed.lowest[i], 1, "lowest"), (allowed.highest[i], -1, "highest")):
        if away * (best[i] - edge) < margin:
            return f"at the {word} that was allowed, {_amount(float(edge), energy)}: the heights give a limit at most"
    if reach[i] <= (_KNOWN_KJ if energy else _KNOWN_LOG):
        return None
    why = f"open by ± {reach[i]:.0f} kJ/mol" if energy else f"open by a factor of {_factor(float(reach[i]))}"
    sigma = np.sqrt(np.diag(covariance))
    correlation = covariance[i] / (sigma[i] * sigma)
    correlation[i] = 0
    partner = int(np.argmax(np.abs(correlation)))
    if abs(correlation[partner]) > _CORRELATED:
        why += f"; only known together with {parameters.names[partner]} (correlation {correlation[partner]:+.2f})"
    return why


def _amount(value: float, energy: bool) -> str:
    return f"{value:g} kJ/mol" if energy else f"{np.exp(value):.1g}"


def _factor(log: float) -> str:
    return f"{np.exp(log):.0f}" if log < np.log(1000) else f"10^{log / np.log(10):.0f}"
