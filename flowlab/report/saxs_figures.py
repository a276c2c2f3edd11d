"""The SAXS figures of a report: curves, and radii."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from flowlab.colours import SERIES
from flowlab.report.axes import axis_name
from flowlab.report.legend import Legend
from flowlab.report.load import RunData
from flowlab.report.palette import COLOUR

_SAXS, _SEVERAL = SERIES["saxs"], SERIES["exciton"]
_MOST_LABELS = 12
_STYLE: dict[str, Any] = {"ms": 5.0, "elinewidth": 1.0, "capsize": 2.5, "lw": 0}


def draw_saxs(run: RunData) -> dict[str, Figure]:
    """Every SAXS figure that the run allows, by name."""
    figures: dict[str, Figure] = {}
    if any(point["usable"] for point in run.points):
        figures["curves"] = curves(run)
    if any(not math.isnan(point["radius_nm"]) for point in run.points):
        figures["radii"] = radii(run)
    if any(not math.isnan(point["smooth_radius_nm"]) for point in run.points):
        figures["distributions"] = distributions(run)
    return figures


def curves(run: RunData) -> Figure:
    """I(q) of every point, each a factor above the one before, so that none hides another; Bragg peaks are marked."""
    figure = Figure(figsize=(7.6, 5.4), dpi=110, layout="constrained")
    place = figure.subplots()
    usable = [point for point in run.points if point["usable"]]
    at = [point["coordinate"] for point in usable]
    scale = Normalize(min(at), max(at) if max(at) > min(at) else min(at) + 1)
    _, unit, symbol = axis_name(run.start["analysis"]["axes"][-1])
    apart = 3.0 if len(usable) > 1 else 1.0
    top = _level(usable[0])
    for i, point in enumerate(usable):
        factor, colour = apart**i, COLOUR(scale(point["coordinate"]))
        q, intensity, err = (np.asarray(point[key]) for key in ("q_per_nm", "intensity", "intensity_err"))
        shown = intensity > 2 * err  # what is lost in its noise has no place on a logarithmic axis
        label = f"{symbol} = {point['coordinate']:g} {unit}" + ("" if shown.sum() > 1 else ": nothing above its noise")
        low, high = (factor * np.where(shown, intensity + sign * err, np.nan) for sign in (-1, 1))
        place.fill_between(q, low, high, color=colour, alpha=0.25, lw=0)
        place.plot(q, factor * np.where(shown, intensity, np.nan), lw=1.0, color=colour, label=label)
        _mark_peaks(place, point, factor)
    place.set_xscale("log")
    place.set_yscale("log")
    place.set_ylim(bottom=2e-4 * top)
    place.set_xlabel("q / nm⁻¹")
    lifted = f"; each curve × {apart:g} above the one before" if len(usable) > 1 else ""
    place.set_ylabel(f"I(q) / ({usable[0]['unit']}){lifted}")
    place.set_xticks([0.2, 0.5, 1, 2, 5], labels=["0.2", "0.5", "1", "2", "5"])
    place.minorticks_off()
    place.grid(alpha=0.25)
    if len(usable) <= _MOST_LABELS:
        handles, labels = place.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], fontsize=8, frameon=False, loc="outside right upper")
    return figure


def _level(point: Mapping[str, Any]) -> float:
    known = np.asarray(point["intensity"])[np.isfinite(point["intensity"])]
    return float(np.max(known)) if known.size and np.max(known) > 0 else 1.0


def _mark_peaks(place: Axes, point: Mapping[str, Any], factor: float) -> None:
    for q, err in zip(point["bragg_q_per_nm"], point["bragg_q_err_per_nm"], strict=True):
        near = np.abs(np.asarray(point["q_per_nm"]) - q) < max(0.03, 3 * err)
        values = np.asarray(point["intensity"])[near]
        values = values[np.isfinite(values)]
        if values.size and values.max() > 0:
            place.plot([q], [1.25 * factor * values.max()], marker="v", ms=5, color="0.2")


def radii(run: RunData) -> Figure:
    """Radius against the fast axis; filled where the form of the distribution is known, open where it is not."""
    name, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    figure = Figure(figsize=(6.8, 4.4), dpi=110, layout="constrained")
    place = figure.subplots()
    legend = Legend()
    for point in run.points:
        x = point["coordinate"]
        if math.isnan(point["radius_nm"]):
            place.axvline(x, color="0.85", lw=4, zorder=0, label=legend.once("no radius"))
            continue
        y, err, width = point["radius_nm"], point["radius_err_nm"], point["radius_width"] * point["radius_nm"]
        known = point["sizes"] in ("narrow", "spread", "several")
        text = "mean radius" if known else "mean radius; form of the distribution unknown"
        fill = _SAXS if known else "white"
        place.errorbar([x], [y], [err], fmt="o", color=_SAXS, mfc=fill, label=legend.once(text), **_STYLE)
        if width > 0:
            place.vlines(
                [x],
                [y - width],
                [y + width],
                color=_SAXS,
                alpha=0.25,
                lw=5,
                label=legend.once("width (one σ)"),
                zorder=1,
            )
        if point["sizes"] == "several":
            place.errorbar(
                [x] * len(point["population_radius_nm"]), point["population_radius_nm"],
                point["population_radius_err_nm"], fmt="s", color=_SEVERAL, label=legend.once("several sizes"),
                **_STYLE,
            )  # fmt: skip
    place.set_xlabel(f"{name} / {unit}" if unit else name)
    place.set_ylabel("radius / nm")
    place.margins(0.06, 0.15)
    place.grid(alpha=0.25)
    place.legend(fontsize=8, frameon=False, loc="best")
    return figure


def distributions(run: RunData) -> Figure:
    """Volume per ln R of every point, without a form, with its band, one above the other."""
    _, unit, symbol = axis_name(run.start["analysis"]["axes"][-1])
    shown = [point for point in run.points if not math.isnan(point["smooth_radius_nm"])]
    at = [point["coordinate"] for point in shown]
    scale = Normalize(min(at), max(at) if max(at) > min(at) else min(at) + 1)
    figure = Figure(figsize=(6.8, 1.6 + 1.2 * len(shown)), dpi=110, layout="constrained")
    places = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    reach: list[float] = []
    for place, point in zip(places[::-1], shown, strict=True):
        edges, colour = np.asarray(point["distribution_edges_nm"]), COLOUR(scale(point["coordinate"]))
        middle, step = np.sqrt(edges[1:] * edges[:-1]), np.diff(np.log(edges))
        low, smooth, high = (np.asarray(point[f"smooth{part}"]) / step for part in ("_low", "", "_high"))
        place.fill_between(middle, low, high, color=colour, alpha=0.3, lw=0)
        place.plot(middle, smooth, color=colour, lw=1.5)
        place.annotate(
            f"{symbol} = {point['coordinate']:g} {unit}".rstrip(), (0.99, 0.85), xycoords="axes fraction",
            ha="right", va="top", fontsize=8,
        )  # fmt: skip
        place.set_ylim(bottom=0)
        place.set_yticks([])
        seen = middle[high > 0.02 * high.max()]
        reach += [float(seen[0]), float(seen[-1])]
    places[-1].set_xlim(0.9 * min(reach), 1.1 * max(reach))
    places[-1].set_xlabel("radius / nm")
    figure.supylabel("volume per ln R", fontsize=10)
    return figure
