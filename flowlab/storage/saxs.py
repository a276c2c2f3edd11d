"""SAXS of a run in a NeXus file: an NXcanSAS entry for each reduced curve, and links to the frames.

Application definition NXcanSAS (https://manual.nexusformat.org/classes/applications/NXcanSAS.html). The resolution
of q is not known and so not written. An intensity that is not in 1/cm is written as ``arbitrary``, the one word that
the definition has for it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np

import flowlab
from flowlab.storage.tables import append_scalars, group, iso, put

DEFINITION = "NXcanSAS"
_VERSION = "1.1"
_UNITS = {"cm⁻¹": "1/cm"}
#: Of a point's data, what is a fact of the process that made the curve.
_TERMS = (
    "panel", "coordinate", "exposed_s", "scale_relative_err", "finding", "sizes", "sizes_why", "radius_nm",
    "radius_err_nm", "radius_width", "delta_bic", "relative_chi2", "order", "order_why", "d_spacing_nm",
    "d_spacing_err_nm", "guinier_radius_nm", "guinier_radius_err_nm", "porod_exponent", "porod_exponent_err",
    "porod_constant", "porod_constant_err", "smooth_radius_nm", "smooth_radius_err_nm", "spectrum_apart_ml",
)  # fmt: skip


def write_curve(file: h5py.Group, start: Mapping[str, Any], point: Mapping[str, Any], time: float) -> str | None:
    """Write the reduced curve of a point as an entry of its own; nothing where there is none.

    Args:
        file: root of the file.
        start: start document of the run.
        point: data of an event of the stream ``saxs_points``.
        time: of that event.

    Returns:
        Name of the entry.
    """
    known = np.isfinite(point["intensity"]) & np.isfinite(point["intensity_err"])
    if not point["usable"] or not known.any():
        return None
    name = f"saxs_{point['point']:03d}"
    if name in file:
        del file[name]
    entry = _group(file, name, "NXentry", "SASentry", version=_VERSION, default="data")
    definition = put(entry, "definition", DEFINITION)
    definition.attrs["URL"] = f"https://manual.nexusformat.org/classes/applications/{DEFINITION}.html"
    put(entry, "title", title(start, point))
    put(entry, "run", str(start["uid"]))
    put(entry, "start_time", iso(time))
    data = _group(
        entry,
        "data",
        "NXdata",
        "SASdata",
        signal="I",
        axes=["Q"],
        I_axes="Q",
        Q_indices=[0],
        mask="excluded",
        timestamp=iso(time),
    )
    put(data, "Q", np.asarray(point["q_per_nm"])[known], "1/nm")
    put(
        data, "excluded", np.zeros(int(known.sum()), dtype=np.uint8)
    )  # bins without a value are left out: none is masked
    unit = _UNITS.get(point["unit"], "arbitrary")
    intensity = put(data, "I", np.asarray(point["intensity"])[known], unit)
    intensity.attrs["uncertainties"] = "Idev"
    put(data, "Idev", np.asarray(point["intensity_err"])[known], unit)
    if len(point["intensity_shared_err"]):
        put(data, "Idev_shared", np.asarray(point["intensity_shared_err"])[known], unit)
    _write_sample(entry, start, point)
    _write_instrument(entry, start)
    process = _group(entry, "process", "NXprocess", "SASprocess")
    put(process, "name", "flowlab")
    put(process, "date", iso(time))
    put(process, "description", str(point["why"]))
    for key in _TERMS:
        if key in point:
            put(group(process, "term", "NXparameters"), key, point[key])
    put(group(process, "term", "NXparameters"), "program", f"flowlab {flowlab.__version__}")
    return name


def title(start: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    """What a curve is of, in a line."""
    axes = start["analysis"]["axes"]
    places = dict.fromkeys([(axes[0], point["panel"]), (axes[-1], point["coordinate"])])
    return f"{start.get('plan_name', 'run')}, " + ", ".join(f"{axis} = {value:g}" for axis, value in places)


def _write_sample(entry: h5py.Group, start: Mapping[str, Any], point: Mapping[str, Any]) -> None:
    sample = _group(entry, "sample", "NXsample", "SASsample")
    put(sample, "name", f"{start.get('material', 'unknown')} in the X-ray flow cell")
    put(sample, "transmission", float(point["transmission"]))
    config = start.get("config", {})
    thickness_mm = (config.get("saxs") or {}).get("thickness_mm") or config.get("flow_path", {}).get("xray_path_mm")
    if thickness_mm is not None:
        put(sample, "thickness", float(thickness_mm), "mm")
    details = f"nucleation at {point['plug_nucleation_c']:.1f} °C, growth at {point['plug_growth_c']:.1f} °C"
    put(sample, "details", f"{details}, {point['plug_residence_s']:.2f} s; in the cell at ambient temperature")


def _write_instrument(entry: h5py.Group, start: Mapping[str, Any]) -> None:
    instrument = _group(entry, "instrument", "NXinstrument", "SASinstrument")
    put(instrument, "name", str(start.get("instrument", "")))
    poni = start.get("config", {}).get("saxs", {}).get("poni", {})
    source = _group(instrument, "source", "NXsource", "SASsource")
    put(source, "radiation", "x-ray")
    put(source, "incident_wavelength", 1e9 * float(poni["wavelength_m"]), "nm")
    detector = _group(instrument, "detector", "NXdetector", "SASdetector")
    put(detector, "name", str(poni["detector"]))
    put(detector, "SDD", 1e3 * float(poni["distance_m"]), "mm")


def _group(parent: h5py.Group, name: str, nexus: str, cansas: str, **attributes: Any) -> h5py.Group:
    return group(parent, name, nexus, canSAS_class=cansas, **attributes)


class FrameLinks:
    """Links from a run's file to the files of its frames.

    Args:
        path: of the run's file.
        folder: only files below it are linked.
    """

    def __init__(self, path: Path, folder: Path):
        self._path = path
        self._folder = folder
        self._resources: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, int] = {}

    def take_resource(self, doc: dict[str, Any]) -> None:
        """A file is announced; of which stream it is its first datum tells."""
        self._resources[doc["uid"]] = doc

    def write_datum(self, entry: h5py.Group, stream: str, doc: dict[str, Any]) -> None:
        """Link the file when it is referred to for the first time."""
        resource = self._resources.pop(doc["stream_resource"], None)
        if resource is None:
            return
        target = Path(unquote(urlsplit(str(resource["uri"])).path)).absolute()
        number = self._counts[stream] = self._counts.get(stream, 0) + 1
        place = group(group(entry, "frames", "NXcollection"), f"{stream}_{number:03d}", "NXdata", signal="data")
        put(place, "first_event", int(doc["seq_nums"]["start"]))
        put(place, "uri", str(resource["uri"]))
        if target.is_relative_to(self._folder.absolute()):
            relative = os.path.relpath(target, self._path.absolute().parent)
            place["data"] = h5py.ExternalLink(relative, str(resource["parameters"]["dataset"]))


def write_results(results: h5py.Group, stream: str, data: dict[str, Any], keys: dict[str, Any]) -> None:
    """A result document of SAXS among the run's results: points and temperatures one by one, frames without curves."""
    match stream:
        case "saxs_points":
            place = group(results, f"saxs_point_{data['point']:03d}", "NXcollection")
        case "calibration":
            place = group(results, stream, "NXcollection")
        case _:
            place = group(results, stream, "NXcollection")
            append_scalars(place, data, keys)
            return
    for key, value in data.items():
        put(place, key, value, keys[key].get("units"))
