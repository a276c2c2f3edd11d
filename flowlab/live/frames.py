"""Reads frames by reference, from HDF5 files that a detector may still be writing. The analyzer's only eyes on a disk.

What refers to a file comes over a wire: only plain files below one folder are opened, only plain datasets of the
shape and type that were announced are read, and nothing that a file says leads to another file.
"""

import importlib
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np
from numpy.typing import NDArray

from flowlab.live.references import FrameError, FrameFile, FrameReference, MissingFrameError

#: How long a frame is waited for that was told of but is not there: what a file server may be behind.
_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.05
#: HDF5's own filters (deflate, shuffle, Fletcher's sum), and the registered ones of Blosc, LZ4 and bitshuffle.
_FILTERS = {1, 2, 3, 32001, 32004, 32008}
#: HDF5's words for a file that has a writer, or was left by one.
_IN_USE = "file is already open for write"


class FrameReader:
    """Gives frames; call it with a reference. Use as a context, or close it.

    Args:
        folder: only files below it are opened.
        within_s: how long a frame may be behind its document; a file that kept that waiting once is not waited for
            again.
        now_s: a clock that does not go back.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        folder: Path,
        within_s: float = _WITHIN_S,
        now_s: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ):
        self._folder = folder
        self._within_s = within_s
        self._now_s, self._pause = now_s, pause
        self._open: tuple[FrameFile, h5py.File, h5py.Dataset] | None = None
        self._given_up: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def __call__(self, reference: FrameReference) -> NDArray[np.integer]:
        """Read a frame, shape (rows, columns).

        Raises:
            MissingFrameError: it is not there, and may still come.
            FrameError: it cannot be had; one line that says why.
        """
        end_s = self._now_s() + self._within_s
        while True:
            try:
                return self._read(reference)
            except MissingFrameError:
                if self._given_up == reference.file.uid or self._now_s() >= end_s:
                    self._given_up = reference.file.uid
                    raise
                self._pause(_LOOK_EVERY_S)

    def _read(self, reference: FrameReference) -> NDArray[np.integer]:
        file = reference.file
        path = local_path(file.uri, self._folder)
        try:
            _reach(path)
            dataset = self._dataset(file, path)
            if dataset.file.swmr_mode:
                dataset.refresh()
            elif not _holds(dataset, reference.index):
                self.close()  # it shows the file as it was when it was opened
                dataset = self._dataset(file, path)
            if _holds(dataset, reference.index):
                return np.asarray(dataset[reference.index])
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            self.close()
            raise MissingFrameError(f"{file.uri}: frame {reference.index} cannot be read: {_line(error)}") from None
        raise MissingFrameError(f"{file.uri}: frame {reference.index} is not there")

    def _dataset(self, file: FrameFile, path: Path) -> h5py.Dataset:
        if self._open is not None and self._open[0] == file:
            return self._open[2]
        self.close()
        _load_filters()
        opened = _opened(path, file.swmr)
        try:
            dataset = _plain_dataset(opened, file)
        except BaseException:
            opened.close()
            raise
        self._open = file, opened, dataset
        return dataset


def _reach(path: Path) -> None:
    """Wait for a file server here, if it hangs: HDF5 would hold the interpreter meanwhile, and with it every thread."""
    with path.open("rb", buffering=0) as file:
        file.read(1)


def _opened(path: Path, swmr: bool) -> h5py.File:
    """The file, opened for reading as it is at this moment; in SWMR mode only where HDF5 asks for that.

    In that mode HDF5 takes damage for a writer's unfinished work, and tries again for hours. What a SWMR writer has
    flushed is whole at any moment: opened anew, the file shows it.
    """
    # Without locks: a writer must not be kept from its file by a reader, least of all by one on another computer.
    try:
        return h5py.File(path, "r", libver="latest", locking=False)
    except OSError as error:
        if not swmr or _IN_USE not in str(error):
            raise
        return h5py.File(path, "r", libver="latest", swmr=True, locking=False)


def local_path(uri: str, folder: Path) -> Path:
    """The file that a URI names.

    Args:
        uri: ``file://localhost/…``.
        folder: it must be below; links are followed before that is looked at.

    Raises:
        FrameError: another kind of address, another computer's, outside the folder, or no plain file.
    """
    try:
        parts = urlsplit(uri)
        path = Path(unquote(parts.path, errors="strict"))
    except ValueError:
        raise FrameError(f"{uri[:200]!r}: is no address of a file") from None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.is_absolute() or "\0" in str(path):
        raise FrameError(f"{uri[:200]!r}: is no address of a file on this computer, file://localhost/…")
    try:
        resolved, inside = path.resolve(), folder.resolve()
        if not resolved.is_relative_to(inside):
            raise FrameError(f"{path}: is outside the folder for frames, {inside}")
        kind = resolved.stat().st_mode
    except FileNotFoundError:
        raise MissingFrameError(f"{path}: is not there") from None
    except (OSError, RuntimeError) as error:
        raise FrameError(f"{path}: cannot be opened: {_line(error)}") from None
    if not stat.S_ISREG(kind):
        raise FrameError(f"{path}: is no file")
    return resolved


def _plain_dataset(opened: h5py.File, file: FrameFile) -> h5py.Dataset:
    """The dataset of frames.

    Raises:
        FrameError: it is no plain dataset of what was announced.
    """
    place: Any = opened
    for part in file.dataset.strip("/").split("/"):
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if link is None:
            raise MissingFrameError(f"{file.uri}: has no dataset {file.dataset}")
        if not isinstance(link, h5py.HardLink):
            raise FrameError(f"{file.uri}: {file.dataset} leads elsewhere")
        place = place[part]
    if not isinstance(place, h5py.Dataset) or place.is_virtual or place.external:
        raise FrameError(f"{file.uri}: {file.dataset} is no dataset that holds its own data")
    if place.ndim != 3 or place.shape[1:] != file.shape or place.dtype != file.dtype:
        raise FrameError(
            f"{file.uri}: {file.dataset} holds {place.dtype} {place.shape[1:]}; {file.dtype} {file.shape} was announced"
        )
    if place.chunks != (1, *file.shape):
        raise FrameError(f"{file.uri}: {file.dataset} is not kept frame by frame: its chunks are {place.chunks}")
    created = place.id.get_create_plist()
    filters = {created.get_filter(i)[0] for i in range(created.get_nfilters())}
    if not filters <= _FILTERS:
        raise FrameError(
            f"{file.uri}: {file.dataset} is compressed in a way that is not accepted: {filters - _FILTERS}"
        )
    return place


def _holds(dataset: h5py.Dataset, index: int) -> bool:
    """Whether a frame was written: a dataset may be longer than what it holds, and reads as zeros there."""
    return index < dataset.shape[0] and dataset.id.get_chunk_info_by_coord((index, 0, 0)).byte_offset is not None


def _load_filters() -> None:
    """Have HDF5 know the filters of detectors; an extra, and none that a run without frames needs."""
    try:
        importlib.import_module("hdf5plugin")
    except ImportError as error:
        raise FrameError(f"reading frames needs hdf5plugin: pip install 'flowlab[saxs]' ({error})") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
