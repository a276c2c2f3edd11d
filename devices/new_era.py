"""New Era NE-1000 syringe pumps.

Source: NE-1000 series user manual, RS-232 protocol and command set; docs/hardware.md tells what of it was seen.

The pump is kept in *safe mode*: every packet has a CRC, and the pump stops by itself when it has heard nothing
for ``stop_after_s``, because this program or the line died. A refresher asks for its state while connected.

The pump tells an alarm (stall, reset, silence) once and forgets it; here it stays an error until the pump is
stopped. It counts what it infused and withdrew with four digits, and begins anew when it was switched off: put a
full syringe in then. What is set while it stands goes to its non-volatile memory; there is no way around that.
"""

import math
import threading
from contextlib import suppress
from typing import Annotated

from ophyd.status import Status
from pydantic import Field, model_validator

from devices.base import Refresher
from devices.errors import (
    DeviceError,
    InstrumentFaultError,
    LimitError,
    NotReachedError,
    RefusedError,
    ReplyError,
    ReplyTimeoutError,
)
from devices.links import shared_line
from devices.protocols import new_era
from devices.protocols.new_era import Alarm, Reply, State
from devices.syringe_pump import SyringePump, SyringePumpSettings
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

#: What the pump's counters resolve, and its numbers are rounded to, relative to a full syringe.
_RESOLUTION = 2e-4
#: What the pump can be told in µl.
_MOST_UL = 9999.0
#: The program that every run is: one phase at a rate, then stop, whatever was programmed on the panel.
_PROGRAM = ("PHN2", "FUNSTP", "PHN1", "FUNRAT")


class Ne1000Settings(SyringePumpSettings):
    """A pump as it is wired and what is on it."""

    baudrate: int = 19200
    lowest_ml_min: Annotated[float, Field(gt=0)] = Field(
        default=0.001, description="lowest rate that is ever sent; the pump cannot be asked for its own"
    )
    stop_after_s: Annotated[int, Field(ge=2, le=99)] = Field(
        default=5, description="real seconds of silence on the line after which the pump stops by itself"
    )
    refresh_every_s: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="real seconds between two questions that keep the pump running"
    )

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> "Ne1000Settings":
        if self.refresh_every_s > self.stop_after_s / 2:
            raise ValueError(
                f"refresh_every_s {self.refresh_every_s:g} is more than half of stop_after_s {self.stop_after_s}: "
                "one lost reply would stop the pump"
            )
        if self.lowest_ml_min > self.highest_ml_min:
            raise ValueError(f"lowest_ml_min {self.lowest_ml_min:g} is above highest_ml_min {self.highest_ml_min:g}")
        return self


class Ne1000(SyringePump):
    """A syringe pump: set it to an infusion rate in ml/min, 0 stops it."""

    Settings = Ne1000Settings

    def __init__(self, name: str, entry: DeviceEntry, settings: Ne1000Settings, bench: Bench):
        self.settings = settings
        super().__init__(name, entry, settings, bench)
        self._lowest_ml_min = settings.lowest_ml_min
        self._talking = threading.RLock()
        self._refresher: Refresher | None = None
        self._alarm: Alarm | None = None
        self._rate_unit = ""
        self._volume_unit = "ML"
        self._counted: tuple[float, ...] = (0.0, 0.0)
        self._before: tuple[float, ...] = (0.0, 0.0)

    # What is asked of the pump.

    def ask_rate_ml_min(self) -> float:
        """What the pump infuses now: 0 unless it runs.

        Raises:
            InstrumentFaultError: it stopped by itself.
        """
        reply = self._exchange("RAT")
        return self._read(new_era.rate_ml_min, reply) if reply.state is State.INFUSING else 0.0

    def ask_infused_ml(self) -> float:
        """Volume infused since the counter was cleared."""
        return self._ask_dispensed_ml()[0]

    def ask_withdrawn_ml(self) -> float:
        """Volume withdrawn since the counter was cleared."""
        return self._ask_dispensed_ml()[1]

    def _missing_ml(self) -> float:
        infused_ml, withdrawn_ml = self._ask_dispensed_ml()
        return infused_ml - withdrawn_ml

    def _ask_dispensed_ml(self) -> tuple[float, float]:
        """Both counters, going on where they were when the pump began them anew by itself."""
        with self._talking:
            counted = self._read(new_era.dispensed_ml, self._exchange("DIS"))
            self._before = tuple(
                before + (last if now < last else 0.0)
                for before, last, now in zip(self._before, self._counted, counted, strict=True)
            )
            self._counted = counted
            return self._before[0] + counted[0], self._before[1] + counted[1]

    # What it is told.

    def set(self, value: float) -> Status:
        """Infuse at a rate in ml/min from now on; 0 stops.

        Returns:
            Done at once: the pump confirmed.

        Raises:
            LimitError: outside the limits; nothing was sent.
            NotReachedError: the pump does not run at that rate.
            InstrumentFaultError: it stopped by itself; stop it first, which acknowledges that.
        """
        self.check_value(value)
        self.give_up_watching()
        if value == 0:
            self._halt()
            return self.done()
        number, unit = new_era.rate_text(value)
        if self._exchange("").state is State.INFUSING and unit == self._rate_unit:
            self._exchange(f"RAT{number}")  # while it runs, the unit cannot be changed
        else:
            self._halt()
            for command in ("DIRINF", "VOL0", f"RAT{number}{unit}"):
                self._exchange(command)
            self._rate_unit = unit
            self._run()
        running = self.ask_rate_ml_min()
        if not math.isclose(running, value, rel_tol=self.settings.rate_tolerance):
            raise NotReachedError(f"{self.name}: was set to {value:g} mL/min but runs at {running:g} mL/min")
        return self.done()

    def refill(self) -> Status:
        """Withdraw from the reservoir until the syringe is full, or the reservoir empty.

        Returns:
            Done when the pump has stopped at its target; the counters of a full syringe then begin anew.
        """
        self.give_up_watching()
        self._halt()
        _, withdrawn_ml = self._ask_dispensed_ml()
        least_ml = _RESOLUTION * self.syringe.volume_ml
        room_ml = self._missing_ml() - least_ml  # counters are rounded, and the plunger must not meet its end
        drawn_ml = min(room_ml, self.reservoir_ml)
        if drawn_ml <= least_ml:
            return self.done()
        number, unit = new_era.rate_text(self.settings.refill_ml_min)
        volume = new_era.volume_text(drawn_ml, self._volume_unit)
        for command in ("DIRWDR", f"RAT{number}{unit}", f"VOL{volume}"):
            self._exchange(command)
        told_ml, _ = self._read(new_era.volume_ml, self._exchange("VOL"))
        if not math.isclose(told_ml, drawn_ml, rel_tol=1e-3, abs_tol=least_ml):
            raise NotReachedError(f"{self.name}: was told to withdraw {drawn_ml:g} mL but has {told_ml:g} mL")
        self._rate_unit = unit
        self._run()
        self.reservoir_ml = max(self.reservoir_ml - drawn_ml, 0.0)

        def drawn() -> bool:
            if self._exchange("").state is State.WITHDRAWING:
                return False
            left_ml = withdrawn_ml + drawn_ml - self.ask_withdrawn_ml()
            if left_ml > 0.01 * self.syringe.volume_ml:
                raise NotReachedError(f"{self.name}: stopped {left_ml:.2f} mL short of what it was to draw")
            if drawn_ml == room_ml:
                self._count_anew()
            return True

        seconds = 60 * drawn_ml / self.settings.refill_ml_min
        return self.watch(drawn, what="a full syringe", every_s=max(seconds / 20, 0.5), limit_s=2 * seconds + 60)

    def _count_anew(self) -> None:
        with self._talking:
            self._exchange("CLDINF")
            self._exchange("CLDWDR")
            self._counted = self._before = (0.0, 0.0)

    def _run(self) -> None:
        # When the reply is lost and the command repeated, a pump that runs refuses it; what it does is read back.
        self._send("RUN")
        self._raise_alarm()

    def _halt(self) -> None:
        """Stop, acknowledge an alarm, and check that the pump stands.

        The first STP pauses, the second ends the program; in place of its effect an alarm may be told.
        """
        for _ in range(4):
            if self._send("STP").state is State.STOPPED:
                break
        state = self._send("").state
        if state is not State.STOPPED:
            raise NotReachedError(f"{self.name}: was stopped but tells {state.name.lower() if state else 'an alarm'}")
        self._alarm = None

    # Connection.

    def connect(self) -> None:
        """Check that a pump answers, have it watch the line, stop it, and tell it the syringe.

        Raises:
            NotReachedError: it does not take the syringe's diameter.
            LimitError: it cannot run the configured rates with that syringe.
            InstrumentFaultError: its counters make no sense for that syringe.
        """
        self._send("VER")
        if self._alarm is Alarm.RESET:
            self.log.warning("%s: was switched on anew; its syringe is taken to be full", self.name)
        self._halt()
        for command in _PROGRAM:
            self._exchange(command)
        self._tell_diameter()
        _, self._volume_unit = self._read(new_era.volume_ml, self._exchange("VOL"))
        if self._volume_unit == "UL" and self.syringe.volume_ml * 1000 > _MOST_UL:
            raise LimitError(
                f"{self.name}: counts in µl, {_MOST_UL:g} at most, but its syringe holds "
                f"{self.syringe.volume_ml:g} mL; select ml on the pump"
            )
        for what in ("refill_ml_min", "highest_ml_min"):
            wanted = getattr(self.settings, what)
            number, unit = new_era.rate_text(wanted)
            if self._send(f"RAT{number}{unit}").refusal:
                raise LimitError(f"{self.name}: {what} is {wanted:g}, which the pump refuses with this syringe")
        self._raise_alarm()
        self._check_content()

    def _tell_diameter(self) -> None:
        diameter_mm = self.syringe.inner_diameter_mm
        told_mm = self._read(new_era.diameter_mm, self._exchange("DIA"))
        if not math.isclose(told_mm, diameter_mm, rel_tol=1e-3):
            self._exchange(f"DIA{new_era.number(diameter_mm)}")
            told_mm = self._read(new_era.diameter_mm, self._exchange("DIA"))
        if not math.isclose(told_mm, diameter_mm, rel_tol=1e-3):
            raise NotReachedError(f"{self.name}: was told a diameter of {diameter_mm:g} mm but has {told_mm:g} mm")

    def close(self) -> None:
        """Stop refreshing: a pump that still runs stops by itself."""
        if self._refresher is not None:
            self._refresher.close()
            self._refresher = None
        super().close()

    def _arm(self) -> None:
        """Have the pump stop by itself when the line falls silent; it may be in either mode before.

        Raises:
            NotReachedError: it does not keep the time-out.
        """
        unit, arm = self.settings.unit, f"SAF{self.settings.stop_after_s}"
        try:
            self._ask(arm)
        except ReplyTimeoutError:
            # In basic mode it waits for a CR. With one, what it has heard so far is a command: one that it refuses,
            # or, if all of the CRC is passed over as control characters, one that it obeys. Then it is in safe mode.
            for request in (new_era.basic_command("", unit), new_era.basic_command(arm, unit)):
                with suppress(ReplyTimeoutError):
                    reply = self._line.ask(request, lambda data: new_era.decode_either(data, unit), self.name)
                    self._alarm = reply.alarm or self._alarm
            self._ask(arm)
        told = self._ask("SAF").data
        if not told.isdigit() or int(told) != self.settings.stop_after_s:
            raise NotReachedError(
                f"{self.name}: was told to stop after {self.settings.stop_after_s} s of silence but has {told!r}"
            )
        self._refresher = Refresher(self, self._refresh, self.settings.refresh_every_s)

    def _refresh(self) -> None:
        self._send("")

    @property
    def _line(self):
        return shared_line(self._bench, self.address, self.name, self.settings)

    def _exchange(self, text: str) -> Reply:
        """One command and its reply.

        Raises:
            InstrumentFaultError: the pump stopped by itself, now or before.
            RefusedError: it refused.
        """
        reply = self._send(text)
        self._raise_alarm()
        if reply.refusal:
            raise RefusedError(f"{self.name}: refused {text!r}: {reply.refusal}")
        return reply

    def _send(self, text: str) -> Reply:
        """One command and its reply, whatever it says; an alarm is kept for :meth:`_raise_alarm`."""
        with self._talking:
            if self._refresher is None:
                self._arm()
            return self._ask(text)

    def _ask(self, text: str) -> Reply:
        unit = self.settings.unit
        reply = self._line.ask(
            new_era.safe_command(text, unit), lambda data: new_era.decode_safe(data, unit), self.name
        )
        if reply.alarm is not None:
            self._alarm = reply.alarm
            self._clear_line()
        return reply

    def _clear_line(self) -> None:
        """Wait for silence: an alarm is told unasked too, and then the answer to what was asked comes behind it."""
        unit = self.settings.unit
        heard: list[Reply] = []

        def second(data: bytes) -> Reply | None:
            reply = new_era.decode_safe(data, unit)
            if reply is not None and not heard:
                heard.append(reply)
                raise ReplyError("this may be an answer to what was asked before")
            return reply

        with suppress(DeviceError):  # a line that is lost shows at the next question
            self._line.ask(new_era.safe_command("", unit), second, self.name)

    def _raise_alarm(self) -> None:
        told = {
            Alarm.RESET: "was reset: its power was interrupted and its counters begin anew",
            Alarm.STALLED: "has stalled: is the syringe empty, or a line blocked?",
            Alarm.SILENCE: f"stopped by itself: it heard nothing for {self.settings.stop_after_s} s",
            Alarm.PROGRAM: "stopped: there is an error in its program",
            Alarm.PHASE: "stopped: its program has no such phase",
        }
        if self._alarm is not None:
            raise InstrumentFaultError(f"{self.name}: {told[self._alarm]}")

    def _read(self, parse, reply: Reply):
        try:
            return parse(reply.data)
        except ReplyError as error:
            raise ReplyError(f"{self.name}: {error}") from None
