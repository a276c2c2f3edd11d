"""Dectris Eiger2 detectors: SIMPLON over HTTP, frames over ZeroMQ, written to HDF5 as they come.

Source: SIMPLON 1.8 API documentation, document version 3.2, and github.com/dectris/documentation, stream_v2.

A plan stages the detector, once for each run and stream; its frames are in one file then. An exposure that no event
reads is replaced by the next one, as with every other reading of bluesky. The detector is armed by the first
exposure and stays armed for those that follow.

What users of these detectors met and this driver guards against: frames of an aborted series that come with the next
one, a set point that the detector silently changed, frames that another client of the stream has taken, and an
exposure time at which pixels count further than the count-rate correction knows.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

import numpy as np
from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import DeviceStatus

from devices.base import check_limits
from devices.eiger_settings import EigerSettings
from devices.errors import DeviceError, InstrumentFaultError, NotReachedError, ReplyError
from devices.frame_writer import Facts
from devices.frames import AssetDocument, frame_key
from devices.links.frame_stream import FrameStream
from devices.measuring import MeasuringInstrument
from devices.protocols.compressed import LARGEST_BYTES
from devices.protocols.simplon_series import Frame, Series
from devices.protocols.simplon_stream import CBOR_PORT, LEGACY_PORT, Message, decode_cbor, decode_legacy
from devices.recording import Exposure, Recording
from devices.simplon import Simplon
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

_DEPTHS = {8: np.dtype("u1"), 16: np.dtype("<u2"), 32: np.dtype("<u4")}


class ExposureTime(Signal):
    """The exposure of one frame: set it to seconds."""

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse what the detector cannot do.

        Raises:
            LimitError: see there.
        """
        cast("Eiger", self.parent).check_exposure_s(value)

    def set(self, value: float, **_: Any) -> Any:
        """Set it; done when the detector has it."""
        detector = cast("Eiger", self.parent)
        detector.set_exposure_s(value)
        return detector.done()


class Eiger(MeasuringInstrument):
    """Takes exposures of one frame or several; frames are in a file, events refer to them and tell how they are.

    Its address is ``http://10.42.41.10``, with the port of the stream behind it where that is unusual:
    ``http://127.0.0.1:8000?stream_port=9998``.
    """

    Settings = EigerSettings
    UNITS: ClassVar = {
        "exposure_s": "s",
        "frame_time_s": "s",
        "exposed_s": "s",
        "photon_energy_ev": "eV",
        "threshold_energy_ev": "eV",
        "pixel_mm": "mm",
        "total_counts": "counts",
        "saturated_at": "counts",
        "saturated_pixels": "pixels",
        "no_data_pixels": "pixels",
    }

    total_counts = Cpt(Signal, value=0.0, kind=Kind.hinted)
    saturated_pixels = Cpt(Signal, value=0, kind=Kind.normal)
    no_data_pixels = Cpt(Signal, value=0, kind=Kind.normal)
    exposed_s = Cpt(Signal, value=0.0, kind=Kind.normal)
    exposure_s = Cpt(ExposureTime, value=0.0, kind=Kind.normal)
    frame_time_s = Cpt(Signal, value=0.0, kind=Kind.config)
    images = Cpt(Signal, value=1, kind=Kind.config)
    photon_energy_ev = Cpt(Signal, value=0.0, kind=Kind.config)
    threshold_energy_ev = Cpt(Signal, value=0.0, kind=Kind.config)
    saturated_at = Cpt(Signal, value=0, kind=Kind.config)
    pixel_mm = Cpt(Signal, value=0.0, kind=Kind.config)
    model = Cpt(Signal, value="", kind=Kind.config)
    serial_number = Cpt(Signal, value="", kind=Kind.config)

    def __init__(self, name: str, entry: DeviceEntry, settings: EigerSettings, bench: Bench):
        self.settings = settings
        where = urlsplit(entry.address or "")
        asked = parse_qs(where.query, strict_parsing=bool(where.query))
        if where.scheme != "http" or not where.hostname or where.path not in ("", "/") or set(asked) - {"stream_port"}:
            raise ValueError(
                f"address {entry.address!r} is not of the form http://10.42.41.10 or http://HOST:PORT?stream_port=PORT"
            )
        usual = CBOR_PORT if settings.stream == "cbor" else LEGACY_PORT
        port = int(asked["stream_port"][0]) if asked else settings.stream_port or usual
        self._stream_address = f"tcp://{where.hostname}:{port}"
        super().__init__(name, entry, bench)
        self._simplon = Simplon(
            name, f"http://{where.hostname}:{where.port or 80}", settings.api, settings.reply_within_s
        )
        self._shape, self._dtype = (1, 1), np.dtype("<u4")
        self._stream: FrameStream | None = None
        self._series: Series | None = None
        self._triggers_left = 0
        self._folder = bench.frames
        self._recording = Recording(name, f"{name}_image", self._folder)
        self._staged = False
        self._lock = threading.RLock()

    # Connection.

    def connect(self) -> None:
        """Bring the detector to rest, initialize it where it is not, open its stream, and set the exposure."""
        settings = self.settings
        with self._lock:
            if settings.check_version:
                self._simplon.check_version()
            self._series = None
            if self._simplon.bring_to_rest() in ("na", "error"):
                self._simplon.initialize(settings.initialize_within_s)
            columns = self._simplon.count("x_pixels_in_detector", 2**16)
            rows = self._simplon.count("y_pixels_in_detector", 2**16)
            self._shape = rows, columns
            if rows * columns * 4 > LARGEST_BYTES or not rows * columns:
                raise ReplyError(f"{self.name}: tells {rows} × {columns} pixels, which no detector has")
            self._simplon.open_stream(settings.stream)
            self._simplon.set("trigger_mode", "ints")
            self._simplon.set("compression", settings.compression)
            if settings.photon_energy_ev is not None:
                self._simplon.set("photon_energy", settings.photon_energy_ev)
            self._simplon.set("nimages", settings.images)
            self._simplon.set("ntrigger", settings.triggers_per_arm)
            self.images.put(settings.images)
            self._set_exposure_s(settings.exposure_s)
            self.pixel_mm.put(1e3 * self._simplon.number("x_pixel_size"))
            self.model.put(self._simplon.text("description"))
            self.serial_number.put(self._simplon.text("detector_number"))
            self._open_stream()

    def _open_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = FrameStream(
            self.name,
            self._stream_address,
            _decode_one_part if self.settings.stream == "cbor" else decode_legacy,
            largest_message=self._shape[0] * self._shape[1] * 5 + 2**20,  # 4 bytes, and what LZ4 may add
            high_water=self.settings.high_water,
        )

    def close(self) -> None:
        """Close connections and file; the detector stays as it is."""
        self._give_up_exposure()
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._recording.close()
        super().close()

    # What it is told.

    def check_exposure_s(self, value: float) -> None:
        """Refuse a count time that the detector cannot do; it tells itself what it can.

        Raises:
            LimitError: outside that; nothing was set.
        """
        found = self._simplon.get("count_time")
        low, high = found.lowest or 0.0, found.highest if found.highest is not None else float("inf")
        check_limits(self.name, "count time", value, (low, high), "s")

    def set_exposure_s(self, value: float) -> None:
        """Set the exposure of one frame; the next exposure arms the detector anew.

        Raises:
            LimitError: outside what the detector can do.
            NotReachedError: the detector took another value.
        """
        self.check_exposure_s(value)
        with self._lock:
            self._disarm()
            self._set_exposure_s(value)

    def _set_exposure_s(self, value: float) -> None:
        self.check_exposure_s(value)
        self._simplon.set("count_time", value)
        frame_s = self.settings.frame_time_s
        if frame_s is None or frame_s < value:
            frame_s = value + self._simplon.number("detector_readout_time")
        self._simplon.set("frame_time", frame_s)
        self._simplon.check("count_time", value)  # which the frame time may have changed
        self._read_back()

    def _read_back(self) -> None:
        """What depends on what was set."""
        self.exposure_s.put(self._simplon.number("count_time"))
        self.frame_time_s.put(self._simplon.number("frame_time"))
        self.photon_energy_ev.put(self._simplon.number("photon_energy"))
        self.threshold_energy_ev.put(self._simplon.number("threshold_energy"))
        self.saturated_at.put(self._simplon.count("countrate_correction_count_cutoff"))
        depth = self._simplon.count("bit_depth_image", 64)
        if depth not in _DEPTHS:
            raise ReplyError(f"{self.name}: tells images of {depth} bits, which is none of {tuple(_DEPTHS)}")
        self._dtype = _DEPTHS[depth]

    def make_safe(self) -> None:
        """Abort what the detector does; its high voltage stays on, as it must for the next exposure to be good."""
        self._given_up.set()
        if self._stream is not None:
            self._stream.wake()
        self._simplon.bring_to_rest()
        self._give_up_exposure()
        self._series = None
        self._simplon.bring_to_rest()  # what the exposure had sent just before it was given up

    # Exposures.

    def stage(self) -> list[object]:
        """Begin a file of frames, with the first exposure."""
        staged = super().stage()
        self._recording.close()
        self._recording = Recording(self.name, f"{self.name}_image", self._folder)
        self._staged = True
        return staged

    def unstage(self) -> list[object]:
        """Disarm the detector and close the file."""
        self._join()
        self._staged = False
        with self._lock:
            self._disarm()
            self._simplon.bring_to_rest()  # where an exposure failed it may still be armed
        self._recording.close()
        return super().unstage()

    def trigger(self) -> DeviceStatus:
        """Take one exposure; done when all its frames are in the file.

        Raises:
            DeviceError: the detector is not staged.
        """
        if not self._staged:
            raise DeviceError(f"{self.name}: is not staged: a plan stages it, once for each run and stream")
        return self.start(self._expose, "an exposure")

    def _expose(self) -> None:
        try:
            with self._lock:
                exposure = self._take_frames()
        except BaseException:
            self._series = None  # the next one arms anew
            raise
        self.total_counts.put(exposure.counts)
        self.saturated_pixels.put(exposure.saturated)
        self.no_data_pixels.put(exposure.no_data)
        self.exposed_s.put(exposure.exposed_s)
        self._recording.finish()

    def _take_frames(self) -> Exposure:
        if self._series is None:
            self._arm()
        series, stream = self._series, self._stream
        if series is None or stream is None:
            raise DeviceError(f"{self.name}: is not connected")
        images = int(cast("int", self.images.get()))
        exposure = self._recording.expect(images, series.frames)
        frame_s = self.clock.real_s(float(cast("float", self.frame_time_s.get())))
        self._go_on()
        self._simplon.command("trigger", self.settings.reply_within_s + images * frame_s)
        self._triggers_left -= 1
        if self._triggers_left == 0:
            self._simplon.command("disarm")
        try:
            stream.wait(
                lambda series: exposure.complete or series.ended,
                what=f"{images} frames",
                limit_s=self.settings.frame_within_s + frame_s,
                given_up=self._given_up,
            )
        except DeviceError as error:
            self._go_on()
            raise type(error)(f"{error}{self._dropped()}") from None
        if not exposure.complete:
            raise NotReachedError(
                f"{self.name}: the series ended after {exposure.frames} of {images} frames{self._dropped()}"
            )
        if self._triggers_left == 0:
            self._series = None
        return exposure

    def _go_on(self) -> None:
        """Refuse to go on with an exposure that was given up."""
        if self._given_up.is_set():
            raise NotReachedError(f"{self.name}: the exposure was given up")

    def _dropped(self) -> str:
        """What the detector says of frames that it could not send, for the end of a message."""
        try:
            dropped = self._simplon.count("dropped", module="stream", task="status")
        except DeviceError:
            return ""
        return f"; the detector dropped {dropped} frames" if dropped else ""

    def _arm(self) -> None:
        """Arm the detector; its start message has come then."""
        stream, settings = self._stream, self.settings
        if stream is None:
            raise DeviceError(f"{self.name}: is not connected")
        if (state := self._simplon.bring_to_rest()) in ("na", "error"):
            raise InstrumentFaultError(f"{self.name}: is in the state {state}; initialize it: connect anew")
        if settings.check_high_voltage:
            self._simplon.check_high_voltage()
        self._read_back()
        self._recording.open(self._shape, self._dtype, settings.compression, self._facts())
        series = Series(self._shape, self._dtype, settings.channel)
        stream.begin(series, self._keep)
        if settings.series_number == "start":
            stream.expect(None)
        self._go_on()
        number = self._simplon.arm(settings.arm_within_s)
        if settings.series_number == "arm":
            stream.expect(number)
        stream.wait(
            lambda series: series.began,
            what=f"the start of series {number}",
            limit_s=settings.frame_within_s,
            given_up=self._given_up,
        )
        self._series, self._triggers_left = series, settings.triggers_per_arm

    def _facts(self) -> Facts:
        """What the file tells of the detector, by the names of NXdetector."""
        return {
            "description": (self.model.get(), None),
            "serial_number": (self.serial_number.get(), None),
            "count_time": (self.exposure_s.get(), "s"),
            "frame_time": (self.frame_time_s.get(), "s"),
            "photon_energy": (self.photon_energy_ev.get(), "eV"),
            "threshold_energy": (self.threshold_energy_ev.get(), "eV"),
            "saturation_value": (self.saturated_at.get(), "counts"),
            "x_pixel_size": (self.pixel_mm.get(), "mm"),
        }

    def _keep(self, frame: Frame) -> None:
        """Write a frame; called in the thread of the stream."""
        told = None if self._series is None else self._series.saturated_at
        self._recording.keep(frame, int(cast("int", self.saturated_at.get())) if told is None else told)

    def _disarm(self) -> None:
        if self._series is None:
            return
        self._series = None
        if self._stream is not None:
            self._stream.end()
        self._simplon.command("disarm")

    def _give_up_exposure(self) -> None:
        """End the wait for frames.

        A detector that was aborted has answered by now; one that goes on is not waited for: its exposure ends within
        its own time limit.
        """
        self._given_up.set()
        if self._stream is not None:
            self._stream.wake()
        self._join(self.settings.reply_within_s)

    # Documents.

    def collect_asset_docs(self, index: int | None = None) -> Iterator[AssetDocument]:
        """Documents that refer to the frames of the latest exposure, as a RunEngine asks for them with each reading."""
        yield from self._recording.documents()

    def describe(self) -> Any:
        """Data keys with units; that of the frames refers to a file."""
        keys = cast("dict[str, Any]", super().describe())
        image = frame_key(f"Eiger at {self.address}", self._shape, self._dtype)
        image["shape"] = [int(cast("int", self.images.get())), *self._shape]
        keys[f"{self.name}_image"] = cast("dict[str, Any]", image)
        return keys


def _decode_one_part(parts: Sequence[bytes]) -> Message:
    if len(parts) != 1:
        raise ReplyError(f'a message of {len(parts)} parts instead of one; set stream = "legacy"?')
    return decode_cbor(parts[0])
