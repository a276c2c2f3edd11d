"""A Pilatus3 behind EPICS areaDetector: exposures, and the frames that its HDF5 plugin writes.

Source: areaDetector's documentation and record templates (ADBase, pilatus); ophyd's PilatusDetectorCam speaks to the
records. For the plugin see :mod:`devices.area_detector`.

A frame counts when it is in the file. ophyd's own trigger is done when ``Acquire_RBV`` falls; whether the plugin has
written the frame by then, or lost it, nobody asks. Here it is asked: the file's frames are counted, its name is
compared, write errors and dropped frames are errors of the exposure.
"""

import time
from typing import Annotated, Any, cast

from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.areadetector.cam import PilatusDetectorCam
from ophyd.status import Status
from pydantic import Field

from devices.area_detector import FileSettings, FrameSource
from devices.base import Quantity, check_limits
from devices.epics import Lazy
from devices.errors import InstrumentFaultError, LimitError, NotReachedError
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

_ERROR, _DISCONNECTED = 6, 9  # of DetectorState_RBV

#: Real seconds in which a detector whose time runs faster than real time has reckoned a picture, on a busy machine.
_PICTURE_WITHIN_S = 10.0


class PilatusSettings(FileSettings):
    """How frames are exposed."""

    exposure_s: Annotated[float, Field(gt=0)]
    shortest_s: Annotated[float, Field(gt=0)] = Field(default=0.001, description="shortest exposure that is allowed")
    longest_s: Annotated[float, Field(gt=0)] = Field(default=600.0, description="longest exposure that is allowed")
    readout_s: Annotated[float, Field(ge=0)] = Field(
        default=0.003, description="added to the exposure for the period; a Pilatus3 needs 0.00095 s, a Pilatus 0.003 s"
    )
    cam: str = Field(default=":cam1:", description="records of the detector; appended to the prefix")
    rows: Annotated[int, Field(gt=0)] = 619
    columns: Annotated[int, Field(gt=0)] = 487


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


class Pilatus(FrameSource):
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

    def __init__(self, name: str, entry: DeviceEntry, settings: PilatusSettings, bench: Bench):
        self.settings: PilatusSettings = settings
        self.exposure_limits_s = settings.shortest_s, settings.longest_s
        if not settings.shortest_s <= settings.exposure_s <= settings.longest_s:
            raise ValueError(f"exposure_s = {settings.exposure_s:g} is not within shortest_s…longest_s")
        super().__init__(name, entry, settings, bench)

    @property
    def cam(self) -> PilatusDetectorCam:
        """The device of ophyd's for the detector's records, for what is not here, its energy for instance.

        Raises:
            LinkError: no server has them.
        """
        prefix = self.settings.prefix + self.settings.cam
        return self.client("cam", lambda access: _Cam(prefix, name=f"{self.name}_cam", access=access), self.CAM)

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
        self.set_and_read_back(self.cam.acquire_time, value_s, "exposure time")
        self.set_and_read_back(self.cam.acquire_period, value_s + self.settings.readout_s, "period")

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
            self.begin_file(folder, server_folder)
        except BaseException:
            self._path = None
            super().unstage()
            raise
        return staged

    def _set_up(self) -> None:
        cam = self.cam
        for signal, value, what in (
            (cam.image_mode, 0, "image mode (Single)"),
            (cam.num_images, 1, "number of images"),
            (cam.trigger_mode, 0, "trigger mode (Internal)"),
            (cam.array_callbacks, 1, "array callbacks"),
        ):
            self.set_and_read_back(signal, value, what)

    def unstage(self) -> list[Any]:
        """Have the plugin close the file.

        Raises:
            InstrumentFaultError: the plugin reports an error, or has lost frames, which no exposure has told yet.
            NotReachedError: it goes on.
        """
        try:
            self._stop_exposure()
            self.end_file()
            if self._path is not None and not self._lost:
                self.check_written()
        finally:
            self._path = None
            unstaged = super().unstage()
        return unstaged

    # Exposures.

    def trigger(self) -> Status:  # pyright: ignore[reportIncompatibleMethodOverride]  that of a watch
        """Expose one frame.

        An exposure that no event has read ends its file: the frames of a file are those of the events, in their order,
        which is how stock consumers count them.

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
        if self.has_unread_frame:
            self.begin_file(*self._folders())
        exposure_s = self.ask_exposure_s()
        taken = Taken(self, self._written + 1, exposure_s)
        self.tell(self.cam.acquire, 1, "acquire", wait=False)  # a busy record, as is capture
        return self.watch(
            taken,
            what=f"a frame of {exposure_s:g} s",
            every_s=min(max(exposure_s / 20, 0.01), 0.5),
            limit_s=taken.limit_s + self.wire_s(10),  # the time limit itself is kept by Taken, which aborts
        )

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
        self.end_file()
        self._path = None

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
        detector.check_written()
        if written > self._number:
            raise NotReachedError(
                f"{detector.name}: {written} frames are in the file instead of {self._number}: somebody else exposes"
            )
        late_s = detector.clock.now_s() - self._begun_s - self.limit_s
        patience_s = _PICTURE_WITHIN_S if detector.clock.speed > 1 else detector.settings.reply_within_s
        late_real_s = time.monotonic() - self._begun_real_s - patience_s
        if late_s > 0 and late_real_s > 0:
            if exposing:
                detector._stop_exposure()
                raise NotReachedError(
                    f"{detector.name}: the exposure did not end in {self.limit_s:.3g} s; it is aborted"
                )
            raise NotReachedError(f"{detector.name}: a frame was exposed, but is not in the file: {written} are")
        return False
