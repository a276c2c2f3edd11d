"""A VICI multiposition valve actuator on its serial line, universal (EUT) or microelectric (EMH).

Sources: EUT user manual, pages 14–19; EMH and EMT user manual, pages 7–8; replies of microelectric actuators as public
drivers have them: two blanks in ``Position is  = 3``, ``Position is near to = 3`` between positions, ``Bad command``
behind what is refused, a move to where the valve is among it. *Assumed*: that a universal actuator tells the position
it passes while it moves, that it refuses in the same words, and that nothing is done while it moves.
"""

import re
from typing import Any, Literal

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings

_COMMAND = re.compile(r"(CP|NP|GO|CW|CC|HM|SM|VR|IFM|LG)([0-9]*|[FRA])")
_STEPS = {"CW": 1, "CC": -1}
_MODES = {"F": 1, "R": -1, "A": 0}


class ActuatorSettings(BenchSettings):
    """How the actuator is set up."""

    dialect: Literal["eut", "emh"] = "eut"
    unit: int | None = Field(default=None, ge=0, le=9, description="its ID; without one it hears every command")
    echo: bool = Field(default=False, description="whether moves are answered by an echo (IFM1)")


class MultipositionValve(Instrument):
    """The actuator. See :class:`Instrument` for the arguments.

    Faults: ``stick`` holds the valve where it is, between two positions once it is told to turn.
    """

    part = "valve"

    LONGEST_REQUEST = 64

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        settings = bench_settings(ActuatorSettings, name, entry, config)
        self._long = settings.dialect == "emh"
        self._id = "" if settings.unit is None else str(settings.unit)
        self._echo = settings.echo
        self._valve = plant.valves[name]
        self._mode = "A"
        self.faults["stick"] = self._stick

    def next_reply(self) -> Reply | None:
        """Handle the next line."""
        end = self._buffer.find(b"\r")
        if end < 0:
            del self._buffer[: -self.LONGEST_REQUEST]
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        text = line.replace(b"\n", b"").decode("ascii", "replace").strip().upper()
        if not text.startswith(self._id) or not text.removeprefix(self._id):
            return Reply.at_once(b"")  # meant for another
        return Reply.at_once(self._answer(text.removeprefix(self._id)))

    def truth(self) -> dict[str, Any]:
        """Where it stands and turns to."""
        return {"port": self._valve.port, "heading": self._valve.heading, "stuck": self._valve.stuck}

    def _answer(self, text: str) -> bytes:
        match = _COMMAND.fullmatch(text)
        said = None if match is None else self._execute(match[1], match[2])
        if said is None:
            said = f"{text} = Bad command"
        return f"{said}\r".encode("ascii", "replace") if said else b""

    def _execute(self, name: str, argument: str) -> str | None:
        """What it says, nothing perhaps; None when it refuses."""
        match name, argument:
            case "CP", "":
                return self._position()
            case "NP", "":
                return f"NP = {self._valve.ports}" if self._long else f"NP{self._valve.ports:02d}"
            case "VR", "":
                return "I-PD-AMHX88RD1"  # assumed
            case "SM", "":
                return f"SM = {self._mode}" if self._long else f"SM{self._mode}"
            case "SM", "F" | "R" | "A":
                self._mode = argument
                return ""
            case ("IFM", "0" | "1" | "2") if not self._long:
                self._echo = argument != "0"
                return ""
            case ("LG", "0" | "1") if not self._long:
                self._long = argument == "1"
                return ""
            case "HM", "":
                return self._turn(1, 0, "HM")
            case "GO" | "CW" | "CC", _:
                step = _STEPS.get(name, _MODES[self._mode])
                return self._turn(self._to(argument, step), step, f"{name}{argument}")
            case _:
                return None

    def _to(self, argument: str, step: int) -> int:
        return int(argument) if argument.isdecimal() else (self._valve.port - 1 + (step or 1)) % self._valve.ports + 1

    def _turn(self, port: int, step: int, command: str) -> str | None:
        valve = self._valve
        if not 1 <= port <= valve.ports or (port == valve.port and not valve.turning):
            return None
        valve.turn(port, step)
        return command if self._echo else ""

    def _position(self) -> str:
        valve = self._valve
        if not self._long:
            return f"CP{valve.port:02d}"
        return f"Position is near to = {valve.port}" if valve.turning else f"Position is  = {valve.port}"

    def _stick(self, on: bool) -> None:
        self._valve.stuck = on
