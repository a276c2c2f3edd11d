"""The writer as a process: ``python -m flowlab.storage``, its addresses as JSON on standard input.

Makes the NeXus file of every run that says how its spectra are analysed, while the run goes on. A writer that
takes the place of one that died is told which runs, and which analyses of them, to follow: by then nothing of
them may be published any more; and which are finished.
"""

import time
from pathlib import Path

from flowlab.process import Lifeline
from flowlab.storage.nexus import NexusFile
from flowlab.stream import RAW, RESULTS, GapError, Message, RunStore, Subscriber

_FLUSH_EVERY_S = 1.0


class Writer:
    """The files of the runs that are under way."""

    def __init__(self, store: RunStore):
        self._store = store
        self._frames = store.frames
        self._files: dict[str, NexusFile] = {}
        self._run_of_analysis: dict[str, str] = {}
        self._early: dict[str, list[Message]] = {}
        self._ended: dict[str, set[str]] = {}

    def take(self, message: Message) -> str | None:
        """Take in a document of a run or of an analysis.

        Returns:
            uid of the run when this document was the last one of its file.
        """
        run = self._run_of(message)
        if run is None:
            return None
        file = self._files.get(run)
        if file is None:
            self._early.setdefault(run, []).append(message)  # an analysis overtook its run
            return None
        part = "results" if message.run_uid != run else "documents"
        if part == "results":
            file.take_result(message.name, message.doc)
            self._keep_calibration(run, message)
        else:
            file.take(message.name, message.doc)
        if message.name != "stop":
            return None
        ended = self._ended.setdefault(run, set())
        ended.add(part)
        return run if ended == {"documents", "results"} else None

    def _keep_calibration(self, run: str, message: Message) -> None:
        """The detector's place as the file that pyFAI and others read."""
        poni = message.doc["data"].get("poni") if message.name == "event" else None
        if isinstance(poni, str) and poni:
            path = self._store.run(run).calibration
            new = path.with_name(f"{path.name}.new")
            new.write_text(poni, encoding="utf-8")
            new.replace(path)

    def _run_of(self, message: Message) -> str | None:
        doc = message.doc
        if message.name == "start" and "parent_run" in doc:
            self._run_of_analysis[message.run_uid] = doc["parent_run"]
        elif message.name == "start" and isinstance(doc.get("analysis"), dict):
            self._files[message.run_uid] = NexusFile(self._store.run(message.run_uid).nexus, doc, self._frames)
            for early in self._early.pop(message.run_uid, []):
                self.take(early)
        run = self._run_of_analysis.get(message.run_uid, message.run_uid)
        known = run in self._files or message.run_uid in self._run_of_analysis
        return run if known else None

    def flush(self) -> None:
        """Write what has come."""
        for file in self._files.values():
            file.flush()

    def finish(self, run: str) -> Path:
        """Write the rest of a file and let go of it."""
        file = self._files.pop(run)
        file.flush()
        self._ended.pop(run)
        self._run_of_analysis = {a: r for a, r in self._run_of_analysis.items() if r != run}
        return file.path


def main() -> None:
    """Write until the lifeline is cut."""
    lifeline = Lifeline()
    spec = lifeline.spec
    writer = Writer(RunStore(Path(spec["data"])))
    with (
        Subscriber(spec["documents_out"], spec["replay"], prefix=RAW) as raw,
        Subscriber(spec["documents_out"], spec["replay"], prefix=RESULTS) as results,
    ):
        for subscriber, kind in ((raw, "runs"), (results, "analyses")):
            for uid in spec.get("finished", []):
                subscriber.ignore(uid)
            for uid in spec.get(kind, []):
                subscriber.follow(uid)
        lifeline.ready({})
        flush_at = time.monotonic() + _FLUSH_EVERY_S
        while not lifeline.cut:
            came = [_take_one(subscriber, writer, lifeline) for subscriber in (raw, results)]
            if not any(came):
                Subscriber.wait(raw, results, timeout_s=0.05)
            if time.monotonic() >= flush_at:
                writer.flush()
                flush_at = time.monotonic() + _FLUSH_EVERY_S
    writer.flush()


def _take_one(subscriber: Subscriber, writer: Writer, lifeline: Lifeline) -> bool:
    """Take in a document that has come; tell when all of a run, and of its analysis, is in its file."""
    try:
        message = subscriber.receive(timeout_s=0.0)
    except GapError as error:
        lifeline.say(str(error))
        return False
    if message is None:
        return False
    if (run := writer.take(message)) is not None:
        lifeline.tell({"written": {"run_uid": run, "path": str(writer.finish(run)), "results": True}})
    elif message.name == "stop":
        writer.flush()
        lifeline.tell({"written": {"run_uid": message.run_uid, "results": False}})
    return True


if __name__ == "__main__":
    main()
