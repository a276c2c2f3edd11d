"""Made-up SAXS runs: real documents, real files of frames, taken of the plant's X-ray side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from event_model import compose_run

from devices.frames import FrameFile, frame_key
from simulators.plant.area_detector import DETECTORS
from simulators.plant.fluidics import FlowReactor
from simulators.plant.scattering import Spheres
from simulators.plant.xray import SLOTS_MM, Endstation, XrayProperties
from tests.simulators.plant.test_xray import PATH

Document = tuple[str, dict[str, Any]]

DETECTOR = "pilatus-300k"
PLACE = DETECTORS[DETECTOR]
PIXEL_M = PLACE.pixel_mm * 1e-3
DATASET = "/entry/data/data"

#: As an instrument file would have it for the plant's detector, where it really is.
SAXS: dict[str, Any] = {
    "poni": {
        "detector": "Pilatus300k",
        "distance_m": PLACE.distance_mm * 1e-3,
        "poni1_m": PLACE.beam_row * PIXEL_M,
        "poni2_m": PLACE.beam_column * PIXEL_M,
        "wavelength_m": 1.239841984e-9 / 12.4,
    },
    "beam_stop_mm": 1.8,
    "masked": [{"rows": [0, 94], "columns": [237, 246]}],
    "q_low_per_nm": 0.15,
    "q_high_per_nm": 5.0,
    "sizes_from_per_nm": 0.3,
}


@dataclass(frozen=True)
class Liquid:
    """What flows through the cell: spheres, and layers of 3.41 nm whose first peak has this height in cm⁻¹."""

    radii_nm: tuple[float, ...] = ()
    mmol_l: tuple[float, ...] = ()
    layers_per_cm: float = 0.0

    def cross_section_per_cm(self, plug, q_per_nm):
        found = 0.0187 + Spheres(2 * np.array(self.radii_nm), np.array(self.mmol_l)).cross_section_per_cm(q_per_nm)
        for n in (1, 2):
            found = found + self.layers_per_cm / n * np.exp(-0.5 * ((q_per_nm - n * 2 * np.pi / 3.41) / 0.03) ** 2)
        return found

    def attenuation_per_cm(self, plug) -> float:
        return 0.95

    def truth(self, plug) -> dict[str, object]:
        return {}


SOLVENT = Liquid()


class Cell:
    """A flow cell through which one liquid after another flows."""

    def __init__(self) -> None:
        self.liquid = SOLVENT

    def cross_section_per_cm(self, plug, q_per_nm):
        return self.liquid.cross_section_per_cm(plug, q_per_nm)

    def attenuation_per_cm(self, plug) -> float:
        return self.liquid.attenuation_per_cm(plug)

    def truth(self, plug) -> dict[str, object]:
        return {}


class Beamline:
    """Takes frames of liquids and writes documents and files as a RunEngine and a detector would.

    Args:
        data: the store's folder; frames go below it.
        metadata: of the run.
        late: whether references to frames come after the events, not before.
    """

    def __init__(self, data: Path, metadata: dict[str, Any], *, late: bool = False):
        self.folder = data / "frames"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run = compose_run(metadata=metadata)
        self._late = late
        self._bundles: dict[str, Any] = {}
        self._files = 0
        self._time = float(self.run.start_doc["time"])
        self._pumped_ml = 0.0
        self._cell = Cell()
        properties = XrayProperties(beam_drift=0.0, bubbles_per_ml=0.0)
        self._place = Endstation(FlowReactor(PATH), self._cell, properties, seed=1)

    def frames(
        self,
        stream: str,
        liquid: Liquid,
        count: int,
        sample: str = "capillary",
        readings: dict[str, Any] | None = None,
        bubbles: Sequence[int] = (),
        beam: bool = True,
        exposure_s: float = 1.0,
    ) -> Iterator[Document]:
        """Documents of a file of frames; the frames whose numbers are in ``bubbles`` see one."""
        self._files += 1
        path = self.folder / f"{self._files:03d}-{stream}.h5"
        place, self._cell.liquid = self._place, liquid
        place._latest = None  # it remembers what a plug scatters, and knows of no liquid that is exchanged by hand
        place.shutter_open, place.stage_x_mm = beam, SLOTS_MM[sample]
        file = FrameFile()
        readings = readings or {}
        with h5py.File(path, "x", libver="latest") as opened:
            images = opened.create_dataset(
                DATASET, (0, *PLACE.shape), PLACE.dtype, maxshape=(None, *PLACE.shape), chunks=(1, *PLACE.shape),
                **hdf5plugin.Bitshuffle(cname="lz4"),
            )  # fmt: skip
            if stream not in self._bundles:
                self._bundles[stream] = self.run.compose_descriptor(name=stream, data_keys=self._keys(readings))
                yield "descriptor", self._bundles[stream].descriptor_doc
            bundle = self._bundles[stream]
            uid = bundle.descriptor_doc["uid"]
            name, resource = file.stream_resource("camera_image", path, DATASET, PLACE.shape, PLACE.dtype)
            yield name, {**resource, "run_start": self.run.start_doc["uid"]}
            for i in range(count):
                if i in bubbles:
                    place.pass_bubble()
                images.resize(i + 1, 0)
                images[i] = place.frame(DETECTOR, exposure_s)
                self._time += 1.0
                self._pumped_ml += 0.1
                incident_a, transmitted_a = place.incident_a(), place.transmitted_a()
                data = {
                    "camera_exposed_s": exposure_s,
                    "before_current_a": incident_a,
                    "before_current_err_a": 5e-4 * abs(incident_a) + 2e-12,
                    "behind_current_a": transmitted_a,
                    "behind_current_err_a": 5e-4 * abs(transmitted_a) + 2e-12,
                    "endstation_sample": sample,
                    "reactor_xray_plug_entered_ml": self._pumped_ml - 0.5,
                    "reactor_xray_plug_age_s": 2.5,
                    "reactor_xray_plug_residence_s": 1.5,
                    "reactor_xray_plug_nucleation_c": readings.get("reactor_nucleation_setpoint_c", 20.0),
                    "reactor_xray_plug_growth_c": readings.get("reactor_growth_setpoint_c", 20.0),
                    "reactor_xray_plug_why": "",
                    **readings,
                }
                event = bundle.compose_event(data=data, timestamps=dict.fromkeys(data, self._time), time=self._time)
                seq = int(event["seq_num"])
                datum = file.stream_datum(uid, (i, i + 1), (seq, seq + 1))
                documents: list[Document] = [datum, ("event", event)]
                yield from reversed(documents) if self._late else documents
                if i in bubbles:
                    place.advance(0.0, 1.0)

    @staticmethod
    def _keys(readings: dict[str, Any]) -> dict[str, Any]:
        number = {"dtype": "number", "shape": [], "source": "test"}
        plug = {f"reactor_xray_plug_{name}": number for name in ("entered_ml", "age_s", "residence_s")}
        plug |= {f"reactor_xray_plug_{name}": number for name in ("nucleation_c", "growth_c")}
        return {
            "camera_image": frame_key("test", PLACE.shape, PLACE.dtype),
            "camera_exposed_s": number,
            **{f"{where}_current{err}_a": number for where in ("before", "behind") for err in ("", "_err")},
            "endstation_sample": {**number, "dtype": "string"},
            "reactor_xray_plug_why": {**number, "dtype": "string"},
            **plug,
            **{key: {**number, "units": "°C"} for key in readings},
        }


def metadata(kind: str, plan: str, axes: list[str], saxs: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """Of a SAXS run, as a worker and the plans give it."""
    analysis = {
        "kind": kind,
        "saxs": {
            "frames": "camera_image",
            "exposed_s": "camera_exposed_s",
            "incident_a": "before_current_a",
            "incident_err_a": "before_current_err_a",
            "transmitted_a": "behind_current_a",
            "transmitted_err_a": "behind_current_err_a",
        },
        "plugs": {"optical": "reactor_optical_plug", "xray": "reactor_xray_plug"},
        "axes": axes,
    }
    config: dict[str, Any] = {"flow_path": {"xray_path_mm": 1.0}}
    if saxs is not None:
        config["saxs"] = saxs
    return {
        "plan_name": plan,
        "material": "CdSe",
        "instrument": "made-up",
        "config": config,
        "analysis": {**analysis, **more},
    }


AXES = ["reactor_growth_setpoint_c", "reactor_nucleation_setpoint_c"]


def series(
    data: Path,
    points: dict[float, Liquid],
    *,
    saxs: dict[str, Any] | None = SAXS,
    late: bool = False,
    count: int = 3,
    bubbles: Sequence[int] = (),
    exposure_s: float = 1.0,
    per_point: bool = True,
) -> Iterator[Document]:
    """A run over nucleation temperature: dark, open beam, solvent, and ``count`` frames of each liquid."""
    about = metadata("saxs", "nucleation_scan", AXES, saxs, num_points=len(points))
    if per_point:
        about["analysis"]["frames_per_point"] = count
    beamline = Beamline(data, about, late=late)
    yield "start", beamline.run.start_doc
    yield from beamline.frames("saxs_dark", SOLVENT, 2, beam=False, exposure_s=exposure_s)
    yield from beamline.frames("saxs_open", SOLVENT, 2, sample="empty", exposure_s=exposure_s)
    yield from beamline.frames("saxs_background", SOLVENT, 6, exposure_s=exposure_s)
    for temperature, liquid in points.items():
        readings = {"reactor_growth_setpoint_c": 230.0, "reactor_nucleation_setpoint_c": temperature}
        yield from beamline.frames("saxs", liquid, count, readings=readings, bubbles=bubbles, exposure_s=exposure_s)
    yield "stop", beamline.run.compose_stop()


def calibration(data: Path, saxs: dict[str, Any] | None = SAXS, sample: str = "silver_behenate") -> Iterator[Document]:
    """A run of a standard."""
    more = {"standard": "silver_behenate"}
    about = metadata("calibration", "calibrate_q", ["endstation_sample"], saxs, **more)
    beamline = Beamline(data, about)
    yield "start", beamline.run.start_doc
    yield from beamline.frames("saxs_standard", SOLVENT, 3, sample=sample)
    yield "stop", beamline.run.compose_stop()


#: What Palencia 2020 saw at 1.5 s, in as much cadmium as a reaction leaves in particles; and the precursor melting.
RADII = {190.0: Liquid((0.87,), (3.0,)), 200.0: Liquid((0.94,), (3.0,)), 260.0: Liquid((1.06,), (3.0,))}
MELTING = {25.0: Liquid(layers_per_cm=0.04), 50.0: Liquid(layers_per_cm=0.02), 100.0: Liquid()}
