"""JCAMP-DX files: spectra as (X++(Y..Y)), in any compressed form, or as (XY..XY), single or in a block of blocks.

Absorbance and transmittance over wavelength or wavenumber. McDonald and Wilks, Appl. Spectrosc. 1988, 42, 151 (4.24);
blocks as in 5.00. Ocean's SpectraSuite writes dark and reference as blocks beside the spectrum, and decimal commas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError
from flowlab.storage.spectra.asdf import AsdfError, decode
from flowlab.storage.spectra.series import MOST_VALUES, Series, Spectrum, same_axis, series
from flowlab.storage.spectra.text import lines_of, number, read_bytes
from flowlab.storage.spectra.units import refuse_counts, to_absorbance, to_nm, x_unit, y_kind
from flowlab.storage.spectra.wide import placed

Array = NDArray[np.float64]

_LABEL = re.compile(r"\s*##([^=]*)=(.*)", re.DOTALL)
_COMMENT = re.compile(r"\$\$.*")
_TABLES = ("XYDATA", "XYPOINTS", "PEAKTABLE", "PEAKASSIGNMENTS", "RADATA", "NTUPLES", "XYZDATA")
_NOT_THE_SAMPLE = re.compile(r"\b(dark|reference)\b", re.IGNORECASE)
#: How far the abscissa at the beginning of a line may be from where the count of ordinates puts it, in steps.
_CHECK = 1.5


@dataclass
class _Block:
    """What stands between ##TITLE and ##END, of one block."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    table: str | None = None
    form: str = ""
    lines: list[str] = field(default_factory=list[str])


def is_jcamp(lines: list[str]) -> bool:
    """Whether a text begins as such files do, with a title; some programs write comments before it."""
    begun = (line for line in lines[:40] if line.strip() and not line.lstrip().startswith("$$"))
    first = next(begun, "")
    return bool(re.match(r"\s*##\s*(TITLE|JCAMP)", first, re.IGNORECASE))


def read(path: Path) -> Series:
    """Read a file.

    Raises:
        BadInputError: it cannot be read, or holds no absorption spectrum.
    """
    return parse(path, lines_of(path, read_bytes(path)))


def parse(path: Path, lines: list[str]) -> Series:
    """Read the lines of a file."""
    found: list[tuple[Array, Spectrum]] = []
    said: list[str] = []
    for block in _blocks(lines):
        title = block.fields.get("TITLE", "").strip() or path.name
        if block.table is None:
            continue
        try:
            found.append(_spectrum(block, title, said))
        except (ValueError, BadInputError) as error:
            said.append(f"block {title[:60]!r} left out: {error}")
    found = _of_samples(found, said)
    if not found:
        raise BadInputError(
            f"{path}: holds no absorption spectrum as JCAMP-DX; {said[0] if said else 'it has no data'}"
        )
    axis = found[0][0]
    spectra = [spectrum for other, spectrum in found if same_axis(axis, other)]
    if len(spectra) < len(found):
        said.append(f"{len(found) - len(spectra)} blocks on another axis than the first left out")
    refuse_counts(str(path), np.concatenate([s.absorbance for s in spectra]))
    whole = replace(series(str(path), axis, spectra, said), path_mm=_path_mm(lines))
    return whole if len(spectra) == 1 else placed(whole)


def _path_mm(lines: list[str]) -> float | None:
    """The optical path, where all blocks that tell it tell the same: PATHLENGTH is in cm."""
    told = {block.fields["PATHLENGTH"] for block in _blocks(lines) if "PATHLENGTH" in block.fields}
    value = number((told.pop().split() or [""])[0]) if len(told) == 1 else None
    return 10 * value if value is not None and 0 < value < 100 else None


def _blocks(lines: list[str]) -> Iterator[_Block]:
    """Blocks, in their order; a block of blocks is one without a table."""
    block = _Block()
    in_table = False
    last: str | None = None
    for raw in lines:
        line = _COMMENT.sub("", raw)
        match = _LABEL.match(line)
        if match is None:
            if in_table:
                block.lines.append(line)
            elif last is not None:
                block.fields[last] += f" {line.strip()}"
            continue
        name = re.sub(r"[\s\-_/]", "", match[1]).upper()
        in_table, last = False, None
        if name == "TITLE" and (block.fields or block.table):
            yield block
            block = _Block()
        if name in _TABLES and block.table is None:
            block.table, block.form, in_table = name, match[2].strip(), True
        elif name and name not in block.fields:
            block.fields[name], last = match[2].strip(), name
    yield block


def _spectrum(block: _Block, title: str, said: list[str]) -> tuple[Array, Spectrum]:
    """Wavelengths in nm and the spectrum of a block.

    Raises:
        ValueError: it holds something else, or is spoilt.
    """
    form = re.sub(r"\s", "", block.form).upper()
    if block.table not in ("XYDATA", "XYPOINTS"):
        raise ValueError(f"a {block.table} is no spectrum")
    kind = y_kind(block.fields.get("YUNITS", ""))
    if kind == "other" or kind is None:
        raise ValueError(f"its values are {block.fields.get('YUNITS', 'not named')!r}, no absorbance or transmittance")
    unit = x_unit(block.fields.get("XUNITS", ""))
    if unit is None:
        raise ValueError(f"its axis is {block.fields.get('XUNITS', 'not named')!r}")
    if form.startswith("(X++("):
        x, y, spoilt = _ordinates(block)
    elif form.startswith("(XY"):
        x, y, spoilt = _pairs(block)
    else:
        raise ValueError(f"data of the form {block.form[:20]!r} are not known")
    if spoilt:
        said.append(f"block {title[:60]!r}: {spoilt} lines that are no numbers were left out")
    x, y = _factor(block, "XFACTOR") * x, _factor(block, "YFACTOR") * y
    wavelength = to_nm(x, unit)
    known = np.isfinite(wavelength)
    label = title
    if re.match(r"SPECTRASUITE EXPORTED", title, re.IGNORECASE):
        label = block.fields.get("SAMPLEDESCRIPTION", title)
    return wavelength[known], Spectrum(label, to_absorbance(y[known], kind))


def _of_samples(found: list[tuple[Array, Spectrum]], said: list[str]) -> list[tuple[Array, Spectrum]]:
    """Without the dark and reference that SpectraSuite puts beside the spectrum."""
    samples = [f for f in found if not _NOT_THE_SAMPLE.search(f[1].label)]
    if samples and len(samples) < len(found):
        said.append(f"{len(found) - len(samples)} blocks of dark or reference left out")
        return samples
    return found


def _field(block: _Block, name: str) -> float | None:
    text = block.fields.get(name, "")
    value = number(text, "," if "," in text and "." not in text else ".")
    return None if value is None or np.isnan(value) else value


def _factor(block: _Block, name: str) -> float:
    factor = _field(block, name)
    return 1.0 if factor is None or factor == 0 else factor


def _ordinates(block: _Block) -> tuple[Array, Array, int]:
    """Of (X++(Y..Y)): abscissae from the first and last, or the step, and the count; those of the lines are checks."""
    y: list[float] = []
    marks: list[tuple[float, int]] = []  # abscissa as written, and how many ordinates were before it
    repeats = False
    spoilt = 0
    for line in block.lines:
        if not line.strip():
            continue
        try:
            values, difference = decode(line.strip())
        except AsdfError:
            spoilt, repeats = spoilt + 1, False
            continue
        if len(values) < 2 and not (repeats and values):
            continue
        ordinates = values[1:]
        if repeats and ordinates and y and not np.isclose(ordinates[0], y[-1], rtol=1e-9, atol=1e-9):
            raise ValueError(f"its check fails where {ordinates[0]:g} should repeat {y[-1]:g}")
        marks.append((values[0], len(y) - (1 if repeats else 0)))
        y.extend(ordinates[1:] if repeats else ordinates)
        repeats = difference
        if len(y) > MOST_VALUES:
            raise ValueError(f"holds more than {MOST_VALUES} numbers")
    if spoilt:
        raise ValueError(f"{spoilt} of its lines are no numbers: where the others belong is not known")
    return _abscissae(block, marks, len(y)), np.array(y), spoilt


def _abscissae(block: _Block, marks: list[tuple[float, int]], count: int) -> Array:
    if count < 2 or not marks:
        raise ValueError("it holds no numbers")
    told = _field(block, "NPOINTS")
    if told is not None and told != count:
        raise ValueError(f"it holds {count} values, and says {told:g}")
    factor = _factor(block, "XFACTOR")
    first, last, step = (_field(block, name) for name in ("FIRSTX", "LASTX", "DELTAX"))
    if first is not None and last is not None and first != last:
        x = np.linspace(first, last, count, dtype=np.float64) / factor
    elif first is not None and step:
        x = (first + step * np.arange(count, dtype=np.float64)) / factor
    elif len(marks) > 1 and marks[-1][1] > marks[0][1]:
        width = (marks[-1][0] - marks[0][0]) / (marks[-1][1] - marks[0][1])
        x = marks[0][0] + width * np.arange(count, dtype=np.float64)
    else:
        raise ValueError("it does not tell its first and last abscissa")
    width = abs(float(x[1] - x[0]))
    for written, before in marks:
        # Abscissae of the lines are rounded, by some programs to whole numbers.
        if before < count and abs(written - x[before]) > max(_CHECK * width, 1.0):
            raise ValueError(f"a line begins at {written:g}, where the count of values gives {x[before]:g}")
    return x


def _pairs(block: _Block) -> tuple[Array, Array, int]:
    """Of (XY..XY): pairs, parted by semicolons, blanks or line ends; within them a comma or blank."""
    numbers: list[float] = []
    spoilt = 0
    for line in block.lines:
        if not line.strip():
            continue
        commas = "." not in line and re.search(r"\d,\d", line) and re.search(r"[,;]\s", line)
        cells = re.split(r"[;\s]+|,\s+" if commas else r"[,;\s]+", line.strip().rstrip(",;"))
        values = [number(cell, "," if commas else ".") for cell in cells]
        if len(values) % 2 or any(value is None for value in values):
            spoilt += 1
            continue
        numbers.extend(value for value in values if value is not None)
    pairs = np.array(numbers).reshape(-1, 2)
    if len(pairs) < 2:
        raise ValueError("it holds no pairs of numbers")
    return pairs[:, 0], pairs[:, 1], spoilt
