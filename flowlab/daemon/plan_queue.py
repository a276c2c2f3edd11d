"""The queue of plans and its history, in one SQLite file: what was accepted is on disk before the call returns.

An item is taken to be running before it is handed to anybody, and is gone from the queue then. So whatever dies, no
item runs twice: one that was running when the queue is opened again is *interrupted*, and nothing else is begun until
somebody has acknowledged that; it is never put back by itself, for to nucleate twice is another experiment.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from flowlab.errors import BadInputError, FlowlabError

#: What a plan is asked for: ``name``, ``kwargs`` and whatever else clients give; ``item_uid`` is given by the queue.
Item = dict[str, Any]

_VERSION = 1
_TABLES = """
CREATE TABLE queued (place INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, item TEXT NOT NULL) STRICT;
CREATE TABLE running (
    one INTEGER PRIMARY KEY CHECK (one = 1), item TEXT NOT NULL, begun REAL NOT NULL, interrupted TEXT
) STRICT;
CREATE TABLE history (number INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL, result TEXT NOT NULL) STRICT;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
#: What is written into the file's head, so that no other program's database is taken for a queue.
_APPLICATION_ID = 0x466C6F77
#: Seconds to wait for a process that has the file; one that was killed has let go of it.
_BUSY_S = 1.0


class QueueBlockedError(FlowlabError):
    """Nothing can be begun now."""


@dataclass(frozen=True)
class Running:
    """The item that was begun last, until its end is recorded.

    Attributes:
        item: as it was queued.
        begun: seconds since the epoch.
        interrupted: why its end is not known; None while it runs.
    """

    item: Item
    begun: float
    interrupted: str | None


@dataclass(frozen=True)
class Place:
    """Where an item goes: to an index (negative ones count from the back, as in Python), or next to another item.

    Attributes:
        index: 0 is the front; None the back.
        before: uid of the item that it goes before.
        after: uid of the item that it goes after.
    """

    index: int | None = None
    before: str | None = None
    after: str | None = None


FRONT, BACK = Place(index=0), Place()


class PlanQueue:
    """Plans to be run, the one that runs, and those that did. One process has it at a time; a context, or closed.

    Args:
        path: the file; made where there is none.

    Raises:
        FlowlabError: the file cannot be used; it is left as it is.
    """

    def __init__(self, path: Path):
        self.path = path
        #: Another one after each change of the queue, or of the history, so that clients know when to look again.
        self.uid, self.history_uid = _new_uid(), _new_uid()
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
                self._file = stack.enter_context(closing(file))
            except (OSError, sqlite3.Error) as error:
                raise FlowlabError(f"{path}: cannot be opened: {error}") from None
            self._prepare()
            stack.pop_all()

    def _prepare(self) -> None:
        """Take the file for this process, and make it a queue where it is empty."""
        try:
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            (owner,), (version,) = (
                self._file.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
            )
            (tables,) = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if owner != _APPLICATION_ID and (tables or version):
                raise FlowlabError(f"{self.path}: is a database of another program; move it away")
            if version not in (0, _VERSION):
                raise FlowlabError(f"{self.path}: is of version {version}, this flowlab knows {_VERSION}")
            # Journals beside the file, and each change on the disk before it counts: power may go.
            self._file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
            if version == 0:
                marks = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_VERSION}"
                self._file.executescript(f"BEGIN EXCLUSIVE; {_TABLES} {marks}; COMMIT")
        except sqlite3.OperationalError as error:
            raise FlowlabError(f"{self.path}: cannot be used: {error}; does another flowlab use it?") from None
        except sqlite3.Error as error:
            raise FlowlabError(f"{self.path}: is no queue of flowlab's ({error}); move it away") from None
        if (running := self.running) is not None and running.interrupted is None:
            self.interrupt("flowlab ended while it ran")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing."""
        try:
            with self._file:  # commits, or rolls back, which a disk that is full at the commit needs as well
                self._file.execute("BEGIN IMMEDIATE")
                yield self._file
        except sqlite3.Error as error:
            raise FlowlabError(f"{self.path}: cannot be written: {error}") from None
        self.uid = _new_uid()

    def _rows(self, question: str) -> list[tuple[Any, ...]]:
        try:
            return self._file.execute(question).fetchall()
        except sqlite3.Error as error:
            raise FlowlabError(f"{self.path}: cannot be read: {error}") from None

    @property
    def items(self) -> list[Item]:
        """What is to be run, the next one first."""
        return [json.loads(text) for (text,) in self._rows("SELECT item FROM queued ORDER BY place")]

    @property
    def running(self) -> Running | None:
        """What was begun and has not ended."""
        rows = self._rows("SELECT item, begun, interrupted FROM running")
        return Running(json.loads(rows[0][0]), *rows[0][1:]) if rows else None

    @property
    def history(self) -> list[Item]:
        """What ended, oldest first; each with ``result``."""
        rows = self._rows("SELECT item, result FROM history ORDER BY number")
        return [json.loads(item) | {"result": json.loads(result)} for item, result in rows]

    @property
    def history_size(self) -> int:
        """How many ended; clients ask every second, and the history may be long."""
        ((count,),) = self._rows("SELECT count(*) FROM history")
        return int(count)

    @property
    def loop(self) -> bool:
        """Whether what ended well is queued again, at the back."""
        return bool(self._rows("SELECT 1 FROM setting WHERE name = 'loop'"))

    @loop.setter
    def loop(self, on: bool) -> None:
        with self._change() as file:
            file.execute("DELETE FROM setting WHERE name = 'loop'")
            if on:
                file.execute("INSERT INTO setting VALUES ('loop', 'on')")

    def add(self, items: Sequence[Item], place: Place = BACK) -> list[Item]:
        """Queue items, in their order; all of them or none.

        Returns:
            The items with their ``item_uid``.

        Raises:
            BadInputError: there is no such place.
        """
        new = [{**item, "item_uid": _new_uid()} for item in items]
        with self._change() as file:
            queued = self.items
            at = _index(place, queued)
            _write(file, queued[:at] + new + queued[at:])
        return new

    def update(self, item: Item, *, keep_uid: bool = True) -> Item:
        """Put another item in the place of the one with its ``item_uid``.

        Raises:
            BadInputError: there is no such item.
        """
        with self._change() as file:
            queued = self.items
            at = _find(item.get("item_uid"), queued)
            queued[at] = item if keep_uid else {**item, "item_uid": _new_uid()}
            _write(file, queued)
        return queued[at]

    def move(self, uids: Sequence[str], place: Place) -> list[Item]:
        """Move items, which keep the order in which they are named.

        Raises:
            BadInputError: there is no such item or place, or one is named twice.
        """
        if len(set(uids)) < len(uids):
            raise BadInputError("an item can be moved to one place only; one is named twice")
        with self._change() as file:
            queued = self.items
            moved = [queued[_find(uid, queued)] for uid in uids]
            others = [item for item in queued if item not in moved]
            at = _index(place, others)
            _write(file, others[:at] + moved + others[at:])
        return moved

    def remove(self, uids: Sequence[str]) -> list[Item]:
        """Take items out of the queue.

        Raises:
            BadInputError: there is no such item; none is removed.
        """
        with self._change() as file:
            queued = self.items
            removed = [queued[_find(uid, queued)] for uid in uids]
            _write(file, [item for item in queued if item not in removed])
        return removed

    def clear(self) -> None:
        """Take out all items."""
        with self._change() as file:
            _write(file, [])

    def begin(self) -> Item | None:
        """Take out the next item, which runs from now on; None when there is none.

        Raises:
            QueueBlockedError: one runs, or was interrupted and is not acknowledged.
        """
        with self._change() as file:
            if (running := self.running) is not None:
                name, uid = running.item.get("name"), running.item["item_uid"]
                if running.interrupted is None:
                    raise QueueBlockedError(f"{name} is running")
                raise QueueBlockedError(
                    f"{name} was interrupted: {running.interrupted}; acknowledge it first: flowlab queue ack {uid}"
                )
            queued = self.items
            if not queued:
                return None
            _write(file, queued[1:])
            file.execute("INSERT INTO running VALUES (1, ?, ?, NULL)", (json.dumps(queued[0]), time.time()))
        return queued[0]

    def end(self, exit_status: str, run_uids: Sequence[str] = (), message: str = "") -> Item:
        """Record how the item that runs ended.

        Raises:
            QueueBlockedError: none runs.
        """
        with self._change() as file:
            running = self.running
            if running is None or running.interrupted is not None:
                raise QueueBlockedError("nothing is running")
            self._remember(file, running, exit_status, run_uids, message)
            # What resumes a scan has completed it: there is nothing left to resume again.
            if exit_status == "completed" and self.loop and "resumes" not in running.item:
                _write(file, [*self.items, {**running.item, "item_uid": _new_uid()}])
        return running.item

    def interrupt(self, reason: str) -> None:
        """The item that runs came to an end that nobody saw: nothing is begun until that is acknowledged.

        Raises:
            QueueBlockedError: none runs.
        """
        with self._change() as file:
            changed = file.execute("UPDATE running SET interrupted = ? WHERE interrupted IS NULL", (reason,))
            if not changed.rowcount:
                raise QueueBlockedError("nothing is running")

    def acknowledge(self, uid: str, run_uids: Sequence[str] = ()) -> Item:
        """Somebody has seen that an item was interrupted: it becomes history, and the queue may go on.

        Raises:
            BadInputError: it is not the one that was interrupted.
        """
        with self._change() as file:
            running = self.running
            if running is None or running.interrupted is None:
                raise BadInputError("no item was interrupted; there is nothing to acknowledge")
            if running.item["item_uid"] != uid:
                raise BadInputError(f"it is item {running.item['item_uid']} that was interrupted, not {uid}")
            self._remember(file, running, "interrupted", run_uids, running.interrupted)
        return running.item

    def _remember(
        self, file: sqlite3.Connection, running: Running, exit_status: str, run_uids: Sequence[str], message: str
    ) -> None:
        result = {
            "exit_status": exit_status,
            "run_uids": list(run_uids),
            "time_start": running.begun,
            "time_stop": time.time(),
            "msg": message,
        }
        file.execute("INSERT INTO history (item, result) VALUES (?, ?)", (json.dumps(running.item), json.dumps(result)))
        file.execute("DELETE FROM running")
        self.history_uid = _new_uid()

    def clear_history(self) -> None:
        """Forget what ended."""
        with self._change() as file:
            file.execute("DELETE FROM history")
        self.history_uid = _new_uid()


def _new_uid() -> str:
    return str(uuid.uuid4())


def _write(file: sqlite3.Connection, items: Sequence[Item]) -> None:
    """The queue anew: it is short."""
    file.execute("DELETE FROM queued")
    rows = [(place, item["item_uid"], json.dumps(item)) for place, item in enumerate(items)]
    file.executemany("INSERT INTO queued VALUES (?, ?, ?)", rows)


def _find(uid: object, queued: Sequence[Item]) -> int:
    for at, item in enumerate(queued):
        if item["item_uid"] == uid:
            return at
    raise BadInputError(f"the queue has no item {uid!r}")


def _index(place: Place, queued: Sequence[Item]) -> int:
    """Where in the queue a place is."""
    given = [one for one in (place.index, place.before, place.after) if one is not None]
    if len(given) > 1:
        raise BadInputError("give one place only: an index, or the item before or after which it is")
    if place.before is not None:
        return _find(place.before, queued)
    if place.after is not None:
        return _find(place.after, queued) + 1
    if place.index is None:
        return len(queued)
    if not -len(queued) - 1 <= place.index <= len(queued):
        raise BadInputError(f"there is no place {place.index}: the queue has {len(queued)} items")
    return place.index if place.index >= 0 else len(queued) + 1 + place.index
