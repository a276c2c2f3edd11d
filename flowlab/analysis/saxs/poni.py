"""Where the detector stands: the poni file of pyFAI, read as something that may be hostile.

A poni file names its detector, and pyFAI takes a name that it does not know for a file to open. Here only the
detectors that pyFAI registers are accepted, with nothing but pixel size, shape and orientation as their settings.
"""

import importlib
import json
import math
from dataclasses import dataclass, field
from typing import Any, cast

from flowlab.errors import BadInputError

_NUMBERS = ("distance", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
_SETTINGS = {"pixel1", "pixel2", "max_shape", "orientation", "sensor"}
_LONGEST = 20_000
#: Wider than any beamline: X-rays of 0.4 to 120 keV, 1 mm to 100 m.
_WAVELENGTH_M, _DISTANCE_M = (1e-11, 3e-9), (1e-3, 100.0)


@dataclass(frozen=True)
class Poni:
    """A detector's place, in pyFAI's terms and units: axis 1 runs along the rows, axis 2 along the columns.

    Attributes:
        detector: a name that pyFAI registers, or ``Detector`` with its pixel size and ``max_shape`` in ``settings``.
        distance_m: sample to the point of normal incidence (poni).
        poni1_m, poni2_m: that point, from the origin of the detector.
        rot1_rad, rot2_rad, rot3_rad: tilts.
        wavelength_m: of the X-rays.
        settings: of the detector.

    Raises:
        BadInputError: a number that cannot be one.
    """

    detector: str
    distance_m: float
    poni1_m: float
    poni2_m: float
    rot1_rad: float
    rot2_rad: float
    rot3_rad: float
    wavelength_m: float
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        _require("distance", self.distance_m, *_DISTANCE_M, "m")
        _require("wavelength", self.wavelength_m, *_WAVELENGTH_M, "m")
        for name in ("poni1_m", "poni2_m"):
            _require(name, getattr(self, name), -10.0, 10.0, "m")
        for name in ("rot1_rad", "rot2_rad", "rot3_rad"):
            _require(name, getattr(self, name), -math.pi, math.pi, "rad")

    @property
    def wavelength_nm(self) -> float:
        """Of the X-rays."""
        return self.wavelength_m * 1e9


def _require(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise BadInputError(f"poni: {name} is {value!r}; it must lie between {low:g} and {high:g} {unit}")


def read_poni(text: str) -> Poni:
    """A poni file's text (versions 1 to 3), without opening anything it names.

    Raises:
        BadInputError: not a poni file, a number is missing or impossible, or a setting that is not a plain number.
    """
    if len(text) > _LONGEST:
        raise BadInputError(f"poni: {len(text)} characters are not a poni file, which has some hundred")
    entries: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.lstrip().startswith("#"):
            entries[key.strip().lower()] = value.strip()  # the last one counts, as in pyFAI
    if entries.get("parallax", "false").lower() == "true":
        raise BadInputError("poni: it asks for a parallax correction, which the integration here does not make")
    if entries.get("splinefile", "none").lower() not in ("none", ""):
        raise BadInputError("poni: it names a distortion file, which is not supported")
    values = {name: _number(name, entries) for name in _NUMBERS}
    return Poni(
        detector=entries.get("detector", "Detector"),
        distance_m=values["distance"],
        poni1_m=values["poni1"],
        poni2_m=values["poni2"],
        rot1_rad=values["rot1"],
        rot2_rad=values["rot2"],
        rot3_rad=values["rot3"],
        wavelength_m=values["wavelength"],
        settings=_settings(entries),
    )


def _number(name: str, entries: dict[str, str]) -> float:
    if name not in entries:
        raise BadInputError(f"poni: there is no {name}")
    try:
        return float(entries[name])
    except ValueError:
        raise BadInputError(f"poni: {name} is {entries[name]!r}, not a number") from None


def _settings(entries: dict[str, str]) -> dict[str, Any]:
    if "detector_config" not in entries:
        return {f"pixel{i}": _number(f"pixelsize{i}", entries) for i in (1, 2) if f"pixelsize{i}" in entries}
    try:
        found: Any = json.loads(entries["detector_config"])
    except (ValueError, RecursionError):
        raise BadInputError("poni: Detector_config is not JSON") from None
    if not isinstance(found, dict) or not set(cast("dict[str, Any]", found)) <= _SETTINGS:
        raise BadInputError(f"poni: Detector_config may have {', '.join(sorted(_SETTINGS))} and nothing else")
    settings = cast("dict[str, Any]", found)
    settings.pop("sensor", None)  # its material and thickness matter to the parallax only
    for name, value in settings.items():
        numbers: list[Any] = cast("list[Any]", value) if name == "max_shape" and isinstance(value, list) else [value]
        if not all(isinstance(x, int | float) and not isinstance(x, bool) and 0 < x < 1e6 for x in numbers):
            raise BadInputError(f"poni: the detector's {name} is {value!r}, not a positive number")
    return settings


def write_poni(poni: Poni) -> str:
    """The text of a poni file (version 2.1) that pyFAI reads."""
    settings = {"orientation": 3, **poni.settings}
    lines = [
        "# C-order: 1 is the axis of the rows, 2 that of the columns",
        "poni_version: 2.1",
        f"Detector: {poni.detector}",
        f"Detector_config: {json.dumps(settings)}",
        f"Distance: {poni.distance_m!r}",
        f"Poni1: {poni.poni1_m!r}",
        f"Poni2: {poni.poni2_m!r}",
        f"Rot1: {poni.rot1_rad!r}",
        f"Rot2: {poni.rot2_rad!r}",
        f"Rot3: {poni.rot3_rad!r}",
        f"Wavelength: {poni.wavelength_m!r}",
    ]
    return "\n".join(lines) + "\n"


def detector(poni: Poni) -> Any:
    """PyFAI's detector of this name and these settings; pyFAI is loaded here, which takes half a second.

    Raises:
        BadInputError: pyFAI is not installed, does not know the detector, or refuses its settings.
    """
    detectors = pyfai("pyFAI.detectors")
    name = poni.detector.lower().replace(" ", "_")
    if name not in detectors.ALL_DETECTORS or "nexus" in name:
        raise BadInputError(f"poni: pyFAI knows no detector {poni.detector!r}")
    if name == "detector" and not {"pixel1", "pixel2", "max_shape"} <= set(poni.settings):
        raise BadInputError("poni: a detector without a name needs pixel1, pixel2 and max_shape in Detector_config")
    try:
        made: Any = detectors.ALL_DETECTORS[name].from_dict({"detector": name, **poni.settings})
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(f"poni: pyFAI refuses {poni.detector!r} with {poni.settings}: {error}") from error
    return made


def integrator(poni: Poni) -> Any:
    """PyFAI's azimuthal integrator at this place."""
    return pyfai("pyFAI.integrator.azimuthal").AzimuthalIntegrator(**for_pyfai(poni))


def for_pyfai(poni: Poni) -> dict[str, Any]:
    """The place as pyFAI's classes take it."""
    return {
        "dist": poni.distance_m,
        "poni1": poni.poni1_m,
        "poni2": poni.poni2_m,
        "rot1": poni.rot1_rad,
        "rot2": poni.rot2_rad,
        "rot3": poni.rot3_rad,
        "detector": detector(poni),
        "wavelength": poni.wavelength_m,
    }


def pyfai(module: str) -> Any:
    """A module of pyFAI, loaded when it is needed: it is slow to load, and an extra.

    Raises:
        BadInputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BadInputError(f"this needs pyFAI: pip install 'flowlab[saxs]' ({error})") from error
