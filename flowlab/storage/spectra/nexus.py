"""The NeXus file of a run of ours: absorbance with its errors, and the coordinates of the scan.

Only what is in the file itself is read: links that lead out of it are not followed. Absorbance is as it was computed
when the run was measured; its journal holds the counts.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError
from flowlab.storage.spectra.series import MOST_VALUES, Series, Spectrum, series

Array = NDArray[np.float64]

MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_TEXT = 10_000_000


def read(path: Path) -> Series:
    """Read a file.

    Raises:
        BadInputError: it cannot be read, or is not the file of a run with absorption spectra.
    """
    try:
        with h5py.File(path, "r") as file:
            return _read(path, file)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: cannot be read as a NeXus file of flowlab: {error}") from None


def _read(path: Path, file: h5py.File) -> Series:
    absorbance = _numbers(path, file, "entry/data/absorbance")
    wavelength = _numbers(path, file, "entry/data/wavelength")
    if absorbance.ndim != 2 or wavelength.shape != absorbance.shape[1:] or not len(absorbance):
        raise BadInputError(
            f"{path}: its absorbance of shape {absorbance.shape} does not fit {wavelength.shape} wavelengths"
        )
    err = _numbers(path, file, "entry/data/absorbance_errors")
    if err.shape != absorbance.shape:
        raise BadInputError(f"{path}: its absorbance has other errors than values")
    start = _start(path, file)
    axes = [str(axis) for axis in start["analysis"]["axes"]]
    slow, fast = (_column(path, file, axis, len(absorbance)) for axis in (axes[0], axes[-1]))
    saturated = _saturated(file, str(start["analysis"].get("saturated")), len(absorbance))
    spectra = [
        Spectrum(
            label=f"{slow[i]:g} / {fast[i]:g}" if len(axes) > 1 else f"{fast[i]:g}",
            absorbance=absorbance[i],
            err=err[i],
            coordinate=float(fast[i]),
            panel=float(slow[i]) if len(axes) > 1 else 0.0,
            why=_why(absorbance[i], saturated[i]),
        )
        for i in range(len(absorbance))
    ]
    known = np.isfinite(wavelength)
    if not known.all():
        raise BadInputError(f"{path}: some of its wavelengths are no numbers")
    found = series(str(path), wavelength, spectra, [])
    thickness = _optional(file, "entry/sample/thickness")
    path_mm = float(thickness) if thickness is not None and thickness.ndim == 0 else None
    panel_axis = axes[0] if len(axes) > 1 else None
    return Series(found.source, found.wavelength_nm, found.spectra, axes[-1], panel_axis, path_mm, found.warnings)


def _why(absorbance: Array, saturated: float) -> str | None:
    if saturated:
        return f"{saturated:.0f} saturated pixels"
    return None if np.isfinite(absorbance).any() else "no absorbance: dark or reference were missing"


def _dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """A dataset by its path, over hard links only."""
    place: Any = file
    for part in name.split("/"):
        if not isinstance(place, h5py.Group) or not isinstance(place.get(part, getlink=True), h5py.HardLink):
            return None
        place = place[part]
    return place if isinstance(place, h5py.Dataset) and not (place.is_virtual or place.external) else None


def _optional(file: h5py.File, name: str) -> Array | None:
    dataset = _dataset(file, name)
    if dataset is None or dataset.dtype.kind not in "fiub" or dataset.size is None or dataset.size > MOST_VALUES:
        return None
    return np.asarray(dataset[()], dtype=float)


def _numbers(path: Path, file: h5py.File, name: str) -> Array:
    found = _optional(file, name)
    if found is None:
        raise BadInputError(
            f"{path}: is no file of a run with absorption spectra: {name} is missing, too large or no numbers"
        )
    return found


def _column(path: Path, file: h5py.File, axis: str, count: int) -> Array:
    found = _numbers(path, file, f"entry/conditions/{axis}")
    if found.shape != (count,) or not np.isfinite(found).all():
        raise BadInputError(f"{path}: not each of its {count} spectra has a coordinate {axis}")
    return found


def _saturated(file: h5py.File, key: str, count: int) -> Array:
    found = _optional(file, f"entry/conditions/{key}")
    return found if found is not None and found.shape == (count,) else np.zeros(count)


def _start(path: Path, file: h5py.File) -> dict[str, Any]:
    dataset = _dataset(file, "entry/provenance/start_document")
    text = b"" if dataset is None or dataset.shape != () else dataset[()]
    if not isinstance(text, bytes) or not 0 < len(text) < _MOST_TEXT:
        raise BadInputError(f"{path}: does not say of which run it is: entry/provenance/start_document is missing")
    try:
        start = json.loads(text)
    except (ValueError, RecursionError):
        start = None
    analysis = start.get("analysis") if isinstance(start, dict) else None
    axes = analysis.get("axes") if isinstance(analysis, dict) else None
    if not isinstance(start, dict) or not isinstance(axes, list) or not axes:
        raise BadInputError(f"{path}: the start document in it does not name the axes of the scan")
    return start
