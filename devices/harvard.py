"""Harvard Apparatus PHD ULTRA and Pump 11 Elite syringe pumps.

Source: PHD ULTRA Series User's Manual, publication 5419-002, pump chain commands.

The pump counts what it infused and withdrew since its counters were cleared; what is left in the syringe
follows from them. Clear them (``cvolume``) when a full syringe is put in.
"""

import math

from ophyd.status import Status
from pydantic import Field

from devices.errors import InstrumentFaultError, LimitError, NotReachedError, ReplyError
from devices.links import shared_line
from devices.protocols import harvard
from devices.protocols.harvard import Dialect, Prompt, Reply
from devices.syringe_pump import NOTHING_ML, SyringePump, SyringePumpSettings
from flowlab.bench import Bench
from flowlab.config import DeviceEntry


class PhdUltraSettings(SyringePumpSettings):
    """A pump as it is wired, and what is on it."""

    baudrate: int = 115200
    dialect: Dialect = Field(default="colon", description="the manual writes 12:irat, sibling pumps 12irat")


class PhdUltra(SyringePump):
    """A syringe pump: set it to an infusion rate in ml/min, 0 stops it."""

    Settings = PhdUltraSettings

    def __init__(self, name: str, entry: DeviceEntry, settings: PhdUltraSettings, bench: Bench):
        self.settings = settings
        super().__init__(name, entry, settings, bench)

    # What is asked of the pump.

    def ask_rate_ml_min(self) -> float:
        """What the pump infuses now: 0 unless it runs.

        Raises:
            InstrumentFaultError: it has stalled.
        """
        reply = self._query("irate")
        return self._read(harvard.rate_ml_min, reply) if reply.prompt is Prompt.INFUSING else 0.0

    def ask_infused_ml(self) -> float:
        """Volume infused since the counter was cleared."""
        return self._read(harvard.volume_ml, self._query("ivolume"))

    def ask_withdrawn_ml(self) -> float:
        """Volume withdrawn since the counter was cleared."""
        return self._read(harvard.volume_ml, self._query("wvolume"))

    # What it is told.

    def set(self, value: float) -> Status:
        """Infuse at a rate in ml/min from now on; 0 stops.

        Returns:
            Done at once: the pump confirmed.

        Raises:
            LimitError: outside the limits; nothing was sent.
            NotReachedError: the pump does not run at that rate.
        """
        self.check_value(value)
        self.give_up_watching()
        if value == 0:
            self._halt()
        else:
            if self._query("ivolume").prompt is not Prompt.INFUSING:
                self._halt()
                self._tell("ctvolume")  # the target of a refill that was broken off would end this run
            self._tell(f"irate {harvard.rate_text(value)}")
            self._tell("irun")
            running = self.ask_rate_ml_min()
            if not math.isclose(running, value, rel_tol=self.settings.rate_tolerance):
                raise NotReachedError(f"{self.name}: was set to {value:g} mL/min but runs at {running:g} mL/min")
        return self.done()

    def refill(self) -> Status:
        """Withdraw from the reservoir until the syringe is full, or the reservoir empty.

        Returns:
            Done when the pump reports its target reached; the counters of a full syringe then begin anew.
        """
        self.give_up_watching()
        self._halt()  # the pump goes on counting while it runs
        withdrawn_ml, missing_ml = self.ask_withdrawn_ml(), self._missing_ml()
        drawn_ml = min(missing_ml, self.reservoir_ml)
        if drawn_ml <= NOTHING_ML:
            return self.done()
        target_ml = withdrawn_ml + drawn_ml
        self._tell(f"wrate {harvard.rate_text(self.settings.refill_ml_min)}")
        # The counters are not cleared before the syringe is full: they tell its content after a failure.
        self._tell(f"tvolume {target_ml:.4f} ml")
        told_ml = self._read(harvard.volume_ml, self._query("tvolume"))
        if not math.isclose(told_ml, target_ml, rel_tol=1e-4, abs_tol=NOTHING_ML):
            raise NotReachedError(f"{self.name}: was told to withdraw to {target_ml:g} mL but has {told_ml:g} mL")
        self._tell("wrun")
        self.reservoir_ml -= drawn_ml

        def drawn() -> bool:
            if self._query("wvolume").prompt is Prompt.WITHDRAWING:
                return False
            left_ml = target_ml - self.ask_withdrawn_ml()
            if left_ml > 0.01 * self.syringe.volume_ml:
                raise NotReachedError(f"{self.name}: stopped {left_ml:.2f} mL short of what it was to draw")
            self._tell("ctvolume")
            if drawn_ml == missing_ml:
                self._tell("cvolume")
            return True

        seconds = 60 * drawn_ml / self.settings.refill_ml_min
        return self.watch(drawn, what="a full syringe", every_s=max(seconds / 20, 0.5), limit_s=2 * seconds + 60)

    def _halt(self) -> None:
        self._tell("stop")
        # The acknowledgement is only a prompt, and one that the pump spoke unasked looks the same: ask again.
        prompt = self._query("ivolume").prompt
        if prompt in (Prompt.INFUSING, Prompt.WITHDRAWING):
            raise NotReachedError(f"{self.name}: was stopped but its prompt is {prompt.value!r}")

    # Connection.

    def connect(self) -> None:
        """Check that a pump answers, stop it, and tell it the syringe.

        Raises:
            NotReachedError: it does not take the syringe's diameter.
            LimitError: it cannot run the configured rates with that syringe.
            InstrumentFaultError: its counters make no sense for that syringe.
        """
        self._query("ver")
        self._halt()
        self._tell("ctvolume")  # of a run that was broken off
        self._tell("nvram off")  # settings sent here are not worth wearing out its memory
        told_mm = self._read(harvard.diameter_mm, self._query("diameter"))
        diameter_mm = self.syringe.inner_diameter_mm
        if not math.isclose(told_mm, diameter_mm, rel_tol=1e-3):
            self._tell(f"diameter {diameter_mm:.4f}")
            told_mm = self._read(harvard.diameter_mm, self._query("diameter"))
        if not math.isclose(told_mm, diameter_mm, rel_tol=1e-3):
            raise NotReachedError(f"{self.name}: was told a diameter of {diameter_mm:g} mm but has {told_mm:g} mm")
        self._lowest_ml_min, highest = self._read(harvard.rate_limits_ml_min, self._query("irate lim"))
        for what, wanted in (
            ("highest_ml_min", self.settings.highest_ml_min),
            ("refill_ml_min", self.settings.refill_ml_min),
        ):
            if wanted > highest:
                raise LimitError(f"{self.name}: {what} is {wanted:g}, but with this syringe the pump does {highest:g}")
        self._check_content()

    def _query(self, text: str) -> Reply:
        return self._exchange(text, lines=1)

    def _tell(self, text: str) -> Reply:
        return self._exchange(text, lines=0)

    def _exchange(self, text: str, lines: int) -> Reply:
        """One command and its reply.

        Raises:
            InstrumentFaultError: the pump has stalled.
        """
        unit = self.settings.unit
        line = shared_line(self._bench, self.address, self.name, self.settings)
        reply = line.ask(
            harvard.command(text, unit, self.settings.dialect),
            lambda data: harvard.decode(data, unit, lines),
            self.name,
        )
        if reply.prompt is Prompt.STALLED and text != "stop":
            raise InstrumentFaultError(f"{self.name}: has stalled: is the syringe empty, or a line blocked?")
        return reply

    def _read(self, parse, reply: Reply):
        try:
            return parse(reply.lines[0])
        except ReplyError as error:
            raise ReplyError(f"{self.name}: {error}") from None
