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
    """What came of it in one sentence, or two."""
    if len(run.panels) == 1:
        return f"{_clusters(run)} {_exciton(run)}"
    slow, unit, _ = axis_name(run.start["analysis"]["axes"][0])
    if run.window is None:
        return "No family of clusters was looked for."
    family, low, high = run.window["family"], run.window["low"], run.window["high"]
    if math.isnan(low):
        return f"{family} does not accumulate at any {slow} of this scan."
    where = f"a {slow} of {low:g} {unit}" if low == high else f"{slow}s from {low:g} to {high:g} {unit}"
    text = f"{family} accumulates at {where}"
    inside = [c for c in run.window["not_found"] if low < c < high]
    if inside:
        text += f", except at {', '.join(f'{c:g}' for c in inside)} {unit}"
    outside = [c for c in run.window["not_found"] if not low < c < high]
    if outside:
        text += f", and not at {', '.join(f'{c:g}' for c in outside)} {unit}"
    return text + "."


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
            )
    unusable = [s for s in run.spectra if not s["usable"]]
    if unusable:
        sentences.append(f"{len(unusable)} of {len(run.spectra)} spectra could not be used: {unusable[0]['why']}")
    unsteady = run.conditions.get("steady", []).count(False)
    if unsteady:
        sentences.append(f"{unsteady} of {len(run.spectra)} spectra were taken before the sample was steady")
    return sentences
