"""The HDF5 plugin of EPICS areaDetector: files of frames, and the documents that refer to them.

Source: areaDetector's documentation and record templates (NDPluginBase, NDFile, NDFileHDF5; ADCore 3.4 and later for
the compression BSLZ4); ophyd's HDF5Plugin speaks to the records.
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, cast
from uuid import uuid4

from event_model import DataKey
from ophyd.areadetector.plugins import HDF5Plugin_V34
from pydantic import Field

from devices.epics import EpicsInstrument, EpicsSettings, Lazy
from devices.errors import InstrumentFaultError, LimitError, NotReachedError
from devices.frames import AssetDocument, FrameFile, frame_key
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

_STREAM = 2  # of FileWriteMode


class FileSettings(EpicsSettings):
    """Where frames are written, and how."""

    plugin: str = Field(default=":HDF1:", description="records of the HDF5 plugin; appended to the prefix")
    rows: Annotated[int, Field(gt=0)]
    columns: Annotated[int, Field(gt=0)]
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


class _Plugin(Lazy, HDF5Plugin_V34): ...


class FrameSource(EpicsInstrument):
    """Base of detectors behind areaDetector: one file for each staging, one frame in it for each exposure."""

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

    def __init__(self, name: str, entry: DeviceEntry, settings: FileSettings, bench: Bench):
        self._files = settings
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
    def plugin(self) -> HDF5Plugin_V34:
        """The device of ophyd's for the plugin's records.

        Raises:
            LinkError: no server has them.
        """
        prefix = self._files.prefix + self._files.plugin
        return self.client(
            "plugin", lambda access: _Plugin(prefix, name=f"{self.name}_plugin", access=access), self.PLUGIN
        )

    def set_and_read_back(self, signal: Any, value: Any, what: str) -> None:
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

    def _folders(self) -> tuple[Path, PurePosixPath]:
        """The folder as this computer and as the server sees it."""
        ours = self._files.folder or self._bench.frames
        if ours is None:
            raise LimitError(f"{self.name}: there is no folder for frames; give one with folder")
        folder = Path(ours).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder, PurePosixPath(self._files.server_folder or folder.as_posix())

    def begin_file(self, folder: Path, server_folder: PurePosixPath) -> None:
        """Have the plugin begin a file in a folder, given as this computer and as the server sees it.

        Raises:
            NotReachedError: it does not take a setting, does not see the folder, or does not begin.
            InstrumentFaultError: it reports an error.
        """
        plugin, settings = self.plugin, self._files
        self.end_file()
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
            self.set_and_read_back(signal, value, what)
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
            self.check_written()
            raise NotReachedError(f"{self.name}: the plugin does not begin to capture")

    @property
    def has_unread_frame(self) -> bool:
        """Whether the last frame in the file belongs to no event."""
        return self._written > self._file.told

    def end_file(self) -> None:
        """Have the plugin close its file, if one is open.

        Raises:
            NotReachedError: it goes on.
        """
        if self._is_capturing():
            self.tell(self.plugin.capture, 0, "capture", wait=False)
        if not self._capturing(wanted=False):
            raise NotReachedError(f"{self.name}: was told to close its file, but the plugin goes on")

    def _capturing(self, *, wanted: bool) -> bool:
        """Wait until the plugin captures, or does not, as it is wanted; whether it does."""
        return self.clock.wait_until(
            lambda: self._is_capturing() == wanted,
            every_s=0.02,
            limit_s=self._files.margin_s + self.wire_s(),
        )

    def _is_capturing(self) -> bool:
        return self.ask_number(self.plugin.capture, "whether it captures") != 0

    def check_written(self) -> None:
        """Refuse to go on after frames were lost.

        Raises:
            InstrumentFaultError: the plugin could not write, or its queue was full.
        """
        plugin = self.plugin
        if self.ask_number(plugin.write_status, "write status"):
            self._lost = True
            message = self.ask(plugin.write_message, "write message", as_string=True)
            raise InstrumentFaultError(f"{self.name}: the plugin could not write: {message or 'it does not say why'}")
        dropped = int(self.ask_number(plugin.dropped_arrays, "dropped frames")) - self._dropped
        if dropped > 0:
            self._lost = True
            raise InstrumentFaultError(f"{self.name}: the plugin lost {dropped} frame(s): its queue was full")

    def note_written(self, frames: int) -> None:
        """Remember how many frames the file holds, once the server has named it as expected.

        Raises:
            NotReachedError: it writes to another file.
        """
        named = PurePosixPath(str(self.ask(self.plugin.full_file_name, "file name", as_string=True)))
        if named != self._server_path:
            raise NotReachedError(f"{self.name}: frames go to {named}, not to {self._server_path}")
        self._written = frames

    def describe(self) -> Any:
        """Data keys; the frames' own is a reference to the file."""
        keys = cast("dict[str, Any]", super().describe())
        return keys | {self.image_key: self.describe_image()}

    def describe_image(self) -> DataKey:
        """Data key of the frames."""
        source = f"{type(self).__name__} at {self.address} ({self._files.prefix})"
        return frame_key(source, (self._files.rows, self._files.columns), self._files.dtype)

    def collect_asset_docs(self, index: int | None = None) -> Iterator[AssetDocument]:
        """The documents that refer to what was written since the last time."""
        if self._path is not None and self._written > 0 and not self._announced:
            self._announced = True
            s = self._files
            yield self._file.stream_resource(
                self.image_key, self._path, s.dataset, (s.rows, s.columns), s.dtype, swmr=s.swmr
            )
        if self._announced:
            yield from self._file.tell_new(self._written)
