"""Unmodified ophyd, with its own EPICS client, against the server that EPICS_CA_ADDR_LIST names; run as a program.

``python -m tests.stock_ophyd PREFIX_OF_A_MOTOR PREFIX_OF_A_DETECTOR FOLDER`` prints what it saw as JSON. It must not
import the drivers, which have ophyd open no client of its own.
"""

import json
import sys

from ophyd import Component, DetectorBase, EpicsMotor
from ophyd.areadetector.cam import PilatusDetectorCam
from ophyd.areadetector.filestore_mixins import FileStoreHDF5IterativeWrite
from ophyd.areadetector.plugins import HDF5Plugin_V34
from ophyd.areadetector.trigger_mixins import SingleTrigger

WAIT_S = 30.0
EXPOSURE_S = 20.0  # of a plant that runs fast: SingleTrigger loses the end of an exposure that is over at once


class Detector(SingleTrigger, DetectorBase):
    """As ophyd's documentation makes one."""

    cam = Component(PilatusDetectorCam, ":cam1:")


class Storing(FileStoreHDF5IterativeWrite, HDF5Plugin_V34):
    """ophyd's own writer of HDF5 files."""

    def get_frames_per_point(self) -> int:
        """One."""
        return 1


class StoringDetector(SingleTrigger, DetectorBase):
    """The same, writing files."""

    cam = Component(PilatusDetectorCam, ":cam1:")
    hdf1 = Component(Storing, ":HDF1:", write_path_template="/", root="/")


def move(prefix: str) -> dict:
    """What a motor does when it is moved, twice, and sent too far."""
    motor = EpicsMotor(prefix, name="motor")
    motor.wait_for_connection(timeout=WAIT_S)
    seen = []
    for target in (3.0, -2.0):
        status = motor.move(target, wait=False)
        status.wait(WAIT_S)
        seen.append([status.success, motor.position, motor.user_readback.get()])
    try:
        motor.move(1000.0)
        refused = False
    except ValueError:
        refused = True
    return {"moves": seen, "refused": refused, "units": motor.egu, "limits": motor.limits}


def expose(prefix: str) -> dict:
    """What a detector does when it is staged and triggered."""
    plugin = HDF5Plugin_V34(f"{prefix}:HDF1:", name="plugin")
    plugin.enable.set("Enable").wait(WAIT_S)  # so that it has seen a frame when it is to store some
    detector = Detector(prefix, name="detector")
    detector.stage_sigs["cam.acquire_time"] = EXPOSURE_S
    before = detector.cam.array_counter.get()
    detector.stage()
    for _ in range(2):
        detector.trigger().wait(WAIT_S)
    counted = detector.cam.array_counter.get() - before
    exposure_s = detector.cam.acquire_time.get()
    detector.unstage()
    return {"counted": counted, "exposure_s": exposure_s}


def store(prefix: str, folder: str) -> dict:
    """What is in the file that ophyd's own writer has made."""
    detector = StoringDetector(prefix, name="detector")
    detector.stage_sigs["cam.acquire_time"] = EXPOSURE_S
    detector.hdf1.write_path_template = folder
    detector.hdf1.stage_sigs["lazy_open"] = "Yes"
    detector.hdf1.stage_sigs["compression"] = "BSLZ4"
    detector.hdf1.stage_sigs.move_to_end("capture")
    detector.stage()
    detector.trigger().wait(WAIT_S)
    detector.trigger().wait(WAIT_S)
    captured, path = detector.hdf1.num_captured.get(), detector.hdf1.full_file_name.get()
    detector.unstage()
    return {"captured": captured, "path": path}


if __name__ == "__main__":
    motor, detector, folder = sys.argv[1:]
    seen = {"motor": move(motor), "detector": expose(detector), "file": store(detector, folder)}
    sys.stdout.write(json.dumps(seen))
