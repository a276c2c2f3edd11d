"""Frames in a file, and the documents that refer to them: a detector's pictures never travel inside a document.

A detector writes the frames of one *staging* into one HDF5 file. The file is announced once, by a stream_resource
document, and each event refers to its frame by a stream_datum document. Stock consumers (bluesky's ``TiledWriter``,
its ``HDF5Consolidator``) count the frames of a file from its first stream_datum on, and take all of them to be of
one stream: so a plan stages a detector anew for each run, and within a run for each stream.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from event_model import DataKey, StreamDatum, StreamRange, StreamResource

MIMETYPE = "application/x-hdf5"

AssetDocument = tuple[Literal["stream_resource"], StreamResource] | tuple[Literal["stream_datum"], StreamDatum]


def frame_key(source: str, shape: tuple[int, int], dtype: Any, units: str = "counts") -> DataKey:
    """The data key of a detector's frames, as ``describe`` gives it.

    Args:
        source: of the frames.
        shape: rows and columns of one frame.
        dtype: what numpy takes for a dtype.
        units: of a pixel's value.

    Returns:
        A key of shape (1, rows, columns): one frame per event, appended to what is in the file.
    """
    return {
        "source": source,
        "dtype": "array",
        "dtype_numpy": np.dtype(dtype).str,
        "shape": [1, *shape],
        "units": units,
        "external": "STREAM:",
    }


class FrameFile:
    """One file of frames: composes its stream_resource once and its stream_datum documents one after the other.

    The documents are of event-model 1.23 and later. A RunEngine fills in ``run_start``, ``descriptor`` and
    ``seq_nums`` of what a device gives it: a driver leaves them out.
    """

    def __init__(self) -> None:
        self._uid: str | None = None
        self._told = 0  # frames
        self._datums = 0

    @property
    def told(self) -> int:
        """How many frames were referred to."""
        return self._told

    def stream_resource(
        self, data_key: str, path: Path, dataset: str, shape: tuple[int, int], dtype: Any, *, swmr: bool = True
    ) -> tuple[Literal["stream_resource"], StreamResource]:
        """Announce the file.

        Args:
            data_key: of the frames, as ``describe`` names it.
            path: of the file, absolute, as this computer sees it.
            dataset: where the frames are in it, of shape (frames, rows, columns) and in chunks of one frame.
            shape: rows and columns of one frame.
            dtype: what numpy takes for a dtype.
            swmr: whether the file may be read in HDF5's single-writer-multiple-readers mode.

        Raises:
            ValueError: the path is not absolute.
        """
        self._uid = str(uuid4())
        self._told = self._datums = 0
        document: StreamResource = {
            "uid": self._uid,
            "data_key": data_key,
            "mimetype": MIMETYPE,
            "uri": file_uri(path),
            "parameters": {
                "dataset": dataset,
                "chunk_shape": [1, *shape],
                "dtype_numpy": np.dtype(dtype).str,
                "swmr": swmr,
            },
        }
        return "stream_resource", document

    def stream_datum(
        self, descriptor: str, indices: tuple[int, int], seq_nums: tuple[int, int] = (0, 0)
    ) -> tuple[Literal["stream_datum"], StreamDatum]:
        """Refer to frames of the file.

        Args:
            descriptor: uid of the descriptor; empty when a RunEngine fills it in.
            indices: of the first frame and behind the last, from 0.
            seq_nums: likewise of the events; (0, 0) when a RunEngine fills them in.

        Raises:
            ValueError: the file was not announced.
        """
        if self._uid is None:
            raise ValueError("frames cannot be referred to before their file was announced")
        self._datums += 1
        self._told = indices[1]
        document: StreamDatum = {
            "uid": f"{self._uid}/{self._datums}",
            "stream_resource": self._uid,
            "descriptor": descriptor,
            "indices": StreamRange(start=indices[0], stop=indices[1]),
            "seq_nums": StreamRange(start=seq_nums[0], stop=seq_nums[1]),
        }
        return "stream_datum", document

    def tell_new(self, frames: int) -> Iterator[tuple[Literal["stream_datum"], StreamDatum]]:
        """A stream_datum for the frames that were not referred to yet, for a RunEngine; none when there are none.

        Args:
            frames: how many the file holds.
        """
        if frames > self._told:
            yield self.stream_datum("", (self._told, frames))


def file_uri(path: Path) -> str:
    """A file's address as stream_resource documents have it, ``file://localhost/…``.

    Raises:
        ValueError: the path is not absolute.
    """
    return path.as_uri().replace("file:///", "file://localhost/", 1)
