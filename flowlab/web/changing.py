"""Routes that change something."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Path

from flowlab.daemon.tokens import Role
from flowlab.web.access import Guard
from flowlab.web.control import ControlClient
from flowlab.web.models import Acknowledged, NewItem, OtherItem, Pause, Place, QueueStop, SafeState

Facts = dict[str, Any]
Uid = Annotated[str, Path(min_length=1, max_length=200)]

#: What a change may take, in usual limits: looking at what is asked for, or making a whole instrument safe.
_LOOK, _SAFE = 10, 30


def changing(control: ControlClient, guard: Guard) -> APIRouter:
    """What can be changed under ``/api/v1``."""
    router = APIRouter()
    router.include_router(_queue(control, guard), tags=["queue"])
    router.include_router(_course(control, guard), tags=["queue"])
    router.include_router(_engine(control, guard), tags=["running"])
    router.include_router(_instrument(control, guard), tags=["instrument"])
    return router


def _queue(control: ControlClient, guard: Guard) -> APIRouter:
    router = APIRouter()
    operator = Depends(guard.needs(Role.OPERATOR))

    @router.post("/queue", status_code=201)
    async def add(new: NewItem, user: Annotated[str, operator]) -> Facts:
        """Queue a plan, once it has been found to be allowed."""
        item = {"item_type": "plan", "name": new.plan, "args": [], "kwargs": new.parameters}
        where = _inserted(new.place) if new.place else {}
        who = {"user": user, "user_group": "primary"}
        return await control.ask("queue_item_add", limit_s=_LOOK * control.limit_s, item=item, **where, **who)

    @router.put("/queue/{uid}")
    async def replace(uid: Uid, other: OtherItem, user: Annotated[str, operator]) -> Facts:
        """Put another plan in the place of one; it keeps the uid."""
        await _listed(control, "queue_get", uid)
        item = {"item_type": "plan", "name": other.plan, "args": [], "kwargs": other.parameters, "item_uid": uid}
        who = {"user": user, "user_group": "primary"}
        return await control.ask("queue_item_update", limit_s=_LOOK * control.limit_s, item=item, **who)

    @router.delete("/queue/{uid}", dependencies=[operator])
    async def remove(uid: Uid) -> Facts:
        await _listed(control, "queue_get", uid)
        return await control.ask("queue_item_remove", uid=uid)

    @router.post("/queue/{uid}/move", dependencies=[operator])
    async def move(uid: Uid, place: Place) -> Facts:
        await _listed(control, "queue_get", uid)
        return await control.ask("queue_item_move", uid=uid, pos_dest=place.index, **_beside(place))

    @router.delete("/queue", dependencies=[operator])
    async def clear() -> Facts:
        return await control.ask("queue_clear")

    return router


async def _listed(control: ControlClient, method: str, uid: str) -> None:
    """See to it that there is such an item.

    Raises:
        HTTPException: there is none.
    """
    items = (await control.ask(method)).get("items", [])
    if all(item.get("item_uid") != uid for item in items):
        raise HTTPException(404, f"there is no item {uid!r} in the {method.removesuffix('_get')}")


def _course(control: ControlClient, guard: Guard) -> APIRouter:
    router = APIRouter()
    operator = guard.needs(Role.OPERATOR)

    @router.post("/queue/start", dependencies=[Depends(operator)])
    async def start_queue() -> Facts:
        return await control.ask("queue_start")

    @router.post("/queue/stop", dependencies=[Depends(operator)])
    async def stop_queue(how: Annotated[QueueStop, Body()] = QueueStop()) -> Facts:  # noqa: B008  it is not changed
        return await control.ask("queue_stop_cancel" if how.cancel else "queue_stop")

    @router.post("/history/{uid}/resume", dependencies=[Depends(operator)])
    async def resume_item(uid: Uid) -> Facts:
        """Queue, at the front, what is left of an item that did not come to its end."""
        await _listed(control, "history_get", uid)
        return await control.ask("flowlab_queue_resume", limit_s=_LOOK * control.limit_s, uid=uid)

    @router.post("/ack", dependencies=[Depends(operator)])
    async def acknowledge(seen: Acknowledged) -> Facts:
        """Say that somebody has seen that an item was interrupted; the queue may go on."""
        return await control.ask("flowlab_queue_ack", uid=seen.uid)

    return router


def _engine(control: ControlClient, guard: Guard) -> APIRouter:
    router = APIRouter()
    operator, admin = guard.needs(Role.OPERATOR), guard.needs(Role.ADMIN)

    @router.post("/pause", dependencies=[Depends(operator)])
    async def pause(how: Annotated[Pause, Body()] = Pause()) -> Facts:  # noqa: B008  it is not changed
        return await control.ask("re_pause", option="deferred" if how.deferred else "immediate")

    @router.post("/resume", dependencies=[Depends(operator)])
    async def resume() -> Facts:
        return await control.ask("re_resume")

    @router.post("/stop")
    async def stop(user: Annotated[str, Depends(operator)]) -> Facts:
        """End the plan as if it were done."""
        return await control.ask("re_stop", user=user)

    @router.post("/abort")
    async def abort(user: Annotated[str, Depends(operator)]) -> Facts:
        """End the plan with its clean-up."""
        return await control.ask("re_abort", user=user)

    @router.post("/halt")
    async def halt(user: Annotated[str, Depends(admin)]) -> Facts:
        """End the plan without even its clean-up."""
        return await control.ask("re_halt", user=user)

    return router


def _instrument(control: ControlClient, guard: Guard) -> APIRouter:
    router = APIRouter()
    operator, admin = guard.needs(Role.OPERATOR), guard.needs(Role.ADMIN)

    @router.post("/safe-state", dependencies=[Depends(operator)])
    async def safe_state(how: Annotated[SafeState, Body()] = SafeState()) -> Facts:  # noqa: B008  it is not changed
        """Abort what runs and make the instrument safe, each device read back."""
        return await control.ask("flowlab_safe_state", limit_s=_SAFE * control.limit_s, dry_run=how.dry_run)

    @router.post("/environment/open", dependencies=[Depends(operator)])
    async def connect() -> Facts:
        """Begin to connect the devices."""
        return await control.ask("environment_open", limit_s=_LOOK * control.limit_s)

    @router.post("/environment/close", dependencies=[Depends(operator)])
    async def disconnect() -> Facts:
        """Make the instrument safe and let go of the devices."""
        return await control.ask("environment_close", limit_s=_SAFE * control.limit_s)

    @router.post("/environment/destroy", dependencies=[Depends(admin)])
    async def destroy() -> Facts:
        """Kill the worker, whatever it does, and make the instrument safe."""
        return await control.ask("environment_destroy", limit_s=_SAFE * control.limit_s)

    return router


def _beside(place: Place) -> Facts:
    return {"before_uid": place.before, "after_uid": place.after}


def _inserted(place: Place) -> Facts:
    """A place for a new item: the control API counts as ``list.insert`` does, where -1 is before the last."""
    index: int | str | None = place.index
    if isinstance(index, int) and index < 0:
        index = "back" if index == -1 else index + 1
    return {"pos": index, **_beside(place)}
