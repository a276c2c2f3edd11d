"""The fit of bands to a smoothed curvature: least squares in energy with an analytic Jacobian.

A band is a Gaussian of centre c, σ and height h, and behind it an edge of height a and the same centre and width:
transitions too close to be seen apart, which fill the valley on the blue side of a crystal's exciton. Smoothed by a
Gaussian of σ_k they have with s² = σ² + σ_k², u = (E − c)/s and φ the normal distribution the curvature

    −d²A/dE² = h·σ/s³·(1 − u²)·exp(−u²/2) + a·u·φ(u)/s².

What varies slowly underneath, the scattering and the continuum, hardly has any. Levenberg–Marquardt on the normal
equations: a hundred numbers and a dozen parameters take longer to hand to a library than to solve.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

Array = NDArray[np.float64]

#: What is known of a band's width beforehand: FWHM about 0.13 eV, and hardly a tenth or ten times that.
PRIOR_SIGMA_EV, _PRIOR_LOG_SIGMA = 0.055, 1.0
#: The centre is near the maximum of the curvature that gave rise to the band.
_PRIOR_CENTRE_EV = 0.05
_MOST_STEPS = 16  # what has not settled by then is ill determined, and better left near where it began
_SIGNIFICANT = 3.0  # what is less sure of its height than this after the fit is no band
_LARGEST_STEP = 0.7  # of the logarithm of a width
_CONVERGED = 0.2  # of the sum of squares, in which 1 is one sigma
_FIRST_DAMPING = 1e-2
_SQRT_2_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class Bands:
    """Bands as they fit best.

    Attributes:
        parameters: centre in eV, ln(σ in eV), height, and that of the edge if there are edges, shape (bands, 3 or 4).
        covariance: of all of them, in that order, from the noise.
    """

    parameters: Array
    covariance: Array

    @property
    def centre_ev(self) -> Array:
        """Shape (bands,)."""
        return self.parameters[:, 0]

    @property
    def sigma_ev(self) -> Array:
        """Shape (bands,)."""
        return np.exp(self.parameters[:, 1])

    @property
    def height(self) -> Array:
        """Shape (bands,)."""
        return self.parameters[:, 2]

    @property
    def significant(self) -> NDArray[np.bool_]:
        """Which of them are so high that they are bands, shape (bands,)."""
        return self.height > _SIGNIFICANT * self.errors[:, 2]

    @property
    def errors(self) -> Array:
        """One sigma of each of the parameters."""
        return np.sqrt(np.diag(self.covariance)).reshape(self.parameters.shape)


def curvature_of(energy_ev: Array, smoothing_ev: float, parameters: Array) -> tuple[Array, Callable[[], Array]]:
    """Curvature of bands, and what computes its derivatives by each of their parameters.

    Args:
        energy_ev: shape (points,).
        smoothing_ev: σ of the smoothing.
        parameters: as in :class:`Bands`.

    Returns:
        Shape (points,), and a function that returns shape (3 or 4 · bands, points).
    """
    columns = parameters.T[:, :, None]
    centre, sigma, height = columns[0], np.exp(columns[1]), columns[2]
    s = np.sqrt(sigma**2 + smoothing_ev**2)
    u = (energy_ev - centre) / s
    square = u * u
    gauss = np.exp(-0.5 * square)
    inside = 1 - square
    peak = gauss * (sigma / s**3)
    per_height = peak * inside
    value = parameters[:, 2] @ per_height
    has_edges = parameters.shape[1] == 4
    per_edge = gauss * u / (_SQRT_2_PI * s**2) if has_edges else peak
    if has_edges:
        value += parameters[:, 3] @ per_edge

    def derivatives() -> Array:
        jacobian = np.empty((*parameters.shape, len(energy_ev)))
        share = (sigma / s) ** 2  # d ln(σ) moves σ itself, and s with it: ds/d ln σ = σ²/s
        term = 2 + inside  # 3 − u²
        term *= peak
        term *= u
        np.multiply(term, height / s, out=jacobian[:, 0])
        term *= u  # at one energy, u falls as s grows
        term *= height * share
        np.multiply(per_height, height * (1 - 3 * share), out=jacobian[:, 1])
        jacobian[:, 1] += term
        jacobian[:, 2] = per_height
        if has_edges:
            edge_by_u = gauss * inside * (columns[3] / (_SQRT_2_PI * s**2))
            jacobian[:, 0] -= edge_by_u / s
            jacobian[:, 1] -= share * (2 * columns[3] * per_edge + u * edge_by_u)
            jacobian[:, 3] = per_edge
        return jacobian.reshape(parameters.size, -1)

    return value, derivatives


def fit_bands(
    energy_ev: Array,
    curvature: Array,
    err: Array,
    noise: Array,
    correlation: Array,
    smoothing_ev: float,
    start: Array,
    edges: Array | None = None,
) -> Bands:
    """Fit bands to a curvature.

    Args:
        energy_ev: where it is known, shape (points,).
        curvature: there.
        err: what a point may be off, noise and shape of the bands together.
        noise: standard deviation of its noise.
        correlation: of the noise, shape (points, points).
        smoothing_ev: σ of the smoothing.
        start: centre, ln(σ) and height to begin with, shape (bands, 3).
        edges: usual height of each band's edge, as a share of its own; None for bands without edges.
    """
    prior = np.tile([_PRIOR_CENTRE_EV**-2, _PRIOR_LOG_SIGMA**-2, 0.0], (len(start), 1))
    likely = start.copy()
    likely[:, 1] = np.log(PRIOR_SIGMA_EV)
    if edges is not None:
        prior = np.column_stack([prior, 1 / (edges * start[:, 2]) ** 2])
        start, likely = (np.column_stack([each, np.zeros(len(start))]) for each in (start, likely))
    shape = start.shape
    likely, prior, weight = likely.ravel(), prior.ravel(), 1 / err

    def model(p: Array) -> tuple[Array, Callable[[], Array], float]:
        value, derivatives = curvature_of(energy_ev, smoothing_ev, p.reshape(shape))
        residual = (curvature - value) * weight
        off = p - likely
        return residual, derivatives, float(residual @ residual + off @ (prior * off))

    def normal_of(jacobian: Array, damping: float) -> Array:
        normal = jacobian @ jacobian.T
        diagonal = normal.reshape(-1)[:: len(prior) + 1]
        diagonal += prior
        diagonal *= 1 + damping
        diagonal += 1e-12
        return normal

    # Damped as H. B. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05, does it.
    parameters, damping, rise = start.ravel(), _FIRST_DAMPING, 2.0
    residual, derivatives, chi2 = model(parameters)
    jacobian = derivatives() * weight
    for _ in range(_MOST_STEPS):
        gradient = jacobian @ residual - prior * (parameters - likely)
        normal = normal_of(jacobian, damping)
        step, positive = dposv(normal, gradient)[1:]
        if positive != 0:  # bands so alike that rounding decides between them
            damping, rise = damping * rise, 2 * rise
            continue
        widths = step[1 :: shape[1]]
        np.minimum(np.maximum(widths, -_LARGEST_STEP, out=widths), _LARGEST_STEP, out=widths)
        expected = float(2 * step @ gradient - step @ (normal @ step))
        if 0 <= expected < _CONVERGED:
            parameters = parameters + step
            break
        tried = model(parameters + step)
        gained = chi2 - tried[2]
        if gained > 0:
            parameters, (residual, derivatives, chi2) = parameters + step, tried
            jacobian = derivatives() * weight
            damping, rise = damping * max(1 / 3, 1 - (2 * gained / max(expected, gained) - 1) ** 3), 2.0
        else:
            damping, rise = damping * rise, 2 * rise
    # What the noise makes of the parameters: p = N⁻¹·J·y, so that its covariance is N⁻¹·J·C·Jᵀ·N⁻¹.
    gain = np.linalg.solve(normal_of(jacobian, 0.0), jacobian * (weight * noise))
    return Bands(parameters.reshape(shape), gain @ correlation @ gain.T)
