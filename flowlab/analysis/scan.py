"""A whole scan, one spectrum at a time: what the live analyzer, a replay and a report all compute with.

The state depends on the spectra in their order and on nothing else, so that live, late and replayed
analyses of the same documents agree exactly.
"""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.absorbance import (
    Absorbance,
    Baseline,
    Counts,
    absorbance,
    is_negative,
    tidy,
    total_absorbance,
)
from flowlab.analysis.areas import FamilyArea, family_areas
from flowlab.analysis.axis import SEARCH_NM, axis_of
from flowlab.analysis.dispersion import Dispersion, size_dispersion
from flowlab.analysis.edge import AbsorptionEdge, edge_finder
from flowlab.analysis.evidence import Evidence
from flowlab.analysis.features import Feature, find_features
from flowlab.analysis.sizing import Size, SizingCurve, size
from flowlab.analysis.spoilt import Light, flicker, no_steady_light, without_spikes
from flowlab.analysis.tracks import Track, Tracker
from flowlab.analysis.verdict import KnownFamily, Verdict, judge_panel
from flowlab.analysis.window import Panel, Window, accumulation_window


@dataclass(frozen=True)
class Knowledge:
    """What is known of the material beforehand.

    Attributes:
        name: of the material.
        families: of its clusters.
        sizing: None when no curve is known.
        accumulating_family: the family whose window is asked for; None when none is.
        search_nm: between which wavelengths its bands are looked for.
    """

    name: str
    families: list[KnownFamily]
    sizing: SizingCurve | None
    accumulating_family: str | None
    homogeneous_fwhm_ev: float | None = None
    search_nm: tuple[float, float] = SEARCH_NM


@dataclass(frozen=True)
class SpectrumResult:
    """What one spectrum says, in the light of those before it in its panel.

    Attributes:
        index: number of the spectrum.
        usable: whether anything could be made of it.
        why: the reason when not.
        spectrum: absorbance; None when not usable.
        features: bands, from blue to red.
        tracks: track id of each feature.
        verdicts: on each feature's track, as far as is known now.
    """

    index: int
    usable: bool
    why: str | None
    spectrum: Absorbance | None
    features: list[Feature]
    tracks: list[int]
    verdicts: list[Verdict]


@dataclass(frozen=True)
class _Taken:
    """A dark or reference spectrum as it was taken."""

    counts: Counts
    saturated_pixels: int


class ScanAnalysis:
    """Counts to absorbance to features to tracks to verdicts.

    Args:
        wavelength_nm: axis of the spectra, shape (pixels,).
        knowledge: of the material.

    Raises:
        ValueError: the axis cannot be one; see :class:`flowlab.analysis.axis.Axis`.
    """

    _AGAINST_REFERENCE = True

    def __init__(self, wavelength_nm: "np.ndarray[tuple[int], np.dtype[np.float64]]", knowledge: Knowledge):
        self.axis = axis_of(wavelength_nm, knowledge.search_nm)
        self.knowledge = knowledge
        self._dark: _Taken | None = None
        self._reference: _Taken | None = None
        self._baseline: Baseline | None = None
        self._baseline_why = "no dark spectrum was taken before it"
        self.panels: list[float] = []
        self._usable_spectra: list[int] = []
        self._panels_at_reference = 0
        self._light = Light(self.axis, against_reference=self._AGAINST_REFERENCE)
        self._tracker = Tracker()
        self._evidence: dict[int, Evidence] = {}
        self._first_tracks: list[int] = []  # of each panel
        self._judged: dict[int, dict[int, Verdict]] = {}  # by panel; of those that are complete
        self._count = 0

    @property
    def tracks(self) -> list[Track]:
        """Every track so far."""
        return self._tracker.tracks

    def spectrum(self, panel: float, sample: Counts, saturated_pixels: int = 0) -> SpectrumResult:
        """Take in the next spectrum.

        Args:
            panel: coordinate on the slow axis; a new one begins new tracks.
            sample: counts.
            saturated_pixels: how many pixels were at the ceiling in any scan.
        """
        why = self._baseline_why if self._baseline is None else self._unusable(sample, saturated_pixels)
        if why is not None or self._baseline is None:
            return self._take(panel, str(why))
        found = absorbance(tidy(sample), self._baseline)
        why = no_steady_light(found, sample, self._baseline, self.axis)
        if why is not None:
            return self._take(panel, why)
        if is_negative(found, self.axis.searched):
            self._give_up_baseline(panel)
            return self._take(panel, self._baseline_why)
        return self._take(panel, found)

    def _take(self, panel: float, found: Absorbance | str) -> SpectrumResult:
        """Take in the next spectrum, or why it cannot be used."""
        index = self._count
        self._count += 1
        self._begin(panel)
        if isinstance(found, Absorbance):
            found = self._light.why_spoilt(found) or without_spikes(found)
        if isinstance(found, str):
            return SpectrumResult(index, False, found, None, [], [], [])
        self._usable_spectra[-1] += 1
        features = find_features(found, self.axis)
        tracks = self._tracker.follow(index, features, total_absorbance(found))
        verdicts = judge_panel(self._tracker.current, self.knowledge.families, self._evidence)
        ids = [track.id for track in tracks]
        return SpectrumResult(index, True, None, found, features, ids, [verdicts[i] for i in ids])

    def edge(self, result: SpectrumResult) -> AbsorptionEdge | None:
        """Onset and gap of a spectrum; None when it is not usable."""
        return None if result.spectrum is None else edge_finder(self.axis).find(result.spectrum)

    def _begin(self, panel: float) -> None:
        """A new coordinate on the slow axis begins new tracks."""
        if not self.panels or self.panels[-1] != panel:
            self.panels.append(panel)
            self._usable_spectra.append(0)
            self._first_tracks.append(len(self.tracks))
            self._tracker.begin_panel()

    def _give_up_baseline(self, panel: float) -> None:
        """What was measured against it shows no absence; what comes until the next reference shows nothing."""
        self._begin(panel)
        self._baseline = None
        self._baseline_why = "the reference before it was no blank: the sample lets more light through"
        self._usable_spectra[self._panels_at_reference :] = [0] * (len(self.panels) - self._panels_at_reference)

    def take_dark(self, counts: Counts, saturated_pixels: int = 0) -> None:
        """The dark spectrum of what follows."""
        self._dark = _Taken(counts, saturated_pixels)
        self._renew_baseline()

    def take_reference(self, counts: Counts, saturated_pixels: int = 0) -> None:
        """The reference spectrum of what follows."""
        self._reference = _Taken(counts, saturated_pixels)
        self._panels_at_reference = len(self.panels)
        self._renew_baseline()

    def forget_baseline(self) -> None:
        """Dark and reference of what follows are taken anew."""
        self._dark = self._reference = None
        self._renew_baseline()

    def _renew_baseline(self) -> None:
        self._baseline = None
        if self._dark is None or self._reference is None:
            missing = "dark" if self._dark is None else "reference"
            self._baseline_why = f"no {missing} spectrum was taken before it"
            return
        for name, taken in (("dark", self._dark), ("reference", self._reference)):
            why = self._unusable(taken.counts, taken.saturated_pixels)
            if why is not None:
                self._baseline_why = f"the {name} spectrum before it has {why}"
                return
        baseline = Baseline(tidy(self._reference.counts), tidy(self._dark.counts))
        light = baseline.light
        if not light.usable.any():
            self._baseline_why = (
                "the reference spectrum before it has no light: the lamp was off, or the shutter closed"
            )
        elif (why := flicker(light, self.axis)) is not None:
            self._baseline_why = f"the reference spectrum before it cannot be used: {why}"
        else:
            self._baseline = baseline
            self._light.renew()

    def verdicts(self) -> dict[int, Verdict]:
        """On every track, by its id."""
        result: dict[int, Verdict] = {}
        for panel in range(len(self.panels)):
            result |= self._verdicts_of(panel)
        return result

    def _verdicts_of(self, panel: int) -> dict[int, Verdict]:
        """On the tracks of a panel; one that is complete does not change, and is judged once."""
        if panel in self._judged:
            return self._judged[panel]
        verdicts = judge_panel(self._tracks_of(panel), self.knowledge.families, self._evidence)
        if panel < len(self.panels) - 1:
            self._judged[panel] = verdicts
        return verdicts

    def _tracks_of(self, panel: int) -> list[Track]:
        end = self._first_tracks[panel + 1] if panel + 1 < len(self.panels) else None
        return self.tracks[self._first_tracks[panel] : end]

    def size(self, feature: Feature, verdict: Verdict) -> Size:
        """Diameter of the particles whose lowest band a feature is."""
        return size(feature.wavelength_nm, verdict.position_err_nm(feature), self.knowledge.sizing)

    def dispersion(self, feature: Feature, verdict: Verdict) -> Dispersion:
        """Spread of the sizes of the crystals whose first exciton a feature is."""
        known, err_nm = self.knowledge, verdict.position_err_nm(feature)
        width = feature.fwhm_ev, feature.fwhm_err_ev
        return size_dispersion(feature.wavelength_nm, err_nm, *width, known.sizing, known.homogeneous_fwhm_ev)

    def family_areas(self) -> list[FamilyArea]:
        """Areas of the bands of all families that were found, by family, panel and spectrum."""
        return family_areas(self.tracks, self.verdicts())

    def window(self, *, complete: bool = False) -> Window | None:
        """Where the material's accumulating family is found; None when it has none.

        Args:
            complete: only by the panels that are complete, which is all but the newest.
        """
        wanted = [family for family in self.knowledge.families if family.name == self.knowledge.accumulating_family]
        if not wanted:
            return None
        panels = range(len(self.panels) - 1 if complete else len(self.panels))
        return accumulation_window(wanted[0], [self._panel(number) for number in panels])

    def _panel(self, number: int) -> Panel:
        verdicts = self._verdicts_of(number)
        judged = [(track, verdicts[track.id]) for track in self._tracks_of(number)]
        return Panel(self.panels[number], self._usable_spectra[number], judged)

    def _unusable(self, sample: Counts, saturated_pixels: int) -> str | None:
        if sample.mean.shape != self.axis.wavelength_nm.shape:
            return f"{len(sample.mean)} pixels instead of {len(self.axis.wavelength_nm)}"
        if not np.all(np.isfinite(sample.mean)) or not np.all(np.isfinite(sample.err)):
            return "counts that are not numbers"
        if saturated_pixels:
            return f"{saturated_pixels} saturated pixels"
        return None
