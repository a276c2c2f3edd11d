"""A Pilatus3 behind EPICS areaDetector: exposures, and the frames that its HDF5 plugin writes.

Source: areaDetector's documentation and record templates (ADBase, NDPluginBase, NDFile, NDFileHDF5, pilatus; ADCore
3.4 and later for compression BSLZ4); ophyd's area_detector classes speak to the records.

A frame counts when it is in the file. ophyd's own trigger is done when ``Acquire_RBV`` falls; whether the plugin has
written the frame by then, or lost it, nobody asks. Here it is asked: the file's frames are counted, its name is
compared, write errors and dropped frames are errors of the exposure.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, cast
from uuid import uuid4

from event_model import DataKey
from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.areadetector.cam import PilatusDetectorCam
from ophyd.areadetector.plugins import HDF5Plugin_V34
from ophyd.status import Status
from pydantic import Field

from devices.base import Quantity, check_limits
from devices.epics import EpicsInstrument, EpicsSettings, Lazy
from devices.errors import InstrumentFaultError, LimitError, NotReachedError
from devices.frames import AssetDocument, FrameFile, frame_key
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

_ERROR, _DISCONNECTED = 6, 9  # of DetectorState_RBV
_STREAM = 2  # of FileWriteMode


class PilatusSettings(EpicsSettings):
    """How frames are exposed and where they are written."""

    exposure_s: Annotated[float, Field(gt=0)]
    shortest_s: Annotated[float, Field(gt=0)] = Field(default=0.001, description="shortest exposure that is allowed")
    longest_s: Annotated[float, Field(gt=0)] = Field(default=600.0, description="longest exposure that is allowed")
    readout_s: Annotated[float, Field(ge=0)] = Field(
        default=0.003, description="added to the exposure for the period; a Pilatus3 needs 0.00095 s, a Pilatus 0.003 s"
    )
    cam: str = Field(default=":cam1:", description="records of the detector; appended to the prefix")
    plugin: str = Field(default=":HDF1:", description="records of the HDF5 plugin; appended to the prefix")
    rows: Annotated[int, Field(gt=0)] = 619
    columns: Annotated[int, Field(gt=0)] = 487
    dtype: str = Field(default="<i4", description="of the frames in the file, in numpy's words")
    dataset: str = Field(default="/entry/data/data", description="where the plugin's layout has the frames in the file")
    compression: str = Field(
        default="BSLZ4", description="of the plugin, by its name there; before ADCore 3.4 there is no BSLZ4: zlib"
    )
    swmr: bool = Field(default=True, description="whether the file may be read while it is written")
    folder: str | None = Field(
        default=None, description="where frames are written, as this computer sees it; null: the session's folder"
    )
    server_folder: str | None = Field(
        default=None, description="the same folder as the EPICS server sees it; null: the same path"
    )
    margin_s: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="what an exposure may take beyond its time, until its frame is in the file"
    )


class Exposure(Quantity):
    """Exposure time of a frame; set it to change it."""

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse an exposure that is not allowed; see :class:`devices.errors.LimitError`."""
        cast("Pilatus", self.parent).check_exposure(value)

    def set(self, value: float, **_: Any) -> Status:
        """Change it; done when the detector has read it back."""
        detector = cast("Pilatus", self.parent)
        detector.set_exposure_s(value)
        return detector.done()


class _Cam(Lazy, PilatusDetectorCam): ...


class _Plugin(Lazy, HDF5Plugin_V34): ...


class Pilatus(EpicsInstrument):
    """The detector. A plan stages it, which opens a file, triggers and reads it, and unstages it.

    Attributes:
        exposure_s: set it to another exposure.
        threshold_kev: energy above which a photon is counted.
    """

    Settings = PilatusSettings

    exposure_s = Cpt(
        Exposure, ask="ask_exposure_s", units="s", precision=3, limits="exposure_limits_s", kind=Kind.normal
    )
    threshold_kev = Cpt(Quantity, ask="ask_threshold_kev", units="keV", precision=3, kind=Kind.config)

    CAM = (
        "acquire",
        "acquire_time",
        "acquire_period",
        "array_callbacks",
        "detector_state",
        "image_mode",
        "max_size.max_size_x",
        "max_size.max_size_y",
        "num_images",
        "status_message",
        "threshold_energy",
        "trigger_mode",
    )
    PLUGIN = (
        "enable",
        "capture",
        "compression",
        "dropped_arrays",
        "file_name",
        "file_path",
        "file_path_exists",
        "file_template",
        "file_write_mode",
        "full_file_name",
        "lazy_open",
        "num_capture",
        "num_captured",
        "swmr_mode",
        "write_message",
        "write_status",
    )

    def __init__(self, name: str, entry: DeviceEntry, settings: PilatusSettings, bench: Bench):
        self.settings = settings
        self.exposure_limits_s = settings.shortest_s, settings.longest_s
        if not settings.shortest_s <= settings.exposure_s <= settings.longest_s:
            raise ValueError(f"exposure_s = {settings.exposure_s:g} is not within shortest_s…longest_s")
        super().__init__(name, entry, settings, bench)
        self._path: Path | None = None  # of the file that is open, as this computer sees it
        self._server_path = PurePosixPath()  # and as the server does
        self._file = FrameFile()
        self._announced = False
        self._written = 0  # frames in the present file
        self._dropped = 0  # by the plugin, when the file was opened
        self._lost = False  # a frame of the present file, and an exposure has said so

    @property
    def image_key(self) -> str:
        """Data key of the frames."""
        return f"{self.name}_image"

    @property
    def cam(self) -> PilatusDetectorCam:
        """The device of ophyd's for the detector's records, for what is not here, its energy for instance.

        Raises:
            LinkError: no server has them.
        """
        prefix = self.settings.prefix + self.settings.cam
        return self.client("cam", lambda access: _Cam(prefix, name=f"{self.name}_cam", access=access), self.CAM)

    @property
    def plugin(self) -> HDF5Plugin_V34:
        """The device of ophyd's for the plugin's records.

        Raises:
            LinkError: no server has them.
        """
        prefix = self.settings.prefix + self.settings.plugin
        return self.client(
            "plugin", lambda access: _Plugin(prefix, name=f"{self.name}_plugin", access=access), self.PLUGIN
        )

    # What is asked.

    def ask_exposure_s(self) -> float:
        """Exposure time of the next frame."""
        return self.ask_number(self.cam.acquire_time, "exposure time")

    def is_exposing(self) -> bool:
        """Whether it exposes, or reads a frame out."""
        return self.ask_number(self.cam.acquire, "whether it acquires") != 0

    def ask_threshold_kev(self) -> float:
        """Threshold energy."""
        return self.ask_number(self.cam.threshold_energy, "threshold")

    # What it is told.

    def check_exposure(self, value_s: float) -> None:
        """Refuse an exposure that is not allowed.

        Raises:
            LimitError: it is not; nothing was sent.
        """
        check_limits(self.name, "exposure", value_s, self.exposure_limits_s, "s")

    def set_exposure_s(self, value_s: float) -> None:
        """Change exposure and period.

        Raises:
            LimitError: it is not allowed; nothing was sent.
            NotReachedError: the detector has another one.
        """
        self.check_exposure(value_s)
        self._set(self.cam.acquire_time, value_s, "exposure time")
        self._set(self.cam.acquire_period, value_s + self.settings.readout_s, "period")

    def _set(self, signal: Any, value: Any, what: str) -> None:
        """Set a record and have it read back.

        Raises:
            NotReachedError: it reads another value, however long it is waited.
        """
        self.tell(signal, value, what)

        def now() -> Any:
            by_name = isinstance(value, str)
            return str(self.ask(signal, what, as_string=True)) if by_name else self.ask_number(signal, what)

        def same() -> bool:
            return now() == value if isinstance(value, str) else math.isclose(now(), value, rel_tol=1e-4, abs_tol=1e-6)

        if not self.clock.wait_until(same, every_s=0.02, limit_s=self.wire_s()):
            raise NotReachedError(f"{self.name}: {what} was set to {value!r}, but is {now()!r}")

    # Files: one for each staging.

    def stage(self) -> list[Any]:
        """Set the detector up and have the plugin begin a new file.

        Raises:
            LimitError: there is no folder to write to.
            NotReachedError: the detector does not take a setting, or the server does not see the folder.
            InstrumentFaultError: the plugin reports an error.
        """
        folder, server_folder = self._folders()
        staged = super().stage()
        try:
            self._stop_exposure()
            self._set_up()
            self._begin_file(folder, server_folder)
        except BaseException:
            super().unstage()
            raise
        return staged

    def _folders(self) -> tuple[Path, PurePosixPath]:
        """The folder as this computer and as the server sees it."""
        ours = self.settings.folder or self._bench.frames
        if ours is None:
            raise LimitError(f"{self.name}: there is no folder for frames; give one with folder")
        folder = Path(ours).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder, PurePosixPath(self.settings.server_folder or folder.as_posix())

    def _set_up(self) -> None:
        cam = self.cam
        for signal, value, what in (
            (cam.image_mode, 0, "image mode (Single)"),
            (cam.num_images, 1, "number of images"),
            (cam.trigger_mode, 0, "trigger mode (Internal)"),
            (cam.array_callbacks, 1, "array callbacks"),
        ):
            self._set(signal, value, what)

    def _begin_file(self, folder: Path, server_folder: PurePosixPath) -> None:
        plugin, settings = self.plugin, self.settings
        self._stop_capture()
        name = f"{self.name}-{uuid4()}"
        for signal, value, what in (
            (plugin.enable, "Enable", "plugin's callbacks"),
            (plugin.file_name, name, "file name"),
            (plugin.file_template, "%s%s.h5", "file template"),
            (plugin.file_write_mode, _STREAM, "file write mode (Stream)"),
            (plugin.num_capture, 0, "frames to capture (as many as come)"),
            (plugin.lazy_open, "Yes", "lazy open"),
            (plugin.compression, settings.compression, "compression"),
            (plugin.swmr_mode, "On" if settings.swmr else "Off", "SWMR mode"),
        ):
            self._set(signal, value, what)
        self.tell(plugin.file_path, f"{server_folder}/", "folder")
        exists = self.clock.wait_until(
            lambda: self.ask_number(plugin.file_path_exists, "whether the folder exists") != 0,
            every_s=0.02,
            limit_s=self.wire_s(),
        )
        if not exists:
            raise NotReachedError(
                f"{self.name}: the server does not see the folder {server_folder}; give the path that it has there "
                "with server_folder"
            )
        self._dropped = int(self.ask_number(plugin.dropped_arrays, "dropped frames"))
        self._path, self._server_path = folder / f"{name}.h5", server_folder / f"{name}.h5"
        self._file, self._announced, self._written, self._lost = FrameFile(), False, 0, False
        # A busy record: its put-callback comes only when the capture ends.
        self.tell(plugin.capture, 1, "capture", wait=False)
        if not self._capturing(wanted=True):
            self._check_written()
            raise NotReachedError(f"{self.name}: the plugin does not begin to capture")

    def unstage(self) -> list[Any]:
        """Have the plugin close the file.

        Raises:
            InstrumentFaultError: the plugin reports an error, or has lost frames, which no exposure has told yet.
            NotReachedError: it goes on.
        """
        try:
            self._stop_exposure()
            self._stop_capture()
            if self._path is not None and not self._lost:
                self._check_written()
        finally:
            self._path = None
            unstaged = super().unstage()
        return unstaged

    def _stop_capture(self) -> None:
        if self._is_capturing():
            self.tell(self.plugin.capture, 0, "capture", wait=False)
        if not self._capturing(wanted=False):
            raise NotReachedError(f"{self.name}: was told to close its file, but the plugin goes on")

    def _capturing(self, *, wanted: bool) -> bool:
        """Wait until the plugin captures, or does not, as it is wanted; whether it does."""
        return self.clock.wait_until(
            lambda: self._is_capturing() == wanted,
            every_s=0.02,
            limit_s=self.settings.margin_s + self.wire_s(),
        )

    def _is_capturing(self) -> bool:
        return self.ask_number(self.plugin.capture, "whether it captures") != 0

    def _check_written(self) -> None:
        """Refuse to go on after frames were lost."""
        plugin = self.plugin
        if self.ask_number(plugin.write_status, "write status"):
            self._lost = True
            message = self.ask(plugin.write_message, "write message", as_string=True)
            raise InstrumentFaultError(f"{self.name}: the plugin could not write: {message or 'it does not say why'}")
        dropped = int(self.ask_number(plugin.dropped_arrays, "dropped frames")) - self._dropped
        if dropped > 0:
            self._lost = True
            raise InstrumentFaultError(f"{self.name}: the plugin lost {dropped} frame(s): its queue was full")

    # Exposures.

    def trigger(self) -> Status:  # pyright: ignore[reportIncompatibleMethodOverride]  that of a watch
        """Expose one frame.

        Returns:
            Done when the frame is in the file.

        Raises:
            LimitError: the detector is not staged.
            InstrumentFaultError: by the status: detector or plugin report an error, or lost the frame.
            NotReachedError: by the status: the exposure does not end; it is aborted then.
        """
        if self._path is None:
            raise LimitError(
                f"{self.name}: is not staged, or was stopped since, so there is no file for a frame; stage it first"
            )
        exposure_s = self.ask_exposure_s()
        taken = Taken(self, self._written + 1, exposure_s)
        self.tell(self.cam.acquire, 1, "acquire", wait=False)  # a busy record, as is capture
        return self.watch(
            taken,
            what=f"a frame of {exposure_s:g} s",
            every_s=min(max(exposure_s / 20, 0.01), 0.5),
            limit_s=taken.limit_s + self.wire_s(10),  # the time limit itself is kept by Taken, which aborts
        )

    def note_written(self, frames: int) -> None:
        """Remember how many frames the file holds, once the server has named it as expected.

        Raises:
            NotReachedError: it writes to another file.
        """
        named = PurePosixPath(str(self.ask(self.plugin.full_file_name, "file name", as_string=True)))
        if named != self._server_path:
            raise NotReachedError(f"{self.name}: frames go to {named}, not to {self._server_path}")
        self._written = frames

    def _stop_exposure(self) -> None:
        if self.is_exposing():
            self.tell(self.cam.acquire, 0, "acquire", wait=False)
        idle = self.clock.wait_until(
            lambda: not self.is_exposing(),
            every_s=0.02,
            limit_s=self.settings.margin_s + self.wire_s(),
        )
        if not idle:
            raise NotReachedError(f"{self.name}: was told to stop, but goes on exposing")

    def make_safe(self) -> None:
        """A detector does no harm: end the exposure under way and close the file, so that it can be read.

        Raises:
            DeviceError: it goes on, or does not answer.
        """
        self.give_up_watching()
        self._stop_exposure()
        self._stop_capture()
        self._path = None

    # Documents.

    def describe(self) -> Any:
        """Data keys; the frames' own is a reference to the file."""
        keys = cast("dict[str, Any]", super().describe())
        return keys | {self.image_key: self.describe_image()}

    def describe_image(self) -> DataKey:
        """Data key of the frames."""
        source = f"Pilatus at {self.address} ({self.settings.prefix})"
        return frame_key(source, (self.settings.rows, self.settings.columns), self.settings.dtype)

    def collect_asset_docs(self, index: int | None = None) -> Iterator[AssetDocument]:
        """The documents that refer to what was written since the last time."""
        if self._path is not None and self._written > 0 and not self._announced:
            self._announced = True
            s = self.settings
            yield self._file.stream_resource(
                self.image_key, self._path, s.dataset, (s.rows, s.columns), s.dtype, swmr=s.swmr
            )
        if self._announced:
            yield from self._file.tell_new(self._written)

    # Connection.

    def connect(self) -> None:
        """Find the records, check the detector's size and set the exposure; exposes nothing.

        Raises:
            LinkError: a record was not found.
            InstrumentFaultError: the detector has another size than configured, or is in an error.
        """
        self.check_state()
        size = self.cam.max_size
        found = tuple(int(self.ask_number(getattr(size, which), "size")) for which in ("max_size_y", "max_size_x"))
        if found != (self.settings.rows, self.settings.columns):
            raise InstrumentFaultError(
                f"{self.name}: the detector has {found[0]} rows and {found[1]} columns, but rows = "
                f"{self.settings.rows} and columns = {self.settings.columns} are configured"
            )
        self.ask_number(self.plugin.write_status, "write status")
        self.set_exposure_s(self.settings.exposure_s)

    def check_state(self) -> None:
        """Refuse a detector that reports an error.

        Raises:
            InstrumentFaultError: it does; with its own message.
        """
        state = int(self.ask_number(self.cam.detector_state, "state"))
        if state in (_ERROR, _DISCONNECTED):
            message = self.ask(self.cam.status_message, "status message", as_string=True)
            what = "is in an error" if state == _ERROR else "is disconnected from its server"
            raise InstrumentFaultError(f"{self.name}: {what}: {message or 'it does not say which'}")


class Taken:
    """Whether a frame was exposed and is in the file; called again and again.

    Attributes:
        limit_s: plant seconds after which it is given up.
    """

    def __init__(self, detector: Pilatus, number: int, exposure_s: float):
        self.limit_s = exposure_s + detector.settings.readout_s + detector.settings.margin_s
        self._detector = detector
        self._number = number
        self._begun_s = detector.clock.now_s()
        self._begun_real_s = time.monotonic()

    def __call__(self) -> bool:
        """Look once.

        Raises:
            DeviceError: the frame is lost, or not there in time.
        """
        detector = self._detector
        exposing = detector.is_exposing()
        written = int(detector.ask_number(detector.plugin.num_captured, "frames in the file"))
        if not exposing and written == self._number:
            detector.note_written(written)
            return True
        detector.check_state()
        detector._check_written()
        if written > self._number:
            raise NotReachedError(
                f"{detector.name}: {written} frames are in the file instead of {self._number}: somebody else exposes"
            )
        late_s = detector.clock.now_s() - self._begun_s - self.limit_s
        late_real_s = time.monotonic() - self._begun_real_s - detector.settings.reply_within_s
        if late_s > 0 and late_real_s > 0:
            if exposing:
                detector._stop_exposure()
                raise NotReachedError(
                    f"{detector.name}: the exposure did not end in {self.limit_s:.3g} s; it is aborted"
                )
            raise NotReachedError(f"{detector.name}: a frame was exposed, but is not in the file: {written} are")
        return False
