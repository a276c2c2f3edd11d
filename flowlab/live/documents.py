"""Documents of an analysis: a function of the documents analysed, to the last byte.

uids are derived from the run, the software and the material, times are those of the events analysed. An
analyzer that is killed and started again, or that replays a journal, emits the same documents again.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import flowlab
from flowlab.config import Material

Document = tuple[str, dict[str, Any]]

_NAMESPACE = uuid.UUID("6f0bf1a5-6f1e-4f0c-9a0e-3c1b4f6f2d10")


class AnalysisRun:
    """Composes start, descriptors, events and stop of one analysis.

    Args:
        parent: start document of the run that is analysed.
        material: what it is analysed as.
    """

    def __init__(self, parent: dict[str, Any], material: Material):
        digest = hashlib.sha256(json.dumps(material.model_dump(), sort_keys=True).encode()).hexdigest()[:16]
        self.uid = str(uuid.uuid5(_NAMESPACE, f"{parent['uid']} {flowlab.__version__} {digest}"))
        self._counts: dict[str, int] = {}
        self.start: Document = (
            "start",
            {
                "uid": self.uid,
                "time": parent["time"],
                "parent_run": parent["uid"],
                "purpose": "analysis",
                "plan_name": f"analysis of {parent.get('plan_name', 'a run')}",
                "material": material.name,
                "axes": list(parent["analysis"]["axes"]),
                "software": {"name": "flowlab", "version": flowlab.__version__},
                "config_hash": digest,
                **({"resumes": str(parent["resumes"])} if "resumes" in parent else {}),
            },
        )

    def describe(self, stream: str, data_keys: dict[str, dict[str, Any]], time: float) -> Document:
        """Descriptor of a stream."""
        self._counts[stream] = 0
        keys = {name: {"source": "flowlab.analysis", **key} for name, key in data_keys.items()}
        return (
            "descriptor",
            {
                "uid": self._uid(stream),
                "time": time,
                "run_start": self.uid,
                "name": stream,
                "data_keys": keys,
                "hints": {},
                "configuration": {},
                "object_keys": {"flowlab": list(keys)},
            },
        )

    def event(self, stream: str, data: dict[str, Any], time: float) -> Document:
        """Next event of a stream."""
        self._counts[stream] += 1
        number = self._counts[stream]
        return (
            "event",
            {
                "uid": self._uid(f"{stream} {number}"),
                "time": time,
                "seq_num": number,
                "descriptor": self._uid(stream),
                "data": data,
                "timestamps": dict.fromkeys(data, time),
                "filled": {},
            },
        )

    def result(
        self, stream: str, data_keys: dict[str, dict[str, Any]], data: dict[str, Any], time: float
    ) -> Iterator[Document]:
        """Next event of a stream, behind its descriptor when it is the first."""
        if stream not in self._counts:
            yield self.describe(stream, data_keys, time)
        yield self.event(stream, data, time)

    def stop(self, status: str, reason: str, time: float) -> Document:
        """End of the analysis."""
        return (
            "stop",
            {
                "uid": self._uid("stop"),
                "time": time,
                "run_start": self.uid,
                "exit_status": status,
                "reason": reason,
                "num_events": dict(self._counts),
            },
        )

    def _uid(self, what: str) -> str:
        return str(uuid.uuid5(uuid.UUID(self.uid), what))


def number(units: str | None = None) -> dict[str, Any]:
    """Data key of a number."""
    return {"dtype": "number", "shape": [], **({"units": units} if units else {})}


def numbers(units: str | None = None) -> dict[str, Any]:
    """Data key of as many numbers as there are."""
    return {"dtype": "array", "shape": [None], "dtype_numpy": "<f8", **({"units": units} if units else {})}


def integers() -> dict[str, Any]:
    """Data key of as many integers as there are."""
    return {"dtype": "array", "shape": [None], "dtype_numpy": "<i8"}


def text() -> dict[str, Any]:
    """Data key of text."""
    return {"dtype": "string", "shape": []}


def texts(longest: int) -> dict[str, Any]:
    """Data key of as many texts as there are, none longer than ``longest`` characters; an event has them as a list."""
    return {"dtype": "array", "shape": [None], "dtype_numpy": f"<U{longest}"}


def boolean() -> dict[str, Any]:
    """Data key of a truth value."""
    return {"dtype": "boolean", "shape": []}


def or_nan(value: float | None) -> float:
    """A number in a document, where there may be none."""
    return float("nan") if value is None else float(value)
