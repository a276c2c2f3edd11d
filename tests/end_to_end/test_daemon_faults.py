"""Each way in which software dies in the midst of a plan: what the plant does then, the journal, the queue."""

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from flowlab.daemon.plan_queue import PlanQueue
from flowlab.errors import FlowlabError
from flowlab.stream import read_journal
from tests.daemons import LIMIT_S, Daemon, daemon
from tests.flowlab.cli.test_cli import addressed
from tests.instruments import UV_VIS
from tests.simulators.benches import served

#: So slow that what is in the syringes lasts for the slowest machine, and no plan ends by itself meanwhile.
SPEED = 60.0
SCAN = {
    "nucleation_c": [200.0],
    "growth_offsets_c": [0.0, -10.0, -20.0, -30.0],
    "residence_time_s": 60.0,
    "blank_c": None,
}
SHORT = {"temperatures_c": [40.0], "residence_times_s": [45.0, 60.0]}


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@contextlib.contextmanager
def hot(state: Path, **limits: float) -> Iterator[tuple[Daemon, dict[str, Any], str]]:
    """A daemon whose plan has begun a run, and whose reactor heats and flows; with its status, and the item's uid."""
    with daemon(state, "-c", str(written(state, **limits)), "--speed", str(SPEED)) as running:
        uid = begin(running)
        yield running, running.status(), uid


def written(state: Path, more: str = "", **limits: float) -> Path:
    """The file of the UV-vis lab with more tables, and with limits of the daemon's own."""
    file = state.parent / "lab.toml"
    table = "".join(f"{name} = {value}\n" for name, value in limits.items())
    file.write_text(f"{Path(UV_VIS).read_text(encoding='utf-8')}\n[daemon]\n{table}{more}", encoding="utf-8")
    return file


def begin(running: Daemon) -> str:
    uid = running.add("temperature_scan", **SCAN)
    running.ask("queue_start")
    running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
    wait_until(lambda: len(unsafe(running.truth())) >= 2, "the reactor heats and flows")
    return uid


def unsafe(truth: dict[str, Any]) -> set[str]:
    """Heaters that heat, or would, and pumps that pump, by the plant's truth."""
    set_points = {name: truth["instruments"][name]["working_set_point_c"] for name in truth["heaters"]}
    heaters = {name for name, heater in truth["heaters"].items() if heater["power_w"] or set_points[name] != 20.0}
    return heaters | {name for name, pump in truth["pumps"].items() if pump["rate_ml_min"]}


def wait_until(holds: Any, what: str) -> None:
    for _ in range(int(LIMIT_S / 0.02)):
        if holds():
            return
        threading.Event().wait(0.02)
    pytest.fail(f"never came: {what}")


def wait_until_safe(running: Daemon) -> None:
    wait_until(lambda: unsafe(running.truth()) == set(), "the plant is safe")


def journals(state: Path) -> list[list[Any]]:
    """The documents of each run, oldest first."""
    return [list(read_journal(path)) for path in sorted(state.glob("runs/*/documents.journal"))]


def stop_of(state: Path) -> dict[str, Any]:
    """The stop document of the one run; its counts are those of its events."""
    (messages,) = journals(state)
    last = messages[-1]
    assert last.name == "stop"
    names = {m.doc["uid"]: m.doc["name"] for m in messages if m.name == "descriptor"}
    counts = dict.fromkeys(names.values(), 0)
    for message in messages:
        if message.name == "event":
            counts[names[message.doc["descriptor"]]] += 1
    assert last.doc["num_events"] == counts
    return last.doc


def test_a_worker_that_is_killed_leaves_a_safe_plant_a_whole_journal_and_a_queue_that_waits_for_a_person(state):
    with hot(state) as (running, facts, uid):
        waiting = running.add("residence_time_scan", **SHORT)
        os.kill(facts["pids"]["worker"], signal.SIGKILL)
        wait_until_safe(running)
        facts = running.until(lambda facts: facts["state"] == "interrupted" and facts["safe"] is not None)
        assert facts["safe"] is True
        assert "killed by signal 9" in facts["why"]
        assert f"flowlab queue ack {uid}" in facts["why"]
        assert (facts["interrupted"]["item"], facts["interrupted"]["plan"]) == (uid, "temperature_scan")
        assert facts["interrupted"]["why"].startswith("worker: killed by signal 9 (log: ")
        stop = stop_of(state)
        assert stop["exit_status"] == "abort"
        assert "killed by signal 9" in stop["reason"]
        # Nothing is begun, neither again nor next, until somebody has acknowledged it.
        with pytest.raises(FlowlabError, match="was interrupted: .*acknowledge it: flowlab queue ack"):
            running.ask("queue_start")
        assert [item["item_uid"] for item in running.ask("queue_get")["items"]] == [waiting]
        running.ask("flowlab_queue_ack", {"uid": uid})
        (ended,) = running.ask("history_get")["items"]
        assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "interrupted")
        assert ended["result"]["run_uids"] == [stop["run_start"]]
        running.ask("queue_start")
        running.until(lambda facts: facts["queue"] == 0 and facts["state"] == "idle")
        assert [item["result"]["exit_status"] for item in running.ask("history_get")["items"]] == [
            "interrupted",
            "completed",
        ]
    assert len(journals(state)) == 2


def test_a_scan_that_was_interrupted_is_resumed_from_the_queue(state):
    with hot(state) as (running, facts, uid):
        running.until(lambda facts: facts["running"]["done"] >= 1)
        os.kill(facts["pids"]["worker"], signal.SIGKILL)
        running.until_state("interrupted")
        running.ask("flowlab_queue_ack", {"uid": uid})
        rest = running.ask("flowlab_queue_resume", {"uid": uid})["item"]
        assert rest["kwargs"] == SCAN
        running.ask("queue_start")
        facts = running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
        assert facts["running"]["done"] >= 1
        assert facts["running"]["of"] == len(SCAN["growth_offsets_c"])
        running.until_state("idle")
        assert running.ask("history_get")["items"][-1]["result"]["exit_status"] == "completed"
    first, second = (messages[0].doc for messages in journals(state))
    assert (second["resumes"], second["first_point"] + second["num_points"]) == (first["uid"], 4)
    assert second["first_point"] >= 1


def test_a_supervisor_that_is_killed_has_its_worker_make_the_plant_safe_and_comes_back_with_the_queue_whole(state):
    with served(str(UV_VIS), "--any-port", "--speed", str(SPEED)) as bench:
        file = addressed(state.parent / "my.toml", bench.addresses, SPEED)
        with daemon(state, "-c", str(file), "--no-simulate") as running:
            uid = running.add("temperature_scan", **SCAN)
            waiting = running.add("residence_time_scan", **SHORT)
            running.ask("queue_start")
            facts = running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
            wait_until(lambda: len(unsafe(bench.ask(truth=True))) >= 2, "the reactor heats and flows")
            family = psutil.Process(running.process.pid).children()
            running.process.kill()
            running.process.wait()
            wait_until(lambda: unsafe(bench.ask(truth=True)) == set(), "the plant is safe")
            _, left = psutil.wait_procs(family, timeout=LIMIT_S)
            assert not left
        stop = stop_of(state)
        assert stop["exit_status"] == "abort"
        with PlanQueue(state / "queue.sqlite") as queue:
            assert [item["item_uid"] for item in queue.items] == [waiting]
        with daemon(state, "-c", str(file), "--no-simulate") as running:
            facts = running.status()
            assert (facts["state"], facts["queue"], facts["safe"]) == ("interrupted", 1, True)
            running.ask("flowlab_queue_ack", {"uid": uid})
            (ended,) = running.ask("history_get")["items"]
            assert ended["result"]["run_uids"] == [stop["run_start"]]
            running.until_state("idle")
    assert len(journals(state)) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_aborts_the_plan_and_ends_everything_tidily(state, number, code):
    with served(str(UV_VIS), "--any-port", "--speed", str(SPEED)) as bench:
        file = addressed(state.parent / "my.toml", bench.addresses, SPEED)
        with hot_at(bench, state, file) as (running, uid):
            running.process.send_signal(number)
            running.process.send_signal(number)  # a second one changes nothing
            assert running.process.wait(LIMIT_S) == code
            assert unsafe(bench.ask(truth=True)) == set()
            assert not running.left()
    stop = stop_of(state)
    assert (stop["exit_status"], stop["reason"]) == ("abort", f"flowlab was ended by {number.name}")
    with PlanQueue(state / "queue.sqlite") as queue:
        assert queue.running is None
        (ended,) = queue.history
    assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "aborted")
    assert ended["result"]["run_uids"] == [stop["run_start"]]


@contextlib.contextmanager
def hot_at(bench: Any, state: Path, file: Path) -> Iterator[tuple[Daemon, str]]:
    """As :func:`hot`, on simulators that are there already."""
    with daemon(state, "-c", str(file), "--no-simulate") as running:
        uid = running.add("temperature_scan", **SCAN)
        running.ask("queue_start")
        running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
        wait_until(lambda: len(unsafe(bench.ask(truth=True))) >= 2, "the reactor heats and flows")
        yield running, uid


def test_a_worker_that_does_not_go_on_is_noticed_killed_and_the_plant_made_safe(state):
    """Stopped, it is alive, and its pipes are open: nothing but its silence tells."""
    with hot(state, stalled_s=3.0) as (running, facts, _):
        os.kill(facts["pids"]["worker"], signal.SIGSTOP)
        wait_until_safe(running)
        facts = running.until_state("interrupted")
        assert "nothing moved for 3 s: a device does not return; the worker was killed" in facts["why"]
        assert stop_of(state)["exit_status"] == "abort"


def test_a_pause_that_is_too_long_ends_in_the_safe_state(state):
    with hot(state, pause_s=1.0) as (running, _, uid):
        running.ask("re_pause", {"option": "immediate"})
        running.until(lambda facts: facts["state"] == "idle" and facts["safe"])
        assert unsafe(running.truth()) == set()
        (ended,) = running.ask("history_get")["items"]
        assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "aborted")
        assert "it was paused for more than 1 s; the plan was aborted" in ended["result"]["msg"]
    stop = stop_of(state)
    assert (stop["exit_status"], stop["reason"]) == ("abort", "it was paused for more than 1 s")


@pytest.mark.parametrize(
    ("method", "status", "document"), [("re_abort", "aborted", "abort"), ("re_stop", "stopped", "success")]
)
def test_a_plan_is_ended_from_outside_whether_it_runs_or_is_paused(state, method, status, document):
    with hot(state) as (running, _, _):
        running.ask(method, {"user": "anna"})
        running.until_state("idle")
        assert unsafe(running.truth()) == set()
        begin(running)
        running.ask("re_pause", {"option": "immediate"})
        running.until_state("paused")
        running.ask(method)
        assert running.until_state("idle")["safe"] is True
        assert unsafe(running.truth()) == set()
        ended = [item["result"] for item in running.ask("history_get")["items"]]
    assert [result["exit_status"] for result in ended] == [status, status]
    assert ended[0]["msg"].startswith(f"asked for by anna; the plan was {status}")
    assert ended[1]["msg"].startswith(f"asked for from outside; the plan was {status}")
    assert [messages[-1].doc["exit_status"] for messages in journals(state)] == [document, document]


def test_a_halted_plan_skips_its_clean_up_and_the_plant_is_made_safe_all_the_same(state):
    with hot(state) as (running, _, _):
        running.ask("re_halt")
        assert running.until_state("idle")["safe"] is True
        assert unsafe(running.truth()) == set()
        assert running.ask("history_get")["items"][0]["result"]["exit_status"] == "halted"
    assert journals(state)[0][-1].name == "stop"


def test_a_device_that_never_returns_is_noticed_by_the_silence_of_the_engine(state):
    hang = "\n[plans.hang]\nfunction = 'tests.end_to_end.hanging:hang'\ndevices = { reactor = 'reactor' }\n"
    with daemon(state, "-c", str(written(state, hang, stalled_s=3.0)), "--speed", str(SPEED)) as running:
        running.add("hang")
        running.ask("queue_start")
        facts = running.until(lambda facts: facts["state"] == "interrupted" and facts["safe"])
        assert "nothing moved for 3 s: a device does not return; the worker was killed" in facts["why"]
        assert unsafe(running.truth()) == set()
        assert stop_of(state)["exit_status"] == "abort"


def test_until_a_plan_has_ended_it_is_told_how_it_ends_and_why_and_that_the_queue_stops_with_it(state):
    hang = "\n[plans.hang]\nfunction = 'tests.end_to_end.hanging:hang'\ndevices = { reactor = 'reactor' }\n"
    file = written(state, hang, stalled_s=600.0, finish_s=600.0)
    with daemon(state, "-c", str(file), "--speed", str(SPEED)) as running:
        running.add("hang")
        running.ask("queue_start")
        assert running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])["ending"] is None
        running.ask("re_stop", {"user": "anna\n\x1b[2J"})
        ending = running.status()["ending"]
        assert (ending["how"], ending["why"]) == ("stop", "asked for by anna [2J")
        running.ask("re_halt", {"user": "bea"})  # stronger; an abort is weaker then
        running.ask("re_abort")
        assert running.status()["ending"] == {**ending, "how": "halt", "why": "asked for by bea"}
        with pytest.raises(FlowlabError, match="the plan is ending, and the queue stops with it"):
            running.ask("queue_stop_cancel")
        told = running.flowlab("status").stdout
        assert "ending: halt, asked for by bea; then the instrument is made safe" in told
        assert "ending: halt, asked for by bea; then the instrument is made safe" in running.flowlab("watch").stdout
        running.ask("environment_destroy")
        assert running.until_state("interrupted")["ending"] is None


def test_a_worker_whose_device_never_returns_ends_though_its_supervisor_is_gone_and_leaves_a_safe_plant(state):
    hang = (
        "\n[plans.hang]\nfunction = 'tests.end_to_end.hanging:hot_and_hang'\ndevices = { heater = 'growth_heater' }\n"
    )
    file = written(state, hang, finish_s=1.0, stalled_s=600.0)
    with served(UV_VIS, "--any-port", "--speed", str(SPEED)) as bench:
        file = addressed(file, bench.addresses, SPEED, str(file))
        with daemon(state, "-c", str(file), "--no-simulate") as running:
            running.add("hang")
            running.ask("queue_start")
            wait_until(lambda: unsafe(bench.ask(truth=True)) == {"growth_heater"}, "the heater heats")
            worker = psutil.Process(running.status()["pids"]["worker"])
            running.process.kill()
            running.process.wait()
            psutil.wait_procs([worker], timeout=LIMIT_S)
            assert not worker.is_running()
            wait_until(lambda: unsafe(bench.ask(truth=True)) == set(), "the plant is safe")


def test_a_journal_that_cannot_be_written_ends_the_plan_and_harms_nothing_that_was(state):
    with hot(state) as (running, facts, uid):
        (journal,) = state.glob("runs/*/documents.journal")
        worker = psutil.Process(facts["pids"]["worker"])
        full = journal.stat().st_size
        worker.rlimit(psutil.RLIMIT_FSIZE, (full, full))
        running.until(lambda facts: facts["state"] == "idle" and facts["safe"])
        assert unsafe(running.truth()) == set()
        (ended,) = running.ask("history_get")["items"]
        assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "failed")
        assert "cannot be written" in ended["result"]["msg"]
    stop = stop_of(state)
    assert stop["exit_status"] == "abort"
    assert "cannot be written" in stop["reason"]


@pytest.mark.parametrize(
    ("fault", "device", "says"),
    [
        ("unplug", "cadmium_pump", r"cadmium_pump: (cannot open|the line .* is lost)"),
        ("silence", "growth_heater", r"growth_heater: .*(no reply|not answer|within)"),
    ],
)
def test_a_wire_that_fails_is_told_with_device_and_request_and_ends_the_plan(state, fault, device, says):
    with hot(state) as (running, _, uid):
        running.simulators(fault=fault, device=device)
        wait_until(lambda: running.ask("history_get")["items"], "the item is history")
        facts = running.until_state("unsafe")
        assert facts["safe"] is False
        (ended,) = running.ask("history_get")["items"]
        assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "failed")
        assert re.search(says, ended["result"]["msg"])
        # What can be reached is safe; the rest is as soon as it can be.
        assert unsafe(running.truth()) <= {device}
        running.simulators(fault="none", device=device)
        running.until_state("idle")
        assert unsafe(running.truth()) == set()
    assert stop_of(state)["exit_status"] == "fail"


def test_an_interlock_ends_the_plan_and_nothing_begins_until_it_is_acknowledged(state):
    too_hot = (
        "\n[interlocks.too_hot]\nwhen = [{ device = 'growth_heater', signal = 'temperature_c', above = 60.0 }]\n"
        "action = 'safe'\nevery_s = 0.1\n"
    )
    file = written(state, too_hot)
    with daemon(state, "-c", str(file), "--speed", str(SPEED)) as running:
        begin(running)
        wait_until(lambda: running.ask("history_get")["items"], "the item is history")
        wait_until_safe(running)
        (ended,) = running.ask("history_get")["items"]
        assert re.match(r"interlock too_hot: growth_heater\.temperature_c is .*, above 60", ended["result"]["msg"])
        running.add("residence_time_scan", **SHORT)
        running.until_state("idle")
        with pytest.raises(
            FlowlabError, match="interlock too_hot tripped at .*acknowledge it: flowlab interlocks --ack"
        ):
            running.ask("queue_start")
    assert "interlock too_hot" in stop_of(state)["reason"]


@pytest.mark.parametrize("victim", ["analyzer", "writer"])
def test_a_run_is_not_touched_by_the_death_of_who_follows_it(state, victim):
    with daemon(state, "-c", str(UV_VIS), "--speed", "200") as running:
        running.add("residence_time_scan", **SHORT)
        running.ask("queue_start")
        facts = running.until(lambda facts: facts["pids"][victim] and facts["running"] and facts["running"]["run_uid"])
        dead = facts["pids"][victim]
        os.kill(dead, signal.SIGKILL)
        running.until(lambda facts: facts["pids"][victim] not in (None, dead))
        running.until_state("idle")
        (ended,) = running.ask("history_get")["items"]
        assert ended["result"]["exit_status"] == "completed"
        (folder,) = state.glob("runs/2*")
        wait_until(lambda: (folder / "run.nxs").exists(), "the file")
    (results,) = state.glob("runs/*/results.journal")
    *_, last = read_journal(results)
    assert (last.name, last.doc["exit_status"]) == ("stop", "success")


def test_what_only_a_run_needs_is_gone_a_while_after_it(state):
    with daemon(state, "-c", str(written(state, keep_s=0.5)), "--speed", "200", "--http", "none") as running:
        running.add("residence_time_scan", **SHORT)
        running.ask("queue_start")
        running.until(lambda facts: facts["pids"]["analyzer"] and facts["pids"]["writer"])
        facts = running.until(
            lambda facts: facts["state"] == "idle" and not (facts["pids"]["analyzer"] or facts["pids"]["writer"])
        )
        kept = {facts["pids"]["worker"], facts["pids"]["simulators"]}
        wait_until(
            lambda: {p.pid for p in psutil.Process(running.process.pid).children()} == kept, "only they are left"
        )


def test_the_safe_state_that_is_asked_for_ends_the_plan_and_is_told_of_each_device(state):
    with hot(state) as (running, _, uid):
        running.ask("flowlab_safe_state", {"dry_run": False})
        assert unsafe(running.truth()) == set()
        assert running.until_state("idle")["safe"] is True
        (ended,) = running.ask("history_get")["items"]
        assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "aborted")


def test_an_instrument_that_is_not_safe_when_it_starts_runs_nothing_until_it_is(state):
    with served(str(UV_VIS), "--any-port", "--speed", str(SPEED)) as bench:
        bench.ask(fault="unplug", device="nucleation_heater")
        file = addressed(state.parent / "my.toml", bench.addresses, SPEED)
        with daemon(state, "-c", str(file), "--no-simulate") as running:
            facts = running.until_state("unsafe")
            assert facts["safe"] is False
            assert "NOT SAFE: nucleation_heater: " in facts["why"]
            running.add("residence_time_scan", **SHORT)
            with pytest.raises(FlowlabError, match="NOT SAFE: nucleation_heater"):
                running.ask("queue_start")
            bench.ask(fault="none", device="nucleation_heater")
            running.ask("flowlab_safe_state", {"dry_run": False})
            assert running.until_state("idle")["safe"] is True
            assert running.status()["queue"] == 1
