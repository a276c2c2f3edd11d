"""Size of a nanocrystal from its first exciton: with its uncertainty, its source and its range, or not at all."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SizingCurve:
    """Diameter in nm as a polynomial in the wavelength in nm, highest power first."""

    name: str
    coefficients: tuple[float, ...]
    valid_nm: tuple[float, float]
    relative_error: float


@dataclass(frozen=True)
class Size:
    """A diameter, or the reason why there is none.

    Attributes:
        diameter_nm: None where the curve says nothing.
        fit_err_nm: one sigma from the position of the exciton.
        curve_err_nm: one sigma of the curve itself.
        why: name of the curve, or why it was not used.
    """

    diameter_nm: float | None
    fit_err_nm: float | None
    curve_err_nm: float | None
    why: str


def size(wavelength_nm: float, wavelength_err_nm: float, curve: SizingCurve | None) -> Size:
    """Size of a crystal whose first exciton is at ``wavelength_nm``.

    Returns:
        No diameter outside the curve's range, or where no curve is known.
    """
    if curve is None:
        return Size(None, None, None, "no sizing curve is known for this material")
    low, high = curve.valid_nm
    if not low <= wavelength_nm <= high:
        return Size(None, None, None, f"{curve.name} holds from {low:g} to {high:g} nm only")
    diameter = float(np.polyval(curve.coefficients, wavelength_nm))
    slope = float(np.polyval(np.polyder(np.array(curve.coefficients)), wavelength_nm))
    return Size(diameter, abs(slope) * wavelength_err_nm, curve.relative_error * diameter, curve.name)
