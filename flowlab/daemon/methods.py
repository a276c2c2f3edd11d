"""The methods of the control API: what there is, the environment, the plan that runs, locks, and flowlab's own."""

from typing import Any

from flowlab.daemon import queueserver
from flowlab.daemon.desk import Ending
from flowlab.daemon.method import Answer, Method, Office, ends, of_environment, of_queue, reads, refuses
from flowlab.daemon.queue_methods import QUEUE_METHODS
from flowlab.errors import BadInputError

_LONGEST_NAME = 100


async def _status(at: Office) -> Answer:
    queue = at.desk.queue
    status = {
        **queueserver.situation(at.desk.situation()),
        "items_in_queue": len(queue.items),
        "items_in_history": queue.history_size,
        "running_item_uid": queueserver.running(queue.running).get("item_uid"),
        "plan_queue_uid": queue.uid,
        "plan_history_uid": queue.history_uid,
        "plan_queue_mode": {"loop": queue.loop, "ignore_failures": False},
        "lock_info_uid": at.lock.uid,
        "lock": {"environment": at.lock.holds("environment"), "queue": at.lock.holds("queue")},
    }
    return queueserver.with_uid(status)


async def _config_get(at: Office) -> Answer:
    return {"config": {"ip_connect_info": {}}}


async def _permissions_get(at: Office) -> Answer:
    return {"user_group_permissions": queueserver.permissions()}


async def _plans(at: Office, key: str) -> Answer:
    plans = {name: queueserver.plan(name, schema) for name, schema in (await at.desk.plans()).items()}
    return {key: plans, f"{key}_uid": at.desk.situation().plans_uid}


async def _devices(at: Office, key: str) -> Answer:
    devices = {name: queueserver.device(about) for name, about in (await at.desk.devices()).items()}
    return {key: devices, f"{key}_uid": at.desk.situation().plans_uid}


async def _plans_allowed(at: Office, user_group: str = "") -> Answer:
    return await _plans(at, "plans_allowed")


async def _plans_existing(at: Office) -> Answer:
    return await _plans(at, "plans_existing")


async def _devices_allowed(at: Office, user_group: str = "") -> Answer:
    return await _devices(at, "devices_allowed")


async def _devices_existing(at: Office) -> Answer:
    return await _devices(at, "devices_existing")


async def _re_runs(at: Office, option: str = "active") -> Answer:
    if option not in ("active", "open", "closed"):
        raise BadInputError(f"re_runs: option = {option!r}: must be 'active', 'open' or 'closed'")
    now = at.desk.situation()
    runs = [{"uid": r.uid, "is_open": r.exit_status is None, "exit_status": r.exit_status} for r in now.runs]
    wanted = [run for run in runs if option == "active" or run["is_open"] == (option == "open")]
    return {"run_list": wanted, "run_list_uid": now.runs_uid}


async def _task_status(at: Office, task_uid: str | list[Any]) -> Answer:
    one = isinstance(task_uid, str)
    status = "not_found" if one else {str(uid): "not_found" for uid in task_uid}
    return {"task_uid": task_uid, "status": status}


async def _task_result(at: Office, task_uid: str) -> Answer:
    return {"task_uid": task_uid, "status": "not_found", "result": {}}


async def _environment_open(at: Office) -> None:
    await at.desk.open_environment()


async def _environment_close(at: Office) -> None:
    await at.desk.close_environment()


async def _environment_destroy(at: Office) -> None:
    await at.desk.destroy_environment()


async def _re_pause(at: Office, option: str = "deferred") -> None:
    if option not in ("deferred", "immediate"):
        raise BadInputError(f"re_pause: option = {option!r}: must be 'deferred' or 'immediate'")
    at.desk.pause(deferred=option == "deferred")


async def _re_resume(at: Office) -> None:
    at.desk.resume()


def _ending(how: Ending) -> Method:
    async def end(at: Office, user: str = "") -> None:
        by = _name(user)
        at.desk.end(how, f"asked for by {by}" if by else "asked for from outside")

    return ends(end)


def _name(user: str) -> str:
    """Who somebody says they are, on a line: it is shown and recorded, and is no reason to refuse what ends a plan."""
    return " ".join("".join(c if c.isprintable() else " " for c in user).split())[:_LONGEST_NAME]


def _told(at: Office) -> Answer:
    return {"lock_info": at.lock.info(), "lock_info_uid": at.lock.uid}


async def _lock(
    at: Office, lock_key: str, user: str, note: str = "", environment: bool = False, queue: bool = False
) -> Answer:
    at.lock.lock(lock_key, user, note, environment=environment, queue=queue)
    return _told(at)


async def _lock_info(at: Office, lock_key: str | None = None) -> Answer:
    if lock_key is not None:
        at.lock.check(lock_key)
    return _told(at)


async def _unlock(at: Office, lock_key: str) -> Answer:
    at.lock.unlock(lock_key)
    return _told(at)


async def _flowlab_status(at: Office) -> Answer:
    return {"status": at.desk.facts()}


async def _flowlab_preflight(at: Office, plan: str, parameters: dict[str, Any]) -> Answer:
    return {"preflight": await at.desk.preflight(plan, parameters)}


async def _flowlab_queue_ack(at: Office, uid: str) -> Answer:
    return {"item": at.desk.acknowledge(uid)}


async def _flowlab_interlocks(at: Office) -> Answer:
    return {"latched": dict(at.desk.interlocks())}


async def _flowlab_interlock_ack(at: Office, name: str, user: str = queueserver.USER) -> Answer:
    await at.desk.acknowledge_interlock(name, user)
    return {"latched": dict(at.desk.interlocks())}


async def _flowlab_queue_resume(at: Office, uid: str) -> Answer:
    return {"item": await at.desk.resume_item(uid)}


async def _flowlab_safe_state(at: Office, dry_run: bool = False) -> Answer:
    outcome = await at.desk.make_safe(dry_run=dry_run)
    unsafe = {name: why for name, why in outcome.items() if why is not None}
    if unsafe and not dry_run:
        told = "; ".join(f"{name}: {why}" for name, why in unsafe.items())
        return {"success": False, "msg": f"not safe: {told}", "outcome": outcome}
    return {"outcome": outcome}


_NO_CODE = "the devices' process runs plans of the configuration only: no code, functions or scripts from outside"
_STOPPING = "the daemon is stopped where it runs: flowlab down, or the service"

METHODS: dict[str, Method] = {
    **QUEUE_METHODS,
    "ping": reads(_status),
    "status": reads(_status),
    "config_get": reads(_config_get),
    "permissions_get": reads(_permissions_get),
    "plans_allowed": reads(_plans_allowed),
    "plans_existing": reads(_plans_existing),
    "devices_allowed": reads(_devices_allowed),
    "devices_existing": reads(_devices_existing),
    "re_runs": reads(_re_runs),
    "task_status": reads(_task_status),
    "task_result": reads(_task_result),
    "lock_info": reads(_lock_info),
    "flowlab_status": reads(_flowlab_status),
    "flowlab_preflight": reads(_flowlab_preflight),
    "flowlab_interlocks": reads(_flowlab_interlocks),
    "flowlab_interlock_ack": of_queue(_flowlab_interlock_ack),
    "flowlab_queue_ack": of_queue(_flowlab_queue_ack),
    "flowlab_queue_resume": of_queue(_flowlab_queue_resume),
    "environment_open": of_environment(_environment_open),
    "environment_close": of_environment(_environment_close),
    "re_resume": of_environment(_re_resume),
    "re_pause": ends(_re_pause),
    "re_stop": _ending("stop"),
    "re_abort": _ending("abort"),
    "re_halt": _ending("halt"),
    "environment_destroy": ends(_environment_destroy),
    "flowlab_safe_state": ends(_flowlab_safe_state),
    "lock": Method(_lock),
    "unlock": Method(_unlock),
    "environment_update": refuses("plans and devices are those of the configuration: close and open the environment"),
    "script_upload": refuses(_NO_CODE),
    "function_execute": refuses(_NO_CODE),
    "kernel_interrupt": refuses("there is no IPython kernel; to end a plan: re_abort"),
    "permissions_reload": refuses("permissions are not kept here: who may reach the control socket may use it"),
    "permissions_set": refuses("permissions are not kept here: who may reach the control socket may use it"),
    "re_metadata": refuses("the metadata of a run are in its start document"),
    "manager_stop": refuses(_STOPPING),
    "manager_kill": refuses(_STOPPING),
}

#: What ends a run.
ENDING: frozenset[str] = frozenset(name for name, method in METHODS.items() if method.ends)
