"""Harvard Apparatus PHD ULTRA and Pump 11 Elite syringe pumps.

Source: PHD ULTRA Series User's Manual, publication 5419-002, pump chain commands (pages 83–88).

The pump counts what it infused and withdrew since its counters were cleared; what is left in the syringe
follows from them. Clear them (``cvolume``) when a full syringe is put in.

Its protocol has no checksum. What stands is believed when it is heard again (:mod:`devices.agreement`); a counter
that runs is held against the raw status, which tells the same volume in other digits: between two replies it may only
have grown, and by no more than flows in that time. A stall is silent: it shows in the prompt of the next reply.
It has no time-out either: when the line dies it goes on to its target, or until its syringe is empty.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.status import Status
from pydantic import Field

from devices.agreement import Agreement, DisagreementError
from devices.base import Action, check_limits
from devices.errors import InstrumentFaultError, LimitError, NotReachedError, ReplyError
from devices.links import shared_line
from devices.protocols import harvard
from devices.protocols.harvard import AtSign, Dialect, Prompt
from devices.syringe_pump import NOTHING_ML, SyringePump, SyringePumpSettings
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

T = TypeVar("T")

#: How often a counter that runs is looked at before its replies are given up as contradictory.
_LOOKS = 6
#: Digits with which the pump prints a volume, relative; and plant seconds in which its counters may go on by a step.
_DIGITS, _STEP_S = 2e-5, 0.2


@dataclass(frozen=True)
class _Way:
    """The commands and the prompt of one direction."""

    rate: str
    run: str
    counter: str
    prompt: Prompt


@dataclass(frozen=True)
class _Told(Generic[T]):
    """What a reply says, and what the pump does."""

    value: T
    prompt: Prompt


_INFUSE = _Way("irate", "irun", "ivolume", Prompt.INFUSING)
_WITHDRAW = _Way("wrate", "wrun", "wvolume", Prompt.WITHDRAWING)


class PhdUltraSettings(SyringePumpSettings):
    """A pump as it is wired, and what is on it."""

    baudrate: int = 115200
    dialect: Dialect = Field(default="colon", description="the manual writes 12:irat, sibling pumps 12irat")
    at_sign: AtSign = Field(
        default="none",
        description="where the @ goes with which the pump does not draw its display anew; where is not documented",
    )
    cross_check: Literal["status", "repeat"] = Field(
        default="status",
        description="what a running counter is held against: the raw status, or, if that has another form, itself",
    )
    status_flags: Literal[5, 6] = Field(
        default=6, description="flags in the raw status: the manual describes five and prints six"
    )
    status_time: Literal["s", "ms"] = Field(
        default="s", description="unit of the time in the raw status: s by the manual, ms by sibling pumps"
    )
    dispense_ml_min: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="rate at which a volume is dispensed; not given: that of refilling"
    )


class PhdUltra(SyringePump):
    """A syringe pump: set it to an infusion rate in ml/min, 0 stops it.

    Set ``dispense`` to a volume in ml: it infuses so much and stops by itself at that target.
    """

    Settings = PhdUltraSettings

    dispense = Cpt(Action, do="start_dispense", kind=Kind.omitted)

    def __init__(self, name: str, entry: DeviceEntry, settings: PhdUltraSettings, bench: Bench):
        self.settings = settings
        super().__init__(name, entry, settings, bench)
        self._agreement = Agreement(name, lambda: self._line.hush())
        self._dispense_ml_min = settings.dispense_ml_min or settings.refill_ml_min
        #: No motion is faster.
        self._fastest_ml_min = max(settings.highest_ml_min, settings.refill_ml_min, self._dispense_ml_min)

    # What is asked of the pump.

    def ask_rate_ml_min(self) -> float:
        """What the pump infuses now: 0 unless it runs.

        Raises:
            InstrumentFaultError: it has stalled.
        """
        told = self._ask("irate", str)  # a pump that was never told a rate says so in words
        return self._parse(harvard.rate_ml_min, told.value) if told.prompt is Prompt.INFUSING else 0.0

    def ask_infused_ml(self) -> float:
        """Volume infused since the counter was cleared."""
        return self._ask_volume_ml(_INFUSE)

    def ask_withdrawn_ml(self) -> float:
        """Volume withdrawn since the counter was cleared."""
        return self._ask_volume_ml(_WITHDRAW)

    def _ask_volume_ml(self, way: _Way) -> float:
        for _ in range(_LOOKS):
            begun_s = self.clock.now_s()
            first = self._exchange(way.counter, harvard.volume_ml)
            if self._agreement.believes(way.counter, first):
                return self._checked(first).value
            if first.prompt is way.prompt:
                volume_ml = self._running_volume_ml(way, first.value, begun_s)
            else:
                volume_ml = self._standing_volume_ml(way)
            if volume_ml is not None:
                return volume_ml
            self._line.distrust()
        raise DisagreementError(
            f"{self.name}: {_LOOKS} times {way.counter!r} and {self.settings.cross_check!r} contradict each other; "
            'is the line disturbed? If it is not, this pump may need cross_check = "repeat"'
        )

    def _standing_volume_ml(self, way: _Way) -> float | None:
        """A counter that stands; None when it runs after all."""
        try:
            told = self._ask(way.counter, harvard.volume_ml)
        except DisagreementError:
            return None
        return None if told.prompt is way.prompt else told.value

    def _running_volume_ml(self, way: _Way, first_ml: float, begun_s: float) -> float | None:
        """A counter that runs, held against a second reply; None when the two contradict each other."""
        if self.settings.cross_check == "repeat":
            again = self._exchange(way.counter, harvard.volume_ml)
            second_ml, prompt, rate_ml_min = again.value, again.prompt, self._fastest_ml_min
        else:
            told = self._exchange("status", self._status)
            if told.value.infusing is not (way is _INFUSE):
                return None
            second_ml, prompt = told.value.volume_ml, told.prompt
            rate_ml_min = min(told.value.rate_ml_min, self._fastest_ml_min)
        flows_ml = rate_ml_min / 60 * (self.clock.now_s() - begun_s + _STEP_S)
        rounding_ml = _DIGITS * first_ml
        grown = -rounding_ml <= second_ml - first_ml <= flows_ml + rounding_ml
        return second_ml if grown and prompt is way.prompt else None

    def _status(self, text: str) -> harvard.Status:
        return harvard.status(text, self.settings.status_flags, self.settings.status_time)

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
            return self.done()
        if self._ask("diameter", harvard.diameter_mm).prompt is not Prompt.INFUSING:
            self._halt()
        self._clear_target()  # of a run that was broken off: it would end this one
        self._tell(f"irate {harvard.rate_text(value)}")
        self._tell("irun")
        running_ml_min = self.ask_rate_ml_min()
        if not math.isclose(running_ml_min, value, rel_tol=self.settings.rate_tolerance):
            raise NotReachedError(f"{self.name}: was set to {value:g} mL/min but runs at {running_ml_min:g} mL/min")
        self._check_status(value)
        return self.done()

    def _check_status(self, rate_ml_min: float) -> None:
        """Hold the rate that the pump shows against the one at which, by its status, it turns."""
        if self.settings.cross_check == "repeat":
            return
        text = ""
        for _ in range(_LOOKS):
            text = self._exchange("status", str).value
            try:
                status = self._status(text)
            except ReplyError:
                self._line.distrust()
                continue
            if math.isclose(status.rate_ml_min, rate_ml_min, rel_tol=self.settings.rate_tolerance):
                return
        self._ask("diameter", harvard.diameter_mm)  # raises if it has stalled
        raise NotReachedError(
            f"{self.name}: shows {rate_ml_min:g} mL/min, but its status {text!r} says otherwise; if it is of another "
            "form than configured, see status_flags and cross_check"
        )

    def refill(self) -> Status:
        """Withdraw from the reservoir until the syringe is full, or the reservoir empty.

        Returns:
            Done when the pump reports its target reached; the counters of a full syringe then begin anew.
        """
        self.give_up_watching()
        self._halt()  # the pump goes on counting while it runs
        missing_ml = self._missing_ml()
        drawn_ml = min(missing_ml, self.reservoir_ml)
        if drawn_ml <= NOTHING_ML:
            return self.done()
        # The counters are not cleared before the syringe is full: they tell its content after a failure.
        full = self._clear_counters if drawn_ml == missing_ml else lambda: None
        status = self._run_to(_WITHDRAW, drawn_ml, self.settings.refill_ml_min, full)
        self.reservoir_ml -= drawn_ml
        return status

    def start_dispense(self, volume_ml: float) -> Status:
        """Infuse so much, at ``dispense_ml_min``, and stop.

        Returns:
            Done when the pump reports its target reached.

        Raises:
            LimitError: nothing, or more than the syringe holds; nothing moved.
        """
        self.give_up_watching()
        check_limits(self.name, "volume", volume_ml, (NOTHING_ML, self.ask_content_ml()), "mL")
        self._halt()
        return self._run_to(_INFUSE, volume_ml, self._dispense_ml_min, lambda: None)

    def _run_to(self, way: _Way, volume_ml: float, rate_ml_min: float, then: Callable[[], None]) -> Status:
        target_ml = self._ask_volume_ml(way) + volume_ml
        self._tell(f"{way.rate} {harvard.rate_text(rate_ml_min)}")
        self._must_have(way.rate, harvard.rate_ml_min, rate_ml_min, self.settings.rate_tolerance, "mL/min")
        self._tell(f"tvolume {harvard.volume_text(target_ml)}")
        told_ml = self._ask("tvolume", harvard.target_ml).value
        if told_ml is None or not math.isclose(told_ml, target_ml, rel_tol=1e-4, abs_tol=NOTHING_ML):
            raise NotReachedError(f"{self.name}: was told to run to {target_ml:g} mL but has {told_ml} mL")
        self._tell(way.run)

        def arrived() -> bool:
            if self._ask("diameter", harvard.diameter_mm).prompt is way.prompt:
                return False
            left_ml = target_ml - self._ask_volume_ml(way)
            if left_ml > 0.01 * volume_ml + NOTHING_ML:
                raise NotReachedError(f"{self.name}: stopped {left_ml:.2f} mL short of its target")
            self._clear_target()
            then()
            return True

        seconds = 60 * volume_ml / rate_ml_min
        what = f"{way.counter} {target_ml:.3f} mL"
        return self.watch(arrived, what=what, every_s=max(seconds / 20, 0.5), limit_s=2 * seconds + 60)

    def _clear_target(self) -> None:
        self._tell("ctvolume")
        if (target_ml := self._ask("tvolume", harvard.target_ml).value) is not None:
            raise NotReachedError(f"{self.name}: was told to forget its target but has {target_ml:g} mL")

    def _clear_counters(self) -> None:
        self._tell("cvolume")
        if missing_ml := self._missing_ml():
            raise NotReachedError(f"{self.name}: was told to clear its counters but they say {missing_ml:g} mL")

    def _halt(self) -> None:
        """Stop and check that the pump stands; where the line is bad, say it again."""
        failure: ReplyError | NotReachedError | None = None
        for _ in range(3):
            try:
                self._tell("stop")
                # The acknowledgement is only a prompt, and one that the pump spoke unasked looks the same: ask.
                prompt = self._agreement.ask("diameter", lambda: self._exchange("diameter", harvard.diameter_mm)).prompt
            except ReplyError as error:
                failure = error
                continue
            if prompt not in (Prompt.INFUSING, Prompt.WITHDRAWING):
                return
            failure = NotReachedError(f"{self.name}: was stopped but its prompt is {prompt.value!r}")
        assert failure is not None  # noqa: S101  it was tried at least once
        raise failure

    # Connection.

    def connect(self) -> None:
        """Check that a pump answers, stop it, and tell it the syringe.

        Raises:
            NotReachedError: it does not take the syringe's diameter or volume.
            LimitError: it cannot run the configured rates with that syringe.
            InstrumentFaultError: its counters make no sense for that syringe.
        """
        self._exchange("ver", str)
        self._halt()
        self._clear_target()  # of a run that was broken off
        self._tell("nvram off")  # settings sent here are not worth wearing out its memory
        diameter_mm = self.syringe.inner_diameter_mm
        if not math.isclose(self._ask("diameter", harvard.diameter_mm).value, diameter_mm, rel_tol=1e-3):
            self._tell(f"diameter {diameter_mm:.4f}")
        self._must_have("diameter", harvard.diameter_mm, diameter_mm, 1e-3, "mm")
        self._tell(f"svolume {harvard.volume_text(self.syringe.volume_ml)}")
        self._must_have("svolume", harvard.volume_ml, self.syringe.volume_ml, 1e-3, "mL")
        self._lowest_ml_min, highest = self._ask("irate lim", harvard.rate_limits_ml_min).value
        for what, wanted in (
            ("highest_ml_min", self.settings.highest_ml_min),
            ("refill_ml_min", self.settings.refill_ml_min),
            ("dispense_ml_min", self._dispense_ml_min),
        ):
            if wanted > highest:
                raise LimitError(f"{self.name}: {what} is {wanted:g}, but with this syringe the pump does {highest:g}")
        self._check_content()

    def _must_have(self, what: str, read: Callable[[str], float], value: float, rel_tol: float, units: str) -> None:
        told = self._ask(what, read).value
        if not math.isclose(told, value, rel_tol=rel_tol):
            raise NotReachedError(f"{self.name}: was told {what} {value:g} {units} but has {told:g} {units}")

    # Words.

    def _ask(self, text: str, read: Callable[[str], T]) -> "_Told[T]":
        """What stands: asked until it can be believed.

        Raises:
            InstrumentFaultError: the pump has stalled.
        """
        return self._checked(self._agreement.ask(text, lambda: self._exchange(text, read)))

    def _checked(self, told: "_Told[T]") -> "_Told[T]":
        if told.prompt is Prompt.STALLED:
            raise InstrumentFaultError(f"{self.name}: has stalled: is the syringe empty, or a line blocked?")
        return told

    def _tell(self, text: str) -> None:
        """A command that changes something; what it did is to be read back."""
        self._line.ask(self._command(text), lambda data: harvard.decode(data, self.settings.unit, 0), self.name)
        self._agreement.forget()

    def _exchange(self, text: str, read: Callable[[str], T]) -> "_Told[T]":
        """Ask once for one line of text; one that cannot be read that way may answer another question, and is none."""

        def decode(data: bytes) -> _Told[T] | None:
            reply = harvard.decode(data, self.settings.unit, 1)
            return None if reply is None else _Told(read(reply.lines[0]), reply.prompt)

        return self._line.ask(self._command(text), decode, self.name)

    def _command(self, text: str) -> bytes:
        s = self.settings
        return harvard.command(text, s.unit, s.dialect, s.at_sign)

    @property
    def _line(self):
        return shared_line(self._bench, self.address, self.name, self.settings)

    def _parse(self, read: Callable[[str], T], text: str) -> T:
        try:
            return read(text)
        except ReplyError as error:
            raise ReplyError(f"{self.name}: {error}") from None
