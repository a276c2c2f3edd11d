"""A Eurotherm 2408 temperature controller that speaks EI-Bisynch.

Source: series 2000 communications handbook HA026230 issue 2.0: chapter 4, pages 5-4, 5-21, 5-22; the codes of EE as
public drivers read them. *Assumed*: how many decimals it sends, that it takes a set point within 0.1 s, that it
rounds what it is told to its display's decimals.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.bisynch import (
    ACK,
    EOT,
    GARBLED,
    NAK,
    NO_ERROR,
    NO_SUCH,
    OUTSIDE_LIMITS,
    READ_ONLY,
    Request,
    frame,
    take_request,
)
from simulators.wire.control_loop import Oven
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings

# Summary output status, SO.
MANUAL, SENSOR_BREAK, LOOP_BREAK, OVER_RANGE = 1 << 4, 1 << 5, 1 << 6, 1 << 10
# Instrument status, IW.
RAMP_RUNNING, REMOTE_ACTIVE = 1 << 2, 1 << 3
_NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+) *")


class ControllerSettings(BenchSettings):
    """How the controller is configured on its own panel."""

    unit: int = Field(default=1, ge=0, le=99, description="address")
    decimals: int = Field(default=1, ge=0, le=2, description="decimals on the display, and so on the wire")
    left_at_c: float = Field(default=20.0, description="set point that it was left at when it was switched off")
    set_point_low_c: float = Field(default=0.0, description="set point low limit")
    set_point_high_c: float = Field(default=400.0, description="set point high limit")
    range_low_c: float = Field(default=-200.0, description="input range low limit: thermocouple K")
    range_high_c: float = Field(default=1372.0, description="input range high limit: thermocouple K")
    rate_c_per_min: float = Field(default=0.0, ge=0, description="set point rate limit; 0: none")
    hexadecimal_words: bool = Field(default=True, description="whether status words come as >0420, or as 1056.")


class RefusalError(Exception):
    """A parameter is not told or not taken.

    Args:
        code: for EE.
    """

    def __init__(self, code: int):
        super().__init__(f"error {code}")
        self.code = code


@dataclass(frozen=True)
class Parameter:
    """How a parameter is read and, unless it is only read, written."""

    read: Callable[[], str]
    write: Callable[[str], None] | None = None


class Eurotherm2408(Instrument):
    """The controller. See :class:`Instrument` for the arguments.

    It keeps its set point, whatever happens on the line.

    Faults: ``sensor_break``, ``loop_break``, ``over_range``, ``runaway`` as those of the 3216; ``remote`` selects a
    remote set point on the panel, which overrides the one that was told.
    """

    part = "heater"

    #: What stands at the remote input.
    REMOTE_C = 35.0

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        s = bench_settings(ControllerSettings, name, entry, config)
        self._settings = s
        self._target_c = s.left_at_c
        self._ramp_c = s.left_at_c
        self._remote = False
        self._error = NO_ERROR
        self._writes: Counter[str] = Counter()
        self._oven = Oven(name, config, plant.heaters[name], (s.range_low_c, s.range_high_c), self._working_c)
        self._parameters = {
            "PV": Parameter(lambda: self._number(self._oven.reading_c)),
            "SL": Parameter(lambda: self._number(self._target_c), self._set_target),
            "SP": Parameter(lambda: self._number(self._working_c())),
            "OP": Parameter(lambda: self._number(100 * self._oven.output), self._set_output),
            "mA": Parameter(lambda: f"{int(self._oven.manual)}.", self._set_manual),
            "SO": Parameter(lambda: self._word(self._status())),
            "IW": Parameter(lambda: self._word(self._instrument_status())),
            "EE": Parameter(lambda: f">{self._error:04X}"),
        }
        self.faults["sensor_break"] = self._oven.break_sensor
        self.faults["loop_break"] = self._oven.break_loop
        self.faults["over_range"] = self._oven.exceed_range
        self.faults["runaway"] = self._oven.run_away
        self.faults["remote"] = self._select_remote
        plant.controllers.append(self._control)

    def next_reply(self) -> Reply | None:
        """Handle the next request; those for other units are passed over."""
        request = take_request(self._buffer)
        if request is None:
            return None
        return Reply.at_once(self._answer(request) if request.unit == self._settings.unit else b"")

    def truth(self) -> dict[str, Any]:
        """Set points, mode, and what wears out."""
        return {
            "target_c": self._target_c,
            "working_set_point_c": self._working_c(),
            "reading_c": self._oven.reading_c,
            "output": self._oven.output,
            "manual": self._oven.manual,
            "sensor_break": self._oven.broken,
            "status": self._status(),
            "memory_writes": {"SL": self._writes["SL"]},
        }

    def _answer(self, request: Request) -> bytes:
        try:
            reply = self._execute(request)
        except RefusalError as refusal:
            self._error = refusal.code
            return bytes([EOT if request.data is None else NAK])
        if request.mnemonic != "EE":
            self._error = NO_ERROR
        return reply

    def _execute(self, request: Request) -> bytes:
        if not request.whole:
            raise RefusalError(GARBLED)
        parameter = self._parameters.get(request.mnemonic)
        if parameter is None:
            raise RefusalError(NO_SUCH)
        if request.data is None:
            return frame(request.mnemonic, parameter.read())
        if parameter.write is None:
            raise RefusalError(READ_ONLY)
        if not _NUMBER.fullmatch(request.data):
            raise RefusalError(GARBLED)
        parameter.write(request.data)
        self._writes[request.mnemonic] += 1
        return bytes([ACK])

    def _number(self, value: float) -> str:
        text = f"{value:.{self._settings.decimals}f}"
        return text if "." in text else f"{text}."

    def _word(self, value: int) -> str:
        return f">{value:04X}" if self._settings.hexadecimal_words else f"{value}."

    def _set_target(self, text: str) -> None:
        value_c = round(float(text), self._settings.decimals)
        if not self._settings.set_point_low_c <= value_c <= self._settings.set_point_high_c:
            raise RefusalError(OUTSIDE_LIMITS)
        self._target_c = value_c
        if not self._settings.rate_c_per_min:
            self._ramp_c = value_c

    def _set_output(self, text: str) -> None:
        if not self._oven.manual:
            raise RefusalError(READ_ONLY)
        if not 0 <= float(text) <= 100:
            raise RefusalError(OUTSIDE_LIMITS)
        self._oven.manual_output = float(text) / 100

    def _set_manual(self, text: str) -> None:
        if float(text) not in (0, 1):
            raise RefusalError(OUTSIDE_LIMITS)
        self._oven.set_manual(float(text) == 1)

    def _select_remote(self, on: bool) -> None:
        self._remote = on

    def _working_c(self) -> float:
        return self.REMOTE_C if self._remote else self._ramp_c

    def _status(self) -> int:
        flags = {
            MANUAL: self._oven.manual,
            SENSOR_BREAK: self._oven.broken,
            LOOP_BREAK: self._oven.loop_broken,
            OVER_RANGE: self._oven.over_range,
        }
        return sum(bit for bit, on in flags.items() if on)

    def _instrument_status(self) -> int:
        ramping = self._ramp_c != self._target_c and not self._remote
        return RAMP_RUNNING * ramping + REMOTE_ACTIVE * self._remote

    def _control(self, dt_s: float) -> None:
        if rate_c_per_min := self._settings.rate_c_per_min:
            step_c = rate_c_per_min / 60 * dt_s
            self._ramp_c += min(max(self._target_c - self._ramp_c, -step_c), step_c)
        self._oven.advance(dt_s)
