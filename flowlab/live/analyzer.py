"""Turns the documents of runs into documents of their analysis, one after the other; without I/O, but for frames.

Frames are in files and come through a reader that is handed in; so do documents of the runs that a run resumes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from flowlab.config import Material
from flowlab.errors import BadInputError
from flowlab.live.absorbance import AbsorbanceAnalysis
from flowlab.live.calibration import CalibrationAnalysis
from flowlab.live.documents import AnalysisRun, Document
from flowlab.live.joint import JointAnalysis
from flowlab.live.luminescence import LuminescenceAnalysis
from flowlab.live.references import ReadFrame, no_frames
from flowlab.live.saxs import SaxsAnalysis

KINDS = frozenset({"absorbance", "saxs", "luminescence", "calibration"})


#: Gives what earlier runs have measured of the scan that a run, whose start document it is given, goes on with; see
#: :func:`flowlab.stream.earlier_documents`.
ReadEarlier = Callable[[dict[str, Any]], Iterable[Document]]


def no_earlier_runs(start: dict[str, Any]) -> Iterable[Document]:
    """For runs that resume none.

    Raises:
        BadInputError: this one does.
    """
    if "resumes" in start:
        raise BadInputError(f"run {start['uid']} resumes run {start['resumes']}, and earlier runs are not read here")
    return ()


class Analyzer:
    """Analyses every run that says how: an ``analysis`` of one of the :data:`KINDS` in its start document.

    Args:
        load_material: gives a material by the name that a run's start document carries.
        read_frame: gives a frame by reference.
        read_earlier: gives documents of the runs that a run resumes; its analysis is one of the whole scan.
    """

    def __init__(
        self,
        load_material: Callable[[str], Material],
        read_frame: ReadFrame = no_frames,
        read_earlier: ReadEarlier = no_earlier_runs,
    ):
        self._load_material = load_material
        self._read_frame = read_frame
        self._read_earlier = read_earlier
        self._runs: dict[str, RunAnalysis] = {}
        self._children: dict[str, RunAnalysis] = {}

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
                if not isinstance(wanted, dict) or wanted.get("kind") not in KINDS:
                    return None
                # One that does not say as what it is to be analysed raises here, and is not analysed.
                material = self._load_material(str(doc.get("material")))
                self._runs[doc["uid"]] = RunAnalysis(doc, material, self._read_frame, self._read_earlier)
                return self._runs[doc["uid"]]
            case "descriptor" | "stream_resource":
                run = self._runs.get(doc["run_start"])
                if run is not None:
                    self._children[doc["uid"]] = run
                return run
            case "event":
                return self._children.get(doc["descriptor"])
            case "stream_datum":
                return self._children.get(doc["stream_resource"])
            case "stop":
                return self._runs.get(doc["run_start"])
            case _:
                return None

    def _forget(self, run: "RunAnalysis") -> None:
        self._runs = {uid: r for uid, r in self._runs.items() if r is not run}
        self._children = {uid: r for uid, r in self._children.items() if r is not run}


class Part(Protocol):
    """What a run is analysed for."""

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Documents that follow from one of the run's: descriptor, event, stream_resource or stream_datum."""
        ...

    def renew(self) -> Iterator[Document]:
        """Documents that follow from it that what comes next is of another run, which goes on with the same scan."""
        ...

    def finish(self, time: float) -> Iterator[Document]:
        """Documents that follow from the end of the run."""
        ...


class RunAnalysis:
    """The analysis of one run: of its spectra, of its frames, of its emission, or of several of them.

    Of a run that resumes others it is the analysis of the whole scan, with results for the points of all of them.
    """

    def __init__(self, start: dict[str, Any], material: Material, read_frame: ReadFrame, read_earlier: ReadEarlier):
        wanted = start["analysis"]
        self._start = start
        self._read_earlier = read_earlier
        self._composer = composer = AnalysisRun(start, material)
        self._parts: list[Part] = []
        if wanted["kind"] == "absorbance":
            self._parts.append(AbsorbanceAnalysis(start, material, composer))
        if wanted["kind"] == "calibration":
            self._parts.append(CalibrationAnalysis(start, composer, read_frame))
        elif wanted.get("saxs") is not None:
            self._parts.append(SaxsAnalysis(start, composer, read_frame))
        if wanted.get("luminescence") is not None:
            self._parts.append(LuminescenceAnalysis(start, composer, material.search_nm))
        both = wanted["kind"] == "absorbance" and wanted.get("saxs") is not None
        self._joint = JointAnalysis(material, composer) if both else None
        self._time = float(start["time"])
        self.ended = False

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Documents that follow from one of the run's."""
        self._time = max(self._time, float(doc.get("time", self._time)))
        match name:
            case "start":
                yield self._composer.start
                for earlier, its_doc in self._read_earlier(self._start):
                    if earlier == "start":
                        yield from self._renew()
                    else:
                        yield from self._measured(earlier, its_doc)
                yield from self._renew()
            case "stop":
                self.ended = True
                for part in self._parts:
                    yield from self._noted(part.finish(self._time))
                if self._joint is not None:
                    yield from self._joint.finish(self._time)
                yield self._composer.stop(str(doc["exit_status"]), str(doc.get("reason", "")), self._time)
            case _:
                yield from self._measured(name, doc)

    def _measured(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        for part in self._parts:
            yield from self._noted(part.take(name, doc))

    def _renew(self) -> Iterator[Document]:
        for part in self._parts:
            yield from self._noted(part.renew())

    def _noted(self, results: Iterator[Document]) -> Iterator[Document]:
        """Results of a part, on their way out seen by what compares the parts."""
        for name, doc in results:
            if self._joint is not None:
                self._joint.note(name, doc)
            yield name, doc

    def fail(self, reason: str) -> Iterator[Document]:
        """End the analysis because something is wrong with the run's documents."""
        self.ended = True
        yield self._composer.stop("fail", reason, self._time)
