"""Units of axes and values as files name them, to nm and absorbance."""

import re

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.axis import HC_EV_NM
from flowlab.errors import BadInputError

Array = NDArray[np.float64]

_X = (
    (re.compile(r"cm\s*\^?\s*[-−⁻]\s*[1¹]|1\s*/\s*cm|wave\s*number|kayser", re.IGNORECASE), "per cm"),
    (re.compile(r"[Mm]icro\s*m|MICRO\s*M|µm|μm|\bum\b"), "µm"),
    (re.compile(r"nm\b|nano\s*m", re.IGNORECASE), "nm"),
    (re.compile(r"angstr|ångstr|\bÅ", re.IGNORECASE), "Å"),
    (re.compile(r"\beV\b|electron\s*volt"), "eV"),
    (re.compile(r"wave\s*length|\bwl\b|lambda|λ", re.IGNORECASE), "nm"),
)
_OTHER_X = re.compile(r"\b(hz|hertz|ppm|m/z|seconds?|2theta|pixels?|raman)\b", re.IGNORECASE)


def x_unit(text: str) -> str | None:
    """The unit of an axis in a header or XUNITS; None when it says nothing.

    Raises:
        ValueError: it names something that is no wavelength nor energy.
    """
    for pattern, unit in _X:
        if pattern.search(text):
            return unit
    if _OTHER_X.search(text):
        raise ValueError(f"its axis is {text.strip()!r}; a wavelength in nm is needed")
    return None


def to_nm(values: Array, unit: str | None) -> Array:
    """Wavelengths; nan for those that have none, as energies of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        match unit:
            case "per cm":
                found = 1e7 / values
            case "eV":
                found = HC_EV_NM / values
            case "µm":
                found = 1e3 * values
            case "Å":
                found = 0.1 * values
            case _:
                found = values.copy()
    return np.where(np.isfinite(found), found, np.nan)


def y_kind(text: str) -> str | None:
    """What values are by their header or YUNITS: absorbance, milli (mAU), transmittance, percent, other; or None."""
    low = text.lower().strip()
    if re.search(r"\bmau\b|m\.?abs|milli\s*abs", low):
        return "milli"
    if re.search(r"abs|\ba\.?u\.?\b|\bod\b|optical dens|extinction", low) or low in ("a", "e"):
        return "absorbance"
    if re.search(r"transmi|%\s*t\b|\bt\s*[\[(/]?\s*%", low):
        return "percent" if "%" in low or "percent" in low else "transmittance"
    if re.search(r"refle|%\s*r\b|counts|intensity|irradiance|emission|fluoresc|scope|kubelka|epsilon", low):
        return "other"
    return None


def to_absorbance(values: Array, kind: str | None) -> Array:
    """Decadic absorbance; nan where the sample let no light through.

    Transmittance that is mostly above 1.5 is percent, whatever it is called: Perkin-Elmer's exports call it so.
    """
    match kind:
        case "milli":
            return 1e-3 * values
        case "percent" | "transmittance":
            finite = values[np.isfinite(values)]
            percent = kind == "percent" or (finite.size > 0 and float(np.median(finite)) > 1.5)
            share = values / 100 if percent else values
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(share > 0, -np.log10(np.where(share > 0, share, 1.0)), np.nan)
        case _:
            return values


def refuse_counts(source: str, absorbance: Array) -> None:
    """Raise when values are so large that they are counts or percent, not absorbance.

    Raises:
        BadInputError: half of them are above 10: one part in 10¹⁰ of the light.
    """
    finite = absorbance[np.isfinite(absorbance)]
    if finite.size and float(np.median(np.abs(finite))) > 10:
        raise BadInputError(
            f"{source}: holds values around {np.median(np.abs(finite)):.3g}: counts or percent, no absorbance; "
            "export absorbance, or say in the column's header what it is (mAU, %T)"
        )
