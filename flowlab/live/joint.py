"""Sizes by SAXS and by absorption of one run, compared: from the results of both to documents of the comparison.

It reads what the other two publish, so it says nothing that could not be computed from their documents; and only at
the end of the run, when what stays and what moves is known.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from flowlab.analysis.joint import Absorbed, Comparison, Ratio, Scattered, common_ratio, compare
from flowlab.analysis.sizing import size
from flowlab.config import Material
from flowlab.live.documents import AnalysisRun, Document, boolean, number, or_nan, text
from flowlab.live.knowledge import curve_of
from flowlab.live.readings import PLACE_KEYS

JOINT_KEYS = {
    "point": {"dtype": "integer", "shape": []},
    **PLACE_KEYS,
    "spectrum": {"dtype": "integer", "shape": []},
    "spectrum_apart_ml": number("mL"),
    "agreement": text(),
    "why": text(),
    "saxs_diameter_nm": number("nm"),
    "saxs_diameter_err_nm": number("nm"),
    "saxs_width": number(),
    "particles": text(),
    "wavelength_nm": number("nm"),
    "absorption_diameter_nm": number("nm"),
    "absorption_fit_err_nm": number("nm"),
    "absorption_curve_err_nm": number("nm"),
    "difference_nm": number("nm"),
    "difference_err_nm": number("nm"),
    "difference_sigma": number(),
}
RATIO_KEYS = {
    "ratio": number(),
    "ratio_err": number(),
    "lowest": number(),
    "lowest_at": number(),
    "highest": number(),
    "highest_at": number(),
    "conditions": {"dtype": "integer", "shape": []},
    "known": boolean(),
    "common": boolean(),
    "why": text(),
}
#: Of a point, besides its populations.
_KEPT = (
    "point", "panel", "coordinate", "spectrum", "spectrum_event", "spectrum_apart_ml", "usable", "why", "smooth_why",
)  # fmt: skip


class JointAnalysis:
    """Keeps the results of a run's spectra and frames that sizes are in, and compares them at its end.

    Args:
        material: whose sizing curve is taken.
        composer: of the result documents.
    """

    def __init__(self, material: Material, composer: AnalysisRun):
        self._curve = curve_of(material)
        self._composer = composer
        self._streams: dict[str, str] = {}
        self._spectra: dict[str, tuple[int, str]] = {}  # of each event: its number, and why it could not be used
        self._tracks: list[dict[str, Any]] = []
        self._points: list[dict[str, Any]] = []

    def note(self, name: str, doc: dict[str, Any]) -> None:
        """Take in a result document of the run."""
        if name == "descriptor":
            self._streams[doc["uid"]] = doc["name"]
        elif name == "event":
            match self._streams.get(doc["descriptor"]):
                case "spectra":
                    data = doc["data"]
                    why = "" if data["usable"] else str(data["why"])
                    self._spectra[str(data["spectrum_event"])] = (len(self._spectra), why)
                case "tracks":
                    self._tracks.append(doc["data"])
                case "saxs_points":
                    kept = {key: doc["data"][key] for key in _KEPT}
                    self._points.append(kept | {"populations": _populations(doc["data"])})
                case _:
                    pass

    def finish(self, time: float) -> Iterator[Document]:
        """The comparison of each point, and the ratio of the run."""
        if not self._points or not self._spectra:
            return
        alone: list[tuple[Comparison, float]] = []
        for point in self._points:
            scattered: list[Scattered] = point["populations"]
            absorbed, why = self._absorbed(str(point["spectrum_event"]))
            no_saxs = point["smooth_why"] if point["usable"] else point["why"]
            found = compare(scattered, absorbed, no_saxs, why)
            for one in found:
                yield from self._composer.result("joint", JOINT_KEYS, joint_data(point, one), time)
            if len(scattered) == len(absorbed):  # a mean over several kinds has no ratio to any of them
                alone += [(one, float(point["coordinate"])) for one in found]
        ratio = common_ratio([one for one, _ in alone])
        data = ratio_data(ratio, [coordinate for _, coordinate in alone])
        yield from self._composer.result("joint_ratio", RATIO_KEYS, data, time)

    def _absorbed(self, event: str) -> tuple[list[Absorbed], str]:
        """Clusters and crystals of the spectrum of an event, from blue to red; or why there are none."""
        if event not in self._spectra:
            return [], "no spectrum of the same conditions whose plug is known"
        spectrum, why = self._spectra[event]
        if why:
            return [], f"its spectrum could not be used: {why}"
        found: list[Absorbed] = []
        for track in self._tracks:
            sightings = [int(i) for i in track["spectrum"]]
            if track["kind"] in ("msc", "nc") and track["transition"] == "E1" and spectrum in sightings:
                at = sightings.index(spectrum)
                wavelength_nm, err_nm = float(track["wavelength_nm"][at]), float(track["wavelength_err_nm"][at])
                name = "exciton" if track["kind"] == "nc" else track["family"] or "cluster"
                found.append(Absorbed(name, wavelength_nm, size(wavelength_nm, err_nm, self._curve)))
        return sorted(found, key=lambda one: one.wavelength_nm), "neither a cluster nor an exciton was recognised"


def _populations(data: dict[str, Any]) -> list[Scattered]:
    """Populations of a point where their form is known; their mean without a form where not; none without a size.

    Where one log-normal population and several narrow ones compete, the error of each fit is far less than the
    distance between them: the mean of any distribution has an error that holds for both.
    """
    if data["sizes"] != "unknown":
        columns = (data[f"population_{name}"] for name in ("radius_nm", "radius_err_nm", "width"))
        return [Scattered(2 * float(r), 2 * float(err), float(w)) for r, err, w in zip(*columns, strict=True)]
    radius_nm = float(data["smooth_radius_nm"])
    if radius_nm != radius_nm:
        return []
    return [Scattered(2 * radius_nm, 2 * float(data["smooth_radius_err_nm"]), float(data["smooth_width"]))]


def joint_data(point: dict[str, Any], found: Comparison) -> dict[str, Any]:
    """Keys of a comparison; nan for what is not known."""
    scattered, absorbed = found.scattered, found.absorbed
    diameter = absorbed and absorbed.size
    return {
        **{key: point[key] for key in ("point", "panel", "coordinate", "spectrum", "spectrum_apart_ml")},
        "agreement": found.agreement,
        "why": found.why,
        "saxs_diameter_nm": or_nan(scattered and scattered.diameter_nm),
        "saxs_diameter_err_nm": or_nan(scattered and scattered.err_nm),
        "saxs_width": or_nan(scattered and scattered.width),
        "particles": "" if absorbed is None else absorbed.name,
        "wavelength_nm": or_nan(absorbed and absorbed.wavelength_nm),
        "absorption_diameter_nm": or_nan(diameter and diameter.diameter_nm),
        "absorption_fit_err_nm": or_nan(diameter and diameter.fit_err_nm),
        "absorption_curve_err_nm": or_nan(diameter and diameter.curve_err_nm),
        "difference_nm": or_nan(found.difference_nm),
        "difference_err_nm": or_nan(found.difference_err_nm),
        "difference_sigma": or_nan(found.sigma),
    }


def ratio_data(found: Ratio, coordinates: Sequence[float]) -> dict[str, Any]:
    """Keys of the ratio of a run.

    Args:
        found: of comparisons.
        coordinates: of those comparisons.
    """
    low, high = (math.nan if i is None else coordinates[i] for i in (found.lowest_is, found.highest_is))
    return {
        "ratio": or_nan(found.mean),
        "ratio_err": or_nan(found.err),
        "lowest": or_nan(found.lowest),
        "lowest_at": low,
        "highest": or_nan(found.highest),
        "highest_at": high,
        "conditions": found.conditions,
        "known": found.common is not None,
        "common": bool(found.common),
        "why": found.why,
    }
