"""Helpers that die for good, or too late to hear of the run again; readers and strangers that get in the way."""

import os
import signal
import subprocess
import sys
import threading

import h5py
import psutil
import pytest
import zmq

from flowlab.daemon.replay import replay_run
from flowlab.daemon.session import Session
from flowlab.stream import Message, read_journal
from flowlab.stream.message import Heartbeat
from tests.instruments import UV_VIS

PLAN = "residence_time_scan"
#: So slow that the syringes last, however long a helper takes to come back.
SHORT = {"temperatures_c": [40.0], "residence_times_s": [45.0, 60.0]}


@pytest.fixture
def session(tmp_path):
    with Session(UV_VIS, tmp_path, simulate=True, speed=400.0, seed=3) as session:
        yield session


def is_spectrum(message) -> bool:
    return message.name == "event" and "reactor_growth_c" in message.doc["data"]


def ends_run(message) -> bool:
    return message.name == "stop" and message.doc["exit_status"] == "success"


def ignore(message) -> None:
    pass


def spectra_in(path) -> int:
    with h5py.File(path) as file:
        return len(file["entry/data/absorbance"])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["analyzer", "writer"])
def test_a_helper_that_keeps_dying_is_left_dead_and_the_run_goes_on(session, monkeypatch, victim):
    monkeypatch.setattr("flowlab.daemon.session._MOST_RESTARTS", 1)
    killed: set[int] = set()

    def watch(message):
        if len(killed) < 2 and session.pids[victim] not in killed:
            killed.add(session.pids[victim])
            os.kill(session.pids[victim], signal.SIGKILL)

    outcome = session.run(PLAN, SHORT, watch)
    log = session.store.root / "logs" / f"{victim}.log"
    problems = [f"{victim}: died and was started again", f"{victim}: died 2 times; its log is {log}"]
    assert outcome.problems == problems + ["the NeXus file was not finished"] * (victim == "writer")
    *_, last = read_journal(outcome.stored.journal)
    assert last.doc["exit_status"] == "success"
    if victim == "analyzer":
        assert spectra_in(outcome.stored.nexus) == 2
    # The next run has it again.
    outcome = session.run(PLAN, SHORT, ignore)
    assert outcome.problems == [f"{victim}: died and was started again"]
    assert outcome.stored.results.is_file()
    assert spectra_in(outcome.stored.nexus) == 2


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["analyzer", "writer"])
def test_a_helper_that_dies_after_the_worker_has_ended_gets_the_run_back(session, victim):
    stopped: list[int] = []

    def watch(message):
        if is_spectrum(message) and not stopped:
            stopped.append(session.pids[victim])
            os.kill(stopped[0], signal.SIGSTOP)  # so that it cannot have finished before it is killed
        elif ends_run(message) and session.pids[victim] == stopped[0]:
            wait_for_the_end_of(session.worker_pid)
            os.kill(stopped[0], signal.SIGKILL)

    outcome = session.run(PLAN, SHORT, watch)
    assert session.pids[victim] != stopped[0]
    assert outcome.problems == [f"{victim}: died and was started again"]
    assert spectra_in(outcome.stored.nexus) == 2
    assert replay_run(outcome.stored, None, ignore).identical is True


def wait_for_the_end_of(pid: int) -> None:
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        threading.Event().wait(0.01)


@pytest.mark.timeout(180)
def test_a_viewer_that_opens_the_file_in_mid_run_and_keeps_it_open_stops_nothing(session):
    viewers: list[subprocess.Popen] = []
    program = "import sys, h5py; file = h5py.File(sys.argv[1], 'r'); print('open', flush=True); sys.stdin.read()"

    def watch(message):
        files = list(session.store.root.glob("*/run.nxs"))
        if files and is_spectrum(message):
            command = [sys.executable, "-c", program, str(files[0])]
            viewers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            viewers[-1].stdout.readline()  # open; or, when the writer was just at it, refused as any reader may be

    outcome = session.run(PLAN, SHORT, watch)
    assert viewers
    for viewer in viewers:
        viewer.communicate()
    assert outcome.problems == []
    assert spectra_in(outcome.stored.nexus) == 2


@pytest.mark.timeout(180)
def test_a_stranger_on_the_socket_is_neither_shown_nor_a_problem(session):
    shown: list[str] = []
    with zmq.Context() as context, context.socket(zmq.PUB) as socket, context.socket(zmq.SUB) as heard:
        socket.connect(session._proxy.inward)
        heard.connect(session.documents)
        heard.setsockopt(zmq.SUBSCRIBE, b"raw event")

        def watch(message):
            shown.append(message.run_uid)
            for position, name in ((0, "start"), (0, "event"), (5, "event")):
                socket.send(b"raw " + Message("ghost", position, name, {}).to_bytes())
            socket.send(b"heartbeat-raw " + Heartbeat({"ghost": 5}).to_bytes())

        outcome = session.run(PLAN, SHORT, watch)
        while b"ghost" not in heard.recv():
            pass
    assert "ghost" not in shown
    assert outcome.problems == []
    assert spectra_in(outcome.stored.nexus) == 2
