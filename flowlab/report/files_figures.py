"""Figures of a series from files: its spectra, and where each band was in them."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from flowlab.report.figures import draw_all
from flowlab.report.files import Analysed
from flowlab.report.palette import COLOUR

_KINDS = {
    "msc": ("C2", "stays: cluster"),
    "nc": ("C3", "moves: crystals"),
    "other": ("C0", "follows the exciton"),
    "artefact": ("C7", "artefact"),
    "unknown": ("0.6", "undecided"),
}
_BAND_NM = 9.0


def draw(one: Analysed) -> dict[str, Figure]:
    """Figures by name; a scan of several panels has those of a run."""
    if len(one.run.panels) > 1:
        return draw_all(one.run)
    with rc_context({"text.parse_math": False}):  # what files call their spectra is text, dollars or not
        figures = {"spectra": spectra(one)}
        if one.run.tracks:
            figures["tracks"] = tracks(one)
        return figures


def spectra(one: Analysed) -> Figure:
    """Spectra, coloured by their coordinate; bands of clusters are shaded, the exciton is marked."""
    run = one.run
    name, unit, _ = one.axis
    coordinates = np.array([s["coordinate"] for s in run.spectra])
    scale = Normalize(coordinates.min(), coordinates.max() if np.ptp(coordinates) else coordinates.min() + 1)
    figure = Figure(figsize=(8.5, 5.0), dpi=110, layout="constrained")
    place = figure.subplots()
    for row, coordinate in zip(run.absorbance, coordinates, strict=True):
        place.plot(run.wavelength_nm, row, lw=1.0, color=COLOUR(scale(coordinate)))
    for track in run.tracks:
        if track["kind"] == "msc" and track["transition"] == "E1":
            at = float(np.median(track["wavelength_nm"]))
            place.axvspan(at - _BAND_NM, at + _BAND_NM, color="0.5", alpha=0.22, lw=0)
            place.annotate(
                track["family"] or f"{at:.0f} nm", (at, 0.98), xycoords=("data", "axes fraction"), va="top", fontsize=8
            )
        elif track["kind"] == "nc" and track["transition"] == "E1":
            rows = [run.absorbance[int(i)] for i in track["spectrum"]]
            heights = [
                np.interp(x, run.wavelength_nm, row) for x, row in zip(track["wavelength_nm"], rows, strict=True)
            ]
            place.plot(track["wavelength_nm"], heights, "k.", ms=4)
    place.set_xlabel("wavelength / nm")
    place.set_ylabel("absorbance")
    place.set_xlim(run.wavelength_nm[0], run.wavelength_nm[-1])
    figure.colorbar(ScalarMappable(scale, COLOUR), ax=place, label=_axis_label(name, unit), pad=0.015)
    return figure


def tracks(one: Analysed) -> Figure:
    """Where each band was in each spectrum, coloured by what it is."""
    name, unit, _ = one.axis
    figure = Figure(figsize=(8.5, 4.6), dpi=110, layout="constrained")
    place = figure.subplots()
    labelled: set[str] = set()
    for track in one.run.tracks:
        colour, meaning = _KINDS[track["kind"]]
        label = f"{meaning}, {track['family']}" if track["family"] else meaning
        place.errorbar(
            *_points(track),
            fmt="o-",
            color=colour,
            label=None if label in labelled else label,
            ms=3.5,
            lw=1.0,
            capsize=2.0,
        )
        labelled.add(label)
    place.set_xlabel(_axis_label(name, unit))
    place.set_ylabel("band / nm")
    place.grid(alpha=0.25)
    place.legend(fontsize=8, frameon=False)
    return figure


def _points(track: dict[str, Any]) -> tuple[Any, Any, Any]:
    return track["coordinate"], track["wavelength_nm"], track["wavelength_err_nm"]


def _axis_label(name: str, unit: str) -> str:
    return f"{name} / {unit}" if unit else name
