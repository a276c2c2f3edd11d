"""The frames of a standard: added up, and turned into the place of the detector when the run ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.saxs.calibrate import Calibration, calibrate
from flowlab.analysis.saxs.poni import write_poni
from flowlab.analysis.saxs.recipe import poni_of, seen_by
from flowlab.config import SaxsSettings
from flowlab.errors import BadInputError, FlowlabError
from flowlab.live.documents import AnalysisRun, Document, boolean, integers, number, text
from flowlab.live.exposures import Exposures
from flowlab.live.references import FrameError, ReadFrame
from flowlab.live.saxs import settings_of

CALIBRATION_KEYS = {
    "usable": boolean(),
    "why": text(),
    "standard": text(),
    "frames": {"dtype": "integer", "shape": []},
    "left_out": text(),
    "poni": text(),
    "detector": text(),
    "distance_m": number("m"),
    "distance_err_m": number("m"),
    "poni1_m": number("m"),
    "poni1_err_m": number("m"),
    "poni2_m": number("m"),
    "poni2_err_m": number("m"),
    "rot1_rad": number("rad"),
    "rot2_rad": number("rad"),
    "rot3_rad": number("rad"),
    "wavelength_m": number("m"),
    "rings": integers(),
    "points": {"dtype": "integer", "shape": []},
    "residual_per_nm": number("1/nm"),
    "q_relative_err": number(),
}
_PONI_NUMBERS = ("distance_m", "poni1_m", "poni2_m", "rot1_rad", "rot2_rad", "rot3_rad", "wavelength_m")
_STREAM = "saxs_standard"
_STANDARD = "silver_behenate"


@dataclass
class _Sum:
    """Frames added up; pixels that are no counts in one of them are none in the sum.

    Attributes:
        counts: shape (rows, columns), −1 where they are none.
        frames: how many.
    """

    counts: NDArray[np.int64]
    frames: int

    def add(self, frame: NDArray[np.integer]) -> None:
        """Add a frame.

        Raises:
            BadInputError: it has another shape.
        """
        if frame.shape != self.counts.shape:
            raise BadInputError(f"a frame of {frame.shape} among those of {self.counts.shape}")
        none = self.counts < 0
        none |= frame == np.iinfo(frame.dtype).max if frame.dtype.kind == "u" else frame < 0
        self.counts = np.where(none, -1, self.counts + frame.astype(np.int64))
        self.frames += 1


class CalibrationAnalysis:
    """Refines the place of the detector from the stream ``saxs_standard``.

    Args:
        start: start document of the run; its ``config.saxs`` gives the first guess and what is masked.
        composer: of the result documents.
        read_frame: gives a frame by reference.
    """

    def __init__(self, start: dict[str, Any], composer: AnalysisRun, read_frame: ReadFrame):
        wanted = start["analysis"]
        self._standard = str(wanted["standard"])
        self._composer = composer
        self._read_frame = read_frame
        self._exposures = Exposures(str(wanted["saxs"]["frames"]))
        self._sum: _Sum | None = None
        self._left_out: list[str] = []
        self._settings: SaxsSettings | None = None
        self._why = ""
        try:
            self._settings, _ = settings_of(start)
        except FlowlabError as error:
            self._why = f"{error}; it gives the first guess: distance within a fifth, and where the beam is"

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Take in the frames; nothing follows before the end."""
        for exposure in self._exposures.take(name, doc):
            if exposure.stream != _STREAM:
                continue
            if not exposure.frames:
                self._left_out.append(exposure.why)
            for reference in exposure.frames:
                try:
                    frame = self._read_frame(reference)
                    if self._sum is None:
                        self._sum = _Sum(np.zeros(frame.shape, dtype=np.int64), 0)
                    self._sum.add(frame)
                except (FrameError, BadInputError) as error:
                    self._left_out.append(str(error))
        yield from ()

    def renew(self) -> Iterator[Document]:
        """Nothing: a calibration is of one run."""
        yield from ()

    def finish(self, time: float) -> Iterator[Document]:
        """The place of the detector, or why it is not known."""
        self._left_out += [exposure.why for exposure in self._exposures.finish()]
        found = self._calibrated()
        poni = found.poni
        data: dict[str, Any] = {
            "usable": poni is not None,
            "why": found.why,
            "standard": self._standard,
            "frames": 0 if self._sum is None else self._sum.frames,
            "left_out": "; ".join(dict.fromkeys(self._left_out)),
            "poni": "" if poni is None else write_poni(poni),
            "detector": "" if poni is None else poni.detector,
            **{name: float("nan") if poni is None else getattr(poni, name) for name in _PONI_NUMBERS},
            "distance_err_m": found.distance_err_m,
            "poni1_err_m": found.poni1_err_m,
            "poni2_err_m": found.poni2_err_m,
            "rings": np.array(found.rings, dtype=np.int64),
            "points": found.points,
            "residual_per_nm": found.residual_per_nm,
            "q_relative_err": found.q_relative_err,
        }
        yield self._composer.describe("calibration", CALIBRATION_KEYS, time)
        yield self._composer.event("calibration", {key: data[key] for key in CALIBRATION_KEYS}, time)

    def _calibrated(self) -> Calibration:
        if self._settings is None:
            return _unknown(self._why)
        if self._standard != _STANDARD:
            return _unknown(f"{self._standard}: only rings of silver behenate are known")
        if self._sum is None:
            return _unknown(self._left_out[0] if self._left_out else "no frame of the standard was taken")
        try:
            return calibrate(self._sum.counts, poni_of(self._settings.poni), seen_by(self._settings).masked)
        except FlowlabError as error:
            return _unknown(str(error))


def _unknown(why: str) -> Calibration:
    nan = float("nan")
    return Calibration(None, nan, nan, nan, (), 0, nan, nan, why)
