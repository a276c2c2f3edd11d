"""The same band from spectrum to spectrum: features become tracks along a scan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from statistics import median
from typing import overload

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from flowlab.analysis.axis import HC_EV_NM
from flowlab.analysis.features import Feature

#: How far a band may be from where it is expected, as a share of its width: after one sighting, and with a known speed.
#: A broad one is of crystals, which grow; a narrow one is of clusters, and a line is the instrument's.
_FIRST_REACH, _REACH = 0.8, 0.4
_FARTHEST_NM, _FARTHEST_LATER_NM = 24.0, 10.0
#: A track is not continued after it was not seen in so many spectra.
_LONGEST_GAP = 2
#: A band does not change its height more than by this factor from spectrum to spectrum.
_LARGEST_STEP = 12.0
#: Fewer sightings decide nothing.
LEAST_SIGHTINGS = 3
#: Nor its width: the logarithm of the ratio weighs like a distance of this share of the reach.
_WIDTH_STEP = 0.55


@dataclass(frozen=True)
class Sighting:
    """A feature in its place on a track.

    Attributes:
        index: number of the spectrum within the scan.
        step: number of the spectrum within the panel.
        total: absorbance of the whole spectrum, which artefacts of the instrument are as high as; nan if not known.
    """

    index: int
    step: int
    feature: Feature
    total: float = math.nan


_FEATURE = [column.name for column in fields(Feature)]
_values_of = attrgetter(*_FEATURE)
_FIRST_ROOM = 16


class Sightings(Sequence[Sighting]):
    """Sightings in the order of their spectra, kept as rows of numbers: a run of days has a hundred thousand."""

    def __init__(self) -> None:
        self._rows: NDArray[np.float64] = np.empty((_FIRST_ROOM, 3 + len(_FEATURE)))
        self._count = 0

    def append(self, sighting: Sighting) -> None:
        """Add the newest."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count] = (sighting.index, sighting.step, sighting.total, *_values_of(sighting.feature))
        self._count += 1

    def column(self, name: str, rows: slice | NDArray[np.intp] = slice(None)) -> NDArray[np.float64]:
        """One quantity of all sightings or of some: ``index``, ``step``, ``total``, or an attribute of the feature."""
        return self._rows[: self._count, _COLUMNS[name]][rows]

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Sighting: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sighting]: ...
    def __getitem__(self, index: int | slice) -> Sighting | list[Sighting]:
        rows = self._rows[: self._count][index]
        return _sighting(rows.tolist()) if rows.ndim == 1 else [_sighting(row) for row in rows.tolist()]


_COLUMNS = {name: number for number, name in enumerate(("index", "step", "total", *_FEATURE))}


def _sighting(row: list[float]) -> Sighting:
    index, step, total, *feature = row
    return Sighting(int(index), int(step), Feature(*feature), total)


@dataclass
class Track:
    """A band followed along a panel, the spectra that differ in the fastest axis of the scan only."""

    id: int
    panel: int
    sightings: Sightings = field(default_factory=Sightings)

    @property
    def last(self) -> Sighting:
        """The newest sighting."""
        return self.sightings[-1]

    @property
    def last_step(self) -> int:
        """Where it was last seen."""
        return int(self.sightings.column("step")[-1])

    @property
    def usual_fwhm_ev(self) -> float:
        """Median width of the newest sightings: a single one may be off."""
        return median(self.sightings.column("fwhm_ev", slice(-5, None)).tolist())

    def seen(self, index: int, step: int, feature: Feature, total: float) -> None:
        """Add a sighting."""
        self.sightings.append(Sighting(index, step, feature, total))


@dataclass(frozen=True)
class _Prospect:
    """Where and how a track's band should be seen next.

    Attributes:
        expected_nm: it goes on at half its last speed.
        reach_nm: how far from there it may be: the farther, the faster it moved.
        height: when it was last seen.
        fwhm_ev: its usual width.
    """

    expected_nm: float
    reach_nm: float
    height: float
    fwhm_ev: float

    @classmethod
    def of(cls, track: Track, step: int) -> "_Prospect":
        newest = slice(-2, None)
        wavelength_nm = track.sightings.column("wavelength_nm", newest).tolist()
        steps = track.sightings.column("step", newest).tolist()
        last_nm, later, fwhm_ev = wavelength_nm[-1], step - steps[-1], track.usual_fwhm_ev
        fwhm_nm = fwhm_ev * last_nm**2 / HC_EV_NM
        if len(steps) < 2:
            speed_nm, base_nm = 0.0, min(_FIRST_REACH * fwhm_nm, _FARTHEST_NM)
        else:
            speed_nm = (last_nm - wavelength_nm[0]) / (steps[1] - steps[0])
            base_nm = min(_REACH * fwhm_nm, _FARTHEST_LATER_NM) + 0.5 * abs(speed_nm)
        height = float(track.sightings.column("height")[-1])
        return cls(last_nm + 0.5 * speed_nm * later, base_nm * later**0.5, height, fwhm_ev)

    def cost(self, feature: Feature) -> float:
        """Distance of a band as a share of the reach; 1 means: not the same band, however far.

        Were it more, one band that goes and another that comes would drag along those between them.
        """
        ratio = feature.height / self.height
        if not 1 / _LARGEST_STEP < ratio < _LARGEST_STEP:
            return 1.0
        distance = abs(feature.wavelength_nm - self.expected_nm) / self.reach_nm
        broader = math.log(feature.fwhm_ev / self.fwhm_ev) / _WIDTH_STEP
        return min(math.hypot(distance, broader), 1.0)


class Tracker:
    """Follows bands through the spectra of a scan, one spectrum at a time.

    Tracks are continued by the assignment of features that moves all of them least in total.

    Attributes:
        tracks: every track so far.
        current: those of the panel that can still go on, or were seen often enough to be judged.
    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.current: list[Track] = []
        self._panel = -1
        self._step = -1

    def begin_panel(self) -> None:
        """The slower axis of the scan has moved: bands begin anew."""
        self.current = []
        self._panel += 1
        self._step = -1

    def follow(self, index: int, features: list[Feature], total: float = math.nan) -> list[Track]:
        """Assign the features of the next spectrum to tracks, old ones and new.

        Args:
            index: number of the spectrum within the scan.
            features: its bands.
            total: absorbance of the whole spectrum; nan if not known.

        Returns:
            The track of each feature.
        """
        if self._panel < 0:
            self.begin_panel()
        self._step += 1
        alive = [track for track in self.current if self._may_go_on(track)]
        assigned: list[Track | None] = [None] * len(features)
        if alive and features:
            prospects = [_Prospect.of(track, self._step) for track in alive]
            cost = np.array([[prospect.cost(feature) for feature in features] for prospect in prospects])
            for row, column in zip(*linear_sum_assignment(cost), strict=True):
                if cost[row, column] < 1.0:
                    assigned[column] = alive[row]
        result: list[Track] = []
        for track, feature in zip(assigned, features, strict=True):
            if track is None:
                track = Track(id=len(self.tracks), panel=self._panel)
                self.tracks.append(track)
                self.current.append(track)
            track.seen(index, self._step, feature, total)
            result.append(track)
        self.current = [
            track for track in self.current if len(track.sightings) >= LEAST_SIGHTINGS or self._may_go_on(track)
        ]
        return result

    def _may_go_on(self, track: Track) -> bool:
        return self._step - track.last_step <= _LONGEST_GAP + 1
