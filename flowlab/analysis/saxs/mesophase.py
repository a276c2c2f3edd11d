"""What Bragg peaks say of the precursor: a lamellar order or not, and whether it melts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flowlab.analysis.saxs.bragg import THRESHOLD_SIGMA, BraggPeak, find_peaks, fit_gaussian, local_snr
from flowlab.analysis.saxs.curve import Curve

#: How far orders may be off besides their errors: what an imperfect geometry leaves.
GEOMETRY_RELATIVE = 2e-3
_SIGMA = 3.0
_MOST_ORDERS = 5
_FWHM = float(2 * np.sqrt(2 * np.log(2)))
#: A peak is gone when at most this share of its height could be left.
_GONE = 0.1
#: Less than this share of the highest is gone, too, when it is seen.
_TRACE = 0.02
#: By how much its place may move with temperature.
_SHIFT = 0.05


@dataclass(frozen=True)
class Lamellae:
    """A stack of layers, or why none is seen.

    Attributes:
        kind: ``lamellar`` if at least two orders are seen; ``unknown`` if peaks do not tell; ``none`` without peaks.
        d_nm: distance from layer to layer; None unless lamellar.
        d_err_nm: one sigma, the geometry's part included.
        orders: order of each peak of the stack.
        peaks: those peaks.
        why: in words.
    """

    kind: Literal["lamellar", "unknown", "none"]
    d_nm: float | None
    d_err_nm: float | None
    orders: tuple[int, ...]
    peaks: tuple[BraggPeak, ...]
    why: str


def lamellae(peaks: Sequence[BraggPeak], geometry_relative: float = GEOMETRY_RELATIVE) -> Lamellae:
    """Whether peaks are orders n of one stack, q_n = 2π·n/d.

    Args:
        peaks: of one curve.
        geometry_relative: relative error of q that differs from peak to peak.
    """
    if not peaks:
        return Lamellae("none", None, None, (), (), "no Bragg peak")
    listed = ", ".join(f"{peak.q_per_nm:.3f}" for peak in peaks)
    if len(peaks) == 1:
        return Lamellae(
            "unknown", None, None, (), (), f"one peak, at {listed} nm⁻¹, gives a distance but not how it is ordered"
        )
    first = min(peaks, key=lambda peak: peak.q_per_nm)
    members: list[tuple[int, BraggPeak]] = []
    strangers: list[BraggPeak] = []
    for peak in peaks:
        order = round(peak.q_per_nm / first.q_per_nm)
        err = np.sqrt(peak.q_err_per_nm**2 + (order * first.q_err_per_nm) ** 2)
        allowed = _SIGMA * float(np.hypot(err, geometry_relative * peak.q_per_nm))
        if order <= _MOST_ORDERS and abs(peak.q_per_nm - order * first.q_per_nm) <= allowed:
            members.append((order, peak))
        else:
            strangers.append(peak)
    if strangers or len(members) < 2 or members[1][0] != 2:
        return Lamellae("unknown", None, None, (), (), f"peaks at {listed} nm⁻¹ are not whole multiples of the first")
    # q₁ = Σ (n·q_n/σ_n²) / Σ (n²/σ_n²)
    n = np.array([order for order, _ in members], dtype=float)
    q = np.array([peak.q_per_nm for _, peak in members])
    err = np.hypot([peak.q_err_per_nm for _, peak in members], geometry_relative * q)
    q1 = float(np.sum(n * q / err**2) / np.sum(n * n / err**2))
    q1_err = float(1 / np.sqrt(np.sum(n * n / err**2)))
    d = 2 * np.pi / q1
    orders = tuple(order for order, _ in members)
    return Lamellae(
        "lamellar",
        d,
        d * q1_err / q1,
        orders,
        tuple(peak for _, peak in members),
        f"peaks at {listed} nm⁻¹ are orders {', '.join(map(str, orders))} of {d:.3f} nm",
    )


@dataclass(frozen=True)
class Melting:
    """The first order at one temperature.

    Attributes:
        temperature_c: of the sample.
        height: of the peak, in the curves' unit; negative by noise where there is none; None if not measurable.
        height_err: one sigma.
        state: ``present``; ``weaker`` than at its highest; ``gone``; ``unknown`` where the noise hides it.
        why: in words.
    """

    temperature_c: float
    height: float | None
    height_err: float | None
    state: Literal["present", "weaker", "gone", "unknown"]
    why: str


def melting(series: Sequence[tuple[float, Curve]]) -> list[Melting]:
    """How the first order of the strongest stack of a series changes with temperature.

    Args:
        series: temperature in °C and curve, in the order measured. The curves must be normalized alike (correct.py):
            heights of raw counts would follow the beam.

    Returns:
        One entry per curve, in the same order; all ``unknown`` if no curve shows a peak.
    """
    strongest = _strongest(series)
    if strongest is None:
        return [Melting(t, None, None, "unknown", "no curve of the series shows a Bragg peak") for t, _ in series]
    heights = [_height(curve, strongest) for _, curve in series]
    measured = [found for found in heights if found is not None]
    top, top_err = max(measured, key=lambda found: found[0])
    return [_state(temperature, found, top, top_err) for (temperature, _), found in zip(series, heights, strict=True)]


def _strongest(series: Sequence[tuple[float, Curve]]) -> BraggPeak | None:
    """First peak of the curve in which it stands out most: of a stack if one is recognised."""
    best: BraggPeak | None = None
    for _, curve in series:
        peaks = find_peaks(curve)
        stack = lamellae(peaks)
        first = (stack.peaks or tuple(sorted(peaks, key=lambda peak: -peak.snr)))[:1]
        if first and (best is None or first[0].snr > best.snr):
            best = first[0]
    return best


def _height(curve: Curve, like: BraggPeak) -> tuple[float, float] | None:
    """Height of a peak like this one: fitted where it stands out, else of a peak of its width at its place."""
    sigma = like.fwhm_per_nm / _FWHM
    reach = 4 * sigma
    near = curve.between(like.q_per_nm - reach, like.q_per_nm + reach)
    if len(near.q_per_nm) < 8:
        return None
    close = curve.between(like.q_per_nm * (1 - _SHIFT), like.q_per_nm * (1 + _SHIFT))
    snr = local_snr(curve, sigma)
    at = np.interp(close.q_per_nm, curve.q_per_nm, np.nan_to_num(snr))
    if len(at) and float(at.max()) > THRESHOLD_SIGMA:
        q = float(close.q_per_nm[int(at.argmax())])
        fit = fit_gaussian(curve.between(q - reach, q + reach), q, sigma)
        if fit is not None and fit[0][2] > THRESHOLD_SIGMA * fit[1][2]:
            return fit[0][2], fit[1][2]
    x = (near.q_per_nm - like.q_per_nm) / sigma
    columns = np.stack([np.exp(-0.5 * x * x), np.ones_like(x), x, x * x], axis=1) / near.err[:, None]
    covariance = np.linalg.pinv(columns.T @ columns)
    solved = covariance @ (columns.T @ (near.intensity / near.err))
    return float(solved[0]), float(np.sqrt(covariance[0, 0]))


def _state(temperature_c: float, found: tuple[float, float] | None, top: float, top_err: float) -> Melting:
    if found is None:
        return Melting(temperature_c, None, None, "unknown", "the curve has no bins where the peak would be")
    height, err = found
    share = f"{100 * height / top:.0f} % of the highest"
    most = max(height, 0.0) + _SIGMA * err
    if most <= _TRACE * top:  # however well it is seen
        return Melting(temperature_c, height, err, "gone", f"at most {100 * most / top:.1f} % of the highest is left")
    if height > THRESHOLD_SIGMA * err:
        fell = top - height > _SIGMA * float(np.hypot(err, top_err))
        return Melting(temperature_c, height, err, "weaker" if fell else "present", share)
    if most <= _GONE * top:
        return Melting(temperature_c, height, err, "gone", f"at most {100 * most / top:.1f} % of the highest is left")
    return Melting(
        temperature_c, height, err, "unknown", f"up to {100 * most / top:.0f} % of the highest could hide in the noise"
    )
