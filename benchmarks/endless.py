"""A run that does not end: a hundred thousand spectra, some 72 hours of one every two and a half seconds.

``python -m benchmarks.endless [SPECTRA]``. Their documents go through the analysis as the live analyzer hands them
over, as fast as it takes them; noise leaves bands that are seen once. Memory and time per spectrum must not grow.
"""

import os
import sys
import time
from collections.abc import Iterator
from itertools import chain, cycle, islice

import psutil

from benchmarks.table import Row, show
from flowlab.config import load_material
from flowlab.live.absorbance import AbsorbanceAnalysis
from flowlab.live.documents import AnalysisRun, Document
from tests.support import documents_of_a_scan

SPECTRA = 100_000
_DIFFERENT = 500
_SHARE = 0.1


def _documents(spectra: int) -> Iterator[Document]:
    """Of one panel: an exciton that goes to and fro, over and over, beside a cluster."""
    there = [520.0 + 40.0 * i / (_DIFFERENT / 2) for i in range(_DIFFERENT // 2)]
    documents = list(documents_of_a_scan({280.0: [*there, *reversed(there)]}, clusters=(280.0,)))[:-1]
    first = next(
        number for number, (_, doc) in enumerate(documents) if "reactor_nucleation_setpoint_c" in doc.get("data", {})
    )
    return chain(documents[:first], islice(cycle(documents[first:]), spectra))


def rows(spectra: int = SPECTRA) -> list[Row]:
    """Memory and time at a tenth of the run and at its end."""
    process = psutil.Process(os.getpid())
    documents = _documents(spectra)
    analysis: AbsorbanceAnalysis | None = None
    taken, published, begin = 0, 0, time.process_time()
    seen: list[tuple[float, float]] = []
    for name, doc in documents:
        if analysis is None:
            material = load_material("CdSe")
            analysis = AbsorbanceAnalysis(doc, material, AnalysisRun(doc, material))
        published += sum(1 for _ in analysis.take(name, doc))
        taken += name == "event"
        if taken and taken % round(_SHARE * spectra) == 0 and name == "event":
            now = time.process_time()
            seen.append((process.memory_info().rss / 1e6, now - begin))
            begin = now
    early, late = seen[0], seen[-1]
    each = 1e3 / (_SHARE * spectra)
    task = f"one run of {spectra} spectra"
    return [
        Row(f"{task}: results", published, "documents", "-"),
        Row(f"{task}: memory gained since a tenth of it", late[0] - early[0], "MB", f"flat; of {late[0]:.0f} MB"),
        Row(
            f"{task}: a spectrum of the last tenth",
            each * late[1],
            "ms",
            "as of the first",
            each * early[1],
            "the first",
        ),
    ]


if __name__ == "__main__":
    show(rows(int(sys.argv[1]) if sys.argv[1:] else SPECTRA))
