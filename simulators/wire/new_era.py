"""A New Era NE-1000 syringe pump on its serial line.

Source: NE-1000 series user manual, RS-232 protocol and command set. What was seen of it are
frames, states, alarms, errors, safe mode, units and the reply to DIS; what STP, RUN, CLD, PHN and FUN say and
refuse, and the comments marked *assumed*, are to be checked against a pump.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.harvard_motor import Direction, Motion, PumpMotor
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings

STX, ETX, CR = 2, 3, 13
_COMMAND = re.compile(r"(\d{1,2}|\*)?([A-Z]{3})?(.*)")
_NUMBER = re.compile(r"(?=[\d.]*\d)\d*\.?\d*")
_RATE = re.compile(r"([\d.]+)(UM|MM|UH|MH)?")
_PER_ML_MIN = {"MM": 1.0, "UM": 1000.0, "MH": 60.0, "UH": 60000.0}
_DIRECTIONS = {"INF": Direction.INFUSE, "WDR": Direction.WITHDRAW}
_LETTERS = {Motion.INFUSING: "I", Motion.WITHDRAWING: "W"}


class CommandError(Exception):
    """A command is refused; the argument follows the question mark."""


class PumpSettings(BenchSettings):
    """How the pump is set up on its own panel."""

    unit: int = Field(default=0, ge=0, le=99, description="address on the network; 0: commands need no address")
    safe_mode: bool = Field(default=False, description="whether it was left in safe mode when it was switched off")


class NeMotor(PumpMotor):
    """The same mechanics with this pump's limits: by its data sheet 0.004205 cm/h to 5.1005 cm/min (assumed)."""

    SLOWEST_MM_MIN = 0.04205 / 60
    FASTEST_MM_MIN = 51.005
    POWER_UP_DIAMETER_MM = 14.43


class Ne1000(Instrument):
    """The pump. See :class:`Instrument` for the other arguments.

    Faults: ``stall`` holds the plunger, which in safe mode the pump says by itself. ``clog`` and ``leak`` befall the
    path behind it.

    Args:
        real_s: tells real seconds: the time-outs of a wire are no part of the plant.
    """

    part = "syringe"

    VERSION = "NE1000V3.928"
    LONGEST_REQUEST = 256
    NARROWEST_MM, WIDEST_MM = 0.1, 50.0
    #: Up to this diameter volumes are in µl, above it in ml.
    MICROLITRES_MM = 14.0
    BETWEEN_BYTES_S = 0.5

    def __init__(
        self,
        name: str,
        entry: DeviceEntry,
        config: InstrumentConfig,
        plant: Plant,
        real_s: Callable[[], float] = time.monotonic,
    ):
        super().__init__(name, entry, config, plant)
        settings = bench_settings(PumpSettings, name, entry, config)
        self._unit = settings.unit
        self._real_s = real_s
        self._drive = plant.drives[name]
        self._motor = NeMotor(self._drive, on_target=lambda: None)
        plant.controllers.append(self._control)
        self._safe = settings.safe_mode
        self._timeout_s = 0
        self._heard_s: float | None = None  # last valid packet; None while the time-out does not run
        self._byte_s = 0.0
        self._alarm: str | None = "R"  # it was just switched on
        self._paused = False
        self._rate_unit = "MM"
        self._volume_ml = 0.0
        self._phase = 1
        self._functions = {1: "RAT", 2: "STP"}
        self._unasked = b""
        self.faults |= {"stall": self._hold, "clog": plant.hydraulics.clog, "leak": plant.hydraulics.leak}
        self._commands: dict[str, Callable[[str], str]] = {
            "": lambda _: "",
            "VER": lambda _: self.VERSION,
            "DIA": self._diameter,
            "RAT": self._rate,
            "VOL": self._volume,
            "DIR": self._direction,
            "RUN": self._run,
            "STP": self._stop,
            "DIS": self._dispensed,
            "CLD": self._clear,
            "PHN": self._select_phase,
            "FUN": self._function,
            "SAF": self._set_safe,
        }

    def receive(self, data: bytes) -> None:
        """Take bytes; in safe mode, a packet that was begun too long ago is forgotten."""
        now_s = self._real_s()
        if self._safe and now_s - self._byte_s > self.BETWEEN_BYTES_S:
            self._buffer.clear()
        self._byte_s = now_s
        super().receive(data)

    def next_reply(self) -> Reply | None:
        """Handle the next command, framed as the mode wants it."""
        return self._next_packet() if self._safe else self._next_line()

    def unasked(self) -> bytes:
        """The alarm that is told by itself in safe mode."""
        said, self._unasked = self._unasked, b""
        return said

    def truth(self) -> dict[str, Any]:
        """State and counters."""
        motor = self._motor
        return {
            "state": motor.motion.name.lower(),
            "alarm": self._alarm,
            "safe_mode": self._safe,
            "timeout_s": self._timeout_s,
            "told_diameter_mm": motor.diameter_mm,
            "rate_ml_min": motor.rate_ml_min[Direction.INFUSE],
            "infused_ml": motor.moved_ml[Direction.INFUSE],
            "withdrawn_ml": motor.moved_ml[Direction.WITHDRAW],
            "held": self._drive.held,
        }

    # Frames.

    def _next_line(self) -> Reply | None:
        end = self._buffer.find(CR)
        if end < 0:
            del self._buffer[: -self.LONGEST_REQUEST]
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return Reply.at_once(self._answer(line))

    def _next_packet(self) -> Reply | None:
        start = self._buffer.find(STX)
        del self._buffer[: len(self._buffer) if start < 0 else start]
        if len(self._buffer) < 2 or len(self._buffer) < 1 + self._buffer[1]:
            return None
        length = self._buffer[1]
        packet = bytes(self._buffer[: 1 + length])
        content = packet[2:-3]
        if length < 4 or packet[-1] != ETX or packet[-3:-1] != _crc(content):
            del self._buffer[:1]
            return Reply.at_once(self._frame(self._state() + "?COM"))
        del self._buffer[: 1 + length]
        self._heard_s = self._real_s()
        return Reply.at_once(self._answer(content))

    def _frame(self, text: str) -> bytes:
        data = f"{self._unit:02d}{text}".encode("ascii")
        if not self._safe:
            return bytes((STX, *data, ETX))
        return bytes((STX, len(data) + 4, *data, *_crc(data), ETX))

    def _answer(self, request: bytes) -> bytes:
        text = "".join(chr(byte) for byte in request if 0x20 < byte < 0x7F).upper()
        match = _COMMAND.fullmatch(text)
        if match is None or (match[1] != "*" and int(match[1] or 0) != self._unit):
            return b""  # meant for another pump
        name, argument = match[2] or "", match[3]
        command = self._commands.get(name) if name or not argument else None
        if command is None:
            return self._frame(self._state() + "?")
        if self._alarm is not None:  # told instead of doing anything, and thereby acknowledged
            alarm, self._alarm = self._alarm, None
            if name == "SAF" and argument.isdecimal():  # assumed: the mode is no data
                self._set_safe(argument)
            return self._frame(f"A?{alarm}")
        try:
            said = command(argument)
        except CommandError as error:
            said = f"?{error}"
        return self._frame(self._state() + said)  # assumed: a change of mode is answered in the new mode

    def _state(self) -> str:
        return _LETTERS.get(self._motor.motion, "P" if self._paused else "S")

    # What happens by itself.

    def _control(self, dt_s: float) -> None:
        silent_s = 0.0 if self._heard_s is None else self._real_s() - self._heard_s
        if self._safe and self._timeout_s and silent_s > self._timeout_s:
            self._heard_s = None
            self._stand_with("T")
        self._motor.advance(dt_s)
        if self._motor.motion is Motion.STALLED:
            self._stand_with("S")

    def _stand_with(self, alarm: str) -> None:
        self._motor.stop()
        self._paused = alarm == "S"  # assumed
        self._alarm = alarm
        if self._safe:
            self._unasked += self._frame(f"A?{alarm}")

    def _hold(self, on: bool) -> None:
        self._drive.held = on

    # Commands.

    @property
    def _volume_unit(self) -> str:
        return "UL" if self._motor.diameter_mm <= self.MICROLITRES_MM else "ML"

    def _in_units(self, volume_ml: float) -> str:
        return _digits(volume_ml * (1000 if self._volume_unit == "UL" else 1))

    def _diameter(self, argument: str) -> str:
        if not argument:
            return _digits(self._motor.diameter_mm)
        self._must_stand()
        diameter_mm = _number(argument)
        if not self.NARROWEST_MM <= diameter_mm <= self.WIDEST_MM:
            raise CommandError("OOR")
        self._motor.set_diameter(diameter_mm)
        for direction in Direction:
            self._motor.clear(direction)
        return ""

    def _rate(self, argument: str) -> str:
        rate_ml_min = self._motor.rate_ml_min[Direction.INFUSE] or 0.0
        if not argument:
            return _digits(rate_ml_min * _PER_ML_MIN[self._rate_unit]) + self._rate_unit
        match = _RATE.fullmatch(argument)
        if match is None:
            raise CommandError("")
        unit = match[2] or self._rate_unit
        if match[2]:
            self._must_stand()
        rate_ml_min = _number(match[1]) / _PER_ML_MIN[unit]
        if not self._motor.takes(rate_ml_min):
            raise CommandError("OOR")
        self._rate_unit = unit
        for direction in Direction:
            self._motor.set_rate(direction, rate_ml_min)
        return ""

    def _volume(self, argument: str) -> str:
        if not argument:
            return self._in_units(self._volume_ml) + self._volume_unit
        self._must_stand()
        self._volume_ml = _number(argument) / (1000 if self._volume_unit == "UL" else 1)
        return ""

    def _direction(self, argument: str) -> str:
        if not argument:
            return next(word for word, direction in _DIRECTIONS.items() if direction is self._motor.direction)
        if argument not in _DIRECTIONS:
            raise CommandError("")
        self._must_stand()
        self._motor.direction = _DIRECTIONS[argument]
        return ""

    def _run(self, _: str) -> str:
        motor = self._motor
        if motor.running or motor.rate_ml_min[motor.direction] is None:
            raise CommandError("NA")
        if not self._paused:
            motor.target_ml = motor.moved_ml[motor.direction] + self._volume_ml if self._volume_ml else None
        self._paused = False
        motor.run(motor.direction)
        return ""

    def _stop(self, _: str) -> str:
        """The first time it pauses, the second time it ends the program."""
        if not (self._motor.running or self._paused):
            raise CommandError("NA")
        self._paused = self._motor.running
        self._motor.stop()
        return ""

    def _dispensed(self, _: str) -> str:
        moved = self._motor.moved_ml
        infused, withdrawn = (self._in_units(moved[direction]) for direction in Direction)
        return f"I{infused}W{withdrawn}{self._volume_unit}"

    def _clear(self, argument: str) -> str:
        if argument not in _DIRECTIONS:
            raise CommandError("")
        self._must_stand()
        self._motor.clear(_DIRECTIONS[argument])
        return ""

    def _select_phase(self, argument: str) -> str:
        if not argument:
            return str(self._phase)
        self._must_stand()
        if not 1 <= _number(argument) <= 41:
            raise CommandError("OOR")
        self._phase = int(argument)
        return ""

    def _function(self, argument: str) -> str:
        if not argument:
            return self._functions.get(self._phase, "STP")
        self._must_stand()
        if argument not in ("RAT", "STP"):
            raise CommandError("")  # the others are not simulated
        self._functions[self._phase] = argument
        return ""

    def _set_safe(self, argument: str) -> str:
        if not argument:
            return str(self._timeout_s)
        if not argument.isdecimal():
            raise CommandError("")
        self._timeout_s = int(argument)
        self._safe = self._timeout_s > 0
        return ""

    def _must_stand(self) -> None:
        if self._motor.running:
            raise CommandError("NA")


def _crc(data: bytes) -> bytes:
    """CRC-CCITT that begins with 0, bit by bit, high byte first."""
    register = 0
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return register.to_bytes(2, "big")


def _number(text: str) -> float:
    """At most four digits, three of them behind the point."""
    if _NUMBER.fullmatch(text) is None:
        raise CommandError("")
    if len(text.replace(".", "")) > 4 or len(text.partition(".")[2]) > 3:
        raise CommandError("OOR")
    return float(text)


def _digits(value: float) -> str:
    """Four digits, the point among them."""
    before = len(str(int(value + 0.5)))
    return f"{value:.{min(max(4 - before, 0), 3)}f}"
