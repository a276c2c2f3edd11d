"""The file that areaDetector's HDF5 plugin writes, in its default layout."""

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

#: The plugin's compressions, by their names, that are simulated.
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "None": {},
    "zlib": {"compression": "gzip", "compression_opts": 1},
    "BSLZ4": dict(hdf5plugin.Bitshuffle(cname="lz4")),
}


class FramesFile:
    """An HDF5 file of frames, one chunk each.

    They stand at ``/entry/instrument/detector/data`` and, by a hard link, at ``/entry/data/data``.

    Args:
        path: of the file; one that is there is written over, as the plugin does.
        frame: the first frame, for its shape and type; it is not written yet.
        compression: a name of :data:`COMPRESSIONS`.
        swmr: whether others may read while it is written.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, frame: np.ndarray[Any, Any], compression: str, *, swmr: bool):
        self._file = h5py.File(path, "w", libver="latest")
        detector = self._file.create_group("/entry/instrument/detector")
        self._data = detector.create_dataset(
            "data",
            shape=(0, *frame.shape),
            maxshape=(None, *frame.shape),
            chunks=(1, *frame.shape),
            dtype=frame.dtype,
            **COMPRESSIONS[compression],
        )
        self._file.create_group("/entry/data")["data"] = self._data
        if swmr:
            self._file.swmr_mode = True

    def append(self, frame: np.ndarray[Any, Any]) -> None:
        """Write a frame and flush it.

        Raises:
            OSError: it cannot be written.
        """
        frames = len(self._data)
        self._data.resize(frames + 1, axis=0)
        self._data[frames] = frame
        self._data.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
