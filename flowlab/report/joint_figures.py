"""Diameters by SAXS and by absorption in one figure, on one axis."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from flowlab.colours import SERIES
from flowlab.report.axes import axis_name
from flowlab.report.legend import Legend
from flowlab.report.load import RunData

_SAXS, _CLUSTER, _EXCITON = (SERIES[what] for what in ("saxs", "cluster", "exciton"))
_STYLE: dict[str, Any] = {"ms": 5.5, "elinewidth": 1.4, "capsize": 3.0, "lw": 0}
#: What is at one coordinate stands side by side: so much of the least distance between two.
_ASIDE = 0.07


def draw_joint(run: RunData) -> dict[str, Figure]:
    """The figure, where one side at least gives a diameter and both were looked at."""
    sized = any(not math.isnan(row[key]) for row in run.joint for key in ("saxs_diameter_nm", "absorption_diameter_nm"))
    return {"joint": joint(run)} if sized else {}


def joint(run: RunData) -> Figure:
    """Diameters against the fast axis; caps: one sigma of the fit; pale bars: width (SAXS), sizing curve (light)."""
    name, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    figure = Figure(figsize=(7.2, 4.6), dpi=110, layout="constrained")
    place = figure.subplots()
    at = np.unique([row["coordinate"] for row in run.joint if not math.isnan(row["coordinate"])])
    aside = _ASIDE * float(np.diff(at).min()) if len(at) > 1 else 0.07
    legend = Legend()
    drawn: set[tuple[float, float]] = set()
    for row in run.joint:
        x, y = row["coordinate"], row["saxs_diameter_nm"]
        if not math.isnan(y) and (x, y) not in drawn:
            drawn.add((x, y))
            place.vlines(
                [x - aside], [y * (1 - row["saxs_width"])], [y * (1 + row["saxs_width"])], color=_SAXS, alpha=0.25,
                lw=6, label=legend.once("SAXS, width (one σ)"), zorder=1,
            )  # fmt: skip
            err = [row["saxs_diameter_err_nm"]]
            place.errorbar([x - aside], [y], err, fmt="o", color=_SAXS, label=legend.once("SAXS"), **_STYLE)
        y = row["absorption_diameter_nm"]
        if not math.isnan(y):
            exciton = row["particles"] == "exciton"
            colour, what = (_EXCITON, "exciton") if exciton else (_CLUSTER, "cluster")
            curve = row["absorption_curve_err_nm"]
            place.vlines(
                [x + aside], [y - curve], [y + curve], color=colour, alpha=0.22, lw=6, zorder=1,
                label=legend.once(f"absorption, {what}: sizing curve (one σ)"),
            )  # fmt: skip
            err, mark = [row["absorption_fit_err_nm"]], "D" if exciton else "s"
            text = legend.once(f"absorption, {what}")
            place.errorbar([x + aside], [y], err, fmt=mark, color=colour, label=text, **_STYLE)
    place.set_xlabel(f"{name} / {unit}" if unit else name)
    place.set_ylabel("diameter / nm")
    place.margins(0.08, 0.12)
    place.grid(alpha=0.25)
    place.legend(fontsize=8, frameon=False, loc="best")
    return figure
