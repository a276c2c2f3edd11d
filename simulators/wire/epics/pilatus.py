"""A Pilatus3 300K behind EPICS areaDetector: the driver's records (``:cam1:``) and the HDF5 plugin's (``:HDF1:``).

Records, their states and what they do: areaDetector's templates ADBase, NDPluginBase, NDFile, NDFileHDF5 and pilatus,
and the documentation of NDPluginFile and NDFileHDF5. Simulated is what a client needs to expose frames and have them
streamed into a file; writing single frames and capturing into memory are not.
"""

from pathlib import Path
from typing import Any

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.plant.area_detector import DETECTORS
from simulators.plant.plant import Plant
from simulators.wire.epics.hdf5_file import COMPRESSIONS, FramesFile
from simulators.wire.epics.records import Records

MODEL = "pilatus-300k"
PORT = "PILATUS"
NO_YES = ("No", "Yes")
STATES = (
    "Idle",
    "Acquire",
    "Readout",
    "Correct",
    "Saving",
    "Aborting",
    "Error",
    "Waiting",
    "Initializing",
    "Disconnected",
    "Aborted",
)


class Pilatus(Records):
    """Detector and plugin.

    Faults: ``never_finish``: an exposure does not end by itself; ``detector_error``: it ends in an error;
    ``disk_full``: frames cannot be written; ``drop``: the plugin's queue is full and loses every frame.
    """

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._values: dict[str, Any] = {}
        self._faulty: set[str] = set()
        for fault in ("never_finish", "detector_error", "disk_full", "drop"):
            self.faults[fault] = self._fault(fault)
        self._left_s = 0.0
        self._left_frames = 0
        self._file: FramesFile | None = None
        self._make_cam()
        self._make_plugin()
        plant.controllers.append(self._advance)

    # Records.

    def _make_cam(self) -> None:
        rows, columns = DETECTORS[MODEL].shape
        for suffix, seconds in (("AcquireTime", 1.0), ("AcquirePeriod", 1.003)):
            self._pair(f":cam1:{suffix}", seconds, self._double, units="s", precision=3)
        self._pair(":cam1:ThresholdEnergy", 6.2, self._double, units="keV", precision=3)
        self._pair(":cam1:NumImages", 1, self._integer)
        self._pair(":cam1:ArrayCounter", 0, self._integer)
        self._pair(":cam1:Acquire", "Done", self._choice, self._acquire, choices=("Done", "Acquire"))
        self._pair(":cam1:ImageMode", "Single", self._choice, choices=("Single", "Multiple", "Continuous"))
        triggers = ("Internal", "Ext. Enable", "Ext. Trigger", "Mult. Trigger", "Alignment")
        self._pair(":cam1:TriggerMode", "Internal", self._choice, choices=triggers)
        self._pair(":cam1:ArrayCallbacks", "Enable", self._choice, choices=("Disable", "Enable"))
        self._shown(":cam1:DetectorState_RBV", "Idle", self._choice, choices=STATES)
        self._shown(":cam1:StatusMessage_RBV", "", self._text)
        self._shown(":cam1:Manufacturer_RBV", "Dectris", self._text)
        self._shown(":cam1:Model_RBV", "Pilatus", self._text)
        for suffix, pixels in (
            ("MaxSizeX", columns),
            ("MaxSizeY", rows),
            ("ArraySizeX", columns),
            ("ArraySizeY", rows),
        ):
            self._shown(f":cam1:{suffix}_RBV", pixels, self._integer)
        self._shown(":cam1:ArraySizeZ_RBV", 0, self._integer)
        self._shown(":cam1:PortName_RBV", PORT, self._word)

    def _make_plugin(self) -> None:
        self._pair(":HDF1:EnableCallbacks", "Disable", self._choice, choices=("Disable", "Enable"))
        for suffix, text in (("FilePath", ""), ("FileName", ""), ("FileTemplate", "%s%s_%3.3d.h5")):
            self._pair(f":HDF1:{suffix}", text, self._text)
        self._pair(":HDF1:FileNumber", 0, self._integer)
        self._pair(":HDF1:AutoIncrement", "No", self._choice, choices=NO_YES)
        self._pair(":HDF1:AutoSave", "No", self._choice, choices=NO_YES)
        self._pair(":HDF1:LazyOpen", "No", self._choice, choices=NO_YES)
        self._pair(":HDF1:FileWriteMode", "Single", self._choice, choices=("Single", "Capture", "Stream"))
        self._pair(":HDF1:SWMRMode", "Off", self._choice, choices=("Off", "On"))
        names = ("None", "N-bit", "szip", "zlib", "Blosc", "BSLZ4", "LZ4", "JPEG")
        self._pair(":HDF1:Compression", "None", self._choice, choices=names)
        self._pair(":HDF1:NumCapture", 1, self._integer)
        self._pair(":HDF1:Capture", "Done", self._choice, self._capture, choices=("Done", "Capture"))
        self._pair(":HDF1:ArrayCounter", 0, self._integer)
        self._pair(":HDF1:DroppedArrays", 0, self._integer)
        self._pair(":HDF1:NDArrayPort", PORT, self._word)
        self._pair(":HDF1:BlockingCallbacks", "No", self._choice, choices=NO_YES)
        self._pair(":HDF1:CreateDirectory", 0, self._integer)
        for dimension in range(3):
            self._pair(f":HDF1:ArraySize{dimension}", 0, self._integer)
        self._shown(":HDF1:PortName_RBV", "HDF1", self._word)
        self._shown(":HDF1:PluginType_RBV", "NDFileHDF5", self._word)
        self._shown(":HDF1:NumCaptured_RBV", 0, self._integer)
        self._shown(":HDF1:FilePathExists_RBV", "No", self._choice, choices=NO_YES)
        self._shown(":HDF1:FullFileName_RBV", "", self._text)
        self._shown(":HDF1:WriteStatus", "Write OK", self._choice, choices=("Write OK", "Write error"))
        self._shown(":HDF1:WriteMessage", "", self._text)

    def _pair(self, suffix: str, value: Any, kind: Any, put: Any = None, choices: Any = None, **metadata: Any) -> None:
        """A record that is set and the one beside it that reads it back."""

        def store(new: Any) -> Any:
            self._values[f"{suffix}_RBV"] = new
            return new

        shape = () if choices is None else (choices,)
        kind(suffix, *shape, value, put or store, **metadata)
        self._shown(f"{suffix}_RBV", value, kind, choices=choices, **metadata)

    def _shown(self, suffix: str, value: Any, kind: Any, choices: Any = None, **metadata: Any) -> None:
        """A record that shows a value."""
        shape = () if choices is None else (choices,)
        kind(suffix, *shape, value, **metadata)
        self._values[suffix] = value

    def readings(self) -> dict[str, Any]:
        """All that is shown; commands show whether they are done."""
        folder = self._values[":HDF1:FilePath_RBV"]
        exists = NO_YES[bool(folder) and Path(folder).is_dir()]
        commands = {f":{part}": self._values[f":{part}_RBV"] for part in ("cam1:Acquire", "HDF1:Capture")}
        counters = {":cam1:ArrayCounter": self._values[":cam1:ArrayCounter_RBV"]}
        return self._values | commands | counters | {":HDF1:FilePathExists_RBV": exists}

    def truth(self) -> dict[str, Any]:
        """What the detector does, and where its frames go."""
        return {
            "state": self._values[":cam1:DetectorState_RBV"],
            "frames": self._values[":cam1:ArrayCounter_RBV"],
            "file": self._values[":HDF1:FullFileName_RBV"],
            "written": self._values[":HDF1:NumCaptured_RBV"],
        }

    # The detector.

    def _acquire(self, command: str) -> str:
        running = self._values[":cam1:Acquire_RBV"] == "Acquire"
        if command == "Acquire" and not running:
            many = self._values[":cam1:ImageMode_RBV"] == "Multiple"
            self._left_frames = self._values[":cam1:NumImages_RBV"] if many else 1
            self._left_s = self._values[":cam1:AcquireTime_RBV"]
            self._show_state("Acquire", "Waiting for 7OK response", "Acquire")
        elif command == "Done" and running:
            self._show_state("Aborted", "Acquisition aborted", "Done")
        return self._values[":cam1:Acquire_RBV"]

    def _show_state(self, state: str, message: str, acquire: str) -> None:
        self._values[":cam1:DetectorState_RBV"] = state
        self._values[":cam1:StatusMessage_RBV"] = message
        self._values[":cam1:Acquire_RBV"] = acquire

    def _advance(self, dt_s: float) -> None:
        if self._values[":cam1:Acquire_RBV"] != "Acquire":
            return
        if "detector_error" in self._faulty:
            self._show_state("Error", "Error in camserver: exposure failed", "Done")
            return
        self._left_s -= dt_s
        if self._left_s > 0 or "never_finish" in self._faulty:
            return
        exposure_s = self._values[":cam1:AcquireTime_RBV"]
        frame = self._xray.frame(MODEL, exposure_s)
        self._values[":cam1:ArrayCounter_RBV"] += 1
        if self._values[":cam1:ArrayCallbacks_RBV"] == "Enable":
            self._receive(frame)
        self._left_s += max(self._values[":cam1:AcquirePeriod_RBV"], exposure_s)
        self._left_frames -= self._values[":cam1:ImageMode_RBV"] != "Continuous"
        if self._left_frames <= 0:
            self._show_state("Idle", "Acquisition finished", "Done")

    # The plugin.

    def _capture(self, command: str) -> str:
        if command == "Capture":
            self._values[":HDF1:NumCaptured_RBV"] = 0
            self._write_status("")
            lazy, streams = self._values[":HDF1:LazyOpen_RBV"], self._values[":HDF1:FileWriteMode_RBV"] == "Stream"
            if not streams or lazy != "Yes":
                self._write_status("only FileWriteMode = Stream with LazyOpen = Yes is simulated")
            elif self._values[":HDF1:Compression_RBV"] not in COMPRESSIONS:
                self._write_status("this compression is not simulated")
            else:
                self._values[":HDF1:Capture_RBV"] = "Capture"
        else:
            self._end_capture()
        return self._values[":HDF1:Capture_RBV"]

    def _end_capture(self) -> None:
        self._values[":HDF1:Capture_RBV"] = "Done"
        if self._file is not None:
            self._file.close()
            self._file = None

    def _receive(self, frame: Any) -> None:
        """What the plugin does with a frame."""
        values = self._values
        if values[":HDF1:EnableCallbacks_RBV"] != "Enable":
            return
        if "drop" in self._faulty:
            values[":HDF1:DroppedArrays_RBV"] += 1
            return
        values[":HDF1:ArrayCounter_RBV"] += 1
        values[":HDF1:ArraySize1_RBV"], values[":HDF1:ArraySize0_RBV"] = frame.shape
        if values[":HDF1:Capture_RBV"] != "Capture":
            return
        try:
            if "disk_full" in self._faulty:
                raise OSError("No space left on device")
            if self._file is None:
                swmr = values[":HDF1:SWMRMode_RBV"] == "On"
                self._file = FramesFile(self._next_path(), frame, values[":HDF1:Compression_RBV"], swmr=swmr)
            self._file.append(frame)
        except (OSError, TypeError, ValueError) as error:
            self._write_status(str(error))
            self._end_capture()
            return
        values[":HDF1:NumCaptured_RBV"] += 1
        if values[":HDF1:NumCaptured_RBV"] == values[":HDF1:NumCapture_RBV"]:  # 0: until it is told to end
            self._end_capture()

    def _next_path(self) -> Path:
        """The template in the manner of C, filled with folder, name and, when it asks for it, number."""
        values = self._values
        parts = values[":HDF1:FilePath_RBV"], values[":HDF1:FileName_RBV"], values[":HDF1:FileNumber_RBV"]
        template = values[":HDF1:FileTemplate_RBV"]
        path = template % (parts if template.count("%") > 2 else parts[:2])
        values[":HDF1:FullFileName_RBV"] = path
        if values[":HDF1:AutoIncrement_RBV"] == "Yes":
            values[":HDF1:FileNumber_RBV"] += 1
        return Path(path)

    def _write_status(self, error: str) -> None:
        self._values[":HDF1:WriteStatus"] = "Write error" if error else "Write OK"
        self._values[":HDF1:WriteMessage"] = error

    def _fault(self, name: str) -> Any:
        def switch(on: bool) -> None:
            (self._faulty.add if on else self._faulty.discard)(name)

        return switch
