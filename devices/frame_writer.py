"""Frames into an HDF5 file as they came from the detector, compressed; readable while it is written and after a crash.

The file is written in HDF5's single-writer-multiple-readers mode: readers open it with ``swmr=True``, now and also
when the writer has died. A frame is a chunk; its filter is the registered one (bitshuffle-LZ4 32008, LZ4 32004), so
that anything with the package hdf5plugin reads it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.errors import DeviceError
from devices.protocols.compressed import Filter

DATASET = "/entry/data/data"

#: Facts of a detector: value and unit, by the name that NXdetector has for them.
Facts = Mapping[str, tuple[Any, str | None]]


class FrameWriter:
    """One file of frames.

    Args:
        device: for messages.
        path: of the file, which must not be there yet.
        shape: rows and columns of a frame.
        dtype: of its pixels.
        compression: of the frames; single ones may come without.
        facts: what is known of detector and exposure before the first frame.
        per_frame: names and units of what is noted with each frame.

    Raises:
        DeviceError: the file cannot be made.

    Attributes:
        path: of the file.
        frames: how many it holds.
    """

    def __init__(
        self,
        device: str,
        path: Path,
        shape: tuple[int, int],
        dtype: np.dtype[np.generic],
        compression: Filter,
        facts: Facts,
        per_frame: Mapping[str, str],
    ):
        # Only where frames are written: a worker that waits for work does without their 17 MB.
        import h5py
        import hdf5plugin

        self.path, self.shape, self.dtype, self.frames = path, shape, dtype, 0
        self._device, self._compression = device, compression
        options = {"bslz4": hdf5plugin.Bitshuffle(cname="lz4"), "lz4": hdf5plugin.LZ4(), "none": {}}[compression]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(path, "x", libver="latest")
        except OSError as error:
            raise DeviceError(f"{device}: {path}: cannot be made: {error}") from None
        entry = _group(self._file, "entry", "NXentry")
        data = _group(entry, "data", "NXdata")
        data.attrs["signal"] = "data"
        detector = _group(_group(entry, "instrument", "NXinstrument"), "detector", "NXdetector")
        for name, (value, units) in facts.items():
            _with_units(detector.create_dataset(name, data=value), units)
        self._images = data.create_dataset(
            "data", (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *shape), **options
        )
        _with_units(self._images, "counts")
        self._notes = {
            name: data.create_dataset(name, (0,), np.float64, maxshape=(None,), chunks=(1024,)) for name in per_frame
        }
        for name, units in per_frame.items():
            _with_units(self._notes[name], units)
        entry["data"].attrs["axes"] = ["."] * 3
        self._file.swmr_mode = True

    def write(self, index: int, compression: Filter, chunk: bytes) -> NDArray[Any]:
        """Write a frame and read it back from the file.

        Args:
            index: its place, at most one behind the last; what is there already is replaced.
            compression: of this frame.
            chunk: the compressed pixels, framed as the filter has them.

        Returns:
            The frame, shape (rows, columns).

        Raises:
            DeviceError: the file cannot be written, or what it holds now is no frame.
        """
        if compression not in (self._compression, "none"):
            raise DeviceError(f"{self._device}: a frame came as {compression}, though {self._compression} was set")
        skipped = 1 if compression == "none" and self._compression != "none" else 0
        try:
            if index == self.frames:
                self._images.resize(index + 1, 0)
            self._images.id.write_direct_chunk((index, 0, 0), chunk, skipped)
            self.frames = max(self.frames, index + 1)
            self._images.flush()
            return self._images[index]
        except (OSError, ValueError, RuntimeError) as error:
            raise DeviceError(f"{self._device}: {self.path}: frame {index} cannot be kept: {error}") from None

    def note(self, index: int, values: Mapping[str, float]) -> None:
        """Note what belongs to a frame that was written.

        Raises:
            DeviceError: the file cannot be written.
        """
        try:
            for name, value in values.items():
                dataset = self._notes[name]
                if index >= dataset.shape[0]:
                    dataset.resize(index + 1, 0)
                dataset[index] = value
                dataset.flush()
        except (OSError, RuntimeError) as error:
            raise DeviceError(f"{self._device}: {self.path}: notes on frame {index} cannot be kept: {error}") from None

    def close(self) -> None:
        """Close the file; what it holds is on the disk then, whatever happens to the computer."""
        if self._file.id.valid:
            self._file.flush()
            self._file.close()
            with self.path.open("rb") as file:
                os.fsync(file.fileno())


def _group(parent: Any, name: str, nexus_class: str) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus_class
    return group


def _with_units(dataset: Any, units: str | None) -> None:
    if units is not None:
        dataset.attrs["units"] = units
