"""Measured absorption series from files: one column of wavelengths, one column for each spectrum."""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError

_HEADER = re.compile(r"\s*([-+]?\d+(?:\.\d*)?)\s*(s|min|h)\s*", re.IGNORECASE)
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LEAST_ROWS = 10


@dataclass(frozen=True)
class Series:
    """Absorption spectra on one axis.

    Attributes:
        wavelength_nm: rising, shape (pixels,).
        time_s: of each spectrum, shape (spectra,), as the columns' headers say.
        labels: the headers.
        absorbance: shape (spectra, pixels).
        skipped_rows: how many rows were not numbers throughout.
    """

    wavelength_nm: NDArray[np.float64]
    time_s: NDArray[np.float64]
    labels: list[str]
    absorbance: NDArray[np.float64]
    skipped_rows: int


def read_series(path: Path) -> Series:
    """Read a wide CSV file: wavelengths in either order, headers like ``20 s``; rows that are no numbers are skipped.

    Raises:
        BadInputError: the file cannot be read, or is no such table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is not a text file") from None
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise BadInputError(f"{path}: is no table: {error}") from None
    header = rows[0] if rows else []
    times = [_time_s(path, label) for label in header[1:]]
    if not times:
        raise BadInputError(
            f"{path}: has no header of a wavelength and at least one time, like: Wavelength (nm),20 s,40 s"
        )
    if len(set(times)) < len(times):
        raise BadInputError(f"{path}: two of its columns have the same time; each must be another")
    values = [numbers for row in rows[1:] if (numbers := _numbers(row, len(header))) is not None]
    if len(values) < _LEAST_ROWS:
        raise BadInputError(
            f"{path}: {len(values)} of its rows hold {len(header)} numbers; at least {_LEAST_ROWS} must"
        )
    table = np.array(values)
    table = table[np.argsort(table[:, 0], kind="stable")]
    if not np.all(np.diff(table[:, 0]) > 0):
        raise BadInputError(f"{path}: a wavelength occurs twice")
    return Series(table[:, 0], np.array(times), header[1:], table[:, 1:].T.copy(), len(rows) - 1 - len(values))


def _time_s(path: Path, label: str) -> float:
    match = _HEADER.fullmatch(label)
    if match is None:
        raise BadInputError(f"{path}: the column {label!r} has no time in its header; allowed: 20 s, 5 min, 1 h")
    time_s = float(match[1]) * _SECONDS[match[2].lower()]
    if not 0 < time_s < math.inf:
        raise BadInputError(f"{path}: line 1: the column {label!r} is of no time after mixing; it must be above 0 s")
    return time_s


def _numbers(row: list[str], count: int) -> list[float] | None:
    if len(row) != count:
        return None
    try:
        numbers = [float(cell) for cell in row]
    except ValueError:
        return None
    return numbers if np.all(np.isfinite(numbers)) else None
