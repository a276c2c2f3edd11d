"""One spectrum in a text file as Ocean's OOIBase32, SpectraSuite and OceanView save it: a header, then two columns.

The header ends with a line like ``>>>>>Begin Processed Spectral Data<<<<<`` (SpectraSuite; in other languages other
words between the arrows) or ``>>>>>Begin Spectral Data<<<<<`` (OOIBase32, OceanView); a line like it may end the data.
Decimals follow the language of the computer; OceanView writes ``1.8792E2``. Formats as in the files collected by
H. Gruson et al., J. Open Source Softw. 2019, 4, 1857 (R package lightr).
"""

import re
from dataclasses import replace
from pathlib import Path

from flowlab.errors import BadInputError
from flowlab.storage.spectra import wide
from flowlab.storage.spectra.series import Series
from flowlab.storage.spectra.text import lines_of, read_bytes

_ARROWS = re.compile(r">{5}.*<{5}")
_HEADER_LINES = 60
_AXIS_MODE = re.compile(r"x\s*axis mode\s*:\s*(.+)", re.IGNORECASE)


def is_ocean(lines: list[str]) -> bool:
    """Whether a text has the line that ends the header of such a file."""
    return any(_ARROWS.search(line) for line in lines[:_HEADER_LINES])


def read(path: Path) -> Series:
    """Read a file.

    Raises:
        BadInputError: it cannot be read, or is no such file.
    """
    return parse(path, lines_of(path, read_bytes(path)))


def parse(path: Path, lines: list[str]) -> Series:
    """Read the lines of a file."""
    marks = [i for i, line in enumerate(lines) if _ARROWS.search(line)]
    if not marks:
        raise BadInputError(f"{path}: has no line like >>>>>Begin Spectral Data<<<<<")
    header, data = lines[: marks[0]], lines[marks[0] + 1 : marks[1] if len(marks) > 1 else None]
    for line in header:
        mode = _AXIS_MODE.match(line.strip())
        if mode is not None and "wavelength" not in mode[1].lower():
            raise BadInputError(f"{path}: its x axis is {mode[1].strip()!r}; export it over wavelengths")
    found = wide.parse(path, data)
    if len(found.spectra) == 1:  # no header above the columns: the file's name is all there is
        found = replace(found, spectra=(replace(found.spectra[0], label=path.name),))
    return found
