"""The absorption spectra of one run: from their documents to documents of bands, tracks and verdicts."""

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.areas import Area, areas_of
from flowlab.analysis.edge import AbsorptionEdge, EdgeEnergy
from flowlab.analysis.scan import ScanAnalysis, SpectrumResult
from flowlab.analysis.tracks import Track
from flowlab.analysis.verdict import Kind, Verdict
from flowlab.config import Material
from flowlab.live.documents import AnalysisRun, Document, boolean, integers, number, numbers, or_nan, text, texts
from flowlab.live.knowledge import knowledge_of
from flowlab.live.window import WINDOW_KEYS, WINDOW_SO_FAR_KEYS, window_data

_SPECTRA_KEYS = {
    "panel": number(),
    "coordinate": number(),
    "spectrum_event": text(),
    "usable": boolean(),
    "why": text(),
    "verdict": text(),
    "exciton_nm": number("nm"),
    "exciton_err_nm": number("nm"),
    "diameter_nm": number("nm"),
    "diameter_fit_err_nm": number("nm"),
    "diameter_curve_err_nm": number("nm"),
    "size_dispersion": number(),
    "size_dispersion_err": number(),
    "size_dispersion_is_upper_bound": boolean(),
    "size_dispersion_why": text(),
    "onset_nm": number("nm"),
    "onset_err_nm": number("nm"),
    "onset_why": text(),
    "tauc_gap_ev": number("eV"),
    "tauc_gap_err_ev": number("eV"),
    "tauc_gap_why": text(),
    "cluster_height": number(),
    "cluster_height_err": number(),
    "feature_wavelength_nm": numbers("nm"),
    "feature_wavelength_err_nm": numbers("nm"),
    "feature_fwhm_nm": numbers("nm"),
    "feature_height": numbers(),
    "feature_height_err": numbers(),
    "feature_snr": numbers(),
    "feature_track": integers(),
    "feature_kind": texts(max(map(len, get_args(Kind)))),
    "feature_transition": texts(len("E1")),
    "feature_probability": numbers(),
}
TRACK_KEYS = {
    "track": {"dtype": "integer", "shape": []},
    "panel": number(),
    "kind": text(),
    "transition": text(),
    "family": text(),
    "probability": number(),
    "why": text(),
    "spectrum": integers(),
    "coordinate": numbers(),
    "wavelength_nm": numbers("nm"),
    "wavelength_err_nm": numbers("nm"),
    "fwhm_nm": numbers("nm"),
    "height": numbers(),
    "height_err": numbers(),
    "fwhm_ev": numbers("eV"),
    "fwhm_err_ev": numbers("eV"),
    "area_ev": numbers("eV"),
    "area_err_ev": numbers("eV"),
    "diameter_nm": numbers("nm"),
    "diameter_fit_err_nm": numbers("nm"),
    "size_dispersion": numbers(),
    "size_dispersion_err": numbers(),
    "size_dispersion_is_upper_bound": boolean(),
    "size_dispersion_why": text(),
}
#: One event for each band of a family: a table over the conditions.
FAMILY_KEYS = {
    "family": text(),
    "panel": number(),
    "coordinate": number(),
    "spectrum": {"dtype": "integer", "shape": []},
    "track": {"dtype": "integer", "shape": []},
    "wavelength_nm": number("nm"),
    "height": number(),
    "height_err": number(),
    "area_ev": number("eV"),
    "area_err_ev": number("eV"),
}


def spectra_keys(material: Material) -> dict[str, dict[str, Any]]:
    """Data keys of the stream ``spectra``: what is known of a spectrum's bands when it has come.

    What they are may look otherwise later: the tracks, at the end, have the last word.
    """
    longest = max((len(family.name) for family in material.families), default=1)
    return {**_SPECTRA_KEYS, "feature_family": texts(longest)}


class AbsorbanceAnalysis:
    """Analyses the spectra of the streams ``dark``, ``reference`` and ``primary``.

    Args:
        start: start document of the run; its ``analysis`` names the data keys.
        material: what is looked for.
        composer: of the result documents.
    """

    def __init__(self, start: dict[str, Any], material: Material, composer: AnalysisRun):
        wanted = start["analysis"]
        self._counts_key, self._err_key = str(wanted["counts"]), str(wanted["counts_err"])
        self._saturated_key, self._axis_key = str(wanted["saturated"]), str(wanted["wavelength_nm"])
        axes = [str(axis) for axis in wanted["axes"]]
        self._slow, self._fast = axes[0], axes[-1]
        self._material = material
        self._composer = composer
        self._streams: dict[str, str] = {}
        self._scan: ScanAnalysis | None = None
        self._coordinates: list[float] = []
        self._described = False
        self._panels_done = 0
        self._told: tuple[tuple[float, ...], ...] | None = None

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Documents that follow from one of the run's."""
        match name:
            case "descriptor":
                yield from self._take_descriptor(doc)
            case "event":
                yield from self._take_event(doc)
            case _:
                pass

    def _take_descriptor(self, doc: dict[str, Any]) -> Iterator[Document]:
        self._streams[doc["uid"]] = doc["name"]
        if self._scan is None:
            for device in doc["configuration"].values():
                axis = device["data"].get(self._axis_key)
                if axis is not None:
                    self._scan = ScanAnalysis(np.asarray(axis, dtype=float), knowledge_of(self._material))
        if not self._described:
            self._described = True
            yield self._composer.describe("spectra", spectra_keys(self._material), doc["time"])

    def _take_event(self, doc: dict[str, Any]) -> Iterator[Document]:
        data = doc["data"]
        if self._scan is None or self._counts_key not in data:
            return
        counts = Counts(np.asarray(data[self._counts_key], float), np.asarray(data[self._err_key], float))
        saturated = int(data[self._saturated_key])
        match self._streams[doc["descriptor"]]:
            case "dark":
                self._scan.take_dark(counts, saturated)
            case "reference":
                self._scan.take_reference(counts, saturated)
            case "primary":
                panel, coordinate = float(data[self._slow]), float(data[self._fast])
                result = self._scan.spectrum(panel, counts, saturated)
                yield from self._results(result, panel, coordinate, doc["uid"], doc["time"])
            case _:
                pass  # spectra on the way to a steady state are recorded, not analysed

    def _results(
        self, result: SpectrumResult, panel: float, coordinate: float, event_uid: str, time: float
    ) -> Iterator[Document]:
        """Documents that follow from a spectrum: its own first, which does not wait for the window."""
        self._coordinates.append(coordinate)
        yield self._composer.event("spectra", self._spectrum_data(result, panel, event_uid), time)
        yield from self._window_so_far(time)

    def _window_so_far(self, time: float) -> Iterator[Document]:
        """Where the family accumulates by the panels that are complete: when another one is, and it tells more."""
        done = 0 if self._scan is None else len(self._scan.panels) - 1
        if self._scan is None or done <= self._panels_done:
            return
        self._panels_done = done
        window = self._scan.window(complete=True)
        if window is None:
            return
        told = (window.found, window.not_found, window.undecided)
        if told != self._told:
            self._told = told
            data = {**window_data(window), "panels_done": done}
            yield from self._composer.result("window_so_far", WINDOW_SO_FAR_KEYS, data, time)

    def _spectrum_data(self, result: SpectrumResult, panel: float, event_uid: str) -> dict[str, Any]:
        judged = list(zip(result.features, result.verdicts, strict=True))
        family = self._material.accumulating_family or ""
        cluster = next((feature for feature, verdict in judged if verdict.is_cluster_of(family)), None)
        exciton, verdict = next(((f, v) for f, v in judged if v.kind == "nc" and v.transition == "E1"), (None, None))
        size = error_nm = spread = None
        if exciton is not None and verdict is not None and self._scan is not None:
            size, error_nm = self._scan.size(exciton, verdict), verdict.position_err_nm(exciton)
            spread = self._scan.dispersion(exciton, verdict)
        return {
            "panel": panel,
            "coordinate": self._coordinates[-1],
            "spectrum_event": event_uid,
            "usable": result.usable,
            "why": result.why or "",
            "verdict": summary(result),
            "exciton_nm": or_nan(exciton and exciton.wavelength_nm),
            "exciton_err_nm": or_nan(error_nm),
            "diameter_nm": or_nan(size and size.diameter_nm),
            "diameter_fit_err_nm": or_nan(size and size.fit_err_nm),
            "diameter_curve_err_nm": or_nan(size and size.curve_err_nm),
            "size_dispersion": or_nan(spread and spread.relative),
            "size_dispersion_err": or_nan(spread and spread.err),
            "size_dispersion_is_upper_bound": spread is not None and spread.is_upper_bound,
            "size_dispersion_why": "no exciton is followed here" if spread is None else spread.why,
            **_edge_data(self._scan.edge(result) if self._scan else None, result.why),
            "cluster_height": or_nan(cluster and cluster.height),
            "cluster_height_err": or_nan(cluster and cluster.height_err),
            "feature_wavelength_nm": np.array([f.wavelength_nm for f in result.features]),
            "feature_wavelength_err_nm": np.array([f.position_err_nm for f in result.features]),
            "feature_fwhm_nm": np.array([f.fwhm_nm for f in result.features]),
            "feature_height": np.array([f.height for f in result.features]),
            "feature_height_err": np.array([f.height_err for f in result.features]),
            "feature_snr": np.array([f.snr for f in result.features]),
            "feature_track": np.array(result.tracks, dtype=np.int64),
            "feature_kind": [str(v.kind) for v in result.verdicts],
            "feature_transition": [v.transition or "" for v in result.verdicts],
            "feature_probability": np.array([v.probability for v in result.verdicts]),
            "feature_family": [v.family or "" for v in result.verdicts],
        }

    def renew(self) -> Iterator[Document]:
        """Another run goes on with the scan, with a dark and a reference of its own; tracks go on."""
        if self._scan is not None:
            self._scan.forget_baseline()
        yield from ()

    def finish(self, time: float) -> Iterator[Document]:
        """What only the whole run tells: tracks, how much of each family there is, and where one accumulates."""
        scan = self._scan
        if scan is None or not scan.tracks:
            return
        verdicts = scan.verdicts()
        yield self._composer.describe("tracks", TRACK_KEYS, time)
        areas = areas_of(scan.tracks)
        for track in scan.tracks:
            data = self._track_data(scan, track, verdicts[track.id], areas[track.id])
            yield self._composer.event("tracks", data, time)
        for one in scan.family_areas():
            data = {
                "family": one.family,
                "panel": scan.panels[one.panel],
                "coordinate": self._coordinates[one.index],
                "spectrum": one.index,
                "track": one.track,
                "wavelength_nm": one.feature.wavelength_nm,
                "height": one.feature.height,
                "height_err": one.feature.height_err,
                "area_ev": one.area.value_ev,
                "area_err_ev": one.area.err_ev,
            }
            yield from self._composer.result("families", FAMILY_KEYS, data, time)
        window = scan.window()
        if window is not None:
            yield from self._composer.result("window", WINDOW_KEYS, window_data(window), time)

    def _track_data(self, scan: ScanAnalysis, track: Track, verdict: Verdict, areas: list[Area]) -> dict[str, Any]:
        features = [s.feature for s in track.sightings]
        sized = verdict.kind in ("msc", "nc") and verdict.transition == "E1"
        sizes = [scan.size(f, verdict) if sized else None for f in features]
        indices = [s.index for s in track.sightings]
        crystals = verdict.kind == "nc" and verdict.transition == "E1"
        spreads = [scan.dispersion(f, verdict) if crystals else None for f in features]
        told = next((s for s in reversed(spreads) if s and s.relative is not None), spreads[-1])
        return {
            "track": track.id,
            "panel": scan.panels[track.panel],
            "kind": verdict.kind,
            "transition": verdict.transition or "",
            "family": verdict.family or "",
            "probability": verdict.probability,
            "why": verdict.why,
            "spectrum": np.array(indices, dtype=np.int64),
            "coordinate": np.array([self._coordinates[i] for i in indices]),
            "wavelength_nm": np.array([f.wavelength_nm for f in features]),
            "wavelength_err_nm": np.array([verdict.position_err_nm(f) for f in features]),
            "fwhm_nm": np.array([f.fwhm_nm for f in features]),
            "height": np.array([f.height for f in features]),
            "height_err": np.array([f.height_err for f in features]),
            "fwhm_ev": np.array([f.fwhm_ev for f in features]),
            "fwhm_err_ev": np.array([f.fwhm_err_ev for f in features]),
            "area_ev": np.array([area.value_ev for area in areas]),
            "area_err_ev": np.array([area.err_ev for area in areas]),
            "diameter_nm": np.array([or_nan(s and s.diameter_nm) for s in sizes]),
            "diameter_fit_err_nm": np.array([or_nan(s and s.fit_err_nm) for s in sizes]),
            "size_dispersion": np.array([or_nan(s and s.relative) for s in spreads]),
            "size_dispersion_err": np.array([or_nan(s and s.err) for s in spreads]),
            "size_dispersion_is_upper_bound": told is not None and told.is_upper_bound,
            "size_dispersion_why": "it is no exciton of crystals" if told is None else told.why,
        }


def _edge_data(edge: AbsorptionEdge | None, why: str | None) -> dict[str, Any]:
    """Onset and gap of a spectrum, or why it has none."""
    unusable = EdgeEnergy(None, None, f"not usable: {why}")
    onset, tauc = (unusable, unusable) if edge is None else (edge.onset, edge.tauc)
    return {
        "onset_nm": or_nan(onset.wavelength_nm),
        "onset_err_nm": or_nan(onset.wavelength_err_nm),
        "onset_why": onset.why,
        "tauc_gap_ev": or_nan(tauc.energy_ev),
        "tauc_gap_err_ev": or_nan(tauc.err_ev),
        "tauc_gap_why": tauc.why,
    }


def summary(result: SpectrumResult) -> str:
    """The verdict on a spectrum in a few words: ``CdSe-437 at 437.0 nm (98 %); exciton 527.3 nm``."""
    if not result.usable:
        return f"not usable: {result.why}"
    words: list[str] = []
    for feature, verdict in zip(result.features, result.verdicts, strict=True):
        at = f"{feature.wavelength_nm:.1f} nm ({100 * verdict.probability:.0f} %)"
        if verdict.kind == "msc" and verdict.transition == "E1":
            words.append(f"{verdict.family or 'cluster'} at {at}")
        elif verdict.kind == "nc" and verdict.transition == "E1":
            words.append(f"exciton {at}")
    return "; ".join(words) or "nothing decided yet"
