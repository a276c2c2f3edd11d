"""What has happened, in words: the log."""

import time
from collections.abc import Callable
from typing import Any

from flowlab.daemon.desk import ending_in_words
from flowlab.watch.sections import Sections

_STATES = {
    "starting": ("info", "flowlab is starting"),
    "idle": ("info", "idle"),
    "running": ("info", "running"),
    "paused": ("notice", "paused: heaters and pumps stay as they are"),
    "interrupted": ("warning", "a plan was interrupted; it waits to be acknowledged"),
    "unsafe": ("alarm", "the instrument is NOT SAFE"),
    "stopping": ("info", "flowlab is stopping"),
}
_ENDINGS = {"success": ("info", "ended well"), "abort": ("warning", "was aborted"), "fail": ("warning", "failed")}


def plain(text: str) -> str:
    """Text on one line, of characters that can be seen: it may come from a device, and end in a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class News:
    """Writes lines into the log of a picture.

    Args:
        sections: of the picture.
        now_s: Unix time, for what has no time of its own.
    """

    def __init__(self, sections: Sections, now_s: Callable[[], float] = time.time):
        self._sections = sections
        self._now_s = now_s
        self._names: dict[str, str] = {}
        self._window = ""

    def say(self, level: str, text: str, time_s: float | None = None) -> None:
        """One line."""
        at = self._now_s() if time_s is None else time_s
        self._sections.add_line({"time": at, "level": level, "text": plain(text)[:1000]})

    def run_began(self, start: dict[str, Any]) -> None:
        """A run has begun."""
        name = str(start.get("plan_name", "a run"))
        self._names = {**dict(list(self._names.items())[-20:]), start["uid"]: name}
        points = "" if start.get("num_points") is None else f": {start['num_points']} points"
        again = f", goes on with run {str(start['resumes'])[:8]}" if "resumes" in start else ""
        self.say("info", f"{name} begins{points}{again}; run {start['uid'][:8]}", start["time"])
        self._window = ""

    def run_ended(self, stop: dict[str, Any]) -> None:
        """A run has ended."""
        uid = str(stop["run_start"])
        level, how = _ENDINGS.get(stop["exit_status"], ("warning", f"ended: {stop['exit_status']}"))
        reason = f": {stop['reason']}" if stop.get("reason") else ""
        self.say(level, f"{self._names.get(uid, f'run {uid[:8]}')} {how}{reason}", stop["time"])

    def analysis_failed(self, stop: dict[str, Any]) -> None:
        """The analysis ended early."""
        self.say("warning", f"the analysis ended early: {stop.get('reason') or stop['exit_status']}", stop["time"])

    def point(self, point: dict[str, Any]) -> None:
        """A spectrum was analysed."""
        where = f"point {point['index'] + 1}"
        if point["usable"]:
            self.say("info", f"{where}: {point['verdict']}", point["time"])
        else:
            self.say("warning", f"{where} cannot be used: {point['why']}", point["time"])

    def saxs_point(self, point: dict[str, Any], time_s: float) -> None:
        """Frames of a point were analysed."""
        level = "info" if point["usable"] else "warning"
        self.say(level, f"SAXS, point {int(point['point'] or 0) + 1}: {point['finding']}", time_s)

    def window(self, window: dict[str, Any], time_s: float) -> None:
        """Where clusters accumulate."""
        so_far = "" if window["final"] else " so far"
        text = f"{window['why']}{so_far}"
        if text != self._window:
            self._window = text
            self.say("notice", text, time_s)

    def status(self, before: dict[str, Any] | None, now: dict[str, Any]) -> None:
        """The daemon's state, where it is another one than before; what troubles it."""
        was, facts = (before or {}).get("facts") or {}, now["facts"] or {}
        if now["lost"] is not None:
            if before is None or before["lost"] is None:
                self.say("alarm", f"the daemon does not answer: {now['lost']}")
            return
        if before is not None and before["lost"] is not None:
            self.say("notice", "the daemon answers again")
        if facts.get("state") != was.get("state") and facts.get("state") in _STATES:
            self.say(*_STATES[facts["state"]])
        if (ending := facts.get("ending")) and not was.get("ending"):
            self.say("notice", ending_in_words(ending))
        self._latches({one["name"]: one["reason"] for one in was.get("latched") or []}, facts.get("latched"))
        if facts.get("why") and facts["why"] != was.get("why"):
            self.say("alarm" if facts.get("safe") is False else "warning", str(facts["why"]))

    def _latches(self, before: dict[str, str], now: list[dict[str, Any]] | None) -> None:
        """Interlocks that have to be acknowledged, or were; where that is not known, nothing."""
        if now is None:
            return
        latched = {one["name"]: one["reason"] for one in now}
        for name, reason in latched.items():
            if before.get(name) != reason:
                self.say("alarm", f"interlock {name} is latched, and no plan begins until it is acknowledged: {reason}")
        for name in before.keys() - latched.keys():
            self.say("notice", f"interlock {name} was acknowledged")

    def readings(self, before: dict[str, Any] | None, now: dict[str, Any] | None) -> None:
        """Interlocks that tripped."""
        was = {lock["name"]: lock["tripped"] for lock in (before or {}).get("interlocks", [])}
        for lock in (now or {}).get("interlocks", []):
            if lock["tripped"] and was.get(lock["name"]) != lock["tripped"]:
                level = "alarm" if lock["action"] == "safe" else "warning"
                self.say(level, f"interlock {lock['name']}: {lock['tripped']}")
