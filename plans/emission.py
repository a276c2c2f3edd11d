"""Taking emission spectra: photoluminescence, excited by a LED that is on for no longer than a spectrum takes."""

from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator

from flowlab.conditions import Conditions
from plans.roles import Light, Reactor, Spectrometer
from plans.spectra import record


class Emission:
    """Emission spectra: at each point one with the LED off, and then one with it on, of the streams of these names.

    The lamp of the absorption spectra shines into the same cell: it is shut out meanwhile.

    Args:
        reactor: the sample's.
        lamp: the spectrometer whose lamp shines into the cell.
        fluorometer: sees the emission; None where there is none.
        led: excites it; likewise.
        flush_volumes: volumes, mixer to optical cell, that are flushed first; 0 behind another measurement.

    Raises:
        ValueError: there is no fluorometer, or no LED.
    """

    DARK, LIT = "emission_dark", "emission"

    def __init__(
        self,
        reactor: Reactor,
        lamp: Spectrometer,
        fluorometer: Spectrometer | None,
        led: Light | None,
        flush_volumes: float,
    ):
        if fluorometer is None or led is None:
            raise ValueError(
                'detectors has "pl", but the instrument file gives this plan no fluorometer and led; name both in its '
                'devices, or leave "pl" out'
            )
        self._reactor = reactor
        self._lamp = lamp
        self._fluorometer = fluorometer
        self._led = led
        self._flush_volumes = flush_volumes

    def check(self) -> None:
        """Refuse a lamp that cannot be shut out.

        Raises:
            LimitError: see there; nothing moves.
        """
        self._lamp.shutter_open.check_value(False)

    def analysis(self) -> dict[str, Any]:
        """Data keys of what is recorded."""
        name = self._fluorometer.name
        keys = {
            "counts": f"{name}_counts",
            "counts_err": f"{name}_counts_err",
            "wavelength_nm": f"{name}_wavelength_nm",
            "integration_ms": f"{name}_integration_ms",
            "saturated_counts": f"{name}_saturated_counts",
            "led_nm": f"{self._led.name}_wavelength_nm",
            "plug": f"{self._reactor.name}_optical_plug",
        }
        return {"kind": "luminescence", "luminescence": keys}

    def point_events(self) -> dict[str, int]:
        """The lit one: its dark one comes before it, and one more before the first point."""
        return {self.LIT: 1}

    def prelude_ml(self) -> list[float]:
        """None: a LED that is off needs no reagent."""
        return []

    def prelude(self) -> MsgGenerator[None]:
        """A dark spectrum, for which the detector is cooled: before anything flows that would have to wait for it."""
        yield from self._alone(self._take(lit=False))

    def point_ml(self, point: Conditions) -> float:
        """Flushing and exposures."""
        path = self._reactor.path
        flow_ml_s = path.reaction_ml / point.residence_time_s
        return self._flush_volumes * path.total_ml + 2 * self._fluorometer.spectrum_s() * flow_ml_s

    def at_point(self) -> MsgGenerator[None]:
        """Dark, then lit: of one temperature of the detector, and of one and the same light from elsewhere."""
        if self._flush_volumes:
            yield from bps.abs_set(self._reactor.flush, self._flush_volumes, wait=True)

        def both() -> MsgGenerator[None]:
            yield from self._take(lit=False)
            yield from self._take(lit=True)

        yield from self._alone(both())

    def finish(self) -> MsgGenerator[None]:
        """The LED is off behind each spectrum."""
        yield from bps.null()

    def _alone(self, plan: MsgGenerator[None]) -> MsgGenerator[None]:
        """A plan with the lamp shut out; behind it, however it ends, the LED is off first, then the lamp is let in."""

        def shut_out() -> MsgGenerator[None]:
            yield from bps.abs_set(self._lamp.shutter_open, False, wait=True)
            yield from plan

        def back() -> MsgGenerator[None]:
            yield from bps.abs_set(self._led, False, wait=True)
            yield from bps.abs_set(self._lamp.shutter_open, True, wait=True)

        yield from bpp.finalize_wrapper(shut_out(), back)

    def _take(self, *, lit: bool) -> MsgGenerator[None]:
        """One spectrum, and the plug that is in the cell behind its exposure."""
        yield from bps.abs_set(self._led, lit, wait=True)
        yield from bps.trigger(self._fluorometer, wait=True)
        yield from bps.trigger(self._reactor, wait=True)
        yield from record([self._reactor, self._fluorometer, self._led], self.LIT if lit else self.DARK)
