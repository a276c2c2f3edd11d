"""Scans that took several runs: which points of a run are complete, and what earlier runs give to a scan.

A run that can be resumed says so in its start document: ``point_events`` tells how many events of which stream make a
point, ``num_points`` how many points the run has, ``first_point`` how many of the scan's were there before it (0 when
it is left out). A run that resumes another names it in ``resumes``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from flowlab.errors import BadInputError
from flowlab.stream.journal import read_journal
from flowlab.stream.store import RunStore, StoredRun

Document = tuple[str, dict[str, Any]]

#: What is the same of all runs of a scan.
_SAME = ("plan_name", "instrument", "material", "plan_parameters", "point_events")


class _Numbers:
    """Which of 1, 2, 3, … have come, in whatever order and however often.

    Attributes:
        next: the first that has not.
    """

    def __init__(self) -> None:
        self.next = 1
        self._beyond: list[tuple[int, int]] = []

    def add(self, first: int, end: int) -> None:
        """Take in those from ``first`` to before ``end``."""
        self._beyond.append((first, end))
        while touching := [span for span in self._beyond if span[0] <= self.next]:
            self._beyond = [span for span in self._beyond if span[0] > self.next]
            self.next = max(self.next, *(end for _, end in touching))


class Points:
    """Counts the complete points of one run, document after document.

    A point is complete when there is every event that makes it, and for every frame in a file the document that tells
    where it is. Events are counted by their ``seq_num``: after a pause a point is begun anew, and its events have the
    numbers of those that they replace.

    Args:
        start: start document of the run.

    Raises:
        BadInputError: it does not say what its points are made of.
    """

    def __init__(self, start: dict[str, Any]):
        self.total = points_of(start)
        self._per_point: dict[str, int] = dict(start["point_events"])
        self._streams: dict[str, str] = {}
        self._resources: dict[str, str] = {}
        # Of each stream its events, under "", and its frames, under their data keys.
        self._came: dict[str, dict[str, _Numbers]] = {stream: {"": _Numbers()} for stream in self._per_point}

    @property
    def complete(self) -> int:
        """How many points are, from the first on."""
        whole = (
            (min(numbers.next for numbers in self._came[stream].values()) - 1) // events
            for stream, events in self._per_point.items()
        )
        return min(self.total, *whole)

    def take(self, name: str, doc: dict[str, Any]) -> None:
        """Take in a document of the run."""
        match name:
            case "descriptor" if doc["name"] in self._came:
                self._streams[doc["uid"]] = doc["name"]
                for key, described in doc["data_keys"].items():
                    if str(described.get("external", "")).startswith("STREAM:"):
                        self._came[doc["name"]].setdefault(key, _Numbers())
            case "stream_resource":
                self._resources[doc["uid"]] = doc["data_key"]
            case "event" if doc["descriptor"] in self._streams:
                number = int(doc["seq_num"])
                self._came[self._streams[doc["descriptor"]]][""].add(number, number + 1)
            case "stream_datum" if doc["descriptor"] in self._streams:
                frames = self._came[self._streams[doc["descriptor"]]].get(self._resources[doc["stream_resource"]])
                if frames is not None:
                    frames.add(int(doc["seq_nums"]["start"]), int(doc["seq_nums"]["stop"]))
            case _:
                pass


def points_of(start: dict[str, Any]) -> int:
    """How many points a run has that can be resumed.

    Raises:
        BadInputError: it cannot.
    """
    events: Any = start.get("point_events")
    counts: list[Any] = [*events.values()] if isinstance(events, dict) else []
    if not counts or not all(isinstance(count, int) and count > 0 for count in (*counts, start.get("num_points"))):
        raise BadInputError(
            f"run {start['uid']}: {start.get('plan_name', 'its plan')} does not say what its points are made of, "
            "so that it cannot be resumed; run it anew"
        )
    return int(start["num_points"])


def first_point_of(start: dict[str, Any]) -> int:
    """How many points of the scan were complete before this run.

    Raises:
        BadInputError: it says something that is no number of points.
    """
    first = start.get("first_point", 0)
    if not isinstance(first, int) or first < 0:
        raise BadInputError(f"run {start['uid']}: its first_point is {str(first)[:40]!r}, no number of points")
    return first


def complete_points(documents: Iterable[Document]) -> int:
    """How many points of a run are complete; of this run, without those before it.

    Args:
        documents: of the run, from its start document on.

    Raises:
        BadInputError: it does not say what its points are made of.
    """
    points: Points | None = None
    for name, doc in documents:
        if points is None:
            points = Points(doc)
        points.take(name, doc)
    return 0 if points is None else points.complete


def until_complete(documents: Iterable[Document], count: int) -> list[Document]:
    """Documents of a run up to that with which so many of its points are complete; none for none.

    Raises:
        BadInputError: so many never are.
    """
    if count == 0:
        return []
    taken: list[Document] = []
    points: Points | None = None
    for name, doc in documents:
        if points is None:
            points = Points(doc)
        points.take(name, doc)
        taken.append((name, doc))
        if points.complete == count:
            return taken
    done = 0 if points is None else points.complete
    raise BadInputError(f"{done} of its points are complete, but it was resumed behind {count}")


def documents_of(stored: StoredRun) -> list[Document]:
    """Documents of a run.

    Raises:
        BadInputError: its journal does not begin with one.
        JournalError: it cannot be read.
    """
    documents = [(message.name, message.doc) for message in read_journal(stored.journal)]
    if not documents or documents[0][0] != "start":
        raise BadInputError(f"{stored.journal}: holds no run")
    return documents


def earlier_documents(store: RunStore, start: dict[str, Any]) -> Iterator[Document]:
    """What the runs before this one give to its scan: of each its complete points, and what was measured before them.

    Args:
        store: where the earlier runs are.
        start: start document of the run.

    Returns:
        Documents, oldest run first, each run from its start document on, none with its end.

    Raises:
        BadInputError: an earlier run is not there, or is of another scan.
    """
    runs: list[list[Document]] = []
    seen = {start["uid"]}
    while (uid := start.get("resumes")) is not None:
        uid = str(uid)
        if uid in seen:
            raise BadInputError(f"run {start['uid']}: resumes run {uid[:64]}, which resumes it")
        seen.add(uid)
        try:
            documents = documents_of(store.run(uid))
            earlier = documents[0][1]
            _check_same_scan(earlier, start)
            runs.append(until_complete(documents, first_point_of(start) - first_point_of(earlier)))
        except BadInputError as error:
            raise BadInputError(f"run {start['uid']} resumes run {uid[:64]}: {error}") from None
        start = earlier
    yield from (document for documents in reversed(runs) for document in documents)


def _check_same_scan(earlier: dict[str, Any], start: dict[str, Any]) -> None:
    """Refuse a run that cannot have resumed an earlier one.

    Raises:
        BadInputError: they are of different scans.
    """
    for key in _SAME:
        if earlier.get(key) != start.get(key):
            raise BadInputError(f"they are not of one scan: their {key} is not the same")
    lengths = [first_point_of(one) + points_of(one) for one in (earlier, start)]
    if lengths[0] != lengths[1] or first_point_of(earlier) > first_point_of(start):
        raise BadInputError(f"they are not of one scan: of {lengths[0]} points, and of {lengths[1]}")
