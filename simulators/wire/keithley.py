"""A Keithley 6485 picoammeter on its RS-232 line, or behind a server that leads it to TCP.

Source: model 6485 instruction manual 6485-901-01A: pages 9-12 (queries), 9-17 (a command ends with CR), 10-18 (error
queue), 13-4 and 13-6 (data format); status bits of the 6487 reference manual, page 13-8. *Assumed*: the words of an
empty error queue, that a reading takes three times its integration, offset and noise.
"""

import re
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from flowlab.errors import BadInputError
from simulators.plant.plant import Plant
from simulators.wire import scpi
from simulators.wire.instrument import BenchSettings, Instrument, Reply, bench_settings
from simulators.wire.scpi import Command, ScpiError

# Status word.
OVERFLOW, ZERO_CHECK, ZERO_CORRECT = 1 << 0, 1 << 9, 1 << 10
RANGES_A = tuple(2 * 10.0**exponent for exponent in range(-9, -1))
NO_READING = (-230, "Data corrupt or stale")
_OVER = 1.05  # a range holds 5 % more than its name
_CLOCK_S = 100_000.0
_LONGEST = 256


class BeamMonitors(Protocol):
    """What the plant's X-ray side has to offer."""

    def incident_a(self) -> float:
        """Current of the monitor before the sample."""
        ...

    def transmitted_a(self) -> float:
        """Current of the monitor behind it."""
        ...


class MeterSettings(BenchSettings):
    """What is connected to the input, and how the instrument is set up on its panel."""

    measures: Literal["incident", "transmitted", "source"] = Field(
        default="incident", description="the plant's monitor before or behind the sample, or a steady source"
    )
    source_a: float = Field(default=1e-6, description="current of the steady source")
    noise: float = Field(default=1e-4, ge=0, description="relative noise of the steady source")
    offset_a: float = Field(default=3e-12, description="the instrument's own offset, on every range")
    line_hz: Literal[50, 60] = 50
    sends: Literal["\r", "\n", "\r\n", "\n\r"] = Field(default="\r", description="what its replies end with")


class Keithley6485(Instrument):
    """The picoammeter. See :class:`Instrument` for the arguments.

    Faults: ``overflow`` has more current flow than any range holds; ``zero_check`` is switched on from the panel;
    ``restart`` is a short loss of power.

    Raises:
        BadInputError: it is to measure a beam, but the plant has none.
    """

    REMEMBERED = 2000
    IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 6485,4126216,C01   Jun 23 2010 12:22:00/A02  /J"

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._settings = bench_settings(MeterSettings, name, entry, config)
        self._current_a = self._input(config)
        seed = config.simulation.seed if config.simulation else 0
        self._random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self._overflows = False
        self._switched_on_s = 0.0
        self._measured_a: deque[float] = deque(maxlen=self.REMEMBERED)
        self._preset()
        self._zero_a = 0.0
        self.faults["overflow"] = self._overflow
        self.faults["zero_check"] = self._switch_zero_check
        self.faults["restart"] = self._restart
        on_off = {
            "[SENSe[1]]:CURRent[:DC]:RANGe:AUTO": "_auto",
            "SYSTem:ZCHeck[:STATe]": "_zero_check",
            "SYSTem:ZCORrect[:STATe]": "_zero_correct",
        }
        self._commands: dict[str, Command] = {
            "*IDN": Command(ask=lambda: self.IDENTITY),
            "*RST": Command(tell=lambda _: self._preset()),
            "*CLS": Command(tell=lambda _: self._errors.clear()),
            "STATus:QUEue[:NEXT]": Command(ask=self._next_error),
            "SYSTem:ERRor[:NEXT]": Command(ask=self._next_error),
            "SYSTem:LFRequency": Command(ask=lambda: f"{self._settings.line_hz}"),
            "FORMat:ELEMents": Command(tell=self._set_elements, ask=lambda: ",".join(self._elements)),
            "[SENSe[1]]:CURRent[:DC]:NPLCycles": Command(self._set_nplc, lambda: f"{self._nplc:+.6E}"),
            "[SENSe[1]]:CURRent[:DC]:RANGe[:UPPer]": Command(self._set_range, lambda: f"{_OVER * self._range_a:+.6E}"),
            "SYSTem:ZCORrect:ACQuire": Command(tell=lambda _: self._acquire_zero()),
            "FETCh": Command(ask=self._fetch),
        } | {form: self._switch(attribute) for form, attribute in on_off.items()}

    def next_reply(self) -> Reply | None:
        """Handle the next line; READ?, which has to stand alone on its line, takes as long as three integrations."""
        found = re.search(rb"[\r\n]", self._buffer)
        if found is None:
            del self._buffer[:-_LONGEST]
            return None
        line = self._buffer[: found.start()].decode("latin-1").strip()
        del self._buffer[: found.end()]
        if line.upper() in ("READ?", ":READ?"):
            return Reply(self._read, 3 * self._nplc / self._settings.line_hz)
        return Reply.at_once(b"".join(self._execute(part.strip()) for part in line.split(";")))

    def truth(self) -> dict[str, Any]:
        """Settings, and the latest currents as they were digitised, the last of them last."""
        return {
            "measured_a": list(self._measured_a),
            "range_a": self._range_a,
            "autorange": self._auto,
            "nplc": self._nplc,
            "zero_check": self._zero_check,
            "zero_correct": self._zero_correct,
            "zero_a": self._zero_a,
        }

    def _execute(self, text: str) -> bytes:
        if not text:
            return b""
        header, _, argument = text.partition(" ")
        try:
            command = scpi.find(self._commands, header.removesuffix("?"))
            if header.endswith("?"):
                if command.ask is None:
                    raise ScpiError(scpi.UNDEFINED_HEADER)
                return self._line(command.ask())
            if command.tell is None:
                raise ScpiError(scpi.UNDEFINED_HEADER)
            command.tell(argument.strip())
        except ScpiError as error:
            self._errors.append(error.error)
        return b""

    def _line(self, text: str) -> bytes:
        return (text + self._settings.sends).encode("ascii")

    def _input(self, config: InstrumentConfig) -> Callable[[], float]:
        """What gives the current at the input."""
        s = self._settings
        if s.measures == "source":
            return lambda: s.source_a * (1 + s.noise * float(self._random.normal()))
        monitors: BeamMonitors | None = self._plant.xray
        if monitors is None:
            where = f"{config.name}: devices.{self.name}.simulated.measures"
            raise BadInputError(f"{where} = {s.measures!r}: there is no X-ray side; give [simulation.settings.xray]")
        return monitors.incident_a if s.measures == "incident" else monitors.transmitted_a

    # Readings.

    def _read(self) -> bytes:
        self._reading = self._measure()
        return self._line(self._fetch())

    def _measure(self) -> str:
        """One conversion, written as the chosen elements."""
        current_a = self._settings.offset_a
        if not self._zero_check:
            current_a += 1.0 if self._overflows else self._current_a()
        if self._auto:
            self._range_a = next((r for r in RANGES_A if abs(current_a) <= _OVER * r), RANGES_A[-1])
        status = ZERO_CHECK * self._zero_check + ZERO_CORRECT * self._zero_correct
        if abs(current_a) > _OVER * self._range_a:
            value, status = "+9.9E37", status | OVERFLOW
        else:
            value = f"{current_a - self._zero_a * self._zero_correct:+.6E}"
            self._measured_a.append(float(value))
            self._plant.note(self.name, float(value), lit=not self._zero_check)
        time_s = (self._plant.time_s - self._switched_on_s) % _CLOCK_S
        elements = {"READ": value, "UNIT": "A", "TIME": f"{time_s:+.6E}", "STAT": f"{status:+.6E}"}
        parts = {name: text for name, text in elements.items() if name in self._elements}
        if "UNIT" in parts:
            parts["READ"] = parts.get("READ", "") + parts.pop("UNIT")
        return ",".join(parts.values())

    def _fetch(self) -> str:
        if self._reading is None:
            raise ScpiError(NO_READING)
        return self._reading

    # Settings.

    def _preset(self) -> None:
        self._nplc = 1.0
        self._range_a = RANGES_A[-1]
        self._auto = True
        self._zero_check = True
        self._zero_correct = False
        self._elements: tuple[str, ...] = ("READ", "UNIT", "TIME", "STAT")
        self._errors: deque[tuple[int, str]] = deque(maxlen=10)
        self._reading: str | None = None

    def _next_error(self) -> str:
        code, words = self._errors.popleft() if self._errors else (0, "No error")
        return f'{code},"{words}"'

    def _switch(self, attribute: str) -> Command:
        return Command(
            tell=lambda text: setattr(self, attribute, scpi.switch(text)),
            ask=lambda: str(int(getattr(self, attribute))),
        )

    def _set_elements(self, text: str) -> None:
        known = {"READ": "READ", "READING": "READ", "UNIT": "UNIT", "UNITS": "UNIT", "TIME": "TIME", "STAT": "STAT"}
        known["STATUS"] = "STAT"
        wanted = [word.strip().upper() for word in text.split(",")]
        if not all(word in known for word in wanted):
            raise ScpiError((-224, "Illegal parameter value"))
        self._elements = tuple(known[word] for word in wanted)

    def _set_nplc(self, text: str) -> None:
        value = scpi.number(text)
        if not 0.01 <= value <= self._settings.line_hz / 10:
            raise ScpiError(scpi.OUT_OF_RANGE)
        self._nplc = value

    def _set_range(self, text: str) -> None:
        value = abs(scpi.number(text))
        if value > _OVER * RANGES_A[-1]:
            raise ScpiError(scpi.OUT_OF_RANGE)
        self._range_a = next(r for r in RANGES_A if value <= _OVER * r)
        self._auto = False

    def _acquire_zero(self) -> None:
        if not self._zero_check:
            raise ScpiError((-221, "Settings conflict"))
        self._zero_a = self._settings.offset_a

    def _overflow(self, on: bool) -> None:
        self._overflows = on

    def _switch_zero_check(self, on: bool) -> None:
        self._zero_check = on

    def _restart(self, on: bool) -> None:
        if on:
            self._preset()
            self._zero_a = 0.0
            self._switched_on_s = self._plant.time_s
