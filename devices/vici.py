"""VICI multiposition valves, which select a stream: EUT and EMH actuators.

Source: user manuals and public drivers, see :mod:`devices.protocols.vici`. A move is silent: the position is asked
until the valve is there, and one that stays between two positions, or where it was, is a
:class:`devices.errors.NotReachedError` that names the valve.
"""

from typing import Annotated, Any

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.status import Status
from pydantic import Field, model_validator

from devices.agreement import Agreement, DisagreementError
from devices.base import Instrument, Quantity
from devices.errors import InstrumentFaultError, LimitError, NotReachedError, RefusedError, ReplyError
from devices.links import LineSettings, shared_line
from devices.protocols import vici
from devices.protocols.vici import Dialect, Direction, Position
from flowlab.bench import Bench
from flowlab.config import DeviceEntry


class MultipositionValveSettings(LineSettings):
    """A valve as it is wired and plumbed."""

    dialect: Dialect = Field(description="eut: answers CP03; emh: answers Position is  = 3, as an EUT set to LG1 does")
    unit: Annotated[int, Field(ge=0, le=9)] | None = Field(
        default=None, description="the actuator's ID; actuators are shipped without one"
    )
    positions: Annotated[int, Field(ge=2, le=40)] = Field(description="how many it has; it is asked and must agree")
    ports: dict[str, str] = Field(
        default_factory=dict, description='what is at a position, by its number: {1 = "solvent", 2 = "cadmium"}'
    )
    direction: Direction = Field(default="shortest", description="which way it turns")
    safe_position: str | None = Field(
        default=None, description="where the safe state has it, by name or number; not given: it stays where it is"
    )
    move_within_s: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="plant seconds after which a move is given up"
    )

    @model_validator(mode="after")
    def _ports_exist(self) -> "MultipositionValveSettings":
        for port in self.ports:
            if not port.isdecimal() or not 1 <= int(port) <= self.positions:
                raise ValueError(f"ports.{port}: there is no such position; they are 1…{self.positions}")
        if len(set(self.ports.values())) < len(self.ports):
            raise ValueError("ports: two have the same name")
        if numbers := [name for name in self.ports.values() if name.isdecimal()]:
            raise ValueError(f"ports: {numbers[0]!r} is no name, but the number of a position")
        return self


class MultipositionValve(Instrument):
    """A valve: set it to a position, by its number or by the name of what is there."""

    Settings = MultipositionValveSettings

    port = Cpt(Quantity, ask="ask_position", units="", kind=Kind.hinted)
    stream = Cpt(Quantity, ask="ask_stream", units="", kind=Kind.normal)

    def __init__(self, name: str, entry: DeviceEntry, settings: MultipositionValveSettings, bench: Bench):
        self.settings = settings
        self._bench = bench
        self._agreement = Agreement(name, lambda: self._line.hush())
        self._names = {int(port): stream for port, stream in settings.ports.items()}
        self._numbers = {stream: port for port, stream in self._names.items()}
        self._setpoint: int | None = None
        self._again_after_s = settings.move_within_s / 4
        super().__init__(name, entry, bench)
        try:
            self._safe = None if settings.safe_position is None else self.number(settings.safe_position)
        except LimitError as error:
            raise ValueError(f"settings.safe_position: {error}") from None

    def number(self, position: int | str) -> int:
        """The number of a position, or of what is there.

        Raises:
            LimitError: there is none of that number or name.
        """
        number = self._numbers.get(str(position), position)
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= self.settings.positions:
            named = f" or {', '.join(self._numbers)}" if self._numbers else ""
            raise LimitError(f"{self.name}: position {position!r} is not one of 1…{self.settings.positions}{named}")
        return number

    def check_value(self, value: int | str, **_: Any) -> None:
        """Refuse a position that there is not.

        Raises:
            LimitError: see there.
        """
        self.number(value)

    # What is asked of the valve.

    def ask_position(self) -> int:
        """Where it stands.

        Raises:
            NotReachedError: it is between two positions.
        """
        position = self._ask_position()
        if not position.there:
            raise NotReachedError(f"{self.name}: is between two positions, near {position.number}; does it stick?")
        return position.number

    def ask_stream(self) -> str:
        """What is at the position where it stands: its name, or its number."""
        number = self.ask_position()
        return self._names.get(number, str(number))

    def locate(self) -> dict[str, Any]:
        """Where it was last set to, and where it stands."""
        now = self.ask_position()
        return {"setpoint": now if self._setpoint is None else self._setpoint, "readback": now}

    # What it is told.

    def set(self, value: int | str) -> Status:
        """Turn to a position.

        Returns:
            Done when the valve says that it is there.

        Raises:
            LimitError: there is no such position; nothing was sent.
        """
        number = self.number(value)
        self.give_up_watching()
        self._setpoint = number
        target = Position(number, there=True)
        if self._looks() == target:
            return self.done()  # told to go where it is, an actuator refuses
        self._turn(number)
        told_s = self.clock.now_s()

        def there() -> bool:
            nonlocal told_s
            try:
                seen = self._looks()
            except RefusedError:  # it had arrived in the moment it was told to go there, which an actuator refuses
                if self._looks() != target:
                    raise
                return True
            if seen is not None and seen.there and seen != target and self.clock.now_s() - told_s > self._again_after_s:
                self._turn(number)  # it stands elsewhere: it did not hear
                told_s = self.clock.now_s()
            return seen == target

        what = f"position {number}" + (f" ({self._names[number]})" if number in self._names else "")
        return self.watch(there, what=what, every_s=0.1, limit_s=self.settings.move_within_s)

    def _turn(self, number: int) -> None:
        text = vici.move_text(number, self.settings.direction)
        self._line.tell(vici.command(text, self.settings.unit), self.name)
        self._agreement.forget()

    def _looks(self) -> Position | None:
        """Where it is; None while it turns faster than it can be asked."""
        try:
            return self._ask_position()
        except DisagreementError:
            return None

    def make_safe(self) -> None:
        """Turn to the safe position and check that it is there; without one, stay."""
        self.give_up_watching()
        if self._safe is not None:
            self.set(self._safe).wait(2 * self.clock.real_s(self.settings.move_within_s) + 10)

    # Connection.

    def connect(self) -> None:
        """Check that the valve answers, has as many positions as were configured, and stands at one of them.

        Raises:
            InstrumentFaultError: it has more, or fewer.
            NotReachedError: it is between two positions.
        """
        s = self.settings
        positions = self._agreement.ask(
            "NP",
            lambda: self._line.ask(
                vici.command("NP", s.unit), lambda data: vici.decode_positions(data, s.dialect, s.unit), self.name
            ),
        )
        if positions != s.positions:
            raise InstrumentFaultError(
                f"{self.name}: has {positions} positions, but settings.positions is {s.positions}"
            )
        self.ask_position()

    def _ask_position(self) -> Position:
        s = self.settings

        def decode(data: bytes) -> Position | None:
            position = vici.decode_position(data, s.dialect, s.unit)
            if position is not None and not 1 <= position.number <= s.positions:
                raise ReplyError(f"there is no position {position.number}, there are {s.positions}")
            return position

        return self._agreement.ask("CP", lambda: self._line.ask(vici.command("CP", s.unit), decode, self.name))

    @property
    def _line(self):
        return shared_line(self._bench, self.address, self.name, self.settings)
