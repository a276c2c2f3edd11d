"""What SAXS of a run says, in words."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from flowlab.report.axes import axis_name
from flowlab.report.load import RunData

#: Radii are one and the same as long as they differ by less than this share: half of what neighbouring families do.
_SAME_RADIUS = 0.02
#: So many are listed one by one.
_MOST_RADII = 5


def saxs_answer(run: RunData) -> str:
    """Radii and layers over the scan, in a sentence or two."""
    if not run.points:
        return f"SAXS: {run.frames} frames, and no point of a scan among them."
    usable = [point for point in run.points if point["usable"]]
    if not usable:
        return f"SAXS: nothing could be reduced: {run.points[0]['why']}."
    found = [words for words in (_radii(run, usable), _layers(run, usable)) if words]
    if not found:
        found = ["neither particles nor layers were seen"]
    missing = len(run.points) - len(usable)
    left = f" ({missing} of {len(run.points)} points could not be used)" if missing else ""
    return f"SAXS: {'; '.join(found)}{left}."


def _radii(run: RunData, points: Sequence[Mapping[str, Any]]) -> str:
    sized = [point for point in points if not math.isnan(point["radius_nm"])]
    if not sized:
        return ""
    _, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    runs: list[list[Mapping[str, Any]]] = []
    for point in sized:
        if runs and _alike(runs[-1][0], point):
            runs[-1].append(point)
        else:
            runs.append([point])
    parts = [f"{_mean(group):.2f} nm {_where(group, unit)}" for group in runs]
    if len(parts) > _MOST_RADII:
        kept, means = _MOST_RADII - 2, [_mean(group) for group in runs]
        grows = all(b > a for a, b in pairwise(means[kept - 1 :]))
        between = f"{min(means[kept:]):.2f} to {max(means[kept:]):.2f} nm"
        rest = f"then growing to {parts[-1]}" if grows else f"then {between} {_where([runs[kept][0], sized[-1]], unit)}"
        parts = [*parts[:kept], rest]
    several = [point for point in sized if point["sizes"] == "several"]
    told = ""
    if several:
        at = ", ".join(f"{point['coordinate']:g}" for point in several)
        told = f"; several sizes at {at} {unit}".rstrip()
    return f"radius {', '.join(parts)}{told}"


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["panel"] == other["panel"] and abs(other["radius_nm"] / one["radius_nm"] - 1) < _SAME_RADIUS


def _mean(points: Sequence[Mapping[str, Any]]) -> float:
    return sum(point["radius_nm"] for point in points) / len(points)


def _where(points: Sequence[Mapping[str, Any]], unit: str) -> str:
    first, last = points[0]["coordinate"], points[-1]["coordinate"]
    at = f"at {first:g}" if first == last else f"from {first:g} to {last:g}"
    return f"{at} {unit}".rstrip()


def _layers(run: RunData, points: Sequence[Mapping[str, Any]]) -> str:
    _, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    gone = {m["temperature_c"] for m in run.melting if m["state"] == "gone"}
    stacks = [point for point in points if point["order"] == "lamellar" and point["coordinate"] not in gone]
    peaks = [point for point in points if len(point["bragg_q_per_nm"])]
    if not peaks:
        return ""
    if stacks:
        words = f"lamellae of {stacks[0]['d_spacing_nm']:.2f} nm {_at(stacks, unit)}"
    else:
        listed = ", ".join(f"{q:.2f}" for q in peaks[0]["bragg_q_per_nm"])
        words = f"Bragg peaks at {listed} nm⁻¹ {_at(peaks, unit)}, of no order that was recognised"
    for state in ("weaker", "gone", "unknown"):
        at = [m for m in run.melting if m["state"] == state]
        if at:
            listed = ", ".join(f"{m['temperature_c']:g}" for m in at)
            words += f", {'not to be told' if state == 'unknown' else state} at {listed} °C"
    return words


def _at(points: Sequence[Mapping[str, Any]], unit: str) -> str:
    listed = ", ".join(f"{point['coordinate']:g}" for point in points)
    return f"at {listed} {unit}".rstrip()


def saxs_details(run: RunData) -> list[str]:
    """What else SAXS has to say, one sentence for each point."""
    name, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    sentences: list[str] = []
    for point in run.points:
        where = f"{name} {point['coordinate']:g} {unit}".rstrip()
        if not point["usable"]:
            sentences.append(f"{where}: SAXS could not be used: {point['why']}")
            continue
        words = [point["finding"]]
        if not math.isnan(point["radius_nm"]):
            words.append(point["sizes_why"])
        words += _without_form(point)
        if len(point["bragg_q_per_nm"]):
            words.append(point["order_why"])
        if point["left_out"]:
            words.append(f"left out: {point['left_out']}")
        sentences.append(f"{where}: {'; '.join(words)}")
    return sentences


def _without_form(point: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    if not math.isnan(point["smooth_radius_nm"]):
        radius, err = point["smooth_radius_nm"], max(point["smooth_radius_err_nm"], 5e-4)
        words.append(
            f"without a form: median {radius:.3f} ± {err:.3f} nm, width {100 * point['smooth_width']:.0f} ± "
            f"{max(100 * point['smooth_width_err'], 1):.0f} %"
        )
    if not math.isnan(point["porod_exponent"]):
        words.append(f"Porod exponent {point['porod_exponent']:.2f} ± {point['porod_exponent_err']:.2f}")
    elif not math.isnan(point["smooth_radius_nm"]):
        words.append(f"no Porod law: {point['porod_why']}")
    return words
