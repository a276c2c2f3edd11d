"""The SAXS frames of one run: from documents that refer to them to documents of curves, points and melting."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.saxs.correct import Quantity, Reduced
from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.integrate import Integrator
from flowlab.analysis.saxs.mesophase import melting
from flowlab.analysis.saxs.recipe import integrator_of, recipe
from flowlab.analysis.saxs.scan import Measured, Point, SaxsScan
from flowlab.config import SaxsSettings
from flowlab.config.load import validate
from flowlab.errors import BadInputError, FlowlabError
from flowlab.live.documents import AnalysisRun, Document
from flowlab.live.exposures import Exposure, Exposures
from flowlab.live.readings import place_of, plug_data
from flowlab.live.references import FrameError, ReadFrame
from flowlab.live.saxs_documents import (
    CURVE_KEYS,
    MELTING_KEYS,
    POINT_KEYS,
    curve_data,
    melting_data,
    point_data,
    quantity_data,
)

#: A point that is told to have no end is one of so many frames, or its memory would have no end either.
_MOST_FRAMES = 1000
STREAMS = frozenset({"saxs_dark", "saxs_open", "saxs_background", "saxs"})


def settings_of(start: dict[str, Any]) -> tuple[SaxsSettings, float | None]:
    """The settings that stand in a run's start document, and the X-ray path of its cell.

    Raises:
        BadInputError: there are none, or none that are allowed.
    """
    config = start.get("config")
    found = config.get("saxs") if isinstance(config, dict) else None
    if not isinstance(config, dict) or found is None:
        raise BadInputError("the instrument file has no [saxs] table: frames are kept, but not reduced")
    flow_path = config.get("flow_path")
    path_mm = flow_path.get("xray_path_mm") if isinstance(flow_path, dict) else None
    return validate(SaxsSettings, found, "config", ("saxs",)), None if path_mm is None else float(path_mm)


@dataclass(frozen=True)
class _Frame:
    """A sample's frame, as far as it could be measured, and where it belongs."""

    measured: Measured | None
    why: str
    event: dict[str, Any]


@dataclass
class _OpenPoint:
    """Frames of a point that is not complete."""

    key: tuple[Any, ...]
    frames: list[_Frame] = field(default_factory=list)


@dataclass(frozen=True)
class _Spectrum:
    """A spectrum that frames of the same plug may belong to."""

    index: int
    event: str
    place: tuple[float, float]
    entered_ml: float


class SaxsAnalysis:
    """Analyses the frames of the streams ``saxs_dark``, ``saxs_open``, ``saxs_background`` and ``saxs``.

    Args:
        start: start document of the run; its ``analysis.saxs`` names the data keys, its ``config.saxs`` says how frames
            are reduced; ``analysis.frames_per_point`` how many make a point, otherwise a file of frames is one;
            ``analysis.plugs`` names the readings of the plug in each cell.
        composer: of the result documents.
        read_frame: gives a frame by reference.
    """

    def __init__(self, start: dict[str, Any], composer: AnalysisRun, read_frame: ReadFrame):
        wanted = start["analysis"]
        self._keys = {str(role): None if key is None else str(key) for role, key in wanted["saxs"].items()}
        self._axes = [str(axis) for axis in wanted["axes"]]
        self._per_point = None if wanted.get("frames_per_point") is None else int(wanted["frames_per_point"])
        self._plugs = {str(cell): str(prefix) for cell, prefix in (wanted.get("plugs") or {}).items()}
        self._composer = composer
        self._read_frame = read_frame
        self._exposures = Exposures(str(self._keys["frames"]))
        self._primary: set[str] = set()
        self._spectra: list[_Spectrum] = []
        self._spectra_before = 0
        self._open: _OpenPoint | None = None
        self._points: list[tuple[float, float, Point]] = []
        self._integrator: Integrator | None = None
        self._scan: SaxsScan | None = None
        self._why = ""
        try:
            settings, path_mm = settings_of(start)
            self._integrator = integrator_of(settings)
            self._scan = SaxsScan(recipe(settings, path_mm))
        except FlowlabError as error:
            self._why = str(error)

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Documents that follow from one of the run's."""
        if name == "descriptor" and doc["name"] == "primary":
            self._primary.add(str(doc["uid"]))
        elif name == "event" and doc["descriptor"] in self._primary:
            self._note_spectrum(doc)
        for exposure in self._exposures.take(name, doc):
            yield from self._take(exposure)

    def renew(self) -> Iterator[Document]:
        """Another run goes on with the scan: with its own dark, open beam and background, and with other plugs."""
        yield from self._close_point()
        self._spectra_before = len(self._spectra)
        if self._scan is not None:
            self._scan.renew()

    def finish(self, time: float) -> Iterator[Document]:
        """What only the whole run tells: the last point, and how the mesophase melted."""
        for exposure in self._exposures.finish():
            yield from self._take(exposure)
        yield from self._close_point()
        if self._axes[-1].endswith("_c") and any(point.peaks for _, _, point in self._points):
            for panel in dict.fromkeys(panel for panel, _, _ in self._points):
                series = [
                    (at, point.reduced.curve)
                    for where, at, point in self._points
                    if where == panel and point.reduced.curve is not None
                ]
                for found in melting(series) if len(series) > 1 else []:
                    yield from self._composer.result("saxs_melting", MELTING_KEYS, melting_data(panel, found), time)

    # Frames.

    def _take(self, exposure: Exposure) -> Iterator[Document]:
        if exposure.stream not in STREAMS:
            return
        if exposure.stream == "saxs":
            yield from self._close_point_before(exposure)
        measured, why = self._measured(exposure)
        found: Reduced | None = None
        if measured is not None and self._scan is not None:
            match exposure.stream:
                case "saxs_dark":
                    self._scan.take_dark(measured)
                case "saxs_open":
                    self._scan.take_open(measured)
                case "saxs_background":
                    self._scan.take_background(measured)
                case _:
                    found = self._scan.frame(measured)
                    why = found.why
        data = self._curve_data(exposure, measured, found, why)
        yield from self._composer.result("saxs_curves", CURVE_KEYS, data, exposure.event["time"])
        if self._open is not None and exposure.stream == "saxs":
            self._open.frames.append(_Frame(measured, why, exposure.event))
            if len(self._open.frames) == (self._per_point or _MOST_FRAMES):
                yield from self._close_point()

    def _measured(self, exposure: Exposure) -> tuple[Measured | None, str]:
        """The counts of an exposure, all its frames added; or why there are none."""
        if self._integrator is None:
            return None, self._why
        if not exposure.frames:
            return None, exposure.why
        data = exposure.event["data"]
        try:
            curves = [self._integrator.curve(self._read_frame(frame)) for frame in exposure.frames]
        except (FrameError, BadInputError) as error:
            return None, str(error)
        exposed_s = float(data[self._keys["exposed_s"]])
        if not 0 < exposed_s < np.inf:
            return None, f"an exposure of {exposed_s!r} s counts nothing"
        quantities = [self._quantity(data, role) for role in ("incident", "transmitted")]
        return Measured(_added(curves), exposed_s, *quantities), ""

    def _quantity(self, data: dict[str, Any], role: str) -> Quantity | None:
        key, err_key = self._keys.get(f"{role}_a"), self._keys.get(f"{role}_err_a")
        return None if key is None or err_key is None else Quantity(float(data[key]), float(data[err_key]))

    def _curve_data(
        self, exposure: Exposure, measured: Measured | None, found: Reduced | None, why: str
    ) -> dict[str, Any]:
        curve, unit = (None, "") if found is None else (found.curve, found.unit)
        if measured is not None and curve is None:  # what there is: counts per second, nothing subtracted
            curve, unit = measured.curve.scaled(1 / measured.exposure_s), "counts/s"
        passed = None if measured is None or self._scan is None else self._scan.transmission(measured).quantity
        panel, coordinate = self._place(exposure.event["data"])
        return {
            "stream": exposure.stream,
            "frame_event": str(exposure.event["uid"]),
            "panel": panel,
            "coordinate": coordinate,
            "usable": curve is not None and (exposure.stream != "saxs" or unit != "counts/s"),
            "why": why,
            "exposed_s": float("nan") if measured is None else measured.exposure_s,
            **quantity_data("transmission", passed),
            **curve_data(curve, unit),
            **self._plug(exposure.event["data"]),
        }

    # Points.

    def _close_point_before(self, exposure: Exposure) -> Iterator[Document]:
        """Open the point that an exposure belongs to; close the one before."""
        file = exposure.frames[0].file.uid if exposure.frames and self._per_point is None else ""
        key = (*self._place(exposure.event["data"]), file)
        if self._open is None or not _same(self._open.key, key):
            yield from self._close_point()
            self._open = _OpenPoint(key)

    def _close_point(self) -> Iterator[Document]:
        opened, self._open = self._open, None
        if opened is None or not opened.frames:
            return
        taken = [(i, frame.measured) for i, frame in enumerate(opened.frames) if frame.measured is not None]
        event = opened.frames[-1].event
        if self._scan is None or not taken:
            point = Point.unknown(opened.frames[0].why)
        else:
            point = self._scan.point([measured for _, measured in taken])
        panel, coordinate = self._place(event["data"])
        missing = [f"frame {i + 1}: {frame.why}" for i, frame in enumerate(opened.frames) if frame.measured is None]
        data = point_data(point)
        data["frames_used"] = np.array([taken[i][0] for i in point.used], dtype=np.int64)
        data["left_out"] = "; ".join([*missing, *([point.left_out] if point.left_out else [])])
        first = opened.frames[0].event["data"]
        data = {
            "point": len(self._points),
            "panel": panel,
            "coordinate": coordinate,
            "frames": len(opened.frames),
            **data,
            **self._pair((panel, coordinate), first),
            **self._plug(first),
        }
        self._points.append((panel, coordinate, point))
        yield from self._composer.result("saxs_points", POINT_KEYS, data, event["time"])

    def _place(self, data: dict[str, Any]) -> tuple[float, float]:
        return place_of(data, self._axes)

    # Plugs.

    def _plug(self, data: dict[str, Any]) -> dict[str, Any]:
        """What the reactor told of the plug in the X-ray cell."""
        return plug_data(data, self._plugs.get("xray", ""))

    def _note_spectrum(self, doc: dict[str, Any]) -> None:
        data = doc["data"]
        entered_ml = float(data.get(f"{self._plugs.get('optical', '')}_entered_ml", np.nan))
        self._spectra.append(_Spectrum(len(self._spectra), str(doc["uid"]), self._place(data), entered_ml))

    def _pair(self, place: tuple[float, float], data: dict[str, Any]) -> dict[str, Any]:
        """The spectrum of the same conditions whose plug is nearest to that of the first frame, and how near it is."""
        entered_ml = self._plug(data)["plug_entered_ml"]
        spectra = self._spectra[self._spectra_before :]
        apart = [(abs(s.entered_ml - entered_ml), s) for s in spectra if _same(s.place, place)]
        known = [pair for pair in apart if pair[0] == pair[0]]
        if not known:
            return {"spectrum": -1, "spectrum_event": "", "spectrum_apart_ml": float("nan")}
        nearest = min(known, key=lambda pair: pair[0])
        return {
            "spectrum": nearest[1].index,
            "spectrum_event": nearest[1].event,
            "spectrum_apart_ml": nearest[0],
        }


def _added(curves: list[Curve]) -> Curve:
    """Frames of one exposure: counts per normal pixel add up, and so do their variances."""
    if len(curves) == 1:
        return curves[0]
    total: NDArray[np.float64] = np.sum([curve.intensity for curve in curves], axis=0)
    err: NDArray[np.float64] = np.sqrt(np.sum([curve.err**2 for curve in curves], axis=0))
    return Curve(curves[0].q_per_nm, total, err, np.min([curve.pixels for curve in curves], axis=0))


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two places are the same; one that is not known is the same as another that is not."""
    return all(a == b or (a != a and b != b) for a, b in zip(one, other, strict=True))
