"""Processes that die, lines that are lost, consumers that nobody here wrote: on whole runs."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from bluesky.callbacks.best_effort import BestEffortCallback
from bluesky.callbacks.zmq import RemoteDispatcher

from flowlab.daemon.replay import replay_run
from flowlab.daemon.session import InterruptedRunError, Session
from flowlab.errors import FlowlabError
from flowlab.process import Child, ChildFailedError
from flowlab.stream import RAW, deserialize, read_journal
from tests.flowlab.cli.test_cli import addressed
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served
from tests.support import is_safe

QUICK = {"flush_volumes": 1.2, "most_spectra": 4}
SCAN = {
    "nucleation_c": [280.0],
    "growth_offsets_c": [0.0, -10.0, -20.0, -30.0, -40.0, -50.0],
    "residence_time_s": 14.0,
    "steady": QUICK,
}
SPEED = 300.0


@pytest.fixture
def session(tmp_path):
    with Session(UV_VIS, tmp_path, simulate=True, speed=SPEED, seed=3) as session:
        yield session


def lab(session: Session) -> Served:
    assert session.control is not None
    return Served(None, session.addresses, session.control)  # type: ignore[arg-type]


def is_spectrum(message) -> bool:
    return message.name == "event" and "reactor_growth_c" in message.doc["data"]


def ignore(message) -> None:
    pass


@pytest.mark.timeout(180)
def test_the_exciton_is_followed_within_3_nm_of_the_plants_truth(session):
    outcome = session.run("temperature_scan", SCAN, ignore)
    (exciton,) = [t for t in outcome.tracks if t["kind"] == "nc" and t["transition"] == "E1"]
    assert len(exciton["spectrum"]) == 6
    truth = _truth_at_points(outcome.stored.journal, lab(session).ask(truth=True)["exposed_exciton_nm"])
    assert np.abs(exciton["wavelength_nm"] - truth).max() < 3.0
    assert outcome.problems == []


def _truth_at_points(journal, exposed_nm: list[float]) -> list[float]:
    """The plant's exciton when the spectrum of each point was taken: the last exposures belong to the last of them."""
    messages = list(read_journal(journal))
    descriptors = {m.doc["uid"]: m.doc for m in messages if m.name == "descriptor"}
    spectra = [descriptors[m.doc["descriptor"]] for m in messages if is_spectrum(m)]
    truth: list[float] = []
    for spectrum in reversed(spectra):
        if spectrum["name"] == "primary":
            truth.insert(0, exposed_nm[-1])
        del exposed_nm[-spectrum["configuration"]["spectrometer"]["data"]["spectrometer_scans"] :]
    return truth


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["analyzer", "writer"])
def test_a_helper_that_is_killed_in_mid_scan_comes_back_and_ends_with_the_same_results(session, victim):
    killed: list[int] = []

    def watch(message):
        if message.name == "event" and "verdict" in message.doc["data"] and message.doc["seq_num"] == 3 and not killed:
            killed.append(session.pids[victim])
            os.kill(killed[0], signal.SIGKILL)

    outcome = session.run("temperature_scan", SCAN, watch)
    assert killed
    assert session.pids[victim] != killed[0]
    assert outcome.problems == [f"{victim}: died and was started again"]
    assert outcome.window is not None
    assert outcome.stored.nexus.is_file()
    # An undisturbed analysis of the same documents: the journal replayed.
    replayed = replay_run(outcome.stored, None, ignore)
    assert replayed.identical is True


@pytest.mark.timeout(180)
def test_a_worker_that_is_killed_leaves_the_instrument_safe_and_the_journal_readable(session):
    def watch(message):
        if is_spectrum(message):
            os.kill(session.worker_pid, signal.SIGKILL)

    with pytest.raises(FlowlabError, match=r"worker: killed by signal 9 .*; safe: nucleation_heater, growth_heater, "):
        session.run("temperature_scan", SCAN, watch)
    assert is_safe(lab(session).ask(truth=True))
    (journal,) = [path for path in session.store.journals() if path.stem == "documents"]
    names = [message.name for message in read_journal(journal)]
    assert names[0] == "start"
    assert "stop" not in names
    assert "event" in names


@pytest.mark.timeout(180)
def test_whatever_fails_while_a_run_is_watched_leaves_the_instrument_safe(session):
    def watch(message):
        if is_spectrum(message):
            raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="the terminal is gone"):
        session.run("temperature_scan", SCAN, watch)
    assert is_safe(lab(session).ask(truth=True))


@pytest.mark.timeout(180)
def test_a_helper_that_keeps_dying_is_a_problem_and_the_run_ends_without_it(session, monkeypatch):
    monkeypatch.setattr("flowlab.daemon.session._MOST_RESTARTS", 0)
    killed: list[int] = []

    def watch(message):
        if is_spectrum(message) and not killed:
            killed.append(session.pids["analyzer"])
            os.kill(killed[0], signal.SIGKILL)

    outcome = session.run("temperature_scan", SCAN, watch)
    log = session.store.root / "logs" / "analyzer.log"
    assert outcome.problems == [f"analyzer: died 1 times; its log is {log}"]
    *_, last = read_journal(outcome.stored.journal)
    assert (last.name, last.doc["exit_status"]) == ("stop", "success")
    assert is_safe(lab(session).ask(truth=True))


@pytest.mark.timeout(180)
def test_a_second_ctrl_c_does_not_keep_the_instrument_from_being_made_safe(session, monkeypatch):
    """The worker hangs; the first Ctrl-C waits for it, the second comes meanwhile."""
    monkeypatch.setattr("flowlab.daemon.session._SAFE_WITHIN_S", 5.0)
    normal = signal.getsignal(signal.SIGINT)

    def press_again():
        while signal.getsignal(signal.SIGINT) is normal:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    again = threading.Thread(target=press_again)

    def watch(message):
        if is_spectrum(message) and not again.ident:
            os.kill(session.worker_pid, signal.SIGSTOP)
            again.start()
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match="the worker had to be killed; safe: nucleation_heater, "):
        session.run("temperature_scan", SCAN, watch)
    again.join()
    assert signal.getsignal(signal.SIGINT) is normal
    assert is_safe(lab(session).ask(truth=True))


@pytest.mark.timeout(180)
def test_a_session_that_is_killed_has_its_worker_make_the_instrument_safe(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # every print goes to a parent that is gone, at once
    with served(UV_VIS, "--any-port", "--speed", str(SPEED)) as bench:
        path = addressed(tmp_path / "my.toml", bench.addresses, SPEED)
        command = [sys.executable, "-m", "flowlab", "run", path, "temperature_scan", json.dumps(SCAN)]
        with subprocess.Popen([*map(str, command), "--data", str(tmp_path / "data")]) as process:
            while is_safe(bench.ask(truth=True)):
                assert process.poll() is None
            family = psutil.Process(process.pid).children()
            process.kill()
        _, left = psutil.wait_procs(family, timeout=60)
        assert not left
        assert is_safe(bench.ask(truth=True))
    (journal,) = (tmp_path / "data").glob("*/documents.journal")
    *_, last = read_journal(journal)
    assert (last.name, last.doc["exit_status"]) == ("stop", "abort")


@pytest.mark.timeout(180)
def test_a_worker_that_is_cut_before_its_plan_begins_moves_nothing(session, tmp_path):
    with Child("worker", "flowlab.daemon.worker", session._spec(), tmp_path / "worker.log") as worker:
        worker.order({"do": "open"})
        worker.order({"do": "run", "plan": "temperature_scan", "parameters": SCAN, "metadata": {}})
        worker.cut()
        with pytest.raises(
            ChildFailedError, match="the plan was aborted before it began; the instrument is safe"
        ) as failure:
            worker.wait_for("done", 60)
    assert failure.value.exit_code == 130
    assert not list(session.store.journals())
    assert all(pump["rate_ml_min"] == 0 for pump in lab(session).ask(truth=True)["pumps"].values())


@pytest.mark.timeout(180)
def test_stock_consumers_take_in_the_run(session, monkeypatch):
    """bluesky's own dispatcher, given our deserializer, and its own best-effort callback."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    received: list[tuple[str, dict]] = []
    heard, stopped = threading.Event(), threading.Event()

    def take(name, doc):
        received.append((name, doc))
        heard.set()
        if name == "stop":
            stopped.set()

    dispatcher = RemoteDispatcher(session.documents.removeprefix("tcp://"), prefix=RAW, deserializer=deserialize)
    dispatcher.subscribe(take)
    thread = threading.Thread(target=_start, args=(dispatcher,))
    thread.start()
    outcome = session.run("residence_time_scan", {"temperatures_c": [40.0], "residence_times_s": [45.0, 60.0]}, ignore)
    assert stopped.wait(30)
    dispatcher.loop.call_soon_threadsafe(dispatcher._task.cancel)
    thread.join()
    recorded = [(m.name, m.doc["uid"]) for m in read_journal(outcome.stored.journal)]
    assert [(name, doc["uid"]) for name, doc in received] == recorded
    best_effort = BestEffortCallback()
    best_effort.disable_plots()
    for name, doc in received:
        best_effort(name, doc)


def _start(dispatcher: RemoteDispatcher) -> None:
    import asyncio
    import contextlib

    with contextlib.suppress(asyncio.CancelledError):
        dispatcher.start()


@pytest.mark.timeout(180)
def test_a_second_scan_finds_what_the_first_did_though_its_sample_is_still_in_the_cell(session):
    def excitons_nm() -> np.ndarray:
        outcome = session.run("temperature_scan", SCAN, ignore)
        assert outcome.window is not None
        assert outcome.window["found"].tolist() == [280.0]
        (exciton,) = [t for t in outcome.tracks if t["kind"] == "nc" and t["transition"] == "E1"]
        return exciton["wavelength_nm"]

    assert excitons_nm() == pytest.approx(excitons_nm(), abs=3.0)


@pytest.mark.timeout(180)
def test_two_runs_in_one_session_are_kept_apart(session):
    first = session.run("residence_time_scan", {"temperatures_c": [40.0], "residence_times_s": [45.0]}, ignore)
    second = session.run("residence_time_scan", {"temperatures_c": [40.0], "residence_times_s": [55.0]}, ignore)
    assert first.run_uid != second.run_uid
    assert first.stored.folder != second.stored.folder
    assert second.problems == []
