"""The methods of the control API that are about the queue and the history."""

from typing import Any

from flowlab.daemon import queueserver
from flowlab.daemon.method import Answer, Method, Office, ends, of_environment, of_queue, reads, refusal, refuses
from flowlab.daemon.plan_queue import Item
from flowlab.errors import BadInputError, FlowlabError

Position = int | str | None


def _queued(at: Office, **answer: Any) -> Answer:
    return {**answer, "qsize": len(at.desk.queue.items)}


async def _queue_get(at: Office) -> Answer:
    queue = at.desk.queue
    running = queueserver.running(queue.running)
    return {"items": queue.items, "running_item": running, "plan_queue_uid": queue.uid}


async def _queue_item_add(
    at: Office,
    item: dict[str, Any],
    pos: Position = None,
    before_uid: str | None = None,
    after_uid: str | None = None,
    user: str = queueserver.USER,
    user_group: str = queueserver.GROUP,
) -> Answer:
    place = queueserver.place(pos, before_uid, after_uid, len(at.desk.queue.items))
    (added,) = await at.desk.add([queueserver.item(item, user, user_group)], place)
    return _queued(at, item=added)


async def _queue_item_add_batch(
    at: Office,
    items: list[Any],
    pos: Position = None,
    before_uid: str | None = None,
    after_uid: str | None = None,
    user: str = queueserver.USER,
    user_group: str = queueserver.GROUP,
) -> Answer:
    try:
        place = queueserver.place(pos, before_uid, after_uid, len(at.desk.queue.items))
        new = [queueserver.item(_object(one), user, user_group) for one in items]
        added = await at.desk.add(new, place)
    except FlowlabError as error:
        # Clients look at each item's result; it is all of them or none.
        told = refusal(error)
        return _queued(at, items=items, results=[{"success": False, "msg": told["msg"]} for _ in items], **told)
    return _queued(at, items=added, results=[{"success": True, "msg": ""} for _ in added])


async def _queue_item_get(at: Office, pos: Position = None, uid: str | None = None) -> Answer:
    return {"item": queueserver.pick(at.desk.queue.items, pos, uid)}


async def _queue_item_update(
    at: Office,
    item: dict[str, Any],
    replace: bool = False,
    user: str = queueserver.USER,
    user_group: str = queueserver.GROUP,
) -> Answer:
    uid = item.get("item_uid")
    if not isinstance(uid, str):
        raise BadInputError("item: item_uid must name the item of the queue that is changed")
    new: Item = {**queueserver.item(item, user, user_group), "item_uid": uid}
    return _queued(at, item=await at.desk.update(new, keep_uid=not replace))


async def _queue_item_remove(at: Office, pos: Position = None, uid: str | None = None) -> Answer:
    found = queueserver.pick(at.desk.queue.items, pos, uid)
    (removed,) = at.desk.queue.remove([found["item_uid"]])
    return _queued(at, item=removed)


async def _queue_item_remove_batch(at: Office, uids: list[Any], ignore_missing: bool = True) -> Answer:
    there = {item["item_uid"] for item in at.desk.queue.items}
    wanted = list(dict.fromkeys(uid for uid in _texts(uids) if not ignore_missing or uid in there))
    return _queued(at, items=at.desk.queue.remove(wanted))


async def _queue_item_move(
    at: Office,
    pos: Position = None,
    uid: str | None = None,
    pos_dest: Position = None,
    before_uid: str | None = None,
    after_uid: str | None = None,
) -> Answer:
    if pos is None and uid is None:
        raise BadInputError("say which item is moved: pos or uid")
    place = queueserver.destination(pos_dest, before_uid, after_uid)
    found = queueserver.pick(at.desk.queue.items, pos, uid)
    (moved,) = at.desk.queue.move([found["item_uid"]], place)
    return _queued(at, item=moved)


async def _queue_item_move_batch(
    at: Office,
    uids: list[Any],
    pos_dest: Position = None,
    before_uid: str | None = None,
    after_uid: str | None = None,
    reorder: bool = False,
) -> Answer:
    place, moved = queueserver.destination(pos_dest, before_uid, after_uid), _texts(uids)
    if reorder:
        order = {item["item_uid"]: index for index, item in enumerate(at.desk.queue.items)}
        moved.sort(key=lambda uid: order.get(uid, 0))
    return _queued(at, items=at.desk.queue.move(moved, place))


async def _queue_clear(at: Office) -> None:
    at.desk.queue.clear()


async def _queue_start(at: Office) -> None:
    at.desk.start_queue()


async def _queue_stop(at: Office) -> None:
    at.desk.stop_queue()


async def _queue_stop_cancel(at: Office) -> None:
    at.desk.stop_queue(cancel=True)


async def _queue_mode_set(at: Office, mode: dict[str, Any] | str) -> None:
    wanted = {"loop": False, "ignore_failures": False} if mode == "default" else mode
    if not isinstance(wanted, dict) or set(wanted) - {"loop", "ignore_failures"}:
        raise BadInputError("mode must be {'loop': true or false}, or 'default'")
    if not all(isinstance(on, bool) for on in wanted.values()):
        raise BadInputError("mode: each must be true or false")
    if wanted.get("ignore_failures"):
        raise BadInputError("ignore_failures cannot be: after a failure somebody looks before chemistry goes on")
    if "loop" in wanted:
        at.desk.queue.loop = wanted["loop"]


async def _queue_autostart(at: Office, enable: bool) -> None:
    if enable:
        raise BadInputError("autostart cannot be: somebody starts the queue, with queue_start")


async def _history_get(at: Office) -> Answer:
    queue = at.desk.queue
    return {"items": [queueserver.ended(one) for one in queue.history], "plan_history_uid": queue.history_uid}


async def _history_clear(at: Office, size: int | None = None, item_uid: str | None = None) -> None:
    if size is not None or item_uid is not None:
        raise BadInputError("the history is cleared as a whole: leave out size and item_uid")
    at.desk.queue.clear_history()


def _object(one: object) -> dict[str, Any]:
    if not isinstance(one, dict):
        raise BadInputError(f"items: each must be an object, not {one!r:.60}")
    return one


def _texts(uids: list[Any]) -> list[str]:
    if not all(isinstance(uid, str) for uid in uids):
        raise BadInputError("uids: each must be text")
    return list(uids)


QUEUE_METHODS: dict[str, Method] = {
    "queue_get": reads(_queue_get),
    "queue_item_get": reads(_queue_item_get),
    "history_get": reads(_history_get),
    "queue_item_add": of_queue(_queue_item_add),
    "queue_item_add_batch": of_queue(_queue_item_add_batch),
    "queue_item_update": of_queue(_queue_item_update),
    "queue_item_remove": of_queue(_queue_item_remove),
    "queue_item_remove_batch": of_queue(_queue_item_remove_batch),
    "queue_item_move": of_queue(_queue_item_move),
    "queue_item_move_batch": of_queue(_queue_item_move_batch),
    "queue_clear": of_queue(_queue_clear),
    "queue_mode_set": of_queue(_queue_mode_set),
    "history_clear": of_queue(_history_clear),
    "queue_start": of_environment(_queue_start),
    "queue_stop_cancel": of_environment(_queue_stop_cancel),
    "queue_autostart": of_environment(_queue_autostart),
    "queue_stop": ends(_queue_stop),
    "queue_item_execute": refuses("every plan goes by the queue: queue_item_add with pos 'front', then queue_start"),
}
