"""Spread of the sizes of crystals, from the width of their first exciton.

Crystals of one size have an exciton of some width, the homogeneous one; what an exciton is broader is taken for a
spread of sizes, which the sizing curve tells: σ_D = σ_E·|dD/dE|. Other things broaden an exciton, too, its fine
structure and a second transition close by; where the homogeneous width is not known the result is an upper bound.

A curve that is off by a factor is so in D and in dD/dE alike, so that its own error hardly matters to σ_D/D.
"""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.axis import HC_EV_NM
from flowlab.analysis.sizing import SizingCurve

_FWHM = float(2 * np.sqrt(2 * np.log(2)))
#: What the width of a band is off by beyond noise, for excitons are no Gaussians: a share of it.
_WIDTH_ERROR = 0.05
#: The broader a spread is, the less is the sum of all excitons a Gaussian: relative error over σ_D/D. Made-up ensembles
#: along Yu's curve come out too low, by 5 % of σ_D/D = 0.04, and by 20 % of 0.10.
_SHAPE_ERROR = 2.0


@dataclass(frozen=True)
class Dispersion:
    """A spread of sizes, or why there is none.

    Attributes:
        relative: σ_D/D; None when it is not known.
        err: one sigma; that of an assumed homogeneous width is not in it.
        is_upper_bound: whether nothing was taken off for the homogeneous width.
        why: how it was found, or why it was not.
    """

    relative: float | None
    err: float | None
    is_upper_bound: bool
    why: str


def size_dispersion(
    wavelength_nm: float,
    wavelength_err_nm: float,
    fwhm_ev: float,
    fwhm_err_ev: float,
    curve: SizingCurve | None,
    homogeneous_fwhm_ev: float | None,
) -> Dispersion:
    """Spread of the sizes of crystals.

    Args:
        wavelength_nm: of their first exciton.
        wavelength_err_nm: one sigma.
        fwhm_ev: full width of the exciton at half its maximum.
        fwhm_err_ev: one sigma, from the noise.
        curve: of sizes.
        homogeneous_fwhm_ev: full width of the exciton of crystals of one size, where it is known.

    Returns:
        None outside the curve's range, where no curve is known, and of a band that is no broader than one crystal's.
    """
    if curve is None:
        return Dispersion(None, None, False, "no sizing curve is known for this material")
    low, high = curve.valid_nm
    if not low <= wavelength_nm <= high:
        return Dispersion(None, None, False, f"{curve.name} holds from {low:g} to {high:g} nm only")
    known = homogeneous_fwhm_ev is not None
    narrowest = homogeneous_fwhm_ev or 0.0
    # In squares, for widths of independent causes add up so.
    left, left_err = fwhm_ev**2 - narrowest**2, 2 * fwhm_ev * float(np.hypot(fwhm_err_ev, _WIDTH_ERROR * fwhm_ev))
    if left <= left_err:
        return Dispersion(
            None, None, False, f"the exciton is hardly broader than one crystal's {1e3 * narrowest:.0f} meV"
        )
    spread_ev = float(np.sqrt(left)) / _FWHM
    relative = spread_ev * _relative_slope(curve, wavelength_nm)
    moved = abs(_relative_slope(curve, wavelength_nm + 0.5) - _relative_slope(curve, wavelength_nm - 0.5))
    errors = (relative * 0.5 * left_err / left, spread_ev * moved * wavelength_err_nm, _SHAPE_ERROR * relative**2)
    of_one = f"less {1e3 * narrowest:.0f} meV of one crystal" if known else "upper bound: all of the width"
    how = f"{1e3 * fwhm_ev:.0f} meV wide, {of_one}; {curve.name}"
    return Dispersion(relative, float(np.sqrt(sum(err**2 for err in errors))), not known, how)


def _relative_slope(curve: SizingCurve, wavelength_nm: float) -> float:
    """|dD/dE|/D in 1/eV; dλ/dE = −λ²/(h·c)."""
    by_energy = curve.slope(wavelength_nm) * wavelength_nm**2 / HC_EV_NM
    return abs(by_energy) / curve.diameter_nm(wavelength_nm)
