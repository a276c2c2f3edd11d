"""The edges of an accumulation window, as a document of the analysis has them, for those who read it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any


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
