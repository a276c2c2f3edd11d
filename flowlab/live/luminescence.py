"""The emission spectra of one run: from pairs of dark and lit counts to documents of emission and its band."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.axis import Axis, axis_of
from flowlab.analysis.luminescence import Luminescence, Mask, find_emission
from flowlab.live.documents import AnalysisRun, Document, boolean, number, numbers, or_nan, text
from flowlab.live.readings import PLACE_KEYS, PLUG_KEYS, place_of, plug_data

_INTEGER = {"dtype": "integer", "shape": []}
_BAND = {
    "wavelength_nm": "nm",
    "wavelength_err_nm": "nm",
    "response_err_nm": "nm",
    "fwhm_nm": "nm",
    "fwhm_err_nm": "nm",
    "height": "counts",
    "height_err": "counts",
    "area": "counts·nm",
    "area_err": "counts·nm",
    "snr": None,
}
EMISSION_KEYS = {
    **PLACE_KEYS,
    "emission_event": text(),
    "usable": boolean(),
    "why": text(),
    "emission": text(),
    **{f"band_{name}": number(units) for name, units in _BAND.items()},
    "integration_ms": number("ms"),
    "scatter": number("counts"),
    "mask_nm": numbers("nm"),
    "hot_pixels": _INTEGER,
    "wavelength_nm": numbers("nm"),
    "counts": numbers("counts"),
    "counts_err": numbers("counts"),
    **PLUG_KEYS,
}


@dataclass(frozen=True)
class _Setting:
    """How the spectra of a stream are taken."""

    stream: str
    axis: Axis
    integration_ms: float
    saturated_counts: float
    led_nm: float


class LuminescenceAnalysis:
    """Analyses the spectra of the streams ``emission_dark`` and ``emission``.

    Args:
        start: start document of the run; its ``analysis.luminescence`` names the data keys.
        composer: of the result documents.
        search_nm: between which wavelengths bands are looked for.
    """

    def __init__(self, start: dict[str, Any], composer: AnalysisRun, search_nm: tuple[float, float]):
        wanted = start["analysis"]
        self._keys = {str(role): str(key) for role, key in wanted["luminescence"].items()}
        self._axes = [str(axis) for axis in wanted["axes"]]
        self._composer = composer
        self._search_nm = search_nm
        self._settings: dict[str, _Setting] = {}
        self._dark: tuple[Counts, _Setting] | None = None

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        """Documents that follow from one of the run's.

        Raises:
            ValueError, KeyError, TypeError: the document makes no sense.
        """
        match name:
            case "descriptor" if self._keys["counts"] in doc["data_keys"]:
                self._settings[str(doc["uid"])] = self._setting(doc)
            case "event" if doc["descriptor"] in self._settings:
                setting = self._settings[doc["descriptor"]]
                counts = self._counts(doc["data"], setting.axis)
                if setting.stream == "emission_dark":
                    self._dark = counts, setting
                elif setting.stream == "emission":
                    data = self._data(counts, setting, doc)
                    yield from self._composer.result("emission", EMISSION_KEYS, data, doc["time"])
            case _:
                pass

    def renew(self) -> Iterator[Document]:
        """Another run goes on with the scan, with dark spectra of its own."""
        self._dark = None
        yield from ()

    def finish(self, time: float) -> Iterator[Document]:
        """Nothing follows from the end of the run."""
        yield from ()

    def _setting(self, descriptor: dict[str, Any]) -> _Setting:
        told = {key: value for device in descriptor["configuration"].values() for key, value in device["data"].items()}
        axis = axis_of(told[self._keys["wavelength_nm"]], self._search_nm)
        integration_ms, saturated_counts = (float(told[self._keys[k]]) for k in ("integration_ms", "saturated_counts"))
        if not (0 < integration_ms < np.inf and 0 < saturated_counts < np.inf):
            raise ValueError(f"an integration of {integration_ms} ms, or saturation at {saturated_counts} counts?")
        # What excites is no part of a stream that is taken without it.
        led_nm = float(told.get(self._keys["led_nm"], np.nan))
        return _Setting(str(descriptor["name"]), axis, integration_ms, saturated_counts, led_nm)

    def _counts(self, data: dict[str, Any], axis: Axis) -> Counts:
        counts = Counts(*(np.asarray(data[self._keys[key]], float) for key in ("counts", "counts_err")))
        for values in (counts.mean, counts.err):
            if values.shape != axis.wavelength_nm.shape or not np.isfinite(values).all():
                raise ValueError(f"{values.shape} counts for {len(axis.wavelength_nm)} pixels, or no numbers")
        return counts

    def _found(self, counts: Counts, setting: _Setting) -> tuple[Luminescence | None, str]:
        """What a spectrum shows; or why nothing can be made of it."""
        if self._dark is None:
            return None, "no dark spectrum was taken before it"
        dark, of_dark = self._dark
        if of_dark.integration_ms != setting.integration_ms or len(dark.mean) != len(counts.mean):
            dark_ms, lit_ms = of_dark.integration_ms, setting.integration_ms
            return None, f"it is of {lit_ms:g} ms, but the dark spectrum before it of {dark_ms:g} ms"
        if not 0 < setting.led_nm < np.inf:
            return None, "of what wavelength the LED is was not told: give it in its settings.wavelength_nm"
        found = find_emission(counts, dark, setting.axis, Mask(setting.led_nm), setting.saturated_counts)
        return found, found.why or ""

    def _data(self, counts: Counts, setting: _Setting, event: dict[str, Any]) -> dict[str, Any]:
        found, why = self._found(counts, setting)
        panel, coordinate = place_of(event["data"], self._axes)
        empty = np.empty(0)
        return {
            "panel": panel,
            "coordinate": coordinate,
            "emission_event": str(event["uid"]),
            "usable": found is not None and not found.saturated_pixels,
            "why": why,
            "emission": summary(found, why),
            **{f"band_{name}": or_nan(found and found.band and getattr(found.band, name)) for name in _BAND},
            "integration_ms": setting.integration_ms,
            "scatter": or_nan(found and found.scatter),
            "mask_nm": empty if found is None else np.array(found.mask_nm),
            "hot_pixels": 0 if found is None else found.hot_pixels,
            "wavelength_nm": setting.axis.wavelength_nm,
            "counts": empty if found is None else found.emission.value,
            "counts_err": empty if found is None else found.emission.err,
            **plug_data(event["data"], self._keys["plug"]),
        }


def summary(found: Luminescence | None, why: str) -> str:
    """What a spectrum shows in a few words: ``emission at 560.1 ± 0.4 nm, 35 nm wide``."""
    if found is None or found.saturated_pixels:
        return f"not usable: {why}"
    if found.band is None:
        return f"no emission: {why}"
    band = found.band
    error_nm = max(float(np.hypot(band.wavelength_err_nm, band.response_err_nm)), 0.05)
    return f"emission at {band.wavelength_nm:.1f} ± {error_nm:.1f} nm, {band.fwhm_nm:.0f} nm wide"
