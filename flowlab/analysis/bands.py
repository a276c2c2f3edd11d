"""The fit of bands to a smoothed curvature: least squares in energy with an analytic Jacobian.

A band is a Gaussian of centre c, σ and height h, and behind it an edge of height a and the same centre and width:
transitions too close to be seen apart, which fill the valley on the blue side of a crystal's exciton. Smoothed by a
Gaussian of σ_k they have with s² = σ² + σ_k², u = (E − c)/s and φ the normal distribution the curvature

    −d²A/dE² = h·σ/s³·(1 − u²)·exp(−u²/2) + a·u·φ(u)/s².

What varies slowly underneath, the scattering and the continuum, hardly has any. Levenberg–Marquardt on the normal
equations: a hundred numbers and a dozen parameters take longer to hand to a library than to solve.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: What is known of a band's width beforehand: FWHM about 0.13 eV, and hardly a tenth or ten times that.
PRIOR_SIGMA_EV, _PRIOR_LOG_SIGMA = 0.055, 1.0
#: The centre is near the maximum of the curvature that gave rise to the band.
_PRIOR_CENTRE_EV = 0.05
_MOST_STEPS = 12  # what has not settled by then is ill determined, and better left near where it began
_CONVERGED = 1e-3  # of the sum of squares
#: Parameters of a band: centre, ln(σ), height, edge.
PER_BAND = 4
_SQRT_2_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class Bands:
    """Bands as they fit best.

    Attributes:
        parameters: centre in eV, ln(σ in eV), height and height of the edge, absorbance, shape (bands, 4).
        covariance: of all of them, in that order, from the noise, shape (4·bands, 4·bands).
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
    def errors(self) -> Array:
        """One sigma of the parameters, shape (bands, 4)."""
        return np.sqrt(np.diag(self.covariance)).reshape(self.parameters.shape)


def curvature_of(energy_ev: Array, smoothing_ev: float, parameters: Array) -> tuple[Array, Array]:
    """Curvature of bands, and its derivatives by each of their parameters.

    Returns:
        Shapes (points,) and (4·bands, points).
    """
    centre, log_sigma, height, edge = parameters.T[:, :, None]
    sigma = np.exp(log_sigma)
    s = np.sqrt(sigma**2 + smoothing_ev**2)
    u = (energy_ev - centre) / s
    square = u * u
    gauss = np.exp(-0.5 * square)
    inside = 1 - square
    peak = gauss * (sigma / s**3)
    per_height = peak * inside
    per_edge = u * gauss / (_SQRT_2_PI * s**2)
    slope = edge * inside * gauss / (_SQRT_2_PI * s**2)  # of the edge's curvature, by u
    by_centre = (height * peak * u * (3 - square) - slope) / s
    # d ln(σ) moves σ itself, and s with it: ds/d ln σ = σ²/s
    by_s = height * peak * (square * (3 - square) - 3 * inside) - 2 * edge * per_edge - u * slope
    by_log_sigma = height * per_height + by_s * (sigma / s) ** 2
    jacobian = np.empty((len(parameters), PER_BAND, len(energy_ev)))
    jacobian[:, 0], jacobian[:, 1], jacobian[:, 2], jacobian[:, 3] = by_centre, by_log_sigma, per_height, per_edge
    value = (height * per_height + edge * per_edge).sum(axis=0)
    return value, jacobian.reshape(PER_BAND * len(parameters), -1)


def fit_bands(
    energy_ev: Array,
    curvature: Array,
    err: Array,
    noise: Array,
    correlation: Array,
    smoothing_ev: float,
    start: Array,
    edge: float | Array,
) -> Bands:
    """Fit bands to a curvature.

    Args:
        energy_ev: where it is known, shape (points,).
        curvature: there.
        err: what a point may be off, noise and shape of the bands together.
        noise: standard deviation of its noise.
        correlation: of the noise, shape (points, points).
        smoothing_ev: σ of the smoothing.
        start: parameters to begin with, as in :class:`Bands`.
        edge: usual height of an edge, as a share of its band's; of each band, or of all.
    """
    likely = start.copy()
    likely[:, 1], likely[:, 3] = np.log(PRIOR_SIGMA_EV), 0.0
    prior = np.zeros_like(start)
    prior[:, 0], prior[:, 1] = _PRIOR_CENTRE_EV**-2, _PRIOR_LOG_SIGMA**-2
    prior[:, 3] = 1 / (edge * start[:, 2]) ** 2
    likely, prior, weight = likely.ravel(), prior.ravel(), 1 / err
    diagonal = np.arange(len(prior))

    def model(p: Array) -> tuple[Array, Array, float]:
        value, jacobian = curvature_of(energy_ev, smoothing_ev, p.reshape(start.shape))
        residual = (curvature - value) * weight
        off = p - likely
        return residual, jacobian * weight, float(residual @ residual + off @ (prior * off))

    def normal_of(jacobian: Array, damping: float) -> Array:
        normal = jacobian @ jacobian.T
        normal[diagonal, diagonal] = (normal[diagonal, diagonal] + prior) * (1 + damping) + 1e-12
        return normal

    parameters, damping = start.ravel(), 1e-3
    residual, jacobian, chi2 = model(parameters)
    for _ in range(_MOST_STEPS):
        gradient = jacobian @ residual - prior * (parameters - likely)
        step = np.linalg.solve(normal_of(jacobian, damping), gradient)
        step[1::PER_BAND] = np.clip(step[1::PER_BAND], -0.7, 0.7)
        tried = model(parameters + step)
        if tried[2] < chi2:
            done = chi2 - tried[2] < _CONVERGED * chi2
            parameters, (residual, jacobian, chi2) = parameters + step, tried
            damping *= 0.2
            if done:
                break
        else:
            damping *= 8.0
            if damping > 1e6:
                break
    # What the noise makes of the parameters: p = N⁻¹·J·y, so that its covariance is N⁻¹·J·C·Jᵀ·N⁻¹.
    gain = np.linalg.solve(normal_of(jacobian, 0.0), jacobian * (weight * noise))
    return Bands(parameters.reshape(start.shape), gain @ correlation @ gain.T)
