"""Absorption spectra of a run in its NeXus file: raw counts, dark, reference, absorbance and conditions.

Application definition NXoptical_spectroscopy (https://manual.nexusformat.org/classes/).
"""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from flowlab.analysis.absorbance import Baseline, Counts, absorbance, tidy
from flowlab.storage.tables import append, append_scalars, at, group, iso, put

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
        begin_optical(entry, "transmission spectroscopy", default="data")
        begin_detector(entry, "detector_spectrometer", beam="beam_lamp")
        group(entry, "data", "NXdata", signal="absorbance", axes=[".", "wavelength"], wavelength_indices=[1])

    def write_descriptor(self, entry: h5py.Group, descriptor: dict[str, Any]) -> None:
        """The axis, and how spectra are acquired."""
        axis = write_acquisition(at(entry, "instrument/detector_spectrometer"), descriptor, self._keys["wavelength_nm"])
        if axis is not None and self._wavelength is None:
            self._wavelength = axis
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
            append_conditions(at(entry, "conditions"), descriptor, event)

    def _write_absorbance(self, place: h5py.Group, counts: Counts) -> None:
        if not {"dark", "reference"} <= self._baseline_of.keys():
            value = err = np.full(counts.mean.shape, np.nan)
        else:
            found = absorbance(tidy(counts), Baseline(**self._baseline_of))
            value, err = (np.where(found.usable, array, np.nan) for array in (found.value, found.err))
        append(place, "absorbance", [value])
        append(place, "absorbance_errors", [err])


def begin_optical(entry: h5py.Group, experiment_type: str, default: str) -> None:
    """Make an entry one of optical spectroscopy.

    Args:
        entry: of the run.
        experiment_type: one of the definition's words.
        default: of its groups, the one that is to be drawn.
    """
    definition = put(entry, "definition", DEFINITION)
    definition.attrs["version"] = "v2024.02"
    definition.attrs["URL"] = _DEFINITION_URL
    entry.attrs["default"] = default
    put(entry, "experiment_type", experiment_type)


def begin_detector(entry: h5py.Group, name: str, beam: str) -> None:
    """A detector of spectra, and the beam that is incident for it."""
    instrument = at(entry, "instrument")
    put(group(instrument, beam, "NXbeam"), "parameter_reliability", "nominal")
    detector = group(instrument, name, "NXdetector")
    put(detector, "detector_channel_type", "multichannel")
    put(detector, "detector_type", "CCD")
    group(detector, "raw_data", "NXdata", signal="raw")


def write_acquisition(detector: h5py.Group, descriptor: Mapping[str, Any], axis_key: str) -> Any:
    """How spectra are acquired: the configuration of the device whose axis has this data key.

    Returns:
        The axis; None where the descriptor has none.
    """
    for device in descriptor["configuration"].values():
        if axis_key not in device["data"]:
            continue
        acquisition = group(detector, "acquisition", "NXcollection")
        for key, value in device["data"].items():
            put(acquisition, key, value, device["data_keys"][key].get("units"))
        return np.asarray(device["data"][axis_key])
    return None


def append_conditions(place: h5py.Group, descriptor: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Append the time of an event, and all of its readings that are single values."""
    append(place, "time", [event["time"]], "s")
    append_scalars(place, event["data"], descriptor["data_keys"])
