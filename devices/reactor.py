"""The flow reactor as one device: "T_nuc, T_growth, residence time" in, rates and temperatures out.

Nothing moves before everything that was asked has been checked: limits of heaters and pumps, and the
reagent that is left.
"""

import math

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.status import DeviceStatus, Status

from devices.base import Action, Quantity, all_done
from devices.errors import DeviceError, InstrumentFaultError, LimitError
from devices.foresight import ReactorForesight
from devices.plugs import PlugLog, PlugReadings
from devices.reactor_parts import SAME_FLOW, FlowReactorSettings, ReactorParts
from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import DeviceEntry
from flowlab.errors import FlowlabError

#: Plant seconds between two notes of flow and temperatures while the heaters move.
_NOTE_EVERY_S = 5.0


class FlowReactor(ReactorParts):
    """Takes a flow reactor to conditions, and what is in it through the cells.

    Set it to :class:`flowlab.conditions.Conditions`: done when both heaters have settled and the pumps run.
    Set ``flush`` to a number of volumes, mixer to optical cell; ``refill`` to the volume in ml that is
    needed before the next refill; ``reagent`` to the volumes in ml between the refills of a whole plan, and it
    refuses when there is not enough; ``wash`` to a number of volumes, mixer to the last cell, of what the pump
    ``parts.wash`` draws, while the reagents stand. Triggering it checks that the pumps still run as they did, and
    finds out what the plugs in the cells went through.
    """

    Settings = FlowReactorSettings

    nucleation_c = Cpt(Quantity, ask="ask_nucleation_c", units="°C", precision=1, limits="nucleation_limits_c")
    growth_c = Cpt(Quantity, ask="ask_growth_c", units="°C", precision=1, limits="growth_limits_c")
    nucleation_setpoint_c = Cpt(Quantity, ask="ask_nucleation_setpoint_c", units="°C", precision=1)
    growth_setpoint_c = Cpt(Quantity, ask="ask_growth_setpoint_c", units="°C", precision=1)
    residence_time_s = Cpt(Quantity, ask="ask_residence_time_s", units="s", precision=2, limits="residence_limits_s")
    flow_ml_min = Cpt(Quantity, ask="ask_flow_ml_min", units="mL/min", precision=4)
    reagent_left_ml = Cpt(Quantity, ask="ask_reagent_left_ml", units="mL", precision=2)
    optical_plug = Cpt(PlugReadings, "")
    xray_plug = Cpt(PlugReadings, "")
    flush = Cpt(Action, do="start_flush", kind=Kind.omitted)
    refill = Cpt(Action, do="start_refill", kind=Kind.omitted)
    reagent = Cpt(Action, do="check_reagent", kind=Kind.omitted)
    wash = Cpt(Action, do="start_wash", kind=Kind.omitted)

    def __init__(self, name: str, entry: DeviceEntry, settings: FlowReactorSettings, bench: Bench):
        self._rates_ml_min: list[float] = []  # of the pumps, when the last flush began
        self._log = PlugLog(bench.config.flow_path)
        super().__init__(name, entry, settings, bench)
        self._wanted: list[bool] = [True] * len(self.pumps)  # which of them are to run
        for signal in (self.nucleation_setpoint_c, self.growth_setpoint_c, self.flow_ml_min, self.reagent_left_ml):
            signal.kind = Kind.normal
        for signal in (self.nucleation_c, self.growth_c, self.residence_time_s):
            signal.kind = Kind.hinted
        if self.path.xray_total_ml is None:
            self.xray_plug.kind = Kind.omitted

    def foresight(self) -> ReactorForesight:
        """An account of what it would do."""
        return ReactorForesight(self)

    def set(self, value: Conditions) -> Status:
        """Go to conditions: heat first, then flow.

        While the heaters move, the reagents flow as they did, but no faster than for ``heating_residence_s``. The
        liquid cools the ovens: where the flow is another one then, the heaters settle once more.

        Returns:
            Done when the pumps run and both heaters have settled.

        Raises:
            LimitError: the conditions are not allowed; nothing moved.
        """
        self.check_value(value)
        self._rates_ml_min = []
        rates = self.rates_ml_min(value)
        self._wanted = [rate > 0 for rate in rates]
        self._slow_down()
        heating = [self._nucleation.set(value.nucleation_c), self._growth.set(value.growth_c)]
        flows = False

        def there() -> bool:
            nonlocal flows, heating
            if self.clock.now_s() > self._log.time_s + _NOTE_EVERY_S:
                self._note()
            if not all_done(heating):
                return False
            if flows:
                return True
            was_ml_min = self.ask_flow_ml_min()
            for pump, rate in zip(self.pumps, rates, strict=True):
                pump.set(rate)
            flows = True
            if math.isclose(was_ml_min, sum(rates), rel_tol=SAME_FLOW):
                return True
            heating = [self._nucleation.set(value.nucleation_c), self._growth.set(value.growth_c)]
            return False

        return self.watch(there, what=str(value), every_s=1.0, limit_s=1e9)

    def _slow_down(self) -> None:
        """Let nothing flow faster than it may while the heaters move."""
        flowing = [pump.ask_rate_ml_min() for pump in self.pumps]
        most_ml_min = 60 * self.path.reaction_ml / self.settings.heating_residence_s
        if sum(flowing) > most_ml_min * (1 + SAME_FLOW):
            for pump, rate in zip(self.pumps, flowing, strict=True):
                pump.set(rate * most_ml_min / sum(flowing))

    def start_flush(self, volumes: float) -> Status:
        """Let ``volumes`` times the whole path, mixer to optical cell, flow through it.

        Returns:
            Done when the pumps have delivered that much by their own count.

        Raises:
            LimitError: a syringe holds less than that; nothing was changed.
            InstrumentFaultError: a pump does not run, or, by the status, stops running as it did.
        """
        rates_ml_min = [pump.ask_rate_ml_min() for pump in self.pumps]
        flow_ml_min = sum(rates_ml_min)
        running = zip(self.pumps, rates_ml_min, self._wanted, strict=True)
        if standing := [pump.name for pump, rate, wanted in running if wanted and rate <= 0]:
            raise InstrumentFaultError(f"{self.name}: a flush was asked for, but {', '.join(standing)} does not run")
        wanted_ml = volumes * self.path.total_ml
        for pump, rate in zip(self.pumps, rates_ml_min, strict=True):
            share_ml, content_ml = wanted_ml * rate / flow_ml_min, pump.ask_content_ml()
            if share_ml > content_ml:
                raise LimitError(
                    f"{self.name}: this flush takes {share_ml:.2f} mL of {pump.reagent}, but its syringe holds "
                    f"{content_ml:.2f} mL; refill first, or ask for fewer volumes"
                )
        self._rates_ml_min = rates_ml_min
        begun_ml = self._note()
        seconds = 60 * wanted_ml / flow_ml_min

        def delivered() -> bool:
            self._check_rates()
            return self._note() - begun_ml >= wanted_ml

        return self.watch(
            delivered, what=f"{wanted_ml:.2f} mL", every_s=max(seconds / 20, 0.2), limit_s=3 * seconds + 60
        )

    def start_wash(self, volumes: float) -> Status:
        """Stop the reagents, and let ``volumes`` times the whole path, mixer to the last cell, flow of the other.

        Returns:
            Done when the pump has delivered that much by its own count, and stands again.

        Raises:
            LimitError: there is no pump for it, or it has less than that; nothing was changed.
        """
        washer = self.check_washing()
        wanted_ml = volumes * (self.path.xray_total_ml or self.path.total_ml)
        content_ml = washer.ask_content_ml() + washer.reservoir_ml
        if wanted_ml > content_ml:
            raise LimitError(
                f"{self.name}: washing takes {wanted_ml:.1f} mL of {washer.reagent}, but {content_ml:.1f} mL are left"
            )
        self._rates_ml_min = []
        for pump in self.pumps:
            pump.set(0.0)
        washer.set(self.settings.wash_ml_min)
        begun_ml = self._note()

        def delivered() -> bool:
            if washer.ask_rate_ml_min() <= 0:
                raise InstrumentFaultError(f"{self.name}: {washer.name} was to wash, but does not run")
            if self._note() - begun_ml < wanted_ml:
                return False
            washer.set(0.0)
            return True

        seconds = 60 * wanted_ml / self.settings.wash_ml_min
        return self.watch(
            delivered, what=f"{wanted_ml:.2f} mL", every_s=max(seconds / 20, 0.2), limit_s=3 * seconds + 60
        )

    def trigger(self) -> DeviceStatus:
        """Check that every pump still runs as when the last flush began, and look at the cells; done at once.

        Raises:
            InstrumentFaultError: a pump does not.
        """
        self._check_rates()
        self._note()
        path = self.path
        self.optical_plug.plug = self._log.at(path.reaction_ml + path.transfer_ml + path.cell_ml / 2)
        if path.xray_centre_ml is not None:
            self.xray_plug.plug = self._log.at(path.xray_centre_ml)
        status = DeviceStatus(self, call_stop_on_failure=False)  # the plan stops, not a thread of the status
        status.set_finished()
        return status

    def _check_rates(self) -> None:
        for pump, was_ml_min in zip(self.pumps, self._rates_ml_min, strict=False):  # none before the first flush
            now_ml_min = pump.ask_rate_ml_min()
            if not math.isclose(now_ml_min, was_ml_min, rel_tol=0.01):
                raise InstrumentFaultError(
                    f"{self.name}: {pump.name} ran at {was_ml_min:.4g} mL/min, but now at {now_ml_min:.4g} mL/min"
                )

    def start_refill(self, volume_ml: float) -> Status:
        """Refill every syringe when one of them holds less than ``volume_ml`` of total flow needs.

        The pumps stop for it and the plugs in the reactor stand: flush afterwards.

        Returns:
            Done when the syringes are full, at once when nothing needed refilling.

        Raises:
            LimitError: a syringe cannot hold that much, or it is not there; nothing moved.
        """
        self.stock.check(volume_ml, volume_ml)
        if all(pump.ask_content_ml() >= self.stock.share_ml(volume_ml) for pump in self.pumps):
            return self.done()
        self._rates_ml_min = []
        refills = [pump.refill() for pump in self.pumps]
        return self.watch(lambda: all_done(refills), what="full syringes", every_s=1.0, limit_s=1e9)

    def _note(self) -> float:
        """Note flow and temperatures; return the volume pumped so far, in ml."""
        pumps = [*self.pumps, self._washer] if self._washer else self.pumps
        asked_s = self.clock.now_s()
        counted_ml = [pump.ask_infused_ml() for pump in pumps]
        counted_s = (asked_s + self.clock.now_s()) / 2
        self._log.note(counted_s, counted_ml, self.ask_nucleation_c(), self.ask_growth_c())
        return self._log.pumped_ml

    def make_safe(self) -> None:
        """Heaters to their safe temperature, then pumps off; goes on when one of them fails.

        Raises:
            ExceptionGroup: of what went wrong.
        """
        self.give_up_watching()
        self._rates_ml_min = []
        errors: list[Exception] = []
        for part in (self._nucleation, self._growth, *self.pumps, *([self._washer] if self._washer else [])):
            try:
                part.make_safe()
            except Exception as error:  # noqa: BLE001  whatever it is, those behind it are made safe too
                errors.append(error if isinstance(error, FlowlabError) else DeviceError(f"{part.name}: {error!r}"))
        if errors:
            raise ExceptionGroup(f"{self.name}: not everything could be made safe", errors)

    def connect(self) -> None:
        """Nothing of its own to open: its parts are connected."""
