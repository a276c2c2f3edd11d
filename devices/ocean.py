"""Ocean HDX spectrometer over TCP, driven through unmodified seabreeze.

Source: Ocean Binary Protocol as seabreeze speaks it; HDX installation and operation manual.

What users of seabreeze met and this driver guards against: a read that never returns when the other end
is gone, a refused integration time that passes for accepted, spectra that still belong to the old
integration time.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import numpy as np
from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import DeviceStatus
from pydantic import Field
from seabreeze.pyseabreeze.devices import SeaBreezeDevice
from seabreeze.pyseabreeze.exceptions import SeaBreezeError
from seabreeze.pyseabreeze.protocol import OBPProtocol
from seabreeze.pyseabreeze.transport import IPv4Transport, IPv4TransportHandle

from devices.base import Instrument, check_limits
from devices.errors import (
    DeviceError,
    LimitError,
    LinkError,
    NotReachedError,
    RefusedError,
    ReplyError,
    ReplyTimeoutError,
)
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, Model

PIXELS = 2068
SATURATED = 65535
INTEGRATION_LIMITS_MS = (6.0, 10_000.0)
#: What seabreeze raises on a reply that it cannot read: an error number that it does not know, a wrong footer, …
_GARBLED = (SeaBreezeError, AssertionError, LookupError, TypeError, ValueError, struct.error)
_UNITS = {
    "counts": "counts",
    "counts_err": "counts",
    "saturated_pixels": "pixels",
    "wavelength_nm": "nm",
    "integration_ms": "ms",
}


class OceanHdxSettings(Model):
    """How spectra are taken."""

    integration_ms: Annotated[float, Field(ge=6.0, lt=10000.0)]
    scans: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=8, description="scans averaged into one spectrum; their scatter gives its uncertainty"
    )
    stale_reads: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2, description="scans thrown away after a change of integration time: the first ones are of the old one"
    )
    attempts: Annotated[int, Field(ge=1, le=5)] = Field(
        default=2, description="how often a spectrum is tried before giving up; each new attempt connects anew"
    )
    reply_within_s: Annotated[float, Field(gt=0)] = Field(default=2.0, description="real seconds beyond the exposure")
    shutter_message: Annotated[int, Field(ge=0)] = Field(
        default=0x00110410,
        description="OBP message that switches the lamp-enable line, to which the lamp's shutter is wired; "
        "0: there is no such shutter; scans, which begin with a dark spectrum, are then refused",
    )


class Shutter(Signal):
    """The lamp's shutter: set it to True to open it."""

    def check_value(self, value: bool, **_: Any) -> None:
        """Refuse to move a shutter that is not there.

        Raises:
            LimitError: see there.
        """
        cast("OceanHdx", self.parent).check_shutter()

    def set(self, value: bool, **_: Any) -> Any:
        """Move the shutter; done when the spectrometer has acknowledged."""
        spectrometer = cast("OceanHdx", self.parent)
        spectrometer.set_shutter(is_open=bool(value))
        return spectrometer.done()


class OceanHdx(Instrument):
    """Takes spectra of raw counts: each is the mean of several scans, with the standard error of that mean."""

    Settings = OceanHdxSettings

    counts = Cpt(Signal, value=np.zeros(1), kind=Kind.normal)
    counts_err = Cpt(Signal, value=np.zeros(1), kind=Kind.normal)
    saturated_pixels = Cpt(Signal, value=0, kind=Kind.normal)
    shutter_open = Cpt(Shutter, value=True, kind=Kind.normal)
    wavelength_nm = Cpt(Signal, value=np.zeros(1), kind=Kind.config)
    integration_ms = Cpt(Signal, value=0.0, kind=Kind.config)
    scans = Cpt(Signal, value=0, kind=Kind.config)
    serial_number = Cpt(Signal, value="", kind=Kind.config)

    def __init__(self, name: str, entry: DeviceEntry, settings: OceanHdxSettings, bench: Bench):
        self.settings = settings
        where = urlsplit(entry.address or "")
        if where.scheme != "tcp" or not where.hostname or not where.port:
            raise ValueError(f"address {entry.address!r} is not of the form tcp://192.168.254.254:57357")
        self._where = (where.hostname, where.port)
        super().__init__(name, entry, bench)
        self._spectrometer: SeaBreezeDevice | None = None
        self._handle: PatientHandle | None = None
        self._exposure: threading.Thread | None = None
        self._given_up = threading.Event()
        self._lock = threading.Lock()

    # Connection.

    def connect(self) -> None:
        """Open the spectrometer, read its wavelength axis, set the integration time, open the shutter."""
        with self._lock:
            self._open()
            axis = self._call("wavelengths", lambda f: f.get_wavelengths())
            if len(axis) < 2 or not np.all(np.diff(axis) > 0):
                raise ReplyError(f"{self.name}: its wavelength calibration does not rise from pixel to pixel")
            self.wavelength_nm.put(axis)
            self._set_integration_ms(self.settings.integration_ms)
            self.scans.put(self.settings.scans)
            self.serial_number.put(cast("Any", self._spectrometer).serial_number)
        if self.settings.shutter_message:
            self.set_shutter(is_open=True)

    def _open(self) -> None:
        self._drop()
        host, port = self._where
        try:
            address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
            if (address, port) not in IPv4Transport.devices_ip_port:
                IPv4Transport.register_model("HDX", ipv4_address=str(address), ipv4_port=port)
            self._handle = PatientHandle(str(address), port, self.settings.reply_within_s)
            self._spectrometer = SeaBreezeDevice(self._handle)
            self._spectrometer.open()
        except (OSError, RuntimeError) as error:
            self._drop()
            raise LinkError(
                f"{self.name}: cannot open {self.address}: {error}; is it switched on, and the address right?"
            ) from None
        except _GARBLED as error:
            self._drop()
            raise ReplyError(f"{self.name}: what answers at {self.address} is no HDX: {_in_words(error)}") from None

    def _drop(self) -> None:
        if self._spectrometer is not None:
            self._spectrometer.close()
            self._spectrometer = None

    def close(self) -> None:
        """Close the connection."""
        self._end_exposure()
        with self._lock:
            self._drop()
        super().close()

    # What it is told.

    def set_integration_ms(self, value: float) -> None:
        """Set the exposure of one scan and throw the stale scans behind it away.

        Raises:
            LimitError: outside what the spectrometer can do.
            RefusedError: it did not acknowledge.
        """
        check_limits(self.name, "integration time", value, INTEGRATION_LIMITS_MS, "ms")
        with self._lock:
            self._set_integration_ms(value)

    def _set_integration_ms(self, value: float) -> None:
        self._send("integration time", 0x00110010, struct.pack("<L", round(value * 1000)))
        # seabreeze keeps its own idea of the exposure for its time limits.
        self._call("integration time", lambda f: f.set_integration_time_micros(round(value * 1000)))
        self.integration_ms.put(value)
        for _ in range(self.settings.stale_reads):
            self._scan()

    def set_shutter(self, *, is_open: bool) -> None:
        """Open or close the lamp's shutter.

        Raises:
            LimitError: there is none that can be switched.
            DeviceError: it was refused.
        """
        self.check_shutter()
        with self._lock:
            self._send_shutter(is_open)
        self.shutter_open.put(is_open)

    def check_shutter(self) -> None:
        """Refuse to go on without a shutter.

        Raises:
            LimitError: there is none that can be switched.
        """
        if not self.settings.shutter_message:
            raise LimitError(
                f"{self.name}: shutter_message is 0: there is no shutter, so no dark spectrum can be taken; "
                "wire the lamp's shutter and give the message that switches it"
            )

    def _send_shutter(self, is_open: bool) -> None:
        self._send("shutter", self.settings.shutter_message, bytes([is_open]))

    def make_safe(self) -> None:
        """A spectrometer does no harm: give up the exposure under way, at the end of its present scan."""
        self._end_exposure()

    # Spectra.

    def trigger(self) -> DeviceStatus:
        """Take one spectrum; done when it can be read."""
        self._join()
        self._given_up.clear()
        status = DeviceStatus(self)
        self._exposure = threading.Thread(
            target=self._expose, args=(status,), name=f"{self.name}: exposure", daemon=True
        )
        self._exposure.start()
        return status

    def _expose(self, status: DeviceStatus) -> None:
        try:
            with self._lock:
                scans = self._expose_with_retries()
        except DeviceError as error:
            status.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001  without an end of its status, a plan would wait for ever
            status.set_exception(DeviceError(f"{self.name}: asked for spectrum: {error!r}"))
            return
        self.counts.put(scans.mean(axis=0))
        self.counts_err.put(scans.std(axis=0, ddof=1) / np.sqrt(len(scans)))
        self.saturated_pixels.put(int((scans >= SATURATED).any(axis=0).sum()))
        status.set_finished()

    def _expose_with_retries(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """Scans of one spectrum, shape (scans, pixels)."""
        failure: DeviceError | None = None
        for _ in range(self.settings.attempts):
            try:
                if self._spectrometer is None:
                    self._open()
                    if self.settings.shutter_message:  # it may have been without power
                        self._send_shutter(bool(self.shutter_open.get()))
                    self._set_integration_ms(float(cast("float", self.integration_ms.get())))
                return np.array(list(self._scans()))
            except (LinkError, ReplyError, ReplyTimeoutError) as error:
                failure = error
        assert failure is not None  # noqa: S101  at least one attempt was made
        raise failure

    def _scans(self) -> "Iterator[np.ndarray[Any, np.dtype[np.float64]]]":
        for _ in range(self.settings.scans):
            if self._given_up.is_set():
                raise NotReachedError(f"{self.name}: the exposure was given up")
            yield self._scan()

    def _scan(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        counts = self._call("spectrum", lambda f: f.get_intensities())
        if counts.shape != (PIXELS,):
            raise ReplyError(f"{self.name}: a spectrum of {counts.shape} pixels instead of {PIXELS}")
        return counts

    def _end_exposure(self) -> None:
        self._given_up.set()
        self._join()

    def _join(self) -> None:
        if self._exposure is not None:
            self._exposure.join()
            self._exposure = None

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
                key["source"] = f"OceanHdx at {self.address}"
        return keys

    # Every word to seabreeze goes through these two.

    def _call(self, what: str, ask: Any) -> Any:
        """Have seabreeze's spectrometer feature do something; its errors become ours."""
        if self._spectrometer is None or self._handle is None:
            raise LinkError(f"{self.name}: is not connected")
        try:
            self._handle.renew_limit()
            return ask(self._spectrometer.f.spectrometer)
        except TimeoutError:
            self._drop()
            raise ReplyTimeoutError(f"{self.name}: asked for {what}, got nothing in time") from None
        except OSError as error:
            self._drop()
            raise LinkError(f"{self.name}: the connection to {self.address} is lost: {error}") from None
        except (*_GARBLED, RuntimeError) as error:
            self._drop()
            raise ReplyError(f"{self.name}: asked for {what}, got a wrong reply: {_in_words(error)}") from None

    def _send(self, what: str, message: int, payload: bytes) -> None:
        """Send a command and have it acknowledged; seabreeze itself overlooks a refusal."""

        def exchange(feature: Any) -> tuple[int, int]:
            protocol: OBPProtocol = feature.protocol
            request = protocol._construct_outgoing_message(message, payload, request_ack=True)
            protocol.transport.write(request)
            reply = protocol.transport.read()
            _, _, flags, error, *_ = struct.unpack(OBPProtocol.OBP.HEADER_FMT, reply[:44])
            return flags, error

        flags, error = self._call(what, exchange)
        if not flags & OBPProtocol.OBP.FLAG_ACK or flags & OBPProtocol.OBP.FLAG_NACK:
            meaning = OBPProtocol.OBP.ERROR_CODES.get(error, "no acknowledgement")
            raise RefusedError(f"{self.name}: refused {what} ({payload.hex()}): {meaning}")


def _in_words(error: Exception) -> str:
    """What seabreeze made of a reply; errors that are not its own say little without their name."""
    return str(error) if isinstance(error, SeaBreezeError) else repr(error)


class PatientHandle(IPv4TransportHandle):
    """seabreeze's handle on a TCP spectrometer, with a time limit, and an error when the other end is gone.

    seabreeze's own waits for ever: without a limit on the socket, and in a loop over the empty reads that a
    closed connection gives.
    """

    def __init__(self, address: str, port: int, limit_s: float):
        super().__init__(address, port)
        self._limit_s = limit_s

    def open(self) -> None:
        """Connect, or raise RuntimeError as seabreeze's own handle does."""
        self.socket.close()
        self.socket = _CarefulSocket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(self._limit_s)
        try:
            self.socket.connect(self.get_address())
        except OSError as error:
            self.socket.close()
            raise RuntimeError(str(error)) from None

    def renew_limit(self) -> None:
        """Set the time limit anew: seabreeze adds the exposure of each spectrum to the one that it finds."""
        self.socket.settimeout(self._limit_s)

    def close(self) -> None:
        """Close the socket in use, which is another than the one seabreeze remembers to close."""
        self.socket.close()
        super().close()


class _CarefulSocket(socket.socket):
    """A socket on which the end of the connection is an error."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """As in the standard library, but never 0."""
        count = super().recv_into(*args, **kwargs)
        if count == 0:
            raise ConnectionError("the other end has closed it")
        return count
