"""Tables of one column of wavelengths and one column for each spectrum; and two columns, a table of one spectrum.

Headers say time, temperature or number. Programs differ in what they repeat: some write the wavelengths beside each
spectrum (Agilent's Cary WinUV), some the same column twice, most write empty rows at the end.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError
from flowlab.storage.spectra.labels import coordinates_of
from flowlab.storage.spectra.series import Series, Spectrum, series
from flowlab.storage.spectra.table import Table, read_table
from flowlab.storage.spectra.text import lines_of, read_bytes
from flowlab.storage.spectra.units import refuse_counts, to_absorbance, to_nm, x_unit, y_kind

Array = NDArray[np.float64]

_LEAST_NUMBERS = 0.5  # of its rows; a column with fewer is no spectrum
_AXIS_HEADER = re.compile(r"wave\s*length|wave\s*number|^\s*\(?\[?nm\]?\)?\s*$|λ|^\s*wl\s*$", re.IGNORECASE)
_UNIT_ONLY = re.compile(r"\s*[\[(]?\s*(nm|abs\.?|a\.?u\.?|absorbance|od|%t|%)\s*[\])]?\s*", re.IGNORECASE)


def read(path: Path) -> Series:
    """Read a table.

    Raises:
        BadInputError: the file cannot be read, or holds no such table.
    """
    return parse(path, lines_of(path, read_bytes(path)))


def parse(path: Path, lines: list[str], kind: str | None = None) -> Series:
    """Read a table from the lines of a file.

    Args:
        path: for messages, and as the label of an only spectrum that has no header.
        lines: of the table, its header above.
        kind: what the values are, where the file says so elsewhere; see :func:`units.y_kind`.
    """
    table = read_table(path, lines)
    said = _bad_rows(table)
    headers = _headers(table)
    kinds = _kinds(table) if kind is None else [kind] * table.values.shape[1]
    columns, more = _columns(table, headers, kinds)
    said += more
    if not columns:
        raise BadInputError(f"{path}: none of its columns holds absorbance in at least half of the rows; {_why(said)}")
    unit = _axis_unit(path, table, headers)
    wavelength = to_nm(table.values[:, 0], unit)
    known = ~np.isnan(wavelength)
    only = len(columns) == 1
    labels = [
        path.name if only and not headers[c].strip() else headers[c].strip() or f"column {c + 1}" for c in columns
    ]
    spectra = [
        Spectrum(label, to_absorbance(table.values[known, column], kinds[column]))
        for label, column in zip(labels, columns, strict=True)
    ]
    refuse_counts(str(path), np.concatenate([s.absorbance for s in spectra]))
    found = series(str(path), wavelength[known], spectra, said)
    return found if only else placed(found)


def placed(found: Series) -> Series:
    """A series with coordinates from its labels, in their order."""
    coordinates = coordinates_of([s.label for s in found.spectra])
    said = [*found.warnings, *([coordinates.why] if coordinates.why else [])]
    values = np.array(coordinates.values)
    order = np.arange(len(values))
    if not (np.all(np.diff(values) >= 0) or np.all(np.diff(values) <= 0)):
        order = np.argsort(values, kind="stable")
        said.append("spectra were put in the order of their coordinates")
    spectra = tuple(
        Spectrum(s.label, s.absorbance, s.err, float(values[i]), s.panel, s.why)
        for i, s in ((i, found.spectra[i]) for i in order)
    )
    return Series(
        found.source, found.wavelength_nm, spectra, coordinates.axis, path_mm=found.path_mm, warnings=tuple(said)
    )


def _bad_rows(table: Table) -> list[str]:
    cells = [f"{table.bad_cells} cells that are no numbers were left out"] * bool(table.bad_cells)
    if not table.bad_rows:
        return cells
    shown = f", the first of them {table.first_bad[:40]!r}" if table.first_bad else ", all of them empty"
    return [*cells, f"{table.bad_rows} rows that are no numbers were left out{shown}"]


def _headers(table: Table) -> list[str]:
    """A header for each column: the nearest line above that tells the columns apart, or has a cell for each."""
    width = table.values.shape[1]
    for row in reversed(table.above):
        cells = [*row, *[""] * width][:width]
        told = {cell.strip() for cell in cells[1:] if cell.strip() and not _UNIT_ONLY.fullmatch(cell)}
        told -= {cell for cell in told if _AXIS_HEADER.search(cell)}
        if told and len(row) >= min(width, 2):
            return _spread(cells) if width > 2 else cells
    return [""] * width


def _spread(cells: list[str]) -> list[str]:
    """Names that stand above pairs of columns, ``A,,B,``, are those of the second, too."""
    pairs = cells[0::2], cells[1::2]
    if len(cells) % 2 == 0 and all(c.strip() for c in pairs[0]) and not any(c.strip() for c in pairs[1]):
        return [name for name in pairs[0] for _ in range(2)]
    return cells


def _columns(table: Table, headers: list[str], kinds: list[str | None]) -> tuple[list[int], list[str]]:
    """Columns that are spectra, and what is to be said of the others."""
    values, said = table.values, list[str]()
    kept: dict[bytes, int] = {}
    axes = 0
    for column in range(1, values.shape[1]):
        numbers = np.isfinite(values[:, column])
        name = f"column {column + 1}" + (f" {headers[column].strip()[:40]!r}" if headers[column].strip() else "")
        if _is_axis(values, column):
            axes += 1
        elif kinds[column] == "other":
            said.append(f"{name} is no absorbance: left out")
        elif numbers.mean() < _LEAST_NUMBERS:
            said.append(f"{name} holds {int(numbers.sum())} numbers in {len(numbers)} rows: left out")
        elif (numbers_of := values[:, column].tobytes()) in kept:
            said.append(f"{name} is the same as one before: left out")
        else:
            kept[numbers_of] = column
    if axes:
        said.append(f"the wavelengths are repeated in {axes} more column{'s' if axes > 1 else ''}")
    return list(kept.values()), said


def _why(said: list[str]) -> str:
    return said[-1] if said else "it has no other column than the wavelengths"


def _is_axis(values: Array, column: int) -> bool:
    both = np.isfinite(values[:, column])
    return bool(both.mean() > _LEAST_NUMBERS) and bool(
        np.allclose(values[both, column], values[both, 0], rtol=0, atol=0.5)
    )


def _axis_unit(path: Path, table: Table, headers: list[str]) -> str | None:
    try:
        likely = (row[0] for row in reversed(table.above) if 2 * len(row) > len(headers))  # no remark of the sample
        for text in (headers[0], *likely):
            if (unit := x_unit(text)) is not None:
                return unit
    except ValueError as error:
        raise BadInputError(f"{path}: {error}") from None
    return None


def _kinds(table: Table) -> list[str | None]:
    """What the values of each column are, where cells above them say so."""
    width = table.values.shape[1]
    kinds: list[str | None] = [None] * width
    for row in table.above:
        for column, cell in enumerate(row[1:width], 1):
            kinds[column] = y_kind(cell) or kinds[column]
    return kinds
