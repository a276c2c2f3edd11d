"""Size of a nanocrystal from its first exciton: with its uncertainty, its source and its range, or not at all."""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.axis import HC_EV_NM


@dataclass(frozen=True)
class Gap:
    """Energy of the first exciton in eV over the diameter D in nm: E = bulk + 1/(square·D² + linear·D)."""

    bulk_ev: float
    square: float
    linear: float


@dataclass(frozen=True)
class SizingCurve:
    """Diameter in nm as a polynomial in the wavelength in nm, highest power first; or as it follows from a gap."""

    name: str
    coefficients: tuple[float, ...]
    valid_nm: tuple[float, float]
    relative_error: float
    gap: Gap | None = None

    def diameter_nm(self, wavelength_nm: float) -> float:
        """Diameter of a crystal with its first exciton there."""
        if self.gap is None:
            return float(np.polyval(self.coefficients, wavelength_nm))
        # The positive solution of square·D² + linear·D = 1/(E − bulk)
        confined = 1 / (HC_EV_NM / wavelength_nm - self.gap.bulk_ev)
        root = np.sqrt(self.gap.linear**2 + 4 * self.gap.square * confined)
        return float((root - self.gap.linear) / (2 * self.gap.square))

    def slope(self, wavelength_nm: float) -> float:
        """How the diameter changes with the wavelength there, nm per nm."""
        above, below = (self.diameter_nm(wavelength_nm + step) for step in (_STEP_NM, -_STEP_NM))
        return (above - below) / (2 * _STEP_NM)


_STEP_NM = 0.01


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
    diameter = curve.diameter_nm(wavelength_nm)
    fit_err = abs(curve.slope(wavelength_nm)) * wavelength_err_nm
    return Size(diameter, fit_err, curve.relative_error * diameter, curve.name)
