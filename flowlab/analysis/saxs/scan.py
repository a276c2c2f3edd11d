"""A whole SAXS run, one frame at a time: what the live analyzer, a replay and a report all compute with.

The state depends on the frames in their order and on nothing else, so that live, late and replayed analyses of
the same documents agree exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, isfinite
from typing import Self

import numpy as np

from flowlab.analysis.saxs.bragg import BraggPeak, find_peaks
from flowlab.analysis.saxs.correct import Quantity, Reduced, Shot, Transmission, reduced, transmission
from flowlab.analysis.saxs.curve import Array, Curve, joined
from flowlab.analysis.saxs.distribution import Distribution, DistributionAnalysis
from flowlab.analysis.saxs.mesophase import Lamellae, lamellae
from flowlab.analysis.saxs.populations import Population
from flowlab.analysis.saxs.porod import Porod, porod
from flowlab.analysis.saxs.recipe import Recipe
from flowlab.analysis.saxs.sizes import SizeAnalysis, Sizes

#: Frames of one state are compared in so many bins; their levels may differ by this share (the beam may have moved
#: between exposure and monitor), their shapes by this share beyond the counting errors.
_COMPARED_BINS = 50
_LEVEL, _SHAPE = 0.03, 5e-3
_SIGMA = 6.0
#: Sizes are fitted to so many bins; around a Bragg peak so many of its widths are left out.
_SIZE_BINS = 100
_PEAK_WIDTHS = 1.5


@dataclass(frozen=True)
class Measured:
    """The counts of a frame and what the beam did meanwhile.

    Attributes:
        curve: counts per pixel of normal incidence.
        exposure_s: time in which they were counted.
        incident: reading of the monitor before the sample; None: not measured.
        transmitted: of the one behind it; None: not measured.
    """

    curve: Curve
    exposure_s: float
    incident: Quantity | None
    transmitted: Quantity | None


@dataclass(frozen=True)
class Added:
    """Frames of one state, added up.

    Attributes:
        total: counts and exposure added, monitors averaged over the time; None where the frames do not agree.
        used: which of them.
        why: what was left out, or why there is nothing.
    """

    total: Measured | None
    used: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Point:
    """What the frames of one point say together.

    Attributes:
        reduced: the sample's own scattering, or why there is none.
        transmission: of the sample.
        used: which frames went into it.
        left_out: why others did not; empty where all did.
        exposure_s: of those used, added.
        peaks: Bragg peaks, by rising q.
        lamellae: what they say of the order.
        sizes: what the curve says of spheres; None where there is no curve.
        distribution: without a form; None where no spheres are seen.
        porod: what it says of their surfaces; None where there is no mean radius.
    """

    reduced: Reduced
    transmission: Transmission
    used: tuple[int, ...]
    left_out: str
    exposure_s: float
    peaks: tuple[BraggPeak, ...]
    lamellae: Lamellae
    sizes: Sizes | None
    distribution: Distribution | None = None
    porod: Porod | None = None

    @classmethod
    def unknown(cls, why: str) -> Self:
        """A point of which nothing is known."""
        nothing = Reduced(None, None, float("nan"), "", why)
        none = Lamellae("unknown", None, None, (), (), why)
        return cls(nothing, Transmission(None, why), (), "", 0.0, (), none, None)

    @property
    def mean_radius(self) -> Population | None:
        """The best single population, whether it is narrow is another question; None where none describes the curve."""
        if self.sizes is None or self.sizes.one is None:
            return None
        freedom = _SIZE_BINS - self.sizes.one.parameters
        # The better of the descriptions has this χ²; the radius is that of their mean either way.
        return self.sizes.one.populations[0] if self.sizes.relative_chi2 < 1 + _SIGMA * (2 / freedom) ** 0.5 else None


class SaxsScan:
    """Dark, open beam and background, and the sample's frames reduced with them.

    Args:
        recipe: how.
    """

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._kept: dict[str, list[Measured]] = {"dark": [], "open": [], "background": []}
        self._added: dict[str, Added] = {}

    def renew(self) -> None:
        """Forget dark, open beam and background: those of what follows are taken anew."""
        for frames in self._kept.values():
            frames.clear()
        self._added.clear()

    def take_dark(self, frame: Measured) -> None:
        """Take in a frame without beam."""
        self._keep("dark", frame)

    def take_open(self, frame: Measured) -> None:
        """Take in a frame with nothing in the beam."""
        self._keep("open", frame)

    def take_background(self, frame: Measured) -> None:
        """Take in a frame of the cell with solvent."""
        self._keep("background", frame)

    def _keep(self, what: str, frame: Measured) -> None:
        self._kept[what].append(frame)
        self._added.pop(what, None)

    def _sum(self, what: str) -> Added:
        """The frames of dark, open beam or background together; those of the dark have no beam to compare."""
        if what not in self._added:
            frames = self._kept[what]
            if what == "background":
                self._added[what] = add_up(frames)
            else:
                self._added[what] = Added(_total(frames), tuple(range(len(frames))), "") if frames else _NONE
        return self._added[what]

    def transmission(self, frame: Measured) -> Transmission:
        """Share of the beam that passes the sample, against the open beam of this run."""
        through = self._sum("open").total
        if through is None:
            return Transmission(None, "no frame of the open beam was taken before it")
        monitors = (frame.incident, frame.transmitted, through.incident, through.transmitted)
        if any(monitor is None for monitor in monitors):
            return Transmission(None, "the intensities before and behind the sample are not measured")
        return transmission(*[monitor for monitor in monitors if monitor is not None])

    def frame(self, frame: Measured) -> Reduced:
        """The sample's own scattering in one frame, or why it cannot be given."""
        background = self._sum("background")
        if background.total is None:
            why = "no background was taken before it" if background is _NONE else f"background: {background.why}"
            return self._nothing(why)
        shots = [self._shot(one) for one in (frame, background.total)]
        if isinstance(shots[0], str):
            return self._nothing(shots[0])
        if isinstance(shots[1], str):
            return self._nothing(f"background: {shots[1]}")
        dark = self._sum("dark").total
        return reduced(
            shots[0],
            shots[1],
            self._recipe.thickness_mm,
            None if dark is None else (dark.curve, dark.exposure_s),
            self._recipe.factor,
            self._recipe.background_share,
        )

    def _nothing(self, why: str) -> Reduced:
        return Reduced(None, None, float("nan"), "a.u./mm" if self._recipe.factor is None else "cm⁻¹", why)

    def _shot(self, frame: Measured) -> Shot | str:
        if frame.incident is None:
            return "the intensity before the sample is not measured"
        return Shot(frame.curve, frame.exposure_s, frame.incident, self.transmission(frame))

    def point(self, frames: Sequence[Measured]) -> Point:
        """What the frames of one point say together.

        Args:
            frames: of one state, at least one.
        """
        added = add_up(frames)
        if added.total is None:
            return Point.unknown(added.why)
        found = self.frame(added.total)
        if found.curve is None:
            return Point.unknown(found.why)
        peaks = tuple(find_peaks(found.curve))
        clear = _between_peaks(found.curve, peaks, self._recipe.sizes_from_per_nm)
        point = Point(
            found,
            self.transmission(added.total),
            added.used,
            added.why,
            added.total.exposure_s,
            peaks,
            lamellae(peaks),
            SizeAnalysis(clear.q_per_nm).sizes(clear),
        )
        if point.sizes is None or point.sizes.one is None:
            return point
        found = DistributionAnalysis(clear.q_per_nm).distribution(clear)
        if found.radius_nm is None or found.width is None:
            return replace(point, distribution=found)
        return replace(point, distribution=found, porod=porod(clear, found.radius_nm, found.width))


_NONE = Added(None, (), "no frame was taken")


def add_up(frames: Sequence[Measured]) -> Added:
    """Frames of one state added, those left out that do not agree with the others: a bubble, a lost beam.

    Each is compared with the sum of the others, per charge that passed the sample, with its level free within 3 %. When
    half of them or more would have to go there is nothing to believe. How far levels scatter is added to the errors
    of the monitors.
    """
    if not frames:
        return _NONE
    used = list(range(len(frames)))
    weights = [_weight(frame) for frame in frames]
    complaints: list[str] = []
    for i in range(len(frames)):
        if not (isfinite(weights[i]) and weights[i] > 0):
            used.remove(i)
            complaints.append(f"frame {i + 1}: no beam")
    if not used:
        return Added(None, (), "no beam behind the sample while its frames were taken")
    levels: list[float] = []
    while len(used) > 1:
        together, weight = _total([frames[i] for i in used]).curve, sum(weights[i] for i in used)
        compared = [_compare(frames[i].curve, weights[i], together, weight) for i in used]
        levels = [level for _, level in compared]
        worst = int(np.argmax([excess for excess, _ in compared]))
        if compared[worst][0] <= 1:
            break
        i = used.pop(worst)
        complaints.append(f"frame {i + 1}: differs from the others")
    if 2 * len(used) <= len(frames):
        return Added(None, (), f"{len(frames)} frames of one state do not agree: {'; '.join(complaints)}")
    spread = float(np.std(levels) / np.sqrt(len(used))) if len(used) > 1 else 0.0
    return Added(_total([frames[i] for i in used], spread), tuple(used), "; ".join(complaints))


def _weight(frame: Measured) -> float:
    """To what the counts of a frame are proportional: the charge behind the sample, as far as it is measured."""
    monitor = frame.transmitted or frame.incident
    if monitor is None:
        return frame.exposure_s
    standing = monitor.value > 3 * monitor.err  # a leakage current is no beam
    return frame.exposure_s * monitor.value if standing else float("nan")


def _compare(one: Curve, weight: float, together: Curve, weights: float) -> tuple[float, float]:
    """By how much a frame differs from the others, in units of what is allowed, and its level over theirs."""
    mine = _coarse(one.scaled(1 / weight))
    others_err = np.sqrt(np.maximum(together.err**2 - one.err**2, 0.0))
    others = Curve(one.q_per_nm, together.intensity - one.intensity, others_err, together.pixels)
    rest = _coarse(others.scaled(1 / (weights - weight)))
    both = mine.usable & rest.usable
    if both.sum() < 3:
        return 0.0, 1.0
    a, b = mine.intensity[both], rest.intensity[both]
    err = np.sqrt(mine.err[both] ** 2 + rest.err[both] ** 2 + (_SHAPE * b) ** 2)
    # a = level·b, by least squares
    level = float(np.sum(a * b / err**2) / np.sum(b * b / err**2))
    level_err = float(1 / np.sqrt(np.sum(b * b / err**2)))
    freedom = len(a) - 1
    chi2 = float(np.sum(((a - level * b) / err) ** 2)) / freedom
    return max(abs(level - 1) / (_LEVEL + _SIGMA * level_err), chi2 / (1 + _SIGMA * np.sqrt(2 / freedom))), level


def _coarse(curve: Curve) -> Curve:
    q = curve.q_per_nm
    step = float(q[1] - q[0])
    edges: Array = np.linspace(q[0] - step / 2, q[-1] + step / 2, _COMPARED_BINS + 1, dtype=np.float64)
    return joined(curve, edges)


def _total(frames: Sequence[Measured], spread: float = 0.0) -> Measured:
    """Counts and exposures added; monitors averaged over the time.

    Args:
        frames: at least one.
        spread: relative error of the level besides those of the monitors.
    """
    curve = frames[0].curve
    if len(frames) > 1:
        # Each bin is what a pixel of normal incidence counts, so sums of frames are counts again: σ² = Σσ².
        values = np.stack([frame.curve.intensity for frame in frames])
        errors = np.stack([frame.curve.err for frame in frames])
        pixels = np.min([frame.curve.pixels for frame in frames], axis=0)
        curve = Curve(curve.q_per_nm, values.sum(axis=0), np.sqrt((errors**2).sum(axis=0)), pixels)
    exposure_s = sum(frame.exposure_s for frame in frames)
    return Measured(
        curve,
        exposure_s,
        _mean([(frame.exposure_s, frame.incident) for frame in frames], spread),
        _mean([(frame.exposure_s, frame.transmitted) for frame in frames], 0.0),
    )


def _mean(readings: Sequence[tuple[float, Quantity | None]], spread: float) -> Quantity | None:
    """Σ t·I / Σ t, with its error; None where one was not measured."""
    known = [(time_s, quantity) for time_s, quantity in readings if quantity is not None]
    time_s = sum(time_s for time_s, _ in known)
    if len(known) < len(readings) or time_s <= 0:
        return None
    value = sum(t * quantity.value for t, quantity in known) / time_s
    err = float(np.sqrt(sum((t * quantity.err) ** 2 for t, quantity in known))) / time_s
    return Quantity(value, hypot(err, spread * value))


def _between_peaks(curve: Curve, peaks: Sequence[BraggPeak], from_per_nm: float) -> Curve:
    """The curve between its Bragg peaks, in some hundred bins."""
    q = curve.q_per_nm
    clear = q >= from_per_nm
    for peak in peaks:
        clear &= np.abs(q - peak.q_per_nm) > _PEAK_WIDTHS * peak.fwhm_per_nm
    free = replace(curve, intensity=np.where(clear, curve.intensity, np.nan))
    step = float(q[1] - q[0])
    low = max(float(q[0]) - step / 2, from_per_nm)
    wide: Array = np.linspace(low, float(q[-1]) + step / 2, _SIZE_BINS + 1)
    return joined(free, wide)
