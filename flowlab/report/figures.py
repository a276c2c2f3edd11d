"""The figures of a report, drawn without any window system."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from flowlab.report.axes import axis_name
from flowlab.report.emission_figures import draw_emission
from flowlab.report.joint_figures import draw_joint
from flowlab.report.load import RunData
from flowlab.report.palette import COLOUR, HEIGHT
from flowlab.report.saxs_figures import draw_saxs

_SHOWN_NM = (370.0, 640.0)
_BAND_NM = 9.0  # half the width of a cluster's band, for the shading
_STYLE = {"ms": 3.0, "lw": 1.0, "elinewidth": 1.0, "capsize": 2.0}


def draw_all(run: RunData) -> dict[str, Figure]:
    """Every figure that the run allows, by name."""
    with rc_context({"text.parse_math": False}):  # what a run calls its axes and families is text, dollars or not
        figures = {"panels": panels(run)} if run.spectra else {}
        if any(_is_exciton(track) for track in run.tracks):
            figures["excitons"] = excitons(run)
        if run.window is not None and len(run.panels) > 1:
            figures["map"] = cluster_map(run)
        return {**figures, **draw_saxs(run), **draw_joint(run), **draw_emission(run)}


def save(figures: dict[str, Figure], beside: Path) -> dict[str, Path]:
    """Write the figures as PNG beside a page, under its name and theirs; return where."""
    paths: dict[str, Path] = {}
    for name, figure in figures.items():
        paths[name] = beside.with_name(f"{beside.stem}-{name}.png")
        FigureCanvasAgg(figure).print_png(str(paths[name]))
    return paths


def panels(run: RunData) -> Figure:
    """Absorption spectra, one panel for each value of the slow axis, coloured by the fast one."""
    count = len(run.panels)
    columns = min(4, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(3.6 * columns + 1.2, 3.1 * rows + 0.5), dpi=110, layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    coordinates = np.array([s["coordinate"] for s in run.spectra])
    scale = Normalize(coordinates.min(), coordinates.max() if np.ptp(coordinates) else coordinates.min() + 1)
    shown = (run.wavelength_nm >= _SHOWN_NM[0]) & (run.wavelength_nm <= _SHOWN_NM[1])
    drawn = run.absorbance[:, shown][np.isfinite(run.absorbance[:, shown])]
    top, bottom = (float(drawn.max()), float(drawn.min())) if drawn.size else (1.0, 0.0)
    _, unit, symbol = axis_name(run.start["analysis"]["axes"][0])
    for place, panel in zip(axes, run.panels, strict=False):
        indices = run.of_panel(panel)
        for i in indices:
            place.plot(run.wavelength_nm[shown], run.absorbance[i, shown], lw=1.0, color=COLOUR(scale(coordinates[i])))
        _mark_cluster(place, run, panel)
        place.set_title(f"{symbol} = {panel:g} {unit}", fontsize=10)
        place.set_xlim(*_SHOWN_NM)
        place.set_ylim(min(-0.03 * top, 1.04 * bottom), 1.04 * top)
    for place in axes[count:]:
        place.set_visible(False)
    figure.supxlabel("wavelength / nm", fontsize=10)
    figure.supylabel("absorbance", fontsize=10)
    from matplotlib.cm import ScalarMappable

    fast, fast_unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    figure.colorbar(ScalarMappable(scale, COLOUR), ax=list(axes), label=f"{fast} / {fast_unit}", shrink=0.8, pad=0.015)
    return figure


def _mark_cluster(place, run: RunData, panel: float) -> None:
    """Shade the band of a cluster where the panel has one, and name it."""
    for track in run.tracks:
        if track["panel"] == panel and _accumulates(run, track):
            at = float(np.median(track["wavelength_nm"]))
            place.axvspan(at - _BAND_NM, at + _BAND_NM, color="0.5", alpha=0.22, lw=0)
            place.annotate(
                track["family"],
                (at, 0.97),
                xycoords=("data", "axes fraction"),
                ha="left",
                va="top",
                fontsize=8,
                xytext=(8, 0),
                textcoords="offset points",
            )


def _accumulates(run: RunData, track: dict[str, Any]) -> bool:
    """Whether a track is the first band of the family whose window the run states."""
    wanted = None if run.window is None else run.window["family"]
    return track["kind"] == "msc" and track["transition"] == "E1" and track["family"] == wanted


def cluster_map(run: RunData) -> Figure:
    """Height of the accumulating family's band over both axes."""
    assert run.window is not None  # noqa: S101  the caller looked
    slow, unit, _ = axis_name(run.start["analysis"]["axes"][0])
    fast, fast_unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    figure = Figure(figsize=(6.4, 4.6), dpi=110, layout="constrained")
    place = figure.subplots()
    x = np.array([s["panel"] for s in run.spectra])
    y = np.array([s["coordinate"] for s in run.spectra])
    height = _heights(run)
    seen = ~np.isnan(height)
    place.scatter(x[~seen], y[~seen], marker="s", s=150, facecolors="none", edgecolors="0.75", label="not found")
    if seen.any():
        drawn = place.scatter(x[seen], y[seen], c=height[seen], marker="s", s=170, cmap=HEIGHT, vmin=0)
        figure.colorbar(drawn, ax=place, label=f"height of {run.window['family']} / absorbance")
    place.set_xlabel(f"{slow} / {unit}")
    place.set_ylabel(f"{fast} / {fast_unit}")
    place.set_xticks(run.panels)
    place.legend(loc="upper left", fontsize=8, frameon=False)
    return figure


def _heights(run: RunData) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Height of the accumulating family in each spectrum, nan where it was not found."""
    height = np.full(len(run.spectra), np.nan)
    for track in run.tracks:
        if _accumulates(run, track):
            height[np.asarray(track["spectrum"], int)] = track["height"]
    return height


def excitons(run: RunData) -> Figure:
    """Position of the first exciton, and the diameter that follows, against the fast axis."""
    fast, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    _, slow_unit, symbol = axis_name(run.start["analysis"]["axes"][0])
    figure = Figure(figsize=(10.0, 4.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    tracks = [track for track in run.tracks if _is_exciton(track)]
    scale = Normalize(min(run.panels), max(run.panels) if len(run.panels) > 1 else min(run.panels) + 1)
    curve_err = {i: s["diameter_curve_err_nm"] for i, s in enumerate(run.spectra)}
    for track in tracks:
        colour = COLOUR(scale(track["panel"]))
        label = f"{symbol} = {track['panel']:g} {slow_unit}"
        x = track["coordinate"]
        left.errorbar(
            x, track["wavelength_nm"], track["wavelength_err_nm"], fmt="o-", color=colour, label=label, **_STYLE
        )
        right.errorbar(x, track["diameter_nm"], track["diameter_fit_err_nm"], fmt="o-", color=colour, **_STYLE)
    diameters = np.concatenate([t["diameter_nm"] for t in tracks])
    known = [e for e in curve_err.values() if not math.isnan(e)]
    if np.isfinite(diameters).any() and known:
        relative = known[0] / next(s["diameter_nm"] for s in run.spectra if not math.isnan(s["diameter_curve_err_nm"]))
        right.set_title(f"sizing curve itself: ±{100 * relative:.0f} %, common to all", fontsize=9)
    left.set_ylabel("first exciton / nm")
    right.set_ylabel("diameter / nm")
    for place in (left, right):
        place.set_xlabel(f"{fast} / {unit}")
        place.grid(alpha=0.25)
    left.legend(fontsize=7, frameon=False, ncols=2)
    return figure


def _is_exciton(track: dict[str, Any]) -> bool:
    return track["kind"] == "nc" and track["transition"] == "E1"
