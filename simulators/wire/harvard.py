"""A Harvard Apparatus PHD ULTRA syringe pump on its serial line.

Source: user's manual, publication 5419-002, "Pump chain commands" (p. 83 ff.). Commands end with CR, may be
abbreviated to four letters, and are answered by lines ``LF text CR`` and a prompt ``LF :``. Where the manual
is silent, see the comments marked *assumed*.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.harvard_motor import Direction, Motion, PumpMotor
from simulators.wire.harvard_text import (
    ArgumentError,
    CommandError,
    read_number,
    read_rate,
    read_volume_ml,
    write_rate,
    write_volume,
)
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings

#: Address, "@" (do not refresh the display; where it goes is assumed), command.
_REQUESTS = {
    "colon": re.compile(r"@?(?:(\d{1,2}):)?@?(.*)", re.DOTALL),
    "plain": re.compile(r"@?(\d{1,2})?@?(.*)", re.DOTALL),
}
_FL_PER_ML = 1e12

Command = Callable[[list[str]], list[str]]


class PumpSettings(BenchSettings):
    """How the pump is set up on its own panel."""

    unit: int = Field(default=0, ge=0, le=99, description="address on the pump chain; 0: commands need no address")
    dialect: Literal["colon", "plain"] = Field(
        default="colon", description='how commands are addressed: the manual writes "12:irat", its siblings\' "12irat"'
    )
    before_text: Literal["prompt", "address"] = Field(
        default="prompt", description="what a pump with an address puts before each line of text: both were seen"
    )
    status_time: Literal["s", "ms"] = Field(
        default="s", description="unit of the time in the raw status: s by the manual, ms by its siblings"
    )
    status_flags: Literal[5, 6] = Field(
        default=6, description="flags in the raw status: five by the manual, six by what pumps were seen to send"
    )


class PhdUltra(Instrument):
    """The pump. See :class:`Instrument` for the arguments.

    Faults: ``stall`` holds the plunger, of which the pump says nothing: its next prompt is ``*``. ``clog`` and
    ``leak`` befall the path behind it.
    """

    part = "syringe"

    VERSION = "PHD ULTRA 3.0.5"
    LONGEST_REQUEST = 256
    NARROWEST_MM, WIDEST_MM = 0.1, 50.0

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        settings = bench_settings(PumpSettings, name, entry, config)
        self._unit = settings.unit
        self._request = _REQUESTS[settings.dialect]
        self._before_text = settings.before_text
        self._flags = settings.status_flags
        self._ticks_per_s = 1000 if settings.status_time == "ms" else 1
        self._drive = plant.drives[name]
        self._motor = PumpMotor(self._drive, on_target=self._announce_target)
        plant.controllers.append(self._motor.advance)
        self._rate_units: dict[Direction, str] = {}
        self._syringe_ml = 0.0
        self._nvram = "on"
        self._nvram_writes = 0
        self._echo = False
        self._unasked = b""
        self.faults |= {"stall": self._hold, "clog": plant.hydraulics.clog, "leak": plant.hydraulics.leak}
        infuse, withdraw = Direction.INFUSE, Direction.WITHDRAW
        self._commands: dict[str, Command] = {
            "ver": lambda _: [self.VERSION],
            "address": self._address,
            "diameter": self._diameter,
            "svolume": self._svolume,
            "irate": lambda arguments: self._rate(infuse, arguments),
            "wrate": lambda arguments: self._rate(withdraw, arguments),
            "irun": lambda _: self._run("irun", infuse),
            "wrun": lambda _: self._run("wrun", withdraw),
            "run": lambda _: self._run("run", self._motor.direction),
            "stop": self._stop,
            "stp": self._stop,
            "ivolume": lambda _: [write_volume(self._motor.moved_ml[infuse])],
            "wvolume": lambda _: [write_volume(self._motor.moved_ml[withdraw])],
            "civolume": lambda _: self._clear(infuse),
            "cwvolume": lambda _: self._clear(withdraw),
            "cvolume": lambda _: self._clear(infuse, withdraw),
            "tvolume": self._tvolume,
            "ctvolume": self._ctvolume,
            "status": lambda _: [self._status()],
            "nvram": self._set_nvram,
            "echo": self._set_echo,
        }

    def next_reply(self) -> Reply | None:
        """Handle the next line."""
        end = self._buffer.find(b"\r")
        if end < 0:
            del self._buffer[: -self.LONGEST_REQUEST]
            return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        echo = line if self._echo else b""
        return Reply.at_once(echo + self._answer(line.decode("ascii", "replace").strip()))

    def unasked(self) -> bytes:
        """The prompt with which the pump tells that it reached its target."""
        said, self._unasked = self._unasked, b""
        return said

    def truth(self) -> dict[str, Any]:
        """State and counters."""
        motor = self._motor
        return {
            "state": motor.motion.name.lower(),
            "told_diameter_mm": motor.diameter_mm,
            "infuse_rate_ml_min": motor.rate_ml_min[Direction.INFUSE],
            "withdraw_rate_ml_min": motor.rate_ml_min[Direction.WITHDRAW],
            "infused_ml": motor.moved_ml[Direction.INFUSE],
            "withdrawn_ml": motor.moved_ml[Direction.WITHDRAW],
            "target_ml": motor.target_ml,
            "held": self._drive.held,
            "nvram": self._nvram,
            "nvram_writes": self._nvram_writes,
        }

    def _answer(self, request: str) -> bytes:
        match = self._request.fullmatch(request)
        if match is None or int(match[1] or 0) != self._unit:
            return b""  # meant for another pump of the chain
        try:
            lines = self._execute(match[2].split())
        except CommandError as error:
            lines = error.lines
        return self._frame(lines)

    def _execute(self, words: list[str]) -> list[str]:
        if not words:
            return []
        word = words[0].lower()
        for name, command in self._commands.items():
            if word == name or (len(word) >= 4 and name.startswith(word)):
                return command(words[1:])
        raise CommandError(f"Command error: {' '.join(words)}", "Unknown command")

    def _frame(self, lines: list[str]) -> bytes:
        """Lines and prompt; a pump with an address puts it, and perhaps the prompt, before each line."""
        address = f"{self._unit:02d}" if self._unit else ""
        prompt = address + self._motor.motion.value
        before = "" if not self._unit else prompt if self._before_text == "prompt" else address
        return ("".join(f"\n{before}{line}\r" for line in lines) + f"\n{prompt}").encode("ascii", "replace")

    def _announce_target(self) -> None:
        self._unasked += self._frame([])

    def _hold(self, on: bool) -> None:
        self._drive.held = on

    def _store(self) -> list[str]:
        self._nvram_writes += self._nvram == "on"
        return []

    def _address(self, arguments: list[str]) -> list[str]:
        if not arguments:
            return [f"Pump address is {self._unit}"]  # assumed
        address = read_number(arguments[0])
        if not (address.is_integer() and address <= 99):
            raise ArgumentError(arguments[0], "Out of range")
        self._unit = int(address)
        return self._store()

    def _diameter(self, arguments: list[str]) -> list[str]:
        if not arguments:
            return [f"{self._motor.diameter_mm:.4f} mm"]
        diameter_mm = read_number(arguments[0])
        if arguments[1:] not in ([], ["mm"]):
            raise ArgumentError(arguments[1], "Unknown units")
        if not self.NARROWEST_MM <= diameter_mm <= self.WIDEST_MM:
            raise ArgumentError(arguments[0], "Out of range")
        if self._motor.running:  # assumed
            raise CommandError(f"Command error: diameter {' '.join(arguments)}", "Not while the pump is running")
        self._motor.set_diameter(diameter_mm)
        return self._store()

    def _svolume(self, arguments: list[str]) -> list[str]:
        if not arguments:
            return [write_volume(self._syringe_ml)]
        self._syringe_ml = read_volume_ml(arguments)
        return self._store()

    def _rate(self, direction: Direction, arguments: list[str]) -> list[str]:
        lowest, highest = self._motor.limits_ml_min
        match arguments:
            case []:
                rate_ml_min = self._motor.rate_ml_min[direction]
                # assumed: what a pump says that was never told a rate
                return ["Rate not set" if rate_ml_min is None else write_rate(rate_ml_min, self._rate_units[direction])]
            case ["lim"]:
                return [f"{write_rate(lowest)} to {write_rate(highest)}"]
            case ["max" | "min" as which]:
                rate_ml_min = highest if which == "max" else lowest
                unit = write_rate(rate_ml_min).split()[1]
            case _:
                rate_ml_min, unit = read_rate(arguments)
        if not self._motor.takes(rate_ml_min):
            raise ArgumentError(" ".join(arguments), "Out of range")
        self._rate_units[direction] = unit
        self._motor.set_rate(direction, rate_ml_min)
        return self._store()

    def _run(self, command: str, direction: Direction) -> list[str]:
        if self._motor.rate_ml_min[direction] is None:
            raise ArgumentError(command, "Rate not set")
        self._motor.run(direction)
        return []

    def _stop(self, _: list[str]) -> list[str]:
        self._motor.stop()
        return []

    def _clear(self, *directions: Direction) -> list[str]:
        for direction in directions:
            self._motor.clear(direction)
        return []

    def _tvolume(self, arguments: list[str]) -> list[str]:
        if not arguments:
            target_ml = self._motor.target_ml
            return ["Target volume not set" if target_ml is None else write_volume(target_ml)]
        target_ml = read_volume_ml(arguments)
        if target_ml <= 0:
            raise ArgumentError(" ".join(arguments), "Out of range")
        self._motor.target_ml = target_ml
        return self._store()

    def _ctvolume(self, _: list[str]) -> list[str]:
        self._motor.target_ml = None
        return self._store()

    def _status(self) -> str:
        """Raw status (manual, p. 88): rate in fl/s, time, volume in fl, of the direction; flags."""
        motor = self._motor
        direction = motor.direction
        rate_ml_min = (motor.rate_ml_min[direction] or 0.0) if motor.running else 0.0
        letter = direction.value.upper() if motor.running else direction.value
        stalled = "S" if motor.motion is Motion.STALLED else "."
        # The manual's line is "0 0 0 w..TI.". Assumed of it: the limit switch is not there, the trigger input is
        # high when nothing is connected, and the direction *port*, which is not the motor's direction, rests at I.
        # The sixth flag is the sibling's (Pump 11 Elite): target reached.
        reached = "T" if motor.motion is Motion.TARGET_REACHED else "."
        flags = f"{letter}.{stalled}TI{reached}"[: self._flags]
        rate_fl_s = round(rate_ml_min / 60 * _FL_PER_ML)
        moved_fl = round(motor.moved_ml[direction] * _FL_PER_ML)
        return f"{rate_fl_s} {int(motor.spent_s[direction] * self._ticks_per_s + 1e-6)} {moved_fl} {flags}"

    def _set_nvram(self, arguments: list[str]) -> list[str]:
        if not arguments:
            return [self._nvram]
        if arguments[0].lower() not in ("on", "off", "none"):
            raise ArgumentError(arguments[0], "Unknown option")
        self._nvram = arguments[0].lower()
        return []

    def _set_echo(self, arguments: list[str]) -> list[str]:
        if not arguments:
            return ["on" if self._echo else "off"]
        if arguments[0].lower() not in ("on", "off"):
            raise ArgumentError(arguments[0], "Unknown option")
        self._echo = arguments[0].lower() == "on"
        return []
