"""The same band from spectrum to spectrum: features become tracks along a scan."""

import math
from dataclasses import dataclass, field
from statistics import median

import numpy as np
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


@dataclass
class Track:
    """A band followed along a panel, the spectra that differ in the fastest axis of the scan only."""

    id: int
    panel: int
    sightings: list[Sighting] = field(default_factory=list["Sighting"])

    @property
    def last(self) -> Sighting:
        """The newest sighting."""
        return self.sightings[-1]

    @property
    def _speed_nm(self) -> float:
        """How far it moved per step when it was last seen; 0 after one sighting."""
        if len(self.sightings) < 2:
            return 0.0
        before = self.sightings[-2]
        return (self.last.feature.wavelength_nm - before.feature.wavelength_nm) / (self.last.step - before.step)

    @property
    def usual_fwhm_ev(self) -> float:
        """Median width of the newest sightings: a single one may be off."""
        return median(sighting.feature.fwhm_ev for sighting in self.sightings[-5:])

    def expected_nm(self, step: int) -> float:
        """Where the band should be at a step: it goes on at half its last speed."""
        return self.last.feature.wavelength_nm + 0.5 * self._speed_nm * (step - self.last.step)

    def reach_nm(self, step: int) -> float:
        """How far from there it may be: the farther, the faster it moved."""
        fwhm = self.usual_fwhm_ev * self.last.feature.wavelength_nm**2 / HC_EV_NM
        if len(self.sightings) < 2:
            base = min(_FIRST_REACH * fwhm, _FARTHEST_NM)
        else:
            base = min(_REACH * fwhm, _FARTHEST_LATER_NM) + 0.5 * abs(self._speed_nm)
        return base * (step - self.last.step) ** 0.5


class Tracker:
    """Follows bands through the spectra of a scan, one spectrum at a time.

    Tracks are continued by the assignment of features that moves all of them least in total.
    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._panel = -1
        self._step = -1

    def begin_panel(self) -> None:
        """The slower axis of the scan has moved: bands begin anew."""
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
        alive = [t for t in self.tracks if t.panel == self._panel and self._step - t.last.step <= _LONGEST_GAP + 1]
        assigned: list[Track | None] = [None] * len(features)
        if alive and features:
            cost = np.array([[self._cost(track, feature) for feature in features] for track in alive])
            for row, column in zip(*linear_sum_assignment(cost), strict=True):
                if cost[row, column] < 1.0:
                    assigned[column] = alive[row]
        result: list[Track] = []
        for track, feature in zip(assigned, features, strict=True):
            if track is None:
                track = Track(id=len(self.tracks), panel=self._panel)
                self.tracks.append(track)
            track.sightings.append(Sighting(index, self._step, feature, total))
            result.append(track)
        return result

    def _cost(self, track: Track, feature: Feature) -> float:
        """Distance as a share of the reach; 1 means: not the same band, however far.

        Were it more, one band that goes and another that comes would drag along those between them.
        """
        distance = abs(feature.wavelength_nm - track.expected_nm(self._step)) / track.reach_nm(self._step)
        ratio = feature.height / track.last.feature.height
        if not 1 / _LARGEST_STEP < ratio < _LARGEST_STEP:
            return 1.0
        broader = math.log(feature.fwhm_ev / track.usual_fwhm_ev) / _WIDTH_STEP
        return min(math.hypot(distance, broader), 1.0)
