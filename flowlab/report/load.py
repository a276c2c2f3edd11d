"""From the journals of a run to what a report shows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Baseline, Counts, absorbance, tidy
from flowlab.config import Material, load_material
from flowlab.errors import BadInputError
from flowlab.live import Analyzer
from flowlab.live.analyzer import KINDS
from flowlab.live.documents import Document
from flowlab.live.frames import FrameReader
from flowlab.live.series import analyse_series, start_of
from flowlab.storage.spectra import Series
from flowlab.stream import (
    CodecError,
    JournalError,
    Message,
    RunStore,
    StoredRun,
    earlier_documents,
    read_journal,
)

Array = NDArray[np.float64]


@dataclass
class RunData:
    """A run and its analysis; of one that resumes others the points of all of them, as of one scan.

    Attributes:
        start: start document of the run.
        earlier: uids of the runs before it whose points are among its own, oldest first.
        stop: stop document; None while it goes on, or after a crash.
        wavelength_nm: axis of the spectra.
        absorbance: shape (spectra, pixels); nan where not known.
        conditions: scalar readings of each spectrum by data key.
        units: of those readings.
        spectra: data of the analysis's events, one for each spectrum.
        tracks: data of its track events.
        families: data of its events of families' bands, one for each band and spectrum.
        window: data of its window event.
        points: data of its events of SAXS points, one for each point of the scan.
        frames: how many SAXS frames were analysed.
        emissions: data of its events of emission, one for each spectrum.
        melting: data of its events of melting, one for each temperature.
        joint: data of its comparisons of sizes by SAXS and by absorption.
        joint_ratio: data of its event of their ratio.
        calibration: data of its calibration event.
        analysis_start: start document of the analysis.
        analysis_stop: stop document of the analysis.
    """

    start: dict[str, Any]
    earlier: list[str] = field(default_factory=list[str])
    stop: dict[str, Any] | None = None
    wavelength_nm: Array = field(default_factory=lambda: np.empty(0))
    absorbance: Array = field(default_factory=lambda: np.empty((0, 0)))
    conditions: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    units: dict[str, str] = field(default_factory=dict[str, str])
    spectra: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tracks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    families: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    window: dict[str, Any] | None = None
    points: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    frames: int = 0
    emissions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    melting: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    joint: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    joint_ratio: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    analysis_start: dict[str, Any] = field(default_factory=dict[str, Any])
    analysis_stop: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def panels(self) -> list[float]:
        """Coordinates of the slow axis, in the order in which they were measured."""
        return list(dict.fromkeys(s["panel"] for s in self.spectra))

    def of_panel(self, panel: float) -> list[int]:
        """Numbers of a panel's spectra."""
        return [i for i, s in enumerate(self.spectra) if s["panel"] == panel]


def load_run(stored: StoredRun) -> RunData:
    """Read a run; its analysis too, or compute it where it is missing or unfinished.

    Raises:
        BadInputError: the run, or its analysis, holds nothing that could be reported.
    """
    messages = list(read_journal(stored.journal))
    starts = [m.doc for m in messages if m.name == "start"]
    if not starts or not _says_what_it_holds(starts[0].get("analysis")):
        raise BadInputError(f"{stored.journal}: holds no run with absorption spectra, SAXS frames or emission")
    run = RunData(start=starts[0])
    _take_documents(run, [*_earlier(run, stored.journal), *_documents(messages)])
    spectra = starts[0]["analysis"].get("kind") == "absorbance"
    if spectra and not len(run.absorbance):
        raise BadInputError(f"{stored.journal}: the run has no spectrum yet")
    results = _results(stored, messages)
    _take_results(run, results)
    if (spectra and not run.spectra) or not (run.spectra or run.frames or run.emissions or run.calibration):
        reason = results[-1][1].get("reason") or "it gives no reason"
        raise BadInputError(
            f"{stored.journal}: its analysis ended without a {'spectrum' if spectra else 'result'}: {reason}"
        )
    return run


def results_of(stored: StoredRun) -> list[Document]:
    """Documents of a run's analysis, as they were recorded; computed where they are missing or unfinished.

    Raises:
        BadInputError: the run does not say how it is analysed.
    """
    messages = list(read_journal(stored.journal))
    starts = [m.doc for m in messages if m.name == "start"]
    if not starts or not _says_what_it_holds(starts[0].get("analysis")):
        raise BadInputError(f"{stored.journal}: holds no run with absorption spectra, SAXS frames or emission")
    return _results(stored, messages)


def load_journal(journal: Path, material: Material) -> RunData:
    """Read a journal of spectra, and analyse it anew as a material that is named.

    Raises:
        BadInputError: it cannot be read, or holds no run with absorption spectra.
    """
    try:
        messages = list(read_journal(journal))
        starts = [m.doc for m in messages if m.name == "start"]
        if starts and "parent_run" in starts[0]:
            raise BadInputError(f"{journal}: is the journal of an analysis; name that of the run, documents.journal")
        if not starts or not _says_what_it_holds(starts[0].get("analysis")):
            raise BadInputError(f"{journal}: holds no run with absorption spectra")
        run = RunData(start=starts[0])
        earlier = _earlier(run, journal)
        _take_documents(run, [*earlier, *_documents(messages)])
        if run.start["analysis"]["kind"] != "absorbance" or not len(run.absorbance):
            raise BadInputError(f"{journal}: holds no run with absorption spectra")
        _take_results(run, _anew(messages, earlier, material))
    except JournalError as error:
        raise BadInputError(str(error)) from None
    except CodecError as error:
        raise BadInputError(f"{journal}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        # Journals come from outside, too: one that is whole may still hold documents that nobody of ours wrote.
        raise BadInputError(f"{journal}: its documents make no sense: {type(error).__name__} {error}") from None
    if len(run.spectra) != len(run.absorbance):
        reason = run.analysis_stop.get("reason") or "it gives no reason"
        raise BadInputError(f"{journal}: its analysis ended after {len(run.spectra)} spectra: {reason}")
    return run


def _store_of(journal: Path) -> RunStore:
    """The store that a run's journal is in, and the runs with it that it resumes."""
    return RunStore(journal.absolute().parent.parent)


def _earlier(run: RunData, journal: Path) -> list[Document]:
    """What the runs before it have measured."""
    documents = list(earlier_documents(_store_of(journal), run.start))
    run.earlier = [doc["uid"] for name, doc in documents if name == "start"]
    return documents


def _documents(messages: list[Message]) -> list[Document]:
    return [(message.name, message.doc) for message in messages]


def _anew(messages: list[Message], earlier: list[Document], material: Material) -> list[Document]:
    """Documents of an analysis of a run's spectra, its frames left alone."""
    analyzer = Analyzer(lambda name: material, read_earlier=lambda start: earlier)
    documents = _documents(messages)
    if documents[-1][0] != "stop":
        documents.append(("stop", _end_of_what_there_is(messages)))
    analysis = {key: value for key, value in messages[0].doc["analysis"].items() if key != "saxs"}
    documents[0] = ("start", {**messages[0].doc, "analysis": analysis})
    return [result for name, doc in documents for result in analyzer.take(name, doc)]


def load_series(series: Series, material: Material) -> RunData:
    """Analyse spectra from a file."""
    run = RunData(start=start_of(series), stop={"exit_status": "success"}, wavelength_nm=series.wavelength_nm)
    run.absorbance = np.array([spectrum.absorbance for spectrum in series.spectra])
    _take_results(run, analyse_series(series, material))
    return run


def _says_what_it_holds(analysis: object) -> bool:
    """Whether a run tells under which keys its spectra or frames, and its axes, are."""
    if not isinstance(analysis, dict) or not analysis.get("axes"):
        return False
    if analysis.get("kind") == "absorbance":
        return analysis.keys() >= {"counts", "counts_err", "wavelength_nm"}
    return analysis.get("kind") in KINDS


def _results(stored: StoredRun, messages: list[Message]) -> list[Document]:
    if stored.results.is_file():
        kept = _documents(list(read_journal(stored.results)))
        if kept and kept[-1][0] == "stop":
            return kept
    documents = _documents(messages)
    if documents[-1][0] != "stop":
        documents.append(("stop", _end_of_what_there_is(messages)))
    store = _store_of(stored.journal)
    with FrameReader(store.frames, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader, partial(earlier_documents, store))
        computed = [result for name, doc in documents for result in analyzer.take(name, doc)]
    if not computed:
        raise BadInputError(f"{stored.journal}: the run does not say as what material it is to be analysed")
    return computed


def _end_of_what_there_is(messages: list[Message]) -> dict[str, Any]:
    """A stop for a run that has none: tracks and window are told at the end, here of what there is so far."""
    times = [float(m.doc["time"]) for m in messages if "time" in m.doc]
    return {"run_start": messages[0].run_uid, "time": max(times), "exit_status": "fail", "reason": "no stop document"}


def _take_documents(run: RunData, documents: Iterable[Document]) -> None:
    keys = {"counts": None, "counts_err": None, "wavelength_nm": None, **run.start["analysis"]}
    streams: dict[str, dict[str, Any]] = {}
    special: dict[str, Counts] = {}
    rows: list[Array] = []
    for name, doc in documents:
        if name == "descriptor":
            streams[doc["uid"]] = doc
            for device in doc["configuration"].values():
                if keys["wavelength_nm"] in device["data"]:
                    run.wavelength_nm = np.asarray(device["data"][keys["wavelength_nm"]], float)
        elif name == "event" and keys["counts"] in doc["data"]:
            stream, data = streams[doc["descriptor"]], doc["data"]
            counts = tidy(Counts(np.asarray(data[keys["counts"]], float), np.asarray(data[keys["counts_err"]], float)))
            if stream["name"] != "primary":
                special[stream["name"]] = counts
                continue
            rows.append(_absorbance(counts, special))
            for key, value in data.items():
                if np.ndim(value) == 0:
                    run.conditions.setdefault(key, []).append(value)
                    run.units[key] = stream["data_keys"][key].get("units", "")
        elif name == "stop":
            run.stop = doc
    run.absorbance = np.array(rows)


def _absorbance(counts: Counts, special: dict[str, Counts]) -> Array:
    if not {"dark", "reference"} <= special.keys():
        return np.full(counts.mean.shape, np.nan)
    found = absorbance(counts, Baseline(special["reference"], special["dark"]))
    return np.where(found.usable, found.value, np.nan)


def _take_results(run: RunData, documents: Iterable[Document]) -> None:
    streams: dict[str, str] = {}
    for name, doc in documents:
        if name == "start":
            run.analysis_start = doc
        elif name == "stop":
            run.analysis_stop = doc
        elif name == "descriptor":
            streams[doc["uid"]] = doc["name"]
        elif name == "event":
            _take_result(run, streams[doc["descriptor"]], doc["data"])


def _take_result(run: RunData, stream: str, data: dict[str, Any]) -> None:
    many = {
        "spectra": run.spectra,
        "tracks": run.tracks,
        "families": run.families,
        "saxs_points": run.points,
        "saxs_melting": run.melting,
        "emission": run.emissions,
        "joint": run.joint,
    }
    if stream in many:
        many[stream].append(data)
    elif stream == "window":
        run.window = data
    elif stream == "saxs_curves":
        run.frames += 1
    elif stream == "joint_ratio":
        run.joint_ratio = data
    elif stream == "calibration":
        run.calibration = data
