"""What temperature controllers have in common, whoever made them: limits, settling, the safe state.

A driver of one of them says how its controller is asked for temperature, set point and output, how it is
told a set point so that it is certain that it works towards it, and what is wrong with it.
"""

from typing import Annotated, Any, Generic, TypeVar

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.status import Status
from pydantic import Field, model_validator

from devices.base import Instrument, Quantity, check_limits
from devices.foresight import HeaterForesight
from devices.links import Line, LineSettings, shared_line
from flowlab.bench import Bench
from flowlab.config import DeviceEntry


def _silence_s(baudrate: int) -> float:
    """Silence between two messages: 3.5 characters of 11 bits, 1.75 ms above 19200 baud.

    Source: Modbus over serial line V1.02, 2.5.1.1.
    """
    return max(3.5 * 11 / baudrate, 1.75e-3)


class TemperatureSettings(LineSettings):
    """What is allowed of a heater, and when it counts as settled."""

    quiet_s: Annotated[float, Field(ge=0)] = Field(
        default_factory=lambda settings: _silence_s(settings["baudrate"]),
        description="real seconds of silence between a reply and the next request: 3.5 characters by default, 4 ms at "
        "9600 baud; a second copy of a reply is so noticed, not taken for the next one",
    )
    lowest_c: float = 0.0
    highest_c: float = Field(description="highest set point that is ever sent")
    safe_c: float = Field(default=20.0, description="set point of the safe state")
    settle_within_c: Annotated[float, Field(gt=0)] = 0.5
    settle_for_s: Annotated[float, Field(ge=0)] = Field(
        default=10.0, description="how long the temperature must stay within, in plant seconds"
    )
    slowest_c_per_s: Annotated[float, Field(gt=0)] = Field(
        default=0.1, description="slowest heating or cooling that is still healthy; sets the time limit of a ramp"
    )

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> "TemperatureSettings":
        if not self.lowest_c <= self.safe_c <= self.highest_c:
            raise ValueError(
                f"lowest_c {self.lowest_c:g} ≤ safe_c {self.safe_c:g} ≤ highest_c {self.highest_c:g} does not hold"
            )
        return self


S = TypeVar("S", bound=TemperatureSettings)


class TemperatureController(Instrument, Generic[S]):
    """A heater behind its controller: set it to a temperature in °C; it is there when it has settled."""

    temperature_c = Cpt(Quantity, ask="ask_temperature_c", units="°C", precision=1, kind=Kind.hinted)
    setpoint_c = Cpt(Quantity, ask="ask_setpoint_c", units="°C", precision=1, limits="limits_c", kind=Kind.normal)
    output_percent = Cpt(Quantity, ask="ask_output_percent", units="%", precision=1, kind=Kind.normal)

    def __init__(self, name: str, entry: DeviceEntry, settings: S, bench: Bench):
        self.settings = settings
        self.limits_c = (settings.lowest_c, settings.highest_c)
        super().__init__(name, entry, bench)
        self._bench = bench

    # What a driver adds.

    def ask_temperature_c(self) -> float:
        """The temperature that the controller measures.

        Raises:
            InstrumentFaultError: something is wrong with the controller, so that the number would mean nothing.
        """
        raise NotImplementedError

    def ask_setpoint_c(self) -> float:
        """The set point that the controller works towards."""
        raise NotImplementedError

    def ask_output_percent(self) -> float:
        """Its output."""
        raise NotImplementedError

    def _send_setpoint(self, value_c: float, *, safe: bool = False) -> None:
        """Send a set point, and read back that the controller works towards it.

        Args:
            value_c: within the limits.
            safe: it is the one of the safe state: nothing may keep it from being sent.

        Raises:
            NotReachedError: the controller did not take it.
        """
        raise NotImplementedError

    def _check_obeys(self) -> None:
        """Check that the output follows the set point.

        Raises:
            InstrumentFaultError: it does not, in manual mode for instance.
        """
        raise NotImplementedError

    # What is the same for all.

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse a temperature outside the limits.

        Raises:
            LimitError: see there.
        """
        check_limits(self.name, "set point", value, self.limits_c, "°C")

    def foresight(self) -> HeaterForesight:
        """An account of what it would do."""
        return HeaterForesight(self)

    def set(self, value: float) -> Status:
        """Go to a temperature in °C.

        Returns:
            Done when the temperature has stayed within ``settle_within_c`` for ``settle_for_s``.

        Raises:
            LimitError: outside the limits; nothing was sent.
            NotReachedError: the controller did not take the set point.
        """
        self.check_value(value)
        self.give_up_watching()
        distance_c = abs(self.ask_temperature_c() - value)
        self._send_setpoint(value)
        s = self.settings
        settled = Settled(self, value)
        return self.watch(
            settled,
            what=f"{value:g} °C",
            every_s=max(s.settle_for_s / 20, 0.5),
            limit_s=self.limit_s(distance_c),
        )

    def limit_s(self, distance_c: float) -> float:
        """Plant seconds within which a temperature so far away is reached, or given up on."""
        return distance_c / self.settings.slowest_c_per_s + 10 * self.settings.settle_for_s + 60

    def locate(self) -> dict[str, float]:
        """Set point and temperature, as bluesky's Locatable wants them."""
        return {"setpoint": self.ask_setpoint_c(), "readback": self.ask_temperature_c()}

    def make_safe(self) -> None:
        """Set the safe temperature and check that the controller works towards it; it cools from there by itself.

        Raises:
            NotReachedError: the controller did not take the set point.
            InstrumentFaultError: whatever the set point, its output stays what it is, as in manual mode.
        """
        self.give_up_watching()
        self._send_setpoint(self.settings.safe_c, safe=True)
        self._check_obeys()

    @property
    def _line(self) -> Line:
        return shared_line(self._bench, self.address, self.name, self.settings)


class Settled:
    """Whether the temperature has stayed close to a set point for long enough; called again and again."""

    def __init__(self, heater: TemperatureController[Any], value_c: float):
        self._heater = heater
        self._value_c = value_c
        self._since_s: float | None = None

    def __call__(self) -> bool:
        """Look at the temperature once."""
        heater, now_s = self._heater, self._heater.clock.now_s()
        if abs(heater.ask_temperature_c() - self._value_c) > heater.settings.settle_within_c:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= heater.settings.settle_for_s
