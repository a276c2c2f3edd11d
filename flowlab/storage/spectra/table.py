"""Tables of numbers in text: which separator, which decimal mark, where the numbers begin."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError
from flowlab.storage.spectra.series import LEAST_PIXELS, MOST_VALUES, WAVELENGTHS_NM
from flowlab.storage.spectra.text import number

Array = NDArray[np.float64]

#: In this order: a file with semicolons or tabs has its commas for something else.
_SEPARATORS = ("\t", ";", ", ", ",", None)
_PROBED = 400
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*", re.ASCII)
_NO_POINT = re.compile(r"[^.]*")


@dataclass(frozen=True)
class Table:
    """Rows that begin with a number, and what stands above them.

    Attributes:
        above: cells of the lines above the first row of numbers, empty lines left out.
        values: shape (rows, columns); nan where a row has no number, or a word for a missing one.
        bad_rows: how many lines among and below the rows are no rows of numbers, empty lines included.
        first_bad: the first of them that is not empty, as the file has it; None when all are empty.
        bad_cells: how many cells of the rows are words, but none for a missing value.
    """

    above: list[list[str]]
    values: Array
    bad_rows: int
    first_bad: str | None
    bad_cells: int


def read_table(path: Path, lines: list[str]) -> Table:
    """The table in the lines of a text.

    Raises:
        BadInputError: there are no two columns of numbers, or their decimal marks are ambiguous.
    """
    separator = _separator(lines)
    if separator is _NONE:
        raise BadInputError(f"{path}: holds no table of numbers with a wavelength and at least one value in each row")
    rows = _split(path, lines, separator)
    decimal = _decimal(path, rows, separator)
    numbers = [[number(cell, decimal) for cell in row] for row in rows]
    is_row = [_is_row(row) for row in numbers]
    first = _first_row(numbers, is_row)
    if first is None:
        raise BadInputError(f"{path}: holds no table of numbers with a wavelength and at least one value in each row")
    last = len(rows) - 1 - next(i for i, found in enumerate(reversed(is_row)) if found)
    width = _width([row for row, found in zip(numbers[first:], is_row[first:], strict=True) if found])
    if width * sum(is_row) > MOST_VALUES:
        raise BadInputError(f"{path}: holds {width * sum(is_row)} numbers; at most {MOST_VALUES} are read")
    taken = [i for i in range(first, last + 1) if is_row[i] and _length(numbers[i]) <= width <= len(numbers[i])]
    if len(taken) < LEAST_PIXELS:
        raise BadInputError(
            f"{path}: {len(taken)} of its rows hold {width} numbers; at least {LEAST_PIXELS} must"
            + _hint(separator, decimal)
        )
    cells = [numbers[i][:width] for i in taken]
    bad_cells = sum(cell is None for row in cells for cell in row)
    values = np.array([[np.nan if cell is None else cell for cell in row] for row in cells])
    kept = set(taken)
    bad = [i for i in range(first, last + 1) if i not in kept]
    shown = next((lines[i].strip() for i in bad if lines[i].strip(" \t,;")), None)
    above = [row for row in rows[:first] if any(cell.strip() for cell in row)]
    return Table(above, values, len(bad), shown, bad_cells)


_NONE = "none"


def _cells(line: str, separator: str | None) -> list[str]:
    return line.split() if separator is None else line.split(separator)


def _separator(lines: list[str]) -> str | None:
    """What stands between the numbers of most lines; :data:`_NONE` where nothing does."""
    probed = [line for line in lines if line.strip()]
    probed = probed[:: max(1, len(probed) // _PROBED)]  # from everywhere: some programs write as much text below
    counts: dict[str | None, int] = {}
    for separator in _SEPARATORS:
        mark = "." if separator == "," else ","
        rows = (
            [number(c, mark) if _NO_POINT.fullmatch(c) else number(c) for c in _cells(line, separator)[:4]]
            for line in probed
        )
        counts[separator] = sum(_is_row(row) for row in rows)
    most = max(counts.values())
    if most == 0:
        return _NONE
    return next(separator for separator in _SEPARATORS if counts[separator] >= 0.7 * most)


def _split(path: Path, lines: list[str], separator: str | None) -> list[list[str]]:
    if separator in (None, ", "):
        return [_cells(line, separator) for line in lines]
    try:
        rows = []
        for line in lines:  # one by one: a quote that is never closed spoils its own line only
            rows.append(next(csv.reader([line], delimiter=separator), []))
    except csv.Error as error:
        raise BadInputError(f"{path}: is no table: {error}") from None
    return rows


def _decimal(path: Path, rows: list[list[str]], separator: str | None) -> str:
    """The decimal mark of the cells that are numbers."""
    if separator == ",":
        return "."
    commas = points = 0
    for row in rows:
        if len(row) < 2 or (number(row[0]) is None and not _DECIMAL_COMMA.fullmatch(row[0])):
            continue
        commas += sum(bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in row)
        points += sum("." in cell and number(cell) is not None for cell in row)
    if commas and points:
        raise BadInputError(
            f"{path}: some of its numbers have decimal commas, others points: which is which is unclear"
        )
    return "," if commas else "."


def _is_row(row: list[float | None]) -> bool:
    """Whether a line begins with a number, and has another."""
    if len(row) < 2 or row[0] is None or np.isnan(row[0]):
        return False
    return any(cell is not None and not np.isnan(cell) for cell in row[1:])


def _first_row(numbers: list[list[float | None]], is_row: list[bool]) -> int | None:
    """Where the table begins; a header of numbers alone, ``0,14,20``, is known by what follows: wavelengths."""
    found = [i for i, row in enumerate(is_row) if row]
    if not found:
        return None
    rest = [float(numbers[i][0] or 0.0) for i in found[1:]]
    if rest and float(numbers[found[0]][0] or 0.0) < WAVELENGTHS_NM[0] <= min(rest):
        return found[1]
    return found[0]


def _length(row: list[float | None]) -> int:
    """Cells of a row without the empty ones at its end, which separators there make."""
    return max((i + 1 for i, cell in enumerate(row) if cell is not None and not np.isnan(cell)), default=0)


def _width(rows: list[list[float | None]]) -> int:
    """Columns of a table: so many as one row in a hundred has, or three; the last may be empty in the others."""
    lengths = sorted((_length(row) for row in rows), reverse=True)
    return lengths[min(max(2, len(lengths) // 100), len(lengths) - 1)]


def _hint(separator: str | None, decimal: str) -> str:
    if separator == "," and decimal == ".":
        return "; if its decimals are commas, its columns must be parted by semicolons or tabs"
    return ""
