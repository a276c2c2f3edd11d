"""What can be asked over HTTP, by whom, and what is answered; real processes, real sockets."""

import json

import pytest

from flowlab.daemon.tokens import Role
from tests.flowlab.web.daemon import DEVICES, PLANS
from tests.flowlab.web.served import Served, served

UID = "00000000-0000-0000-0000-000000000000"
SCAN = {"plan": "scan", "parameters": {"temperature_c": 280.0}}
READING = [
    ("GET", "/api/v1/status", None),
    ("GET", "/api/v1/queue", None),
    ("GET", "/api/v1/history", None),
    ("GET", "/api/v1/plans", None),
    ("GET", "/api/v1/plans/scan", None),
    ("GET", "/api/v1/devices", None),
    ("GET", "/api/v1/interlocks", None),
    ("POST", "/api/v1/plans/scan/preflight", {"parameters": {}}),
    ("GET", "/metrics", None),
]
CHANGING = [
    ("POST", "/api/v1/queue", SCAN),
    ("PUT", f"/api/v1/queue/{UID}", SCAN),
    ("DELETE", f"/api/v1/queue/{UID}", None),
    ("POST", f"/api/v1/queue/{UID}/move", {"index": 0}),
    ("DELETE", "/api/v1/queue", None),
    ("POST", "/api/v1/queue/start", None),
    ("POST", "/api/v1/queue/stop", None),
    ("POST", f"/api/v1/history/{UID}/resume", None),
    ("POST", "/api/v1/ack", {"uid": UID}),
    ("POST", "/api/v1/interlocks/scan/acknowledge", None),
    *(("POST", f"/api/v1/{how}", None) for how in ("pause", "resume", "stop", "abort")),
    ("POST", "/api/v1/safe-state", {"dry_run": True}),
    ("POST", "/api/v1/environment/open", None),
    ("POST", "/api/v1/environment/close", None),
]
KILLING = [("POST", "/api/v1/halt", None), ("POST", "/api/v1/environment/destroy", None)]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with served(tmp_path_factory.mktemp("web")) as one:
        yield one


@pytest.fixture
def empty(web: Served):
    """The same, with nothing queued and the environment closed."""
    web.tell_daemon("queue_clear")
    web.tell_daemon("environment_close")
    return web


def test_the_routes_tested_here_are_all_there_are(web):
    there = {
        (method.upper(), path.replace("{uid}", UID).replace("{name}", "scan"))
        for path, methods in web.ask("GET", "/api/v1/openapi.json").json()["paths"].items()
        for method in methods
    }
    tested = {(method, path) for method, path, _ in READING + CHANGING + KILLING}
    assert there - tested == {("GET", "/healthz"), ("GET", "/api/v1/events")}
    assert tested <= there


@pytest.mark.parametrize(("method", "path", "body"), READING)
def test_reading_needs_no_token_on_this_machine_but_no_wrong_one_either(web, method, path, body):
    for who in (None, "viewer", "operator", "admin"):
        assert web.ask(method, path, who, json=body).status_code == 200, who
    for who in ("expired", "wrong"):
        assert web.ask(method, path, who, json=body).status_code == 401, who


@pytest.mark.parametrize(("method", "path", "body"), [*READING, ("GET", "/api/v1/events", None)])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_reading_through_a_proxy_needs_a_token(web, method, path, body, header):
    through = {header: "127.0.0.1"}
    assert web.ask(method, path, json=body, headers=through).status_code == 401
    if path != "/api/v1/events":
        assert web.ask(method, path, "viewer", json=body, headers=through).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGING + KILLING)
def test_changing_needs_a_token_of_the_right_role(empty, method, path, body):
    allowed = ("admin",) if (method, path, body) in KILLING else ("operator", "admin")
    for who in (None, "expired", "wrong"):
        answer = empty.ask(method, path, who, json=body)
        assert answer.status_code == 401, who
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for role in Role:
        answer = empty.ask(method, path, role.value, json=body)
        assert (answer.status_code not in (401, 403)) == (role in allowed), role
        if role not in allowed:
            assert answer.status_code == 403
            assert f"the token of {role} is for a {role}" in answer.json()["detail"]


def test_refusals_are_logged_and_tokens_never_are(web):
    web.ask("POST", "/api/v1/halt", "operator")
    web.ask("POST", "/api/v1/halt", "a-wrong-token")
    web.ask("POST", "/api/v1/halt", "expired")
    assert "refused: POST '/api/v1/halt' from 127.0.0.1: this needs the role admin" in web.log
    assert "the token is not known here" in web.log
    assert "the token of late has expired" in web.log
    assert not [token for token in (*web.tokens.values(), "a-wrong-token") if token in web.log]


@pytest.mark.parametrize("header", ["", "Bearer", "Basic {}", "{}", "Token {}"])
def test_a_token_is_taken_as_a_bearer_token_only(web, header):
    given = {"Authorization": header.format(web.tokens["admin"])}
    assert web.ask("POST", "/api/v1/queue/stop", headers=given).status_code == 401


@pytest.mark.parametrize("name", ["token", "access_token", "authorization"])
def test_a_token_in_the_url_is_worth_nothing(web, name):
    assert web.ask("POST", f"/api/v1/queue/stop?{name}={web.tokens['admin']}").status_code == 401


def test_a_token_made_or_removed_while_it_runs_counts(web):
    token = web.kept.new("passing", Role.OPERATOR, None)
    assert web.ask("POST", "/api/v1/queue/stop", token).status_code == 200
    web.kept.remove("passing")
    assert web.ask("POST", "/api/v1/queue/stop", token).status_code == 401


def test_a_queue_is_filled_changed_run_and_emptied(empty):
    added = empty.ask("POST", "/api/v1/queue", "operator", json=SCAN)
    assert added.status_code == 201
    first = added.json()["item"]
    assert (first["name"], first["kwargs"], first["user"]) == ("scan", SCAN["parameters"], "operator")
    front = {"plan": "wash", "place": {"index": 0}}
    second = empty.ask("POST", "/api/v1/queue", "operator", json=front).json()["item"]
    after = {"plan": "wash", "place": {"after": second["item_uid"]}}
    third = empty.ask("POST", "/api/v1/queue", "operator", json=after).json()["item"]

    def queued() -> list[str]:
        return [item["item_uid"] for item in empty.ask("GET", "/api/v1/queue").json()["items"]]

    a, b, c = (item["item_uid"] for item in (first, second, third))
    assert queued() == [b, c, a]
    assert empty.ask("POST", f"/api/v1/queue/{a}/move", "operator", json={"before": b}).status_code == 200
    assert queued() == [a, b, c]
    assert empty.ask("POST", f"/api/v1/queue/{a}/move", "operator", json={"index": -1}).status_code == 200
    assert queued() == [b, c, a]
    assert empty.ask("PUT", f"/api/v1/queue/{b}", "operator", json=SCAN).json()["item"]["name"] == "scan"
    assert empty.ask("DELETE", f"/api/v1/queue/{c}", "operator").status_code == 200
    assert queued() == [b, a]

    refused = empty.ask("POST", "/api/v1/queue/start", "operator")
    assert (refused.status_code, refused.json()) == (409, {"detail": "the environment is not open"})
    assert empty.ask("POST", "/api/v1/environment/open", "operator").status_code == 200
    assert empty.ask("POST", "/api/v1/queue/start", "operator").status_code == 200
    assert empty.ask("POST", "/api/v1/ack", "operator", json={"uid": a}).status_code == 422
    assert empty.ask("POST", "/api/v1/ack", "operator", json={"uid": b}).status_code == 200
    (ended,) = empty.ask("GET", "/api/v1/history?newest=1").json()["items"]
    assert (ended["item_uid"], ended["result"]["exit_status"]) == (b, "interrupted")
    resumed = empty.ask("POST", f"/api/v1/history/{b}/resume", "operator").json()["item"]["item_uid"]
    assert queued() == [resumed, a]
    assert empty.ask("DELETE", "/api/v1/queue", "operator").status_code == 200
    assert queued() == []


def test_an_interlock_that_tripped_is_told_and_acknowledged_by_whom_the_token_names(empty):
    acknowledge = "/api/v1/interlocks/flood/acknowledge"
    assert empty.ask("GET", "/api/v1/interlocks").json() == {"latched": {"fire": None, "flood": None}}
    empty.tell_daemon("test_flood", lasts=True)
    latched = empty.ask("GET", "/api/v1/interlocks").json()["latched"]
    assert latched["fire"] is None
    assert latched["flood"]["reason"] == "the cell\nleaks"
    for who in (None, "viewer"):
        assert empty.ask("POST", acknowledge, who).status_code in (401, 403)
    again = empty.ask("POST", acknowledge, "operator")
    assert again.status_code == 409
    assert "was acknowledged, and tripped again at once: the cell leaks" in again.json()["detail"]
    empty.tell_daemon("test_flood", lasts=False)
    done = empty.ask("POST", acknowledge, "admin")
    assert (done.status_code, done.json()) == (200, {"latched": {"fire": None, "flood": None}})
    record = next(empty.folder.glob("interlocks-lab/acknowledged.jsonl")).read_text().splitlines()
    assert [json.loads(line)["by"] for line in record] == ["operator", "admin"]


@pytest.mark.parametrize(("index", "at"), [(0, 0), (1, 1), (3, 3), (-1, 3), (-2, 2), (-4, 0)])
def test_an_item_comes_to_the_index_that_was_asked_for(empty, index, at):
    for _ in range(3):
        empty.ask("POST", "/api/v1/queue", "operator", json=SCAN)
    new = empty.ask("POST", "/api/v1/queue", "operator", json={"plan": "wash", "place": {"index": index}})
    items = empty.ask("GET", "/api/v1/queue").json()["items"]
    assert [item["item_uid"] for item in items].index(new.json()["item"]["item_uid"]) == at


def test_plans_and_devices_are_told(web):
    assert web.ask("GET", "/api/v1/plans").json() == {"plans": PLANS}
    assert web.ask("GET", "/api/v1/plans/scan").json() == PLANS["scan"]
    assert web.ask("GET", "/api/v1/devices").json() == {"devices": DEVICES}
    assert web.ask("POST", "/api/v1/plans/scan/preflight", json={"parameters": {}}).json()["steps"] == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "why"),
    [
        ("GET", "/api/v1/plans/no", None, 404, "there is no plan 'no'"),
        ("GET", "/api/v1/plans/..%2f..%2fetc%2fpasswd", None, 404, "Not Found"),
        ("GET", "/api/v1/plans/%2e%2e", None, 404, "there is no plan '..'"),
        ("GET", "/api/v1/plans/a%00b", None, 404, "there is no plan"),
        ("GET", "/api/v1/plans/" + "a" * 300, None, 422, "at most 200 characters"),
        ("GET", "/api/v1/%2e%2e/%2e%2e/etc/passwd", None, 404, "Not Found"),
        ("GET", "/", None, 404, "Not Found"),
        ("PATCH", "/api/v1/queue", None, 405, "Method Not Allowed"),
        ("DELETE", f"/api/v1/queue/{UID}", None, 404, "there is no item"),
        ("POST", f"/api/v1/history/{UID}/resume", None, 404, "there is no item"),
        ("POST", "/api/v1/plans/no/preflight", {"parameters": {}}, 404, "there is no plan 'no'"),
        ("POST", "/api/v1/plans/scan/preflight", {"parameters": {"x": 1}}, 422, "no parameter is called x"),
        ("POST", "/api/v1/queue", {"plan": "no"}, 422, "there is no plan 'no'"),
        ("POST", "/api/v1/queue", {"plan": "scan", "x": 1}, 422, "body.x: Extra inputs are not permitted"),
        ("POST", "/api/v1/queue", {"plan": "scan", "place": {}}, 422, "give one place"),
        ("POST", "/api/v1/queue", {"plan": "scan", "place": {"before": "x"}}, 422, "the queue has no item 'x'"),
        ("POST", "/api/v1/interlocks/no/acknowledge", None, 404, "there is no interlock 'no'; there are: fire, flood"),
        ("POST", "/api/v1/interlocks/fire/acknowledge", None, 422, "'fire' is not latched; latched are: none"),
        ("POST", f"/api/v1/interlocks/{'a' * 300}/acknowledge", None, 422, "at most 200 characters"),
        ("POST", "/api/v1/pause", {"deferred": False}, 409, "nothing runs"),
        ("POST", "/api/v1/stop", None, 409, "nothing runs that admin could end"),
        ("POST", "/api/v1/abort", None, 409, "nothing runs that admin could end"),
        ("POST", "/api/v1/halt", None, 409, "nothing runs that admin could end"),
        ("GET", "/api/v1/history?newest=0", None, 422, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(empty, method, path, body, status, why):
    answer = empty.ask(method, path, "admin", json=body)
    assert answer.status_code == status
    (detail,) = answer.json().values()
    assert why in detail
    assert "\n" not in detail


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/queue", {"GET", "POST", "DELETE"}),
        (f"/api/v1/queue/{UID}", {"PUT", "DELETE"}),
        ("/api/v1/queue/start", {"POST"}),
        ("/healthz", {"GET"}),
    ],
)
def test_what_can_be_done_with_a_path_is_told_to_who_tries_something_else(web, path, allowed):
    answer = web.ask("PATCH", path, "admin")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("dry_run", [0, 1, "false", "no", None, []])
def test_whether_it_is_a_rehearsal_is_said_plainly_or_refused(web, dry_run):
    answer = web.ask("POST", "/api/v1/safe-state", "operator", json={"dry_run": dry_run})
    assert answer.status_code == 422
    assert web.ask("POST", "/api/v1/safe-state", "operator", json={"dry_run": True}).json() == {
        "outcome": {"pump": "stop"}
    }


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"plan": "scan", "parameters": {"temperature_c": NaN}}', 422),
        (b'{"plan": "\\ud800"}', 422),
        (b'{"plan": "scan", "parameters": {"temperature_c": ' + b"9" * 5000 + b"}}", 400),
        (b"\xff", 400),
        (b"null", 422),
    ],
)
def test_what_is_no_proper_json_is_told_so(empty, text, status):
    answer = empty.ask("POST", "/api/v1/queue", "admin", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["detail"]
