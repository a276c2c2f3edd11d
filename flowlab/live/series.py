"""The analysis of spectra from files, as documents: what the live analyzer would publish of them."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from flowlab.analysis.series import SeriesAnalysis
from flowlab.config import Material
from flowlab.live.absorbance import AbsorbanceAnalysis, spectra_keys
from flowlab.live.documents import AnalysisRun, Document
from flowlab.live.knowledge import knowledge_of
from flowlab.storage.spectra import Series

_NAMESPACE = uuid.UUID("4b7a1c8e-2f0d-4d2b-9a55-0c9d6f6f3e21")
#: Files tell no time of their own that can be relied on.
_TIME = 0.0
#: What the slower axis is called where there is none.
NO_PANEL = "panel"


def start_of(series: Series) -> dict[str, Any]:
    """A start document for a series; its uid follows from the numbers in it."""
    digest = hashlib.sha256(series.wavelength_nm.tobytes())
    for spectrum in series.spectra:
        digest.update(spectrum.absorbance.tobytes())
    return {
        "uid": str(uuid.uuid5(_NAMESPACE, digest.hexdigest())),
        "time": _TIME,
        "plan_name": series.source,
        "analysis": {"kind": "absorbance", "axes": [series.panel_axis or NO_PANEL, series.axis]}
        | dict.fromkeys(("counts", "counts_err", "saturated", "wavelength_nm"), ""),
    }


def analyse_series(series: Series, material: Material) -> Iterator[Document]:
    """Documents of the analysis of a series, from start to stop.

    Raises:
        ValueError: its axis is none; see :class:`flowlab.analysis.axis.Axis`.
    """
    start = start_of(series)
    composer = AnalysisRun(start, material)
    analysis = _Given(start, series, material, composer)
    yield composer.start
    yield composer.describe("spectra", spectra_keys(material), _TIME)
    yield from analysis.spectra(series)
    yield from analysis.finish(_TIME)
    yield composer.stop("success", "", _TIME)


class _Given(AbsorbanceAnalysis):
    """The analysis of a run, with spectra that are handed in instead of its documents."""

    def __init__(self, start: dict[str, Any], series: Series, material: Material, composer: AnalysisRun):
        super().__init__(start, material, composer)
        self._given = SeriesAnalysis(series.wavelength_nm, knowledge_of(material))
        self._scan = self._given

    def spectra(self, series: Series) -> Iterator[Document]:
        for number, spectrum in enumerate(series.spectra):
            result = self._given.absorbance(spectrum.panel, spectrum.absorbance, spectrum.err, spectrum.why)
            coordinate = float(number) if spectrum.coordinate is None else spectrum.coordinate
            yield from self._results(result, spectrum.panel, coordinate, "", _TIME)
