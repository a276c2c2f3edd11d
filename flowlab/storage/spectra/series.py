"""What every reader gives: absorption spectra on one rising axis, each with its coordinate, and what was left out."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from flowlab.errors import BadInputError

Array = NDArray[np.float64]

LEAST_PIXELS = 10
MOST_VALUES = 20_000_000
#: Wavelengths that an absorption spectrum of particles in solution can have; what is outside is another unit.
WAVELENGTHS_NM = (100.0, 5000.0)
#: Steps that many times longer than both neighbours are gaps: rows that were left out, or never were there.
_GAP = 1.6
_LONGEST_GAP_PIXELS = 500
#: From neighbour to neighbour the steps of a spectrometer's axis vary less.
_UNEVEN = 1.35
#: Two files are on one axis when their wavelengths differ by less: exports are rounded.
_SAME_AXIS_NM = 0.02
_MOST_ABSORBANCE = 100.0


@dataclass(frozen=True)
class Spectrum:
    """One spectrum of a series.

    Attributes:
        label: as the file calls it: a column's header, a title, the name of the file.
        absorbance: decadic, shape (pixels,); nan where the file has no number.
        err: one sigma, same shape; None when the file does not tell.
        coordinate: time, temperature or number of the spectrum, in the series' unit; None when it is not known.
        panel: coordinate on a scan's slower axis.
        why: why it cannot be used; None when it can.
    """

    label: str
    absorbance: Array
    err: Array | None = None
    coordinate: float | None = None
    panel: float = 0.0
    why: str | None = None


@dataclass(frozen=True)
class Series:
    """Spectra that belong together, in their order.

    Attributes:
        source: names of the files.
        wavelength_nm: rising, shape (pixels,).
        spectra: at least one.
        axis: data key of the coordinate, which names its unit: ``time_s``, ``temperature_c``, ``spectrum_number``.
        panel_axis: data key of the slower axis, None when there is none.
        path_mm: optical path, None when it is not known.
        warnings: what was left out, mended or assumed, one sentence each.
    """

    source: str
    wavelength_nm: Array
    spectra: tuple[Spectrum, ...]
    axis: str = "spectrum_number"
    panel_axis: str | None = None
    path_mm: float | None = None
    warnings: tuple[str, ...] = field(default=())


def series(source: str, wavelength_nm: Array, spectra: list[Spectrum], warnings: list[str]) -> Series:
    """A series from columns as they stand in a file: sorted by wavelength, gaps opened, doubtful axes made even.

    Args:
        source: the file.
        wavelength_nm: finite, in any order.
        spectra: values at these wavelengths.
        warnings: what the reader has to say already.

    Raises:
        BadInputError: there are too few pixels, or wavelengths that are none in nm.
    """
    said = list(warnings)
    low, high = WAVELENGTHS_NM
    inside = (wavelength_nm >= low) & (wavelength_nm <= high)
    if not inside.all():
        said.append(f"{_rows(int((~inside).sum()))} outside {low:g} to {high:g} nm left out")
    order = np.flatnonzero(inside)[np.argsort(wavelength_nm[inside], kind="stable")]
    # Of a wavelength that occurs twice the first row counts.
    order = order[np.concatenate([[True], np.diff(wavelength_nm[order]) > 0])] if len(order) else order
    if (twice := int(inside.sum()) - len(order)) > 0:
        said.append(f"{_rows(twice)} with a wavelength that occurs before left out")
    if len(order) < LEAST_PIXELS:
        raise BadInputError(
            f"{source}: holds {len(order)} wavelengths between {low:g} and {high:g} nm; {LEAST_PIXELS} are needed"
        )
    axis = wavelength_nm[order]
    # More than 100 is no absorbance that anything measures, but a word for none.
    spectra = [
        replace(s, absorbance=np.where(np.abs(s.absorbance) < _MOST_ABSORBANCE, s.absorbance, np.nan)) for s in spectra
    ]
    taken = [replace(s, absorbance=s.absorbance[order], err=None if s.err is None else s.err[order]) for s in spectra]
    axis, taken, more = _even(axis, taken)
    return Series(source, axis, tuple(taken), warnings=(*said, *more))


def same_axis(one: Array, other: Array) -> bool:
    """Whether two files are on one axis, but for rounding."""
    return one.shape == other.shape and bool(np.max(np.abs(one - other)) < _SAME_AXIS_NM)


def _rows(count: int) -> str:
    return f"{count} row{'s' if count > 1 else ''}"


def _even(axis: Array, spectra: list[Spectrum]) -> tuple[Array, list[Spectrum], list[str]]:
    """Open gaps with pixels of no value; give an axis that is uneven for other reasons even steps.

    Derivatives are taken over pixels: a missing row would be a kink in each spectrum, and a kink is a band.
    """
    steps = np.diff(axis)
    before, after = np.concatenate([[np.inf], steps[:-1]]), np.concatenate([steps[1:], [np.inf]])
    gaps = np.flatnonzero((steps > _GAP * before) & (steps > _GAP * after))
    missing = [round(float(steps[i] / min(before[i], after[i]))) - 1 for i in gaps]
    if sum(missing) <= _LONGEST_GAP_PIXELS:
        for i, count in sorted(zip(gaps.tolist(), missing, strict=True), reverse=True):
            new = np.linspace(axis[i], axis[i + 1], count + 2)[1:-1]
            axis = np.insert(axis, i + 1, new)
            spectra = [_opened(s, i + 1, count) for s in spectra]
    else:
        missing = []
    steps = np.diff(axis)
    ratio = steps[1:] / steps[:-1]
    if np.all((ratio < _UNEVEN) & (ratio > 1 / _UNEVEN)):
        count = sum(missing)
        return axis, spectra, [f"{count} missing wavelengths between others were put in, without values"] * bool(count)
    step = float(np.median(steps))
    even = np.linspace(axis[0], axis[-1], min(max(round((axis[-1] - axis[0]) / step), LEAST_PIXELS), 10 * len(axis)))
    moved = [
        replace(
            s,
            absorbance=np.interp(even, axis, s.absorbance),
            err=None if s.err is None else np.interp(even, axis, s.err),
        )
        for s in spectra
    ]
    return even, moved, [f"its wavelengths are unevenly spaced; values were interpolated to steps of {step:.3g} nm"]


def _opened(spectrum: Spectrum, at: int, count: int) -> Spectrum:
    hole = np.full(count, np.nan)
    err = None if spectrum.err is None else np.insert(spectrum.err, at, hole)
    return replace(spectrum, absorbance=np.insert(spectrum.absorbance, at, hole), err=err)
