"""How likely each explanation of a track makes what was seen of it: its positions, its width and its height."""

import math
from dataclasses import dataclass
from statistics import median

import numpy as np

from flowlab.analysis.motion import Course, log_sum, stands_or_moves
from flowlab.analysis.tracks import Track

#: A verdict needs this probability.
DECIDED = 0.9
# Full widths at half maximum, their logarithms' mean and σ: of clusters, of crystals, of broad bands, in eV.
_CLUSTER_WIDTH, _CRYSTAL_WIDTH, _BROAD_WIDTH = (0.105, 0.22), (0.17, 0.25), (0.25, 0.30)
#: Of what spectrometers and lamps show, in nm.
_ARTEFACT_WIDTH_NM = (3.5, 0.40)
_WIDTH_ERROR = 0.05  # relative, of a fitted width, beyond its scatter
_MOST_WIDTH_EVIDENCE = 6.0
#: ln(height/total absorbance) scatters so much for an artefact, and for a species with a chemistry of its own.
_TRACKS_TOTAL, _OWN_COURSE = 0.1, 0.4
#: That a band tracks the total says little: a cluster that is only diluted does. That it does not says much.
_FOR_ARTEFACT, _AGAINST_ARTEFACT = 1.0, -4.0
#: Heights beside totals in fewer spectra say nothing.
_LEAST_TOTALS = 3
_FAMILY_EVIDENCE, _NO_FAMILY_EVIDENCE = 1.5, -1.5


@dataclass(frozen=True)
class KnownFamily:
    """A family of clusters to compare with."""

    name: str
    wavelength_nm: float
    tolerance_nm: float


@dataclass(frozen=True)
class Evidence:
    """A track, and how likely each explanation makes what was seen of it (logarithms)."""

    track: Track
    sightings: int
    course: Course
    family: KnownFamily | None
    cluster: float
    crystal: float
    exciton: float
    broad: float
    artefact: float

    @property
    def position_nm(self) -> float:
        """Usual position of the band."""
        return self.course.position_nm

    @property
    def surely_moves(self) -> bool:
        """Whether it is no band that stands."""
        fixed = log_sum([self.cluster, self.broad, self.artefact])
        return self.exciton - fixed > math.log(DECIDED / (1 - DECIDED))


def evidence_of(track: Track, families: list[KnownFamily]) -> Evidence:
    """What speaks for each explanation of a track.

    Args:
        track: seen at least twice.
        families: clusters known of the material.
    """
    course = Course.of(track)
    fixed, moving = stands_or_moves(course)
    family = _family(course.position_nm, families)
    known = _FAMILY_EVIDENCE if family else _NO_FAMILY_EVIDENCE
    cluster, crystal, broad, artefact = _widths(course)
    return Evidence(
        track,
        len(track.sightings),
        course,
        family,
        cluster=fixed + cluster + (known if families else 0.0),
        crystal=crystal,
        exciton=moving + crystal,
        broad=fixed + broad,
        artefact=fixed + artefact + _with_total(course),
    )


def _widths(course: Course) -> tuple[float, float, float, float]:
    """How likely the width is for a cluster, a crystal, a broad band and an artefact (logarithms)."""
    ev, nm = course.width_ev, course.width_nm
    error = math.hypot(_WIDTH_ERROR, course.width_err)

    def log_normal(width: float, usual: float, spread: float) -> float:
        spread = math.hypot(spread, error)
        return -0.5 * (math.log(width / usual) / spread) ** 2 - math.log(spread)

    likely = [log_normal(ev, *_CLUSTER_WIDTH), log_normal(ev, *_CRYSTAL_WIDTH), log_normal(ev, *_BROAD_WIDTH)]
    likely.append(log_normal(nm, *_ARTEFACT_WIDTH_NM))
    cluster, crystal, broad, artefact = (max(one, max(likely) - _MOST_WIDTH_EVIDENCE) for one in likely)
    return cluster, crystal, broad, artefact


def _with_total(course: Course) -> float:
    """How much the heights speak for an artefact, which is as high as the whole spectrum is."""
    usable = course.totals > 0  # nan is not
    if usable.sum() < _LEAST_TOTALS:
        return 0.0
    share = np.log(course.heights[usable] / course.totals[usable])
    square = float(np.sum((share - median(share.tolist())) ** 2))
    degrees = int(usable.sum()) - 1

    def log_normal(spread: float) -> float:
        return -0.5 * square / spread**2 - degrees * math.log(spread)

    odds = log_normal(_TRACKS_TOTAL) - log_normal(_OWN_COURSE)
    return min(max(odds, _AGAINST_ARTEFACT), _FOR_ARTEFACT)


def _family(position_nm: float, families: list[KnownFamily]) -> KnownFamily | None:
    near = [f for f in families if abs(f.wavelength_nm - position_nm) <= f.tolerance_nm]
    return min(near, key=lambda f: abs(f.wavelength_nm - position_nm)) if near else None
