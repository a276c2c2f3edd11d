"""A sample stage of two axes, each an EPICS motor record.

Source: EPICS motor record documentation (motorRecord.html, release 7): fields VAL, RBV, DMOV, LVIO, HLM/LLM, HLS/LLS,
STOP, EGU, VELO, ACCL; ophyd's EpicsMotor speaks to the record.

ophyd's own EpicsMotor takes a move for done whenever the motor has stopped, wherever that is. Here a move is done when
the record says so *and* the read-back is at the target.
"""

import time
from typing import Annotated, Any, cast

from ophyd import Component as Cpt
from ophyd import Device, EpicsMotor, EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import Status
from pydantic import Field, model_validator

from devices.base import Quantity, check_limits
from devices.epics import EpicsInstrument, EpicsSettings
from devices.errors import DeviceError, InstrumentFaultError, NotReachedError, RefusedError
from flowlab.bench import Bench
from flowlab.config import DeviceEntry


class EpicsStageSettings(EpicsSettings):
    """Two motor records, and how far they may go."""

    x_record: str = Field(default=":X", description="the record of x, appended to the prefix")
    z_record: str = Field(default=":Z", description="the record of z, appended to the prefix")
    x_lowest_mm: float = Field(description="the record's own limits hold beside these four")
    x_highest_mm: float
    z_lowest_mm: float
    z_highest_mm: float
    tolerance_mm: Annotated[float, Field(gt=0)] = Field(
        default=0.005, description="how far from the target the read-back of a move that is done may be"
    )
    units: str | None = Field(
        default="mm", description="engineering units (.EGU) that the records must have; null: not checked"
    )
    margin_s: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="what a move may take beyond twice its distance by velocity and acceleration"
    )
    start_within_s: Annotated[float, Field(gt=0)] = Field(
        default=2.0, description="real seconds after which a record that was sent somewhere must show that it moves"
    )

    @model_validator(mode="after")
    def _limits_rise(self) -> "EpicsStageSettings":
        for axis in ("x", "z"):
            low, high = getattr(self, f"{axis}_lowest_mm"), getattr(self, f"{axis}_highest_mm")
            if not low < high:
                raise ValueError(f"{axis}_lowest_mm = {low:g} is not below {axis}_highest_mm = {high:g}")
        return self


class Axis(Quantity):
    """One axis of the stage: its position in mm; set it to move."""

    def __init__(self, *, axis: str, **kwargs: Any):
        super().__init__(ask=f"ask_{axis}_mm", units="mm", precision=4, limits=f"{axis}_limits_mm", **kwargs)
        self.axis = axis

    @property
    def stage(self) -> "EpicsStage":
        """The stage it belongs to."""
        return cast("EpicsStage", self.parent)

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse a position that is not allowed; see :class:`devices.errors.LimitError`."""
        self.stage.check_position(self.axis, value)

    def set(self, value: float, **_: Any) -> Status:
        """Move there; see :meth:`EpicsStage.move`."""
        return self.stage.move(self.axis, value)

    def stop(self, *, success: bool = False) -> None:
        """Stop the axis and wait until it stands."""
        self.stage.stop_axis(self.axis)

    def locate(self) -> dict[str, float]:
        """Target and position, as bluesky's Locatable wants them."""
        motor = self.stage.motor(self.axis)
        return {
            "setpoint": self.stage.ask_number(motor.user_setpoint, f"target of {self.axis}"),
            "readback": self.get(),
        }


class Brake(Device):
    """What stops a motor record and tells that it stands, by the names that EpicsMotor has for it."""

    motor_stop = Cpt(EpicsSignal, ".STOP")
    motor_done_move = Cpt(EpicsSignalRO, ".DMOV")


class EpicsStage(EpicsInstrument):
    """The stage. Its safe state is to stand still.

    Attributes:
        x, z: set to a position in mm.
        x_limits_mm, z_limits_mm: as configured.
    """

    Settings = EpicsStageSettings

    x = Cpt(Axis, axis="x", kind=Kind.hinted)
    z = Cpt(Axis, axis="z", kind=Kind.hinted)

    AXES = ("x", "z")

    def __init__(self, name: str, entry: DeviceEntry, settings: EpicsStageSettings, bench: Bench):
        self.settings = settings
        self.x_limits_mm = settings.x_lowest_mm, settings.x_highest_mm
        self.z_limits_mm = settings.z_lowest_mm, settings.z_highest_mm
        super().__init__(name, entry, settings, bench)

    def motor(self, axis: str) -> EpicsMotor:
        """The device of ophyd's for an axis, for what is not here, its offset for instance.

        Raises:
            LinkError: no server has its record.
        """
        return self.client(axis, lambda _: EpicsMotor(self._record(axis), name=f"{self.name}_{axis}_motor"))

    def _brake(self, axis: str) -> EpicsMotor | Brake:
        """What stops an axis; where nothing was asked of it before, as in the safe state, just its two variables."""
        if axis in self._clients:
            return self.motor(axis)
        return self.client(f"{axis} brake", lambda _: Brake(self._record(axis), name=f"{self.name}_{axis}_brake"))

    def _record(self, axis: str) -> str:
        return self.settings.prefix + getattr(self.settings, f"{axis}_record")

    # What is asked.

    def ask_x_mm(self) -> float:
        """Position of x."""
        return self._ask_position_mm("x")

    def ask_z_mm(self) -> float:
        """Position of z."""
        return self._ask_position_mm("z")

    def _ask_position_mm(self, axis: str) -> float:
        return self.ask_number(self.motor(axis).user_readback, f"position of {axis}")

    def _is_done(self, axis: str) -> bool:
        return self.ask_number(self._brake(axis).motor_done_move, f"whether {axis} has stopped") != 0

    # What it is told.

    def check_position(self, axis: str, value_mm: float) -> None:
        """Refuse a position outside the configured limits or those of the record.

        Raises:
            LimitError: it is; nothing was sent.
        """
        check_limits(self.name, axis, value_mm, getattr(self, f"{axis}_limits_mm"), "mm")
        motor = self.motor(axis)
        low = self.ask_number(motor.low_limit_travel, f"low limit of {axis}")
        high = self.ask_number(motor.high_limit_travel, f"high limit of {axis}")
        if low < high:  # the record has none when they are equal
            check_limits(f"{self.name}, by its own limits", axis, value_mm, (low, high), "mm")

    def move(self, axis: str, value_mm: float) -> Status:
        """Move an axis.

        Returns:
            Done when the record says that it has stopped and the read-back is at the target.

        Raises:
            LimitError: the position is not allowed; nothing was sent.
            RefusedError: the record did not take it.
            InstrumentFaultError: the record would not move: it is being calibrated, or has no velocity.
            NotReachedError: by the status: it stopped elsewhere, or is not there in time; it is stopped then.
            InstrumentFaultError: by the status: it is at a limit switch.
            LinkError: by the status: the server is gone.
        """
        self.check_position(axis, value_mm)
        motor = self.motor(axis)
        if self.ask_number(motor.set_use_switch, f"mode of {axis}"):
            raise InstrumentFaultError(
                f"{self.name}: the record of {axis} is in its mode Set (.SET), in which a target redefines where the "
                "motor is instead of moving it; set it to Use"
            )
        start_mm = self._ask_position_mm(axis)
        distance_mm = abs(value_mm - start_mm)
        velocity = self.ask_number(motor.velocity, f"velocity of {axis}")
        if not velocity > 0:
            raise InstrumentFaultError(f"{self.name}: the velocity (.VELO) of {axis} is {velocity:g} mm/s; set it")
        acceleration_s = self.ask_number(motor.acceleration, f"acceleration of {axis}")
        limit_s = 2 * (distance_mm / velocity + 2 * acceleration_s) + self.settings.margin_s
        self.tell(motor.user_setpoint, value_mm, f"target of {axis}", wait=False)
        target_mm = self.ask_number(motor.user_setpoint, f"target of {axis}")
        if abs(target_mm - value_mm) > self.settings.tolerance_mm:
            for which, switch in (("high", motor.high_limit_switch), ("low", motor.low_limit_switch)):
                if self.ask_number(switch, f"{which} limit switch of {axis}"):  # it met it at once, and gave up
                    raise InstrumentFaultError(
                        f"{self.name}: {axis} was sent to {value_mm:g} mm, but is at its {which} limit switch"
                    )
            raise RefusedError(f"{self.name}: {axis} was sent to {value_mm:g} mm, but goes to {target_mm:g} mm")
        arrived = Arrival(self, axis, start_mm, value_mm, limit_s)
        return self.watch(
            arrived,
            what=f"{axis} = {value_mm:g} mm",
            every_s=max(distance_mm / velocity / 20, 0.05),
            limit_s=limit_s + self.wire_s(10),  # the time limit itself is kept by Arrival, which stops the axis
        )

    def stop_axis(self, axis: str) -> None:
        """Stop an axis and wait until it stands.

        Raises:
            NotReachedError: it moves on.
        """
        self.tell(self._brake(axis).motor_stop, 1, f"stop of {axis}", wait=False)
        standing = self.clock.wait_until(
            lambda: self._is_done(axis), every_s=0.05, limit_s=self.settings.margin_s + self.wire_s()
        )
        if not standing:
            raise NotReachedError(f"{self.name}: {axis} was stopped, but moves on")

    def make_safe(self) -> None:
        """Stop both axes; the second, too, when the first fails.

        Raises:
            ExceptionGroup: of what went wrong, for each axis: it moves on, or does not answer.
        """
        self.give_up_watching()
        errors: list[Exception] = []
        for axis in self.AXES:
            try:
                self.stop_axis(axis)
            except DeviceError as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{self.name}: not every axis could be stopped", errors)

    # Connection.

    def connect(self) -> None:
        """Find the records and check that they are in millimetres; nothing moves.

        Raises:
            LinkError: a record was not found.
            InstrumentFaultError: a record has other units.
        """
        for axis in self.AXES:
            motor = self.motor(axis)
            units = str(self.ask(motor.motor_egu, f"units of {axis}", as_string=True))
            if self.settings.units is not None and units != self.settings.units:
                raise InstrumentFaultError(
                    f"{self.name}: the units (.EGU) of {axis} are {units!r}, not {self.settings.units!r}: every limit "
                    "would be wrong; set them in its record, or allow these with units"
                )
            self._ask_position_mm(axis)


class Arrival:
    """Whether a move is over and where it ended; called again and again."""

    def __init__(self, stage: EpicsStage, axis: str, start_mm: float, target_mm: float, limit_s: float):
        self._stage = stage
        self._axis = axis
        self._start_mm = start_mm
        self._target_mm = target_mm
        self._limit_s = limit_s
        self._seen_moving = False
        self._begun_s = stage.clock.now_s()
        self._begun_real_s = time.monotonic()

    def __call__(self) -> bool:
        """Look once.

        Raises:
            DeviceError: the move is over, but not at its target; or takes too long, and was stopped.
        """
        stage, axis, target_mm = self._stage, self._axis, self._target_mm
        done = stage._is_done(axis)
        position_mm = stage._ask_position_mm(axis)
        if done and abs(position_mm - target_mm) <= stage.settings.tolerance_mm:
            return True
        moved = abs(position_mm - self._start_mm) > stage.settings.tolerance_mm
        self._seen_moving = self._seen_moving or moved or not done
        # A reading that waited long must not make a move late that was over before: hence its real time, too.
        waited_real_s = time.monotonic() - self._begun_real_s
        if done and (self._seen_moving or waited_real_s > stage.settings.start_within_s):
            raise self._ended_at(position_mm)
        late_s = stage.clock.now_s() - self._begun_s - self._limit_s
        if late_s > 0 and waited_real_s > stage.settings.start_within_s:
            stage.stop_axis(axis)
            raise NotReachedError(
                f"{stage.name}: {axis} = {target_mm:g} mm not reached within {self._limit_s:.3g} s: it is at "
                f"{position_mm:g} mm, and was stopped"
            )
        return False

    def _ended_at(self, position_mm: float) -> Exception:
        stage, axis, motor = self._stage, self._axis, self._stage.motor(self._axis)
        what = f"{stage.name}: {axis} was sent to {self._target_mm:g} mm, but "
        if stage.ask_number(motor.high_limit_switch, f"high limit switch of {axis}"):
            return InstrumentFaultError(f"{what}is at its high limit switch, at {position_mm:g} mm")
        if stage.ask_number(motor.low_limit_switch, f"low limit switch of {axis}"):
            return InstrumentFaultError(f"{what}is at its low limit switch, at {position_mm:g} mm")
        if not self._seen_moving:
            return NotReachedError(f"{what}did not begin to move from {position_mm:g} mm")
        return NotReachedError(f"{what}stopped at {position_mm:g} mm: somebody stopped it, or it was held up")
