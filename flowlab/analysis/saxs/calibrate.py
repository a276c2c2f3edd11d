"""The detector's place from the rings of silver behenate: refined by pyFAI, with uncertainty, or refused.

Sector by sector the rings are found as Bragg peaks and turned into points on the detector; their spacing tells their
order, so the first guess of the distance may be off by a fifth. pyFAI refines the place from the points; then
it is done once more from the better place.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.saxs.bragg import BraggPeak, find_peaks
from flowlab.analysis.saxs.curve import Array, Curve
from flowlab.analysis.saxs.geometry import Geometry, Mask, geometry
from flowlab.analysis.saxs.poni import Poni, for_pyfai, integrator, pyfai
from flowlab.errors import BadInputError

#: Silver behenate, d001 in nm: Huang et al., J. Appl. Cryst. 26 (1993) 180; Blanton et al., Powder Diffr. 10 (1995) 91.
SILVER_BEHENATE_NM = 5.8380
_SECTORS = 36
_FEWEST_SECTORS = 9
_FEWEST_RINGS = 2
_FEWEST_POINTS = 16
_MOST_RINGS = 15
#: By how much the first guess may be off in q, either way.
_GUESS = 1.25
#: A ring further than this share of the spacing from its place is not one.
_OFF_RING = 0.2
#: By how much, in spacings, the beam centre of the first guess may be off.
_SHIFT = 0.5
#: Worst acceptable scatter of the points, and error of the distance, both relative.
_MOST_SCATTER, _MOST_Q_ERR = 5e-3, 2e-3
#: A peak is placed no better than this share of a pixel.
_PIXEL_ERR = 0.03
#: A sector holds pixels of every q: its rings are seen in finer steps than its pixels.
_BINS_PER_PIXEL = 3
_WIDEST_PIXELS = 8.0
_FEWEST_PIXELS = 200
_NUDGE = 1e-6
_FREE, _TILTS = ("dist", "poni1", "poni2"), ("rot1", "rot2")


@dataclass(frozen=True)
class Calibration:
    """A refined place, or the reason why there is none.

    Attributes:
        poni: None where the rings do not give it.
        distance_err_m, poni1_err_m, poni2_err_m: one sigma, from the scatter of the points.
        rings: orders that were seen.
        points: how many points on rings.
        residual_per_nm: root mean square of the points' distance from their rings.
        q_relative_err: one sigma of the scale of q.
        why: in words.
    """

    poni: Poni | None
    distance_err_m: float
    poni1_err_m: float
    poni2_err_m: float
    rings: tuple[int, ...]
    points: int
    residual_per_nm: float
    q_relative_err: float
    why: str


@dataclass(frozen=True)
class _Points:
    """Points on rings: where (pixels), of which order, and how exactly in q."""

    row: Array
    column: Array
    order: NDArray[np.int64]
    q_err_per_nm: Array


def calibrate(
    frame: NDArray[np.integer],
    guess: Poni,
    masked: Mask | None = None,
    spacing_nm: float = SILVER_BEHENATE_NM,
    tilt: bool = False,
) -> Calibration:
    """The detector's place from a frame of a lamellar standard.

    Args:
        frame: counts, shape of the detector; frames may be added before.
        guess: a first place: distance within a fifth, beam centre within 0.4 of the first ring's radius.
        masked: pixels not to use besides those that pyFAI knows (beam stop!).
        spacing_nm: of the standard's layers.
        tilt: whether rot1 and rot2 are refined, too. At small angles they can hardly be told from a moved centre:
            leave them as they are unless rings far out are seen.

    Raises:
        BadInputError: the frame is not the detector's, or pyFAI is not installed.
    """
    if not 0 < spacing_nm < np.inf:
        raise BadInputError(f"a standard with layers {spacing_nm!r} nm apart does not exist")
    first = _round(frame, guess, masked, spacing_nm, tilt)
    if first.poni is None:
        return first
    # Seen from the better place the rings are sharper.
    return _judged(_round(frame, first.poni, masked, spacing_nm, tilt), guess, 2 * np.pi / spacing_nm)


def _round(frame: NDArray[np.integer], place: Poni, masked: Mask | None, spacing_nm: float, tilt: bool) -> Calibration:
    """One refinement, not judged yet."""
    seen = geometry(place, masked)
    if frame.shape != seen.shape or frame.dtype.kind not in "ui":
        raise BadInputError(f"a frame of {place.detector} is {seen.shape} integers, not {frame.shape} {frame.dtype}")
    points = _points(frame, seen, place, 2 * np.pi / spacing_nm)
    return _refused(points) if isinstance(points, str) else _refined(place, points, spacing_nm, tilt)


def _refused(why: str, like: Calibration | None = None) -> Calibration:
    nan = float("nan")
    if like is None:
        return Calibration(None, nan, nan, nan, (), 0, nan, nan, why)
    return replace(like, poni=None, why=why)


def _points(frame: NDArray[np.integer], seen: Geometry, place: Poni, q1: float) -> _Points | str:
    """Points on rings, or why there are too few."""
    by_pyfai = integrator(place)
    beam = by_pyfai.getFit2D()
    centre = float(beam["centerY"]) - 0.5, float(beam["centerX"]) - 0.5
    row, column = np.ogrid[: seen.shape[0], : seen.shape[1]]
    azimuth = np.arctan2(row - centre[0], column - centre[1]) + np.pi
    sector = np.minimum((azimuth / (2 * np.pi) * _SECTORS).astype(int), _SECTORS - 1)
    pixel = 2 * np.pi / seen.wavelength_nm * float(np.sqrt(seen.unit_solid_angle_sr))  # q across one
    step = pixel / _BINS_PER_PIXEL
    counted = (frame >= 0) & (frame < np.iinfo(frame.dtype).max) & ~seen.masked
    rays: list[tuple[int, list[BraggPeak]]] = []
    for one in range(_SECTORS):
        here = counted & (sector == one)
        if int(here.sum()) >= _FEWEST_PIXELS:
            rays.append(
                (one, find_peaks(_sector_curve(frame[here], seen.q_per_nm[here], step), _WIDEST_PIXELS * pixel))
            )
    at = np.array([peak.q_per_nm for _, peaks in rays for peak in peaks])
    if not len(at):
        return "no ring was found in any sector: is the standard in the beam?"
    azimuths = [(one + 0.5) / _SECTORS * 2 * np.pi - np.pi for one, peaks in rays for _ in peaks]
    orders = _orders(at, np.array(azimuths), q1)
    if orders is None:
        return "the rings found are not equally spaced: another standard, or a first guess too far off"
    return _located(rays, orders, centre, seen, by_pyfai, pixel)


def _located(
    rays: list[tuple[int, list[BraggPeak]]],
    orders: NDArray[np.int64],
    centre: tuple[float, float],
    seen: Geometry,
    by_pyfai: Any,
    pixel: float,
) -> _Points | str:
    """Each peak's point on the detector: on the ray through the middle of its sector, where q is the peak's."""
    angle = (np.array([one for one, _ in rays]) + 0.5) / _SECTORS * 2 * np.pi - np.pi
    along = np.arange(0.0, float(np.hypot(*seen.shape)), 0.5)
    rows, columns = centre[0] + np.outer(np.sin(angle), along), centre[1] + np.outer(np.cos(angle), along)
    two_theta = np.asarray(by_pyfai.tth(rows.ravel(), columns.ravel()), dtype=np.float64).reshape(rows.shape)
    q = 4 * np.pi / seen.wavelength_nm * np.sin(two_theta / 2)
    found: list[tuple[float, float, float, float, float]] = []
    position = 0
    for i, (one, peaks) in enumerate(rays):
        for peak in peaks:
            order = int(orders[position])
            position += 1
            if 1 <= order <= _MOST_RINGS:
                here = float(np.interp(peak.q_per_nm, q[i], along))
                point = centre[0] + here * float(np.sin(angle[i])), centre[1] + here * float(np.cos(angle[i]))
                found.append((*point, order, float(np.hypot(peak.q_err_per_nm, _PIXEL_ERR * pixel)), one))
    points = np.array(found).reshape(-1, 5)
    every = int(np.gcd.reduce(points[:, 2].astype(int))) if len(points) else 1
    if every > 1:
        return f"only every {every}. ring would be there: another standard, or a first guess too far off"
    rings, sectors = len(np.unique(points[:, 2])), len(np.unique(points[:, 4]))
    if rings < _FEWEST_RINGS or len(points) < _FEWEST_POINTS or sectors < _FEWEST_SECTORS:
        return (
            f"{len(points)} points on {rings} rings in {sectors} of {_SECTORS} sectors are too few: "
            f"{_FEWEST_POINTS}, {_FEWEST_RINGS} and {_FEWEST_SECTORS} are needed; count longer or start closer"
        )
    return _Points(points[:, 0], points[:, 1], points[:, 2].astype(np.int64), points[:, 3])


def _sector_curve(counts: NDArray[np.integer], q: Array, step: float) -> Curve:
    """I(q) of the pixels of a sector, in bins finer than a pixel."""
    low = float(q.min())
    bins = ((q - low) / step).astype(int)
    pixels = np.bincount(bins)
    total = np.bincount(bins, counts.astype(np.float64))
    share = 1 / np.where(pixels > 0, pixels, np.nan)
    middle: Array = low + step * (np.arange(len(pixels), dtype=np.float64) + 0.5)
    return Curve(middle, total * share, np.sqrt(np.maximum(total, 1.0)) * share, pixels.astype(np.int64))


def _orders(at: Array, azimuth: Array, q1: float) -> NDArray[np.int64] | None:
    """Order of each ring from their common spacing; 0 for what is not on a ring; None if there is no spacing.

    A beam centre off by some pixels shifts all rings of a sector alike, by a sine of its azimuth: spacing and shift
    are searched together, for the highest mean of cos(2π·(q − shift)/spacing).
    """
    spacing = q1 * np.geomspace(1 / _GUESS, _GUESS, 90)
    shift = q1 * np.linspace(-_SHIFT, _SHIFT, 15)
    best, kept = -1.0, (q1, 0.0, 0.0)
    for down in shift:
        for across in shift:
            phase = 2 * np.pi * (at - down * np.sin(azimuth) - across * np.cos(azimuth))
            score = np.cos(phase / spacing[:, None]).mean(axis=1)
            top = int(score.argmax())
            if score[top] > best:
                best, kept = float(score[top]), (float(spacing[top]), float(down), float(across))
    found, down, across = kept
    place = (at - down * np.sin(azimuth) - across * np.cos(azimuth)) / found
    order = np.round(place).astype(np.int64)
    off = (np.abs(place - order) > _OFF_RING) | (order < 1)
    if np.mean(off) > 0.5:
        return None
    return np.where(off, 0, order)


def _refined(place: Poni, points: _Points, spacing_nm: float, tilt: bool) -> Calibration:
    """PyFAI's refinement, and its errors from the scatter of the points about their rings."""
    refinement = pyfai("pyFAI.geometryRefinement").GeometryRefinement
    calibrant = pyfai("pyFAI.calibrant").Calibrant(
        dspacing=[10 * spacing_nm / n for n in range(1, _MOST_RINGS + 1)], wavelength=place.wavelength_m
    )
    weight = 1 / points.q_err_per_nm
    by_pyfai = refinement(
        # pyFAI counts rings from 0
        np.stack([points.row, points.column, points.order - 1.0, weight / weight.max()], axis=1),
        calibrant,
        **for_pyfai(place),
    )
    free = _FREE + (_TILTS if tilt else ())
    by_pyfai.refine3(fix=[name for name in (*_FREE, *_TILTS, "rot3", "wavelength") if name not in free])
    names = (*_FREE, *_TILTS, "rot3")
    best = np.array([float(getattr(by_pyfai, name)) for name in names])

    def residual(values: Array) -> Array:
        off = by_pyfai.residu1(values, points.row, points.column, points.order - 1)
        return np.asarray(off, dtype=np.float64) * weight

    rest = residual(best)
    columns = [(residual(best + _nudge(i, len(best))) - rest) / _NUDGE for i in range(len(free))]
    jacobian = np.stack(columns, axis=1)
    variance = float(rest @ rest) / max(len(rest) - len(free), 1)
    errors = np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian)) * variance)
    per_radian = 2 * np.pi / place.wavelength_nm  # dq/d2θ at small angles
    scatter = float(np.sqrt(np.mean((rest / weight) ** 2))) * per_radian
    distance, poni1, poni2, rot1, rot2 = (float(value) for value in best[:5])
    try:
        refined = replace(place, distance_m=distance, poni1_m=poni1, poni2_m=poni2, rot1_rad=rot1, rot2_rad=rot2)
    except BadInputError as error:
        return _refused(f"the rings lead nowhere: {error}")
    relative = float(errors[0] / best[0])
    rings = tuple(int(order) for order in np.unique(points.order))
    return Calibration(
        refined,
        float(errors[0]),
        float(errors[1]),
        float(errors[2]),
        rings,
        len(points.row),
        scatter,
        relative,
        f"{len(points.row)} points on {len(rings)} rings, {scatter:.2g} nm⁻¹ off them; q to {100 * relative:.2g} %",
    )


def _nudge(which: int, count: int) -> Array:
    step = np.zeros(count)
    step[which] = _NUDGE
    return step


def _judged(found: Calibration, guess: Poni, q1: float) -> Calibration:
    """The calibration, or its refusal."""
    if found.poni is None:
        return found
    if found.residual_per_nm > _MOST_SCATTER * q1:
        return _refused(
            f"the points lie {found.residual_per_nm:.2g} nm⁻¹ off their rings: more than {100 * _MOST_SCATTER:.2g} % "
            "of the first ring",
            found,
        )
    if not found.q_relative_err < _MOST_Q_ERR:
        return _refused(f"q would be known to {100 * found.q_relative_err:.2g} % only", found)
    ratio = found.poni.distance_m / guess.distance_m
    if not 1 / _GUESS < ratio < _GUESS:
        return _refused(f"the distance would be {ratio:.2f} times the first guess: rings counted wrongly?", found)
    return found
