"""Coordinates from labels: ``20 s``, ``280 °C``, ``14``, ``CdSe_280C_014s.txt``; what they cannot tell is the order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_UNITS = {
    "time_s": r"s|sec|secs|second|seconds",
    "time_min": r"min|mins|minute|minutes",
    "time_h": r"h|hr|hrs|hour|hours",
    "temperature_c": r"°\s*C|º\s*C|deg\s*C|degC|C|℃",
}
_WITH_UNIT = re.compile(
    rf"(?<![\d.,])({_NUMBER})[\s_]*(?:{'|'.join(f'(?P<{key}>{unit})' for key, unit in _UNITS.items())})(?![A-Za-z°])",
    re.IGNORECASE,
)
_PLAIN = re.compile(rf"(?<![\d.,])(?<![\d.,]-)({_NUMBER.replace('[-+]?', '')})(?![\d.,]*\d)")
#: Axes of time, and how many seconds their units are.
TIMES = {"time_s": 1.0, "time_min": 60.0, "time_h": 3600.0}
ORDER, PLAIN = "spectrum_number", "coordinate"


@dataclass(frozen=True)
class Coordinates:
    """Coordinates of a series.

    Attributes:
        values: one for each label.
        axis: data key, which names the unit.
        why: how they were found, where it is not plain; None otherwise.
    """

    values: list[float]
    axis: str
    why: str | None = None


def coordinates_of(labels: Sequence[str]) -> Coordinates:
    """Coordinates of spectra from their labels.

    Numbers with one unit in all labels are the coordinate, seconds, minutes and hours being one; of several such the
    one that varies. Otherwise the only number of each label, or of several the only one that varies. Otherwise the
    order.
    """
    return _with_units(labels) or _plain(labels) or _order(labels)


def _order(labels: Sequence[str]) -> Coordinates:
    numbers = [float(i) for i in range(len(labels))]
    return Coordinates(numbers, ORDER, "coordinates are the order: the labels do not tell" if len(labels) > 1 else None)


def _with_units(labels: Sequence[str]) -> Coordinates | None:
    found: dict[str, list[tuple[float, str]]] = {}
    for label in labels:
        seen: dict[str, tuple[float, str]] = {}
        for match in _WITH_UNIT.finditer(label):
            key = next(k for k, text in match.groupdict().items() if text)
            seen.setdefault("time" if key in TIMES else key, (_float(match[1]), key))
        for key, value in seen.items():
            found.setdefault(key, []).append(value)
    whole = {key: values for key, values in found.items() if len(values) == len(labels)}
    varying = [key for key, values in whole.items() if len({_seconds(v) for v in values}) > 1]
    chosen = varying or (list(whole) if len(labels) == 1 or len(whole) == 1 else [])
    if len(chosen) != 1:
        return None
    values = whole[chosen[0]]
    units = {unit for _, unit in values}
    if len(units) == 1:
        return Coordinates([v for v, _ in values], units.pop())
    return Coordinates([_seconds(v) for v in values], "time_s")


def _seconds(value: tuple[float, str]) -> float:
    return value[0] * TIMES.get(value[1], 1.0)


def _plain(labels: Sequence[str]) -> Coordinates | None:
    rows = [[_float(text) for text in _PLAIN.findall(label)] for label in labels]
    counts = {len(row) for row in rows}
    if len(counts) != 1 or counts == {0}:
        return None
    columns = list(zip(*rows, strict=True))
    varying = [column for column in columns if len(set(column)) > 1]
    chosen = varying if len(labels) > 1 else columns
    if len(chosen) != 1:
        return None
    return Coordinates(list(chosen[0]), PLAIN)


def _float(text: str) -> float:
    return float(text.replace(",", "."))
