"""What the spectrometers of Ocean have in common: how they are reached, told what to do, and read.

What users of seabreeze met and these drivers guard against: a read that never returns when the other end is gone, a
refused integration time that passes for accepted, a spectrum that still belongs to the old integration time, averaging
and smoothing inside the instrument that another program left switched on.
"""

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import DeviceStatus

from devices.base import check_limits
from devices.errors import DeviceError, LimitError, LinkError, NotReachedError, ReplyError, ReplyTimeoutError
from devices.foresight import ExposureForesight
from devices.measuring import MeasuringInstrument
from devices.ocean.link import OceanLink
from devices.ocean.signals import IntegrationTime, LightState, Scans
from devices.protocols import obp
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

T = TypeVar("T")
Counts = obp.Counts

#: Real seconds of an exposure that is worth being given up; the part of it that is waited for before its reply is.
_LONG_S, _MOST_OF_IT = 0.3, 0.9
#: Share of the pixels, the brightest, whose mean is the light level.
_BRIGHT = 0.1
#: The message that asks for a state is the one that sets it, less this (libseabreeze's list of messages).
_SET_LESS_GET = 0x10


class OceanSpectrometer(MeasuringInstrument):
    """Takes spectra of raw counts: each is the mean of several scans, with the standard error of that mean."""

    #: seabreeze's name of the model; the schemes of addresses that it has a plug for.
    MODEL: ClassVar[str]
    SCHEMES: ClassVar[tuple[str, ...]]
    PIXELS: ClassVar[int]
    INTEGRATION_LIMITS_MS: ClassVar[tuple[float, float]]
    #: Whether the light is on from the beginning.
    LIT: ClassVar[bool]
    #: What it takes, in the words of a preflight.
    TAKES: ClassVar[str] = "spectrum"
    UNITS: ClassVar = {
        "counts": "counts",
        "counts_err": "counts",
        "saturated_pixels": "pixels",
        "light_level": "counts",
        "wavelength_nm": "nm",
        "integration_ms": "ms",
        "saturated_counts": "counts",
        "detector_c": "°C",
        "detector_setpoint_c": "°C",
        "tick_us": "us",
    }

    counts = Cpt(Signal, value=np.zeros(1), kind=Kind.normal)
    counts_err = Cpt(Signal, value=np.zeros(1), kind=Kind.normal)
    saturated_pixels = Cpt(Signal, value=0, kind=Kind.normal)
    light_level = Cpt(Signal, value=float("nan"), kind=Kind.normal)
    shutter_open = Cpt(LightState, value=True, kind=Kind.normal)
    wavelength_nm = Cpt(Signal, value=np.zeros(1), kind=Kind.config)
    integration_ms = Cpt(IntegrationTime, value=0.0, kind=Kind.config)
    scans = Cpt(Scans, value=0, kind=Kind.config)
    serial_number = Cpt(Signal, value="", kind=Kind.config)
    saturated_counts = Cpt(Signal, value=0, kind=Kind.config)

    def __init__(self, name: str, entry: DeviceEntry, settings: Any, bench: Bench):
        self.settings = settings
        self._link = OceanLink(name, entry.address, self.MODEL, self.SCHEMES, settings, self._wait_for_exposure)
        super().__init__(name, entry, bench)
        self.integration_ms.put(settings.integration_ms, force=True)
        self.scans.put(settings.scans, force=True)
        self.saturated_counts.put(settings.saturated_counts)
        self.shutter_open.put(self.LIT, force=True)
        self._lines: dict[int, bool] = {}  # what each line is to be, by the message that sets it
        self._stale = False  # scans that are under way may be of another light
        self._lock = threading.RLock()

    # What the models differ in.

    @abstractmethod
    def _scan(self) -> Counts:
        """One scan that belongs to the present integration time, shape (pixels,)."""

    def _prepare(self) -> None:
        """What this model needs once it is open; the lock is held."""

    def _be_ready(self) -> None:
        """Wait until spectra count, or raise; the lock is not held."""

    # Connection.

    def connect(self) -> None:
        """Open the spectrometer, read its wavelength axis, set the integration time, switch the light as it begins."""
        with self._lock:
            self._given_up.clear()
            self._lines.clear()
            self._insist(self._read_axis)
        if self.settings.shutter_message:
            self.set_shutter(is_open=self.LIT)

    def _read_axis(self) -> None:
        self._open_wholly()
        with self._closed_by_errors():
            axis = self._link.feature("wavelengths", lambda feature: feature.get_wavelengths())
            if axis.shape != (self.PIXELS,) or not np.all(np.diff(axis) > 0):
                raise ReplyError(f"{self.name}: its wavelength calibration does not rise from pixel to pixel")
            self.wavelength_nm.put(axis)
            self.serial_number.put(self._link.serial_number)

    def _insist(self, work: Callable[[], T]) -> T:
        """Do what is harmless to do twice, again when a reply to it was lost or spoilt: connected anew."""
        failure: DeviceError | None = None
        for _ in range(self.settings.attempts):
            try:
                return work()
            except (LinkError, ReplyError, ReplyTimeoutError) as error:
                failure = error
        assert failure is not None  # noqa: S101  at least one attempt was made
        raise failure

    def _open_wholly(self) -> None:
        """Open it and set all that it was told before, which it may have lost with its power; or leave it closed."""
        self._link.open()
        with self._closed_by_errors():
            self._take_plain_scans()
            self._prepare()
            for message, on in self._lines.items():
                self._switch(message, on)
            self._set_integration_ms(float(cast("float", self.integration_ms.get())))

    def _come_back(self) -> None:
        """Open it again when it was lost."""
        with self._lock:
            if self._link.is_lost:
                self._open_wholly()

    @contextlib.contextmanager
    def _closed_by_errors(self) -> Iterator[None]:
        """Close it when something goes wrong: what is half set is set wholly when it is opened again."""
        try:
            yield
        except DeviceError:
            self._link.drop()
            raise

    def _wait_for_exposure(self, exposure_s: float) -> bool:
        """Wait for most of a long exposure, which being made safe must not have to do; True: it is given up."""
        wait_s = _MOST_OF_IT * self.clock.real_s(exposure_s)
        return wait_s > _LONG_S and self._given_up.wait(wait_s)

    def close(self) -> None:
        """Close the connection."""
        self._end_work()
        with self._lock:
            self._link.drop()
        super().close()

    # What it is told.

    def _take_plain_scans(self) -> None:
        """No trigger, no averaging and no smoothing inside the instrument: raw counts are the record."""
        self._link.tell("trigger mode", 0x00110110, b"\x00")
        for what, get, plain in (("scans to average", 0x00120000, 1), ("boxcar width", 0x00121000, 0)):
            try:
                payload = self._link.ask(what, get)
            except obp.NotKnownError:
                continue  # it has no such function
            if self._link.decoded(what, obp.unsigned, payload) != plain:
                self._link.tell(what, get + _SET_LESS_GET, plain.to_bytes(len(payload), "little"))
                self._link.check(what, get, plain)

    def check_integration_ms(self, value: float) -> None:
        """Refuse an integration time that the spectrometer cannot do.

        Raises:
            LimitError: see there.
        """
        check_limits(self.name, "integration time", value, self.INTEGRATION_LIMITS_MS, "ms")

    def set_integration_ms(self, value: float) -> None:
        """Set the exposure of one scan and throw the stale scans behind it away.

        Raises:
            LimitError: outside what the spectrometer can do.
            RefusedError: it did not acknowledge.
            NotReachedError: it reads back another one.
        """
        self.check_integration_ms(value)
        with self._lock:
            self._given_up.clear()
            self._insist(lambda: self._come_back_and_integrate(value))

    def _come_back_and_integrate(self, value: float) -> None:
        self._come_back()
        with self._closed_by_errors():
            self._set_integration_ms(value)

    def _set_integration_ms(self, value: float) -> None:
        wanted_us = round(1000 * value)
        before_us = wanted_us
        if self.settings.read_back:
            before_us = self._link.ask_number("integration time", 0x00110000)
        # Through seabreeze, which has limits of its own.
        self._link.feature("integration time", lambda feature: feature.set_integration_time_micros(wanted_us))
        if self.settings.read_back:
            self._link.check("integration time in us", 0x00110000, wanted_us)
        self.integration_ms.put(value, force=True)
        # Scans that are under way still take the time they were begun with.
        self._link.expect_exposure(max(wanted_us, before_us) * 1e-6)
        self._throw_stale_away()
        self._link.expect_exposure(wanted_us * 1e-6)

    def set_shutter(self, *, is_open: bool) -> None:
        """Switch the light.

        Raises:
            LimitError: it cannot be switched.
            DeviceError: it was refused, or it reads otherwise.
        """
        self.check_shutter()
        self.switch(self.settings.shutter_message, on=is_open)

    def check_shutter(self) -> None:
        """Refuse to go on without a light that can be switched.

        Raises:
            LimitError: see there.
        """
        if not self.settings.shutter_message:
            raise LimitError(
                f"{self.name}: shutter_message is 0: there is no shutter, so no dark spectrum can be taken; "
                "wire the lamp's shutter and give the message that switches it"
            )

    def switch(self, message: int, *, on: bool) -> None:
        """Switch one of the lines that the spectrometer has for light, and read it back where it can tell.

        Args:
            message: OBP message that sets it.
            on: what to set.

        Raises:
            DeviceError: it was refused, or it reads otherwise.
        """
        with self._lock:
            self._stale |= self._lines.get(message) != on
            if not on:  # even when it fails: what could not be made safe does not come back lit
                self._lines[message] = False
            self._insist(lambda: self._switch_alone(message, on))

    def _switch_alone(self, message: int, on: bool) -> None:
        was_lost = self._link.is_lost
        if was_lost:
            self._link.open()  # nothing else is set: what is to be safe must not depend on it
        try:
            self._switch(message, on)
        finally:
            if was_lost:
                self._link.drop()

    def _switch(self, message: int, on: bool) -> None:
        what = f"light {'on' if on else 'off'}"
        self._link.tell(what, message, bytes([on]))
        try:
            self._link.check(what, message - _SET_LESS_GET, int(on))
        except obp.NotKnownError:
            self.log.debug("%s: the line cannot be read back", self.name)
        self._lines[message] = on
        if message == self.settings.shutter_message:
            self.shutter_open.put(on, force=True)

    def is_lit(self, message: int) -> bool:
        """Whether one of the lines is on, by the spectrometer itself where it can tell."""
        with self._lock:
            return self._insist(lambda: self._is_lit(message))

    def _is_lit(self, message: int) -> bool:
        self._come_back()
        try:
            return self._link.ask_number("light", message - _SET_LESS_GET) != 0
        except obp.NotKnownError:
            return self._lines.get(message, False)

    def make_safe(self) -> None:
        """Give up the exposure under way: a short scan is waited for, a long one is not."""
        self._end_work()

    # Spectra.

    def foresight(self) -> ExposureForesight:
        """An account of what it would take."""
        return ExposureForesight(self.TAKES, self.spectrum_s())

    def spectrum_s(self) -> float:
        """Exposure of one spectrum in seconds: its scans, and those thrown away where the light was changed."""
        scans = int(cast("int", self.scans.get())) + self.settings.stale_reads
        return 1e-3 * float(cast("float", self.integration_ms.get())) * scans

    def trigger(self) -> DeviceStatus:
        """Take one spectrum; done when it can be read."""
        return self.start(self._expose, "spectrum")

    def _expose(self) -> None:
        self._insist(self._expose_once)

    def _expose_once(self) -> None:
        self._come_back()
        self._be_ready()
        with self._lock:
            if self._stale:
                self._throw_stale_away()
            self._put(np.array(list(self._scans())))

    def _put(self, scans: Counts) -> None:
        """Make a spectrum of scans, shape (scans, pixels)."""
        mean = scans.mean(axis=0)
        bright = max(1, round(_BRIGHT * len(mean)))
        self.counts.put(mean)
        self.counts_err.put(scans.std(axis=0, ddof=1) / np.sqrt(len(scans)))
        self.saturated_pixels.put(int((scans >= self.settings.saturated_counts).any(axis=0).sum()))
        # Of a spectrum without light it says nothing about the lamp.
        lit = bool(self.shutter_open.get())
        self.light_level.put(float(np.partition(mean, -bright)[-bright:].mean()) if lit else float("nan"))

    def _scans(self) -> Iterator[Counts]:
        for _ in range(int(cast("int", self.scans.get()))):
            self._check_not_given_up()
            yield self._scan()

    def _throw_stale_away(self) -> None:
        """Read what was under way, or kept, when the integration time or the light was changed."""
        for _ in range(self.settings.stale_reads):
            self._check_not_given_up()
            self._raw_scan()
        self._stale = False

    def _check_not_given_up(self) -> None:
        if self._given_up.is_set():
            raise NotReachedError(f"{self.name}: the exposure was given up")

    def _raw_scan(self) -> bytes:
        """The payload of one scan, of whatever integration time."""
        return self._link.feature("spectrum", lambda feature: feature._get_spectrum_raw().tobytes())
