"""An accumulation window as a document of the analysis has it: how it is written there, and its edges read."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from flowlab.analysis.window import Edge, Window
from flowlab.live.documents import number, numbers, or_nan, text

#: At the end of the run, of all of its panels.
WINDOW_KEYS = {
    "family": text(),
    "low": number(),
    "high": number(),
    "found": numbers(),
    "not_found": numbers(),
    "undecided": numbers(),
    "why": text(),
    **{
        f"{side}_edge{key}": described
        for side in ("lower", "upper")
        for key, described in (("", number()), ("_err", number()), ("_between", numbers()), ("_why", text()))
    },
}
#: While it goes on, of the panels that are complete.
WINDOW_SO_FAR_KEYS = {**WINDOW_KEYS, "panels_done": {"dtype": "integer", "shape": []}}


def window_data(window: Window) -> dict[str, Any]:
    """Data of an event with the :data:`WINDOW_KEYS`."""
    return {
        "family": window.family,
        "low": or_nan(window.low),
        "high": or_nan(window.high),
        "found": np.array(window.found),
        "not_found": np.array(window.not_found),
        "undecided": np.array(window.undecided),
        "why": window.why,
        **_edge("lower", window.lower_edge),
        **_edge("upper", window.upper_edge),
    }


def _edge(side: str, edge: Edge) -> dict[str, Any]:
    """An edge of the window, lower or upper."""
    return {
        f"{side}_edge": or_nan(edge.coordinate),
        f"{side}_edge_err": or_nan(edge.err),
        f"{side}_edge_between": np.array(edge.between or ()),
        f"{side}_edge_why": edge.why,
    }


def edges_of(window: Mapping[str, Any] | None) -> dict[str, dict[str, Any]] | None:
    """Where a window begins and ends, for JSON.

    Args:
        window: data of the analysis's window event; None when there was none.

    Returns:
        ``value``, ``err`` (one sigma), ``between`` and ``why`` for the ``lower`` and the ``upper`` edge, null for what
        is not known; None without a window, or with one of an analysis that told no edges.
    """
    if window is None or "lower_edge" not in window:
        return None
    return {
        side: {
            "value": _number(window[f"{side}_edge"]),
            "err": _number(window[f"{side}_edge_err"]),
            "between": _pair(window[f"{side}_edge_between"]),
            "why": window[f"{side}_edge_why"],
        }
        for side in ("lower", "upper")
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(values: Iterable[float]) -> list[float] | None:
    return [float(value) for value in values] or None
