"""Which frame belongs to which event, from stream_resource and stream_datum documents; nothing is opened here.

A datum may come before or after the event it belongs to.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import FlowlabError

#: A frame of more pixels than this is none: 16 times the largest detector's there is.
MOST_PIXELS = 2**28
_LONGEST_TEXT = 4096
#: numpy's words for integers of a detector: ``<u4``, ``|i1``.
_INTEGERS = re.compile(r"[<>|=]?[ui][1248]")


class FrameError(FlowlabError):
    """A frame cannot be had; the message says why."""


class MissingFrameError(FrameError):
    """It is not there, and may still come."""


@dataclass(frozen=True)
class FrameFile:
    """A file of frames, as a stream_resource document announces it.

    Attributes:
        uid: of that document.
        uri: of the file.
        dataset: where the frames are in it, of shape (frames, rows, columns).
        shape: rows and columns.
        dtype: of the pixels: an integer type.
        swmr: whether it may be read in HDF5's single-writer-multiple-readers mode.
    """

    uid: str
    uri: str
    dataset: str
    shape: tuple[int, int]
    dtype: np.dtype[np.integer]
    swmr: bool


@dataclass(frozen=True)
class FrameReference:
    """One frame of a file."""

    file: FrameFile
    index: int


#: Gives a frame, shape (rows, columns); raises FrameError where it cannot.
ReadFrame = Callable[[FrameReference], NDArray[np.integer]]


def no_frames(reference: FrameReference) -> NDArray[np.integer]:
    """Reader where there is none.

    Raises:
        FrameError: always.
    """
    raise FrameError(f"frames in files are not read here: {reference.file.uri}")


def read_resource(doc: dict[str, Any]) -> FrameFile:
    """What a stream_resource document says.

    Raises:
        FrameError: it announces no frames.
    """
    parameters = doc.get("parameters")
    if doc.get("mimetype") != "application/x-hdf5" or not isinstance(parameters, dict):
        raise FrameError(f"its frames are {_shown(doc.get('mimetype'))}, not in an HDF5 file")
    dataset, uri, chunk = parameters.get("dataset"), doc.get("uri"), parameters.get("chunk_shape")
    for name, text in (("dataset", dataset), ("uri", uri)):
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TEXT:
            raise FrameError(f"its {name} is {_shown(text)}, not text")
    if not isinstance(chunk, list | tuple) or len(chunk) != 3 or not all(isinstance(n, int) and n > 0 for n in chunk):
        raise FrameError(f"its chunks are {_shown(chunk)}, not one frame of rows and columns")
    rows, columns = int(chunk[1]), int(chunk[2])
    if rows * columns > MOST_PIXELS:
        raise FrameError(f"frames of {rows} × {columns} pixels are no detector's")
    dtype_numpy = parameters.get("dtype_numpy")
    if not isinstance(dtype_numpy, str) or not _INTEGERS.fullmatch(dtype_numpy):
        raise FrameError(f"its pixels are {_shown(dtype_numpy)}, not integers")
    dtype: np.dtype[np.integer] = np.dtype(dtype_numpy)
    return FrameFile(str(doc["uid"]), str(uri), str(dataset), (rows, columns), dtype, parameters.get("swmr") is True)


def _shown(value: object) -> str:
    return repr(value)[:80]


@dataclass
class _Span:
    """Events and frames that one datum brings together."""

    resource: str
    first_event: int
    first_index: int
    length: int
    taken: int = 0


class References:
    """Brings events and frames of one run together."""

    def __init__(self) -> None:
        self._files: dict[str, FrameFile | FrameError] = {}
        self._keys: dict[str, str] = {}
        self._spans: dict[str, list[_Span]] = {}

    def take_resource(self, doc: dict[str, Any]) -> None:
        """Take in a stream_resource document; one that makes no sense is told with each event that refers to it."""
        uid = str(doc["uid"])
        self._keys[uid] = str(doc["data_key"])
        try:
            self._files[uid] = read_resource(doc)
        except FrameError as error:
            self._files[uid] = error

    def take_datum(self, doc: dict[str, Any]) -> None:
        """Take in a stream_datum document.

        Raises:
            ValueError: it does not give as many frames as events, or numbers that cannot be.
        """
        indices, events = doc["indices"], doc["seq_nums"]
        first_index, end_index = int(indices["start"]), int(indices["stop"])
        first_event, end_event = int(events["start"]), int(events["stop"])
        length = end_event - first_event
        if length != end_index - first_index or length < 1 or first_index < 0 or first_event < 1:
            raise ValueError(f"frames {first_index} to {end_index} are those of events {first_event} to {end_event}?")
        span = _Span(str(doc["stream_resource"]), first_event, first_index, length)
        self._spans.setdefault(str(doc["descriptor"]), []).append(span)

    def find(self, descriptor: str, event: int, data_key: str, images: int) -> list[FrameReference] | None:
        """The frames of an event; None as long as no datum has told of them.

        Args:
            descriptor: uid of the event's stream.
            event: its seq_num.
            data_key: of the frames.
            images: how many frames an event has.

        Raises:
            FrameError: what announced the file makes no sense.
        """
        spans = self._spans.get(descriptor, [])
        for span in spans:
            if self._keys.get(span.resource) == data_key and 0 <= event - span.first_event < span.length:
                span.taken += 1
                if span.taken >= span.length:
                    spans.remove(span)  # or a run of days would keep a million of them
                file = self._files[span.resource]
                if isinstance(file, FrameError):
                    raise file
                first = (span.first_index + event - span.first_event) * images
                return [FrameReference(file, first + i) for i in range(images)]
        return None
