"""Made-up scans in several runs, each of which goes on where the one before it was interrupted."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from flowlab.stream import Recorder, RunStore
from tests.support import documents_of_a_scan

Document = tuple[str, dict[str, Any]]


def follows(documents: Iterable[Document], first_point: int, resumes: str | None, **more: Any) -> list[Document]:
    """The documents of a run as those of one that goes on with another."""
    (name, start), *others = documents
    told = {**start, **more, "first_point": first_point, **({} if resumes is None else {"resumes": resumes})}
    return [(name, told), *others]


def scan_in_runs(
    panels: dict[float, list[float]], interrupted_behind: Sequence[int], **options: Any
) -> list[list[Document]]:
    """A scan of made-up spectra in several runs; point by point the spectra are those of the scan in one run.

    Args:
        panels: excitons of each panel's spectra.
        interrupted_behind: how many points of the scan were complete at the end of each run but the last.
        options: for :func:`tests.support.documents_of_a_scan`.
    """
    total = sum(map(len, panels.values()))
    runs: list[list[Document]] = []
    for first, end in itertools.pairwise([0, *interrupted_behind, total]):
        documents = _part(list(documents_of_a_scan(panels, **options)), first, end, total)
        before = runs[-1][0][1]["uid"] if runs else None
        runs.append(follows(documents, first, before, num_points=total - first))
    return runs


def _part(documents: list[Document], first: int, end: int, total: int) -> list[Document]:
    spectra = [at for at, (name, doc) in enumerate(documents) if name == "event" and "reactor" in " ".join(doc["data"])]
    kept = [(name, {**doc, "seq_num": n + 1}) for n, (name, doc) in enumerate(documents[spectra[0] :][first:end])]
    stop = {**documents[-1][1], "num_events": {"dark": 1, "reference": 1, "primary": len(kept)}}
    ended = {} if end == total else {"exit_status": "abort", "reason": "ended from outside"}
    return [*documents[: spectra[0]], *kept, ("stop", {**stop, **ended})]


def keep(store: RunStore, *runs: Iterable[Document]) -> None:
    """Write runs to their journals."""
    for documents in runs:
        recorder = Recorder(store.open_documents)
        for name, doc in documents:
            recorder(name, doc)
        recorder.close()
