"""The verdict on a run in words."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from flowlab.live.window import edges_of
from flowlab.report.axes import axis_name
from flowlab.report.emission_words import emission_answer, emission_details
from flowlab.report.joint_words import joint_answer, joint_details
from flowlab.report.load import RunData
from flowlab.report.quantities import last_spread, rounded
from flowlab.report.saxs_words import saxs_answer, saxs_details


def answer(run: RunData) -> str:
    """What came of it in a sentence, or a few."""
    return f"{_ending(run)}{_finding(run)}"


def _ending(run: RunData) -> str:
    """How the run ended, when it did not end well; nothing else is said of it."""
    if run.stop is None:
        return "The run has no end: it goes on, or was broken off; so far: "
    if run.analysis_stop.get("exit_status") == "fail" and run.stop["exit_status"] != "fail":
        return f"The analysis ended before the run did ({run.analysis_stop['reason']}); until then: "
    if run.stop["exit_status"] == "success":
        return ""
    ended = "was aborted" if run.stop["exit_status"] == "abort" else "failed"
    return f"The run {ended}; until then: "


def _finding(run: RunData) -> str:
    found = [_calibration(run.calibration)] if run.calibration is not None else []
    if run.spectra:
        found.append(_spectra(run))
    if run.points or (run.frames and not run.spectra):
        found.append(saxs_answer(run))
    if compared := joint_answer(run):
        found.append(compared)
    if run.emissions:
        found.append(emission_answer(run))
    return " ".join(found)


def _calibration(found: Mapping[str, Any]) -> str:
    if not found["usable"]:
        return f"The detector's place was not found: {found['why']}."
    return (
        f"The detector is {1e3 * found['distance_m']:.2f} ± {max(1e3 * found['distance_err_m'], 0.01):.2f} mm from the "
        f"sample ({found['why']}). The place is in calibration.poni beside the report; for [saxs.poni]: "
        + ", ".join(f"{name} = {found[name]:.6g}" for name in ("distance_m", "poni1_m", "poni2_m"))
        + "."
    )


def _spectra(run: RunData) -> str:
    if len(run.panels) == 1:
        return f"{_clusters(run)} {_exciton(run)}"
    if run.window is None:
        return "No family of clusters was looked for."
    slow, unit, _ = axis_name(run.start["analysis"]["axes"][0])
    family, low, high = run.window["family"], run.window["low"], run.window["high"]
    missing, undecided = (_listed(run.window[key], unit) for key in ("not_found", "undecided"))
    if math.isnan(low):
        if not undecided:
            return f"{family} does not accumulate at any {slow} measured: {missing}."
        text = f"{family} was found nowhere" + (f": it does not accumulate at {missing}" if missing else "")
        return f"{text}, and whether it does at {undecided} is undecided."
    where = f"a {slow} of {low:g} {unit}" if low == high else f"{slow}s from {low:g} to {high:g} {unit}"
    text = f"{family} accumulates at {where}"
    inside = _listed([c for c in run.window["not_found"] if low < c < high], unit)
    outside = _listed([c for c in run.window["not_found"] if not low < c < high], unit)
    text += f", except at {inside}" if inside else ""
    text += f", and not at {outside}" if outside else ""
    text += f"; undecided at {undecided}." if undecided else "."
    edges = edges_of(run.window)
    return text + (f" {_edges(edges, unit)}" if edges else "")


def _edges(edges: dict[str, dict[str, Any]], unit: str) -> str:
    """Where the window begins and ends; or why that is not known."""
    told = [
        f"{side} edge {rounded(edge['value'], edge['err'])} {unit}"
        if edge["value"] is not None
        else f"{side} edge not known: {edge['why']} {unit}"
        for side, edge in edges.items()
    ]
    lower, upper = told
    between = "," if all(edge["value"] is not None for edge in edges.values()) else ";"
    return f"{lower[0].upper()}{lower[1:]}{between} {upper}."


def _listed(coordinates: Iterable[float], unit: str) -> str:
    listed = ", ".join(f"{c:g}" for c in coordinates)
    return f"{listed} {unit}" if listed else ""


def _clusters(run: RunData) -> str:
    found = [t for t in run.tracks if t["kind"] == "msc" and t["transition"] == "E1"]
    if not found:
        return "No cluster was found."
    names = [t["family"] or f"a cluster at {t['wavelength_nm'][0]:.0f} nm" for t in found]
    return f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} found."


def _exciton(run: RunData) -> str:
    moving = [t for t in run.tracks if t["kind"] == "nc" and t["transition"] == "E1"]
    if not moving:
        return "No exciton was followed."
    longest = max(moving, key=lambda t: len(t["wavelength_nm"]))
    first, last = longest["wavelength_nm"][0], longest["wavelength_nm"][-1]
    return f"The first exciton moves from {first:.0f} to {last:.0f} nm."


def details(run: RunData) -> list[str]:
    """What else there is to say, one sentence each."""
    fast, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    sentences: list[str] = []
    for panel in run.panels:
        slow, slow_unit, _ = axis_name(run.start["analysis"]["axes"][0])
        for track in run.tracks:
            if track["panel"] != panel or track["kind"] not in ("msc", "nc") or track["transition"] != "E1":
                continue
            what = track["family"] or ("a cluster of no known family" if track["kind"] == "msc" else "the exciton")
            probability = f"{100 * track['probability']:.0f} %"
            sentences.append(
                f"{slow} {panel:g} {slow_unit}: {what} {track['why']}; {fast} {track['coordinate'][0]:g} to "
                f"{track['coordinate'][-1]:g} {unit} ({probability})"
                + (f"; {last_spread(track)}" if track["kind"] == "nc" and "size_dispersion" in track else "")
            )
    unusable = [s for s in run.spectra if not s["usable"]]
    if unusable:
        sentences.append(f"{len(unusable)} of {len(run.spectra)} spectra could not be used: {unusable[0]['why']}")
    followed = {t["panel"] for t in run.tracks if t["kind"] == "nc" and t["transition"] == "E1"}
    if unfollowed := [panel for panel in run.panels if panel not in followed]:
        slow, unit, _ = axis_name(run.start["analysis"]["axes"][0])
        sentences.append(f"no exciton was followed at a {slow} of {_listed(unfollowed, unit)}")
    sentences += saxs_details(run)
    sentences += joint_details(run)
    sentences += emission_details(run)
    unsteady = run.conditions.get("steady", []).count(False)
    if unsteady:
        sentences.append(f"{unsteady} of {len(run.spectra)} spectra were taken before the sample was steady")
    return sentences
