"""A document with its place: which run it belongs to, and which one of the run it is.

On the wire a message is bluesky's own, ``prefix name payload``, so that a stock
``bluesky.callbacks.zmq.RemoteDispatcher`` reads it when it is given :func:`deserialize`. The payload is
``[run uid, position, document]``: the position counts the documents of the run from 0.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from flowlab.stream.codec import CodecError, pack, unpack

#: What the instrument says, what the analyzer makes of it, and which document is the newest.
RAW = b"raw"
RESULTS = b"results"
HEARTBEAT = b"heartbeat"
#: What the instrument says now, in no run: see :mod:`flowlab.stream.readings`.
READINGS = b"readings"

#: Every kind of document that event-model knows.
NAMES = frozenset(
    {
        "start",
        "descriptor",
        "event",
        "event_page",
        "stop",
        "resource",
        "datum",
        "datum_page",
        "stream_resource",
        "stream_datum",
    }
)

_Position = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Message:
    """A document of a run.

    Attributes:
        run_uid: uid of the run's start document.
        position: how many documents of the run come before this one.
        name: the kind of document: start, descriptor, event, stop, …
        doc: the document itself, as event-model has it.
    """

    run_uid: str
    position: int
    name: str
    doc: dict[str, Any]

    def to_bytes(self) -> bytes:
        """``name payload``, as it stands in a journal and, behind a prefix, on the wire."""
        return self.name.encode() + b" " + pack([self.run_uid, self.position, self.doc])

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> "Message":
        """Read ``name payload``.

        Raises:
            CodecError: the bytes are not a document of ours.
        """
        name, space, payload = bytes(data).partition(b" ")
        kind = name.decode("ascii", "replace")
        if not space or kind not in NAMES:
            raise CodecError(f"not a kind of document: {kind[:40]!r}")
        return cls(*_read_payload(payload, kind))


def _read_payload(payload: bytes, kind: str) -> tuple[str, int, str, dict[str, Any]]:
    try:
        run_uid, position, doc = msgspec.convert(unpack(payload), tuple[str, _Position, dict[str, Any]])
    except msgspec.ValidationError as error:
        raise CodecError(f"not a document with its run and its position: {error}") from None
    return run_uid, position, kind, doc


def deserialize(payload: bytes) -> dict[str, Any]:
    """The document in a payload; for a stock dispatcher, ``RemoteDispatcher(…, deserializer=deserialize)``."""
    return _read_payload(payload, "")[-1]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How many documents each run that is under way, and the one that ended last, has so far."""

    counts: dict[str, int]

    def to_bytes(self) -> bytes:
        """``heartbeat payload``."""
        return HEARTBEAT + b" " + pack(self.counts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Heartbeat":
        """Read ``heartbeat payload``.

        Raises:
            CodecError: the bytes are not a heartbeat.
        """
        name, _, payload = data.partition(b" ")
        if name != HEARTBEAT:
            raise CodecError("not a heartbeat")
        try:
            return cls(msgspec.convert(unpack(payload), dict[str, int]))
        except msgspec.ValidationError as error:
            raise CodecError(f"not a heartbeat: {error}") from None
