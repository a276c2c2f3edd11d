"""Runs that nobody ended: their journals get the stop document that a dead worker could not write.

Without one, whoever follows a run waits for ever, and cannot tell a run that goes on from one that never will.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from flowlab.errors import FlowlabError
from flowlab.stream import Journal, Message, RunStore, read_journal
from flowlab.stream.journal import JournalIndex, run_of

_LOG = logging.getLogger(__name__)


class _Descriptor(msgspec.Struct):
    uid: str
    name: str


class _Event(msgspec.Struct):
    descriptor: str
    seq_num: int


class _Range(msgspec.Struct):
    stop: int


class _StreamDatum(msgspec.Struct):
    descriptor: str
    seq_nums: _Range


#: Of a document only what is counted: arrays are passed over.
_KINDS: dict[bytes, Any] = {
    b"descriptor": msgspec.msgpack.Decoder(tuple[str, int, _Descriptor]),
    b"event": msgspec.msgpack.Decoder(tuple[str, int, _Event]),
    b"stream_datum": msgspec.msgpack.Decoder(tuple[str, int, _StreamDatum]),
}
_AT_ONCE = 512


def finish_runs(store: RunStore, since: float, reason: str) -> list[Message]:
    """Write the stop documents of runs that have none.

    Args:
        store: where runs are kept.
        since: seconds since the epoch; runs that had ended, or were left alone, before are not looked at.
        reason: for the documents.

    Returns:
        What was written; a run whose journal cannot be written, or is damaged, is logged and left as it is.
    """
    written: list[Message] = []
    for journal in _journals(store, since):
        try:
            if run_of(journal) is not None and (message := _finish(journal, reason)) is not None:
                written.append(message)
        except (FlowlabError, OSError, msgspec.DecodeError) as error:
            _LOG.error("%s: gets no stop document: %s", journal, error)
    return written


def runs_of(store: RunStore, item_uid: str, since: float) -> list[str]:
    """Uids of the runs that an item began, oldest first: their start documents name it."""
    found: list[tuple[float, str]] = []
    for journal in _journals(store, since):
        try:
            index = JournalIndex(journal)
            if index.refresh():
                start = Message.from_bytes(index.read(0, 1)[0]).doc
                if start.get("item_uid") == item_uid:
                    found.append((start["time"], index.run_uid))
        except (FlowlabError, OSError) as error:
            _LOG.error("%s: cannot be read: %s", journal, error)
    return [uid for _, uid in sorted(found)]


def to_be_analysed(store: RunStore, run_uids: Iterable[str]) -> list[str]:
    """Those of some runs that say how they are analysed; what cannot be read is logged."""
    found: list[str] = []
    for uid in run_uids:
        try:
            start = next(read_journal(store.run(uid).journal))
            if "analysis" in start.doc:
                found.append(uid)
        except (FlowlabError, OSError, StopIteration) as error:
            _LOG.error("%s: cannot be read: %s", uid, error)
    return found


def _journals(store: RunStore, since: float) -> Iterator[Path]:
    for journal in store.root.glob("*/documents.journal"):
        # Clocks of file systems are coarse.
        with contextlib.suppress(OSError):  # it was moved away meanwhile
            if journal.stat().st_mtime >= since - 2.0:
                yield journal


def _finish(path: Path, reason: str) -> Message | None:
    """Append the stop document; None where there is one, or where not even a start document was written."""
    index = JournalIndex(path)
    count = index.refresh()
    if index.damaged:
        raise index.damage()
    streams, events, last = _count(index, count)
    if last in (b"", b"stop"):
        return None
    doc = {
        "uid": str(uuid.uuid4()),
        "time": time.time(),
        "run_start": index.run_uid,
        "exit_status": "abort",
        "reason": reason,
        "num_events": {name: events.get(uid, 0) for uid, name in streams.items()},
    }
    message = Message(index.run_uid, count, "stop", doc)
    journal = Journal(path, index.run_uid)
    try:
        journal.append(message.to_bytes())
    finally:
        journal.close()
    return message


def _count(index: JournalIndex, count: int) -> tuple[dict[str, str], dict[str, int], bytes]:
    """Streams by descriptor, how many events each has, and the kind of the last document."""
    streams: dict[str, str] = {}
    events: dict[str, int] = {}
    last = b""
    first = 0
    while first < count and (records := index.read(first, _AT_ONCE)):
        first += len(records)
        for record in records:
            last, _, payload = record.partition(b" ")
            if last not in _KINDS:
                continue
            doc = _KINDS[last].decode(payload)[2]
            if isinstance(doc, _Descriptor):
                streams[doc.uid] = doc.name
            else:
                events[doc.descriptor] = doc.seq_num if isinstance(doc, _Event) else doc.seq_nums.stop - 1
    return streams, events, last
