"""The figure of photoluminescence of a report: emission spectra, and where their band is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from flowlab.report.axes import axis_name
from flowlab.report.emission_words import exciton_at
from flowlab.report.load import RunData
from flowlab.report.palette import COLOUR

_MOST_LABELS = 12
#: Beyond the band so many of its widths are shown; where there is none, up to this wavelength.
_WIDTHS, _SHOWN_TO_NM = 3.0, 750.0
_LINES = ("-", "--", "-.", ":")
_STYLE: dict[str, Any] = {"ms": 4.0, "lw": 1.0, "elinewidth": 1.0, "capsize": 2.5}


def draw_emission(run: RunData) -> dict[str, Figure]:
    """The figure, by its name, where the run has emission spectra that can be used."""
    return {"emission": emission(run)} if any(found["usable"] for found in run.emissions) else {}


def emission(run: RunData) -> Figure:
    """Emission spectra to the red of the LED, colours by the fast axis, lines by the slow one; beside them the band."""
    figure = Figure(figsize=(10.0, 4.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    (_, slow_unit, slow), (fast, unit, symbol) = (axis_name(run.start["analysis"]["axes"][i]) for i in (0, -1))
    usable = [found for found in run.emissions if found["usable"]]
    at = [found["coordinate"] for found in usable]
    scale = Normalize(min(at), max(at) if max(at) > min(at) else min(at) + 1)
    panels = list(dict.fromkeys(found["panel"] for found in usable))
    for found in usable:
        where = f"{slow} = {found['panel']:g} {slow_unit}, " if len(panels) > 1 else ""
        label = f"{where}{symbol} = {found['coordinate']:g} {unit}"
        line = _LINES[panels.index(found["panel"]) % len(_LINES)]
        _draw_spectrum(left, found, color=COLOUR(scale(found["coordinate"])), ls=line, label=label)
    left.set_xlim(right=_shown_to_nm(usable))
    left.set_xlabel("wavelength / nm")
    left.set_ylabel("emission / counts")
    if len(usable) <= _MOST_LABELS:
        left.legend(fontsize=7, frameon=False)
    for number, panel in enumerate(panels):
        found = [f for f in usable if f["panel"] == panel]
        _draw_positions(right, run, found, f"C{number}", _LINES[number % len(_LINES)], f"{panel:g} {slow_unit}")
    right.set_xlabel(f"{fast} / {unit}" if unit else fast)
    right.set_ylabel("position / nm")
    right.margins(0.08, 0.15)
    for place in (left, right):
        place.grid(alpha=0.25)
    if right.get_legend_handles_labels()[1]:
        right.legend(fontsize=7, frameon=False)
    return figure


def _draw_spectrum(place: Axes, found: Mapping[str, Any], **style: Any) -> None:
    wavelength_nm, counts = np.asarray(found["wavelength_nm"]), np.asarray(found["counts"])
    red = wavelength_nm > found["mask_nm"][1]
    place.plot(wavelength_nm[red], counts[red], lw=1.0, **style)


def _shown_to_nm(usable: list[dict[str, Any]]) -> float:
    ends = [found["band_wavelength_nm"] + _WIDTHS * found["band_fwhm_nm"] for found in usable if not found["why"]]
    return max(ends, default=_SHOWN_TO_NM)


def _draw_positions(place: Axes, run: RunData, found: list[dict[str, Any]], colour: str, line: str, name: str) -> None:
    seen = [f for f in found if not f["why"]]
    x = [f["coordinate"] for f in seen]
    y, err = ([f[f"band_{key}"] for f in seen] for key in ("wavelength_nm", "wavelength_err_nm"))
    if seen:
        place.errorbar(x, y, err, fmt="o", ls=line, color=colour, label=f"emission, {name}", **_STYLE)
    pairs = [(f["coordinate"], exciton) for f in found if (exciton := exciton_at(run, f)) is not None]
    if pairs:
        place.errorbar(
            [at for at, _ in pairs], [nm for _, (nm, _) in pairs], [e for _, (_, e) in pairs],
            fmt="s", ls=line, color=colour, mfc="white", label=f"first exciton, {name}", **_STYLE,
        )  # fmt: skip
