"""Keithley 6485 picoammeters, which measure the beam before and after the sample, through PyVISA.

Source: model 6485 instruction manual 6485-901-01A, see :mod:`devices.protocols.keithley`; 2182A user manual, page H-2
(``READ?``, ``FETCh?``); forms and limits of what is set as public drivers have them (STARS m6485drv, InstrumentKit).

What SCPI leaves open, and what is done about it:

* *No checksum.* Each reading is asked for twice: ``READ?`` makes it, ``FETC?`` gives the same one again, as long as
  none is made anew. It is believed only when both are equal. What is left is one and the same garbling of both: when
  readings differ by more than ``agree_within`` from their median, none of them is believed.
* *No number on a reply.* A reading carries the time of the instrument's clock: one that is not later than the one
  before is a late or second reply, and not believed.
* *No acknowledgement.* Each setting is read back, and the error queue read behind them all.

A reading that is none (overflow, zero check left on) makes the result NaN, and ``why`` says so in words.
"""

import math
import statistics
import threading
from typing import Annotated, ClassVar

from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import DeviceStatus
from pydantic import Field

from devices.base import check_limits
from devices.errors import DeviceError, InstrumentFaultError, NotReachedError, RefusedError, ReplyError
from devices.links.visa import Visa, VisaSettings
from devices.measuring import MeasuringInstrument
from devices.protocols import keithley
from devices.protocols.keithley import Reading
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

RANGES_A = (2e-9, 2.1e-2)
_LOWEST_NPLC = 0.01
#: Digits that a reply has; what is read back of a setting is that near.
_DIGITS = 1e-5


class Keithley6485Settings(VisaSettings):
    """How currents are measured."""

    model: str = Field(default="MODEL 6485", description="what its answer to *IDN? must name")
    readings: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="readings averaged into one current; their scatter gives its uncertainty, from two on"
    )
    range_a: Annotated[float, Field(ge=RANGES_A[0], le=RANGES_A[1])] | None = Field(
        default=None, description="largest current expected; none: the instrument chooses its range by itself"
    )
    nplc: Annotated[float, Field(ge=_LOWEST_NPLC, le=6.0)] = Field(
        default=1.0, description="integration in periods of the mains; at 50 Hz 5 at most"
    )
    zero_correct: bool = Field(default=True, description="measure the instrument's own offset when connecting")
    dwell_factor: Annotated[float, Field(ge=1)] = Field(
        default=3.0, description="how many times its integration a reading takes: reference and zero are measured, too"
    )
    confirm: bool = Field(default=True, description="ask for each reading a second time (FETC?), and compare")
    rejected_bits: list[Annotated[int, Field(ge=0, le=15)]] = Field(
        default=list(keithley.REJECTED),
        description="bits of the status word that make a reading no current: overflow, zero check, math, relative",
    )
    agree_within: Annotated[float, Field(gt=0)] = Field(
        default=0.2, description="largest deviation of a reading from the median that is believed, relative to it"
    )
    noise_a: Annotated[float, Field(ge=0)] = Field(
        default=1e-11, description="deviation that is always believed: the noise without beam"
    )


class Keithley6485(MeasuringInstrument):
    """Measures a current: the mean of several readings, with the standard error of that mean.

    Attributes:
        last_readings: those of which the present current is the mean.
    """

    Settings = Keithley6485Settings
    UNITS: ClassVar = {"current_a": "A", "current_err_a": "A", "range_a": "A", "nplc": "1"}

    current_a = Cpt(Signal, value=math.nan, kind=Kind.hinted)
    current_err_a = Cpt(Signal, value=math.nan, kind=Kind.normal)
    why = Cpt(Signal, value="not measured yet", kind=Kind.normal)
    range_a = Cpt(Signal, value=math.nan, kind=Kind.config)
    nplc = Cpt(Signal, value=math.nan, kind=Kind.config)
    readings = Cpt(Signal, value=0, kind=Kind.config)
    identity = Cpt(Signal, value="", kind=Kind.config)

    def __init__(self, name: str, entry: DeviceEntry, settings: Keithley6485Settings, bench: Bench):
        self.settings = settings
        self._visa = Visa(entry.address, settings, name)
        super().__init__(name, entry, bench)
        self._lock = threading.RLock()
        self._line_hz = 50.0
        self._before: Reading | None = None
        self.last_readings: tuple[Reading, ...] = ()

    # Connection and settings.

    def connect(self) -> None:
        """Check that it is the instrument that was configured, set it up, and measure its offset.

        Raises:
            ReplyError: something else answers.
            RefusedError: it refused a setting.
            NotReachedError: it does not have the setting that it was told.
        """
        s = self.settings
        with self._lock:
            identity = self._visa.ask("*IDN?", keithley.decode_line)
            if s.model not in identity:
                raise ReplyError(f"{self.name}: what answers at {self.address} is no {s.model}, but {identity!r}")
            self.identity.put(identity)
            self._before = None
            self._tell("*RST", "*CLS", "FORM:ELEM READ,UNIT,TIME,STAT")
            self._line_hz = self._visa.ask("SYST:LFR?", keithley.decode_number)
            if self._line_hz not in (50.0, 60.0):
                raise ReplyError(f"{self.name}: has mains of {self._line_hz:g} Hz")
            check_limits(self.name, "integration", s.nplc, (_LOWEST_NPLC, self._line_hz / 10), "periods of the mains")
            self._set("CURR:NPLC", s.nplc)
            self.nplc.put(s.nplc)
            if s.zero_correct:
                self._zero()
            self._set_range_a(s.range_a)
            self._set("SYST:ZCH", 0)
            self._check_errors()
        self.readings.put(s.readings)

    def _zero(self) -> None:
        """Measure the offset on the most sensitive range, with the input cut off, and have it subtracted."""
        self._set("SYST:ZCH", 1)
        self._tell("CURR:RANG 2E-9")
        self._ask_reading("READ?")
        self._tell("SYST:ZCOR:ACQ")
        self._set("SYST:ZCOR", 1)

    def set_range_a(self, value: float | None) -> None:
        """Select the range by the largest current expected; None has the instrument choose by itself.

        Raises:
            LimitError: there is no such range; nothing was sent.
            DeviceError: it was refused, or not taken.
        """
        if value is not None:
            check_limits(self.name, "range", value, RANGES_A, "A")
        with self._lock:
            self._set_range_a(value)
            self._check_errors()

    def _set_range_a(self, value: float | None) -> None:
        if value is None:
            self._set("CURR:RANG:AUTO", 1)
        else:
            self._tell(f"CURR:RANG {value:.3E}")
            has_a = self._visa.ask("CURR:RANG?", keithley.decode_number)
            if has_a < value * (1 - _DIGITS):  # it takes the range that holds the value
                raise NotReachedError(f"{self.name}: was set to a range of {value:g} A but has {has_a:g} A")
        self.range_a.put(math.nan if value is None else value)

    def _set(self, header: str, value: float) -> None:
        """Tell a setting and read it back."""
        self._tell(f"{header} {value:g}")
        has = self._visa.ask(f"{header}?", keithley.decode_number)
        if not math.isclose(has, value, rel_tol=_DIGITS, abs_tol=1e-9):
            raise NotReachedError(f"{self.name}: was told {header} {value:g} but has {has:g}")

    def _tell(self, *commands: str) -> None:
        for command in commands:
            self._visa.tell(command)

    def _check_errors(self) -> None:
        code, words = self._visa.ask("STAT:QUE?", keithley.decode_error)
        if code:
            self._tell("*CLS")
            raise RefusedError(f"{self.name}: refused what it was told: {code}, {words}")

    # Currents.

    def trigger(self) -> DeviceStatus:
        """Take the readings; done when they can be read."""
        return self.start(self._take, "readings")

    def _take(self) -> None:
        with self._lock:
            self._measure()

    def _measure(self) -> None:
        readings, why = self._series(), ""
        if not self._agree(readings):
            readings = self._series()  # garbled in the same way twice, or the beam changed meanwhile
            if not self._agree(readings):
                values = [reading.value_a for reading in readings]
                why = f"the readings disagree: {min(values):g}…{max(values):g} A"
        why = next(filter(None, map(self._reason, readings)), why)
        values = [reading.value_a for reading in readings]
        mean_a, err_a = (math.nan, math.nan) if why else _mean(values)
        self.last_readings = tuple(readings)
        self.current_a.put(mean_a)
        self.current_err_a.put(err_a)
        self.why.put(why)

    def _series(self) -> list[Reading]:
        readings: list[Reading] = []
        for _ in range(self.settings.readings):
            if self._given_up.is_set():
                raise NotReachedError(f"{self.name}: the readings were given up")
            readings.append(self._read_once())
        return readings

    def _agree(self, readings: list[Reading]) -> bool:
        """Whether readings are near enough to their median; those that are no currents have nothing to agree on."""
        if any(map(self._reason, readings)):
            return True
        values = [reading.value_a for reading in readings]
        median_a = statistics.median(values)
        allowed_a = self.settings.agree_within * abs(median_a) + self.settings.noise_a
        return all(abs(value - median_a) <= allowed_a for value in values)

    def _reason(self, reading: Reading) -> str:
        return reading.reason(self.settings.rejected_bits)

    def _read_once(self) -> Reading:
        """A new reading that was not garbled.

        Raises:
            InstrumentFaultError: its clock goes back.
            ReplyError: it was garbled again and again.
        """
        failure: DeviceError | None = None
        for _ in range(self.settings.attempts):
            reading = self._ask_reading("READ?")
            if self.settings.confirm and (again := self._ask_reading("FETC?")) != reading:
                failure = ReplyError(f"{self.name}: READ? gave {reading}, but FETC? of the same {again}")
            elif self._before is not None and not reading.follows(self._before):
                failure = InstrumentFaultError(
                    f"{self.name}: a reading at {reading.time_s:g} s of its clock came behind one at "
                    f"{self._before.time_s:g} s; was it switched off? Then connect it again"
                )
            else:
                self._before = reading
                return reading
        assert failure is not None  # noqa: S101  at least one attempt was made
        raise failure

    def _ask_reading(self, query: str) -> Reading:
        dwell_s = self.settings.dwell_factor * self.settings.nplc / self._line_hz
        return self._visa.ask(query, keithley.decode_reading, self.clock.real_s(dwell_s))

    # The rest of a device.

    def make_safe(self) -> None:
        """A picoammeter does no harm: give up the readings under way."""
        self._end_work()

    def close(self) -> None:
        """Close the connection."""
        self.make_safe()
        with self._lock:
            self._visa.close()
        super().close()


def _mean(values: list[float]) -> tuple[float, float]:
    """Mean and its standard error, which one value alone does not have."""
    if len(values) < 2:
        return values[0], math.nan
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
