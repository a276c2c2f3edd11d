"""Emission spectra of a run in its NeXus file: raw counts with the dark ones, emission with errors, conditions."""

from typing import Any

import h5py
import numpy as np

from flowlab.storage.optical import append_conditions, begin_detector, begin_optical, write_acquisition
from flowlab.storage.tables import append, append_scalars, at, group, put

_DETECTOR = "detector_fluorometer"
_BEAM = "beam_led"


class EmissionEntry:
    """Writes what emission needs into the entry of a run.

    Args:
        keys: ``analysis.luminescence`` of the run's start document: the data keys of its spectra.
    """

    def __init__(self, keys: dict[str, Any]):
        self._keys = keys
        self._dark: tuple[Any, Any] | None = None

    @staticmethod
    def begin(entry: h5py.Group, *, alone: bool) -> None:
        """What is known before the first document.

        Args:
            entry: of the run.
            alone: whether the run has no absorption spectra.
        """
        if alone:
            begin_optical(entry, "photoluminescence", default="emission")
        begin_detector(entry, _DETECTOR, beam=_BEAM)
        group(entry, "emission", "NXdata", signal="emission", axes=[".", "wavelength"], wavelength_indices=[1])
        group(entry, "conditions_emission", "NXcollection")

    def write_descriptor(self, entry: h5py.Group, descriptor: dict[str, Any]) -> None:
        """How spectra are acquired, and what excites."""
        write_acquisition(at(entry, f"instrument/{_DETECTOR}"), descriptor, self._keys["wavelength_nm"])
        for device in descriptor["configuration"].values():
            if self._keys["led_nm"] in device["data"]:
                beam = at(entry, f"instrument/{_BEAM}")
                put(beam, "incident_wavelength", device["data"][self._keys["led_nm"]], "nm")

    def write_event(self, entry: h5py.Group, descriptor: dict[str, Any], event: dict[str, Any]) -> None:
        """A spectrum, where the event has one: one with light, with the dark one before it."""
        data = event["data"]
        if self._keys["counts"] not in data:
            return
        counts, err = (np.asarray(data[self._keys[key]]) for key in ("counts", "counts_err"))
        if descriptor["name"] == "emission_dark":
            self._dark = counts, err
        elif descriptor["name"] == "emission":
            unknown = np.full(counts.shape, np.nan)
            dark, dark_err = self._dark or (unknown, unknown)
            rows = {"raw": counts, "raw_errors": err, "dark": dark, "dark_errors": dark_err}
            for name, row in rows.items():
                append(at(entry, f"instrument/{_DETECTOR}/raw_data"), name, [row], "counts")
            append_conditions(at(entry, "conditions_emission"), descriptor, event)

    @staticmethod
    def write_result(
        entry: h5py.Group, result: dict[str, Any], keys: dict[str, Any], *, with_counts: bool = True
    ) -> None:
        """What the analysis made of a spectrum; not-a-numbers where it could make nothing."""
        if with_counts:
            place = at(entry, "emission")
            if "wavelength" not in place:
                put(place, "wavelength", result["wavelength_nm"], "nm")
            unknown = np.full(len(result["wavelength_nm"]), np.nan)
            for name, key in (("emission", "counts"), ("emission_errors", "counts_err")):
                append(place, name, [result[key] if len(result[key]) else unknown], "counts")
        append_scalars(group(at(entry, "results"), "emission", "NXcollection"), result, keys)
