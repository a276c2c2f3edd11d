"""Processes that die, lines that are lost, consumers that nobody here wrote: on whole runs."""

import os
import signal
import threading

import numpy as np
import pytest
from bluesky.callbacks.best_effort import BestEffortCallback
from bluesky.callbacks.zmq import RemoteDispatcher

from flowlab.daemon.replay import replay_run
from flowlab.daemon.session import Session
from flowlab.errors import FlowlabError
from flowlab.process import Child, ChildFailedError
from flowlab.stream import RAW, deserialize, read_journal
from tests.simulators.benches import Served

QUICK = {"flush_volumes": 1.2, "most_spectra": 4}
SCAN = {
    "nucleation_c": [280.0],
    "growth_offsets_c": [0.0, -10.0, -20.0, -30.0, -40.0, -50.0],
    "residence_time_s": 14.0,
    "steady": QUICK,
}
SPEED = 400.0


@pytest.fixture
def session(tmp_path):
    with Session("simulated-flow", tmp_path, simulate=True, speed=SPEED, seed=3) as session:
        yield session


def lab(session: Session) -> Served:
    assert session.control is not None
    return Served(None, session.addresses, session.control)  # type: ignore[arg-type]


def is_spectrum(message) -> bool:
    return message.name == "event" and "reactor_growth_c" in message.doc["data"]


def safe(truth: dict) -> bool:
    heaters = [truth["instruments"][name]["working_set_point_c"] for name in ("nucleation_heater", "growth_heater")]
    return heaters == [20.0, 20.0] and all(pump["rate_ml_min"] == 0 for pump in truth["pumps"].values())


def ignore(message) -> None:
    pass


@pytest.mark.timeout(180)
def test_the_exciton_is_followed_within_3_nm_of_the_plants_truth(session):
    truth: list[float] = []

    def watch(message):
        if is_spectrum(message):
            truth.append(lab(session).ask(truth=True)["exposed_species"]["exciton_nm"])

    outcome = session.run("temperature_scan", SCAN, watch)
    (exciton,) = [t for t in outcome.tracks if t["kind"] == "nc" and t["transition"] == "E1"]
    assert len(exciton["spectrum"]) == 6
    streams = _streams_of_spectra(outcome.stored.journal)
    at_points = [t for t, stream in zip(truth, streams, strict=True) if stream == "primary"]
    assert np.abs(exciton["wavelength_nm"] - at_points).max() < 3.0
    assert outcome.problems == []


def _streams_of_spectra(journal) -> list[str]:
    messages = list(read_journal(journal))
    streams = {m.doc["uid"]: m.doc["name"] for m in messages if m.name == "descriptor"}
    return [streams[m.doc["descriptor"]] for m in messages if is_spectrum(m)]


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
    assert safe(lab(session).ask(truth=True))
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
    assert safe(lab(session).ask(truth=True))


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
    assert safe(lab(session).ask(truth=True))


@pytest.mark.timeout(180)
def test_a_worker_that_is_cut_before_its_plan_begins_moves_nothing(session, tmp_path):
    with Child(
        "worker",
        "flowlab.daemon.worker",
        session._spec(plan="temperature_scan", parameters=SCAN),
        tmp_path / "worker.log",
    ) as worker:
        worker.cut()
        with pytest.raises(
            ChildFailedError, match="the plan was aborted before it began; the instrument is safe"
        ) as failure:
            worker.wait_for("done", 60)
    assert failure.value.exit_code == 130
    assert not list(session.store.journals())
    assert all(pump["rate_ml_min"] == 0 for pump in lab(session).ask(truth=True)["pumps"].values())


@pytest.mark.timeout(180)
@pytest.mark.parametrize("device", ["cadmium_pump", "growth_heater", "spectrometer"])
def test_an_instrument_that_is_unplugged_is_named_and_everything_else_is_made_safe(session, device):
    def watch(message):
        if is_spectrum(message):
            lab(session).ask(fault="unplug", device=device)

    with pytest.raises(ChildFailedError) as failure:
        session.run("temperature_scan", SCAN, watch)
    assert device in str(failure.value) or "nucleation_heater" in str(failure.value)  # they share a line
    lab(session).ask(fault="none", device=device)
    truth = lab(session).ask(truth=True)
    pumps = [name for name in truth["pumps"] if name != device]
    assert all(truth["pumps"][name]["rate_ml_min"] == 0 for name in pumps)
    if device != "growth_heater":
        assert truth["instruments"]["nucleation_heater"]["working_set_point_c"] == 20.0
        assert "NOT SAFE" not in str(failure.value) or device == "cadmium_pump"
    else:
        assert "NOT SAFE: nucleation_heater: " in str(failure.value)
    journals = [p for p in session.store.journals() if p.stem == "documents"]
    *_, last = read_journal(journals[0])
    assert (last.name, last.doc["exit_status"]) == ("stop", "fail")


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
    outcome = session.run("residence_time_scan", {"temperatures_c": [40.0], "residence_times_s": [4.5, 6.0]}, ignore)
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
def test_two_runs_in_one_session_are_kept_apart(session):
    first = session.run("residence_time_scan", {"temperatures_c": [40.0], "residence_times_s": [4.5]}, ignore)
    second = session.run("residence_time_scan", {"temperatures_c": [40.0], "residence_times_s": [5.5]}, ignore)
    assert first.run_uid != second.run_uid
    assert first.stored.folder != second.stored.folder
    assert second.problems == []
