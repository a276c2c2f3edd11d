"""Parts of the terminal's picture, each in lines of a given width: gauges, what was found last, the window, the log."""

from typing import Any

from rich.text import Text

from flowlab.cli.watch_words import KINDS, clock, duration, fitted, number, place, with_error, wrapped

#: Readings are told once a second. Nobody knows what a gauge says that was not read for so many times as long as it
#: takes from read to read, and for so long at least.
_TOLD_S, _READS_MISSED, _READ_S = 3.0, 2.5, 3.0
_PLACE, _VALUE = 6, 13
_LEVELS = {"info": ("", ""), "notice": ("", "bold"), "warning": ("! ", "yellow"), "alarm": ("!! ", "bold red")}
#: A place in few letters.
_PLACES = {
    "nucleation": "nucl.", "growth": "grow.", "absorbance": "abs.", "scattering": "X-ray", "collection": "coll.",
    "elsewhere": "",
}  # fmt: skip


def gauges(readings: dict[str, Any] | None, now: float, width: int, rows: int | None) -> list[Text]:
    """What the instrument says, a gauge a line, by places; what is old stands in parentheses, with its age.

    Where there are more than rows, those that say nothing are left out first, and none that is beyond a limit before
    all others; the last of them first.
    """
    if readings is None:
        return wrapped("nothing is heard of the gauges yet", width, 2, "dim")
    shown = list(readings["gauges"])
    if not shown:
        return wrapped("the instrument file has no gauges", width, 2, "dim")
    silent = now - readings["time"] > _TOLD_S
    left_out = 0
    if rows is not None and len(shown) > rows:
        left_out = len(shown) - rows + 1
        least_first = sorted(
            enumerate(shown), key=lambda each: (bool(_beyond(each[1])), each[1]["value"] is not None, -each[0])
        )
        gone = [at for at, _ in least_first[:left_out]]
        shown = [gauge for at, gauge in enumerate(shown) if at not in gone]
    lines: list[Text] = []
    before = None
    for gauge in shown:
        head = "" if gauge["place"] == before else _PLACES.get(gauge["place"], str(gauge["place"]))
        before = gauge["place"]
        lines.append(fitted(_gauge(gauge, head, now, silent, width), width))
    if left_out:
        lines.append(fitted(Text(f"{left_out} more gauges: make the terminal larger", "dim"), width))
    return lines


def _gauge(gauge: dict[str, Any], head: str, now: float, silent: bool, width: int) -> Text:
    age = max(0.0, now - gauge["at"])
    old = silent or age > max(_READ_S, _READS_MISSED * gauge["every_s"])
    beyond = _beyond(gauge)
    unit = f" {gauge['units']}" if gauge["units"] and gauge["value"] is not None else ""
    value = f"{number(gauge['value'])}{unit}"
    said = Text(f"({value})" if old else f"{'!' if beyond else ''}{value}", "dim" if old else "bold")
    if beyond and not old:
        said.stylize("red")
    label = 19 if width > 52 else 13
    line = Text.assemble((f"{head:<{_PLACE}}", "dim"), fitted(Text(gauge["label"]), label), " ")
    line.append_text(fitted(said, max(_VALUE, len(said))))
    urgent = ", ".join(filter(None, [f"{duration(age)} ago" if old else "", beyond, gauge["why"]]))
    line.append(f" {urgent}" if urgent else "", "red" if beyond and not old else "dim")
    for words in _more(gauge):  # what is told first is what matters most
        words = f"{', ' if urgent else ' '}{words}"
        if len(line) + len(words) <= width:
            line.append(words, "dim")
            urgent = words
    return line


def _more(gauge: dict[str, Any]) -> list[str]:
    """What it was set to, how much is left, where an interlock trips, its limits."""
    told = []
    if gauge["setpoint"] is not None:
        told.append(f"asked {gauge['setpoint']:g}")
    if gauge["left"] is not None:
        told.append(f"{gauge['left']:.4g} {gauge['left_units'] or ''}".rstrip() + " left")
    told += [f"trips {name[6:]} {gauge[name]:g}" for name in ("trips_below", "trips_above") if gauge[name] is not None]
    if gauge["low"] is not None or gauge["high"] is not None:
        low, high = ("" if gauge[name] is None else f"{gauge[name]:g}" for name in ("low", "high"))
        told.append(f"allowed {low}…{high}")
    return told


def _beyond(gauge: dict[str, Any]) -> str | None:
    """The interlock's limit that a gauge is beyond."""
    value = gauge["value"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        for name, sign in (("trips_above", 1), ("trips_below", -1)):
            limit = gauge[name]
            if limit is not None and sign * value > sign * limit:
                return f"{name[6:]} {limit:g}"
    return None


def findings(sections: dict[str, Any], width: int, peaks: int = 100) -> list[Text]:
    """What the analysis says of the newest point: verdict, exciton, diameter, so many peaks; frames and emission."""
    run, points = sections.get("run"), sections["points"]["items"]
    if run is None:
        return wrapped("no run is shown yet", width, 2, "dim")
    lines = []
    if points:
        point = points[-1]
        where = place(run["axes"], point["panel"], point["coordinate"])
        lines.append(fitted(Text(f"point {point['index'] + 1}: {where}", "bold"), width))
        said = point["verdict"] if point["usable"] else f"cannot be used: {point['why']}"
        lines += wrapped(said or "nothing is said of it", width, 3, "" if point["usable"] else "yellow")
        lines += _size(point, width)
        lines += _features(point["features"], sections["tracks"], width, peaks)
    for name, finding in (("saxs", "finding"), ("emission", "emission")):
        if (found := sections.get(name)) is not None:
            words = found[finding] if found["usable"] else f"cannot be used: {found['why']}"
            lines += wrapped(f"{'SAXS' if name == 'saxs' else name}: {words}", width, 2)
    return lines or wrapped(f"{run['plan']}: nothing is analysed yet", width, 2, "dim")


def _size(point: dict[str, Any], width: int) -> list[Text]:
    if point["exciton_nm"] is None:
        return []
    lines = [fitted(Text(f"exciton {with_error(point['exciton_nm'], point['exciton_err_nm'], 'nm')}"), width)]
    if point["diameter_nm"] is not None:
        told = with_error(point["diameter_nm"], point["diameter_fit_err_nm"])
        curve = point["diameter_curve_err_nm"]
        systematic = f" ± {curve:.1g}" if curve else ""
        of_what = " (fit, curve)" if curve and width > 44 else ""
        lines.append(fitted(Text(f"diameter {told}{systematic} nm{of_what}"), width))
    return lines


def _features(features: list[dict[str, Any]], tracks: dict[str, Any], width: int, most: int) -> list[Text]:
    nothing = {"kind": "unknown", "family": None, "probability": None}
    judged = [(feature, tracks.get(str(feature["track"]), nothing)) for feature in features]
    judged.sort(key=lambda each: (each[1]["kind"] == "unknown", -(each[1]["probability"] or 0.0)))
    lines = []
    for feature, track in sorted(judged[:most], key=lambda each: each[0]["wavelength_nm"] or 0.0):
        sign, what, how, style = KINDS[track["kind"]]
        sure = "" if track["probability"] is None else f"{100 * track['probability']:.0f} % "
        at = with_error(feature["wavelength_nm"], feature["wavelength_err_nm"])
        name = ", ".join(filter(None, [track["family"] or what, how]))
        lines.append(fitted(Text.assemble((f"{sign} ", style), f"{at:<12} {sure}{name}"), width))
    if len(judged) > most:
        lines.append(fitted(Text(f"  {len(judged) - most} more peaks, less sure", "dim"), width))
    return lines


def window(sections: dict[str, Any], width: int) -> list[Text]:
    """Where the cluster accumulates, as far as is known."""
    found, run = sections.get("window"), sections.get("run")
    if found is None or run is None:
        return []
    unit = f" {run['axes'][0]['unit']}" if run["axes"] else ""
    told = [
        f"{words} {', '.join(f'{c:g}' for c in found[name])}{unit}"
        for name, words in (("found", "at"), ("not_found", "not at"), ("undecided", "undecided at"))
        if found[name]
    ]
    for side in ("lower", "upper"):
        if found[f"{side}_edge"] is not None:
            told.append(f"{side} edge {with_error(found[f'{side}_edge'], found[f'{side}_edge_err'])}{unit}")
    so_far = "" if found["final"] else " so far"
    return wrapped(f"{found['family']}{so_far}: {'; '.join(told) or 'not known'}", width, 4)


def log(items: list[dict[str, Any]], width: int, rows: int) -> list[Text]:
    """The newest lines, newest last."""
    lines = []
    for item in items[len(items) - rows if len(items) > rows else 0 :]:
        sign, style = _LEVELS[item["level"]]
        line = Text.assemble((f"{clock(item['time'])} ", "dim"), (f"{sign}{item['text']}", style))
        lines.append(fitted(line, width))
    return lines
