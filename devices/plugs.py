"""What the plug of liquid in each cell went through, from what pumps and heaters told on its way.

A plug is named by the volume that had been pumped when it entered the mixer: what two cells see at different times is
the same plug when it has the same name. The position of a plug is the volume pumped since.
"""

from collections import deque
from dataclasses import dataclass
from math import inf, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from ophyd import Component as Cpt
from ophyd import Device

from devices.base import Quantity
from flowlab.config import FlowPath

#: Volumes of the whole path for which notes are kept.
_KEPT_PATHS = 4.0


@dataclass(frozen=True)
class Plug:
    """A plug in a cell; numbers are nan where what was noted does not reach back far enough.

    Attributes:
        entered_ml: pumped volume at which it entered the mixer.
        age_s: plant seconds since then.
        residence_s: what it spent from the mixer to the end of the growth oven.
        nucleation_c: mean temperature of the nucleation chamber while it was there.
        growth_c: likewise of the growth oven.
        why: why something is not known; empty when all is.
    """

    entered_ml: float
    age_s: float = nan
    residence_s: float = nan
    nucleation_c: float = nan
    growth_c: float = nan
    why: str = ""


class PlugReadings(Device):
    """What is read of the plug in one cell; :attr:`plug` is put by the device that has the cell."""

    entered_ml = Cpt(Quantity, ask="ask_entered_ml", units="mL", precision=4)
    age_s = Cpt(Quantity, ask="ask_age_s", units="s", precision=2)
    residence_s = Cpt(Quantity, ask="ask_residence_s", units="s", precision=2)
    nucleation_c = Cpt(Quantity, ask="ask_nucleation_c", units="°C", precision=1)
    growth_c = Cpt(Quantity, ask="ask_growth_c", units="°C", precision=1)
    why = Cpt(Quantity, ask="ask_why", value="")

    address = None
    plug = Plug(nan, why="nothing has been noted yet")

    def ask_entered_ml(self) -> float:
        """Volume pumped when the plug entered the mixer."""
        return self.plug.entered_ml

    def ask_age_s(self) -> float:
        """Time since the plug entered the mixer."""
        return self.plug.age_s

    def ask_residence_s(self) -> float:
        """Time that the plug spent in the heated sections."""
        return self.plug.residence_s

    def ask_nucleation_c(self) -> float:
        """Mean temperature of the nucleation chamber while the plug was in it."""
        return self.plug.nucleation_c

    def ask_growth_c(self) -> float:
        """Mean temperature of the growth oven while the plug was in it."""
        return self.plug.growth_c

    def ask_why(self) -> str:
        """Why something of the plug is not known; empty when all is."""
        return self.plug.why


class _Note(NamedTuple):
    time_s: float
    pumped_ml: float
    nucleation_c: float
    growth_c: float


class PlugLog:
    """Notes of flow and temperatures, and the plugs that follow from them.

    Args:
        path: the volumes that a plug passes.
    """

    def __init__(self, path: FlowPath):
        self._path = path
        self._kept_ml = _KEPT_PATHS * (path.xray_total_ml or path.total_ml)
        self._notes: deque[_Note] = deque()
        self._counted_ml: list[float] = []

    @property
    def time_s(self) -> float:
        """Plant seconds of the last note; -inf before the first."""
        return self._notes[-1].time_s if self._notes else -inf

    @property
    def pumped_ml(self) -> float:
        """Volume pumped since the first note."""
        return self._notes[-1].pumped_ml if self._notes else 0.0

    def note(self, time_s: float, counted_ml: list[float], nucleation_c: float, growth_c: float) -> None:
        """Note what is told now.

        Args:
            time_s: plant seconds; must not go back.
            counted_ml: what each pump has infused by its own count; a count that falls has begun anew.
            nucleation_c: temperature of the nucleation chamber.
            growth_c: of the growth oven.
        """
        if self._notes:
            pairs = zip(self._counted_ml, counted_ml, strict=True)
            pumped_ml = self.pumped_ml + sum(now - last if now >= last else now for last, now in pairs)
        else:
            pumped_ml = 0.0
        self._counted_ml = counted_ml
        self._notes.append(_Note(time_s, pumped_ml, nucleation_c, growth_c))
        while len(self._notes) > 2 and self._notes[1].pumped_ml < pumped_ml - self._kept_ml:
            self._notes.popleft()

    def at(self, position_ml: float) -> Plug:
        """The plug that is ``position_ml`` downstream of the mixer's inlet when the last note was made."""
        entered_ml = self.pumped_ml - position_ml
        if not self._notes or entered_ml < self._notes[0].pumped_ml:
            return Plug(entered_ml, why="it entered before flow and temperatures were noted")
        notes = np.array(self._notes)
        path = self._path
        ends_ml = entered_ml + np.cumsum([0.0, path.mixer_ml, path.nucleation_ml, path.growth_ml])
        begun_s, mixed_s, nucleated_s, grown_s = (_time_at(ml, notes) for ml in ends_ml)
        return Plug(
            entered_ml=entered_ml,
            age_s=float(notes[-1, 0] - begun_s),
            residence_s=grown_s - begun_s,
            nucleation_c=_mean(notes[:, 0], notes[:, 2], mixed_s, nucleated_s),
            growth_c=_mean(notes[:, 0], notes[:, 3], nucleated_s, grown_s),
        )


def _time_at(volume_ml: float, notes: NDArray[np.float64]) -> float:
    """When so much had been pumped; while the pumps stood, the moment it was reached first."""
    times, volumes = notes[:, 0], notes[:, 1]
    i = int(np.searchsorted(volumes, volume_ml, side="left"))
    if i == 0 or i >= len(volumes):
        return float(times[min(i, len(times) - 1)])
    share = (volume_ml - volumes[i - 1]) / (volumes[i] - volumes[i - 1])
    return float(times[i - 1] + share * (times[i] - times[i - 1]))


def _mean(times: NDArray[np.float64], values: NDArray[np.float64], begin_s: float, end_s: float) -> float:
    """Mean over an interval of what is linear between the notes; the value itself where the interval is none."""
    inside = times[(times > begin_s) & (times < end_s)]
    nodes = np.concatenate([[begin_s], inside, [end_s]])
    found = np.interp(nodes, times, values)
    return float(np.trapezoid(found, nodes) / (end_s - begin_s)) if end_s > begin_s else float(found[0])
