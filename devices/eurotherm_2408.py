"""Eurotherm 2408 (2404, 2416) temperature controllers over EI-Bisynch; several may share one RS-422 line.

Source: series 2000 communications handbook HA026230 issue 2.0, chapter 4 (protocol), page 5-4 (``PV``, ``OP``, ``SL``,
``SP``), 5-21 (``SO``), 5-22 (``IW``); the codes of ``EE`` as public drivers have them.

**Nothing brings this controller back by itself.** Its set point stays what it was told when this program or the
line dies, and the oven stays hot: unlike a 3216 it has no set point that wants to be refreshed, and what was seen of
the handbook has no time-out of the communication. Have an alarm of its own, or better a cut-out, switch the heating
off.

Its memory: nothing was found of how often ``SL`` may be written, but Eurotherm names set points that change often as
what wears the EEPROM of its sibling 2208e out. It is taken as wearing out, too: nothing is written that is there
already, a set point is written once and not refreshed, and ``writes_per_hour`` is the most that is written. Ramps are
the controller's own (set-point rate limit, on its panel); ``SL`` is then the target and ``SP`` on its way there.
"""

import threading
from collections import deque
from typing import Annotated, Literal

from pydantic import Field

from devices.errors import DeviceError, InstrumentFaultError, LimitError, NotReachedError, RefusedError, ReplyError
from devices.protocols import bisynch, eurotherm
from devices.temperature import TemperatureController, TemperatureSettings
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

# Bits of the instrument status word IW.
_RAMP_RUNNING = 2
_REMOTE_ACTIVE = 3
_HOUR_S = 3600.0


class Eurotherm2408Settings(TemperatureSettings):
    """A controller as it is wired and configured."""

    bytesize: Literal[7, 8] = 7
    parity: Literal["N", "E", "O"] = "E"
    unit: Annotated[int, Field(ge=0, le=99)] = Field(description="address on the line")
    decimals: Annotated[int, Field(ge=0, le=2)] = Field(
        default=1, description="decimals that set points are sent with: those of the controller's display"
    )
    writes_per_hour: Annotated[int, Field(ge=1)] = Field(
        default=120,
        description="set points that are written in an hour of the plant, at most; the safe one is always written",
    )
    check_remote: bool = Field(
        default=True,
        description="read the word IW, which tells whether a remote set point overrides the one that was set; "
        "false for a controller that has no such parameter, which then must not limit the rate of its set point either",
    )
    takes_effect_s: Annotated[float, Field(ge=0)] = Field(
        default=2.0, description="real seconds until a set point has become the working one"
    )


class Eurotherm2408(TemperatureController[Eurotherm2408Settings]):
    """A heater behind a 2408: set it to a temperature in °C; it is there when it has settled."""

    Settings = Eurotherm2408Settings

    def __init__(self, name: str, entry: DeviceEntry, settings: Eurotherm2408Settings, bench: Bench):
        super().__init__(name, entry, settings, bench)
        self._sending = threading.RLock()
        self._written_s: deque[float] = deque()

    # What is asked of the controller.

    def ask_temperature_c(self) -> float:
        """Process value.

        Raises:
            InstrumentFaultError: the controller says that its sensor or loop is broken or over range, or that
                it is in manual mode.
        """
        status = self._ask_word("SO")
        self._raise_fault(status, eurotherm.fault(status))
        return self._ask_number("PV")

    def ask_setpoint_c(self) -> float:
        """The set point that the controller works towards now: while a ramp of its own runs, on its way."""
        return self._ask_number("SP")

    def ask_target_c(self) -> float:
        """The set point that it was told."""
        return self._ask_number("SL")

    def ask_output_percent(self) -> float:
        """Output power."""
        return self._ask_number("OP")

    def _check_obeys(self) -> None:
        status = self._ask_word("SO")
        self._raise_fault(status, eurotherm.fault(status, [eurotherm.MANUAL]))
        if self.settings.check_remote:
            self._raise_remote(self._ask_word("IW"))

    def _raise_remote(self, status: int) -> None:
        if status >> _REMOTE_ACTIVE & 1:
            raise InstrumentFaultError(
                f"{self.name}: works towards its remote set point, not towards what it is told; select the local one "
                "on its panel"
            )

    def _raise_fault(self, status: int, fault: str | None) -> None:
        if fault is not None:
            raise InstrumentFaultError(f"{self.name}: {fault} (status 0x{status:04x})")

    # What it is told.

    def _send_setpoint(self, value_c: float, *, safe: bool = False) -> None:
        """Write a set point unless it is there already, and read back that the controller works towards it.

        Raises:
            LimitError: so many were written in the last hour that the memory would wear out; nothing was sent.
            NotReachedError: the controller did not take it, or works towards another one.
        """
        value_c = round(value_c, self.settings.decimals)
        with self._sending:
            if not self._has(value_c, safe):
                self._account_for_a_write(safe)
                self._tell("SL", f"{value_c:.{self.settings.decimals}f}")
            told_c = self.ask_target_c()
        if abs(told_c - value_c) > self._tolerance_c:
            raise NotReachedError(f"{self.name}: was set to {value_c:g} °C but has {told_c:g} °C")
        if not self.clock.wait_until(
            lambda: self._works_towards(value_c),
            every_s=0.1 * self.clock.speed,
            limit_s=self.settings.takes_effect_s * self.clock.speed,
        ):
            raise NotReachedError(
                f"{self.name}: was set to {value_c:g} °C but works towards {self.ask_setpoint_c():g} °C; is a program "
                "running on it?"
            )

    def _has(self, value_c: float, safe: bool) -> bool:
        """Whether a set point is there already; a controller that is not heard may hear what makes it safe."""
        try:
            return self.ask_target_c() == value_c
        except DeviceError:
            if not safe:
                raise
            return False

    @property
    def _tolerance_c(self) -> float:
        return 0.51 / 10**self.settings.decimals

    def _works_towards(self, value_c: float) -> bool:
        """Whether it does, or is on its way there by its own ramp.

        Raises:
            InstrumentFaultError: it never will: another set point overrides the one that it was told.
        """
        if abs(self.ask_setpoint_c() - value_c) <= self._tolerance_c:
            return True
        if not self.settings.check_remote:
            return False
        status = self._ask_word("IW")
        self._raise_remote(status)
        return bool(status >> _RAMP_RUNNING & 1)

    def _account_for_a_write(self, safe: bool) -> None:
        now_s = self.clock.now_s()
        while self._written_s and now_s - self._written_s[0] > _HOUR_S:
            self._written_s.popleft()
        if not safe and len(self._written_s) >= self.settings.writes_per_hour:
            raise LimitError(
                f"{self.name}: {len(self._written_s)} set points were written within an hour, and each wears the "
                f"controller's memory; wait {_HOUR_S - (now_s - self._written_s[0]):.0f} s, or allow more with "
                "writes_per_hour"
            )
        self._written_s.append(now_s)

    # Connection.

    def connect(self) -> None:
        """Open the line and check that a controller that obeys is there; sets nothing.

        Raises:
            InstrumentFaultError: it reports a fault, or its set point is not the one that it works towards.
        """
        self.ask_temperature_c()
        self._check_obeys()
        target_c = self.ask_target_c()
        if target_c > self.settings.safe_c:
            self.log.warning(
                "%s: is set to %g °C, and will stay there, whatever happens, until it is told otherwise",
                self.name,
                target_c,
            )

    def _ask_number(self, mnemonic: str) -> float:
        return bisynch.number(self._ask(mnemonic))

    def _ask_word(self, mnemonic: str) -> int:
        return bisynch.word(self._ask(mnemonic))

    def _ask(self, mnemonic: str) -> str:
        return self._line.ask(
            bisynch.poll(self.settings.unit, mnemonic), lambda data: bisynch.decode_poll(data, mnemonic), self.name
        )

    def _tell(self, mnemonic: str, data: str) -> None:
        """Write a parameter; a message that was garbled on its way is sent again.

        Raises:
            RefusedError: the controller refused it; says why.
        """
        for _ in range(self.settings.attempts):
            try:
                self._line.ask(bisynch.select(self.settings.unit, mnemonic, data), bisynch.decode_select, self.name)
            except RefusedError as error:
                code = self._ask_word("EE")
                if code not in (bisynch.NO_ERROR, bisynch.GARBLED):
                    why = bisynch.ERRORS.get(code, f"error {code}")
                    raise RefusedError(f"{self.name}: refused {mnemonic} = {data}: {why}") from error
            else:
                return
        raise ReplyError(f"{self.name}: received {mnemonic} = {data} garbled, {self.settings.attempts} times")
