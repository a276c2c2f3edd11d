"""What is to be seen of the X-rays of a run: the newest curve, the points, the newest frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.live.references import FrameError, FrameFile, FrameReference, read_resource
from flowlab.watch.sections import Sections, known

#: Rows and columns of a reduced frame, at most.
_ACROSS = 128
#: Curves that are kept to be looked at again, newest: 20 MB.
_MOST_KEPT = 1000
_BRAGG = ("q_per_nm", "q_err_per_nm", "fwhm_per_nm", "height", "height_err")
_CURVE = ("q_per_nm", "intensity", "intensity_err")
_SIZES = ("smooth", "smooth_low", "smooth_high")


@dataclass(frozen=True)
class WantedFrame:
    """A frame that is to be shown: of which stream, and the unix time of what it belongs to."""

    stream: str
    reference: FrameReference
    time: float


@dataclass(frozen=True)
class SeenFrame:
    """What became of a frame that was wanted.

    Attributes:
        pixels: as :func:`reduced` gives them, shape (rows, columns); None where it cannot be had.
        counts_at_255: likewise.
        why: it cannot be had, or not yet.
    """

    wanted: WantedFrame
    pixels: NDArray[np.uint8] | None
    counts_at_255: int | None
    why: str | None


class Scattering:
    """Of one run.

    Args:
        start: its start document.
        sections: where what is to be seen goes.

    Attributes:
        wanted: the newest frame; None before there is any.
    """

    def __init__(self, start: dict[str, Any], sections: Sections):
        self._uid = start["uid"]
        self._sections = sections
        self._files: dict[str, FrameFile] = {}
        self._frames_key: dict[str, str] = {}
        self._streams: dict[str, dict[str, Any]] = {}
        self.wanted: WantedFrame | None = None
        #: By the number of the point: the event of the spectrum of the same plug.
        self._spectra: dict[int, str] = {}
        #: By the number of the point: the section ``saxs`` of it.
        self.points: dict[int, dict[str, Any]] = {}
        for name in ("saxs", "frame"):
            sections.set(name, None)
        sections.clear("saxs_points")

    def take_descriptor(self, doc: dict[str, Any]) -> None:
        """A stream of the run."""
        self._streams[doc["uid"]] = doc

    def take_resource(self, doc: dict[str, Any]) -> None:
        """A file of frames; one that makes no sense is the analyzer's to complain of."""
        try:
            self._files[doc["uid"]] = read_resource(doc)
            self._frames_key[doc["uid"]] = str(doc["data_key"])
        except FrameError:
            return

    def take_datum(self, doc: dict[str, Any], now_s: float) -> None:
        """Frames in a file."""
        file, stream = self._files.get(doc["stream_resource"]), self._streams.get(doc["descriptor"])
        if file is not None and stream is not None:
            frames_each = int(stream["data_keys"][self._frames_key[file.uid]]["shape"][0])
            newest = int(doc["indices"]["stop"]) * frames_each - 1
            self.wanted = WantedFrame(stream["name"], FrameReference(file, newest), now_s)

    def show_frame(self, seen: SeenFrame) -> bool:
        """Show a frame, or why there is none, unless it is of another run; whether it was shown."""
        wanted, pixels = seen.wanted, seen.pixels
        if wanted.reference.file.uid not in self._files:
            return False
        height, width = (0, 0) if pixels is None else pixels.shape
        shown = {
            "time": wanted.time,
            "stream": wanted.stream,
            "width": width,
            "height": height,
            "pixels": None if pixels is None else pixels.ravel(),
            "counts_at_255": seen.counts_at_255,
            "why": seen.why,
        }
        self._sections.set("frame", shown)
        return True

    def take_point_result(self, doc: dict[str, Any]) -> dict[str, Any]:
        """What the analysis says of a point; returns what is shown of it."""
        data = doc["data"]
        place = {key: known(data.get(key)) for key in ("point", "panel", "coordinate")}
        place |= {"usable": bool(data["usable"]), "why": str(data["why"]) or None, "finding": str(data["finding"])}
        sizes = {
            "kind": str(data["sizes"]),
            "why": str(data["sizes_why"]) or None,
            **{key: known(data[key]) for key in ("radius_nm", "radius_err_nm", "delta_bic")},
            "width": known(data["radius_width"]),
        }
        bragg = [np.asarray(data[f"bragg_{name}"], float) for name in _BRAGG]
        shown = {
            **place,
            **{name: np.asarray(data[name], np.float32) for name in (*_CURVE, *_SIZES, "distribution")},
            "edges_nm": np.asarray(data["distribution_edges_nm"], np.float32),
            "unit": str(data["unit"]),
            "bragg": [dict(zip(_BRAGG, map(known, row), strict=True)) for row in zip(*bragg, strict=True)],
            "sizes": sizes,
        }
        number = int(data["point"])
        self.points[number] = shown
        while len(self.points) > _MOST_KEPT:
            del self.points[next(iter(self.points))]
        self._sections.set("saxs", shown)
        self._spectra[number] = spectrum = str(data.get("spectrum_event", ""))
        told = {
            **place,
            "kind": sizes["kind"],
            "radius_nm": sizes["radius_nm"],
            "radius_err_nm": sizes["radius_err_nm"],
            **self._optical(spectrum),
        }
        at = next((i for i, p in enumerate(self._sections.get("saxs_points")) if p["point"] == number), None)
        self._sections.put("saxs_points", len(self._sections.get("saxs_points")) if at is None else at, told)
        return told

    def take_spectrum_point(self, event_uid: str) -> None:
        """A spectrum was analysed: points of the same plug may have been told without it."""
        for i, point in enumerate(self._sections.get("saxs_points")):
            if self._spectra[int(point["point"])] == event_uid:
                self._sections.put("saxs_points", i, {**point, **self._optical(event_uid)})

    def _optical(self, spectrum_event: str) -> dict[str, Any]:
        """The diameter by absorption of the same plug."""
        point = next((p for p in self._sections.get("points") if p["uid"] == spectrum_event), None)
        if point is None:
            why = "no spectrum of the same plug" if not spectrum_event else "its spectrum is not analysed yet"
        else:
            why = None if point["diameter_nm"] is not None else point["why"] or "no exciton is followed there"
        return {
            "optical_diameter_nm": None if point is None else point["diameter_nm"],
            "optical_diameter_err_nm": None if point is None else point["diameter_fit_err_nm"],
            "optical_why": why,
        }


def reduced(frame: NDArray[np.integer]) -> tuple[NDArray[np.uint8], int]:
    """A frame to look at: blocks of pixels averaged, logarithmic.

    Args:
        frame: counts, shape (rows, columns); below zero, and the highest number that fits, is masked.

    Returns:
        Shape (rows, columns), at most 128 each: 1 … 255, 0 where masked; and the counts that 255 stands for.
    """
    step = max(1, -(-max(frame.shape) // _ACROSS))
    masked = (frame < 0) | (frame == np.iinfo(frame.dtype).max)
    seen = _blocks(~masked, step)
    total = _blocks(np.where(masked, 0, frame), step)
    mean = np.divide(total, seen, out=np.zeros(seen.shape), where=seen > 0)
    most = max(float(mean.max(initial=0.0)), 1.0)
    bright = 1 + 254 * np.log1p(mean) / np.log1p(most)
    return np.where(seen > 0, bright.round(), 0).astype(np.uint8), round(most)


def _blocks(frame: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Sums over blocks of so many rows and columns; those at the far edges may be smaller."""
    rows, columns = (np.arange(0, size, step) for size in frame.shape)
    return np.add.reduceat(np.add.reduceat(frame, rows, 0, dtype=float), columns, 1)
