"""A Eurotherm 3216 temperature controller on its RS-485 line.

Source: 3200 series engineering handbook HA028651, section 15 (Modbus addresses). Values are scaled integers:
the display's value without its point. The IEEE region has them once more as floats in two registers, from
0x8000 plus twice their address on, the more significant register first; here it is only read.
"""

import struct
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.plant import Plant
from simulators.wire.control_loop import Oven
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings
from simulators.wire.modbus import BROADCAST, ILLEGAL_VALUE, ModbusError, Register, answer, seal, take_frame

# Instrument status, register 75.
MANUAL, SENSOR_BREAK, LOOP_BREAK, OVER_RANGE, REMOTE_FAIL = 1 << 4, 1 << 5, 1 << 6, 1 << 10, 1 << 14
IEEE = 0x8000


class ControllerSettings(BenchSettings):
    """How the controller is configured on its own panel."""

    unit: int = Field(default=1, ge=1, le=254, description="Modbus address")
    decimals: int = Field(default=1, ge=0, le=2, description="decimals on the display, and so on the wire")
    remote_timeout_s: float = Field(default=5.0, gt=0, description="real seconds in which the remote set point holds")
    local_c: float = Field(default=20.0, description="both local set points after power-up")
    set_point_low_c: float = Field(default=0.0, description="set point low limit")
    set_point_high_c: float = Field(default=400.0, description="set point high limit")
    range_low_c: float = Field(default=-200.0, description="input range low limit: thermocouple K")
    range_high_c: float = Field(default=1372.0, description="input range high limit: thermocouple K")


class Eurotherm3216(Instrument):
    """The controller.

    Args:
        name: see :class:`Instrument`, for this and the next three.
        entry: the device's table.
        config: the instrument file.
        plant: has a heated block under the same name.
        real_s: tells real seconds. The window in which the remote set point has to be refreshed is a
            property of the line and does not run faster with the plant.

    Faults: ``sensor_break`` opens the thermocouple; ``loop_break`` cuts the heating element off, which shows in the
    status when full power has had no effect for the loop break time; ``over_range`` drives the input beyond its range;
    ``runaway`` welds the relay behind the controller: full power, whatever it is told.
    """

    part = "heater"

    def __init__(
        self,
        name: str,
        entry: DeviceEntry,
        config: InstrumentConfig,
        plant: Plant,
        real_s: Callable[[], float] = time.monotonic,
    ):
        super().__init__(name, entry, config, plant)
        s = bench_settings(ControllerSettings, name, entry, config)
        self._unit = s.unit
        self._scale = 10**s.decimals
        self._remote_timeout_s = s.remote_timeout_s
        self._low_c, self._high_c = s.set_point_low_c, s.set_point_high_c
        self._range_c = (s.range_low_c, s.range_high_c)
        self._real_s = real_s
        self._oven = Oven(name, config, plant.heaters[name], self._range_c, self._working_c)
        self._local_c = [s.local_c, s.local_c]
        self._selected = 0
        self._remote = False
        self._remote_c = 0.0
        self._refreshed_s: float | None = None
        self._memory_writes: Counter[str] = Counter()
        self._registers = self._map()
        self.faults["sensor_break"] = self._oven.break_sensor
        self.faults["loop_break"] = self._oven.break_loop
        self.faults["over_range"] = self._oven.exceed_range
        self.faults["runaway"] = self._oven.run_away
        plant.controllers.append(self._oven.advance)

    def next_reply(self) -> Reply | None:
        """Handle the next frame; frames for other units are passed over."""
        frame = take_frame(self._buffer, self._unit)
        if frame is None:
            return None
        unit, pdu = frame[0], frame[1:]
        if unit == BROADCAST:
            answer(pdu, self._registers)
        if unit != self._unit:
            return Reply.at_once(b"")
        return Reply.at_once(seal(bytes((unit,)) + answer(pdu, self._registers)))

    def truth(self) -> dict[str, Any]:
        """Set points, mode, and what wears out."""
        return {
            "working_set_point_c": self._working_c(),
            "local_set_point_c": self._local_c[self._selected],
            "remote_selected": self._remote,
            "remote_valid": self._remote_valid(),
            "reading_c": self._oven.reading_c,
            "output": self._oven.output,
            "manual": self._oven.manual,
            "sensor_break": self._oven.broken,
            "status": self._status(),
            "memory_writes": {address: self._memory_writes[address] for address in ("2", "24", "25")},
        }

    def _map(self) -> dict[int, Register]:
        values: dict[int, tuple[Callable[[], float], Callable[[int], None] | None]] = {
            1: (lambda: self._oven.reading_c, None),
            2: (self._working_c, lambda raw: self._set_local(2, self._selected, raw)),
            3: (lambda: 100 * self._oven.manual_output, self._set_manual_output),
            4: (lambda: 100 * self._oven.output, None),
            5: (self._working_c, None),
            11: (lambda: self._range_c[0], None),
            12: (lambda: self._range_c[1], None),
            24: (lambda: self._local_c[0], lambda raw: self._set_local(24, 0, raw)),
            25: (lambda: self._local_c[1], lambda raw: self._set_local(25, 1, raw)),
            26: (lambda: self._remote_c, self._set_remote),
            111: (lambda: self._high_c, self._set_high),
            112: (lambda: self._low_c, self._set_low),
        }
        registers = {
            15: Register(lambda: self._selected, self._select),
            75: Register(self._status),
            273: Register(lambda: int(self._oven.manual), self._set_manual),
            276: Register(lambda: int(self._remote), self._select_remote),
        }
        for address, (value, write) in values.items():
            registers[address] = Register(lambda value=value: self._raw(value()), write)
            for word in (0, 1):
                registers[IEEE + 2 * address + word] = Register(partial(_half_of_float, value, word))
        return registers

    def _raw(self, value: float) -> int:
        return min(max(round(value * self._scale), -32768), 32767)

    def _degrees(self, raw: int) -> float:
        """A temperature within the input range."""
        if not self._raw(self._range_c[0]) <= raw <= self._raw(self._range_c[1]):
            raise ModbusError(ILLEGAL_VALUE)
        return raw / self._scale

    def _set_point(self, raw: int) -> float:
        if not self._raw(self._low_c) <= raw <= self._raw(self._high_c):
            raise ModbusError(ILLEGAL_VALUE)
        return raw / self._scale

    def _set_local(self, address: int, which: int, raw: int) -> None:
        self._local_c[which] = self._set_point(raw)
        self._memory_writes[str(address)] += 1

    def _set_remote(self, raw: int) -> None:
        self._remote_c = self._set_point(raw)
        self._refreshed_s = self._real_s()

    def _select(self, raw: int) -> None:
        self._selected = _one_of(raw, 0, 1)

    def _select_remote(self, raw: int) -> None:
        self._remote = _one_of(raw, 0, 1) == 1

    def _set_high(self, raw: int) -> None:
        self._high_c = self._degrees(raw)

    def _set_low(self, raw: int) -> None:
        self._low_c = self._degrees(raw)

    def _set_manual(self, raw: int) -> None:
        self._oven.set_manual(_one_of(raw, 0, 1) == 1)

    def _set_manual_output(self, raw: int) -> None:
        if not 0 <= raw <= 100 * self._scale:
            raise ModbusError(ILLEGAL_VALUE)
        self._oven.manual_output = raw / self._scale / 100

    def _remote_valid(self) -> bool:
        return self._refreshed_s is not None and self._real_s() - self._refreshed_s <= self._remote_timeout_s

    def _working_c(self) -> float:
        """The remote set point while it is selected and fresh, the selected local one otherwise."""
        return self._remote_c if self._remote and self._remote_valid() else self._local_c[self._selected]

    def _status(self) -> int:
        flags = {
            MANUAL: self._oven.manual,
            SENSOR_BREAK: self._oven.broken,
            LOOP_BREAK: self._oven.loop_broken,
            OVER_RANGE: self._oven.over_range,
            REMOTE_FAIL: self._remote and not self._remote_valid(),
        }
        return sum(bit for bit, on in flags.items() if on)


def _half_of_float(value: Callable[[], float], word: int) -> int:
    """The first or second register of a value as a float."""
    return struct.unpack(">2H", struct.pack(">f", value()))[word]


def _one_of(raw: int, *allowed: int) -> int:
    if raw not in allowed:
        raise ModbusError(ILLEGAL_VALUE)
    return raw
