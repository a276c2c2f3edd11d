"""Turns the documents of runs into documents of their analysis, one after the other, without any I/O."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.scan import ScanAnalysis, SpectrumResult
from flowlab.analysis.tracks import Track
from flowlab.analysis.verdict import Verdict
from flowlab.config import Material
from flowlab.live.documents import AnalysisRun, Document, boolean, integers, number, numbers, text
from flowlab.live.knowledge import knowledge_of

Array = NDArray[np.float64]

SPECTRA_KEYS = {
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
    "cluster_height": number(),
    "cluster_height_err": number(),
    "feature_wavelength_nm": numbers("nm"),
    "feature_wavelength_err_nm": numbers("nm"),
    "feature_fwhm_nm": numbers("nm"),
    "feature_height": numbers(),
    "feature_height_err": numbers(),
    "feature_snr": numbers(),
    "feature_track": integers(),
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
    "diameter_nm": numbers("nm"),
    "diameter_fit_err_nm": numbers("nm"),
}
WINDOW_KEYS = {
    "family": text(),
    "low": number(),
    "high": number(),
    "found": numbers(),
    "not_found": numbers(),
    "undecided": numbers(),
    "why": text(),
}


class Analyzer:
    """Analyses every run that says how: an ``analysis`` of kind ``absorbance`` in its start document.

    Args:
        load_material: gives a material by the name that a run's start document carries.
    """

    def __init__(self, load_material: Callable[[str], Material]):
        self._load_material = load_material
        self._runs: dict[str, RunAnalysis] = {}
        self._descriptors: dict[str, RunAnalysis] = {}

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Take in a document of a run; give the documents of its analysis that follow from it.

        A run whose documents make no sense ends its own analysis, with the reason in the stop document.
        """
        run: RunAnalysis | None = None
        try:
            run = self._run_of(name, doc)
            if run is not None:
                yield from run.take(name, doc)
        except Exception as error:  # noqa: BLE001  documents come from outside: whatever is in them ends one analysis
            if run is not None:
                yield from run.fail(f"{type(error).__name__} in the analysis of a {name}: {error}")
        if run is not None and run.ended:
            self._forget(run)

    def _run_of(self, name: str, doc: dict[str, Any]) -> "RunAnalysis | None":
        match name:
            case "start":
                wanted = doc.get("analysis")
                if not isinstance(wanted, dict) or wanted.get("kind") != "absorbance":
                    return None
                # One that does not say as what it is to be analysed raises here, and is not analysed.
                self._runs[doc["uid"]] = RunAnalysis(doc, self._load_material(str(doc.get("material"))))
                return self._runs[doc["uid"]]
            case "descriptor":
                run = self._runs.get(doc["run_start"])
                if run is not None:
                    self._descriptors[doc["uid"]] = run
                return run
            case "event":
                return self._descriptors.get(doc["descriptor"])
            case "stop":
                return self._runs.get(doc["run_start"])
            case _:
                return None

    def _forget(self, run: "RunAnalysis") -> None:
        self._runs = {uid: r for uid, r in self._runs.items() if r is not run}
        self._descriptors = {uid: r for uid, r in self._descriptors.items() if r is not run}


class RunAnalysis:
    """The analysis of one run."""

    def __init__(self, start: dict[str, Any], material: Material):
        wanted = start["analysis"]
        self._counts_key, self._err_key = str(wanted["counts"]), str(wanted["counts_err"])
        self._saturated_key, self._axis_key = str(wanted["saturated"]), str(wanted["wavelength_nm"])
        axes = [str(axis) for axis in wanted["axes"]]
        self._slow, self._fast = axes[0], axes[-1]
        self._material = material
        self._composer = AnalysisRun(start, material)
        self._streams: dict[str, str] = {}
        self._scan: ScanAnalysis | None = None
        self._coordinates: list[float] = []
        self._time = float(start["time"])
        self._described = False
        self.ended = False

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Documents that follow from one of the run's."""
        self._time = max(self._time, float(doc["time"]))
        match name:
            case "start":
                yield self._composer.start
            case "descriptor":
                yield from self._take_descriptor(doc)
            case "event":
                yield from self._take_event(doc)
            case "stop":
                yield from self._finish(str(doc["exit_status"]), str(doc.get("reason", "")))
            case _:
                pass

    def fail(self, reason: str) -> Iterator[Document]:
        """End the analysis because something is wrong with the run's documents."""
        self.ended = True
        yield self._composer.stop("fail", reason, self._time)

    def _take_descriptor(self, doc: dict[str, Any]) -> Iterator[Document]:
        self._streams[doc["uid"]] = doc["name"]
        if self._scan is None:
            for device in doc["configuration"].values():
                axis = device["data"].get(self._axis_key)
                if axis is not None:
                    self._scan = ScanAnalysis(np.asarray(axis, dtype=float), knowledge_of(self._material))
        if not self._described:
            self._described = True
            yield self._composer.describe("spectra", SPECTRA_KEYS, doc["time"])

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
                self._coordinates.append(coordinate)
                yield self._composer.event("spectra", self._spectrum_data(result, panel, doc["uid"]), doc["time"])
            case _:
                pass  # spectra on the way to a steady state are recorded, not analysed

    def _spectrum_data(self, result: SpectrumResult, panel: float, event_uid: str) -> dict[str, Any]:
        judged = list(zip(result.features, result.verdicts, strict=True))
        family = self._material.accumulating_family or ""
        cluster = next((feature for feature, verdict in judged if verdict.is_cluster_of(family)), None)
        exciton, verdict = next(((f, v) for f, v in judged if v.kind == "nc" and v.transition == "E1"), (None, None))
        size = error_nm = None
        if exciton is not None and verdict is not None and self._scan is not None:
            size, error_nm = self._scan.size(exciton, verdict), verdict.position_err_nm(exciton)
        return {
            "panel": panel,
            "coordinate": self._coordinates[-1],
            "spectrum_event": event_uid,
            "usable": result.usable,
            "why": result.why or "",
            "verdict": summary(result),
            "exciton_nm": _or_nan(exciton and exciton.wavelength_nm),
            "exciton_err_nm": _or_nan(error_nm),
            "diameter_nm": _or_nan(size and size.diameter_nm),
            "diameter_fit_err_nm": _or_nan(size and size.fit_err_nm),
            "diameter_curve_err_nm": _or_nan(size and size.curve_err_nm),
            "cluster_height": _or_nan(cluster and cluster.height),
            "cluster_height_err": _or_nan(cluster and cluster.height_err),
            "feature_wavelength_nm": np.array([f.wavelength_nm for f in result.features]),
            "feature_wavelength_err_nm": np.array([f.position_err_nm for f in result.features]),
            "feature_fwhm_nm": np.array([f.fwhm_nm for f in result.features]),
            "feature_height": np.array([f.height for f in result.features]),
            "feature_height_err": np.array([f.height_err for f in result.features]),
            "feature_snr": np.array([f.snr for f in result.features]),
            "feature_track": np.array(result.tracks, dtype=np.int64),
        }

    def _finish(self, status: str, reason: str) -> Iterator[Document]:
        self.ended = True
        scan = self._scan
        if scan is not None and scan.tracks:
            verdicts = scan.verdicts()
            yield self._composer.describe("tracks", TRACK_KEYS, self._time)
            for track in scan.tracks:
                yield self._composer.event("tracks", self._track_data(scan, track, verdicts[track.id]), self._time)
            window = scan.window()
            if window is not None:
                yield self._composer.describe("window", WINDOW_KEYS, self._time)
                data = {
                    "family": window.family,
                    "low": _or_nan(window.low),
                    "high": _or_nan(window.high),
                    "found": np.array(window.found),
                    "not_found": np.array(window.not_found),
                    "undecided": np.array(window.undecided),
                    "why": window.why,
                }
                yield self._composer.event("window", data, self._time)
        yield self._composer.stop(status, reason, self._time)

    def _track_data(self, scan: ScanAnalysis, track: Track, verdict: Verdict) -> dict[str, Any]:
        features = [s.feature for s in track.sightings]
        sized = verdict.kind in ("msc", "nc") and verdict.transition == "E1"
        sizes = [scan.size(f, verdict) if sized else None for f in features]
        indices = [s.index for s in track.sightings]
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
            "diameter_nm": np.array([_or_nan(s and s.diameter_nm) for s in sizes]),
            "diameter_fit_err_nm": np.array([_or_nan(s and s.fit_err_nm) for s in sizes]),
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


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
