"""A Knauer Azura Compact HPLC pump on its network socket.

Source: the commands that public drivers send (flowchem's Azura Compact; one after the pump's instructions V6870), with
the ranges that they name. Lines end with CR; line feeds are passed over. *Assumed*, as nobody tells: how ``ON`` and
``OFF`` are answered, what the numbers in ``ERRORS`` mean, what the motor's current is, how long the pump waits for its
lowest pressure, and that a wrong value is ERROR:2 and anything else ERROR:1.
"""

import re
from typing import Any, Literal

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings

_COMMAND = re.compile(r"([A-Z]+(?:10|50)?)(\?|:(\d{1,6}))?")
_HEADS = {10: (10_000, 400), 50: (50_000, 150)}  # µl/min, 0.1 MPa
_ENDS = {"cr": "\r", "crlf": "\r\n", "lfcr": "\n\r"}


class CommandError(Exception):
    """A command is refused; the argument is the number of the error."""


class PumpSettings(BenchSettings):
    """What is on the pump, and what no source settles of its words."""

    head_ml: Literal[10, 50] = Field(default=10, description="which pump head is mounted")
    pressure_unit_bar: float = Field(default=1.0, gt=0, description="bar for each count of PRESSURE?")
    line_end: Literal["cr", "crlf", "lfcr"] = Field(default="cr", description="what ends a reply")
    orders: Literal["named", "plain"] = Field(default="named", description="ON is answered by ON:OK, or by OK")
    spin_up_s: float = Field(default=0.0, ge=0, description="plant seconds from ON to the first current of the motor")
    bare_values: bool = Field(default=False, description="FLOW? is answered by 1250, not FLOW:1250")


class AzuraCompact(Instrument):
    """The pump. See :class:`Instrument` for the arguments.

    Faults: ``stall`` blocks the motor; ``clog`` and ``leak`` befall the path behind it. The pump stops by itself then,
    or outside its pressure limits, and says so in its list of errors only.
    """

    part = "feed"

    LONGEST_REQUEST = 256
    BLOCKED, TOO_HIGH, TOO_LOW = 1, 2, 3  # assumed
    #: Plant seconds after a start in which the pressure may be too low.
    PATIENCE_S = 10.0

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._settings = bench_settings(PumpSettings, name, entry, config)
        self._feed = plant.feeds[name]
        self._hydraulics = plant.hydraulics
        plant.controllers.append(self._control)
        self._head = self._settings.head_ml
        self._on = False
        self._on_for_s = 0.0
        self._remote = False
        self._flow_ul_min = 0
        self._errors = [0] * 5
        # Value and what it may be.
        self._values: dict[str, tuple[int, int]] = {
            "STARTLEVEL": (1, 1),
            "STARTMODE": (0, 1),
            "EXTCONTR": (0, 1),
            "ERRIO": (0, 1),
        }
        for head, (_, highest) in _HEADS.items():
            self._values |= {
                f"PMIN{head}": (0, highest),
                f"PMAX{head}": (highest, highest),
                f"IMIN{head}": (0, 100),
                f"ADJ{head}": (1000, 2000),
                f"CORR{head}": (100, 300),
            }
        self.faults |= {"stall": self._hold, "clog": plant.hydraulics.clog, "leak": plant.hydraulics.leak}

    def next_reply(self) -> Reply | None:
        """Handle the next line."""
        end = self._buffer.find(b"\r")
        if end < 0:
            del self._buffer[: -self.LONGEST_REQUEST]
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        text = line.decode("ascii", "replace").strip("\n ")
        return Reply.at_once(self._answer(text)) if text else Reply.at_once(b"")

    def truth(self) -> dict[str, Any]:
        """State and limits."""
        return {
            "on": self._on,
            "flow_ul_min": self._flow_ul_min,
            "remote": self._remote,
            "errors": list(self._errors),
            "highest_bar": self._values[f"PMAX{self._head}"][0],
            "lowest_bar": self._values[f"PMIN{self._head}"][0],
            "delivered_ml": self._feed.delivered_ml,
            "held": self._feed.held,
        }

    def _answer(self, text: str) -> bytes:
        try:
            said = self._execute(text)
        except CommandError as error:
            said = f"ERROR:{error}"
        return (said + _ENDS[self._settings.line_end]).encode("ascii")

    def _execute(self, text: str) -> str:
        match = _COMMAND.fullmatch(text)
        if match is None:
            raise CommandError(1)
        name, asked, number = match[1], match[2] == "?", match[3]
        if asked:
            value = self._value(name)
            return value if self._settings.bare_values else f"{name}:{value}"
        if name in ("ON", "OFF", "REMOTE", "LOCAL"):
            self._order(name)
            return f"{name}:OK" if self._settings.orders == "named" else "OK"
        if number is None:
            raise CommandError(1)
        self._set(name, int(number))
        return f"{name}:OK"

    def _value(self, name: str) -> str:
        match name:
            case "FLOW":
                return str(self._flow_ul_min)
            case "HEADTYPE":
                return str(self._head)
            case "PRESSURE":
                return str(max(round(self._hydraulics.pressure_bar / self._settings.pressure_unit_bar), 0))
            case "IMOTOR":
                return str(self._current())
            case "ERRORS":
                return ",".join(map(str, self._errors))
            case "EXTFLOW":
                return "0"
            case _ if name in self._values:
                return str(self._values[name][0])
            case _:
                raise CommandError(1)

    def _current(self) -> int:
        """Percent: some for the motor, more for the pressure."""
        if not self._on or self._on_for_s < self._settings.spin_up_s or self._feed.stalled or self._feed.held:
            return 0
        return min(round(15 + self._hydraulics.pressure_bar / 5), 100)

    def _set(self, name: str, value: int) -> None:
        if name == "FLOW":
            if value > _HEADS[self._head][0]:
                raise CommandError(2)
            self._flow_ul_min = value
            self._drive()
        elif name == "HEADTYPE":
            if value not in _HEADS:
                raise CommandError(2)
            self._head = value
        elif name in self._values:
            highest = self._values[name][1]
            if value > highest:
                raise CommandError(2)
            self._values[name] = (value, highest)
        else:
            raise CommandError(1)

    def _order(self, name: str) -> None:
        match name:
            case "ON":
                self._on = True
                self._on_for_s = 0.0
                self._drive()
            case "OFF":
                self._on = False
                self._drive()
            case _:
                self._remote = name == "REMOTE"

    def _drive(self) -> None:
        self._feed.drive(self._flow_ul_min / 1000 if self._on else 0.0)

    def _control(self, dt_s: float) -> None:
        if not self._on:
            return
        self._on_for_s += dt_s
        pressure_bar = self._hydraulics.pressure_bar
        if self._feed.stalled:
            self._stop_with(self.BLOCKED)
        elif pressure_bar > self._values[f"PMAX{self._head}"][0]:
            self._stop_with(self.TOO_HIGH)
        elif pressure_bar < self._values[f"PMIN{self._head}"][0] and self._on_for_s > self.PATIENCE_S:
            self._stop_with(self.TOO_LOW)

    def _stop_with(self, error: int) -> None:
        self._errors = [error, *self._errors[:4]]
        self._order("OFF")

    def _hold(self, on: bool) -> None:
        self._feed.held = on
