"""Ocean QE Pro: a cooled spectrometer on USB, for photoluminescence.

Sources: its data sheet 891-00000-000-05 (pages 11–13 and 26–27) as the maker's sample program and public drivers have
it; libseabreeze's list of messages; seabreeze's QEPRO. What they do not settle is a setting.
"""

from typing import Annotated, Any, Literal, cast

from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import Status
from pydantic import Field

from devices.base import Action, check_limits
from devices.errors import NotReachedError, ReplyError
from devices.ocean.settings import OceanSettings
from devices.ocean.spectrometer import Counts, OceanSpectrometer
from devices.protocols import obp

_SETPOINT, _TEMPERATURE, _COOLS = 0x00420001, 0x00420004, 0x00420000
_SET_SETPOINT, _SET_COOLS = 0x00420011, 0x00420010
_ABORT, _CLEAR_BUFFER, _ACQUIRE = 0x00100000, 0x00100830, 0x00100902
#: Single precision brings a set point back a little off.
_SINGLE_PRECISION_C = 1e-3
#: Scans that turn out to be stale or seen before are passed over, at most so many beyond the expected ones.
_MORE_STALE = 4


class OceanQeProSettings(OceanSettings):
    """How spectra are taken, and how cold."""

    integration_ms: Annotated[float, Field(ge=8.0, lt=1_600_000.0)]
    stale_reads: Annotated[int, Field(ge=0, le=10)] = Field(
        default=3,
        description="scans thrown away after a change of integration time or light: they were under way before it",
    )
    saturated_counts: Annotated[int, Field(gt=0, le=2**18 - 1)] = Field(
        default=200_000,
        description="a pixel with so many counts is saturated: the converter ends at 2^18 - 1 = 262143, but the "
        "maker's library says that the detector ends at 200000",
    )
    acquire: Literal["request", "buffer"] = Field(
        default="request",
        description="how a scan is asked for: 'request' as seabreeze does; 'buffer' after the data sheet, page 13: "
        "abort, clear the buffer, acquire, and only then request",
    )
    detector_c: Annotated[float, Field(ge=-40.0, le=30.0)] = Field(
        default=-10.0, description="temperature at which the detector is kept"
    )
    lowest_detector_c: float = Field(default=-25.0, description="lowest set point that is ever sent")
    highest_detector_c: float = Field(default=20.0, description="highest set point that is ever sent")
    detector_within_c: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.5, description="how far the detector may be from its set point in spectra that count"
    )
    cool_within_s: Annotated[float, Field(gt=0)] = Field(
        default=300.0, description="time limit for reaching the set point"
    )
    cool_for_s: Annotated[float, Field(ge=0)] = Field(
        default=5.0, description="the detector counts as cold after it has been at its set point for so long"
    )


class OceanQePro(OceanSpectrometer):
    """1044 pixels of 18 bits on a detector that is cooled; its light is what excites, off unless it is switched on.

    A spectrum waits until the detector is cold. Set ``cooling`` to a temperature in °C to go there and wait.
    """

    Settings = OceanQeProSettings
    MODEL = "QEPRO"
    SCHEMES = ("usb", "usb+tcp")
    PIXELS = 1044
    INTEGRATION_LIMITS_MS = (8.0, 1_599_999.999)
    LIT = False
    TAKES = "emission spectrum"

    detector_c = Cpt(Signal, value=float("nan"), kind=Kind.normal)
    detector_setpoint_c = Cpt(Signal, value=float("nan"), kind=Kind.normal)
    tick_us = Cpt(Signal, value=0, kind=Kind.normal)
    cooling = Cpt(Action, do="cool", kind=Kind.omitted)

    def __init__(self, name: str, entry: Any, settings: OceanQeProSettings, bench: Any):
        self.detector_limits_c = (settings.lowest_detector_c, settings.highest_detector_c)
        if not settings.lowest_detector_c <= settings.detector_c <= settings.highest_detector_c:
            raise ValueError(f"settings.detector_c = {settings.detector_c:g} is outside its own limits")
        self._wanted_c = settings.detector_c
        self._last: obp.Metadata | None = None
        super().__init__(name, entry, settings, bench)

    # Cooling.

    def _prepare(self) -> None:
        self._last = None
        self._send_cooling()

    def _send_cooling(self) -> None:
        wanted_c = self._wanted_c
        self._link.tell("detector temperature", _SET_SETPOINT, obp.single(wanted_c))
        found_c = self._real("set point of the detector", _SETPOINT)
        if abs(found_c - wanted_c) > _SINGLE_PRECISION_C:
            raise NotReachedError(f"{self.name}: the detector was set to {wanted_c:g} °C but reads {found_c:g} °C")
        self.detector_setpoint_c.put(found_c)
        self._link.tell("cooler on", _SET_COOLS, b"\x01")
        self._link.check("cooler on", _COOLS, 1)

    def cool(self, value: float) -> Status:
        """Set the detector's temperature.

        Returns:
            Done when it has been there for ``cool_for_s``.

        Raises:
            LimitError: outside the limits; nothing was sent.
        """
        check_limits(self.name, "detector temperature", value, self.detector_limits_c, "°C")
        with self._lock:
            self._wanted_c = value
            self._insist(self._come_back_and_cool)
        return self._watch_cooling()

    def _come_back_and_cool(self) -> None:
        if self._link.is_lost:
            self._come_back()
        else:
            self._send_cooling()

    def ask_detector_c(self) -> float:
        """Temperature of the detector now."""
        with self._lock:
            return self._real("detector temperature", _TEMPERATURE)

    def _real(self, what: str, kind: int) -> float:
        return self._link.decoded(what, obp.real, self._link.ask(what, kind))

    def _is_cold(self) -> bool:
        return abs(self.ask_detector_c() - self._wanted_c) <= self.settings.detector_within_c

    def _watch_cooling(self) -> Status:
        warm_s = self.clock.now_s()

        def settled() -> bool:
            nonlocal warm_s
            if not self._is_cold():
                warm_s = self.clock.now_s()
            return self.clock.now_s() - warm_s >= self.settings.cool_for_s

        return self.watch(
            settled,
            what=f"{self._wanted_c:g} °C of the detector",
            every_s=1.0,
            limit_s=self.settings.cool_within_s,
        )

    def _be_ready(self) -> None:
        """Wait until the detector is cold.

        Raises:
            NotReachedError: it does not become so in time, or the exposure was given up.
        """
        cold = self.clock.wait_until(
            self._is_cold, every_s=1.0, limit_s=self.settings.cool_within_s, wake=self._given_up
        )
        if not cold:
            why = "the exposure was given up" if self._given_up.is_set() else self._why_not_cold()
            raise NotReachedError(f"{self.name}: {why}")

    def _why_not_cold(self) -> str:
        return (
            f"the detector is at {self.ask_detector_c():.2f} °C, not at {self._wanted_c:g} °C, after "
            f"{self.settings.cool_within_s:g} s; is it too warm around it for this set point?"
        )

    # Light and spectra.

    def make_safe(self) -> None:
        """Give up the exposure under way, and switch the exciting light off; the detector stays cold."""
        super().make_safe()
        if self.settings.shutter_message:
            self.set_shutter(is_open=False)

    def _put(self, scans: Counts) -> None:
        detector_c = self.ask_detector_c()
        if abs(detector_c - self._wanted_c) > self.settings.detector_within_c:
            raise NotReachedError(
                f"{self.name}: the detector left {self._wanted_c:g} °C during the exposure: {detector_c:.2f} °C"
            )
        super()._put(scans)
        self.detector_c.put(detector_c)
        self.tick_us.put(cast("obp.Metadata", self._last).tick_us)

    def _scan(self) -> Counts:
        """The next scan that has the integration time that was set, and was not seen before."""
        wanted_us = round(1000 * float(cast("float", self.integration_ms.get())))
        for _ in range(self.settings.stale_reads + _MORE_STALE):
            metadata, counts = self._link.decoded("spectrum", obp.spectrum_32, self._raw_scan(), self.PIXELS)
            seen, self._last = self._last, metadata
            if metadata.integration_us == wanted_us and metadata != seen:
                return counts
        self._link.drop()
        raise ReplyError(
            f"{self.name}: asked for a new spectrum of {wanted_us} us, got old ones again and again: {self._last}"
        )

    def _raw_scan(self) -> bytes:
        if self.settings.acquire == "buffer":
            for what, kind in (("abort", _ABORT), ("empty buffer", _CLEAR_BUFFER), ("acquire", _ACQUIRE)):
                self._link.tell(what, kind, b"")
        return super()._raw_scan()
