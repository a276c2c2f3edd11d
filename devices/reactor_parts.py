"""The parts of a flow reactor, what they say, and what conditions ask of them: rates, limits, volumes.

Nothing here moves anything; see :mod:`devices.reactor`.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, cast

from ophyd.status import Status
from pydantic import Field

from devices.base import Instrument
from devices.errors import LimitError
from devices.roles import Heater, Pump
from devices.stock import Stock
from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import DeviceEntry, Model

#: Flows that differ by less cool an oven alike.
SAME_FLOW = 0.05


class FlowReactorSettings(Model):
    """How the reactor is run."""

    longest_residence_s: Annotated[float, Field(gt=0)] = Field(
        default=1200.0, description="longest residence time that is accepted"
    )
    heating_residence_s: Annotated[float, Field(gt=0)] = Field(
        default=14.0,
        description="residence time at which the reagents flow while the heaters move, where they would flow faster",
    )
    wash_ml_min: Annotated[float, Field(gt=0)] = Field(default=5.0, description="rate of the pump that washes")
    reserve_ml: Annotated[float, Field(ge=0)] = Field(
        default=0.5, description="what is left in each syringe, beyond what is needed, when it is refilled"
    )


class ReactorParts(Instrument):
    """Pumps, heaters and the volumes between them.

    Attributes:
        path: volumes between mixer and cells.
        pumps: of the reagents, which meet in the mixer.
        stock: what the pumps have left.
        nucleation_limits_c, growth_limits_c: of the heaters.
        residence_limits_s: what volumes and pumps allow.
    """

    def __init__(self, name: str, entry: DeviceEntry, settings: FlowReactorSettings, bench: Bench):
        self.settings = settings
        self.path = bench.config.flow_path
        pumps, heaters, wash = _parts(entry)
        self.pumps: list[Pump] = [bench.devices[part] for part in pumps]
        self._washer: Pump | None = bench.devices[wash] if wash else None
        self._nucleation: Heater = bench.devices[heaters[0]]
        self._growth: Heater = bench.devices[heaters[1]]
        self.stock = Stock(name, self.pumps, settings.reserve_ml)
        self.nucleation_limits_c = self._nucleation.limits_c
        self.growth_limits_c = self._growth.limits_c
        fastest_ml_s = len(self.pumps) * min(pump.limits_ml_min[1] for pump in self.pumps) / 60
        self.residence_limits_s = (self.path.reaction_ml / fastest_ml_s, settings.longest_residence_s)
        super().__init__(name, entry, bench)

    def ask_nucleation_c(self) -> float:
        """Temperature of the nucleation chamber, measured now."""
        return self._nucleation.ask_temperature_c()

    def ask_growth_c(self) -> float:
        """Temperature of the growth oven, measured now."""
        return self._growth.ask_temperature_c()

    def ask_nucleation_setpoint_c(self) -> float:
        """Set point of the nucleation chamber, as its controller has it."""
        return self._nucleation.ask_setpoint_c()

    def ask_growth_setpoint_c(self) -> float:
        """Set point of the growth oven, as its controller has it."""
        return self._growth.ask_setpoint_c()

    def ask_flow_ml_min(self) -> float:
        """Sum of the rates at which the pumps really run."""
        return sum(pump.ask_rate_ml_min() for pump in self.pumps)

    def ask_residence_time_s(self) -> float:
        """Residence time at the present flow; inf while nothing flows."""
        flow = self.ask_flow_ml_min()
        return 60 * self.path.reaction_ml / flow if flow > 0 else float("inf")

    def ask_reagent_left_ml(self) -> float:
        """Least of what the pumps have left, in the syringe and to refill from."""
        return min(pump.ask_content_ml() + pump.reservoir_ml for pump in self.pumps)

    def rates_ml_min(self, value: Conditions) -> list[float]:
        """Rate of each pump for conditions; the streams that flow meet in equal parts.

        Raises:
            LimitError: there is no such stream.
        """
        reagents = [pump.reagent for pump in self.pumps]
        for stream in value.streams:
            if stream not in reagents:
                raise LimitError(f"{self.name}: there is no stream {stream!r}; there are {', '.join(reagents)}")
        flows = [not value.streams or reagent in value.streams for reagent in reagents]
        rate = 60 * self.path.reaction_ml / value.residence_time_s / sum(flows)
        return [rate if on else 0.0 for on in flows]

    def charged_ml(self, value: Conditions, volume_ml: float) -> float:
        """Volume to ask ``refill`` and ``reagent`` for when only some streams flow: those give more, each."""
        return volume_ml * len(self.pumps) / len(value.streams or self.pumps)

    def check_value(self, value: Conditions, **_: Any) -> None:
        """Refuse conditions that the limits do not allow.

        Raises:
            LimitError: the message says which limit.
        """
        self._nucleation.check_value(value.nucleation_c)
        self._growth.check_value(value.growth_c)
        low, high = self.residence_limits_s
        if not low <= value.residence_time_s <= high:
            raise LimitError(
                f"{self.name}: residence time {value.residence_time_s:g} s is outside {low:.3g}…{high:g} s, "
                f"what {self.path.reaction_ml:g} mL and the pumps' limits allow"
            )
        for pump, rate in zip(self.pumps, self.rates_ml_min(value), strict=True):
            pump.check_value(rate)

    def check_reagent(self, volumes_ml: Sequence[float]) -> Status:
        """Refuse what needs more reagent than there is, in the syringes and to refill from.

        Args:
            volumes_ml: total volumes that will flow through the reactor between one refill and the next.

        Raises:
            LimitError: the message says what is needed, what is left, and of what.
        """
        self.stock.check(max(volumes_ml, default=0.0), sum(volumes_ml))
        return self.done()

    def heating_limit_s(self, before: Conditions, after: Conditions) -> float:
        """Longest time that the heaters are given from one point to the next, in plant seconds, before the flow."""
        return max(
            self._nucleation.limit_s(abs(after.nucleation_c - before.nucleation_c)),
            self._growth.limit_s(abs(after.growth_c - before.growth_c)),
        )

    def heating_ml(self, before: Conditions | None, after: Conditions) -> float:
        """What flows at most on the way to a point: slowly while the heaters move, then while they settle once more.

        Args:
            before: conditions that the reactor comes from; None when nothing flows.
            after: those it goes to.
        """
        flow_ml_s = self.path.reaction_ml / after.residence_time_s
        settling_ml = max(self._nucleation.limit_s(0.0), self._growth.limit_s(0.0)) * flow_ml_s
        if before is None:
            return settling_ml
        slow_ml_s = self.path.reaction_ml / max(before.residence_time_s, self.settings.heating_residence_s)
        moving_ml = self.heating_limit_s(before, after) * slow_ml_s
        return moving_ml + (0.0 if math.isclose(slow_ml_s, flow_ml_s, rel_tol=SAME_FLOW) else settling_ml)

    def check_xray_cell(self) -> None:
        """Refuse to go on without an X-ray cell.

        Raises:
            LimitError: the flow path has none.
        """
        if self.path.xray_total_ml is None:
            raise LimitError(
                f"{self.name}: there is no X-ray cell: give flow_path its xray_transfer_ml, xray_cell_ml, xray_path_mm"
            )

    def check_washing(self) -> Pump:
        """The pump that washes.

        Raises:
            LimitError: there is none, or it cannot run at the configured rate.
        """
        if self._washer is None:
            raise LimitError(f"{self.name}: has no pump to wash with; name one in parts.wash")
        self._washer.check_value(self.settings.wash_ml_min)
        return self._washer


def _parts(entry: DeviceEntry) -> tuple[list[str], tuple[str, str], str | None]:
    """Names of the pumps, of the two heaters, and of the pump that washes, if there is one."""
    wanted = {"pumps", "nucleation", "growth"}
    if set(entry.parts) - {"wash"} != wanted:
        raise ValueError(
            f"parts are {', '.join(entry.parts) or 'none'}; "
            f"a reactor needs {', '.join(sorted(wanted))}, and may have wash"
        )
    pumps = entry.parts["pumps"]
    heaters = entry.parts["nucleation"], entry.parts["growth"]
    wash = entry.parts.get("wash")
    if isinstance(pumps, str) or any(isinstance(part, list) for part in (*heaters, wash)):
        raise ValueError("parts.pumps is a list of pumps; nucleation and growth are one heater each, wash is one pump")
    return pumps, cast("tuple[str, str]", heaters), cast("str | None", wash)
