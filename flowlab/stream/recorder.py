"""Subscribed to a RunEngine: writes every document to the run's journal first, then publishes it."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from flowlab.stream.journal import Journal, JournalError
from flowlab.stream.message import Message
from flowlab.stream.publisher import Publisher
from flowlab.stream.runs import RunFinder

_SYNC_EVERY_S = 1.0


class Recorder:
    """Journal and publisher behind one call, ``recorder(name, doc)``.

    Start and stop documents are on disk before the call returns, everything else within a second.

    Args:
        open_journal: makes the journal of a run from its start document.
        publisher: where documents go once they are written; None only records.
    """

    def __init__(self, open_journal: Callable[[dict[str, Any]], Journal], publisher: Publisher | None = None):
        self._open_journal = open_journal
        self._publisher = publisher
        self._finder = RunFinder()
        self._journals: dict[str, Journal] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sync = threading.Thread(target=self._keep_synced, name="journal-sync", daemon=True)
        self._sync.start()

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Record and publish one document.

        Raises:
            JournalError: it could not be written; it was not published either.
            CodecError: it cannot be encoded, or refers to a document that was not emitted.
        """
        run_uid = self._finder.run_of(name, doc)
        if name == "start":
            journal = self._open_journal(doc)
            with self._lock:
                self._journals[run_uid] = journal
        journal = self._journals[run_uid]
        record = Message(run_uid, journal.count, name, doc).to_bytes()
        journal.append(record)
        if name == "start":
            journal.sync()
        elif name == "stop":
            with self._lock:
                del self._journals[run_uid]
            journal.close()
        if self._publisher is not None:
            self._publisher.send(run_uid, journal.count, record)

    def _keep_synced(self) -> None:
        while not self._closed.wait(_SYNC_EVERY_S):
            with self._lock:
                for journal in self._journals.values():
                    with contextlib.suppress(JournalError):  # the next append raises it
                        journal.sync()

    def close(self) -> None:
        """Close the journals of runs that did not stop; closing twice is harmless."""
        self._closed.set()
        self._sync.join()
        while self._journals:
            self._journals.popitem()[1].close()
