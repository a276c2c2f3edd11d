"""What is to be seen of the absorption spectra of a run: the newest, the points, their tracks, the window."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Baseline, Counts, absorbance, tidy
from flowlab.watch.sections import Sections, known, shown

#: Spectra that are kept to be compared with, newest: 16 MB.
_MOST_KEPT = 1000

_POINT = (
    "panel", "coordinate", "verdict", "exciton_nm", "exciton_err_nm", "diameter_nm", "diameter_fit_err_nm",
    "diameter_curve_err_nm", "cluster_height", "cluster_height_err",
)  # fmt: skip
_FEATURE = ("wavelength_nm", "wavelength_err_nm", "fwhm_nm", "height", "height_err", "snr")
_EDGES = ("lower_edge", "lower_edge_err", "upper_edge", "upper_edge_err")
#: Readings of the plug in a cell are for the analysis.
_PLUG = "_plug_"
_UNIT = re.compile(r"_(c|s|ml|ml_min|bar|ma|ms|nm|mm)$")
Spectrum = tuple[NDArray[np.float32], NDArray[np.float32]]


class Absorption:
    """Of one run, and of those that it resumes.

    Args:
        start: its start document.
        sections: where what is to be seen goes.
    """

    def __init__(self, start: dict[str, Any], sections: Sections):
        keys = start.get("analysis") or {}
        self._keys = keys if keys.get("kind") == "absorbance" else {}
        self._axes = [str(axis) for axis in keys.get("axes", [])]
        self._uid = start["uid"]
        self._sections = sections
        self._special: dict[tuple[str, str], Counts] = {}
        self._baselines: dict[str, Baseline] = {}
        #: By the uids of runs: how many points of the scan are in runs before it.
        self._first = {self._uid: int(start.get("first_point", 0))}
        #: By the uids of their events: which points of the scan they are.
        self._indices: dict[str, int] = {}
        #: By the uid of their events: absorbance and its error, nan where not known.
        self.spectra: dict[str, Spectrum] = {}
        for name in ("axis", "spectrum", "window"):
            sections.set(name, None)
        sections.set("tracks", {})
        sections.set("baseline", {"dark": None, "reference": None})
        sections.clear("points")

    def take_earlier_run(self, start: dict[str, Any]) -> None:
        """A run that this one resumes."""
        self._first[start["uid"]] = int(start.get("first_point", 0))

    def take_descriptor(self, doc: dict[str, Any]) -> None:
        """A stream of the run."""
        if self._sections.get("axis") is not None or not self._keys:
            return
        for device in doc["configuration"].values():
            axis = device["data"].get(self._keys["wavelength_nm"])
            if axis is not None:
                self._sections.set("axis", {"wavelength_nm": np.asarray(axis, np.float32)})

    def take_event(self, run_uid: str, stream: dict[str, Any], doc: dict[str, Any]) -> None:
        """An event of the run, or of one that it resumes."""
        data = doc["data"]
        if not self._keys or self._keys["counts"] not in data:
            return
        name = str(stream["name"])
        counts = tidy(
            Counts(np.asarray(data[self._keys["counts"]], float), np.asarray(data[self._keys["counts_err"]], float))
        )
        if name in ("dark", "reference"):
            self._take_baseline(run_uid, name, counts, doc)
            return
        if name == "primary":
            self._indices[doc["uid"]] = max(0, self._first.get(run_uid, 0) + int(doc["seq_num"]) - 1)
        spectrum, why = self._absorbance(run_uid, counts)
        if spectrum is not None and name == "primary":
            self.spectra[doc["uid"]] = spectrum
            if len(self.spectra) > _MOST_KEPT:
                del self.spectra[next(iter(self.spectra))]
        if run_uid == self._uid:
            self._show(name, stream, doc, spectrum, why)

    def _take_baseline(self, run_uid: str, name: str, counts: Counts, doc: dict[str, Any]) -> None:
        self._special[run_uid, name] = counts
        self._baselines.pop(run_uid, None)
        if {(run_uid, "dark"), (run_uid, "reference")} <= self._special.keys():
            self._baselines[run_uid] = Baseline(self._special[run_uid, "reference"], self._special[run_uid, "dark"])
        if run_uid == self._uid:
            told = {"time": doc["time"], "saturated_pixels": known(doc["data"].get(self._keys["saturated"]))}
            self._sections.set("baseline", {**self._sections.get("baseline"), name: told})

    def _absorbance(self, run_uid: str, counts: Counts) -> tuple[Spectrum | None, str | None]:
        baseline = self._baselines.get(run_uid)
        if baseline is None:
            return None, "there is no dark or no reference spectrum yet"
        if baseline.dark.mean.shape != counts.mean.shape:
            return None, "it has another number of pixels than the reference"
        found = absorbance(counts, baseline)
        value, err = (np.where(found.usable, of, np.nan).astype(np.float32) for of in (found.value, found.err))
        return (value, err), None if found.usable.any() else "no pixel has enough light"

    def _show(
        self, name: str, stream: dict[str, Any], doc: dict[str, Any], spectrum: Spectrum | None, why: str | None
    ) -> None:
        data = doc["data"]
        slow, fast = (known(data.get(axis)) for axis in (self._axes[0], self._axes[-1]))
        told = {
            "uid": doc["uid"],
            "index": self._indices.get(doc["uid"]),
            "stream": name,
            "time": doc["time"],
            "panel": slow,
            "coordinate": fast,
            "absorbance": None if spectrum is None else spectrum[0],
            "absorbance_err": None if spectrum is None else spectrum[1],
            "saturated_pixels": known(data.get(self._keys["saturated"])),
            "light_level": _of(data, "light_level"),
            "steady": next((bool(value) for key, value in data.items() if key == "steady"), None),
            "why": why,
            "conditions": [
                {"key": key, "name": _words(key, stream), "value": known(value), "unit": _unit(key, stream)}
                for key, value in data.items()
                if _is_number(value) and _PLUG not in key
            ],
        }
        self._sections.set("spectrum", told)

    def take_spectrum_result(self, number: int, doc: dict[str, Any]) -> dict[str, Any]:
        """What the analysis says of a point; returns what is shown of it.

        A point that was begun anew after a pause has two spectra: the newer one takes the place of the other.

        Args:
            number: of how many it told before; the point's, where its event is not known.
            doc: what it says.
        """
        data = doc["data"]
        index = self._indices.get(str(data["spectrum_event"]), number)
        numbers = [np.asarray(data[f"feature_{name}"], float) for name in _FEATURE]
        tracks = [int(track) for track in data["feature_track"]]
        point = {
            "index": index,
            "uid": str(data["spectrum_event"]),
            "time": doc["time"],
            **{key: shown(data.get(key)) for key in _POINT},
            "usable": bool(data["usable"]),
            "why": str(data["why"]) or None,
            "features": [
                {**{name: shown(of[i]) for name, of in zip(_FEATURE, numbers, strict=True)}, "track": track}
                for i, track in enumerate(tracks)
            ],
        }
        self._sections.put("points", index, point)
        if "feature_kind" in data and tracks:
            judged = zip(
                tracks, data["feature_kind"], data["feature_transition"], data["feature_family"],
                data["feature_probability"], strict=True,
            )  # fmt: skip
            new = {
                str(track): _track(kind, transition, family, probability, None, final=False)
                for track, kind, transition, family, probability in judged
            }
            self._sections.set("tracks", {**self._sections.get("tracks"), **new})
        return point

    def take_track_result(self, doc: dict[str, Any]) -> None:
        """What the analysis says of a track at the end of the run."""
        data = doc["data"]
        told = (data[key] for key in ("kind", "transition", "family", "probability", "why"))
        track = {str(int(data["track"])): _track(*told, final=True)}
        self._sections.set("tracks", {**self._sections.get("tracks"), **track})

    def take_window_result(self, doc: dict[str, Any], *, final: bool) -> dict[str, Any]:
        """Where clusters accumulate, as far as is known."""
        data = doc["data"]
        window = {
            "family": str(data["family"]),
            **{key: known(data[key]) for key in ("low", "high", *_EDGES)},
            **{key: [float(value) for value in data[key]] for key in ("found", "not_found", "undecided")},
            "why": str(data["why"]),
            "panels_done": known(data.get("panels_done")),
            "final": final,
        }
        self._sections.set("window", window)
        return window


def _track(kind: Any, transition: Any, family: Any, probability: Any, why: Any, *, final: bool) -> dict[str, Any]:
    return {
        "kind": str(kind),
        "transition": str(transition) or None,
        "family": str(family) or None,
        "probability": known(probability),
        "why": str(why) if why else None,
        "final": final,
    }


def _words(key: str, stream: dict[str, Any]) -> str:
    """What a reading is called: its data key without the device, and without the unit, which stands behind it."""
    device = next((name for name, keys in stream["object_keys"].items() if key in keys), "")
    return _UNIT.sub("", key.removeprefix(f"{device}_")).replace("_", " ")


def _unit(key: str, stream: dict[str, Any]) -> str:
    return str(stream["data_keys"].get(key, {}).get("units") or "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of(data: dict[str, Any], ending: str) -> float | None:
    return next((known(value) for key, value in data.items() if key.endswith(ending)), None)
