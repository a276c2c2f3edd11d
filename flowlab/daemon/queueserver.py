"""The shapes in which bluesky-queueserver's clients ask and are answered, made from flowlab's own and back.

They were read off bluesky-queueserver 0.0.25, its API package 0.0.13 and bluesky-httpserver 0.0.14, whose clients are
run, unmodified, against what is here: ``make check-queueserver``.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import flowlab
from flowlab.daemon.desk import Situation
from flowlab.daemon.plan_queue import BACK, FRONT, Item, Place, Running
from flowlab.errors import BadInputError

USER, GROUP = "unknown", "primary"

_ENGINES = {"idle": "idle", "running": "running", "pausing": "pausing", "paused": "paused", "ending": "stopping"}
_ENVIRONMENTS = {"closed": "closed", "opening": "initializing", "open": "idle", "closing": "closing"}
#: What an item may say; the last two are there when a client queues one of the history once more.
_ITEM_KEYS = ("item_type", "name", "args", "kwargs", "meta", "item_uid", "user", "user_group", "result", "properties")
_TYPES = {"number": "float", "integer": "int", "string": "str", "boolean": "bool", "null": "None", "object": "dict"}


def situation(now: Situation) -> dict[str, Any]:
    """The part of a status that tells how things stand."""
    there = now.environment in ("open", "closing")
    busy = now.engine != "idle"
    return {
        "msg": f"flowlab {flowlab.__version__}" + (f": {now.why}" if now.why else ""),
        "time": datetime.now().isoformat(),
        "manager_state": _manager_state(now),
        "queue_stop_pending": now.stop_pending,
        "queue_autostart_enabled": False,
        "worker_environment_exists": there,
        "worker_environment_state": "executing_plan" if there and busy else _ENVIRONMENTS[now.environment],
        "worker_background_tasks": 0,
        "re_state": _ENGINES[now.engine] if there else None,
        "ip_kernel_state": "disabled" if there else None,
        "ip_kernel_captured": False if there else None,
        "pause_pending": now.pause_pending,
        "run_list_uid": now.runs_uid,
        "devices_existing_uid": now.plans_uid,
        "plans_existing_uid": now.plans_uid,
        "devices_allowed_uid": now.plans_uid,
        "plans_allowed_uid": now.plans_uid,
        # There are no tasks, so their results never change.
        "task_results_uid": "00000000-0000-0000-0000-000000000000",
    }


def _manager_state(now: Situation) -> str:
    """Clients wait for *idle* or *paused*: whatever will not go on by itself is one of these."""
    if now.engine == "paused":
        return "paused"
    if now.engine != "idle" or now.state == "running":
        return "executing_queue"
    if now.environment == "opening":
        return "creating_environment"
    if now.environment == "closing" or now.state == "stopping":
        return "closing_environment"
    return "initializing" if now.state == "starting" else "idle"


def with_uid(status: dict[str, Any]) -> dict[str, Any]:
    """A status with a ``status_uid``, which is another one when anything but the time is."""
    told = json.dumps({key: value for key, value in status.items() if key != "time"}, sort_keys=True)
    return {**status, "status_uid": str(uuid.uuid5(uuid.NAMESPACE_OID, told))}


def item(asked: Mapping[str, Any], user: str, group: str) -> Item:
    """An item to be queued, without what the queue gives it.

    Raises:
        BadInputError: it is none that flowlab can run.
    """
    if unknown := sorted(set(asked) - set(_ITEM_KEYS)):
        raise BadInputError(f"item: there is no such key: {', '.join(unknown)}; allowed: {', '.join(_ITEM_KEYS[:8])}")
    kind = asked.get("item_type", "plan")
    if kind != "plan":
        raise BadInputError(f"item_type = {kind!r:.60}: flowlab queues plans only; to stop the queue: queue_stop")
    given = {key: value for key, value in asked.items() if value is not None}
    name, kwargs, meta = given.get("name"), given.get("kwargs", {}), given.get("meta", {})
    if not isinstance(name, str) or not name:
        raise BadInputError("item: name must be that of a plan")
    if given.get("args", []) != []:
        raise BadInputError(f"{name}: parameters go by their names, in kwargs; args must be empty")
    for key, value in (("kwargs", kwargs), ("meta", meta)):
        if not isinstance(value, dict):
            raise BadInputError(f"{name}: {key} must be an object of names and values, not {value!r:.60}")
    new: Item = {"item_type": "plan", "name": name, "args": [], "kwargs": kwargs, "user": user, "user_group": group}
    return {**new, "meta": meta} if meta else new


def running(now: Running | None) -> Item:
    """The item that runs; empty when none does, and when how it ended is not known."""
    if now is None or now.interrupted is not None:
        return {}
    return {**now.item, "properties": {"time_start": now.begun}}


def ended(one: Item) -> Item:
    """An item of the history."""
    return {**one, "result": {"traceback": "", "scan_ids": [], **one["result"]}}


def place(pos: int | str | None, before: str | None, after: str | None, size: int) -> Place:
    """Where items are added: an index beyond an end means that end, and −1 is before the last, as in ``list.insert``.

    Raises:
        BadInputError: it is no place.
    """
    if before is not None or after is not None:
        if pos is not None:
            raise BadInputError("give one place only: pos, before_uid or after_uid")
        return Place(before=before, after=after)
    if isinstance(pos, int):
        return Place(index=min(pos, size) if pos >= 0 else max(pos, -size) - 1)
    return _end(pos, "pos")


def destination(pos: int | str | None, before: str | None, after: str | None) -> Place:
    """Where items are moved: an index is the one that they have afterwards.

    Raises:
        BadInputError: it is no place, or none is named.
    """
    if before is not None or after is not None:
        if pos is not None:
            raise BadInputError("give one place only: pos_dest, before_uid or after_uid")
        return Place(before=before, after=after)
    if pos is None:
        raise BadInputError("say where to: pos_dest, before_uid or after_uid")
    return Place(index=pos) if isinstance(pos, int) else _end(pos, "pos_dest")


def _end(pos: str | None, name: str) -> Place:
    if pos not in (None, "front", "back"):
        raise BadInputError(f"{name} = {pos!r}: must be an index, 'front' or 'back'")
    return FRONT if pos == "front" else BACK


def pick(items: Sequence[Item], pos: int | str | None, uid: str | None) -> Item:
    """The item at a place of the queue, the last one unless another is named.

    Raises:
        BadInputError: there is no such item.
    """
    if uid is not None:
        if pos is not None:
            raise BadInputError("name the item once: by pos or by uid")
        for one in items:
            if one["item_uid"] == uid:
                return one
        raise BadInputError(f"the queue has no item {uid!r}")
    index = pos if isinstance(pos, int) else -1
    if not isinstance(pos, int):
        index = 0 if _end(pos, "pos") is FRONT else -1
    if not -len(items) <= index < len(items):
        raise BadInputError(f"there is no item at {pos if pos is not None else 'back'}: the queue has {len(items)}")
    return items[index]


def plan(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A plan, from the JSON Schema of its parameters, which is there as it is as well."""
    required = schema.get("required", ())
    return {
        "name": name,
        "description": schema.get("description", ""),
        "properties": {"is_generator": True},
        "parameters": [_parameter(one, about, one in required) for one, about in schema.get("properties", {}).items()],
        "schema": dict(schema),
    }


def _parameter(name: str, about: Mapping[str, Any], required: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "kind": {"name": "KEYWORD_ONLY", "value": 3}}
    if text := about.get("description", ""):
        told["description"] = f"{text} [{about['units']}]" if "units" in about else text
    if (kind := _type(about)) is not None:
        told["annotation"] = {"type": kind}
    if not required:
        # Text that is read as a Python literal.
        told["default"] = repr(about.get("default"))
    return told


def _type(about: Mapping[str, Any]) -> str | None:
    """The type, in Python's words; None where it has no simple name."""
    if about.get("type") == "array":
        inside = _type(about.get("items", {}))
        return f"list[{inside}]" if inside else "list"
    if "anyOf" in about:
        kinds = [_type(one) for one in about["anyOf"]]
        return None if None in kinds else " | ".join(kind for kind in kinds if kind)
    return _TYPES.get(about.get("type", ""))


def device(about: Mapping[str, Any]) -> dict[str, Any]:
    """A device."""
    can = {f"is_{what}": bool(about.get(what)) for what in ("readable", "movable", "flyable")}
    return {"classname": about.get("class", ""), "module": about.get("module", ""), **can}


def permissions() -> dict[str, Any]:
    """Whoever reaches the socket may run every plan, and nothing but plans."""
    all_plans = {"allowed_plans": [":.*"], "forbidden_plans": [], "allowed_devices": [":.*"], "forbidden_devices": []}
    groups = {name: {**all_plans, "allowed_functions": [], "forbidden_functions": [":.*"]} for name in ("root", GROUP)}
    return {"user_groups": groups}
