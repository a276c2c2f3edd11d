"""One run as NeXus: raw counts, dark, reference, absorbance, conditions, results and provenance.

Application definition NXoptical_spectroscopy (https://manual.nexusformat.org/classes/). The file is opened
for a moment whenever documents have come and is whole and closed in between, so that it can be read while
the run goes on. A reader that has it open meanwhile, and with that locked, keeps what it has opened: the
writer goes on in a copy that takes the file's place. The journal is the record: when a writer dies, the next
one makes the file anew from it.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import flowlab
from flowlab.analysis.absorbance import Baseline, Counts, absorbance, tidy
from flowlab.storage.tables import append, at, group, put

_DEFINITION = "NXoptical_spectroscopy"
_DEFINITION_URL = f"https://manual.nexusformat.org/classes/applications/{_DEFINITION}.html"


class NexusFile:
    """Takes in the documents of one run and of its analysis, and writes them.

    Args:
        path: the file; one that is there is replaced.
        start: start document of the run; its ``analysis`` says which readings are spectra.
    """

    def __init__(self, path: Path, start: dict[str, Any]):
        self.path = path
        self._spectra: dict[str, str] = start["analysis"]
        self._streams: dict[str, dict[str, Any]] = {}
        self._pending: list[tuple[str, dict[str, Any]]] = []
        self._pending_results: list[tuple[str, dict[str, Any]]] = []
        self._wavelength: Any = None
        self._baseline_of: dict[str, Counts] = {}
        with self._instead() as new, h5py.File(new, "w") as file:
            self._begin(file, start)

    def take(self, name: str, doc: dict[str, Any]) -> None:
        """Take in a document of the run; it is written by the next :meth:`flush`."""
        if name == "descriptor":
            self._streams[doc["uid"]] = doc
        self._pending.append((name, doc))

    def take_result(self, name: str, doc: dict[str, Any]) -> None:
        """Take in a document of the run's analysis."""
        if name == "descriptor":
            self._streams[doc["uid"]] = doc
        self._pending_results.append((name, doc))

    def flush(self) -> None:
        """Write what has come since the last time."""
        if not self._pending and not self._pending_results:
            return
        with self._opened() as file:
            entry = at(file, "entry")
            for name, doc in self._pending:
                self._write(entry, name, doc)
            for name, doc in self._pending_results:
                self._write_result(entry, name, doc)
        self._pending.clear()
        self._pending_results.clear()

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        """The file, or a copy that takes its place when a reader holds the file."""
        try:
            file = h5py.File(self.path, "r+")
        except BlockingIOError:
            with self._instead() as new:
                shutil.copyfile(self.path, new)
                with h5py.File(new, "r+") as file:
                    yield file
        else:
            with file:
                yield file

    @contextmanager
    def _instead(self) -> Iterator[Path]:
        """Where to make a file that then takes the place of the one that is there, whoever has that one open."""
        new = self.path.with_name(f"{self.path.name}.new")
        new.unlink(missing_ok=True)
        yield new
        new.replace(self.path)

    def _begin(self, file: h5py.File, start: dict[str, Any]) -> None:
        file.attrs["default"] = "entry"
        file.attrs["creator"] = f"flowlab {flowlab.__version__}"
        entry = group(file, "entry", "NXentry", default="data")
        definition = put(entry, "definition", _DEFINITION)
        definition.attrs["version"] = "v2024.02"
        definition.attrs["URL"] = _DEFINITION_URL
        put(entry, "title", f"{start.get('plan_name', 'run')} on {start.get('instrument', 'an instrument')}")
        put(entry, "start_time", _iso(start["time"]))
        put(entry, "identifier_experiment", start["uid"])
        put(entry, "experiment_type", "transmission spectroscopy")
        instrument = group(entry, "instrument", "NXinstrument")
        put(instrument, "name", str(start.get("instrument", "")))
        beam = group(instrument, "beam_lamp", "NXbeam")
        put(beam, "parameter_reliability", "nominal")
        detector = group(instrument, "detector_spectrometer", "NXdetector")
        put(detector, "detector_channel_type", "multichannel")
        put(detector, "detector_type", "CCD")
        group(detector, "raw_data", "NXdata", signal="raw")
        program = put(group(instrument, "software_flowlab", "NXprogram"), "program", "flowlab")
        program.attrs["version"] = flowlab.__version__
        sample = group(entry, "sample", "NXsample")
        material = str(start.get("material", "unknown"))
        put(sample, "name", f"{material} in the optical flow cell")
        put(sample, "chemical_formula", material)
        put(sample, "physical_form", "liquid")
        path_mm = start.get("config", {}).get("flow_path", {}).get("optical_path_mm")
        if path_mm is not None:
            put(sample, "thickness", float(path_mm), "mm")
        provenance = group(entry, "provenance", "NXcollection")
        put(provenance, "start_document", json.dumps(start, default=str, ensure_ascii=False))
        put(provenance, "flowlab_version", flowlab.__version__)
        put(provenance, "plan_parameters", json.dumps(start.get("plan_parameters", {})))
        for key in ("config", "simulation"):
            if key in start:
                put(provenance, key, json.dumps(start[key], ensure_ascii=False))
        group(entry, "data", "NXdata", signal="absorbance", axes=[".", "wavelength"], wavelength_indices=[1])
        group(entry, "conditions", "NXcollection")

    def _write(self, entry: h5py.Group, name: str, doc: dict[str, Any]) -> None:
        match name:
            case "descriptor":
                self._write_axis(entry, doc)
            case "event":
                self._write_event(entry, self._streams[doc["descriptor"]], doc)
            case "stop":
                put(entry, "end_time", _iso(doc["time"]))
                put(at(entry, "provenance"), "exit_status", doc["exit_status"])
                put(at(entry, "provenance"), "reason", str(doc.get("reason", "")))
            case _:
                pass

    def _write_axis(self, entry: h5py.Group, descriptor: dict[str, Any]) -> None:
        for device in descriptor["configuration"].values():
            if self._spectra["wavelength_nm"] not in device["data"]:
                continue
            acquisition = group(at(entry, "instrument/detector_spectrometer"), "acquisition", "NXcollection")
            for key, value in device["data"].items():
                put(acquisition, key, value, device["data_keys"][key].get("units"))
            if self._wavelength is None:
                self._wavelength = np.asarray(device["data"][self._spectra["wavelength_nm"]])
                put(at(entry, "data"), "wavelength", self._wavelength, "nm")

    def _write_event(self, entry: h5py.Group, descriptor: dict[str, Any], event: dict[str, Any]) -> None:
        data = event["data"]
        if self._spectra["counts"] not in data:
            return
        counts = Counts(np.asarray(data[self._spectra["counts"]]), np.asarray(data[self._spectra["counts_err"]]))
        detector = at(entry, "instrument/detector_spectrometer")
        stream = descriptor["name"]
        if stream in ("dark", "reference"):
            place = group(detector, stream, "NXcollection")
            put(place, "counts", counts.mean, "counts")
            put(place, "counts_errors", counts.err, "counts")
            put(place, "time", _iso(event["time"]))
            self._baseline_of[stream] = tidy(counts)
        elif stream == "primary":
            append(at(detector, "raw_data"), "raw", [counts.mean], "counts")
            append(at(detector, "raw_data"), "raw_errors", [counts.err], "counts")
            self._write_absorbance(at(entry, "data"), counts)
            conditions = at(entry, "conditions")
            append(conditions, "time", [event["time"]], "s")
            for key, value in data.items():
                if np.ndim(value) == 0:
                    append(conditions, key, [value], descriptor["data_keys"][key].get("units"))

    def _write_absorbance(self, place: h5py.Group, counts: Counts) -> None:
        if not {"dark", "reference"} <= self._baseline_of.keys():
            value = err = np.full(counts.mean.shape, np.nan)
        else:
            found = absorbance(tidy(counts), Baseline(**self._baseline_of))
            value, err = (np.where(found.usable, array, np.nan) for array in (found.value, found.err))
        append(place, "absorbance", [value])
        append(place, "absorbance_errors", [err])

    def _write_result(self, entry: h5py.Group, name: str, doc: dict[str, Any]) -> None:
        results = group(entry, "results", "NXcollection")
        match name:
            case "start":
                derived = group(entry, "derived_parameters", "NXprocess")
                program = put(group(derived, "analysis_program", "NXprogram"), "program", "flowlab")
                program.attrs["version"] = doc["software"]["version"]
                put(results, "run_uid", doc["uid"])
                put(results, "material", doc["material"])
                put(results, "config_hash", doc["config_hash"])
            case "event":
                descriptor = self._streams[doc["descriptor"]]
                keys = descriptor["data_keys"]
                if descriptor["name"] == "spectra":
                    place = group(results, "spectra", "NXcollection")
                    for key, value in doc["data"].items():
                        if np.ndim(value) == 0:
                            append(place, key, [value], keys[key].get("units"))
                else:
                    number = "" if descriptor["name"] == "window" else f"_{doc['data']['track']:03d}"
                    place = group(results, f"{descriptor['name'].removesuffix('s')}{number}", "NXcollection")
                    for key, value in doc["data"].items():
                        put(place, key, value, keys[key].get("units"))
            case _:
                pass


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()
