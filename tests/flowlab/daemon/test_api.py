"""The control API: what is asked is done or refused in words, and answered in the shapes that stock clients know."""

import asyncio
import subprocess
import sys

import pytest

from flowlab.daemon.api import Api
from flowlab.daemon.desk import RunFacts
from flowlab.daemon.methods import ENDING, METHODS
from flowlab.errors import FlowlabError
from tests.flowlab.daemon.desks import MemoryDesk, spectra


class Asked:
    """An API, its desk, and a loop to call it in."""

    def __init__(self, path, lock_file=None):
        self.runner = asyncio.Runner()
        self.desk = MemoryDesk(path)
        self.api = Api(self.desk, lock_file)

    def __call__(self, method, **params):
        return self.runner.run(self.api.call(method, params))

    def done(self, method, **params):
        answer = self(method, **params)
        assert answer["success"], answer["msg"]
        return answer

    def refused(self, method, **params):
        answer = self(method, **params)
        assert not answer["success"], answer
        return answer["msg"]

    def add(self, count=1, **params):
        items = [spectra(num=number + 1) for number in range(count)]
        return [item["item_uid"] for item in self.done("queue_item_add_batch", items=items, **params)["items"]]

    def nums(self):
        return [item["kwargs"]["num"] for item in self.done("queue_get")["items"]]

    def settle(self, until):
        self.runner.run(self.desk.settle(until))

    def close(self):
        self.desk.close()
        self.runner.close()


@pytest.fixture
def ask(tmp_path):
    asked = Asked(tmp_path / "queue.sqlite", tmp_path / "lock.json")
    yield asked
    asked.close()


STATUS_KEYS = """msg items_in_queue items_in_history running_item_uid manager_state queue_stop_pending
queue_autostart_enabled worker_environment_exists worker_environment_state worker_background_tasks re_state
pause_pending run_list_uid plan_queue_uid plan_history_uid devices_existing_uid plans_existing_uid
devices_allowed_uid plans_allowed_uid plan_queue_mode task_results_uid lock_info_uid lock ip_kernel_state
ip_kernel_captured time status_uid"""


def test_a_status_has_every_key_that_clients_know(ask):
    status = ask.done("status")
    assert set(STATUS_KEYS.split()) <= set(status)
    assert (status["manager_state"], status["re_state"], status["running_item_uid"]) == ("idle", None, None)
    assert ask("ping")["manager_state"] == "idle"
    assert ask("status")["status_uid"] == status["status_uid"]
    ask.add()
    assert ask("status")["status_uid"] != status["status_uid"]


@pytest.mark.parametrize(
    ("state", "environment", "engine", "expected"),
    [
        ("starting", "closed", "idle", "initializing"),
        ("idle", "closed", "idle", "idle"),
        ("idle", "opening", "idle", "creating_environment"),
        ("idle", "open", "idle", "idle"),
        ("running", "open", "idle", "executing_queue"),
        ("running", "open", "running", "executing_queue"),
        ("running", "open", "pausing", "executing_queue"),
        ("paused", "open", "paused", "paused"),
        ("running", "open", "ending", "executing_queue"),
        ("idle", "closing", "idle", "closing_environment"),
        ("interrupted", "closed", "idle", "idle"),
        ("unsafe", "closed", "idle", "idle"),
        ("stopping", "open", "running", "executing_queue"),
        ("stopping", "closed", "idle", "closing_environment"),
    ],
)
def test_a_client_that_waits_for_idle_or_paused_sees_it_when_nothing_goes_on_by_itself(
    ask, state, environment, engine, expected
):
    ask.desk.state, ask.desk.environment, ask.desk.engine = state, environment, engine
    assert ask("status")["manager_state"] == expected


def test_why_something_is_wrong_is_in_the_status(ask):
    ask.desk.state, ask.desk.why = "unsafe", "heater: does not answer"
    assert ask("status")["msg"].endswith(": heater: does not answer")


def test_items_are_queued_run_and_remembered(ask):
    assert ask.done("queue_get")["running_item"] == {}
    added = ask.done("queue_item_add", item=spectra(num=2, delay_s=0.05), user="marie", user_group="primary")
    assert (added["qsize"], added["item"]["user"], added["item"]["kwargs"]) == (1, "marie", {"num": 2, "delay_s": 0.05})
    uid = added["item"]["item_uid"]
    assert "environment_open" in ask.refused("queue_start")
    ask.done("environment_open")
    ask.done("queue_start")
    ask.settle(lambda: ask.desk.engine == "running")
    status, queue = ask.done("status"), ask.done("queue_get")
    assert (status["running_item_uid"], status["worker_environment_state"]) == (uid, "executing_plan")
    assert (queue["items"], queue["running_item"]["item_uid"]) == ([], uid)
    assert queue["running_item"]["properties"]["time_start"] > 0
    assert [run["is_open"] for run in ask.done("re_runs", option="open")["run_list"]] == [True]
    assert ask.done("re_runs", option="closed")["run_list"] == []
    ask.settle(lambda: ask.desk.state == "idle")
    (ended,) = ask.done("history_get")["items"]
    assert {"exit_status", "run_uids", "time_start", "time_stop", "msg", "traceback", "scan_ids"} == set(
        ended["result"]
    )
    assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "completed")
    assert ask("status")["items_in_history"] == 1
    again = ask.done("queue_item_add", item=ended)["item"]
    assert "result" not in again
    assert again["item_uid"] != uid
    ask.done("history_clear")
    assert ask("status")["items_in_history"] == 0


@pytest.mark.parametrize(
    ("pos", "expected"),
    [
        (None, [1, 2, 3, 9]),
        ("back", [1, 2, 3, 9]),
        ("front", [9, 1, 2, 3]),
        (1, [1, 9, 2, 3]),
        (-1, [1, 2, 9, 3]),
        (-3, [9, 1, 2, 3]),
        (7, [1, 2, 3, 9]),
        (-7, [9, 1, 2, 3]),
    ],
)
def test_items_are_added_where_stock_clients_expect_them(ask, pos, expected):
    ask.add(3)
    ask.done("queue_item_add", item=spectra(num=9), pos=pos)
    assert ask.nums() == expected


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        ({"pos": 0, "pos_dest": 1}, [2, 1, 3]),
        ({"pos": "front", "pos_dest": "back"}, [2, 3, 1]),
        ({"pos": "back", "pos_dest": "front"}, [3, 1, 2]),
        ({"pos": 0, "pos_dest": -2}, [2, 1, 3]),
        ({"pos": 0, "pos_dest": -1}, [2, 3, 1]),
        ({"pos": -1, "pos_dest": 0}, [3, 1, 2]),
    ],
)
def test_an_item_that_is_moved_is_afterwards_where_it_was_moved_to(ask, move, expected):
    ask.add(3)
    ask.done("queue_item_move", **move)
    assert ask.nums() == expected


def test_items_are_moved_changed_and_removed_by_their_uids(ask):
    one, two, three = ask.add(3)
    ask.done("queue_item_move", uid=three, before_uid=one)
    assert ask.nums() == [3, 1, 2]
    ask.done("queue_item_move_batch", uids=[two, three], pos_dest="back", reorder=True)
    assert ask.nums() == [1, 3, 2]
    kept = ask.done("queue_item_update", item={**spectra(num=7), "item_uid": one})["item"]["item_uid"]
    replaced = ask.done("queue_item_update", item={**spectra(num=8), "item_uid": two}, replace=True)["item"]["item_uid"]
    assert (kept, ask.nums()) == (one, [7, 3, 8])
    assert replaced != two
    assert ask.done("queue_item_get", uid=three)["item"]["kwargs"] == {"num": 3}
    assert ask.done("queue_item_get")["item"]["kwargs"] == {"num": 8}
    assert ask.done("queue_item_remove", pos="front")["item"]["kwargs"] == {"num": 7}
    assert "has no item 'x'" in ask.refused("queue_item_remove_batch", uids=["x", three], ignore_missing=False)
    assert [item["kwargs"]["num"] for item in ask.done("queue_item_remove_batch", uids=["x", three])["items"]] == [3]
    assert "there is no item at 5" in ask.refused("queue_item_get", pos=5)
    ask.done("queue_clear")
    assert "the queue has 0" in ask.refused("queue_item_get")


def test_a_batch_is_queued_as_a_whole_or_not_at_all(ask):
    bad = {**spectra(), "name": "spectres"}
    answer = ask("queue_item_add_batch", items=[spectra(), bad])
    assert (answer["success"], answer["kind"], answer["qsize"]) == (False, "bad_input", 0)
    assert answer["msg"] == "there is no plan 'spectres'; there is spectra"
    assert [result["success"] for result in answer["results"]] == [False, False]


@pytest.mark.parametrize(
    ("method", "params", "why"),
    [
        ("no_such", {}, "there is no method 'no_such'; there are config_get, devices_allowed"),
        ("queue_start", {"now": 1}, "queue_start: there is no such parameter: now; allowed: none"),
        ("queue_item_add", {}, "queue_item_add: the parameter item is missing"),
        ("queue_item_add", {"item": None}, "queue_item_add: the parameter item is missing"),
        ("queue_item_add", {"item": []}, "queue_item_add: item must be an object, not []"),
        ("queue_item_add", {"item": {}}, "item: name must be that of a plan"),
        ("queue_item_add", {"item": spectra(), "pos": True}, "pos must be a whole number or text, not True"),
        ("queue_item_add", {"item": spectra(), "pos": "middle"}, "pos = 'middle': must be an index"),
        ("queue_item_add", {"item": spectra(), "pos": 0, "after_uid": "x"}, "give one place only"),
        ("queue_item_add", {"item": spectra(), "after_uid": "x"}, "the queue has no item 'x'"),
        ("queue_item_add", {"item": {**spectra(), "args": [1]}}, "spectra: parameters go by their names, in kwargs"),
        ("queue_item_add", {"item": {**spectra(), "kwargs": [1]}}, "kwargs must be an object"),
        ("queue_item_add", {"item": {**spectra(), "meta": [{}]}}, "meta must be an object"),
        ("queue_item_add", {"item": {**spectra(), "kw": 1}}, "item: there is no such key: kw; allowed: item_type"),
        ("queue_item_add", {"item": {"item_type": "instruction", "name": "queue_stop"}}, "flowlab queues plans only"),
        ("queue_item_add_batch", {"items": [1]}, "each must be an object, not 1"),
        ("queue_item_update", {"item": spectra()}, "item_uid must name the item"),
        ("queue_item_move", {"pos_dest": 0}, "say which item is moved"),
        ("queue_item_move", {"pos": 0}, "say where to"),
        ("queue_item_remove_batch", {"uids": [1]}, "uids: each must be text"),
        ("queue_item_execute", {"item": spectra(), "user": "x"}, "every plan goes by the queue"),
        ("queue_mode_set", {"mode": {"ignore_failures": True}}, "ignore_failures cannot be"),
        ("queue_mode_set", {"mode": {"loop": 1}}, "each must be true or false"),
        ("queue_mode_set", {"mode": "other"}, "mode must be"),
        ("queue_autostart", {"enable": True}, "autostart cannot be"),
        ("history_clear", {"size": 3}, "the history is cleared as a whole"),
        ("re_pause", {"option": "soon"}, "must be 'deferred' or 'immediate'"),
        ("re_runs", {"option": "all"}, "must be 'active', 'open' or 'closed'"),
        ("script_upload", {"script": "import os"}, "no code, functions or scripts from outside"),
        ("function_execute", {"item": {}, "user": "x", "user_group": "y"}, "no code"),
        ("environment_update", {"run_in_background": True}, "those of the configuration"),
        ("kernel_interrupt", {}, "there is no IPython kernel"),
        ("permissions_reload", {}, "permissions are not kept here"),
        ("permissions_set", {"user_group_permissions": {}}, "permissions are not kept here"),
        ("manager_stop", {"option": "safe_on"}, "the daemon is stopped where it runs"),
        ("manager_kill", {}, "the daemon is stopped where it runs"),
        ("lock", {"lock_key": "k", "user": "marie"}, "say what to lock"),
        ("lock", {"lock_key": "", "user": "marie", "queue": True}, "one is empty"),
        ("unlock", {"lock_key": "k"}, "nothing is locked"),
        ("queue_start", {"two\nlines": 1}, "no such parameter: two lines; allowed"),
        ("queue_start", {"x" * 100_000: 1}, "xxx …"),
        ("queue_item_add", {"item": {**spectra(), "kwargs": 0}}, "kwargs must be an object"),
        ("queue_start", {"lock_key": 1}, "queue_start: lock_key must be text"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(ask, method, params, why):
    answer = ask(method, **params)
    assert (answer["success"], answer["kind"]) == (False, "bad_input")
    assert why in answer["msg"]
    assert "\n" not in answer["msg"]
    assert ask("status")["items_in_queue"] == 0


def test_a_latched_interlock_is_told_and_acknowledged_by_name_unless_somebody_has_locked_the_queue(ask):
    assert ask.done("flowlab_interlocks")["latched"] == {"flood": None}
    ask.desk.latches.latch("flood", "the cell leaks")
    assert ask.done("flowlab_interlocks")["latched"]["flood"]["reason"] == "the cell leaks"
    ask.done("lock", lock_key="k", user="marie", queue=True)
    assert "marie" in ask.refused("flowlab_interlock_ack", name="flood", user="anna")
    ask.done("unlock", lock_key="k")
    assert ask.refused("flowlab_interlock_ack", name="fire") == "'fire' is not latched; latched are: flood"
    assert ask.done("flowlab_interlock_ack", name="flood", user="anna")["latched"] == {"flood": None}


def test_what_fails_is_told_from_what_was_asked_wrongly(ask):
    answer = ask("re_resume")
    assert (answer["success"], answer["msg"], "kind" in answer) == (False, "no plan is paused", False)


def test_a_fault_in_flowlab_costs_one_answer(ask, caplog):
    ask.desk.facts = lambda: 1 / 0
    assert ask.refused("flowlab_status") == "flowlab_status: fault in flowlab: ZeroDivisionError: division by zero"
    assert "Traceback" in caplog.text
    ask.done("ping")


def test_the_queue_loops_when_told_to(ask):
    ask.done("queue_mode_set", mode={"loop": True})
    assert ask("status")["plan_queue_mode"] == {"loop": True, "ignore_failures": False}
    ask.done("queue_mode_set", mode="default")
    assert not ask.desk.queue.loop
    ask.done("queue_autostart", enable=False)


def test_a_stop_that_was_asked_for_can_be_called_off(ask):
    ask.done("queue_stop")
    assert ask("status")["queue_stop_pending"]
    ask.done("queue_stop_cancel")
    assert not ask("status")["queue_stop_pending"]


def test_plans_are_described_in_the_stock_shape_and_by_their_schema(ask):
    answer = ask.done("plans_allowed", user_group="primary")
    assert answer["plans_allowed_uid"] == ask("status")["plans_allowed_uid"]
    plan = answer["plans_allowed"]["spectra"]
    assert (plan["name"], plan["description"]) == ("spectra", "Take spectra, one after another.")
    num, delay, names, stop = plan["parameters"]
    assert num == {
        "name": "num",
        "kind": {"name": "KEYWORD_ONLY", "value": 3},
        "description": "how many",
        "annotation": {"type": "int"},
    }
    assert (delay["default"], delay["description"]) == ("0.0", "time between two [s]")
    assert (names["annotation"]["type"], stop["annotation"]["type"]) == ("list[str]", "float | None")
    assert plan["schema"]["additionalProperties"] is False
    assert ask.done("plans_existing")["plans_existing"] == answer["plans_allowed"]


def test_devices_are_described_in_the_stock_shape(ask):
    heater = ask.done("devices_allowed", user_group="primary")["devices_allowed"]["heater"]
    assert heater == {
        "classname": "Heater",
        "module": "devices.heater",
        "is_readable": True,
        "is_movable": True,
        "is_flyable": False,
    }
    assert ask.done("devices_existing")["devices_existing"] == {"heater": heater}


def test_there_are_no_tasks_and_no_kernel(ask):
    assert ask.done("task_status", task_uid="x")["status"] == "not_found"
    assert ask.done("task_status", task_uid=["x", "y"])["status"] == {"x": "not_found", "y": "not_found"}
    assert ask.done("task_result", task_uid="x")["result"] == {}
    assert ask.done("config_get")["config"] == {"ip_connect_info": {}}
    assert "primary" in ask.done("permissions_get")["user_group_permissions"]["user_groups"]


def test_what_flowlab_adds_is_asked_of_the_desk(ask):
    assert ask.done("flowlab_status")["status"] == {"state": "idle", "queued": 0}
    assert ask.done("flowlab_preflight", plan="spectra", parameters={"num": 3})["preflight"]["steps"] == 3
    (uid,) = ask.add()
    ask.desk.queue.begin()
    ask.desk.queue.interrupt("the worker was killed")
    queue = ask.done("queue_get")
    assert (queue["items"], queue["running_item"]) == ([], {})
    assert ask.done("flowlab_queue_ack", uid=uid)["item"]["item_uid"] == uid
    assert "has no item 'x'" in ask.refused("flowlab_queue_resume", uid="x")
    assert ask.done("flowlab_queue_resume", uid=uid)["item"]["kwargs"] == {"num": 1}


def test_a_safe_state_that_is_not_reached_is_no_success(ask):
    assert ask.done("flowlab_safe_state", dry_run=True)["outcome"]["heater"] == "would be switched off"
    assert ask.done("flowlab_safe_state")["outcome"] == {"heater": None, "pump": None}
    ask.desk.unsafe = "does not answer"
    answer = ask("flowlab_safe_state")
    assert (answer["success"], answer["msg"]) == (False, "not safe: heater: does not answer")
    assert answer["outcome"]["pump"] is None


def test_what_is_locked_is_changed_only_with_the_key(ask):
    (uid,) = ask.add()
    ask.done("lock", lock_key="k1", user="marie", note="cell is open", queue=True)
    assert ask("status")["lock"] == {"environment": False, "queue": True}
    why = ask.refused("queue_item_add", item=spectra())
    assert "queue locked by marie since" in why
    assert "(cell is open): give its lock_key; if the key is lost, stop the daemon and remove" in why
    assert "that is not the key" in ask.refused("queue_clear", lock_key="k2")
    assert ask.nums() == [1]
    ask.done("queue_item_remove", uid=uid, lock_key="k1")
    ask.done("environment_open")
    assert "that is not the key" in ask.refused("lock", lock_key="k2", user="jean", environment=True)
    ask.done("lock", lock_key="k1", user="marie", environment=True)
    assert ask.add()
    assert "environment locked by marie" in ask.refused("queue_start")
    info = ask.done("lock_info", lock_key=None)
    assert (info["lock_info"]["user"], info["lock_info"]["emergency_lock_key_is_set"]) == ("marie", False)
    assert "k1" not in str(info)
    assert "that is not the key" in ask.refused("lock_info", lock_key="k2")
    assert "that is not the key" in ask.refused("unlock", lock_key="k2")
    ask.done("unlock", lock_key="k1")
    assert ask.done("lock_info")["lock_info"]["user"] is None
    assert ask.done("lock_info")["lock_info_uid"] != info["lock_info_uid"]
    ask.done("queue_start")
    ask.settle(lambda: ask.desk.state == "idle")


@pytest.mark.parametrize("method", sorted(ENDING))
def test_no_lock_keeps_anybody_from_ending_what_runs(ask, method):
    ask.done("lock", lock_key="k1", user="marie", environment=True, queue=True)
    ask.desk.environment, ask.desk.engine = "open", "running"
    for params in ({}, {"lock_key": "another"}):
        ask.desk.engine = "running"
        ask.done(method, **params)


def test_all_that_ends_a_run_is_among_what_is_never_locked():
    assert {"re_pause", "re_stop", "re_abort", "re_halt", "flowlab_safe_state", "environment_destroy"} <= ENDING
    assert all(METHODS[method].lock is None for method in ENDING)


def test_a_lock_outlives_the_daemon_and_its_key_is_nowhere(ask, tmp_path):
    ask.done("lock", lock_key="a secret key", user="marie", environment=True)
    file = tmp_path / "lock.json"
    assert "a secret key" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    after = Asked(tmp_path / "another.sqlite", file)
    assert "environment locked by marie" in after.refused("environment_open")
    after.done("unlock", lock_key="a secret key")
    assert not file.exists()
    after.close()


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"environment": 1}', "\xff"])
def test_a_lock_that_cannot_be_read_is_told_and_not_taken_for_none(tmp_path, text):
    file = tmp_path / "lock.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(FlowlabError, match="is no lock of flowlab's"):
        Asked(tmp_path / "queue.sqlite", file)


def test_runs_are_told_with_how_they_ended(ask):
    ask.desk.runs = [RunFacts("a", "success"), RunFacts("b")]
    runs = ask.done("re_runs")["run_list"]
    assert runs == [
        {"uid": "a", "is_open": False, "exit_status": "success"},
        {"uid": "b", "is_open": True, "exit_status": None},
    ]


def test_what_answers_imports_neither_bluesky_nor_what_takes_long():
    code = "import sys, flowlab.daemon.control, flowlab.daemon.asking; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"bluesky", "ophyd", "numpy", "scipy", "pydantic", "h5py"} & set(loaded)
