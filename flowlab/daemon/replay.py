"""A recorded run published again: analysed by the live analyzer, compared with what was found when it was live."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowlab.daemon.session import Watcher
from flowlab.errors import BadInputError, FlowlabError
from flowlab.live.window import edges_of
from flowlab.process import Child
from flowlab.stream import (
    RAW,
    RESULTS,
    Journal,
    Message,
    Proxy,
    Publisher,
    ReplayService,
    RunStore,
    StoredRun,
    Subscriber,
    read_journal,
)

_WITHIN_S = 300.0


@dataclass
class ReplayOutcome:
    """What came of a replay.

    Attributes:
        run_uid: of the run.
        documents: how many were published.
        results: documents of the analysis, as it came out now.
        identical: whether they are those that were recorded, to the last byte; None where none were recorded.
        window: data of the analysis's window event.
    """

    run_uid: str
    documents: int
    results: list[Message]
    identical: bool | None
    window: dict[str, Any] | None

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        window = None if self.window is None else [float(self.window["low"]), float(self.window["high"])]
        return {
            "run_uid": self.run_uid,
            "documents": self.documents,
            "results": len(self.results),
            "identical": self.identical,
            "window_c": None if window is None or window[0] != window[0] else window,
            "window_edges_c": edges_of(self.window),
        }

    def describe(self) -> str:
        """In words."""
        compared = {
            True: "identical to what was recorded",
            False: "NOT what was recorded",
            None: "no analysis was recorded to compare with",
        }[self.identical]
        why = f"\n{self.window['why']}" if self.window else ""
        for side, edge in (edges_of(self.window) or {}).items():
            why += f"; {side} edge {edge['value']:g} ± {edge['err']:.2g}" if edge["value"] is not None else ""
        return f"{self.documents} documents of run {self.run_uid[:8]} analysed again: {compared}{why}"


def replay_run(stored: StoredRun, speed: float | None, watch: Watcher) -> ReplayOutcome:
    """Publish a run's documents again and analyse them with a live analyzer; the stored run is not touched.

    Args:
        stored: the run.
        speed: times faster than it was recorded; None: as fast as possible.
        watch: called with every document of run and analysis.

    Raises:
        BadInputError: the journal holds no run.
        FlowlabError: the analyzer failed.
    """
    messages = list(read_journal(stored.journal))
    if not messages or messages[0].name != "start":
        raise BadInputError(f"{stored.journal}: holds no run")
    with tempfile.TemporaryDirectory(prefix="flowlab-replay-") as folder:
        store = RunStore(Path(folder))
        # It grows as the run is published, as the run's own journal did: what is not due yet cannot be fetched.
        with closing(store.open_documents(messages[0].doc)) as journal:
            recorded_in = RunStore(stored.folder.absolute().parent)
            results = _analyse(store, recorded_in, journal, messages, speed, watch)
    recorded = list(read_journal(stored.results)) if stored.results.is_file() else []
    finished = bool(recorded) and recorded[-1].name == "stop"
    identical = [m.to_bytes() for m in recorded] == [m.to_bytes() for m in results] if finished else None
    return ReplayOutcome(messages[0].run_uid, len(messages), results, identical, _window(results))


def _window(results: list[Message]) -> dict[str, Any] | None:
    """Where the family was found in the whole run; None when no window was asked for."""
    streams = {m.doc["uid"] for m in results if m.name == "descriptor" and m.doc["name"] == "window"}
    found = (m.doc["data"] for m in results if m.name == "event" and m.doc["descriptor"] in streams)
    return next(found, None)


def _analyse(
    store: RunStore,
    recorded_in: RunStore,
    journal: Journal,
    messages: list[Message],
    speed: float | None,
    watch: Watcher,
) -> list[Message]:
    results: list[Message] = []
    with ExitStack() as stack:
        proxy = Proxy()
        stack.callback(proxy.close)
        replay = ReplayService(store)
        stack.callback(replay.close)
        spec = {
            "data": str(store.root),
            "frames": str(recorded_in.frames),
            "earlier": str(recorded_in.root),
            "documents_in": proxy.inward,
            "documents_out": proxy.outward,
            "replay": replay.address,
            "runs": [journal.run_uid],
        }
        analyzer = stack.enter_context(Child("analyzer", "flowlab.live", spec, store.root / "logs" / "analyzer.log"))
        subscriber = stack.enter_context(Subscriber(proxy.outward, replay.address, prefix=RESULTS))
        analyzer.wait_for("ready", 60.0)
        with closing(Publisher(proxy.inward, RAW)) as publisher:
            record = _recorder(journal, publisher, watch)
            _publish(record, messages, speed, lambda: _collect(subscriber, results, watch, 0.0))
        end = time.monotonic() + _WITHIN_S
        ended = "analysis" not in messages[0].doc
        while not ended and time.monotonic() < end:
            analyzer.poll("done", 0.0)  # raises when it has died
            _collect(subscriber, results, watch, 0.2)
            ended = bool(results) and (results[-1].name == "stop" or messages[-1].name != "stop")
    if "analysis" in messages[0].doc and not results:
        raise FlowlabError("the analyzer gave no result")
    return results


def _recorder(journal: Journal, publisher: Publisher, watch: Watcher) -> Watcher:
    def record(message: Message) -> None:
        data = message.to_bytes()
        journal.append(data)
        publisher.send(message.run_uid, journal.count, data)
        watch(message)

    return record


def _publish(record: Watcher, messages: list[Message], speed: float | None, meanwhile: Callable[[], int]) -> None:
    """Record a run's documents anew, as fast as possible or at ``speed`` times the pace at which it was recorded."""
    began, first = time.monotonic(), float(messages[0].doc["time"])
    for message in messages:
        due = began + (float(message.doc.get("time", first)) - first) / speed if speed else 0.0
        while time.monotonic() < due:
            meanwhile()
            time.sleep(min(0.02, max(0.0, due - time.monotonic())))
        record(message)


def _collect(subscriber: Subscriber, results: list[Message], watch: Watcher, wait_s: float) -> int:
    count = 0
    while (message := subscriber.receive(wait_s)) is not None:
        results.append(message)
        watch(message)
        count += 1
        if message.name == "stop":
            break
    return count
