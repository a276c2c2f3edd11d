"""The whole bench: syringes feed a heated flow path, a lamp shines through what comes out of it, then X-rays do.

:meth:`Plant.advance` moves everything on by explicit steps; nothing here knows a clock, a wire or an
instrument. Instruments act on the parts (a pump on its :class:`SyringeDrive`, a controller on its
:class:`HeaterBlock`) and hang their own inner workings, a control loop for instance, into
:attr:`Plant.controllers`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from flowlab.config import FlowPath
from simulators.plant.feed import Feed, Selector
from simulators.plant.fluidics import FlowReactor
from simulators.plant.heater import HeaterBlock
from simulators.plant.hydraulics import HydraulicProperties, Hydraulics
from simulators.plant.light import LightPath
from simulators.plant.luminescence import LuminescencePath
from simulators.plant.parts import Absorber, PlugHistory
from simulators.plant.syringe import SyringeDrive
from simulators.plant.xray import Endstation


class Note(Protocol):
    """Takes what a detector digitised, an array or a number, with the name of its device."""

    def __call__(self, device: str, digitised: Any, *, lit: bool) -> None:
        """Take it."""
        ...


def _forget(device: str, digitised: Any, *, lit: bool) -> None:
    """Nobody keeps it."""


class Plant:
    """The parts and how they act on one another.

    Args:
        path: volumes of the flow path.
        drives: the syringes that feed the mixer, by the name of their pump.
        heaters: the heated blocks, by the name of their controller.
        nucleation: which of them heats the nucleation chamber.
        growth: which of them heats the growth oven.
        light: lamp and detector.
        absorber: turns what is in the cell into absorbance.
        feeds: the pumps that feed the mixer from bottles, by their name.
        valves: the valves that select the bottles, by their name.
        hydraulics: how the path resists.
        luminescence: the second light path, where there is one.
        endstation: makes the X-ray side around what flows; none when not given.

    Attributes:
        xray: the X-ray side; None when there is none.
    """

    STEP_S = 0.1
    REMEMBERED_EXPOSURES = 400

    def __init__(
        self,
        path: FlowPath,
        drives: dict[str, SyringeDrive],
        heaters: dict[str, HeaterBlock],
        nucleation: str,
        growth: str,
        light: LightPath,
        absorber: Absorber,
        feeds: Mapping[str, Feed] | None = None,
        valves: Mapping[str, Selector] | None = None,
        hydraulics: HydraulicProperties | None = None,
        luminescence: LuminescencePath | None = None,
        endstation: Callable[[FlowReactor], Endstation] | None = None,
    ):
        self.reactor = FlowReactor(path)
        self.hydraulics = Hydraulics(path, hydraulics or HydraulicProperties())
        self.feeds = dict(feeds or {})
        self.valves = dict(valves or {})
        self.drives = drives
        self.heaters = heaters
        self._nucleation = heaters[nucleation]
        self._growth = heaters[growth]
        self.light = light
        self.absorber = absorber
        self.luminescence = luminescence
        self.xray = None if endstation is None else endstation(self.reactor)
        #: Called with each step in plant seconds before the step; returns nothing.
        self.controllers: list[Callable[[float], None]] = []
        #: Told by instruments what they digitised, each time.
        self.note: Note = _forget
        self.time_s = 0.0
        self._exposed_exciton_nm: deque[object] = deque(maxlen=self.REMEMBERED_EXPOSURES)

    def advance_to(self, time_s: float, step_s: float = STEP_S) -> None:
        """Move on to a time in plant seconds, in steps; what is left over waits."""
        while time_s - self.time_s >= step_s:
            self.advance(step_s)

    def advance(self, dt_s: float) -> None:
        """Move on by one step."""
        for controller in self.controllers:
            controller(dt_s)
        mixture, flow_ml = self._pump(dt_s)
        flow_ml_s = flow_ml / dt_s
        hot, warm = self._nucleation, self._growth
        hot.advance(dt_s, flow_ml_s)
        warm.advance(dt_s, flow_ml_s, inlet_c=hot.temperature_c)
        self.reactor.advance(dt_s, flow_ml_s, mixture, hot.temperature_c, warm.temperature_c)
        self.light.advance(dt_s, flow_ml)
        if self.luminescence is not None:
            self.luminescence.advance(dt_s)
        if self.xray is not None:
            self.xray.advance(dt_s, flow_ml)
        self.time_s += dt_s

    def _pump(self, dt_s: float) -> tuple[dict[str, float], float]:
        """What the pumps deliver in a step: concentrations of the mixture, and the volume that enters the reactor."""
        against_bar = self.hydraulics.pressure_bar
        moved: list[tuple[str | None, float, float]] = []
        for drive in self.drives.values():
            drive.against_bar = against_bar
            moved.append((drive.reagent_name, drive.reagent.concentration_mmol_l, drive.advance(dt_s)))
        for valve in self.valves.values():
            valve.advance(dt_s)
        for feed in self.feeds.values():
            moved.append((feed.bottle, feed.concentration_mmol_l, feed.advance(dt_s, against_bar)))
        pumped_ml = sum(volume for _, _, volume in moved)
        mixture: dict[str, float] = {}
        for name, concentration, volume in moved:
            if name is not None and pumped_ml > 0 and concentration > 0:
                mixture[name] = round(mixture.get(name, 0.0) + concentration * volume / pumped_ml, 6)
        return mixture, self.hydraulics.advance(dt_s, pumped_ml)

    def plug_in_cell(self) -> PlugHistory:
        """What the light passes through now."""
        path = self.reactor.path
        return self.reactor.plug_at(path.reaction_ml + path.transfer_ml + path.cell_ml / 2)

    def plug_in_xray_cell(self) -> PlugHistory:
        """What the X-rays pass through now.

        Raises:
            ValueError: there is no X-ray cell.
        """
        if self.xray is None:
            raise ValueError("this plant has no X-ray cell")
        return self.xray.plug()

    def expose(self, integration_ms: float) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
        """Counts of one scan of the optical cell."""
        plug = self.plug_in_cell()
        self._exposed_exciton_nm.append(self.absorber.truth(plug).get("exciton_nm"))
        absorbance = self.absorber.absorbance(plug, self.light.wavelength_nm)
        return self.light.expose(absorbance, integration_ms)

    def expose_emission(self, integration_ms: float) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        """Counts of one scan of the second light path.

        Raises:
            ValueError: there is none.
        """
        if self.luminescence is None:
            raise ValueError("this plant has no second light path")
        return self.luminescence.expose(
            self.plug_in_cell(), integration_ms, bubble=self.light.bubble, lamp_level=self.light.lamp_level
        )

    def measurable(self) -> dict[str, float]:
        """What instruments could tell now if they were perfect, by ``device.quantity``; always the same names."""
        told = {"pressure_bar": self.hydraulics.pressure_bar}
        for name, drive in self.drives.items():
            told[f"{name}.rate_ml_min"] = max(drive.running_ml_min, 0.0)
            told[f"{name}.content_ml"] = drive.content_ml
        for name, feed in self.feeds.items():
            told[f"{name}.rate_ml_min"] = feed.running_ml_min
        for name, block in self.heaters.items():
            told[f"{name}.temperature_c"] = block.temperature_c
        for name, valve in self.valves.items():
            told[f"{name}.port"] = valve.port
        told["light.open"] = self.light.shutter_open
        if self.luminescence is not None:
            told["led.on"] = self.luminescence.led_on
            told["detector.temperature_c"] = self.luminescence.cooler.temperature_c
        if (xray := self.xray) is not None:
            told["ring.current_ma"] = xray.ring.current_ma
            told["beam.open"] = xray.shutter_open
            told["stage.x_mm"], told["stage.z_mm"] = xray.stage_x_mm, xray.stage_z_mm
        return told

    def truth(self) -> dict[str, Any]:
        """The plant as it is, not as the instruments say."""
        plug = self.plug_in_cell()
        second = {} if self.luminescence is None else {"luminescence": self.luminescence.truth(plug)}
        return second | {
            "time_s": self.time_s,
            "heaters": {
                name: {"power_w": block.power_w, "temperature_c": block.temperature_c}
                for name, block in self.heaters.items()
            },
            "pumps": {
                name: {
                    "rate_ml_min": drive.running_ml_min,
                    "content_ml": drive.content_ml,
                    "reservoir_ml": drive.reservoir_ml,
                }
                for name, drive in self.drives.items()
            },
            "feeds": {
                name: {"rate_ml_min": feed.running_ml_min, "bottle": feed.bottle, "content_ml": feed.content_ml}
                for name, feed in self.feeds.items()
            },
            "valves": {name: {"port": valve.port, "turning": valve.turning} for name, valve in self.valves.items()},
            "pressure_bar": self.hydraulics.pressure_bar,
            "clogged": self.hydraulics.clogged,
            "leaking": self.hydraulics.leaking,
            "cell": {
                "age_s": float(plug.time_s[-1]),
                "residence_s": plug.residence_s,
                "nucleation_c": _none_if_nan(plug.nucleation_c),
                "growth_c": _none_if_nan(plug.growth_c),
                "bubble": self.light.bubble,
            },
            "species": self.absorber.truth(plug),
            "xray": None if self.xray is None else self.xray.truth(),
            # What an analysis of the latest scans of the detector should find, the last of them last.
            "exposed_exciton_nm": list(self._exposed_exciton_nm),
        }


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
