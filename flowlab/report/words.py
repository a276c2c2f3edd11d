"""The verdict on a run in words."""

import math

from flowlab.report.load import RunData

_AXES = {
    "nucleation_setpoint_c": ("nucleation temperature", "°C", "T_nuc"),
    "growth_setpoint_c": ("growth temperature", "°C", "T_growth"),
    "residence_time_s": ("residence time", "s", "t"),
}


def axis_name(data_key: str) -> tuple[str, str, str]:
    """Name, unit and symbol of a scan's axis from its data key."""
    for ending, names in _AXES.items():
        if data_key.endswith(ending):
            return names
    return data_key, "", data_key


def answer(run: RunData) -> str:
    """What came of it in one sentence."""
    slow, unit, _ = axis_name(run.start["analysis"]["axes"][0])
    if run.window is None:
        return "No family of clusters was looked for."
    family = run.window["family"]
    if math.isnan(run.window["low"]):
        return f"{family} does not accumulate at any {slow} of this scan."
    low, high = run.window["low"], run.window["high"]
    where = f"at {low:g} {unit}" if low == high else f"from {low:g} to {high:g} {unit}"
    text = (
        f"{family} accumulates at {slow}s {where}"
        if low != high
        else f"{family} accumulates at a {slow} of {low:g} {unit}"
    )
    missing = list(run.window["not_found"])
    inside = [c for c in missing if low < c < high]
    if inside:
        text += f", except at {', '.join(f'{c:g}' for c in inside)} {unit}"
    outside = [c for c in missing if not low < c < high]
    if outside:
        text += f", and not at {', '.join(f'{c:g}' for c in outside)} {unit}"
    return text + "."


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
            )
    unusable = [s for s in run.spectra if not s["usable"]]
    if unusable:
        sentences.append(f"{len(unusable)} of {len(run.spectra)} spectra could not be used: {unusable[0]['why']}")
    unsteady = run.conditions.get("steady", []).count(False)
    if unsteady:
        sentences.append(f"{unsteady} of {len(run.spectra)} spectra were taken before the sample was steady")
    return sentences
