"""Counts to a cross-section: dark, monitors, transmission, background, thickness.

With C counts per normal pixel, t exposure, Φ monitor of the incident beam, T transmission, d thickness, K the factor
of the absolute scale (standards.py), after Pauw, J. Phys.: Condens. Matter 25 (2013) 383201 and Dreiss, Jack &
Parker, J. Appl. Cryst. 39 (2006) 32:

    N = (C/t − C_dark/t_dark) / (Φ·T),   dΣ/dΩ = K·(N_sample − b·N_background) / d.

Three kinds of error are kept apart, for they do different harm: counting errors are independent from bin to bin;
those of monitors and transmissions lift or lower all bins of one of the two curves together; those of thickness and
scale multiply the result.
"""

from dataclasses import dataclass
from math import hypot, isfinite

import numpy as np

from flowlab.analysis.saxs.curve import Array, Curve

#: A monitor must stand out of its error by so many sigma, and a difference to be believed too.
_SIGMA = 3.0
#: A dark above this share of the background is none.
_DARKEST = 0.5


@dataclass(frozen=True)
class Quantity:
    """A number and its one sigma."""

    value: float
    err: float

    @property
    def relative_err(self) -> float:
        """Error over value."""
        return self.err / abs(self.value)


@dataclass(frozen=True)
class Transmission:
    """Share of the beam that passes, or the reason why it is not known."""

    quantity: Quantity | None
    why: str


@dataclass(frozen=True)
class Shot:
    """A curve and what the beam did meanwhile.

    Attributes:
        curve: counts per pixel of normal incidence, as the integrator gives them.
        exposure_s: time in which they were counted.
        incident: mean reading of the monitor before the sample, in any unit that all shots share.
        transmission: of what was in the beam.
    """

    curve: Curve
    exposure_s: float
    incident: Quantity
    transmission: Transmission


@dataclass(frozen=True)
class Reduced:
    """A corrected curve, or the reason why there is none.

    Attributes:
        curve: None where it cannot be given; its errors are those of the counts.
        shared_err: one sigma from monitors and transmissions, the same in all bins of one curve; shape (bins,).
        scale_relative_err: of thickness and absolute scale together: multiplies all.
        unit: ``cm⁻¹`` with an absolute scale, else ``a.u./mm``.
        why: what was done, or why it could not be.
    """

    curve: Curve | None
    shared_err: Array | None
    scale_relative_err: float
    unit: str
    why: str


def transmission(
    incident: Quantity, transmitted: Quantity, open_incident: Quantity, open_transmitted: Quantity
) -> Transmission:
    """T = (It/I0) / (It/I0 without anything in the beam).

    Args:
        incident: monitor before the sample.
        transmitted: monitor behind it.
        open_incident: monitor before, without the sample.
        open_transmitted: monitor behind, without the sample.
    """
    readings = {
        "incident beam": incident,
        "transmitted beam": transmitted,
        "incident beam, open": open_incident,
        "transmitted beam, open": open_transmitted,
    }
    for name, reading in readings.items():
        if not _positive(reading):
            return Transmission(None, _no_beam(name, reading))
    value = (transmitted.value / incident.value) / (open_transmitted.value / open_incident.value)
    # (σ_T/T)² = Σ (σ/I)² of the four readings
    relative = float(np.sqrt(sum(reading.relative_err**2 for reading in readings.values())))
    if value - _SIGMA * value * relative > 1:
        return Transmission(
            None, f"transmission {value:.4g} ± {value * relative:.2g} is above 1: the open beam was weaker"
        )
    return Transmission(Quantity(value, value * relative), "It/I0 over that of the open beam")


def _no_beam(name: str, reading: Quantity) -> str:
    return f"{name}: {reading.value:.4g} ± {reading.err:.2g} does not stand out of its error: no beam?"


def reduced(
    sample: Shot,
    background: Shot,
    thickness_mm: Quantity,
    dark: tuple[Curve, float] | None = None,
    factor: Quantity | None = None,
    background_share: float = 1.0,
) -> Reduced:
    """The sample's own scattering.

    Args:
        sample: solution in its cell.
        background: the same cell with pure solvent, or empty.
        thickness_mm: of the sample along the beam.
        dark: curve with the beam off, and its exposure in s; None for a counter without dark counts.
        factor: of the absolute scale, from standards.py; the result is in arbitrary units where None.
        background_share: of the background that is subtracted: 1 − volume fraction of the particles in solvent.
    """
    unit = "a.u./mm" if factor is None else "cm⁻¹"
    why = _obstacle(sample, background, thickness_mm, dark, factor, background_share)
    if why is not None:
        return Reduced(None, None, float("nan"), unit, why)
    above, above_relative = _normalized(sample, dark)
    below, below_relative = _normalized(background, dark)
    scale = (1.0 if factor is None else factor.value) / thickness_mm.value
    dark_part = _dark_part(sample, background, dark, background_share)
    # One dark lies in both: its part of the variance is that of the difference, not the sum of two.
    err = np.sqrt(above.err**2 + (background_share * below.err) ** 2 + dark_part)
    curve = Curve(
        above.q_per_nm,
        scale * (above.intensity - background_share * below.intensity),
        scale * err,
        np.minimum(above.pixels, below.pixels),
    )
    shared = np.hypot(above.intensity * above_relative, background_share * below.intensity * below_relative)
    relative = hypot(thickness_mm.relative_err, 0.0 if factor is None else factor.relative_err)
    done = [
        "background subtracted",
        f"T = {_value(sample.transmission):.4g} over {_value(background.transmission):.4g}",
        f"{thickness_mm.value:g} mm",
    ]
    return Reduced(curve, scale * shared, relative, unit, "; ".join(["dark subtracted", *done] if dark else done))


def _value(of: Transmission) -> float:
    return float("nan") if of.quantity is None else of.quantity.value


def _obstacle(
    sample: Shot,
    background: Shot,
    thickness_mm: Quantity,
    dark: tuple[Curve, float] | None,
    factor: Quantity | None,
    background_share: float,
) -> str | None:
    for name, shot in (("sample", sample), ("background", background)):
        why = _useless(shot)
        if why is not None:
            return f"{name}: {why}"
    for name, curve in (("background", background.curve), *([("dark", dark[0])] if dark else [])):
        if not np.array_equal(curve.q_per_nm, sample.curve.q_per_nm):
            return f"{name} and sample were not integrated to the same q"
    if dark is not None and not 0 < dark[1] < np.inf:
        return f"dark: an exposure of {dark[1]!r} s counts nothing"
    if dark is not None and _level(*dark) > _DARKEST * _level(background.curve, background.exposure_s):
        return "dark: it is as bright as the background: was the shutter closed?"
    for name, quantity in (("thickness", thickness_mm), ("scale factor", factor)):
        if quantity is not None and not _positive(quantity):
            return f"{name}: {quantity.value:.4g} ± {quantity.err:.2g} cannot be used"
    if not 0 <= background_share <= 1:
        return f"a share of {background_share!r} of the background cannot be subtracted"
    return None


def _level(curve: Curve, exposure_s: float) -> float:
    """Counts per pixel and second, over all bins that have any pixels."""
    pixels = np.where(np.isfinite(curve.intensity), curve.pixels, 0.0)
    return float(np.nansum(curve.intensity * pixels) / max(pixels.sum(), 1.0) / exposure_s)


def _positive(quantity: Quantity) -> bool:
    known = isfinite(quantity.value) and isfinite(quantity.err) and quantity.err >= 0
    return known and quantity.value > 0 and quantity.value >= _SIGMA * quantity.err


def _useless(shot: Shot) -> str | None:
    """Why a shot cannot be normalized."""
    if not 0 < shot.exposure_s < np.inf:
        return f"an exposure of {shot.exposure_s!r} s counts nothing"
    if not _positive(shot.incident):
        return _no_beam("incident beam", shot.incident)
    if shot.transmission.quantity is None:
        return shot.transmission.why
    passed = shot.transmission.quantity
    if not _positive(passed) or passed.value > 1 + _SIGMA * passed.err:
        return f"transmission {passed.value:.4g} ± {passed.err:.2g} is not above 0 and at most 1"
    return None


def _normalized(shot: Shot, dark: tuple[Curve, float] | None) -> tuple[Curve, float]:
    """N of the module's docstring without the dark's variance, and the relative error that all bins share."""
    passed = shot.transmission.quantity
    assert passed is not None  # noqa: S101  _obstacle has looked
    per = 1 / (shot.exposure_s * shot.incident.value * passed.value)
    curve = shot.curve.scaled(per)
    if dark is not None:
        level = dark[0].intensity * (shot.exposure_s / dark[1]) * per
        curve = Curve(curve.q_per_nm, curve.intensity - level, curve.err, curve.pixels)
    return curve, hypot(shot.incident.relative_err, passed.relative_err)


def _dark_part(sample: Shot, background: Shot, dark: tuple[Curve, float] | None, share: float) -> Array | float:
    """Variance from the dark, which is subtracted from both: (σ_D/t_D)²·(1/Φ_s T_s − b/Φ_b T_b)²."""
    if dark is None:
        return 0.0
    left = 1 / (sample.incident.value * _value(sample.transmission))
    left -= share / (background.incident.value * _value(background.transmission))
    return (dark[0].err / dark[1] * left) ** 2
