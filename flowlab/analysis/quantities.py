"""What follows from a particle's diameter: how many formula units it has, and how many particles there are."""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.sizing import Size


@dataclass(frozen=True)
class Quantity:
    """A value with the errors of the fit and of the sizing curve apart, one sigma each.

    Those of the curve are the same for all crystals of a series: they do not average out.
    """

    value: float
    fit_err: float
    curve_err: float


def units_per_particle(size: Size, units_per_nm3: float | None) -> Quantity | None:
    """N = k·π/6·D³ of a sphere; None without a diameter or without k, the formula units per nm³."""
    if size.diameter_nm is None or size.fit_err_nm is None or size.curve_err_nm is None or units_per_nm3 is None:
        return None
    value = units_per_nm3 * np.pi / 6 * size.diameter_nm**3
    relative = 3 / size.diameter_nm  # d ln N = 3·d ln D
    fit, curve = (value * relative * err for err in (size.fit_err_nm, size.curve_err_nm))
    return Quantity(float(value), float(fit), float(curve))


def concentration(
    size: Size, absorbance: float, absorbance_err: float, path_mm: float, factor: float, exponent: float
) -> Quantity | None:
    """Particles in mol/L: C = A/(ε·l) with ε = factor·D^exponent in L/(mol·cm).

    Args:
        size: of the particles.
        absorbance: where the extinction coefficient is known, above that of the solvent.
        absorbance_err: one sigma.
        path_mm: optical path.
        factor: of the extinction coefficient.
        exponent: of the diameter in it.

    Returns:
        None without a diameter, or where the sample does not absorb.
    """
    if size.diameter_nm is None or size.fit_err_nm is None or size.curve_err_nm is None or not absorbance > 0:
        return None
    value = absorbance / (factor * size.diameter_nm**exponent * path_mm / 10)
    by_size = exponent / size.diameter_nm  # d ln C = −exponent·d ln D
    fit = np.hypot(absorbance_err / absorbance, by_size * size.fit_err_nm)
    return Quantity(float(value), float(value * fit), float(value * by_size * size.curve_err_nm))
