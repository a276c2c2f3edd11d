"""The beam as a beamline shows it: a shutter with a command and a status, and the current of the storage ring."""

from typing import Annotated, Any

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.epics.records import Records, RecordSettings
from simulators.wire.instrument import bench_settings


class ShutterSettings(RecordSettings):
    """How the shutter moves.

    Attributes:
        travel_s: plant seconds from one end to the other.
    """

    travel_s: Annotated[float, Field(ge=0)] = 1.0


class Shutter(Records):
    """A shutter: writing ``:CMD`` moves it, ``:STATUS`` says where it is. Fault: ``stuck``: it stays where it is."""

    COMMANDS = ("Close", "Open")
    CLOSED, OPEN, MOVING = STATES = ("Closed", "Open", "Moving")

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._travel_s = bench_settings(ShutterSettings, name, entry, config).travel_s
        self._wanted_open = self._xray.shutter_open
        self._left_s = 0.0
        self._stuck = False
        self.faults["stuck"] = self._be_stuck
        self._choice(":CMD", self.COMMANDS, self.COMMANDS[self._wanted_open], self._command)
        self._choice(":STATUS", self.STATES, self.state)
        plant.controllers.append(self._advance)

    @property
    def state(self) -> str:
        """Where it is."""
        if self._wanted_open != self._xray.shutter_open and not self._stuck:
            return self.MOVING
        return self.OPEN if self._xray.shutter_open else self.CLOSED

    def readings(self) -> dict[str, Any]:
        """Its state."""
        return {":STATUS": self.state}

    def truth(self) -> dict[str, Any]:
        """Where it is, whatever it was told."""
        return {"open": self._xray.shutter_open, "told_open": self._wanted_open}

    def _command(self, command: str) -> str:
        self._wanted_open = command == self.COMMANDS[1]
        self._left_s = self._travel_s
        return command

    def _advance(self, dt_s: float) -> None:
        if self._wanted_open == self._xray.shutter_open or self._stuck:
            return
        self._left_s -= dt_s
        if self._left_s <= 0:
            self._xray.shutter_open = self._wanted_open

    def _be_stuck(self, on: bool) -> None:
        self._stuck = on


class Ring(Records):
    """The storage ring's current, ``:CURRENT`` in mA. Fault: ``dump``: the beam is lost until it is cleared."""

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self.faults["dump"] = self._dump
        self._dumped = False
        self._double(":CURRENT", self._xray.ring.current_ma, units="mA", precision=3)

    def readings(self) -> dict[str, Any]:
        """The current."""
        return {":CURRENT": self._xray.ring.current_ma}

    def truth(self) -> dict[str, Any]:
        """The current."""
        return {"current_ma": self._xray.ring.current_ma}

    def _dump(self, on: bool) -> None:
        if on:
            self._xray.ring.dump()
        elif self._dumped:
            self._xray.ring.refill()
        self._dumped = on
