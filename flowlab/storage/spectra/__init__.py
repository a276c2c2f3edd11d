"""Absorption spectra from files that others wrote: one reader for each format, each gives a :class:`Series`.

Nothing here runs, unpickles or follows what a file says: bytes are bounded, numbers are parsed, and what cannot be
read is a :class:`flowlab.errors.BadInputError` of one line.
"""

from flowlab.storage.spectra.choose import read_files
from flowlab.storage.spectra.series import Series, Spectrum

__all__ = ["Series", "Spectrum", "read_files"]
