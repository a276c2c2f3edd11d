"""A scan that uses every instrument of the shipped lab at each point, and records all that each can tell."""

from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator

from flowlab.conditions import Conditions
from plans.frames import staged
from plans.safety import shutdown
from plans.spectra import record

#: The plan's devices, by the names that they have in the lab.
DEVICES = [
    *("reactor", "xray", "spectrometer", "fluorometer", "led", "cadmium_pump", "selenium_pump", "solvent_pump"),
    *("selector", "pressure", "nucleation_heater", "growth_heater", "sample_stage", "beam_shutter", "ring"),
]
_STREAMS = ("solvent", "cadmium", "selenium")
_SAMPLES = ("capillary", "water")


def everything(
    reactor: Any,
    xray: Any,
    spectrometer: Any,
    fluorometer: Any,
    led: Any,
    cadmium_pump: Any,
    selenium_pump: Any,
    solvent_pump: Any,
    selector: Any,
    pressure: Any,
    nucleation_heater: Any,
    growth_heater: Any,
    sample_stage: Any,
    beam_shutter: Any,
    ring: Any,
    *,
    temperatures_c: list[float],
    residence_times_s: list[float],
    events: int = 3,
) -> MsgGenerator[None]:
    """At each point other temperatures, flows, liquids and samples; then spectra, frames, currents and all readings."""
    told = [cadmium_pump, selenium_pump, solvent_pump, selector, pressure, nucleation_heater, growth_heater]
    told += [sample_stage, beam_shutter, ring, led, spectrometer, fluorometer, reactor, xray]
    points = list(zip(temperatures_c, residence_times_s, strict=True))

    def expose() -> MsgGenerator[None]:
        for _ in range(events):
            for detector in (spectrometer, fluorometer, xray):
                yield from bps.trigger(detector, wait=True)
            yield from bps.trigger(reactor, wait=True)
            yield from record(told, "primary")

    def finish() -> MsgGenerator[None]:
        yield from shutdown(reactor)
        for device in (solvent_pump, led, xray):
            yield from bps.stop(device)

    @bpp.finalize_decorator(finish)
    @bpp.run_decorator(md={"plan_name": "everything", "num_points": len(points)})
    def visit() -> MsgGenerator[None]:
        for number, (temperature_c, residence_time_s) in enumerate(points):
            conditions = Conditions(temperature_c, temperature_c + 10.0, residence_time_s)
            moves: list[tuple[Any, Any]] = [(reactor.refill, 30.0), (selector, _STREAMS[number % len(_STREAMS)])]
            moves += [(solvent_pump, 0.2 + 0.1 * number), (reactor, conditions)]
            for device, value in moves:
                yield from bps.abs_set(device, value, wait=True)
                yield from record(told[: told.index(led)], "between")
            yield from bps.abs_set(xray.sample, _SAMPLES[number % len(_SAMPLES)], wait=True)
            yield from bps.abs_set(led, number % 2 == 0, wait=True)
            yield from bps.abs_set(spectrometer.shutter_open, number % 4 != 3, wait=True)
            yield from bps.abs_set(reactor.flush, 0.3, wait=True)
            yield from staged(xray, expose())

    yield from visit()
