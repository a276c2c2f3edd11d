"""The answer of ``flowlab analyze`` as JSON, schema 1; its keys are fixed, see docs/analyze.md."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from flowlab.report.files import Analysed


def as_json(analysed: Sequence[Analysed], material: str) -> dict[str, Any]:
    """One object for all series: spectra and tracks are numbered through."""
    spectra: list[dict[str, Any]] = []
    tracks: list[dict[str, Any]] = []
    for one in analysed:
        first_spectrum, first_track = len(spectra), len(tracks)
        spectra += [_spectrum(one, i, first_spectrum, first_track) for i in range(len(one.run.spectra))]
        tracks += [_track(track, first_spectrum, first_track) for track in one.run.tracks]
    source = ", ".join(one.source for one in analysed)
    return {"schema": 1, "material": material, "source": source, "spectra": spectra, "tracks": tracks}


def _spectrum(one: Analysed, number: int, first_spectrum: int, first_track: int) -> dict[str, Any]:
    found = one.run.spectra[number]
    columns = ("wavelength_nm", "wavelength_err_nm", "fwhm_nm", "height", "snr")
    rows = zip(*(np.asarray(found[f"feature_{key}"]).tolist() for key in columns), strict=True)
    features: list[dict[str, Any]] = [dict(zip(columns, map(_number, row), strict=True)) for row in rows]
    for feature, track in zip(features, np.asarray(found["feature_track"]).tolist(), strict=True):
        feature["track"] = first_track + int(track)
    return {
        "index": first_spectrum + number,
        "coordinate": _number(found["coordinate"]),
        "label": one.labels[number],
        "usable": bool(found["usable"]),
        "why": found["why"] or None,
        "features": features,
    }


def _track(track: dict[str, Any], first_spectrum: int, first_track: int) -> dict[str, Any]:
    diameters = _numbers(track["diameter_nm"])
    return {
        "id": first_track + int(track["track"]),
        "kind": track["kind"],
        "transition": track["transition"] or None,
        "family": track["family"] or None,
        "probability": _number(track["probability"]),
        "indices": [first_spectrum + int(i) for i in track["spectrum"]],
        "wavelength_nm": _numbers(track["wavelength_nm"]),
        "height": _numbers(track["height"]),
        "diameter_nm": diameters if any(d is not None for d in diameters) else None,
        "why": track["why"],
    }


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    """A number with no more digits than mean anything; what is none is null, JSON has no other word for it."""
    return float(f"{float(value):.7g}") if math.isfinite(value) else None
