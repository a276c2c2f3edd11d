"""Plug flow: what leaves the pumps mixes, passes the heated sections unmixed, and is remembered on its way.

The position of a plug is the volume between it and the mixer's inlet. A plug that is at ``x`` now entered
when the volume pumped so far was less by ``x``; what it saw on its way follows from the recorded
temperatures of the sections and the recorded flow. Nothing is said about a plug by where the pumps and
heaters stand *now*.
"""

from bisect import bisect_right
from itertools import pairwise

import numpy as np

from flowlab.config import FlowPath
from simulators.plant.parts import Array, PlugHistory

_AMBIENT_C = 23.0
#: Within a section the liquid's temperature follows an exponential; it is tabulated at these multiples of
#: the time constant after each change of section.
_RELAXATION_NODES = np.concatenate([np.arange(0.1, 2.0, 0.1), np.arange(2.0, 4.0, 0.25), np.arange(4.0, 8.5, 0.75)])


class FlowReactor:
    """Records flow and temperatures, and tells the history of the plug at any place.

    Args:
        path: the volumes that a plug passes.

    Attributes:
        pumped_ml: volume pumped since the start.
    """

    #: A new record is made when something has changed by this much since the last one.
    TEMPERATURE_STEP_C = 0.05
    VOLUME_STEP = 0.02  # of the whole path
    FLOW_STEP = 0.01  # of the flow
    LONGEST_RECORD_S = 20.0

    def __init__(self, path: FlowPath):
        self.path = path
        self._remembered_ml = path.total_ml if path.xray_total_ml is None else path.xray_total_ml
        self.pumped_ml = 0.0
        self._time_s = 0.0
        solvent: dict[str, float] = {}
        # One record stands for the interval that ends at its time.
        self._times = [0.0]
        self._volumes = [0.0]
        self._walls: list[tuple[float, float]] = [(_AMBIENT_C, _AMBIENT_C)]
        self._mixtures: list[dict[str, float]] = [solvent]
        self._last = ((_AMBIENT_C, _AMBIENT_C), solvent, 0.0)

    def advance(
        self, dt_s: float, flow_ml_s: float, mixture_mmol_l: dict[str, float], nucleation_c: float, growth_c: float
    ) -> None:
        """Move on by ``dt_s``.

        Args:
            dt_s: plant seconds.
            flow_ml_s: total flow into the mixer, not negative.
            mixture_mmol_l: concentration of each reagent in what enters.
            nucleation_c: wall temperature of the nucleation chamber.
            growth_c: wall temperature of the growth oven.
        """
        self._time_s += dt_s
        self.pumped_ml += dt_s * flow_ml_s
        walls = (nucleation_c, growth_c)
        last_walls, last_mixture, last_flow = self._last
        changed = (
            mixture_mmol_l != last_mixture
            or abs(flow_ml_s - last_flow) > self.FLOW_STEP * last_flow
            or max(abs(a - b) for a, b in zip(walls, last_walls, strict=True)) > self.TEMPERATURE_STEP_C
            or self.pumped_ml - self._volumes[-1] > self.VOLUME_STEP * self.path.total_ml
            or self._time_s - self._times[-1] > self.LONGEST_RECORD_S
        )
        if changed:
            self._record(walls, mixture_mmol_l, flow_ml_s)

    def _record(self, walls: tuple[float, float], mixture: dict[str, float], flow_ml_s: float) -> None:
        if self._stands_still(walls, mixture):
            self._times[-1] = self._time_s
            return
        self._times.append(self._time_s)
        self._volumes.append(self.pumped_ml)
        self._walls.append(walls)
        self._mixtures.append(mixture)
        self._last = (walls, mixture, flow_ml_s)
        forgotten = bisect_right(self._volumes, self.pumped_ml - 1.5 * self._remembered_ml) - 1
        if forgotten > 1000:
            for records in (self._times, self._volumes, self._walls, self._mixtures):
                del records[:forgotten]

    def _stands_still(self, walls: tuple[float, float], mixture: dict[str, float]) -> bool:
        """Whether the last record can go on: nothing was pumped in it or since, and it would be the same again."""
        return (
            self._volumes[-2:] == [self.pumped_ml, self.pumped_ml]
            and walls == self._walls[-1]
            and mixture == self._mixtures[-1]
        )

    def plug_at(self, position_ml: float) -> PlugHistory:
        """History of the plug that is ``position_ml`` downstream of the mixer's inlet now."""
        if self._times[-1] < self._time_s:
            self._record(*self._last)
        times, volumes = np.array(self._times), np.array(self._volumes)
        entered_ml = self.pumped_ml - position_ml
        if entered_ml <= volumes[0]:
            return _solvent()
        # When the plug passed the inlet and the ends of the sections; the last of them may lie ahead of it.
        path = self.path
        ends_ml = np.cumsum([0.0, path.mixer_ml, path.nucleation_ml, path.growth_ml])
        now = self._time_s
        crossings = np.array([_time_at(v, times, volumes) if v < self.pumped_ml else now for v in entered_ml + ends_ml])
        start = crossings[0]
        first = bisect_right(self._volumes, entered_ml)
        # In the mixer, the nucleation chamber, the growth oven, and after it.
        constants = np.full(4, path.wall_time_constant_s)
        constants[1] = path.nucleation_time_constant_s
        nodes = start + np.round(_nodes(crossings, now, constants) - start, 4)
        section = np.searchsorted(crossings[1:], (nodes[1:] + nodes[:-1]) / 2, side="right")
        record = np.clip(np.searchsorted(times, nodes[1:], side="left"), 0, len(times) - 1)
        # Told apart no finer than this, so that plugs that differ by nothing that matters have equal histories.
        walls = np.round(np.array(self._walls)[record] / self.TEMPERATURE_STEP_C) * self.TEMPERATURE_STEP_C
        wall = np.where(section == 1, walls[:, 0], np.where(section == 2, walls[:, 1], _AMBIENT_C))
        liquid = _follow(wall, np.diff(nodes) / constants[section])
        spent = np.diff(nodes)
        return PlugHistory(
            time_s=nodes - start,
            temperature_c=liquid,
            concentration_mmol_l=self._mixtures[min(first, len(self._mixtures) - 1)],
            residence_s=float(crossings[3] - start),
            nucleation_c=_mean(wall[section == 1], spent[section == 1]),
            growth_c=_mean(wall[section == 2], spent[section == 2]),
        )


def _solvent() -> PlugHistory:
    """What was in the line before anything was pumped."""
    return PlugHistory(np.zeros(2), np.full(2, _AMBIENT_C), {}, 0.0, float("nan"), float("nan"))


def _time_at(volume_ml: float, times: Array, volumes: Array) -> float:
    """When the volume pumped reached ``volume_ml``; while the pumps stand, the moment it was reached first."""
    i = int(np.searchsorted(volumes, volume_ml, side="left"))
    if i == 0 or i >= len(volumes):
        return float(times[min(i, len(times) - 1)])
    share = (volume_ml - volumes[i - 1]) / (volumes[i] - volumes[i - 1])
    return float(times[i - 1] + share * (times[i] - times[i - 1]))


def _nodes(crossings: Array, now: float, time_constants_s: Array) -> Array:
    """Times at which a plug's temperature is tabulated: evenly within each section, and close behind its entry.

    They do not depend on when anything was recorded: plugs with the same history get the same times.
    """
    ends = np.append(crossings, now)
    even = [np.linspace(a, b, _nodes_between(b - a), endpoint=False) for a, b in pairwise(ends)]
    close = (crossings[:, None] + time_constants_s[:, None] * _RELAXATION_NODES).ravel()
    nodes = np.unique(np.concatenate([*even, close, [now]]))
    nodes = nodes[(nodes >= crossings[0]) & (nodes <= now)]
    return nodes if len(nodes) > 1 else np.array([crossings[0], now])


def _nodes_between(duration_s: float) -> int:
    return int(np.clip(np.ceil(duration_s), 4, 200))


def _follow(wall_c: Array, time_constants: Array) -> Array:
    """Temperature of liquid that enters at ambient temperature and follows the wall, at the ends of the steps.

    Args:
        wall_c: temperature of the wall in each step, shape (n,).
        time_constants: how long each step takes, in multiples of the section's time constant, shape (n,).
    """
    liquid = np.empty(len(wall_c) + 1)
    liquid[0] = _AMBIENT_C
    decay = np.exp(-time_constants)
    for i, (wall, rest) in enumerate(zip(wall_c, decay, strict=True)):
        liquid[i + 1] = wall + (liquid[i] - wall) * rest
    return liquid


def _mean(values: Array, weights: Array) -> float:
    # Rounded, so that the mean of equal temperatures is that temperature.
    return round(float(np.average(values, weights=weights)), 9) if weights.sum() > 0 else float("nan")
