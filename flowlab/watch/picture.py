"""Puts together what is to be seen: documents in, sections out. No sockets, no clock.

It shows one run at a time: the newest that is analysed. Runs that only move liquids are told in the log.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.config import Material
from flowlab.stream import Message
from flowlab.watch.absorption import Absorption, Spectrum
from flowlab.watch.course import Course
from flowlab.watch.news import News
from flowlab.watch.scattering import Scattering, SeenFrame, WantedFrame
from flowlab.watch.sections import Sections, known

_BAND = ("wavelength_nm", "wavelength_err_nm", "fwhm_nm", "fwhm_err_nm", "height", "area", "snr")

_NO_RUN: dict[str, Any] = {"uid": "", "time": 0.0}


class Picture:
    """What is to be seen, document after document.

    Args:
        find_material: gives a material by its name; None where there is none.

    Attributes:
        sections: of the picture, see docs/page.md.
    """

    def __init__(self, find_material: Callable[[str], Material | None]):
        self.sections = Sections()
        self._find_material = find_material
        self._news = News(self.sections)
        self._start: dict[str, Any] | None = None
        self._before: list[str] = []
        self._parts(_NO_RUN)
        for name in ("status", "queue", "readings", "run"):
            self.sections.set(name, None)
        self.sections.take_changes()

    def _parts(self, start: dict[str, Any]) -> None:
        """Parts of the picture that are of one run, as yet empty."""
        material = start.get("material")
        self._course = Course(start, self._find_material(str(material)) if material else None)
        self._spectra = Absorption(start, self.sections)
        self._frames = Scattering(start, self.sections)
        self._streams: dict[str, dict[str, Any]] = {}
        self._analysis: str | None = None
        self._results: dict[str, str] = {}
        self._spectra_analysed = 0
        self._newest_s = float(start["time"])
        self.sections.set("emission", None)

    @property
    def run_uid(self) -> str | None:
        """The run that is shown."""
        return None if self._start is None else self._start["uid"]

    def runs_before(self) -> list[str]:
        """Runs that the one shown resumes, as far as is known: their documents belong to the picture, too."""
        return self._before

    def take_document(self, message: Message) -> None:
        """A document of a run."""
        name, doc, run = message.name, message.doc, message.run_uid
        ours, before = run == self.run_uid, run in self._before
        match name:
            case "start" if before:
                self._goes_on_with(doc)
                self._spectra.take_earlier_run(doc)
            case "start" if "analysis" in doc:
                self._begin(doc)
            case "start":
                self._news.run_began(doc)
            case "descriptor" if ours or before:
                self._streams[doc["uid"]] = doc
                self._spectra.take_descriptor(doc)
                self._frames.take_descriptor(doc)
            case "event":
                self._take_event(run, doc)
            case "stream_resource" if ours:
                self._frames.take_resource(doc)
            case "stream_datum" if ours:
                self._frames.take_datum(doc, self._newest_s)
            case "stop" if ours:
                self._course.stop(doc)
                self.sections.set("run", self._course.facts())
                self._news.run_ended(doc)
            case "stop" if not before:
                self._news.run_ended(doc)
            case _:
                pass

    def _begin(self, start: dict[str, Any]) -> None:
        self._parts(start)
        self._start, self._before = start, []
        self._goes_on_with(start)
        self.sections.set("run", self._course.facts())
        self._news.run_began(start)

    def _goes_on_with(self, start: dict[str, Any]) -> None:
        """Of the run that is shown, or one that it resumes: whether that resumes another."""
        if "resumes" in start and start["resumes"] not in (self.run_uid, *self._before):
            self._before = [*self._before, str(start["resumes"])]

    def _take_event(self, run: str, doc: dict[str, Any]) -> None:
        stream = self._streams.get(doc["descriptor"])
        if stream is None:
            return
        self._spectra.take_event(run, stream, doc)
        if run == self.run_uid:
            self._newest_s = float(doc["time"])
            if self._course.take_event(stream["name"], doc):
                self.sections.set("run", self._course.facts())

    def take_result(self, message: Message) -> None:
        """A document of an analysis."""
        name, doc = message.name, message.doc
        if name == "start":
            if doc.get("parent_run") == self.run_uid:
                self._analysis, self._results, self._spectra_analysed = message.run_uid, {}, 0
            return
        if message.run_uid != self._analysis:
            return
        if name == "descriptor":
            self._results[doc["uid"]] = doc["name"]
        elif name == "event":
            self._take_result_event(self._results.get(doc["descriptor"], ""), doc)
        elif name == "stop" and doc["exit_status"] != "success":
            self._news.analysis_failed(doc)

    def _take_result_event(self, stream: str, doc: dict[str, Any]) -> None:
        match stream:
            case "spectra":
                point = self._spectra.take_spectrum_result(self._spectra_analysed, doc)
                self._spectra_analysed += 1
                self._frames.take_spectrum_point(point["uid"])
                self._news.point(point)
            case "tracks":
                self._spectra.take_track_result(doc)
            case "window" | "window_so_far":
                final = stream == "window"
                self._news.window(self._spectra.take_window_result(doc, final=final), doc["time"])
            case "emission":
                self.sections.set("emission", _emission(doc))
            case "saxs_points":
                self._news.saxs_point(self._frames.take_point_result(doc), doc["time"])
            case _:
                pass

    def take_status(self, facts: dict[str, Any] | None, lost: str | None) -> None:
        """What the daemon says of itself, or why it says nothing."""
        told = {"facts": facts, "lost": lost}
        if told != self.sections.get("status"):
            self._news.status(self.sections.get("status"), told)
            self.sections.set("status", told)

    def take_queue(self, queue: dict[str, Any] | None) -> None:
        """Items, the one that runs, and history."""
        if queue != self.sections.get("queue"):
            self.sections.set("queue", queue)

    def take_readings(self, readings: dict[str, Any] | None) -> None:
        """What the instrument says now."""
        self._news.readings(self.sections.get("readings"), readings)
        self.sections.set("readings", readings)

    def note(self, level: str, text: str) -> None:
        """A line for the log."""
        self._news.say(level, text)

    def status_of_documents(self) -> dict[str, Any]:
        """What a daemon would say of itself, as far as documents tell, where there is none."""
        run = self.sections.get("run")
        running = None
        if run is not None and run["stopped"] is None:
            progress = {"done": run["points_done"], "of": run["points_total"]}
            running = {"item": None, "plan": run["plan"], "run_uid": run["uid"], **progress}
        instrument = (self.sections.get("readings") or run or {}).get("instrument")
        return {
            "state": "idle" if running is None else "running",
            "why": None,
            "instrument": instrument,
            "queue": 0,
            "running": running,
            "safe": None,
        }

    def wanted_frame(self) -> WantedFrame | None:
        """The newest frame of a detector, which is to be read and shown."""
        return self._frames.wanted

    def show_frame(self, seen: SeenFrame) -> bool:
        """Show what became of a frame that was wanted; whether it is of the run that is shown."""
        return self._frames.show_frame(seen)

    def wavelength_nm(self) -> NDArray[np.float32] | None:
        """Axis of the absorption spectra."""
        axis = self.sections.get("axis")
        return None if axis is None else axis["wavelength_nm"]

    def spectrum(self, event_uid: str) -> Spectrum | None:
        """Absorbance and its error of a point's event; None where they are not kept."""
        return self._spectra.spectra.get(event_uid)

    def saxs_point(self, number: int) -> dict[str, Any] | None:
        """The section ``saxs`` of a point."""
        return self._frames.points.get(number)


def _emission(doc: dict[str, Any]) -> dict[str, Any]:
    data = doc["data"]
    return {
        "index": int(doc["seq_num"]) - 1,
        **{key: known(data.get(key)) for key in ("panel", "coordinate")},
        **{key: np.asarray(data[key], np.float32) for key in ("wavelength_nm", "counts", "counts_err")},
        "mask_nm": _range(data["mask_nm"]),
        "usable": bool(data["usable"]),
        "why": str(data["why"]) or None,
        "emission": str(data["emission"]),
        "band": {name: known(data[f"band_{name}"]) for name in _BAND},
    }


def _range(ends: Any) -> list[float] | None:
    """First and last of a range; None where it is not known."""
    found = [float(end) for end in ends]
    return found if len(found) == 2 and np.isfinite(found).all() and found[0] < found[1] else None
