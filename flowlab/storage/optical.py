"""Spectra of a run in its NeXus file: raw counts, dark, reference, absorbance and conditions.

Application definition NXoptical_spectroscopy (https://manual.nexusformat.org/classes/).
"""

from typing import Any

import h5py
import numpy as np

from flowlab.analysis.absorbance import Baseline, Counts, absorbance, tidy
from flowlab.storage.tables import append, at, group, iso, put

DEFINITION = "NXoptical_spectroscopy"
_DEFINITION_URL = f"https://manual.nexusformat.org/classes/applications/{DEFINITION}.html"


class OpticalEntry:
    """Writes what spectra need into the entry of a run.

    Args:
        keys: ``analysis`` of the run's start document: the data keys of its spectra.
    """

    def __init__(self, keys: dict[str, Any]):
        self._keys = keys
        self._wavelength: Any = None
        self._baseline_of: dict[str, Counts] = {}

    @staticmethod
    def begin(entry: h5py.Group) -> None:
        """What is known before the first document."""
        definition = put(entry, "definition", DEFINITION)
        definition.attrs["version"] = "v2024.02"
        definition.attrs["URL"] = _DEFINITION_URL
        entry.attrs["default"] = "data"
        put(entry, "experiment_type", "transmission spectroscopy")
        instrument = at(entry, "instrument")
        beam = group(instrument, "beam_lamp", "NXbeam")
        put(beam, "parameter_reliability", "nominal")
        detector = group(instrument, "detector_spectrometer", "NXdetector")
        put(detector, "detector_channel_type", "multichannel")
        put(detector, "detector_type", "CCD")
        group(detector, "raw_data", "NXdata", signal="raw")
        group(entry, "data", "NXdata", signal="absorbance", axes=[".", "wavelength"], wavelength_indices=[1])

    def write_descriptor(self, entry: h5py.Group, descriptor: dict[str, Any]) -> None:
        """The axis, and how spectra are acquired."""
        for device in descriptor["configuration"].values():
            if self._keys["wavelength_nm"] not in device["data"]:
                continue
            acquisition = group(at(entry, "instrument/detector_spectrometer"), "acquisition", "NXcollection")
            for key, value in device["data"].items():
                put(acquisition, key, value, device["data_keys"][key].get("units"))
            if self._wavelength is None:
                self._wavelength = np.asarray(device["data"][self._keys["wavelength_nm"]])
                put(at(entry, "data"), "wavelength", self._wavelength, "nm")

    def write_event(self, entry: h5py.Group, descriptor: dict[str, Any], event: dict[str, Any]) -> None:
        """A spectrum, where the event has one."""
        data = event["data"]
        if self._keys["counts"] not in data:
            return
        counts = Counts(np.asarray(data[self._keys["counts"]]), np.asarray(data[self._keys["counts_err"]]))
        detector = at(entry, "instrument/detector_spectrometer")
        stream = descriptor["name"]
        if stream in ("dark", "reference"):
            place = group(detector, stream, "NXcollection")
            put(place, "counts", counts.mean, "counts")
            put(place, "counts_errors", counts.err, "counts")
            put(place, "time", iso(event["time"]))
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
