"""Answers what a subscriber missed: reads the journals and gives any part of any run again."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import zmq

from flowlab.errors import FlowlabError
from flowlab.stream.codec import CodecError, pack, unpack
from flowlab.stream.journal import JournalError, JournalIndex, run_of
from flowlab.stream.store import DOCUMENTS, RunStore

_MOST_RECORDS = 4096
#: Journals whose index is kept: of those that are followed, and of some that were, whatever number of runs there is.
_MOST_KEPT = 32


class AskDocuments(msgspec.Struct, tag="documents", tag_field="ask", forbid_unknown_fields=True):
    """Ask for the documents of a run from position ``first`` on."""

    run: str
    first: Annotated[int, msgspec.Meta(ge=0)]
    most: Annotated[int, msgspec.Meta(ge=1, le=_MOST_RECORDS)] = 512


class AskRuns(msgspec.Struct, tag="runs", tag_field="ask", forbid_unknown_fields=True):
    """Ask for the uids of the runs, or analyses, that there are; how far they have come is not counted."""

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
        self._indexes: OrderedDict[Path, JournalIndex] = OrderedDict()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise FlowlabError(f"{address}: cannot listen there: {error.strerror}") from None
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._serve, name="replay", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            with contextlib.suppress(zmq.ContextTerminated):
                while True:
                    *envelope, request = self._socket.recv_multipart()
                    self._socket.send_multipart([*envelope, pack(self._answer(request))])
        finally:
            self._socket.close(linger=0)

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            question: AskDocuments | AskRuns = msgspec.convert(unpack(request), AskDocuments | AskRuns)
            match question:
                case AskDocuments(run, first, most):
                    index = self._index_of(run)
                    if index is None:
                        return {"error": f"there is no run {run[:64]}", "unknown": True}
                    index.refresh()
                    return {"records": index.read(first, most)}
                case AskRuns(kind):
                    return {"runs": list(self._uids(kind))}
        except (CodecError, msgspec.ValidationError, JournalError, OSError) as error:
            return {"error": str(error)}

    def _uids(self, kind: str) -> Iterator[str]:
        for path in self._store.journals():
            with contextlib.suppress(JournalError):
                if path.stem == kind and (uid := run_of(path)) is not None:
                    yield uid

    def _index_of(self, run_uid: str) -> JournalIndex | None:
        for path in self._candidates(run_uid):
            index = self._index(path)
            if index is not None and index.run_uid == run_uid:
                return index
        return None

    def _candidates(self, run_uid: str) -> Iterator[Path]:
        """Journals that may be those of a run or an analysis; of thousands not one more is opened than needed."""
        yield from [path for path, index in self._indexes.items() if index.run_uid == run_uid]
        folders = sorted(self._store.root.glob("*"), reverse=True)  # by their names, the newest first
        for folder in folders:
            if folder.name.endswith(f"-{run_uid[:8]}"):
                yield folder / DOCUMENTS
        # An analysis is kept in the folder of its run.
        for folder in folders:
            yield from (path for path in folder.glob("*.journal") if self._names(path, run_uid))

    @staticmethod
    def _names(path: Path, run_uid: str) -> bool:
        try:
            return run_of(path) == run_uid
        except JournalError:
            return False

    def _index(self, path: Path) -> JournalIndex | None:
        """The index of a journal, kept from before while the file is the same."""
        try:
            now = JournalIndex(path)
        except JournalError:  # moved away; or made a moment ago, its first line not yet written; or no journal at all
            self._indexes.pop(path, None)
            return None
        kept = self._indexes.get(path)
        if kept is None or (kept.run_uid, kept.identity) != (now.run_uid, now.identity):
            self._indexes[path] = kept = now
        self._indexes.move_to_end(path)
        while len(self._indexes) > _MOST_KEPT:
            self._indexes.popitem(last=False)
        return kept

    def close(self) -> None:
        """Stop serving; closing twice is harmless."""
        self._context.term()  # ends the service in its thread, and waits until that has closed its socket
        self._thread.join()
