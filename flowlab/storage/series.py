"""A measured series that can be played back: any file of absorption spectra whose spectra each tell a time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError
from flowlab.storage.spectra import read_files
from flowlab.storage.spectra.labels import TIMES, coordinates_of
from flowlab.storage.spectra.series import LEAST_PIXELS, Spectrum


@dataclass(frozen=True)
class TimedSeries:
    """Absorption spectra on one axis, one for each time.

    Attributes:
        wavelength_nm: rising, shape (pixels,).
        time_s: after mixing, of each spectrum, shape (spectra,).
        labels: of each spectrum, as the file calls it.
        absorbance: shape (spectra, pixels), finite.
    """

    wavelength_nm: NDArray[np.float64]
    time_s: NDArray[np.float64]
    labels: list[str]
    absorbance: NDArray[np.float64]


def read_series(path: Path) -> TimedSeries:
    """Read a series; wavelengths at which one of its spectra has no value are left out.

    Raises:
        BadInputError: it cannot be read, see :func:`flowlab.storage.spectra.read_files`; or its spectra have no times
            above 0, or two of them the same.
    """
    (found,) = read_files([path])
    spectra = [spectrum for spectrum in found.spectra if spectrum.why is None]
    if not spectra:
        raise BadInputError(f"{path}: none of its spectra can be used, the first because {found.spectra[0].why}")
    if found.axis not in TIMES:
        raise BadInputError(
            f"{path}: the column {_without_time(spectra)!r} has no time in its header; allowed: 20 s, 5 min, 1 h"
        )
    times = [TIMES[found.axis] * (spectrum.coordinate or 0.0) for spectrum in spectra]
    for spectrum, time_s in zip(spectra, times, strict=True):
        if not 0 < time_s < np.inf:
            label = spectrum.label[:40]
            raise BadInputError(f"{path}: the column {label!r} is of no time after mixing; it must be above 0 s")
    if len(set(times)) < len(times):
        raise BadInputError(f"{path}: two of its columns have the same time; each must be another")
    absorbance = np.array([spectrum.absorbance for spectrum in spectra])
    known = np.isfinite(absorbance).all(axis=0)
    if known.sum() < LEAST_PIXELS:
        raise BadInputError(
            f"{path}: at {known.sum()} wavelengths each of its spectra has a value; {LEAST_PIXELS} are needed"
        )
    return TimedSeries(
        found.wavelength_nm[known], np.array(times), [spectrum.label for spectrum in spectra], absorbance[:, known]
    )


def _without_time(spectra: list[Spectrum]) -> str:
    """The first label that tells no time; where each does, they do not agree on what it is."""
    labels = [spectrum.label for spectrum in spectra]
    return next((label for label in labels if coordinates_of([label]).axis not in TIMES), labels[0])[:40]
