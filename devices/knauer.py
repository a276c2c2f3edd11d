"""Knauer Azura Compact HPLC pumps: a continuous feed from a bottle, with a pressure sensor in it.

Source: public drivers; see :mod:`devices.protocols.knauer`. What no source settles is a setting: the unit of the
pressure reading has no default, as two are told that differ by ten, in flowchem 1.1.6 even in one file.

**The pump has no time-out of its own: when the line or this program dies, it goes on** until its bottle is empty or the
pressure is outside ``lowest_bar``…``highest_bar``, which are set in the pump when it is connected. A pump that must
not go on needs a switch in its supply, or in its START IN, that does not depend on this computer.

It keeps no count of what it delivered: that is reckoned from the rates that were confirmed and the time they were
kept. It cannot be asked whether it runs, unless the current of its motor tells (``idle_current``); that it stopped by
itself shows in its list of errors.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, TypeVar

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.status import Status
from pydantic import Field

from devices.agreement import Agreement, DisagreementError
from devices.base import Instrument, Quantity, check_limits
from devices.errors import DeviceError, InstrumentFaultError, NotReachedError, ReplyError
from devices.links import LineSettings, shared_line
from devices.protocols import knauer
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

T = TypeVar("T")


class AzuraCompactSettings(LineSettings):
    """A pump as it is plumbed."""

    reagent: str = Field(description="which of the [reagents] it feeds, or solvent")
    bottle_ml: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="what is in its bottle; not given: the reagent's reservoir_ml"
    )
    highest_ml_min: Annotated[float, Field(gt=0)] = Field(description="highest rate that is ever sent")
    lowest_ml_min: Annotated[float, Field(gt=0)] = Field(
        default=0.05, description="lowest rate that is ever sent; the pump counts whole µl/min"
    )
    highest_bar: Annotated[int, Field(gt=0)] = Field(description="the pump stops by itself above this pressure")
    lowest_bar: Annotated[int, Field(ge=0)] = Field(
        default=0, description="the pump stops by itself below this pressure: it runs dry, or something leaks"
    )
    pressure_unit_bar: Annotated[float, Field(gt=0)] = Field(
        description="bar for each count of PRESSURE?: 1 if the pump counts 0.1 MPa, 0.1 if it counts 0.1 bar; "
        "compare with its display at a known pressure"
    )
    pressure_agrees_bar: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="how far three readings in a row may be apart; the highest of them counts"
    )
    head_ml: Literal[10, 50] = Field(default=10, description="which pump head is on it; it is asked and must agree")
    remote_command: Literal["REMOTE:1", "REMOTE", "none"] = Field(
        default="REMOTE:1", description="what locks the panel: public drivers differ"
    )
    idle_current: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="percent of IMOTOR? up to which the motor stands; not given: it is not asked"
    )
    start_within_s: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="plant seconds in which its motor turns, or stands, once it was told; see idle_current"
    )
    bare_values: bool = Field(default=False, description="whether the pump answers FLOW? by 1250, not FLOW:1250")


class AzuraCompact(Instrument):
    """An HPLC pump: set it to a rate in ml/min, 0 stops it. A :class:`devices.roles.Pump` and a pressure gauge."""

    Settings = AzuraCompactSettings

    rate_ml_min = Cpt(Quantity, ask="ask_rate_ml_min", units="mL/min", precision=3, limits="limits_ml_min")
    pressure_bar = Cpt(Quantity, ask="ask_pressure_bar", units="bar", precision=1, kind=Kind.normal)
    content_ml = Cpt(Quantity, ask="ask_content_ml", units="mL", precision=1, kind=Kind.normal)

    def __init__(self, name: str, entry: DeviceEntry, settings: AzuraCompactSettings, bench: Bench):
        self.settings = settings
        self.reagent = settings.reagent
        self.capacity_ml = _bottle_ml(settings, bench)
        #: It draws from its bottle: there is nothing to refill that from.
        self.reservoir_ml = 0.0
        self.refill_ml_min = float("inf")
        most_ml_min, most_bar = knauer.HEADS[settings.head_ml]
        if settings.highest_ml_min > most_ml_min or settings.highest_bar > most_bar:
            raise ValueError(
                f"a pump head of {settings.head_ml} mL does {most_ml_min:g} mL/min and {most_bar} bar at most"
            )
        if settings.lowest_ml_min > settings.highest_ml_min or settings.lowest_bar >= settings.highest_bar:
            raise ValueError("settings: lowest_ml_min or lowest_bar is above the highest")
        self.limits_ml_min = (0.0, settings.highest_ml_min)
        self._bench = bench
        self._agreement = Agreement(name, lambda: self._line.hush())
        self._counting = threading.Lock()
        self._begun = self._ended = 0  # of what it was told; unequal while it is told something
        self._on: bool | None = None  # None: not known
        self._errors: tuple[int, ...] | None = None
        self._fault: str | None = None
        self._delivers_ml_min = 0.0
        self._since_s = bench.clock.now_s()
        self._delivered_ml = 0.0
        super().__init__(name, entry, bench)

    # What is asked of the pump.

    def ask_rate_ml_min(self) -> float:
        """What it delivers now: 0 unless it runs.

        Raises:
            InstrumentFaultError: it stopped by itself; stopping it acknowledges that.
        """
        with self._counting:
            before = self._begun if self._begun == self._ended else None
        flow_ml_min = self._ask("FLOW", knauer.whole) / 1000
        runs = self._runs()
        # Who asks may do so while another thread starts or stops it: a motor that stands then is no fault.
        self._check_fault(runs, settled=lambda: self._begun == before)
        return flow_ml_min if runs else 0.0

    def ask_pressure_bar(self) -> float:
        """Pressure at its outlet: the highest of three readings in a row that agree.

        Raises:
            DisagreementError: no three do.
        """
        readings: deque[float] = deque(maxlen=Agreement.VOTES)
        for _ in range(2 * Agreement.REPLIES):
            readings.append(self._exchange_value("PRESSURE", knauer.whole) * self.settings.pressure_unit_bar)
            spread_bar = max(readings) - min(readings)
            if len(readings) == Agreement.VOTES and spread_bar <= self.settings.pressure_agrees_bar * (1 + 1e-9):
                return max(readings)
        raise DisagreementError(
            f"{self.name}: no {Agreement.VOTES} readings of its pressure in a row are within "
            f"{self.settings.pressure_agrees_bar:g} bar; is the line disturbed, or pressure_agrees_bar too small?"
        )

    def ask_infused_ml(self) -> float:
        """What it delivered since this device was made, reckoned."""
        with self._counting:
            return self._reckon(self._delivers_ml_min)

    def ask_content_ml(self) -> float:
        """What is left in its bottle, reckoned."""
        return max(self.capacity_ml - self.ask_infused_ml(), 0.0)

    def _reckon(self, from_now_ml_min: float) -> float:
        now_s = self.clock.now_s()
        self._delivered_ml += self._delivers_ml_min * (now_s - self._since_s) / 60
        self._since_s, self._delivers_ml_min = now_s, from_now_ml_min
        return self._delivered_ml

    def _runs(self) -> bool:
        idle = self.settings.idle_current
        if idle is not None:
            return self._agreement.ask("IMOTOR", lambda: self._exchange_value("IMOTOR", knauer.whole) > idle)
        if self._on is None:
            raise DeviceError(f"{self.name}: it is not known whether it runs; connect it first, or set idle_current")
        return self._on

    def _comes_to(self, *, running: bool) -> bool:
        """Whether it runs, once it had the time to do as it was told."""
        there = self.clock.wait_until(
            lambda: self._runs() is running, every_s=0.2, limit_s=self.settings.start_within_s
        )
        return running if there else not running

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Around what starts or stops it."""
        with self._counting:
            self._begun += 1
        try:
            yield
        finally:
            with self._counting:
                self._ended += 1

    def _check_fault(self, runs: bool, settled: Callable[[], bool] = lambda: True) -> None:
        """Find out whether it stopped by itself; that stays an error until it is stopped."""
        if self._on and self._fault is None:
            errors = self._ask("ERRORS", knauer.errors)
            if errors != self._errors:
                self._fault = f"stopped by itself: its last errors are {', '.join(map(str, errors))}; see its manual"
            elif not runs and settled():
                self._fault = "was started, but its motor stands"
        if self._fault is not None:
            with self._counting:
                self._reckon(0.0)
            raise InstrumentFaultError(f"{self.name}: {self._fault}")

    # What it is told.

    def check_value(self, value: float, **_: object) -> None:
        """Refuse a rate outside the limits.

        Raises:
            LimitError: see there.
        """
        lowest = 0.0 if value == 0 else self.settings.lowest_ml_min
        check_limits(self.name, "rate", value, (lowest, self.limits_ml_min[1]), "mL/min")

    def set(self, value: float) -> Status:
        """Deliver at a rate in ml/min from now on, to the nearest µl/min; 0 stops.

        Returns:
            Done at once: the pump confirmed.

        Raises:
            LimitError: outside the limits; nothing was sent.
            NotReachedError: the pump does not have that rate.
            InstrumentFaultError: it stopped by itself; stop it first, which acknowledges that.
        """
        self.check_value(value)
        self.give_up_watching()
        if value == 0:
            self._halt()
            return self.done()
        with self._telling():
            self._start(value)
        return self.done()

    def _start(self, value: float) -> None:
        self._check_fault(self._runs())
        if not self._on:
            self._errors = self._ask("ERRORS", knauer.errors)
        self._set("FLOW", round(value * 1000))
        if not self._on:
            # When the reply is lost it may run or not: it is taken to run.
            self._on = True
            self._order("ON")
        self._check_fault(self._comes_to(running=True))
        with self._counting:
            self._reckon(round(value * 1000) / 1000)

    def refill(self) -> Status:
        """Nothing to do: it draws from its bottle all the time."""
        return self.done()

    def make_safe(self) -> None:
        """Stop, and check that the flow is 0."""
        self.give_up_watching()
        self._halt()

    def _halt(self) -> None:
        """OFF, and as that cannot be read back everywhere, a flow of 0 too, which can."""
        with self._telling():
            self._switch_off()

    def _switch_off(self) -> None:
        failure: ReplyError | None = None
        for _ in range(3):  # where the line is bad, say it again
            try:
                self._order("OFF")
                self._on = False
                self._set("FLOW", 0)
                break
            except ReplyError as error:
                failure = error
        else:
            assert failure is not None  # noqa: S101  it failed three times
            raise failure
        with self._counting:
            self._reckon(0.0)
        if self._comes_to(running=False):
            raise NotReachedError(f"{self.name}: was switched off, but its motor turns")
        self._fault = None

    # Connection.

    def connect(self) -> None:
        """Check that a pump with that head answers, take control of it, stop it, and tell it its pressure limits.

        Raises:
            InstrumentFaultError: it has another head.
            NotReachedError: it does not keep what it was told.
        """
        head_ml = self._ask("HEADTYPE", knauer.head_ml)
        if head_ml != self.settings.head_ml:
            raise InstrumentFaultError(
                f"{self.name}: has a head of {head_ml} mL, but settings.head_ml is {self.settings.head_ml}"
            )
        if self.settings.remote_command != "none":
            self._order(self.settings.remote_command)
        self._halt()
        self._set(f"PMIN{head_ml}", self.settings.lowest_bar)
        self._set(f"PMAX{head_ml}", self.settings.highest_bar)

    def _set(self, name: str, value: int) -> None:
        self._order(f"{name}:{value}")
        told = self._ask(name, knauer.whole)
        if told != value:
            raise NotReachedError(f"{self.name}: was told {name}:{value} but has {told}")

    def _order(self, command: str) -> None:
        self._line.ask(knauer.order(command), lambda data: knauer.decode_done(data, command), self.name)
        self._agreement.forget()

    def _ask(self, name: str, read: Callable[[str], T]) -> T:
        return self._agreement.ask(name, lambda: self._exchange_value(name, read))

    def _exchange_value(self, name: str, read: Callable[[str], T]) -> T:
        def decode(data: bytes) -> T | None:
            text = knauer.decode_value(data, name, self.settings.bare_values)
            return None if text is None else read(text)

        return self._line.ask(knauer.query(name), decode, self.name)

    @property
    def _line(self):
        return shared_line(self._bench, self.address, self.name, self.settings)


def _bottle_ml(settings: AzuraCompactSettings, bench: Bench) -> float:
    if settings.reagent not in bench.config.reagents and settings.reagent != "solvent":
        known = ", ".join([*bench.config.reagents, "solvent"])
        raise ValueError(f"settings.reagent = {settings.reagent!r}: there is no such reagent; there are {known}")
    if settings.bottle_ml is not None:
        return settings.bottle_ml
    if settings.reagent not in bench.config.reagents:
        raise ValueError("settings.bottle_ml is missing: how much solvent there is")
    return bench.config.reagents[settings.reagent].reservoir_ml
