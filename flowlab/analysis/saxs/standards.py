"""The absolute scale: by which factor a normalized curve becomes a cross-section in cm⁻¹."""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.saxs.correct import Quantity
from flowlab.analysis.saxs.curve import Array, Curve

#: Water at 20 °C: flat at low q, from its compressibility: Orthaber, Bergmann & Glatter, J. Appl. Cryst. 33 (2000) 218.
WATER_PER_CM = Quantity(1.632e-2, 0.001e-2)
#: Below it a cell's small-angle scattering is hard to subtract, above it the structure of water begins.
WATER_RANGE_PER_NM = (1.0, 2.5)
#: How far the level of water may differ between the ends of the range, and glassy carbon from the certificate's shape.
_UNEVENNESS = 0.05
_SIGMA = 5.0

#: Glassy carbon, NIST Standard Reference Material 3600: certified q in Å⁻¹ and dΣ/dΩ in cm⁻¹ sr⁻¹.
_CARBON = (
    (0.00827568, 34.933380),
    (0.00888450, 34.427156),
    (0.00954735, 34.042170),
    (0.01026900, 33.698553),
    (0.01105780, 33.352529),
    (0.01191830, 33.027533),
    (0.01286110, 32.665045),
    (0.01389340, 32.306665),
    (0.01502510, 31.970485),
    (0.01626850, 31.559099),
    (0.01763650, 31.183763),
    (0.01914320, 30.861805),
    (0.02080510, 30.514300),
    (0.02264220, 30.084982),
    (0.02467500, 29.690414),
    (0.02692890, 29.249965),
    (0.02943170, 28.889970),
    (0.03221560, 28.449341),
    (0.03531810, 28.065980),
    (0.03878270, 27.704965),
    (0.04265880, 27.331304),
    (0.04700390, 26.974065),
    (0.05188580, 26.676952),
    (0.05738140, 26.401158),
    (0.06358290, 26.177427),
    (0.07059620, 25.904683),
    (0.07854840, 25.528734),
    (0.08758630, 24.917743),
    (0.09788540, 23.946472),
    (0.10965500, 22.472101),
    (0.11431200, 21.777228),
    (0.11839500, 21.112938),
    (0.12262400, 20.401110),
    (0.12314200, 20.287060),
    (0.12700400, 19.685107),
    (0.13154000, 18.909809),
    (0.13623900, 18.089242),
    (0.13864300, 17.679572),
    (0.14110500, 17.264117),
    (0.14614500, 16.372848),
    (0.15136500, 15.458350),
    (0.15651300, 14.587700),
    (0.15677100, 14.563071),
    (0.16237100, 13.616671),
    (0.16817000, 12.668549),
    (0.17417700, 11.752287),
    (0.17718100, 11.311460),
    (0.18039800, 10.862157),
    (0.18684100, 9.961979),
    (0.19351500, 9.116906),
    (0.20042700, 8.325578),
    (0.20116500, 8.224897),
    (0.20758600, 7.541931),
    (0.21500000, 6.854391),
    (0.22267900, 6.216070),
    (0.22909500, 5.715911),
    (0.23063300, 5.582366),
    (0.23887100, 4.999113),
    (0.24740200, 4.463604),
)
#: The certificate's standard uncertainty, the same share of every value.
_CARBON_RELATIVE_ERR = 0.0258


@dataclass(frozen=True)
class Factor:
    """By what a curve in a.u./mm must be multiplied, or the reason why it is not known.

    Attributes:
        quantity: (cm⁻¹) per (a.u./mm); None where the standard cannot be one.
        why: from what, or why not.
    """

    quantity: Quantity | None
    why: str


def carbon_per_cm(q_per_nm: Array) -> Array:
    """Cross-section of glassy carbon, interpolated in the logarithms; nan outside the certified 0.083 to 2.474 nm⁻¹."""
    certified = np.array(_CARBON)
    log_q = np.log(np.where(q_per_nm > 0, q_per_nm, np.nan))
    nodes = np.log(10 * certified[:, 0])
    return np.exp(np.interp(log_q, nodes, np.log(certified[:, 1]), left=np.nan, right=np.nan))


def from_carbon(measured: Curve) -> Factor:
    """Factor from a curve of glassy carbon, reduced as the sample is (background: open beam or air)."""
    expected = carbon_per_cm(measured.q_per_nm)
    known = measured.usable & np.isfinite(expected) & (measured.intensity > 0)
    if known.sum() < 10:
        return Factor(None, f"glassy carbon is certified from 0.083 to 2.47 nm⁻¹; {int(known.sum())} bins lie there")
    return _factor(measured, known, expected[known], _CARBON_RELATIVE_ERR, "glassy carbon")


def from_water(
    measured: Curve,
    level_per_cm: Quantity = WATER_PER_CM,
    range_per_nm: tuple[float, float] = WATER_RANGE_PER_NM,
) -> Factor:
    """Factor from a curve of water, reduced as the sample is (background: the empty cell).

    Args:
        measured: its curve.
        level_per_cm: at the temperature of the water; the default holds at 20 °C.
        range_per_nm: where the level is taken as flat.
    """
    low, high = range_per_nm
    inside = measured.usable & (measured.q_per_nm >= low) & (measured.q_per_nm <= high)
    if inside.sum() < 10:
        return Factor(None, f"water: only {int(inside.sum())} usable bins from {low:g} to {high:g} nm⁻¹")
    expected = np.full(int(inside.sum()), level_per_cm.value)
    return _factor(measured, inside, expected, level_per_cm.relative_err, "water")


def _factor(measured: Curve, where: np.ndarray, expected: Array, expected_relative_err: float, name: str) -> Factor:
    """Weighted mean of measured over expected, if that ratio is the same at low and high q."""
    ratio = measured.intensity[where] / expected
    weight = (expected / measured.err[where]) ** 2
    mean = float(np.sum(weight * ratio) / np.sum(weight))
    mean_err = float(1 / np.sqrt(np.sum(weight)))
    if mean < _SIGMA * mean_err:
        return Factor(None, f"{name}: its scattering ({mean:.3g} ± {mean_err:.2g}) does not stand out of the noise")
    q = measured.q_per_nm[where]
    x = q - np.sum(weight * q) / np.sum(weight)
    slope = float(np.sum(weight * x * ratio) / np.sum(weight * x * x))
    slope_err = float(1 / np.sqrt(np.sum(weight * x * x)))
    tilt, tilt_err = slope * float(np.ptp(q)) / mean, slope_err * float(np.ptp(q)) / mean
    if abs(tilt) > _UNEVENNESS and abs(tilt) > _SIGMA * tilt_err:
        return Factor(
            None,
            f"{name}: measured over expected changes by {100 * tilt:.0f} % from {q[0]:.2g} to {q[-1]:.2g} nm⁻¹ "
            "(background, geometry, or another sample)",
        )
    if tilt_err > 2 * _UNEVENNESS:
        return Factor(None, f"{name}: too noisy to see whether its shape is right; count longer")
    relative = float(np.hypot(mean_err / mean, expected_relative_err))
    return Factor(Quantity(1 / mean, relative / mean), f"{name}, {int(where.sum())} bins")
