"""How I(q) falls where it sees surfaces only: exponent and constant of Porod's law, or why q does not reach so far."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from flowlab.analysis.saxs.curve import Array, Curve

#: The law of smooth surfaces.
LAW = 4.0
#: A sphere's surface is all that is seen from about this q·R on. Over less than this factor in q, about three periods
#: of a sphere's oscillations, they are taken for another power.
_FROM, _LEAST_FACTOR = 4.5, 3.0
_FEWEST_BINS = 12
_EXPONENTS = (1.0, 7.0)
_MOST_ERR = 0.5
#: What is left of the form factor beside the waves: of the exponent, and the constant's share.
_FORM_ERR, _FORM_SHARE = 0.05, 0.02
_SIGMA = 3.0


@dataclass(frozen=True)
class Porod:
    """I = K·q⁻ᵖ + c at high q, on average over the oscillations of the form factor.

    Attributes:
        exponent: p, with c and K free; 4 where surfaces are smooth. None where ``why`` says so.
        exponent_err: one sigma; misfit counts as noise.
        constant: K for p = 4, in the unit of I times nm⁻⁴: 2π·Δρ²·S/V of an absolute curve. None where p is not 4.
        constant_err: one sigma.
        why: the range used, or why not.
    """

    exponent: float | None
    exponent_err: float | None
    constant: float | None
    constant_err: float | None
    why: str


def porod(curve: Curve, radius_nm: float, width: float = 0.0) -> Porod:
    """Porod's law (G. Porod, Kolloid-Z. 124 (1951) 83) from q·R = 4.5 on.

    A sphere's x⁴·P(x) is 9·(cos x − sin x/x)²: it oscillates with 2x around 9/2·(1 + 1/x²), and a width damps that.
    Sine and cosine of 2·q·R, damped so, are fitted beside the power, or part of a period would be taken for one.

    Args:
        curve: without the solvent's scattering, but for a constant.
        radius_nm: of the particles, from a fit.
        width: σ of ln R.
    """
    start = _FROM / radius_nm
    usable = curve.usable & (curve.q_per_nm >= start)
    q = curve.q_per_nm[usable]
    if len(q) < _FEWEST_BINS or q[-1] < _LEAST_FACTOR * start:
        end = float(curve.q_per_nm[curve.usable].max(initial=0.0))
        return _none(
            f"surfaces are seen from q = {start:.2g} nm⁻¹ on, and q ends at {end:.2g}: "
            f"{_LEAST_FACTOR:g} times as far is needed"
        )
    y, weight = curve.intensity[usable], 1 / curve.err[usable]
    x = q * radius_nm
    damped = np.exp(-2 * (x * width) ** 2)
    wave = np.stack([1 + 1 / x**2, damped * np.cos(2 * x), damped * np.sin(2 * x)])

    def fit(exponent: float) -> tuple[Array, Array, float]:
        rows = np.concatenate([wave * (q / start) ** -exponent, [np.ones_like(q)]]) * weight
        found = np.asarray(np.linalg.lstsq(rows.T, y * weight, rcond=None)[0], dtype=np.float64)
        return found, rows, float(np.sum((y * weight - found @ rows) ** 2))

    exponent = float(minimize_scalar(lambda p: fit(p)[2], bounds=_EXPONENTS, method="bounded").x)
    found, rows, chi2 = fit(exponent)
    scatter = max(chi2 / (len(q) - len(rows) - 1), 1.0)
    # d(K·q⁻ᵖ)/dp = −ln(q)·K·q⁻ᵖ
    slope = -np.log(q / start) * (found[:-1] @ rows[:-1])
    covariance = np.linalg.pinv(np.concatenate([rows, [slope]]) @ np.concatenate([rows, [slope]]).T) * scatter
    height_err, noise = np.sqrt(np.maximum(np.diag(covariance)[[0, -1]], 0.0))
    err = float(np.hypot(noise, _FORM_ERR))
    if not found[0] > _SIGMA * height_err or not err < _MOST_ERR or not _EXPONENTS[0] + err < exponent:
        return _none(f"above {start:.2g} nm⁻¹ no power of q stands out of the constant background and the noise")
    words = f"q from {start:.2g} to {q[-1]:.2g} nm⁻¹"
    if abs(exponent - LAW) > _SIGMA * err:
        return Porod(exponent, err, None, None, f"{words}; not the power of smooth surfaces, 4")
    found, rows, chi2 = fit(LAW)
    scatter = max(chi2 / (len(q) - len(rows)), 1.0)
    height_err = np.hypot(np.sqrt(np.linalg.pinv(rows @ rows.T)[0, 0] * scatter), _FORM_SHARE * found[0])
    return Porod(exponent, err, float(found[0]) * start**LAW, float(height_err) * start**LAW, words)


def _none(why: str) -> Porod:
    return Porod(None, None, None, None, why)
