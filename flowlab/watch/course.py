"""How far a run has come, and how long it will go on."""

import math
import statistics
from typing import Any

from flowlab.config import Material
from flowlab.grid import grid_of
from flowlab.report.axes import axis_name
from flowlab.watch.sections import known

#: Points whose pace is asked: what comes is more like what was last.
_RECENT = 30
#: A map of more places can neither be read nor drawn as quickly as it changes.
_MOST_PLACES = 10_000


class Course:
    """Of one run: its facts as they are shown, point after point.

    Args:
        start: its start document.
        material: as which it is analysed; None where that is not known.
    """

    def __init__(self, start: dict[str, Any], material: Material | None):
        analysis = start.get("analysis") or {}
        axes = list(dict.fromkeys(str(axis) for axis in analysis.get("axes", [])))
        self._first = int(start.get("first_point", 0))
        of = start.get("num_points")
        events = start.get("point_events") or {"primary": 1}
        self._per_point = {str(stream): max(1, int(count)) for stream, count in events.items()}
        self._came = dict.fromkeys(self._per_point, 0)
        grid = grid_of(start)
        self._times: list[float] = []
        self._facts: dict[str, Any] = {
            "uid": start["uid"],
            "plan": str(start.get("plan_name", "a run")),
            "material": start.get("material"),
            "instrument": start.get("instrument"),
            "parameters": start.get("plan_parameters") or {},
            "started": start["time"],
            "stopped": None,
            "points_total": None if of is None else self._first + int(of),
            "points_done": self._first,
            "grid": None if grid is None or len(grid) > _MOST_PLACES else grid.facts(),
            "axes": [dict(zip(("key", "name", "unit", "symbol"), (a, *axis_name(a)), strict=True)) for a in axes],
            "kinds": [
                *(["absorbance"] if analysis.get("kind") == "absorbance" else []),
                *(["saxs"] if analysis.get("saxs") is not None else []),
                *(["luminescence"] if analysis.get("luminescence") is not None else []),
            ],
            "resumes": start.get("resumes"),
            "simulated": "simulation" in (start.get("config") or {}),
            "families": []
            if material is None
            else [
                {
                    "name": family.name,
                    "wavelength_nm": family.wavelength_nm,
                    "accumulates": family.name == material.accumulating_family,
                }
                for family in material.families
            ],
        }

    def facts(self) -> dict[str, Any]:
        """The section ``run``."""
        return {**self._facts, "eta": self._eta()}

    def take_event(self, stream: str, doc: dict[str, Any]) -> bool:
        """An event of the run; whether that changes anything."""
        if stream not in self._came:
            return False
        self._came[stream] = int(doc["seq_num"])
        done = self._first + min(self._came[name] // count for name, count in self._per_point.items())
        if done > self._facts["points_done"]:
            self._times = [*self._times, float(doc["time"])][-_RECENT:]
        self._facts["points_done"] = done
        return True

    def stop(self, doc: dict[str, Any]) -> None:
        """The run has ended."""
        self._facts["stopped"] = {
            "time": doc["time"],
            "exit_status": doc["exit_status"],
            "reason": str(doc.get("reason") or "") or None,
        }

    def _eta(self) -> dict[str, Any]:
        """Real seconds from the newest point on, by the pace of the points before it."""
        none = {"seconds": None, "err_seconds": None, "as_of": None}
        if self._facts["stopped"] is not None:
            return {**none, "why": "the run has ended"}
        total = self._facts["points_total"]
        if total is None:
            return {**none, "why": "the plan does not tell how many points it has"}
        if len(self._times) < 3:
            return {**none, "why": "known after three points"}
        steps = [after - before for before, after in zip(self._times, self._times[1:], strict=False)]
        pace, spread, left = statistics.fmean(steps), statistics.stdev(steps), total - self._facts["points_done"]
        # Of each step that comes, and of the mean of those that were.
        err = spread * math.sqrt(left + left**2 / len(steps))
        return {"seconds": known(pace * left), "err_seconds": known(err), "as_of": self._times[-1], "why": None}
