"""Which reader a file is for: by what it begins with, never by its name."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from flowlab.errors import BadInputError
from flowlab.storage.spectra import jcamp, nexus, ocean, wide
from flowlab.storage.spectra.labels import ORDER, PLAIN, Coordinates, coordinates_of
from flowlab.storage.spectra.series import Series, same_axis
from flowlab.storage.spectra.text import lines_of, read_bytes


def read_file(path: Path) -> Series:
    """Read a file of absorption spectra, whatever its format.

    Raises:
        BadInputError: it cannot be read, or holds none.
    """
    if _begins(path).startswith(nexus.MAGIC):
        return nexus.read(path)
    lines = lines_of(path, read_bytes(path))
    if jcamp.is_jcamp(lines):
        return jcamp.parse(path, lines)
    if ocean.is_ocean(lines):
        return ocean.parse(path, lines)
    return wide.parse(path, lines)


def read_files(paths: Sequence[Path]) -> list[Series]:
    """Read files; those with one spectrum each are one series, each other file is a series of its own.

    Raises:
        BadInputError: one of them cannot be read; or those of one spectrum are not on one axis.
    """
    if repeated := [path for i, path in enumerate(paths) if path in paths[:i]]:
        raise BadInputError(f"{repeated[0]}: is given twice")
    found = [read_file(path) for path in paths]
    single = [s for s in found if len(s.spectra) == 1]
    whole = [s for s in found if len(s.spectra) > 1]
    return [*whole, *([_joined(single)] if single else [])]


def _begins(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""  # what is wrong with it is told when it is read
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise BadInputError(f"{path!s}: is no name of a file") from None


def _joined(single: list[Series]) -> Series:
    """A series of files with one spectrum each; coordinates from their labels, or from the names of the files."""
    first = single[0]
    for other in single[1:]:
        if not same_axis(first.wavelength_nm, other.wavelength_nm):
            raise BadInputError(
                f"{other.source}: is on another wavelength axis ({_axis(other)}) than {first.source} ({_axis(first)}); "
                "spectra of a series must have the same"
            )
    said = [f"{Path(s.source).name}: {w}" if len(single) > 1 else w for s in single for w in s.warnings]
    names = [_name(s) for s in single]
    labels = [s.spectra[0].label for s in single]
    if _tells(coordinates_of(labels)) > _tells(coordinates_of(names)):
        names = labels
    coordinates = coordinates_of(names)
    said += [coordinates.why] if coordinates.why else []
    values = np.array(coordinates.values)
    order = np.argsort(values, kind="stable")
    spectra = tuple(
        replace(single[i].spectra[0], label=labels[i] if len(single) == 1 else names[i], coordinate=float(values[i]))
        for i in order
    )
    source = first.source if len(single) == 1 else ", ".join(Path(single[i].source).name for i in order)
    path_mm = first.path_mm if all(s.path_mm == first.path_mm for s in single) else None
    return Series(source, first.wavelength_nm, spectra, coordinates.axis, path_mm=path_mm, warnings=tuple(said))


def _tells(coordinates: Coordinates) -> int:
    """How much labels tell: a number with its unit more than a number, that more than nothing."""
    return {ORDER: 0, PLAIN: 1}.get(coordinates.axis, 2)


def _name(found: Series) -> str:
    """The name of a file, without the ending of its format: the 7 of ``.csv7`` would be a coordinate."""
    name = Path(found.source).name
    return re.sub(r"\.[A-Za-z]\w{0,4}$", "", name)


def _axis(found: Series) -> str:
    nm = found.wavelength_nm
    return f"{len(nm)} pixels from {nm[0]:.2f} to {nm[-1]:.2f} nm"
