"""The answer of ``flowlab analyze`` as JSON, schema 1; its keys are fixed, see docs/analyze.md."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from flowlab.live.window import edges_of
from flowlab.report.files import Analysed

#: Spread of sizes: numbers first.
_SPREAD = ("size_dispersion", "size_dispersion_err", "size_dispersion_is_upper_bound", "size_dispersion_why")


def as_json(analysed: Sequence[Analysed], material: str) -> dict[str, Any]:
    """One object for all series: spectra and tracks are numbered through."""
    spectra: list[dict[str, Any]] = []
    tracks: list[dict[str, Any]] = []
    families: list[dict[str, Any]] = []
    for one in analysed:
        first_spectrum, first_track = len(spectra), len(tracks)
        spectra += [_spectrum(one, i, first_spectrum, first_track) for i in range(len(one.run.spectra))]
        tracks += [_track(track, first_spectrum, first_track) for track in one.run.tracks]
        families += [_family(one, row, first_spectrum, first_track) for row in one.run.families]
    source = ", ".join(one.source for one in analysed)
    return {
        "schema": 1,
        "material": material,
        "source": source,
        "spectra": spectra,
        "tracks": tracks,
        "families": families,
        "windows": [_window(one) for one in analysed if one.run.window is not None and len(one.run.panels) > 1],
    }


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
        "panel": _number(found["panel"]) if len(one.run.panels) > 1 else None,
        **{f"onset_{key}": _known(found[f"onset_{key}"]) for key in ("nm", "err_nm", "why")},
        **{f"tauc_gap_{key}": _known(found[f"tauc_gap_{key}"]) for key in ("ev", "err_ev", "why")},
    }


def _track(track: dict[str, Any], first_spectrum: int, first_track: int) -> dict[str, Any]:
    diameters = _numbers(track["diameter_nm"])
    spread = any(math.isfinite(value) for value in track["size_dispersion"])
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
        "panel": _number(track["panel"]),
        **{key: _numbers(track[key]) for key in ("fwhm_ev", "fwhm_err_ev", "area_ev", "area_err_ev")},
        **{key: _numbers(track[key]) if spread else None for key in _SPREAD[:2]},
        **{key: _known(track[key]) for key in _SPREAD[2:]},
    }


def _family(one: Analysed, row: dict[str, Any], first_spectrum: int, first_track: int) -> dict[str, Any]:
    """A family's band in a spectrum, with the conditions of that."""
    numbers = ("coordinate", "wavelength_nm", "height", "height_err", "area_ev", "area_err_ev")
    return {
        "family": row["family"],
        "index": first_spectrum + int(row["spectrum"]),
        "track": first_track + int(row["track"]),
        "panel": _number(row["panel"]) if len(one.run.panels) > 1 else None,
        **{key: _number(row[key]) for key in numbers},
    }


def _window(one: Analysed) -> dict[str, Any]:
    window = one.run.window or {}
    edges = edges_of(window) or {}
    return {
        "source": one.source,
        "family": window["family"],
        "axis": one.run.start["analysis"]["axes"][0],
        "low": _number(window["low"]),
        "high": _number(window["high"]),
        **{key: _numbers(window[key]) for key in ("found", "not_found", "undecided")},
        **{f"{side}_edge": _finite(edge) for side, edge in edges.items()},
        "why": window["why"],
    }


def _finite(edge: dict[str, Any]) -> dict[str, Any]:
    return edge | {key: None if edge[key] is None else _number(edge[key]) for key in ("value", "err")}


def _known(value: Any) -> Any:
    """A number, truth value or text of a document as JSON has it."""
    return _number(value) if isinstance(value, float) else value


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    """A number with no more digits than mean anything; what is none is null, JSON has no other word for it."""
    return float(f"{float(value):.7g}") if math.isfinite(value) else None
