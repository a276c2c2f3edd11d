"""What is told of a daemon that changes, falls silent, dies and comes back."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowlab.daemon.keys import Keys
from flowlab.errors import BadInputError
from flowlab.process import Child
from tests.flowlab.web.served import Served, served


@pytest.fixture
def web(tmp_path):
    with served(tmp_path) as one:
        yield one


@contextlib.contextmanager
def events(web: Served) -> Iterator[Iterator[tuple[str, dict]]]:
    """Names and data of the events that come."""
    with web.client.stream("GET", "/api/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _parsed(answer)


def _parsed(answer: httpx.Response) -> Iterator[tuple[str, dict]]:
    name = ""
    for line in answer.iter_lines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def until(condition, limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def health(web: Served) -> tuple[int, dict]:
    answer = web.ask("GET", "/healthz")
    return answer.status_code, answer.json()


def metrics(web: Served) -> dict[tuple, float]:
    families = text_string_to_metric_families(web.ask("GET", "/metrics").text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_changes_are_told_when_they_happen_and_heartbeats_each_second(web):
    with events(web) as come:
        name, facts = next(come)
        assert (name, facts["state"], facts["queue"]) == ("status", "idle", 0)
        quiet = time.monotonic()
        assert next(come)[0] == "heartbeat"
        assert next(come)[0] == "heartbeat"
        assert 1.5 < time.monotonic() - quiet < 4
        web.tell_daemon("test_set", state="running")
        changed = time.monotonic()
        name, facts = next(event for event in come if event[0] != "heartbeat")
        assert (name, facts["state"]) == ("status", "running")
        assert time.monotonic() - changed < 1


def test_many_viewers_cost_the_daemon_what_one_does(web):
    def asked() -> int:
        return web.tell_daemon("test_count")["count"].get("flowlab_status", 0)

    with contextlib.ExitStack() as stack:
        come = [stack.enter_context(events(web)) for _ in range(20)]
        for one in come:
            assert next(one)[0] == "status"
        before, began = asked(), time.monotonic()
        for one in come:
            assert next(one)[0] == "heartbeat"
        most = 6 * (time.monotonic() - began) + 2
        assert asked() - before <= most
    threading.Event().wait(0.5)
    before = asked()
    threading.Event().wait(0.5)
    assert asked() == before  # nobody listens, nobody asks


def test_those_who_listen_are_told_that_the_daemon_is_gone_and_that_it_is_back(web):
    with events(web) as come:
        next(come)
        web.daemon.kill()
        name, facts = next(event for event in come if event[0] != "heartbeat")
        assert name == "lost"
        assert "daemon" in facts["why"]
        web.daemon.close()
        web.start_daemon()
        name, facts = next(event for event in come if event[0] == "status")
        assert facts["pids"] == {"supervisor": web.daemon.pid}


def test_health_tells_that_the_daemon_died_and_that_it_is_back(web):
    assert health(web) == (200, {"ok": True, "state": "idle", "why": None})
    web.daemon.kill()
    web.daemon.close()
    until(lambda: health(web)[0] == 503)
    until(lambda: health(web) == (503, {"ok": False, "state": None, "why": web_says_nobody_is_there}))
    refused = web.ask("GET", "/api/v1/queue")
    assert (refused.status_code, refused.json()) == (503, {"detail": web_says_nobody_is_there})
    assert metrics(web) == {("flowlab_up",): 0.0}
    web.start_daemon()
    until(lambda: health(web)[0] == 200)
    assert web.ask("GET", "/api/v1/queue").status_code == 200


web_says_nobody_is_there = "no daemon is there to answer; start it with flowlab up"


def test_what_was_asked_of_a_daemon_that_is_gone_is_not_done_by_the_next(web):
    web.daemon.kill()
    web.daemon.close()
    until(lambda: health(web)[0] == 503)
    for _ in range(3):
        assert web.ask("POST", "/api/v1/queue", "operator", json={"plan": "scan"}).status_code == 503
    web.start_daemon()
    until(lambda: health(web)[0] == 200)
    assert web.ask("GET", "/api/v1/queue").json()["items"] == []
    assert "queue_item_add" not in web.tell_daemon("test_count")["count"]


def test_a_daemon_that_is_silent_is_told_from_one_that_is_not_there(web):
    assert web.ask("GET", "/api/v1/queue").status_code == 200
    os.kill(web.daemon.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = web.ask("POST", "/api/v1/queue/stop", "operator")
        assert answer.status_code == 504
        assert "did not answer within 1 s; whether it did what it was asked for is not known" in answer.json()["detail"]
        assert time.monotonic() - began < 3
        assert health(web)[0] == 503
    finally:
        os.kill(web.daemon.pid, signal.SIGCONT)
    until(lambda: health(web)[0] == 200)


def test_many_questions_are_under_way_at_once(web):
    answers: list[int] = []

    def ask() -> None:
        answers.extend(web.ask("GET", "/api/v1/plans").status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 100


def test_numbers_are_told_to_prometheus(web):
    assert metrics(web)["flowlab_state", "idle"] == 1
    web.ask("POST", "/api/v1/environment/open", "operator")
    uid = web.ask("POST", "/api/v1/queue", "operator", json={"plan": "scan"}).json()["item"]["item_uid"]
    web.ask("POST", "/api/v1/queue", "operator", json={"plan": "wash"})
    web.ask("POST", "/api/v1/queue/start", "operator")
    threading.Event().wait(0.15)  # an answer may be a tenth of a second old
    numbers = metrics(web)
    assert (numbers["flowlab_state", "interrupted"], numbers["flowlab_state", "idle"]) == (1, 0)
    assert numbers["flowlab_queue_length",] == 1
    assert numbers["flowlab_environment_open",] == 1
    assert numbers["flowlab_safe",] == 1
    assert numbers["flowlab_process_resident_bytes", "supervisor"] > 1e6
    assert 0 <= numbers["flowlab_process_age_seconds", "supervisor"] < 600
    web.ask("POST", "/api/v1/ack", "operator", json={"uid": uid})
    web.tell_daemon("test_set", safe=None)
    threading.Event().wait(0.15)
    numbers = metrics(web)
    assert numbers["flowlab_history_items", "interrupted"] == 1
    assert numbers["flowlab_history_runs",] == 1
    assert numbers["flowlab_safe",] != numbers["flowlab_safe",]


def test_it_ends_when_its_lifeline_is_cut_though_somebody_listens(web):
    with events(web) as come:
        next(come)
        began = time.monotonic()
        assert web.web.close(10) == 0
        assert time.monotonic() - began < 3
        assert [name for name, _ in come if name not in ("heartbeat", "status")] == []


def test_it_ends_with_a_signal(web):
    os.kill(web.web.pid, signal.SIGTERM)
    until(lambda: not web.web.alive)
    assert web.web.close() == 0


def test_a_key_file_that_is_none_keeps_it_from_starting(tmp_path):
    Keys(tmp_path / "keys").server()
    spec = {"control": "tcp://127.0.0.1:1", "keys": str(tmp_path / "keys" / "server.key_secret")}
    with (
        Child("web", "flowlab.web", spec, tmp_path / "log") as child,
        pytest.raises(BadInputError, match="no client's"),
    ):
        child.wait_for("ready", 30)
