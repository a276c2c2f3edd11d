"""Sizes by X-rays and by light on one axis: the diameter that SAXS gives against the one that absorption gives.

Both weigh particles by about their volume: scattering curves are fitted as volume fractions, and the absorption of a
first exciton grows with D^2.65 (Yu et al., Chem. Mater. 15 (2003) 2854). Their errors differ in kind. SAXS measures a
length, with the error of its fit. Absorption measures an energy, to which a sizing curve gives a length: the error of
the fit is small, that of the curve is large, and nearly the same for every condition. So each condition is compared
with all errors, and the run as a whole by the ratio of both diameters, in which the curve's error is one common factor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flowlab.analysis.sizing import Size

#: Diameters that differ by up to so many σ of their errors together agree; from so many on they differ.
AGREE_SIGMA, DIFFER_SIGMA = 2.0, 3.0
#: Fewer conditions tell nothing of a common factor.
_FEWEST_CONDITIONS = 3
_SCATTER_SIGMA = 3.0

Agreement = Literal["agree", "differ", "unknown"]


@dataclass(frozen=True)
class Absorbed:
    """Particles that absorption shows.

    Attributes:
        name: ``CdSe-437``, ``cluster`` or ``exciton``.
        wavelength_nm: of their first transition.
        size: by the sizing curve, or why there is none.
    """

    name: str
    wavelength_nm: float
    size: Size


@dataclass(frozen=True)
class Scattered:
    """A population of spheres that SAXS shows.

    Attributes:
        diameter_nm: median by volume.
        err_nm: one sigma of the fit.
        width: σ of ln D; 0 where none was fitted.
    """

    diameter_nm: float
    err_nm: float
    width: float


@dataclass(frozen=True)
class Comparison:
    """A diameter by SAXS against one by absorption, or against nothing.

    Attributes:
        scattered: None where SAXS gives no diameter.
        absorbed: None where absorption shows no such particles.
        difference_nm: SAXS less absorption; None unless both give a diameter.
        difference_err_nm: one sigma of it: SAXS, fit and curve together.
        sigma: the difference over that, without sign.
        agreement: ``agree`` up to 2σ, ``differ`` from 3σ on; otherwise ``unknown``.
        why: in words.
    """

    scattered: Scattered | None
    absorbed: Absorbed | None
    difference_nm: float | None
    difference_err_nm: float | None
    sigma: float | None
    agreement: Agreement
    why: str


@dataclass(frozen=True)
class Ratio:
    """Diameters by SAXS over those by absorption, in all conditions of a run.

    Attributes:
        mean: weighted by the errors of the fits; None with too few conditions.
        err: one sigma, from how the ratios scatter where that is more than those errors.
        lowest, highest: of the conditions.
        lowest_is, highest_is: which comparison that is.
        conditions: how many.
        common: whether one factor describes them all, as the error of a sizing curve is one; None if not known.
        why: in words.
    """

    mean: float | None
    err: float | None
    lowest: float | None
    highest: float | None
    lowest_is: int | None
    highest_is: int | None
    conditions: int
    common: bool | None
    why: str


def compare(
    scattered: Sequence[Scattered], absorbed: Sequence[Absorbed], no_saxs: str = "", no_absorption: str = ""
) -> list[Comparison]:
    """What SAXS and absorption say of one condition, side by side.

    Each kind of particles that absorption shows is compared with the population nearest in diameter. Where SAXS gives
    one population for several kinds, its diameter is a mean over them: one between theirs contradicts none of them.

    Args:
        scattered: populations; empty where SAXS gives none.
        absorbed: kinds of particles; empty where absorption shows none.
        no_saxs: why there are no populations.
        no_absorption: why there are no particles.

    Returns:
        A comparison for each kind of particles and for each population that none of them is near; at least one.
    """
    if not scattered:
        why = f"no diameter by SAXS: {no_saxs or 'no spheres were found'}"
        return [_unknown(None, one, why) for one in absorbed] or [_unknown(None, None, why)]
    if not absorbed:
        why = f"no diameter by absorption: {no_absorption or 'neither a cluster nor an exciton was recognised'}"
        return [_unknown(one, None, f"{_saxs_words(one)}, {why}") for one in scattered]
    diameters = [one.size.diameter_nm for one in absorbed if one.size.diameter_nm is not None]
    shared = len(scattered) == 1 and len(diameters) > 1 and min(diameters) < scattered[0].diameter_nm < max(diameters)
    found: list[Comparison] = []
    near: set[int] = set()
    for one in absorbed:
        diameter = one.size.diameter_nm
        if diameter is None:
            why = f"{_saxs_words(scattered[0])}, no diameter by absorption of {one.name}: {one.size.why}"
            found.append(_unknown(scattered[0] if len(scattered) == 1 else None, one, why))
            continue
        distances = [abs(math.log(population.diameter_nm / diameter)) for population in scattered]
        nearest = int(np.argmin(distances))
        near.add(nearest)
        found.append(_pair(scattered[nearest], one, shared))
    if near or len(scattered) > 1:
        said = "absorption shows no such particles" if near else "no diameter by absorption to compare with"
        alone = [population for i, population in enumerate(scattered) if i not in near]
        found += [_unknown(one, None, f"{_saxs_words(one)}: {said}") for one in alone]
    return found


def _unknown(scattered: Scattered | None, absorbed: Absorbed | None, why: str) -> Comparison:
    return Comparison(scattered, absorbed, None, None, None, "unknown", why)


def _pair(scattered: Scattered, absorbed: Absorbed, shared: bool) -> Comparison:
    """One population against one kind of particles that has a diameter."""
    size = absorbed.size
    diameter, fit, curve = (float("nan") if v is None else v for v in (size.diameter_nm, size.fit_err_nm,
                                                                       size.curve_err_nm))  # fmt: skip
    difference = scattered.diameter_nm - diameter
    err = math.hypot(scattered.err_nm, fit, curve)
    words = f"{_saxs_words(scattered)}, {absorbed.name} {diameter:.2f} ± {fit:.2f} (fit) ± {curve:.2f} (curve)"
    if not (math.isfinite(difference) and math.isfinite(err) and err > 0):
        return _unknown(scattered, absorbed, f"{words}: the errors are not known")
    sigma = abs(difference) / err
    agreement: Agreement = "agree" if sigma <= AGREE_SIGMA else "differ" if sigma >= DIFFER_SIGMA else "unknown"
    by = f"SAXS is {'larger' if difference > 0 else 'smaller'} by {abs(difference):.2f} nm, {sigma:.1f} σ"
    why = f"{words}: {_said(agreement, by)}"
    if shared:
        if agreement == "differ":
            agreement, why = "unknown", f"{words}: {by}"
        why += "; SAXS gives one size for all that absorption shows, between theirs"
    return Comparison(scattered, absorbed, difference, err, sigma, agreement, why)


def _said(agreement: Agreement, by: str) -> str:
    match agreement:
        case "agree":
            return "agree"
        case "differ":
            return f"differ: {by}"
        case _:
            return f"undecided: {by}"


def _saxs_words(one: Scattered) -> str:
    width = f" (width {100 * one.width:.0f} %)" if one.width else ""
    return f"SAXS {one.diameter_nm:.2f} ± {max(one.err_nm, 5e-3):.2f} nm{width}"


def common_ratio(comparisons: Sequence[Comparison]) -> Ratio:
    """Whether one factor lies between the diameters by SAXS and by absorption in all conditions.

    A sizing curve's error is nearly such a factor. Ratios that scatter by more than the errors of the fits tell of
    something else: particles that only one side sees, or a curve that is wrong in its shape.

    Args:
        comparisons: of all conditions, each with one kind of particles for its population.
    """
    known: list[tuple[int, float, float]] = []
    for i, one in enumerate(comparisons):
        ratio, err = _log_ratio(one)
        if err > 0:
            known.append((i, ratio, err))
    if len(known) < _FEWEST_CONDITIONS:
        why = f"{len(known)} conditions with one diameter on each side are too few for a common factor"
        return Ratio(None, None, None, None, None, None, len(known), None, why)
    index, ratio, err = (np.array(column) for column in zip(*known, strict=True))
    weight = err**-2
    mean = float(np.sum(weight * ratio) / np.sum(weight))
    freedom = len(ratio) - 1
    chi2 = float(np.sum(weight * (ratio - mean) ** 2))
    common = chi2 <= freedom + _SCATTER_SIGMA * math.sqrt(2 * freedom)
    mean_err = math.exp(mean) * math.sqrt(max(chi2 / freedom, 1.0) / float(np.sum(weight)))
    low, high = int(ratio.argmin()), int(ratio.argmax())
    lowest, highest = float(np.exp(ratio[low])), float(np.exp(ratio[high]))
    words = f"SAXS over absorption is {math.exp(mean):.3f} ± {mean_err:.3f} in {len(ratio)} conditions"
    if common:
        why = f"{words}: one factor, as the error of a sizing curve is"
    else:
        why = f"{words}, from {lowest:.2f} to {highest:.2f}: more than the fits' errors, so no common factor of a curve"
    places = int(index[low]), int(index[high])
    return Ratio(math.exp(mean), mean_err, lowest, highest, *places, len(ratio), common, why)


def _log_ratio(one: Comparison) -> tuple[float, float]:
    """Logarithm of both diameters' ratio, and its error by both fits; that is nan where one is not known."""
    if one.scattered is None or one.absorbed is None or one.sigma is None:
        return math.nan, math.nan
    size = one.absorbed.size
    if size.diameter_nm is None or size.fit_err_nm is None:
        return math.nan, math.nan
    err = math.hypot(one.scattered.err_nm / one.scattered.diameter_nm, size.fit_err_nm / size.diameter_nm)
    return math.log(one.scattered.diameter_nm / size.diameter_nm), err
