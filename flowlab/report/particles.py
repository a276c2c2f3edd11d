"""Size, formula units and concentration of the particles that a track is of, spectrum by spectrum."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowlab.analysis.noise import bridged, estimated_noise
from flowlab.analysis.quantities import Quantity, concentration, units_per_particle
from flowlab.analysis.sizing import Size, size
from flowlab.config import Material
from flowlab.live.knowledge import curve_of
from flowlab.report.files import Analysed


@dataclass(frozen=True)
class Particles:
    """What a spectrum tells of the particles of a track.

    Attributes:
        coordinate: of the spectrum.
        wavelength_nm: of their first transition.
        size: diameter, or why there is none.
        units: formula units in each; None without a diameter.
        molar: particles in mol/L; None when ``why_not`` says why.
        why_not: why there is no concentration.
    """

    coordinate: float
    wavelength_nm: float
    size: Size
    units: Quantity | None
    molar: Quantity | None
    why_not: str | None


def sized(track: dict[str, Any]) -> bool:
    """Whether the particles of a track have a size: a cluster's or crystal's first transition."""
    return track["kind"] in ("msc", "nc") and track["transition"] == "E1"


def particles(one: Analysed, track: dict[str, Any], material: Material, path_mm: float | None) -> list[Particles]:
    """One for each sighting of a track that is :func:`sized`."""
    curve, found = curve_of(material), list[Particles]()
    columns = (track["spectrum"], track["coordinate"], track["wavelength_nm"], track["wavelength_err_nm"])
    for index, coordinate, wavelength, err in zip(*columns, strict=True):
        it = size(float(wavelength), float(err), curve)
        molar, why_not = _molar(one, track, int(index), it, material, path_mm)
        units = units_per_particle(it, material.units_per_nm3)
        found.append(Particles(float(coordinate), float(wavelength), it, units, molar, why_not))
    return found


def _molar(
    one: Analysed, track: dict[str, Any], index: int, it: Size, material: Material, path_mm: float | None
) -> tuple[Quantity | None, str | None]:
    told = material.extinction
    if told is None:
        return None, f"no extinction coefficient of {material.name} is known"
    if path_mm is None:
        return None, "the optical path is not known"
    if it.diameter_nm is None:
        return None, it.why
    if track["kind"] == "msc":
        return None, f"{told.name} is for crystals, not for clusters"
    where = told.wavelength_nm or float(track["wavelength_nm"][list(track["spectrum"]).index(index)])
    axis = one.run.wavelength_nm
    if not axis[0] <= where <= axis[-1]:
        return None, f"{told.name} needs the absorbance at {where:g} nm, which was not measured"
    filled, usable = bridged(one.run.absorbance[index])
    if not usable[int(np.argmin(np.abs(axis - where)))]:
        return None, f"the absorbance at {where:.0f} nm is not known"
    noise = estimated_noise(filled, usable, float(np.median(np.diff(axis))))
    absorbance, err = (float(np.interp(where, axis, values)) for values in (filled, noise))
    found = concentration(it, absorbance, err, path_mm, told.factor, told.exponent)
    return found, None if found is not None else "nothing is absorbed there"


def with_errors(quantity: Quantity, factor: float = 1.0) -> str:
    """A quantity with its errors, ``61 ± 0.4 (fit) ± 18 (curve)``: as many digits as the smaller error leaves it."""
    value, fit, curve = (factor * v for v in (quantity.value, quantity.fit_err, quantity.curve_err))
    least = min(err for err in (fit, curve, abs(value)) if err > 0)
    digits = min(max(0, -math.floor(math.log10(least))), 6)
    return f"{value:.{digits}f} ± {fit:.{digits}f} (fit) ± {curve:.{digits}f} (curve)"


def diameter(size: Size) -> Quantity | None:
    """The diameter with its errors; None where there is none."""
    if size.diameter_nm is None or size.fit_err_nm is None or size.curve_err_nm is None:
        return None
    return Quantity(size.diameter_nm, size.fit_err_nm, size.curve_err_nm)
