"""Parent and child, each in its real process."""

import os
import signal
import sys
import textwrap
import threading

import psutil
import pytest

from flowlab.errors import BadInputError
from flowlab.process import Child, ChildDiedError, ChildFailedError

CHILD = """
import sys, threading
from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import Lifeline
lifeline = Lifeline()
over = threading.Event()
lifeline.on_cut(over.set)
what = lifeline.spec["what"]
if what == "die":
    sys.stderr.write("first line\\nout of paper\\n"); sys.exit(3)
if what == "fail":
    lifeline.fail(FlowlabError("the pump stalled")); sys.exit(1)
if what == "refuse":
    lifeline.fail(BadInputError("no such plan")); sys.exit(2)
lifeline.ready({"answer": 42})
lifeline.say("hello")
if what == "write":
    sys.stderr.write("something went wrong long ago\\n"); sys.stderr.flush()
    lifeline.done({"wrote": "it"})
if what == "deaf":
    threading.Event().wait()
over.wait()
lifeline.done({"ended": "tidily"})
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    (tmp_path / "a_child.py").write_text(textwrap.dedent(CHILD))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    made: list[Child] = []

    def start(what: str) -> Child:
        made.append(Child("a child", "a_child", {"what": what}, tmp_path / "log"))
        return made[-1]

    yield start
    for one in made:
        one.close(5)


def test_a_child_tells_when_it_is_ready_and_ends_when_its_lifeline_is_cut(child):
    one = child("work")
    assert one.wait_for("ready", 60) == {"answer": 42}
    one.cut()
    assert one.wait_for("done", 60) == {"ended": "tidily"}
    assert one.close() == 0
    assert one.said == ["hello"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_child_as_tidily(child, number):
    one = child("work")
    one.wait_for("ready", 60)
    os.kill(one.pid, number)
    assert one.wait_for("done", 60) == {"ended": "tidily"}


def test_a_child_that_fails_says_why(child):
    with pytest.raises(ChildFailedError, match="the pump stalled"):
        child("fail").wait_for("ready", 60)


def test_a_child_that_is_asked_for_nonsense_passes_the_complaint_on_as_bad_input(child):
    with pytest.raises(BadInputError, match="no such plan"):
        child("refuse").wait_for("ready", 60)


def test_a_child_that_dies_is_told_with_its_last_words_and_its_log(child):
    with pytest.raises(ChildDiedError, match=r"a child: ended with exit code 3: out of paper \(log: .*log\)"):
        child("die").wait_for("ready", 60)


def test_a_child_that_is_killed_is_told_so(child):
    one = child("work")
    one.wait_for("ready", 60)
    one.kill()
    with pytest.raises(ChildDiedError, match="killed by signal 9"):
        one.wait_for("done", 60)
    with pytest.raises(ChildDiedError, match="killed by signal 9"):
        one.wait_for("done", 60)


def test_what_a_child_wrote_before_it_was_killed_is_not_told_as_the_reason(child):
    one = child("write")
    one.wait_for("done", 60)
    one.kill()
    with pytest.raises(ChildDiedError, match=r"a child: killed by signal 9 \(log: .*log\)"):
        one.wait_for("ready", 60)


def test_a_child_that_is_killed_is_told_so_though_its_log_was_cleaned_up(child):
    one = child("work")
    one.wait_for("ready", 60)
    one.log.unlink()
    one.kill()
    with pytest.raises(ChildDiedError, match="killed by signal 9"):
        one.wait_for("done", 60)


def test_a_child_that_does_not_end_is_killed_after_a_while(child):
    one = child("deaf")
    one.wait_for("ready", 60)
    assert one.close(limit_s=0.2) == -signal.SIGKILL


def test_a_wait_has_an_end(child):
    one = child("work")
    one.wait_for("ready", 60)
    with pytest.raises(ChildDiedError, match="not done within"):
        one.wait_for("done", 0.05)


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path, child):
    (tmp_path / "a_parent.py").write_text(
        "import sys, time\nfrom pathlib import Path\nfrom flowlab.process import Child\n"
        "one = Child('one', 'a_child', {'what': 'work'}, Path(sys.argv[1]))\n"
        "one.wait_for('ready', 60)\nprint(one.pid, flush=True)\ntime.sleep(600)\n"
    )
    import subprocess

    with subprocess.Popen(
        [sys.executable, str(tmp_path / "a_parent.py"), str(tmp_path / "log2")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        grandchild = psutil.Process(pid)
        parent.kill()
    ended = threading.Event()
    psutil.wait_procs([grandchild], timeout=30, callback=lambda _: ended.set())
    assert ended.is_set()
