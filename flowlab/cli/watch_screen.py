"""The terminal's picture of the instrument: a pure function from the sections of docs/page.md to lines.

What is not the case now must not look so, on a terminal without colours as well: old values stand in parentheses, and
where the daemon is silent that is the first thing that is said.
"""

from typing import Any

from rich.text import Text

from flowlab.cli import watch_parts, watch_plots
from flowlab.cli.watch_words import beside, clock, duration, fitted, give_or_take, place, wrapped
from flowlab.daemon.desk import ending_in_words

#: Seconds of silence after which nothing is taken for what is the case.
STALE_S = 2.0
_NARROW, _WIDE = 76, 116
_SAFE = {
    True: ("SAFE: the instrument is in its safe state", "bold green"),
    None: ("NOT IN ITS SAFE STATE, as far as is known", "bold yellow"),
    False: ("NOT SAFE", "bold white on red"),
}
_LEAST_PLOT, _MOST_PLOT = 5, 14
_ENDED = {"success": "which ended well", "abort": "which was aborted", "fail": "which failed"}


def screen(
    sections: dict[str, Any], *, now: float, silence_s: float, width: int, height: int | None, hint: str = ""
) -> Text:
    """The picture.

    Args:
        sections: all of them.
        now: Unix time.
        silence_s: since the daemon answered last.
        width: of the terminal.
        height: of it; None for a picture as high as it needs to be.
        hint: what to press, where there is room for that.
    """
    stale = silence_s > STALE_S or sections["status"] is None or sections["status"]["lost"] is not None
    shown = sections if not stale else {**sections, "readings": _aged(sections.get("readings"))}
    lines = _strip(shown, now, silence_s, stale, width)
    if height is None:
        body = _one_below_the_other(shown, now, width)
        return _joined([*lines, Text(), *body, Text(), *watch_parts.log(shown["log"]["items"], width, 8)])
    room = height - len(lines) - 1
    log_rows = 0 if room < 10 else max(3, min(8, room // 6))
    body_rows = max(0, room - log_rows - (1 if log_rows else 0))
    body = _body(shown, now, width, body_rows)
    if stale:
        for line in body:
            line.stylize("dim")
    lines += [_rule(hint, width), *body]
    if log_rows:
        lines += [_rule("", width), *watch_parts.log(shown["log"]["items"], width, log_rows)]
    return _joined([fitted(line, width) for line in lines[:height]])


def _joined(lines: list[Text]) -> Text:
    return Text("\n").join(lines)


def _rule(words: str, width: int) -> Text:
    return Text(f"{f' {words} ' if words else '':─>{width}}", "dim")


def _aged(readings: dict[str, Any] | None) -> dict[str, Any] | None:
    """Readings of a daemon that is silent: none of them is what is the case."""
    return readings and {**readings, "time": 0.0}


def _strip(sections: dict[str, Any], now: float, silence_s: float, stale: bool, width: int) -> list[Text]:
    """Is it safe, what does it do, where, how long yet; and why something is wrong."""
    facts = (sections["status"] or {}).get("facts")
    lost = (sections["status"] or {}).get("lost")
    lines = []
    if stale:
        heard = f"not heard for {duration(silence_s)}" if facts else "not heard"
        why = f"NOT LIVE: {heard}{f': {lost}' if lost else ''}"
        lines += wrapped(why, width, 2, "bold reverse")
        if facts is None:
            return lines
        was = {True: "safe", False: "NOT SAFE", None: "not in its safe state"}[facts["safe"]]
        lines.append(
            Text(f"at {clock(now - silence_s)} it was {facts['state']} and {was}; what it is now is not known", "dim")
        )
    else:
        assert facts is not None  # noqa: S101  it answered
        words, style = _SAFE[facts["safe"]]
        head = Text.assemble((words, style), f"  {facts['instrument']} is ", (facts["state"], "bold"))
        time = clock(now)
        lines.append(Text.assemble(fitted(head, width - len(time) - 1), " ", (time, "dim")))
    lines += wrapped(_doing(sections, facts, now, stale), width, 2, "dim" if stale else "")
    for complaint in _complaints(sections, facts):
        lines += wrapped(complaint, width, 2, "bold red" if not stale else "dim")
    return lines[:7]


def _doing(sections: dict[str, Any], facts: dict[str, Any], now: float, stale: bool) -> str:
    """The plan, how far it is, where, how long yet; what waits."""
    run, running, newest = sections.get("run"), facts["running"], sections.get("spectrum")
    told = []
    if running is not None:
        of = "" if running["of"] is None else f" of {running['of']}"
        if (ending := facts.get("ending")) is not None:
            told.append(f"{ending_in_words(ending)}; then the instrument is made safe")
        told.append(f"{running['plan']}: {running['done']}{of} points")
        if run is not None and run["uid"] == running["run_uid"]:
            if newest is not None and (where := place(run["axes"], newest["panel"], newest["coordinate"])):
                told.append(where)
            if not stale and ending is None:
                told.append(_left(run["eta"], now))
    else:
        told.append("no plan runs")
        if run is not None:
            ended = "" if run["stopped"] is None else f", {_ENDED.get(run['stopped']['exit_status'], 'which ended')}"
            told.append(f"the last was {run['plan']}{ended}")
    return "; ".join(filter(None, [*told, f"{facts['queue']} in the queue"]))


def _left(eta: dict[str, Any], now: float) -> str:
    if eta["seconds"] is None:
        return f"time left: {eta['why']}" if eta["why"] else ""
    left = max(0.0, eta["seconds"] - (now - eta["as_of"] if eta.get("as_of") else 0.0))
    return f"{give_or_take(left, eta['err_seconds'])} left"


def _complaints(sections: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    latched = facts.get("latched") or []
    told = {one["name"] for one in latched}
    locks = (sections.get("readings") or {}).get("interlocks", [])
    tripped = [lock for lock in locks if lock["tripped"] and lock["name"] not in told]
    return [
        *filter(None, [facts["why"]]),
        *(f"interlock {one['name']} is to be acknowledged: {one['reason']}" for one in latched),
        *(f"interlock {lock['name']} tripped ({lock['action']}): {lock['tripped']}" for lock in tripped),
    ]


def _body(sections: dict[str, Any], now: float, width: int, rows: int) -> list[Text]:
    if width < _NARROW:
        told = [*watch_parts.findings(sections, width), *watch_parts.window(sections, width)]
        wanted = len((sections.get("readings") or {"gauges": []})["gauges"]) or 1
        gauges = watch_parts.gauges(sections.get("readings"), now, width, min(wanted, max(rows // 2, rows - len(told))))
        return [*gauges, *told][:rows]
    if width < _WIDE:
        right = min(44, max(32, width * 2 // 5))
        left = width - right - 3
        gauges = watch_parts.gauges(sections.get("readings"), now, left, rows)
        return beside([(gauges, left), (_results(sections, right, rows), right)], rows)
    left = min(62, width * 2 // 5)
    middle = (width - left - 6) // 2
    right = width - left - 6 - middle
    gauges = watch_parts.gauges(sections.get("readings"), now, left, rows)
    found = watch_parts.findings(sections, middle)[:rows]
    plot = watch_plots.spectrum(sections, middle, min(_MOST_PLOT, rows - len(found) - 1))
    found = [*plot, Text(), *found] if plot else found
    return beside([(gauges, left), (found, middle), (_where(sections, right, rows), right)], rows)


def _results(sections: dict[str, Any], width: int, rows: int) -> list[Text]:
    """In one column: what was found, then what there is room for of the window, the map and the spectrum."""
    lines = watch_parts.findings(sections, width, max(3, rows - 16))[:rows]
    window = watch_parts.window(sections, width)
    if len(lines) + len(window) <= rows:
        lines += window
    lines += _map(sections, width, rows - len(lines))
    if rows - len(lines) > _LEAST_PLOT:
        lines += [Text(), *watch_plots.spectrum(sections, width, min(_MOST_PLOT, rows - len(lines) - 1))]
    return lines


def _where(sections: dict[str, Any], width: int, rows: int) -> list[Text]:
    """Over the conditions: the window and the map."""
    window = watch_parts.window(sections, width)[:rows]
    return [*window, *([Text()] if window else []), *_map(sections, width, rows - len(window) - 1)]


def _map(sections: dict[str, Any], width: int, rows: int) -> list[Text]:
    run = sections.get("run")
    return [] if run is None else watch_plots.cluster_map(sections["points"]["items"], run["axes"], width, rows)


def _one_below_the_other(sections: dict[str, Any], now: float, width: int) -> list[Text]:
    parts = [
        watch_parts.gauges(sections.get("readings"), now, width, None),
        watch_plots.spectrum(sections, min(width, 80), _MOST_PLOT),
        watch_parts.findings(sections, width),
        watch_parts.window(sections, width),
        _map(sections, width, 40),
    ]
    lines: list[Text] = []
    for part in filter(None, parts):
        lines += [*([Text()] if lines else []), *part]
    return lines
