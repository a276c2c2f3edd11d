"""Where a family of clusters accumulates: the range of the scan's slow axis in which it is found."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flowlab.analysis.tracks import LEAST_SIGHTINGS, Track
from flowlab.analysis.verdict import KnownFamily, Verdict


@dataclass(frozen=True)
class Edge:
    """Where a family's window begins or ends: somewhere between the last coordinate without it and the first with it.

    Nothing is known of where between the two, so the estimate is the middle, and one sigma the width over √12. The
    band's height is no help: how it falls off towards the edge is the chemistry's, not a straight line's, and what it
    is read against is the least height that can be seen, which is another in each panel.

    Attributes:
        coordinate: estimate; None when it is not bracketed.
        err: one sigma.
        between: the last coordinate at which it is decided that the family is absent, and the first at which it is
            found, the lower one first; None when there is no such pair.
        why: how it was found, or why it was not.
    """

    coordinate: float | None
    err: float | None
    between: tuple[float, float] | None
    why: str


@dataclass(frozen=True)
class Window:
    """Where a family accumulates.

    Attributes:
        family: its name.
        low: lowest coordinate at which it is found; None when it is found nowhere.
        high: highest.
        found: every coordinate at which it is found.
        not_found: every coordinate at which it would have been found, and is not.
        undecided: every other: too few usable spectra, or a band in its place that may be it or not.
        why: in words.
        lower_edge: where it begins.
        upper_edge: where it ends.
    """

    family: str
    low: float | None
    high: float | None
    found: tuple[float, ...]
    not_found: tuple[float, ...]
    undecided: tuple[float, ...]
    why: str
    lower_edge: Edge
    upper_edge: Edge


@dataclass(frozen=True)
class Panel:
    """What a scan saw at one coordinate of its slow axis.

    Attributes:
        coordinate: on the slow axis; two panels may have the same.
        usable_spectra: how many there were.
        tracks: each with its verdict.
    """

    coordinate: float
    usable_spectra: int
    tracks: list[tuple[Track, Verdict]]

    def shows(self, family: KnownFamily) -> bool | None:
        """Whether the family's cluster is there; None when that is not decided."""
        if any(verdict.is_cluster_of(family.name) for _, verdict in self.tracks):
            return True
        if self.usable_spectra < LEAST_SIGHTINGS or any(_may_be(family, *judged) for judged in self.tracks):
            return None
        return False


def _may_be(family: KnownFamily, track: Track, verdict: Verdict) -> bool:
    """Whether a band stands often enough in the family's place, and what it is was left open."""
    if verdict.kind != "unknown" or len(track.sightings) < LEAST_SIGHTINGS:
        return False
    position = float(np.median(track.sightings.column("wavelength_nm")))
    return abs(position - family.wavelength_nm) <= family.tolerance_nm


def accumulation_window(family: KnownFamily, panels: list[Panel]) -> Window:
    """The window of a family; a coordinate that was measured twice shows it when it did once."""
    shown: dict[float, set[bool | None]] = {}
    for panel in panels:
        shown.setdefault(panel.coordinate, set()).add(panel.shows(family))
    found = tuple(sorted(c for c, seen in shown.items() if True in seen))
    undecided = tuple(sorted(c for c, seen in shown.items() if True not in seen and None in seen))
    missing = tuple(sorted(c for c, seen in shown.items() if seen == {False}))
    low, high = (found[0], found[-1]) if found else (None, None)
    why = _why(family.name, found, missing, undecided)
    lower, upper = (_edge(found, missing, undecided, side) for side in ("below", "above"))
    return Window(family.name, low, high, found, missing, undecided, why, lower, upper)


def _edge(
    found: tuple[float, ...], missing: tuple[float, ...], undecided: tuple[float, ...], side: Literal["below", "above"]
) -> Edge:
    """The edge of a window below or above what was found; what is undecided does not narrow it."""
    if not found:
        return Edge(None, None, None, "it was found nowhere")
    last = found[0] if side == "below" else found[-1]

    def beyond_it(coordinates: tuple[float, ...]) -> list[float]:
        return [c for c in coordinates if (c < last if side == "below" else c > last)]

    beyond, open_to_doubt = beyond_it(missing), beyond_it(undecided)
    if not beyond:
        why = f"undecided {side} {last:g}" if open_to_doubt else f"nothing was measured {side} {last:g}"
        return Edge(None, None, None, why)
    first = max(beyond) if side == "below" else min(beyond)
    low, high = sorted((first, last))
    doubtful = [c for c in open_to_doubt if low < c < high]
    why = f"absent at {first:g}, found at {last:g}" + (f"; undecided at {_listed(doubtful)}" if doubtful else "")
    return Edge((low + high) / 2, (high - low) / math.sqrt(12), (low, high), why)


def _why(family: str, found: tuple[float, ...], missing: tuple[float, ...], undecided: tuple[float, ...]) -> str:
    if not found:
        why = f"{family} was found nowhere"
    else:
        why = f"{family} found from {found[0]:g} to {found[-1]:g}"
        holes = [c for c in missing if found[0] < c < found[-1]]
        why += f", but not at {_listed(holes)}" if holes else ""
    return why + (f"; undecided at {_listed(undecided)}" if undecided else "")


def _listed(coordinates: list[float] | tuple[float, ...]) -> str:
    return ", ".join(f"{c:g}" for c in coordinates)
