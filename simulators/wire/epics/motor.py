"""A sample stage of two axes, each an EPICS motor record.

Fields, states and what they do: EPICS motor record documentation (motorRecord.html, release 7), in user coordinates
that are those of the dial. Not simulated: backlash, retries, homing, jogging, tweaking, calibration by SET, and
put-callbacks that wait for the end of the motion.
"""

import math
from typing import Annotated, Any

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.epics.records import Records, RecordSettings
from simulators.wire.instrument import bench_settings

_Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class StageSettings(RecordSettings):
    """The stage's records, as its panel has them.

    Attributes:
        velocity_mm_s: of both axes.
        x_soft_mm, z_soft_mm: soft limits (.LLM and .HLM, in this order).
    """

    velocity_mm_s: Annotated[float, Field(gt=0)] = 5.0
    x_soft_mm: _Pair = Field(default_factory=lambda: [-8.0, 48.0])
    z_soft_mm: _Pair = Field(default_factory=lambda: [-15.0, 15.0])


class Axis:
    """A motor and what its record makes of it.

    Attributes:
        position_mm: where it is (.RBV).
        target_mm: where it was sent (.VAL).
        velocity_mm_s: .VELO.
        soft_mm: lowest and highest target that is taken.
        moving: .MOVN; not .DMOV.
        switch: 1 at the high limit switch, -1 at the low one, else 0.
        violation: the last target was outside the soft limits (.LVIO).
        up: direction of the last motion (.TDIR).
    """

    def __init__(self, velocity_mm_s: float, soft_mm: tuple[float, float]):
        self.position_mm = self.target_mm = 0.0
        self.velocity_mm_s = velocity_mm_s
        self.soft_mm = soft_mm
        self.moving = False
        self.switch = 0
        self.violation = False
        self.up = True

    def go_to(self, target_mm: float) -> float:
        """Take a target, or refuse it as the record does; return what .VAL holds then."""
        low, high = self.soft_mm
        self.violation = not low <= target_mm <= high  # also catches nan
        if not self.violation:
            self.target_mm = target_mm
            self.up = target_mm >= self.position_mm
            self.moving = True
            self.switch = 0
        return self.target_mm

    def stop(self) -> None:
        """Stop here; the target becomes the position, as the record has it."""
        self.target_mm = self.position_mm
        self.moving = False

    def advance(self, dt_s: float, *, stuck: bool, at_switch: bool) -> None:
        """Move on by ``dt_s``."""
        if not self.moving:
            return
        if at_switch:
            self.switch = 1 if self.up else -1
            self.stop()
        elif not stuck:
            left_mm = self.target_mm - self.position_mm
            step_mm = min(self.velocity_mm_s * dt_s, abs(left_mm))
            self.position_mm += math.copysign(step_mm, left_mm)
            if abs(left_mm) <= step_mm:
                self.position_mm = self.target_mm
                self.moving = False


class Stage(Records):
    """The stage.

    Faults: ``stuck``: motors do not turn; ``limit_switch``: what moves meets a limit switch at once; ``disabled``: the
    records take targets, but nothing begins to move.
    """

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        settings = bench_settings(StageSettings, name, entry, config)
        soft_mm = {"X": settings.x_soft_mm, "Z": settings.z_soft_mm}
        self.axes = {axis: Axis(settings.velocity_mm_s, (low, high)) for axis, (low, high) in soft_mm.items()}
        self._stuck = self._at_switch = self._disabled = False
        self.faults |= {"stuck": self._be_stuck, "limit_switch": self._meet_switch, "disabled": self._be_disabled}
        for axis, motor in self.axes.items():
            self._make_record(f":{axis}", motor)
        plant.controllers.append(self._advance)

    def _make_record(self, suffix: str, motor: Axis) -> None:
        low, high = motor.soft_mm
        place: dict[str, Any] = {"units": "mm", "precision": 4, "lower_ctrl_limit": low, "upper_ctrl_limit": high}

        def go_to(target_mm: float) -> float:
            taken_mm = motor.go_to(float(target_mm))
            motor.moving = motor.moving and not self._disabled
            return taken_mm

        def stop(_: int) -> int:
            motor.stop()
            return 0

        def set_velocity(velocity_mm_s: float) -> float:
            motor.velocity_mm_s = velocity_mm_s if velocity_mm_s > 0 else motor.velocity_mm_s
            return motor.velocity_mm_s

        def set_low(low_mm: float) -> float:
            motor.soft_mm = low_mm, motor.soft_mm[1]
            return low_mm

        def set_high(high_mm: float) -> float:
            motor.soft_mm = motor.soft_mm[0], high_mm
            return high_mm

        self._double(f"{suffix}.VAL", 0.0, go_to, **place)
        self.channels[self.prefix + suffix] = self.channels[f"{self.prefix}{suffix}.VAL"]
        self._double(f"{suffix}.RBV", 0.0, **place)
        self._double(f"{suffix}.LLM", low, set_low, units="mm", precision=4)
        self._double(f"{suffix}.HLM", high, set_high, units="mm", precision=4)
        self._double(f"{suffix}.VELO", motor.velocity_mm_s, set_velocity, units="mm/s", precision=3)
        self._double(f"{suffix}.ACCL", 0.0, units="s", precision=3)
        self._double(f"{suffix}.OFF", 0.0, units="mm", precision=4)
        self._choice(f"{suffix}.DIR", ("Pos", "Neg"), "Pos")
        self._choice(f"{suffix}.FOFF", ("Variable", "Frozen"), "Frozen")
        self._choice(f"{suffix}.SET", ("Use", "Set"), "Use", lambda mode: mode)
        self._word(f"{suffix}.EGU", "mm")
        self._integer(f"{suffix}.PREC", 4)
        self._integer(f"{suffix}.STOP", 0, stop)
        for field, value in (("DMOV", 1), ("MOVN", 0), ("HLS", 0), ("LLS", 0), ("LVIO", 0), ("TDIR", 1)):
            self._integer(f"{suffix}.{field}", value)
        for field in ("HOMF", "HOMR"):
            self._integer(f"{suffix}.{field}", 0)

    def readings(self) -> dict[str, Any]:
        """The fields that change by themselves."""
        values: dict[str, Any] = {}
        for axis, motor in self.axes.items():
            values |= {
                f":{axis}.RBV": motor.position_mm,
                f":{axis}.VAL": motor.target_mm,
                f":{axis}.TDIR": int(motor.up),
                f":{axis}.HLS": int(motor.switch > 0),
                f":{axis}.LLS": int(motor.switch < 0),
                f":{axis}.LVIO": int(motor.violation),
                f":{axis}.MOVN": int(motor.moving),
                f":{axis}.DMOV": int(not motor.moving),
            }
        return values

    def alarms(self) -> dict[str, bool]:
        """A limit switch is a major alarm of the record."""
        return {f":{axis}.RBV": motor.switch != 0 for axis, motor in self.axes.items()}

    async def publish(self) -> None:
        """Write what changed; soft limits are limits of .VAL, too."""
        for axis, motor in self.axes.items():
            channel: Any = self.channels[f"{self.prefix}:{axis}.VAL"]
            if (channel.lower_ctrl_limit, channel.upper_ctrl_limit) != motor.soft_mm:
                low, high = motor.soft_mm
                await channel.write_metadata(lower_ctrl_limit=low, upper_ctrl_limit=high)
        await super().publish()

    def truth(self) -> dict[str, Any]:
        """Where the axes are and whether they move."""
        return {
            axis.lower(): {"position_mm": motor.position_mm, "target_mm": motor.target_mm, "moving": motor.moving}
            for axis, motor in self.axes.items()
        }

    def _advance(self, dt_s: float) -> None:
        for motor in self.axes.values():
            motor.advance(dt_s, stuck=self._stuck, at_switch=self._at_switch)
        self._xray.stage_x_mm = self.axes["X"].position_mm
        self._xray.stage_z_mm = self.axes["Z"].position_mm

    def _be_stuck(self, on: bool) -> None:
        self._stuck = on

    def _be_disabled(self, on: bool) -> None:
        self._disabled = on

    def _meet_switch(self, on: bool) -> None:
        self._at_switch = on
        if not on:
            for motor in self.axes.values():
                motor.switch = 0
