"""The clients of bluesky-queueserver, as they are published, against a daemon: its socket must be all that they need.

It is run in their environment, where no flowlab is: ``make check-queueserver``. The daemon's queue must be empty and
nothing may run. One line for each client on standard output; the exit code is 1 at the first answer that is not right.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI
from bluesky_queueserver_api.zmq.aio import REManagerAPI as AsyncREManagerAPI

BIN = Path(sys.executable).parent
API_KEY = "stockclients"
#: Generous: what is waited for comes much sooner, but on a machine that does a great deal else.
LIMIT_S = 180.0


def main() -> None:
    """Each client in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True, help="of the control socket")
    parser.add_argument("--plan", required=True, help="name of a plan")
    parser.add_argument("--short", required=True, type=json.loads, help="parameters, as JSON, with which it soon ends")
    parser.add_argument("--long", required=True, type=json.loads, help="and with which it can be paused and aborted")
    given = parser.parse_args()
    # No key of whoever runs this is to be used, and none to be changed.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("QSERVER_")}
    environment |= {"QSERVER_ZMQ_CONTROL_ADDRESS": given.address, "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY": API_KEY}
    check_api(given.address, given.plan, given.short, given.long)
    asyncio.run(check_async_api(given.address, given.plan, given.short))
    check_command(environment, given.plan, given.short, given.long)
    check_http(environment, given.plan, given.short, given.long)


def refused(client: REManagerAPI, call, *args, **kwargs) -> str:
    """Why a call was refused."""
    try:
        answer = call(*args, **kwargs)
    except client.RequestFailedError as error:
        return str(error)
    raise AssertionError(f"{call.__name__} was not refused: {answer}")


def check_api(address: str, plan: str, short: dict, long: dict) -> None:
    """``bluesky_queueserver_api.zmq.REManagerAPI``."""
    client = REManagerAPI(zmq_control_addr=address)
    try:
        check_items(client, plan, short)
        check_lock(client, plan, short)
        check_refusals(client, plan)
        check_runs(client, plan, short, long)
    finally:
        client.close()
    sys.stdout.write("REManagerAPI: well\n")


def check_items(client: REManagerAPI, plan: str, short: dict) -> None:
    status = client.status(reload=True)
    assert status["manager_state"] == "idle", status
    assert client.ping()["items_in_queue"] == 0
    assert client.environment_open()["success"]  # it may be open already, which is as well
    client.wait_for_condition(lambda now: now["worker_environment_exists"], timeout=LIMIT_S)
    client.wait_for_idle(timeout=LIMIT_S)
    described = client.plans_allowed()["plans_allowed"][plan]
    assert set(short) <= {one["name"] for one in described["parameters"]}, described
    assert client.plans_existing()["plans_existing"] == client.plans_allowed()["plans_allowed"]
    devices = client.devices_allowed()["devices_allowed"]
    assert devices, "no devices"
    assert all({"classname", "is_readable"} <= set(device) for device in devices.values())
    assert client.devices_existing()["devices_existing"] == devices
    assert client.permissions_get()["user_group_permissions"]["user_groups"]
    assert client.config_get()["config"]["ip_connect_info"] == {}

    added = client.item_add(BPlan(plan, **short))
    first = added["item"]["item_uid"]
    assert (added["qsize"], added["item"]["user_group"]) == (1, "primary")
    batch = client.item_add_batch([BPlan(plan, **short), BPlan(plan, **short)], pos="front")
    second, third = (item["item_uid"] for item in batch["items"])
    assert all(result["success"] for result in batch["results"])
    assert uids(client) == [second, third, first]
    client.item_move(uid=first, pos_dest="front")
    client.item_move(pos=1, after_uid=third)
    assert uids(client) == [first, third, second]
    client.item_move_batch(uids=[second, first], pos_dest="back", reorder=True)
    assert uids(client) == [third, first, second]
    assert client.item_get(uid=first)["item"]["kwargs"] == short
    assert client.item_update({**client.item_get(uid=first)["item"], "meta": {"note": "changed"}})["success"]
    assert client.item_get(uid=first)["item"]["meta"] == {"note": "changed"}
    assert client.item_remove(uid=third)["item"]["item_uid"] == third
    assert client.item_remove_batch(uids=[first, second])["qsize"] == 0
    assert client.queue_mode_set(loop=True)["success"]
    assert client.status(reload=True)["plan_queue_mode"]["loop"] is True
    assert client.queue_mode_set(mode="default")["success"]
    assert client.queue_clear()["success"]


def check_lock(client: REManagerAPI, plan: str, short: dict) -> None:
    client.lock_key = "the key of the stock clients"
    assert client.lock_queue(note="being checked")["lock_info"]["queue"] is True
    assert "being checked" in refused(client, client.item_add, BPlan(plan, **short))
    assert client.item_add(BPlan(plan, **short), lock_key=client.lock_key)["success"]
    client.enable_locked_api = True
    assert client.queue_clear()["success"]
    assert client.lock_info(reload=True)["lock_info"]["note"] == "being checked"
    assert client.unlock()["lock_info"]["queue"] is False


def check_refusals(client: REManagerAPI, plan: str) -> None:
    assert "by their names" in refused(client, client.item_add, BPlan(plan, 1))
    assert "no_such_plan" in refused(client, client.item_add, BPlan("no_such_plan"))
    assert "no code" in refused(client, client.script_upload, "import os")
    assert refused(client, client.kernel_interrupt)
    assert refused(client, client.environment_update)
    assert refused(client, client.re_resume)


def check_runs(client: REManagerAPI, plan: str, short: dict, long: dict) -> None:
    before = len(client.history_get()["items"])
    uid = client.item_add(BPlan(plan, **short))["item"]["item_uid"]
    assert client.queue_start()["success"]
    ended = wait_for_history(client, before + 1)
    client.wait_for_idle(timeout=LIMIT_S)
    assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "completed"), ended
    assert ended["result"]["run_uids"], ended
    assert ended["result"]["time_start"] <= ended["result"]["time_stop"]

    uid = client.item_add(BPlan(plan, **long))["item"]["item_uid"]
    assert client.queue_start()["success"]
    client.wait_for_condition(lambda now: now["re_state"] == "running", timeout=LIMIT_S)
    assert client.queue_get()["running_item"]["item_uid"] == uid
    limit = time.monotonic() + LIMIT_S
    while not client.re_runs(reload=True)["run_list"]:
        assert time.monotonic() < limit, "no run began"
    assert client.queue_stop()["success"]
    assert client.status(reload=True)["queue_stop_pending"] is True
    assert client.queue_stop_cancel()["success"]
    assert client.re_pause("deferred")["success"]
    client.wait_for_idle_or_paused(timeout=LIMIT_S)
    status = client.status(reload=True)
    assert (status["manager_state"], status["re_state"], status["running_item_uid"]) == ("paused", "paused", uid)
    assert client.re_resume()["success"]
    client.wait_for_idle_or_running(timeout=LIMIT_S)
    assert client.status(reload=True)["manager_state"] == "executing_queue"
    assert client.re_runs("open")["run_list"][0]["is_open"] is True
    assert client.re_pause("immediate")["success"]
    client.wait_for_idle_or_paused(timeout=LIMIT_S)
    assert client.re_abort()["success"]
    client.wait_for_idle(timeout=LIMIT_S)
    ended = wait_for_history(client, before + 2)
    assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "aborted"), ended
    assert client.status(reload=True)["running_item_uid"] is None


def uids(client: REManagerAPI) -> list[str]:
    return [item["item_uid"] for item in client.queue_get(reload=True)["items"]]


def wait_for_history(client: REManagerAPI, count: int) -> dict:
    """The last of that many items."""
    client.wait_for_condition(lambda now: now["items_in_history"] >= count, timeout=LIMIT_S)
    return client.history_get(reload=True)["items"][count - 1]


async def check_async_api(address: str, plan: str, short: dict) -> None:
    """``bluesky_queueserver_api.zmq.aio.REManagerAPI``."""
    client = AsyncREManagerAPI(zmq_control_addr=address)
    try:
        before = (await client.status(reload=True))["items_in_history"]
        uid = (await client.item_add(BPlan(plan, **short)))["item"]["item_uid"]
        await client.queue_start()
        await client.wait_for_condition(lambda now: now["items_in_history"] > before, timeout=LIMIT_S)
        await client.wait_for_idle(timeout=LIMIT_S)
        assert (await client.history_get(reload=True))["items"][-1]["item_uid"] == uid
    finally:
        await client.close()
    sys.stdout.write("REManagerAPI (asyncio): well\n")


def check_command(environment: dict, plan: str, short: dict, long: dict) -> None:
    """``qserver``."""

    def qserver(*words: str, code: int = 0) -> str:
        ended = subprocess.run(
            [str(BIN / "qserver"), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert ended.returncode == code, (words, ended.returncode, ended.stdout, ended.stderr)
        # It wraps what is long, by ending one text and beginning another.
        return re.sub(r"""(['"])\s*\n\s*\1""", "", ended.stdout)

    def until(said: str) -> None:
        limit = time.monotonic() + LIMIT_S
        while said not in (status := qserver("status")):
            assert time.monotonic() < limit, f"{said} did not come: {status}"

    assert "'manager_state': 'idle'" in qserver("status")
    assert "'success': True" in qserver("queue", "add", "plan", repr({"name": plan, "kwargs": short}))
    assert plan in qserver("queue", "get")
    qserver("queue", "add", "plan", "front", repr({"name": plan, "kwargs": long}))
    qserver("queue", "item", "move", "front", "back")
    qserver("queue", "item", "get", "back")
    qserver("queue", "item", "remove", "front")
    assert "by their names" in qserver("queue", "add", "plan", repr({"name": plan, "args": [1]}), code=2)
    assert "queue_stop" in qserver("queue", "add", "instruction", "queue-stop", code=2)
    for words in (("allowed", "plans"), ("existing", "plans"), ("allowed", "devices"), ("existing", "devices")):
        qserver(*words)
    qserver("permissions", "get")
    qserver("lock", "environment", "being checked", "-k", "key")
    assert "being checked" in qserver("queue", "start", code=2)
    qserver("lock", "info", "-k", "key")
    qserver("unlock", "-k", "key")
    qserver("queue", "start")
    until("'re_state': 'running'")
    qserver("re", "runs", "open")
    qserver("re", "pause")
    until("'manager_state': 'paused'")
    qserver("re", "resume")
    until("'manager_state': 'executing_queue'")
    qserver("re", "pause", "immediate")
    until("'manager_state': 'paused'")
    qserver("re", "abort")
    until("'manager_state': 'idle'")
    assert "'exit_status': 'aborted'" in qserver("history", "get")
    assert "stopped where it runs" in qserver("manager", "stop", code=2)
    sys.stdout.write("qserver: well\n")


def check_http(environment: dict, plan: str, short: dict, long: dict) -> None:
    """``bluesky-httpserver``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def http(method: str, path: str, **body) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/{path}",
            method=method,
            data=json.dumps(body).encode(),
            headers={"Authorization": f"ApiKey {API_KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
            return json.load(answer)

    def until(key: str, value: object) -> dict:
        limit = time.monotonic() + LIMIT_S
        while (status := http("GET", "status"))[key] != value:
            assert time.monotonic() < limit, f"{key} did not become {value}: {status}"
            time.sleep(0.1)
        return status

    command = [str(BIN / "start-bluesky-httpserver"), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_port(port, server)
        until("manager_state", "idle")
        before = http("GET", "status")["items_in_history"]
        assert plan in http("GET", "plans/allowed")["plans_allowed"]
        assert plan in http("GET", "plans/allowed", reduced=True)["plans_allowed"]
        assert http("GET", "devices/allowed")["devices_allowed"]
        assert (
            "by their names"
            in http("POST", "queue/item/add", item={"name": plan, "args": [1], "item_type": "plan"})["msg"]
        )
        for kwargs in (short, long):
            item = {"item_type": "plan", "name": plan, "kwargs": kwargs}
            assert http("POST", "queue/item/add", item=item)["success"]
        assert len(http("GET", "queue/get")["items"]) == 2
        assert http("POST", "queue/start")["success"]
        until("items_in_history", before + 1)
        until("re_state", "running")
        assert http("POST", "re/pause", option="deferred")["success"]
        until("manager_state", "paused")
        assert http("GET", "re/runs/open")["run_list"]
        assert http("POST", "re/resume")["success"]
        until("manager_state", "executing_queue")
        assert http("POST", "re/pause", option="immediate")["success"]
        until("manager_state", "paused")
        assert http("POST", "re/abort")["success"]
        until("manager_state", "idle")
        last, final = http("GET", "history/get")["items"][-2:]
        assert (last["result"]["exit_status"], final["result"]["exit_status"]) == ("completed", "aborted")
        assert http("GET", "lock/info")["lock_info"]["queue"] is False
    finally:
        server.terminate()
        server.communicate(timeout=LIMIT_S)
    sys.stdout.write("bluesky-httpserver: well\n")


def wait_for_port(port: int, server: subprocess.Popen) -> None:
    limit = time.monotonic() + LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > limit:
                server.kill()
                raise AssertionError(f"bluesky-httpserver did not start: {server.communicate()[1]}") from None
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
