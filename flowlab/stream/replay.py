"""Answers what a subscriber missed: reads the journals and gives any part of any run again."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import zmq

from flowlab.errors import FlowlabError
from flowlab.stream.codec import CodecError, pack, unpack
from flowlab.stream.journal import JournalError, JournalIndex
from flowlab.stream.store import RunStore

_MOST_RECORDS = 4096


class AskDocuments(msgspec.Struct, tag="documents", tag_field="ask", forbid_unknown_fields=True):
    """Ask for the documents of a run from position ``first`` on."""

    run: str
    first: Annotated[int, msgspec.Meta(ge=0)]
    most: Annotated[int, msgspec.Meta(ge=1, le=_MOST_RECORDS)] = 512


class AskRuns(msgspec.Struct, tag="runs", tag_field="ask", forbid_unknown_fields=True):
    """Ask which runs there are, and how many documents each has so far."""

    kind: Literal["documents", "results"] = "documents"


class ReplayService:
    """Serves journals on a ZeroMQ ROUTER socket, in a thread of its own.

    Args:
        store: the runs.
        address: where to listen; port ``*`` lets the system choose.

    Attributes:
        address: the address in use.
    """

    def __init__(self, store: RunStore, address: str = "tcp://127.0.0.1:*"):
        self._store = store
        self._indexes: dict[Path, JournalIndex] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._stop = self._context.socket(zmq.PAIR)
        self._stop.bind("inproc://stop")
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise FlowlabError(f"{address}: cannot listen there: {error.strerror}") from None
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._serve, name="replay", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stop, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._stop in ready:
                return
            *envelope, request = self._socket.recv_multipart()
            self._socket.send_multipart([*envelope, pack(self._answer(request))])

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            question: AskDocuments | AskRuns = msgspec.convert(unpack(request), AskDocuments | AskRuns)
            match question:
                case AskDocuments(run, first, most):
                    index = self._index_of(run)
                    return {"count": index.refresh(), "records": index.read(first, most)}
                case AskRuns(kind):
                    return {"runs": {i.run_uid: i.refresh() for i in self._all() if i.path.stem == kind}}
        except (CodecError, msgspec.ValidationError, JournalError, OSError) as error:
            return {"error": str(error)}

    def _all(self) -> Iterable[JournalIndex]:
        for path in self._store.journals():
            if path not in self._indexes:
                try:
                    self._indexes[path] = JournalIndex(path)
                except JournalError:
                    continue  # made a moment ago, its first line not yet written; or not a journal at all
            yield self._indexes[path]

    def _index_of(self, run_uid: str) -> JournalIndex:
        known = [index for index in self._indexes.values() if index.run_uid == run_uid]
        for index in known or self._all():
            if index.run_uid == run_uid:
                return index
        raise JournalError(f"there is no run {run_uid[:64]}")

    def close(self) -> None:
        """Stop serving; closing twice is harmless."""
        if not self._thread.is_alive():
            return
        stop = self._context.socket(zmq.PAIR)
        stop.connect("inproc://stop")
        stop.send(b"")
        self._thread.join()
        stop.close()
        self._context.destroy(linger=500)
