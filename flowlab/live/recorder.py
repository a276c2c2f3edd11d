"""Writes and publishes what an analyzer finds, and finds again after it was killed."""

from typing import Any

from flowlab.stream import Journal, JournalError, Message, Publisher, RunStore


class ResultsRecorder:
    """Writes documents of analyses to their journals and publishes them; what a journal holds already is left out.

    Args:
        store: the runs, in whose folders the journals are.
        publisher: None only records.
    """

    def __init__(self, store: RunStore, publisher: Publisher | None):
        self._store = store
        self._publisher = publisher
        self._journals: dict[str, Journal] = {}
        self._positions: dict[str, int] = {}
        self._run_of: dict[str, str] = {}

    def take(self, name: str, doc: dict[str, Any]) -> None:
        """Record one document.

        Raises:
            JournalError: it cannot be written, or is another than was written in its place before.
        """
        run = self._find(name, doc)
        journal, position = self._journals[run], self._positions[run]
        record = Message(run, position, name, doc).to_bytes()
        if position >= journal.count:
            journal.append(record)
        elif journal.read(position) != record:
            raise JournalError(f"{journal.path}: document {position} of this analysis came out different before")
        self._positions[run] = position + 1
        if self._publisher is not None:
            self._publisher.send(run, position + 1, record)
        if name == "stop":
            journal.close()
            del self._journals[run], self._positions[run]

    def _find(self, name: str, doc: dict[str, Any]) -> str:
        if name == "start":
            run = doc["uid"]
            self._journals[run] = self._store.open_results(doc)
            self._positions[run] = 0
            return run
        if name == "descriptor":
            self._run_of[doc["uid"]] = doc["run_start"]
        return doc["run_start"] if name in ("descriptor", "stop") else self._run_of[doc["descriptor"]]

    def close(self) -> None:
        """Close the journals of analyses that have not ended."""
        for journal in self._journals.values():
            journal.close()
        self._journals.clear()
