"""The beam as a beamline gives it: a shutter with a command and a status, and the current of the storage ring.

There is no record that all beamlines share for either: names and values are settings, whose defaults are those of the
simulated server.
"""

from typing import Annotated, Any

from ophyd import Component as Cpt
from ophyd import EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import Status
from pydantic import Field

from devices.base import Quantity
from devices.epics import EpicsInstrument, EpicsSettings
from devices.errors import NotReachedError
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

#: A number, or the name of a state.
_State = Annotated[int | str, Field(union_mode="smart")]


class BeamShutterSettings(EpicsSettings):
    """How the shutter is commanded and what it says."""

    open_pv: str = Field(default=":CMD", description="written to open it; appended to the prefix")
    open_command: _State = Field(default=1, description="what is written there; a number or the name of a state")
    close_pv: str = Field(default=":CMD", description="written to close it; appended to the prefix")
    close_command: _State = Field(default=0, description="what is written there")
    status_pv: str = Field(default=":STATUS", description="where it is; appended to the prefix")
    open_status: _State = Field(default=1, description="what that says when it is open")
    closed_status: _State = Field(default=0, description="what that says when it is closed")
    travel_s: Annotated[float, Field(gt=0)] = Field(default=5.0, description="seconds from one end to the other")


class BeamShutter(EpicsInstrument):
    """The beam shutter: set it to True to open it, to False to close it. Its safe state is closed."""

    Settings = BeamShutterSettings

    open = Cpt(Quantity, ask="ask_open", units="", kind=Kind.normal)

    def __init__(self, name: str, entry: DeviceEntry, settings: BeamShutterSettings, bench: Bench):
        self.settings = settings
        super().__init__(name, entry, settings, bench)

    def ask_open(self) -> bool:
        """Whether it is open; False means that it is closed, and says so.

        Raises:
            NotReachedError: it is neither: it moves, or it is stuck between.
        """
        state = self._ask_state()
        if state not in (self.settings.open_status, self.settings.closed_status):
            raise NotReachedError(f"{self.name}: is neither open nor closed: its status is {state!r}")
        return state == self.settings.open_status

    def _ask_state(self) -> int | str:
        signal = self.client("status", lambda _: EpicsSignalRO(self._pv("status"), name=f"{self.name}_status"))
        if isinstance(self.settings.open_status, str):
            return str(self.ask(signal, "status", as_string=True))
        return int(self.ask_number(signal, "status"))

    def check_value(self, value: bool, **_: Any) -> None:
        """A shutter can always be told to open or close."""

    def set(self, value: bool) -> Status:
        """Open or close it.

        Returns:
            Done when its status says so.

        Raises:
            DeviceError: it did not take the command; by the status: it did not get there in time.
        """
        wanted = bool(value)
        self._command(wanted)
        return self.watch(
            lambda: self._is(wanted), what="open" if wanted else "closed", every_s=0.1, limit_s=self._limit_s
        )

    def make_safe(self) -> None:
        """Close it and wait until its status says so.

        Raises:
            NotReachedError: it is not closed in time.
        """
        self.give_up_watching()
        self._command(False)
        if not self.clock.wait_until(lambda: self._is(False), every_s=0.1, limit_s=self._limit_s):
            raise NotReachedError(f"{self.name}: was told to close, but its status is {self._ask_state()!r}")

    def connect(self) -> None:
        """Find its process variables; nothing moves.

        Raises:
            LinkError: one was not found.
        """
        self._ask_state()
        for which in ("open", "close"):
            self._actuator(which)

    @property
    def _limit_s(self) -> float:
        return self.settings.travel_s + self.wire_s()

    def _is(self, wanted_open: bool) -> bool:
        return self._ask_state() == (self.settings.open_status if wanted_open else self.settings.closed_status)

    def _command(self, wanted_open: bool) -> None:
        which = "open" if wanted_open else "close"
        self.tell(self._actuator(which), getattr(self.settings, f"{which}_command"), f"command to {which}")

    def _actuator(self, which: str) -> EpicsSignal:
        return self.client(which, lambda _: EpicsSignal(self._pv(which), name=f"{self.name}_{which}_command"))

    def _pv(self, which: str) -> str:
        return self.settings.prefix + getattr(self.settings, f"{which}_pv")


class RingCurrentSettings(EpicsSettings):
    """Where the current is."""

    current_pv: str = Field(default=":CURRENT", description="the current in mA; appended to the prefix")


class RingCurrent(EpicsInstrument):
    """The current of the storage ring. It is only read: nothing of it can be made safe."""

    Settings = RingCurrentSettings

    current_ma = Cpt(Quantity, ask="ask_current_ma", units="mA", precision=3, kind=Kind.normal)

    def __init__(self, name: str, entry: DeviceEntry, settings: RingCurrentSettings, bench: Bench):
        self.settings = settings
        super().__init__(name, entry, settings, bench)

    def ask_current_ma(self) -> float:
        """The current now.

        Raises:
            ReplyError: what the server says is no number.
            InstrumentFaultError: the server does not know it.
        """
        pv = self.settings.prefix + self.settings.current_pv
        signal = self.client("current", lambda _: EpicsSignalRO(pv, name=f"{self.name}_pv"))
        return self.ask_number(signal, "current")

    def make_safe(self) -> None:
        """A reading does no harm."""
        self.give_up_watching()

    def connect(self) -> None:
        """Find it and read it once.

        Raises:
            LinkError: it was not found.
        """
        self.ask_current_ma()
