"""The queue of plans: nothing that was accepted is lost, and nothing runs twice, whatever dies and when."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flowlab.daemon.plan_queue import BACK, FRONT, Place, PlanQueue, QueueBlockedError
from flowlab.errors import BadInputError, FlowlabError


@pytest.fixture
def queue(tmp_path):
    with PlanQueue(tmp_path / "state" / "queue.sqlite") as queue:
        yield queue


def plan(name: str) -> dict:
    return {"item_type": "plan", "name": name, "args": [], "kwargs": {"temperatures_c": [280.0], "µ": "°C"}}


def names(queue) -> list[str]:
    return [item["name"] for item in queue.items]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (lambda a, b: BACK, "abcd"),
        (lambda a, b: FRONT, "cdab"),
        (lambda a, b: Place(index=1), "acdb"),
        (lambda a, b: Place(index=-1), "abcd"),
        (lambda a, b: Place(index=-2), "acdb"),
        (lambda a, b: Place(before=b), "acdb"),
        (lambda a, b: Place(after=a), "acdb"),
    ],
)
def test_items_go_where_they_are_put(queue, place, expected):
    a, b = (item["item_uid"] for item in queue.add([plan("a"), plan("b")]))
    queue.add([plan("c"), plan("d")], place(a, b))
    assert "".join(names(queue)) == expected


def test_what_cannot_be_done_is_told_and_changes_nothing(queue):
    a, b = (item["item_uid"] for item in queue.add([plan("a"), plan("b")]))
    before = queue.items
    for refused, why in (
        (lambda: queue.add([plan("c")], Place(index=3)), "there is no place 3: the queue has 2 items"),
        (lambda: queue.add([plan("c")], Place(index=-4)), "there is no place -4"),
        (lambda: queue.add([plan("c")], Place(before="x")), "the queue has no item 'x'"),
        (lambda: queue.add([plan("c")], Place(index=0, after=a)), "give one place only"),
        (lambda: queue.move([a, a], FRONT), "one is named twice"),
        (lambda: queue.move([a], Place(after=a)), f"the queue has no item '{a}'"),
        (lambda: queue.remove([b, "x"]), "the queue has no item 'x'"),
        (lambda: queue.update(plan("c")), "the queue has no item None"),
        (lambda: queue.acknowledge(a), "there is nothing to acknowledge"),
    ):
        with pytest.raises(BadInputError, match=why):
            refused()
    with pytest.raises(TypeError):
        queue.add([plan("c"), {"name": object()}])
    assert queue.items == before
    for idle in (lambda: queue.end("completed"), lambda: queue.interrupt("it was")):
        with pytest.raises(QueueBlockedError, match="nothing is running"):
            idle()


def test_one_item_runs_at_a_time_and_its_end_is_history(queue):
    a, b = queue.add([plan("a"), plan("b")])
    assert queue.begin() == a
    assert names(queue) == ["b"]
    with pytest.raises(QueueBlockedError, match="a is running"):
        queue.begin()
    assert queue.end("completed", ["uid-1"]) == a
    assert queue.begin() == b
    queue.end("failed", message="cadmium_pump: has stalled")
    assert queue.begin() is None
    first, second = queue.history
    assert (first["name"], first["result"]["exit_status"], first["result"]["run_uids"]) == ("a", "completed", ["uid-1"])
    assert second["result"]["msg"] == "cadmium_pump: has stalled"
    assert first["result"]["time_start"] <= first["result"]["time_stop"] <= second["result"]["time_start"]
    queue.clear_history()
    assert queue.history == []


def test_what_was_interrupted_blocks_the_queue_until_that_item_is_acknowledged(queue):
    a, b = queue.add([plan("a"), plan("b")])
    queue.begin()
    queue.interrupt("the worker was killed")
    for blocked in (queue.begin, lambda: queue.end("completed")):
        with pytest.raises(QueueBlockedError):
            blocked()
    with pytest.raises(QueueBlockedError, match=f"the worker was killed; .* flowlab queue ack {a['item_uid']}"):
        queue.begin()
    with pytest.raises(BadInputError, match=f"it is item {a['item_uid']} that was interrupted"):
        queue.acknowledge(b["item_uid"])
    assert queue.acknowledge(a["item_uid"], ["uid-1"]) == a
    (ended,) = queue.history
    assert (ended["result"]["exit_status"], ended["result"]["msg"]) == ("interrupted", "the worker was killed")
    assert queue.begin() == b


def test_in_a_loop_what_ended_well_is_queued_again(queue):
    queue.loop = True
    a, _ = queue.add([plan("a"), plan("b")])
    queue.begin()
    queue.end("completed")
    assert names(queue) == ["b", "a"]
    assert queue.items[1]["item_uid"] != a["item_uid"]
    queue.begin()
    queue.end("failed")
    assert names(queue) == ["a"]


def test_clients_can_tell_that_something_changed(queue):
    seen = {queue.uid}
    (a,) = queue.add([plan("a")])
    seen.add(queue.uid)
    queue.update({**a, "kwargs": {}})
    seen.add(queue.uid)
    history = queue.history_uid
    queue.begin()
    seen.add(queue.uid)
    assert (len(seen), queue.history_uid) == (4, history)
    queue.end("completed")
    assert queue.history_uid != history


@pytest.mark.parametrize("text", [b"not a database, but long enough to be read as one" * 30, b"x" * 100])
def test_a_file_that_is_no_queue_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "queue.sqlite"
    path.write_bytes(text)
    with pytest.raises(FlowlabError, match="is no queue of flowlab's"):
        PlanQueue(path)
    assert path.read_bytes() == text


def test_a_queue_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / "queue.sqlite"
    PlanQueue(path).close()
    file = sqlite3.connect(path)
    file.execute("PRAGMA user_version = 2")
    file.close()
    with pytest.raises(FlowlabError, match="is of version 2, this flowlab knows 1"):
        PlanQueue(path)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "theirs.sqlite"
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE theirs (it TEXT)")
    file.close()
    before = path.read_bytes()
    with pytest.raises(FlowlabError, match="is a database of another program"):
        PlanQueue(path)
    assert path.read_bytes() == before


def test_a_second_process_is_refused_and_does_not_take_what_runs_for_interrupted(queue):
    queue.add([plan("a")])
    queue.begin()
    command = [sys.executable, "-c", _WRITER, str(queue.path)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert "does another flowlab use it?" in second.stderr
    assert queue.running.interrupted is None
    queue.end("completed")


def test_a_disk_that_is_full_changes_nothing_and_the_queue_goes_on_when_there_is_room(queue):
    queue.add([plan("a")])
    (pages,) = queue._file.execute("PRAGMA page_count").fetchone()
    queue._file.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(FlowlabError, match="cannot be written: database or disk is full"):
        queue.add([plan("x" * 100_000)])
    assert names(queue) == ["a"]
    queue._file.execute(f"PRAGMA max_page_count = {pages + 1000}")
    queue.add([plan("b")])
    assert names(queue) == ["a", "b"]


def test_a_folder_is_no_queue(tmp_path):
    with pytest.raises(FlowlabError, match="cannot be opened"):
        PlanQueue(tmp_path)


_WRITER = """
import sys
from pathlib import Path
from flowlab.daemon.plan_queue import PlanQueue
queue = PlanQueue(Path(sys.argv[1]))
number = 0
while True:
    for item in queue.add([{"name": f"{number}a"}, {"name": f"{number}b"}]):
        print("added", item["item_uid"], flush=True)
    item = queue.begin()
    print("begun", item["item_uid"], flush=True)
    queue.end("completed")
    print("ended", item["item_uid"], flush=True)
    number += 1
"""


@pytest.mark.parametrize("after", [1, 4, 23, 60])
def test_a_process_that_is_killed_loses_nothing_that_was_accepted(tmp_path, after):
    path = tmp_path / "queue.sqlite"
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(after)]
        os.kill(process.pid, signal.SIGKILL)
        said += [line.split() for line in process.stdout if line.endswith("\n")]
    told = {word: [uid for one, uid in said if one == word] for word in ("added", "begun", "ended")}
    with PlanQueue(path) as queue:
        running = queue.running
        queued, ended = ([item["item_uid"] for item in items] for items in (queue.items, queue.history))
        where = queued + ended + ([running.item["item_uid"]] if running else [])
        assert len(where) == len(set(where))
        assert set(told["added"]) <= set(where)
        assert not {*told["begun"]} & {*queued}, "what was begun would run again"
        assert ended[: len(told["ended"])] == told["ended"]
        if running is not None:
            assert running.interrupted == "flowlab ended while it ran"
            with pytest.raises(QueueBlockedError, match="was interrupted"):
                queue.begin()


class AnyHistory(RuleBasedStateMachine):
    """Whatever is done in whatever order, and however often the file is opened again: it is as a list would be."""

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "queue.sqlite"
        self.queue = PlanQueue(self.path)
        self.queued: list[dict] = []
        self.running: dict | None = None
        self.interrupted = False
        self.ended: list[dict] = []

    def teardown(self):
        self.queue.close()
        self.folder.cleanup()

    @rule(texts=st.lists(st.text(), max_size=3), index=st.integers(0, 5))
    def add(self, texts, index):
        index = min(index, len(self.queued))
        self.queued[index:index] = self.queue.add([plan(text) for text in texts], Place(index=index))

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def move(self, data):
        moved = data.draw(st.lists(st.sampled_from(self.queued), unique_by=lambda item: item["item_uid"]))
        others = [item for item in self.queued if item not in moved]
        index = data.draw(st.integers(0, len(others)))
        self.queue.move([item["item_uid"] for item in moved], Place(index=index))
        self.queued = others[:index] + moved + others[index:]

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def remove(self, data):
        item = data.draw(st.sampled_from(self.queued))
        assert self.queue.remove([item["item_uid"]]) == [item]
        self.queued.remove(item)

    @precondition(lambda self: self.running is None)
    @rule()
    def begin(self):
        expected = self.queued.pop(0) if self.queued else None
        assert self.queue.begin() == expected
        self.running = expected

    @precondition(lambda self: self.running is not None and not self.interrupted)
    @rule(status=st.sampled_from(["completed", "failed", "aborted"]))
    def end(self, status):
        self.ended.append(self.queue.end(status))
        self.running = None

    @rule()
    def open_again(self):
        self.queue.close()
        self.queue = PlanQueue(self.path)
        self.interrupted = self.running is not None

    @precondition(lambda self: self.interrupted)
    @rule()
    def acknowledge(self):
        assert self.running is not None
        self.ended.append(self.queue.acknowledge(self.running["item_uid"]))
        self.running, self.interrupted = None, False

    @invariant()
    def is_as_a_list_would_be(self):
        assert self.queue.items == self.queued
        assert [
            {key: value for key, value in item.items() if key != "result"} for item in self.queue.history
        ] == self.ended
        running = self.queue.running
        assert (None if running is None else running.item) == self.running
        assert (running is not None and running.interrupted is not None) == self.interrupted


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=30, stateful_step_count=20)
