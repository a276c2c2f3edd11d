"""Made-up runs with spectra and SAXS frames of the same plugs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.saxs_runs import SAXS, SOLVENT, Beamline, Liquid, metadata
from tests.support import documents_of_a_scan

Document = tuple[str, dict[str, Any]]
PLUG = "reactor_optical_plug_entered_ml"


def joint_run(
    folder: Path,
    panels: dict[float, list[float]],
    points: dict[tuple[float, float], Liquid],
    *,
    clusters: tuple[float, ...] = (),
    plugs: bool = True,
) -> Iterator[Document]:
    """A scan of made-up spectra, then frames at some of its points.

    Args:
        folder: where frames go.
        panels: excitons of each panel's spectra.
        points: what is in the X-ray cell, by panel and coordinate.
        clusters: panels with CdSe-437.
        plugs: whether spectra tell their plug.
    """
    spectra = list(documents_of_a_scan(panels, clusters=clusters))
    keys = spectra[0][1]["analysis"]
    about = metadata("absorbance", "nucleation_scan", keys["axes"], SAXS, frames_per_point=3)
    about["analysis"] = {**keys, **about["analysis"]}
    beamline = Beamline(folder, about)
    uid = beamline.run.start_doc["uid"]
    yield "start", beamline.run.start_doc
    yield from beamline.frames("saxs_open", SOLVENT, 1, sample="empty")
    yield from beamline.frames("saxs_background", SOLVENT, 6)
    for number, (name, doc) in enumerate(spectra[1:-1]):
        more: dict[str, Any] = {"run_start": uid} if name == "descriptor" else {}
        if plugs and name == "event" and "reactor_growth_setpoint_c" in doc["data"]:
            more = {"data": {**doc["data"], PLUG: 0.01 * number}, "timestamps": {**doc["timestamps"], PLUG: 0.0}}
        if plugs and name == "descriptor" and doc["name"] == "primary":
            number_key = {"dtype": "number", "shape": [], "source": "test", "units": "mL"}
            more["data_keys"] = {**doc["data_keys"], PLUG: number_key}
            more["object_keys"] = {}
        yield name, {**doc, **more}
    for (panel, coordinate), liquid in points.items():
        readings = {"reactor_nucleation_setpoint_c": panel, "reactor_growth_setpoint_c": coordinate}
        yield from beamline.frames("saxs", liquid, 3, readings=readings)
    stop = beamline.run.compose_stop()
    stop["num_events"] |= spectra[-1][1]["num_events"]
    yield "stop", stop
