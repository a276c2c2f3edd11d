"""What the spectrometers of Ocean have in common: how they are reached, told what to do, and read.

What users of seabreeze met and these drivers guard against: a read that never returns when the other end is gone, a
refused integration time that passes for accepted, a spectrum that still belongs to the old integration time, averaging
and smoothing inside the instrument that another program left switched on.
"""

import itertools
import struct
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, ClassVar, TypeVar, cast

import numpy as np
import usb.core
from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import DeviceStatus
from pydantic import Field
from seabreeze.pyseabreeze.devices import SeaBreezeDevice
from seabreeze.pyseabreeze.exceptions import SeaBreezeError
from seabreeze.pyseabreeze.transport import USBTransportDeviceInUse, USBTransportError

from devices.base import Instrument, check_limits
from devices.errors import (
    DeviceError,
    InstrumentFaultError,
    LimitError,
    LinkError,
    NotReachedError,
    RefusedError,
    ReplyError,
    ReplyTimeoutError,
)
from devices.ocean.handles import place
from devices.ocean.protocol import GivenUpError, StrictProtocol
from devices.protocols import obp
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, Model

Counts = obp.Counts
T = TypeVar("T")

#: What seabreeze raises on a reply that it cannot read.
_GARBLED = (SeaBreezeError, AssertionError, LookupError, TypeError, ValueError, struct.error)
_TIMED_OUT = (TimeoutError, usb.core.USBTimeoutError)
_LOST = (OSError, RuntimeError, USBTransportError, USBTransportDeviceInUse)
#: Real seconds of an exposure that is worth being given up; the part of it that is waited for before its reply is.
_LONG_S, _MOST_OF_IT = 0.3, 0.9
#: Share of the pixels, the brightest, whose mean is the light level.
_BRIGHT = 0.1
#: The message that asks for a state is the one that sets it, less this (libseabreeze's list of messages).
_SET_LESS_GET = 0x10
_UNITS = {
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


class OceanSettings(Model):
    """How spectra are taken."""

    scans: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=8, description="scans averaged into one spectrum; their scatter gives its uncertainty"
    )
    attempts: Annotated[int, Field(ge=1, le=5)] = Field(
        default=2, description="how often a spectrum is tried before giving up; each new attempt connects anew"
    )
    reply_within_s: Annotated[float, Field(gt=0)] = Field(default=2.0, description="real seconds beyond the exposure")
    shutter_message: Annotated[int, Field(ge=0)] = Field(
        default=0x00110410,
        description="OBP message that switches the light: 0x00110410 the lamp-enable line, 0x00300012 the single "
        "strobe, 0x00310011 the continuous strobe; 0: it cannot be switched; scans, which begin with a dark spectrum, "
        "are then refused",
    )
    checksum: bool = Field(
        default=True, description="messages carry MD5 checksums; false for a spectrometer that knows none"
    )
    numbered: bool = Field(
        default=True, description="the spectrometer returns the number of a request; false for one that does not"
    )
    read_back: bool = Field(
        default=True, description="the integration time is read back; false for a spectrometer that cannot tell it"
    )


class Told(Signal):
    """Something that the spectrometer is told: it is set, never put."""

    def put(self, value: Any, *, force: bool = False, **kwargs: Any) -> None:
        """Not the way, but for the driver itself, which forces it."""
        if not force:
            raise TypeError(f"{self.name} is set, not put: setting it tells the spectrometer")
        super().put(value, force=True, **kwargs)

    @property
    def spectrometer(self) -> "OceanSpectrometer":
        """Whose it is."""
        return cast("OceanSpectrometer", self.parent)


class LightState(Told):
    """Whether the light falls on the sample: set it to True to switch the lamp on, or open its shutter."""

    def check_value(self, value: bool, **_: Any) -> None:
        """Refuse to switch what cannot be switched.

        Raises:
            LimitError: see there.
        """
        self.spectrometer.check_shutter()

    def set(self, value: bool, **_: Any) -> Any:
        """Switch it; done when the spectrometer has acknowledged and reads so."""
        self.spectrometer.set_shutter(is_open=bool(value))
        return self.spectrometer.done()


class IntegrationTime(Told):
    """Exposure of one scan, ms."""

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse what the spectrometer cannot do.

        Raises:
            LimitError: see there.
        """
        self.spectrometer.check_integration_ms(value)

    def set(self, value: float, **_: Any) -> Any:
        """Set it; done when it reads so and the scans that were under way are thrown away."""
        self.spectrometer.check_integration_ms(value)
        return self.spectrometer.start(lambda: self.spectrometer.set_integration_ms(value), "integration time")


class Scans(Told):
    """Scans that are averaged into one spectrum, by this driver."""

    def check_value(self, value: int, **_: Any) -> None:
        """Refuse less than two, whose scatter gives no uncertainty.

        Raises:
            LimitError: see there.
        """
        check_limits(self.spectrometer.name, "number of scans", value, (2, 1000), "scans")

    def set(self, value: int, **_: Any) -> Any:
        """From the next spectrum on."""
        self.check_value(value)
        self.put(int(value), force=True)
        return self.spectrometer.done()


class OceanSpectrometer(Instrument):
    """Takes spectra of raw counts: each is the mean of several scans, with the standard error of that mean."""

    #: seabreeze's name of the model; the schemes of addresses that it has a plug for.
    MODEL: ClassVar[str]
    SCHEMES: ClassVar[tuple[str, ...]]
    PIXELS: ClassVar[int]
    INTEGRATION_LIMITS_MS: ClassVar[tuple[float, float]]
    #: Whether the light is on from the beginning.
    LIT: ClassVar[bool]

    counts = Cpt(Signal, value=np.zeros(1), kind=Kind.normal)
    counts_err = Cpt(Signal, value=np.zeros(1), kind=Kind.normal)
    saturated_pixels = Cpt(Signal, value=0, kind=Kind.normal)
    light_level = Cpt(Signal, value=0.0, kind=Kind.normal)
    shutter_open = Cpt(LightState, value=True, kind=Kind.normal)
    wavelength_nm = Cpt(Signal, value=np.zeros(1), kind=Kind.config)
    integration_ms = Cpt(IntegrationTime, value=0.0, kind=Kind.config)
    scans = Cpt(Scans, value=0, kind=Kind.config)
    serial_number = Cpt(Signal, value="", kind=Kind.config)
    saturated_counts = Cpt(Signal, value=0, kind=Kind.config)

    def __init__(self, name: str, entry: DeviceEntry, settings: Any, bench: Bench):
        self.settings = settings
        self._place = place(entry.address, self.MODEL, self.SCHEMES, settings.reply_within_s)
        super().__init__(name, entry, bench)
        self.integration_ms.put(settings.integration_ms, force=True)
        self.scans.put(settings.scans, force=True)
        self.saturated_counts.put(settings.saturated_counts)
        self.shutter_open.put(self.LIT, force=True)
        self._numbers = itertools.count(1)
        self._lines: dict[int, bool] = {}  # what each line was set to, by the message that sets it
        self._device: SeaBreezeDevice | None = None
        self._work: threading.Thread | None = None
        self._given_up = threading.Event()
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
            self._open()
            axis = self._feature("wavelengths", lambda feature: feature.get_wavelengths())
            if axis.shape != (self.PIXELS,) or not np.all(np.diff(axis) > 0):
                raise ReplyError(f"{self.name}: its wavelength calibration does not rise from pixel to pixel")
            self.wavelength_nm.put(axis)
            self._set_integration_ms(float(cast("float", self.integration_ms.get())))
            self.serial_number.put(cast("Any", self._device).serial_number)
        if self.settings.shutter_message:
            self.set_shutter(is_open=self.LIT)

    def _open(self) -> None:
        """Open it and have it take plain scans; what else was lost with its power, :meth:`_come_back` sets again."""
        self._reach()
        self._take_plain_scans()
        self._prepare()

    def _reach(self) -> None:
        """Open it and set nothing."""
        self._drop()
        try:
            self._device = self._find()
        except _TIMED_OUT:
            self._drop()
            raise ReplyTimeoutError(f"{self.name}: what is at {self.address} does not answer") from None
        except (RefusedError, ReplyError, *_GARBLED) as error:
            self._drop()
            raise ReplyError(
                f"{self.name}: what answers at {self.address} is no {self.MODEL}: {_in_words(error)}"
            ) from None
        except _LOST as error:
            self._drop()
            raise LinkError(
                f"{self.name}: cannot open {self.address}: {error}; is it switched on, and the address right?"
            ) from None

    def _find(self) -> SeaBreezeDevice:
        """The one that is asked for, opened."""
        found: list[str] = []
        for handle in self._place.handles():
            device = SeaBreezeDevice(handle)
            transport: Any = device._transport
            transport._protocol_cls = self._protocol
            self._device = device  # so that it is closed when opening fails
            device.open()
            if self._place.serial_number in ("", device.serial_number):
                return device
            found.append(device.serial_number)
            device.close()
        raise RuntimeError(f"there is no {self.MODEL} of that serial number, only {', '.join(found) or 'none at all'}")

    def _protocol(self, transport: Any) -> StrictProtocol:
        protocol = StrictProtocol(transport)
        protocol.checksum, protocol.numbered = self.settings.checksum, self.settings.numbered
        protocol.reply_within_s = self.settings.reply_within_s
        protocol.wait = self._wait_for_exposure
        protocol._numbers = self._numbers  # a reply to a request before a loss answers none after it
        return protocol

    def _wait_for_exposure(self, exposure_s: float) -> bool:
        """Wait for most of a long exposure, which being made safe must not have to do; True: it is given up."""
        wait_s = _MOST_OF_IT * self.clock.real_s(exposure_s)
        return wait_s > _LONG_S and self._given_up.wait(wait_s)

    def _drop(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    def close(self) -> None:
        """Close the connection."""
        self._end_work()
        with self._lock:
            self._drop()
        super().close()

    # What it is told.

    def _take_plain_scans(self) -> None:
        """No trigger, no averaging and no smoothing inside the instrument: raw counts are the record."""
        self._tell("trigger mode", 0x00110110, b"\x00")
        for what, get, plain in (("scans to average", 0x00120000, 1), ("boxcar width", 0x00121000, 0)):
            try:
                payload = self._ask(what, get)
            except obp.NotKnownError:
                continue  # it has no such function
            if self._decoded(what, obp.unsigned, payload) != plain:
                self._tell(what, get + _SET_LESS_GET, plain.to_bytes(len(payload), "little"))
                self._check(what, get, plain)

    def _check(self, what: str, get: int, wanted: int) -> None:
        found = self._decoded(what, obp.unsigned, self._ask(what, get))
        if found != wanted:
            raise NotReachedError(f"{self.name}: {what} was set to {wanted} but reads {found}")

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
            self._come_back()
            self._set_integration_ms(value)

    def _set_integration_ms(self, value: float) -> None:
        wanted_us = round(1000 * value)
        before_us = wanted_us
        if self.settings.read_back:
            before_us = self._decoded("integration time", obp.unsigned, self._ask("integration time", 0x00110000))
        # Through seabreeze, which has limits of its own.
        self._feature("integration time", lambda feature: feature.set_integration_time_micros(wanted_us))
        if self.settings.read_back:
            self._check("integration time in us", 0x00110000, wanted_us)
        self.integration_ms.put(value, force=True)
        # Scans that are under way still take the time they were begun with.
        self._strict().exposure_s = max(wanted_us, before_us) * 1e-6
        for _ in range(self.settings.stale_reads):
            self._raw_scan()
        self._strict().exposure_s = wanted_us * 1e-6

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
            was_lost = self._device is None
            if was_lost:
                self._reach()  # nothing else is set: what is to be safe must not depend on it
            try:
                self._switch(message, on)
            finally:
                if was_lost:
                    self._drop()

    def _switch(self, message: int, on: bool) -> None:
        what = f"light {'on' if on else 'off'}"
        self._tell(what, message, bytes([on]))
        try:
            self._check(what, message - _SET_LESS_GET, int(on))
        except obp.NotKnownError:
            self.log.debug("%s: the line cannot be read back", self.name)
        self._lines[message] = on
        if message == self.settings.shutter_message:
            self.shutter_open.put(on, force=True)

    def is_lit(self, message: int) -> bool:
        """Whether one of the lines is on, by the spectrometer itself where it can tell."""
        with self._lock:
            self._come_back()
            try:
                state = self._ask("light", message - _SET_LESS_GET)
            except obp.NotKnownError:
                return self._lines.get(message, False)
            return self._decoded("light", obp.unsigned, state) != 0

    def make_safe(self) -> None:
        """Give up the exposure under way: a short scan is waited for, a long one is not."""
        self._end_work()

    # Spectra.

    def trigger(self) -> DeviceStatus:
        """Take one spectrum; done when it can be read."""
        return self.start(self._expose, "spectrum")

    def start(self, work: Callable[[], None], what: str) -> DeviceStatus:
        """Do something in a thread of its own, after what is being done; done when that is."""
        self._join()
        self._given_up.clear()
        status = DeviceStatus(self, call_stop_on_failure=False)  # stopping would join this very thread

        def run() -> None:
            try:
                work()
            except DeviceError as error:
                status.set_exception(error)
            except Exception as error:  # noqa: BLE001  without an end of its status, a plan would wait for ever
                status.set_exception(DeviceError(f"{self.name}: asked for {what}: {error!r}"))
            else:
                status.set_finished()

        self._work = threading.Thread(target=run, name=f"{self.name}: {what}", daemon=True)
        self._work.start()
        return status

    def _expose(self) -> None:
        failure: DeviceError | None = None
        for _ in range(self.settings.attempts):
            try:
                self._come_back()
                self._be_ready()
                with self._lock:
                    self._put(np.array(list(self._scans())))
                return
            except (LinkError, ReplyError, ReplyTimeoutError) as error:
                failure = error
        assert failure is not None  # noqa: S101  at least one attempt was made
        raise failure

    def _come_back(self) -> None:
        """Open it again when it was lost, as it was: it may have been without power."""
        with self._lock:
            if self._device is None:
                self._open()
                for message, on in self._lines.items():
                    self._switch(message, on)
                self._set_integration_ms(float(cast("float", self.integration_ms.get())))

    def _put(self, scans: Counts) -> None:
        """Make a spectrum of scans, shape (scans, pixels)."""
        mean = scans.mean(axis=0)
        bright = max(1, round(_BRIGHT * len(mean)))
        self.counts.put(mean)
        self.counts_err.put(scans.std(axis=0, ddof=1) / np.sqrt(len(scans)))
        self.saturated_pixels.put(int((scans >= self.settings.saturated_counts).any(axis=0).sum()))
        self.light_level.put(float(np.partition(mean, -bright)[-bright:].mean()))

    def _scans(self) -> Iterator[Counts]:
        for _ in range(int(cast("int", self.scans.get()))):
            if self._given_up.is_set():
                raise NotReachedError(f"{self.name}: the exposure was given up")
            yield self._scan()

    def _raw_scan(self) -> bytes:
        """The payload of one scan, of whatever integration time."""
        return self._feature("spectrum", lambda feature: feature._get_spectrum_raw().tobytes())

    def _decoded(self, what: str, decode: Callable[..., T], payload: bytes, *arguments: Any) -> T:
        """What a payload says.

        Raises:
            ReplyError: nothing that can be read.
        """
        try:
            return decode(payload, *arguments)
        except ReplyError as error:
            self._drop()
            raise ReplyError(f"{self.name}: asked for {what}, got a wrong reply: {error}") from None

    def _end_work(self) -> None:
        self._given_up.set()
        self._join()

    def _join(self) -> None:
        if self._work is not None:
            self._work.join()
            self._work = None

    def describe(self) -> Any:
        """Data keys with units."""
        return self._with_units(cast("dict[str, Any]", super().describe()))

    def describe_configuration(self) -> Any:
        """Data keys of the configuration with units."""
        return self._with_units(cast("dict[str, Any]", super().describe_configuration()))

    def _with_units(self, keys: dict[str, Any]) -> dict[str, Any]:
        for attribute, units in _UNITS.items():
            if (key := keys.get(f"{self.name}_{attribute}")) is not None:
                key["units"] = units
                key["source"] = f"{type(self).__name__} at {self.address}"
        return keys

    # Every word to the spectrometer goes through these.

    def _strict(self) -> StrictProtocol:
        if self._device is None:
            raise LinkError(f"{self.name}: is not connected")
        return cast("StrictProtocol", self._device._transport.protocol)

    def _feature(self, what: str, ask: Callable[[Any], T]) -> T:
        """Have seabreeze's spectrometer feature do something."""
        return self._call(what, lambda: ask(cast("Any", self._device).f.spectrometer))

    def _ask(self, what: str, kind: int, payload: Iterable[int] = b"") -> bytes:
        """The answer to a message."""
        return self._call(what, lambda: self._strict().ask(kind, payload))

    def _tell(self, what: str, kind: int, payload: Iterable[int]) -> None:
        """Send a command and have it acknowledged."""
        self._call(f"{what} ({bytes(payload).hex()})", lambda: self._strict().tell(kind, payload))

    def _call(self, what: str, ask: Callable[[], T]) -> T:
        """Do it; errors of seabreeze, of its transports and of the protocol become ours, with the device's name."""
        self._strict()
        try:
            return ask()
        except (RefusedError, InstrumentFaultError) as error:
            raise type(error)(f"{self.name}: refused {what}: {error}") from None
        except GivenUpError as error:
            self._drop()  # its reply is still to come
            raise NotReachedError(f"{self.name}: {error}") from None
        except _TIMED_OUT:
            self._drop()
            raise ReplyTimeoutError(f"{self.name}: asked for {what}, got nothing in time") from None
        except (ReplyError, *_GARBLED) as error:
            self._drop()
            raise ReplyError(f"{self.name}: asked for {what}, got a wrong reply: {_in_words(error)}") from None
        except _LOST as error:
            self._drop()
            raise LinkError(f"{self.name}: the connection to {self.address} is lost: {error}") from None


def _in_words(error: Exception) -> str:
    """What is wrong with a reply; errors that are not seabreeze's or ours say little without their name."""
    return str(error) if isinstance(error, SeaBreezeError | DeviceError) else repr(error)
