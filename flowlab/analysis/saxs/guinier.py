"""Radius from the first bend of I(q) alone: a check that knows nothing of distributions."""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.saxs.curve import Curve

#: The law holds up to about this q·R_g.
_REACH = 1.3
_FEWEST_BINS = 6
_ROUNDS = 12
#: Radius of a sphere over its radius of gyration: √(5/3).
SPHERE = float(np.sqrt(5 / 3))


@dataclass(frozen=True)
class Guinier:
    """A radius, or the reason why there is none.

    Attributes:
        radius_nm: of the sphere with this radius of gyration, √(5/3)·R_g; None where the law does not hold.
            Large particles count by the eighth power of their radius: it exceeds a mean by volume.
        radius_err_nm: one sigma.
        why: the range used, or why not.
    """

    radius_nm: float | None
    radius_err_nm: float | None
    why: str


def guinier(curve: Curve, background: float = 0.0, start_nm: float = 1.0) -> Guinier:
    """Ln I = ln I₀ − (q·R_g)²/3 for q·R_g < 1.3 (Guinier 1939), the range following the radius.

    Args:
        curve: without the solvent's scattering.
        background: a constant that is left, subtracted first.
        start_nm: a first radius.
    """
    usable = curve.usable & (curve.intensity - background > 3 * curve.err)
    radius, err, far = start_nm, float("nan"), 0.0
    for _ in range(_ROUNDS):
        far = _REACH / (radius / SPHERE)
        inside = usable & (curve.q_per_nm <= far)
        if inside.sum() < _FEWEST_BINS:
            return Guinier(None, None, f"only {int(inside.sum())} bins below {far:.2g} nm⁻¹ stand out of their errors")
        x = curve.q_per_nm[inside] ** 2
        y = curve.intensity[inside] - background
        weight = (y / curve.err[inside]) ** 2
        y = np.log(y)
        x = x - np.sum(weight * x) / np.sum(weight)
        slope = float(np.sum(weight * x * y) / np.sum(weight * x * x))
        slope_err = float(1 / np.sqrt(np.sum(weight * x * x)))
        if slope >= -2 * slope_err:
            return Guinier(None, None, f"I(q) does not fall as a Guinier law does below {far:.2g} nm⁻¹")
        before, radius = radius, SPHERE * float(np.sqrt(-3 * slope))
        err = radius * slope_err / (2 * abs(slope))
        if abs(radius - before) < 1e-3 * radius:
            break
    else:
        return Guinier(None, None, "range and radius do not settle: I(q) is no Guinier law")
    return Guinier(radius, err, f"q below {far:.2g} nm⁻¹")
