"""The daemon from the command line: real processes, the simulated instrument, what is printed, exit codes."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from flowlab.errors import FlowlabError
from tests.daemons import Daemon, daemon
from tests.flowlab.cli.test_cli import complaint, flowlab
from tests.support import is_safe

#: So slow a flow that syringes last; a checkpoint comes every few seconds of real time.
SCAN = {"temperatures_c": [80.0], "residence_times_s": list(range(120, 150)), "steady": {"most_spectra": 2}}
WASH = {"volumes": 1.0}
THIRSTY = {
    "temperatures_c": list(range(40, 190, 10)),
    "residence_times_s": [10, 20, 30, 40],
    "steady": {"flush_volumes": 20, "between_volumes": 5, "most_spectra": 12},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for all tests that run nothing."""
    with daemon(tmp_path_factory.mktemp("lab") / "state", "--speed", "50") as running:
        yield running


@pytest.fixture
def empty(lab: Daemon) -> Daemon:
    lab.ask("queue_clear")
    return lab


def done(result: subprocess.CompletedProcess[str]) -> str:
    """What a command that does well prints."""
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def refused(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert (result.returncode, result.stdout) == (code, ""), result
    return complaint(result)


def add(at: Daemon, plan: str, parameters: object, *options: str) -> str:
    return done(at.flowlab("queue", "add", plan, json.dumps(parameters), *options)).strip()


def queued(at: Daemon) -> list[str]:
    return [item["item_uid"] for item in json.loads(done(at.flowlab("queue", "list", "--json")))]


def test_it_says_where_it_is_and_when_it_can_be_used(lab):
    addresses = lab.until(lambda _: lab.said.endswith("Ctrl-C ends it\n"))["addresses"]
    words = [line.split(maxsplit=1) for line in lab.said.splitlines()]
    assert words[:4] == [[name, addresses[name]] for name in ("control", "documents", "http", "faults")]
    assert lab.said.endswith("simulated-flow is idle; Ctrl-C ends it\n")


def test_status_says_it_in_words_and_as_json(empty):
    assert done(empty.flowlab("status")) == "simulated-flow is idle; the instrument is safe\n0 in the queue\n"
    facts = json.loads(done(empty.flowlab("status", "--json")))
    contract = {"state", "pids", "addresses", "queue", "running", "safe"}
    pending = {
        "ending",
        "stop_pending",
        "pause_pending",
        "pause_limit_s",
        "interrupted",
        "latched",
        "queue_uid",
        "history_uid",
    }
    assert set(facts) == contract | pending | {"why", "instrument", "config", "data", "environment"}
    assert set(facts["pids"]) == {"supervisor", "worker", "analyzer", "writer", "simulators", "web"}
    assert set(facts["addresses"]) == {"control", "control_also", "documents", "replay", "http", "faults"}
    assert [facts[key] for key in ("stop_pending", "pause_pending", "interrupted")] == [False, False, None]
    assert facts["pause_limit_s"] == 900.0
    assert (facts["state"], facts["queue"], facts["running"], facts["safe"]) == ("idle", 0, None, True)
    assert facts["pids"]["supervisor"] == empty.process.pid


def test_items_are_listed_moved_and_removed(empty):
    assert done(empty.flowlab("queue", "list")) == "the queue is empty\n"
    first = add(empty, "wash", WASH)
    second = add(empty, "wash", WASH)
    third = add(empty, "wash", {"volumes": 2.0}, "--front")
    assert queued(empty) == [third, first, second]
    assert f'{third}  wash {{"volumes": 2.0}}\n' in done(empty.flowlab("queue", "list"))
    assert done(empty.flowlab("queue", "move", third, "back")) == ""
    done(empty.flowlab("queue", "move", second, "0"))
    assert queued(empty) == [second, first, third]
    assert "3 in the queue" in done(empty.flowlab("status"))
    done(empty.flowlab("queue", "remove", first))
    assert queued(empty) == [second, third]
    assert first in refused(empty.flowlab("queue", "remove", first), 2)
    assert "'middle'" in refused(empty.flowlab("queue", "move", second, "middle"), 2)
    done(empty.flowlab("queue", "clear"))
    assert queued(empty) == []


def test_the_queue_can_be_made_a_loop(empty):
    for word, on in (("true", True), ("false", False)):
        done(empty.flowlab("queue", "loop", word))
        assert empty.ask("status")["plan_queue_mode"]["loop"] is on


@pytest.mark.parametrize(
    ("plan", "parameters", "why"),
    [
        ("boil", "{}", "simulated-flow has no plan 'boil'; there are calibrate_q"),
        ("wash", '{"volumes": 1, "soap": true}', "soap"),
        ("wash", '{"volumes": -1}', "volumes"),
        ("residence_time_scan", '{"temperatures_c": [900], "residence_times_s": [120]}', "900"),
        ("residence_time_scan", '{"temperatures_c": [40]}', "residence_times_s"),
        ("residence_time_scan", json.dumps(THIRSTY), "but by the configuration there are 1050 mL in syringe and"),
        ("wash", "[]", "give a JSON object"),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_line_and_not_queued(empty, plan, parameters, why):
    assert why in refused(empty.flowlab("queue", "add", plan, parameters), 2)
    assert empty.status()["queue"] == 0


def test_preflight_says_what_a_plan_would_do_and_queues_nothing(empty):
    told = json.loads(done(empty.flowlab("queue", "add", "wash", json.dumps(WASH), "--preflight")))
    assert (told["plan"], told["steps"][0]["does"]) == ("wash", "wash with 1 volumes")
    assert told["total"]["volumes_ml_at_most"]["solvent"] < told["available_ml"]["solvent"]
    assert (told["points"], told["highest_c"]) == (None, None)
    assert empty.status()["queue"] == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("queue", "start"), "the queue is empty; flowlab queue add PLAN"),
        (("queue", "stop"), "the queue is not running"),
        (("queue", "stop", "--cancel"), "the queue is not running"),
        (("pause",), "no plan is running"),
        (("pause", "--now"), "no plan is running"),
        (("resume",), "no plan is paused"),
        (("abort",), "no plan is running"),
        (("halt",), "no plan is running"),
    ],
)
def test_where_nothing_runs_there_is_nothing_to_end(empty, words, why):
    assert why in refused(empty.flowlab(*words), 1)


def test_there_is_nothing_to_acknowledge(empty):
    assert "there is nothing to acknowledge" in refused(empty.flowlab("queue", "ack", "0815"), 2)


def test_a_second_daemon_on_the_same_state_is_refused_and_told_who_has_it(lab):
    second = lab.flowlab("up", "--speed", "50")
    assert f"is held by another flowlab for simulated-flow, process {lab.process.pid}" in refused(second, 2)
    assert lab.status()["state"] == "idle"


@pytest.mark.parametrize("command", [("status",), ("queue", "list"), ("abort",)])
def test_where_there_is_no_daemon_it_says_what_to_do(tmp_path, monkeypatch, command):
    monkeypatch.setenv("FLOWLAB_STATE", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert "no flowlab daemon at ipc://" in refused(flowlab(*command), 1)
    assert "start one with: flowlab up" in complaint(flowlab(*command))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-c", "nowhere.toml"), "nowhere.toml: there is no such file"),
        (("--control", "tcp://0.0.0.0:60617"), "only addresses of this machine, as 127.0.0.1, are served without keys"),
        (("--control", "127.0.0.1"), "is no address"),
        (("-c", "lab-serial", "--simulate"), "keys are still to be filled in"),
        (("--http", "here"), "is not of the form HOST:PORT"),
    ],
)
def test_what_cannot_be_started_is_refused_before_anything_is(tmp_path, words, why):
    with daemon(tmp_path / "state", *words, wait=False) as running:
        assert running.process.wait(60) == 2
        assert why in running.complaints
        assert len(running.complaints.splitlines()) == 1
        assert running.said == ""
        assert list(running.runtime.glob("*/*")) == []
        assert list((tmp_path / "state").glob("logs/*.log")) == []


def test_it_can_be_asked_over_tcp_on_this_machine(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with daemon(tmp_path / "state", "--speed", "50", "--control", address) as running:
        assert running.status()["addresses"]["control_also"] == address
        assert "is idle" in done(running.flowlab("status"))
        assert "is idle" in done(flowlab("status", "--address", address))


def test_signals_end_it_with_everything_that_it_started_and_the_queue_is_kept(tmp_path):
    state = tmp_path / "state"
    with daemon(state, "--speed", "50") as running:
        uid, waiting = add(running, "residence_time_scan", SCAN), add(running, "wash", WASH)
        done(running.flowlab("queue", "start"))
        running.until(lambda facts: facts["running"] and facts["running"]["run_uid"] and facts["pids"]["analyzer"])
        running.ask("lock", {"lock_key": "a key", "user": "marie", "note": "hands off", "queue": True})
        pids = [pid for pid in running.status()["pids"].values() if pid is not None]
        assert len(pids) == 6
        assert running.end(signal.SIGINT) == 130
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []
        assert list(running.runtime.glob("flowlab-*")) == []
        with pytest.raises(FlowlabError, match="no flowlab daemon"):
            running.ask("ping")
    with daemon(state, "--speed", "50") as running:
        assert queued(running) == [waiting]
        (ended,) = json.loads(done(running.flowlab("queue", "list", "--history", "--json")))
        assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "aborted")
        assert "flowlab was ended by SIGINT" in ended["result"]["msg"]
        assert "hands off" in refused(running.flowlab("queue", "clear"), 1)
        assert is_safe(running.truth())
        assert running.end(signal.SIGTERM) == 143
        assert running.left() == []


def test_a_plan_is_paused_resumed_and_ended(tmp_path):
    with daemon(tmp_path / "state", "--speed", "50") as running:
        uids = [add(running, "residence_time_scan", SCAN) for _ in range(2)]
        for uid, command, how in zip(uids, ("abort", "halt"), ("aborted", "halted"), strict=True):
            done(running.flowlab("queue", "start"))
            running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
            done(running.flowlab("pause", "--now"))
            running.until_state("paused")
            told = done(running.flowlab("status")).splitlines()
            assert told[0].startswith("simulated-flow is paused; the instrument is not in its safe state")
            assert told[1] == f"residence_time_scan: 0 of 30 points, item {uid}"
            done(running.flowlab("resume"))
            running.until_state("running")
            assert running.until(lambda facts: not facts["why"])["running"]["item"] == uid
            done(running.flowlab(command))
            running.until(lambda facts: facts["state"] == "idle" and facts["safe"])
            assert is_safe(running.truth())
            assert f"  {how}: " in done(running.flowlab("queue", "list", "--history")).splitlines()[-1]
        assert running.end() == 143


def test_status_tells_what_is_to_come(tmp_path):
    with daemon(tmp_path / "state", "--speed", "50") as running:
        add(running, "residence_time_scan", SCAN)
        done(running.flowlab("queue", "start"))
        running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
        for options, pending in (((), True), (("--cancel",), False)):
            done(running.flowlab("queue", "stop", *options))
            assert running.status()["stop_pending"] is pending
        running.ask("re_pause", {"option": "deferred"})
        facts = running.status()
        assert facts["pause_pending"] or facts["state"] == "paused"
        assert running.until_state("paused")["pause_pending"] is False


def test_the_safe_state_is_asked_of_the_daemon_that_has_the_instrument(tmp_path):
    with daemon(tmp_path / "state", "--speed", "50") as running:
        add(running, "residence_time_scan", SCAN)
        done(running.flowlab("queue", "start"))
        running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
        worker = running.status()["pids"]["worker"]
        rehearsed = done(running.flowlab("safe-state", "--dry-run")).splitlines()
        assert running.status()["state"] == "running"
        table = [line.split(maxsplit=1) for line in done(running.flowlab("safe-state")).splitlines()]
        assert [name for name, _ in table] == [line.split()[0] for line in rehearsed]
        assert {how for _, how in table} == {"safe"}
        assert is_safe(running.truth())
        facts = running.until_state("idle")
        assert (facts["safe"], facts["pids"]["worker"]) == (True, worker)
        (ended,) = running.ask("history_get")["items"]
        assert ended["result"]["exit_status"] == "aborted"
        assert "the safe state was asked for" in ended["result"]["msg"]

        running.simulators(fault="silence", device="selenium_pump")
        result = running.flowlab("safe-state")
        lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
        assert result.returncode == 1
        assert complaint(result) == "flowlab: not everything is safe"
        assert lines.pop("selenium_pump").startswith("NOT SAFE: selenium_pump")
        assert set(lines.values()) == {"safe"}
        assert "NOT SAFE: selenium_pump" in done(running.flowlab("status"))
        running.simulators(fault="none", device="selenium_pump")
        assert "NOT SAFE" not in done(running.flowlab("safe-state"))
        assert running.until_state("idle")["safe"] is True
        assert running.end() == 143
