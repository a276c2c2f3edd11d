"""Where a family of clusters accumulates: the range of the scan's slow axis in which it is found."""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.tracks import LEAST_SIGHTINGS, Track
from flowlab.analysis.verdict import KnownFamily, Verdict


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
    """

    family: str
    low: float | None
    high: float | None
    found: tuple[float, ...]
    not_found: tuple[float, ...]
    undecided: tuple[float, ...]
    why: str


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
    position = float(np.median(track.sightings.column("wavelength_nm")))
    in_place = abs(position - family.wavelength_nm) <= family.tolerance_nm
    return verdict.kind == "unknown" and len(track.sightings) >= LEAST_SIGHTINGS and in_place


def accumulation_window(family: KnownFamily, panels: list[Panel]) -> Window:
    """The window of a family; a coordinate that was measured twice shows it when it did once."""
    shown: dict[float, set[bool | None]] = {}
    for panel in panels:
        shown.setdefault(panel.coordinate, set()).add(panel.shows(family))
    found = tuple(sorted(c for c, seen in shown.items() if True in seen))
    undecided = tuple(sorted(c for c, seen in shown.items() if True not in seen and None in seen))
    missing = tuple(sorted(c for c, seen in shown.items() if seen == {False}))
    low, high = (found[0], found[-1]) if found else (None, None)
    return Window(family.name, low, high, found, missing, undecided, _why(family.name, found, missing, undecided))


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
