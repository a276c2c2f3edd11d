"""One run as NeXus: conditions, results, provenance; spectra (optical.py), emission (luminescence.py), SAXS (saxs.py).

The file is opened for a moment whenever documents have come and is whole and closed in between, so that it can be
read while the run goes on. A reader that has it open meanwhile, and with that locked, keeps what it has opened: the
writer goes on in a copy that takes the file's place. The journal is the record: when a writer dies, the next
one makes the file anew from it.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

import flowlab
from flowlab.storage.luminescence import EmissionEntry
from flowlab.storage.optical import OpticalEntry
from flowlab.storage.saxs import FrameLinks, write_curve, write_results
from flowlab.storage.tables import append_scalars, at, group, iso, put

#: Streams of results that saxs.py writes.
_OF_SAXS = frozenset({"saxs_curves", "saxs_points", "saxs_melting", "calibration", "joint", "joint_ratio"})


class NexusFile:
    """Takes in the documents of one run and of its analysis, and writes them.

    Args:
        path: the file; one that is there is replaced.
        start: start document of the run; its ``analysis`` says which readings are spectra.
        frames: folder of the frames' files; none outside of it is linked.
    """

    def __init__(self, path: Path, start: dict[str, Any], frames: Path):
        self.path = path
        self._start = start
        self._optical = OpticalEntry(start["analysis"]) if start["analysis"].get("kind") == "absorbance" else None
        keys = start["analysis"].get("luminescence")
        self._emission = None if keys is None else EmissionEntry(keys)
        self._links = FrameLinks(path, frames)
        self._streams: dict[str, dict[str, Any]] = {}
        self._pending: list[tuple[str, dict[str, Any]]] = []
        self._pending_results: list[tuple[str, dict[str, Any]]] = []
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
        entry = group(file, "entry", "NXentry")
        put(entry, "title", f"{start.get('plan_name', 'run')} on {start.get('instrument', 'an instrument')}")
        put(entry, "start_time", iso(start["time"]))
        put(entry, "identifier_experiment", start["uid"])
        instrument = group(entry, "instrument", "NXinstrument")
        put(instrument, "name", str(start.get("instrument", "")))
        program = put(group(instrument, "software_flowlab", "NXprogram"), "program", "flowlab")
        program.attrs["version"] = flowlab.__version__
        sample = group(entry, "sample", "NXsample")
        material = str(start.get("material", "unknown"))
        cell = "X-ray" if self._optical is None and self._emission is None else "optical"
        put(sample, "name", f"{material} in the {cell} flow cell")
        put(sample, "chemical_formula", material)
        put(sample, "physical_form", "liquid")
        path_mm = start.get("config", {}).get("flow_path", {}).get(f"{cell.lower().replace('-', '')}_path_mm")
        if path_mm is not None:
            put(sample, "thickness", float(path_mm), "mm")
        provenance = group(entry, "provenance", "NXcollection")
        put(provenance, "start_document", json.dumps(start, default=str, ensure_ascii=False))
        put(provenance, "flowlab_version", flowlab.__version__)
        put(provenance, "plan_parameters", json.dumps(start.get("plan_parameters", {})))
        if "resumes" in start:  # results are of the whole scan, all else of this run
            put(provenance, "resumes", str(start["resumes"]))
            put(provenance, "first_point", int(start.get("first_point", 0)))
        for key in ("config", "simulation"):
            if key in start:
                put(provenance, key, json.dumps(start[key], ensure_ascii=False))
        group(entry, "conditions", "NXcollection")
        if self._optical is not None:
            self._optical.begin(entry)
        if self._emission is not None:
            self._emission.begin(entry, alone=self._optical is None)

    def _write(self, entry: h5py.Group, name: str, doc: dict[str, Any]) -> None:
        match name:
            case "descriptor":
                for part in filter(None, (self._optical, self._emission)):
                    part.write_descriptor(entry, doc)
            case "event":
                for part in filter(None, (self._optical, self._emission)):
                    part.write_event(entry, self._streams[doc["descriptor"]], doc)
            case "stream_resource":
                self._links.take_resource(doc)
            case "stream_datum":
                self._links.write_datum(entry, self._streams[doc["descriptor"]]["name"], doc)
            case "stop":
                put(entry, "end_time", iso(doc["time"]))
                put(at(entry, "provenance"), "exit_status", doc["exit_status"])
                put(at(entry, "provenance"), "reason", str(doc.get("reason", "")))
            case _:
                pass

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
                if descriptor["name"] in _OF_SAXS:
                    write_results(results, descriptor["name"], doc["data"], keys)
                    if descriptor["name"] == "saxs_points":
                        self._write_curve(entry, doc)
                elif descriptor["name"] == "emission":
                    # Of an earlier run of the scan: its counts are in that run's file.
                    earlier = doc["time"] < self._start["time"]
                    EmissionEntry.write_result(entry, doc["data"], keys, with_counts=not earlier)
                elif descriptor["name"] in ("spectra", "families"):
                    append_scalars(group(results, descriptor["name"], "NXcollection"), doc["data"], keys)
                else:
                    if descriptor["name"] == "window":
                        results.pop("window_so_far", None)  # of a run that was broken off it stays
                    number = f"_{doc['data']['track']:03d}" if descriptor["name"] == "tracks" else ""
                    place = group(results, f"{descriptor['name'].removesuffix('s')}{number}", "NXcollection")
                    for key, value in doc["data"].items():
                        put(place, key, value, keys[key].get("units"))
            case _:
                pass

    def _write_curve(self, entry: h5py.Group, event: dict[str, Any]) -> None:
        curve = write_curve(entry.file, self._start, event["data"], event["time"])
        if curve is not None and self._optical is None and self._emission is None:
            entry.file.attrs["default"] = curve
