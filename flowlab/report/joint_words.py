"""Sizes by SAXS and by absorption beside each other, in words and as a table."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from flowlab.report.axes import axis_name
from flowlab.report.load import RunData


def joint_answer(run: RunData) -> str:
    """Where SAXS and absorption agree on the size, and where they do not, in a sentence; empty without both."""
    compared = [row for row in run.joint if not math.isnan(row["difference_nm"])]
    if not compared:
        return ""
    at: dict[str, list[Mapping[str, Any]]] = {}
    for key in dict.fromkeys((row["panel"], row["coordinate"]) for row in compared):
        here = [row for row in compared if (row["panel"], row["coordinate"]) == key]
        said = [row["agreement"] for row in here]
        at.setdefault(next(word for word in ("differ", "unknown", "agree") if word in said), []).append(here[0])
    words = {"agree": "agree on the size", "differ": "differ", "unknown": "do not decide"}
    parts = [f"{words[key]} at {_places(run, at[key])}" for key in words if key in at]
    return f"SAXS and absorption {'; '.join(parts)}."


def _places(run: RunData, rows: Sequence[Mapping[str, Any]]) -> str:
    """Where rows are, by the fast axis; by both where there are several panels."""
    slow, fast = (axis_name(run.start["analysis"]["axes"][i]) for i in (0, -1))
    by_panel: dict[float, list[str]] = {}
    for row in rows:
        by_panel.setdefault(row["panel"], []).append(f"{row['coordinate']:g}")
    listed = {panel: f"{', '.join(at)} {fast[1]}".rstrip() for panel, at in by_panel.items()}
    if len({row["panel"] for row in run.joint}) == 1:
        return ", ".join(listed.values())
    return ", ".join(f"{at} ({slow[2]} = {panel:g} {slow[1]})".replace(" )", ")") for panel, at in listed.items())


def joint_details(run: RunData) -> list[str]:
    """One sentence for each comparison, and one for all."""
    name, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    found = [f"{name} {_places(run, [row])}: {row['why']}" for row in run.joint]
    ratio = run.joint_ratio
    if ratio is None or not ratio["known"]:
        return found
    where = f"; lowest at {ratio['lowest_at']:g}, highest at {ratio['highest_at']:g} {unit}".rstrip()
    return [*found, ratio["why"] + ("" if ratio["common"] else where)]


def joint_table(run: RunData) -> str:
    """The comparisons as a table in HTML; nothing where there are none."""
    if not run.joint:
        return ""
    name = axis_name(run.start["analysis"]["axes"][-1])[0]
    head = "".join(
        f"<th>{html.escape(title)}</th>" for title in (name, "particles", "SAXS", "absorption", "difference", "verdict")
    )
    rows = "".join(f"<tr><td>{html.escape(_places(run, [row]))}</td>{_cells(row)}</tr>" for row in run.joint)
    return f"<h2>Diameters by SAXS and by absorption</h2>\n<table><tr>{head}</tr>{rows}</table>"


def _cells(row: Mapping[str, Any]) -> str:
    nm = row["wavelength_nm"]
    particles = row["particles"] + (f", {nm:.0f} nm" if not math.isnan(nm) else "")
    cells = (
        particles or "–",
        _value(row["saxs_diameter_nm"], (row["saxs_diameter_err_nm"], "")),
        _value(
            row["absorption_diameter_nm"],
            (row["absorption_fit_err_nm"], " (fit)"),
            (row["absorption_curve_err_nm"], " (curve)"),
        ),
        _value(row["difference_nm"], (row["difference_err_nm"], ""), sign="+"),
        row["agreement"],
    )
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)


def _value(value: float, *errors: tuple[float, str], sign: str = "") -> str:
    if math.isnan(value):
        return "none"
    told = "".join(f" ± {max(err, 5e-3):.2f}{of}" for err, of in errors)
    return f"{value:{sign}.2f}{told} nm"
