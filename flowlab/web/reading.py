"""Routes that change nothing."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from fastapi.responses import StreamingResponse

from flowlab.errors import FlowlabError
from flowlab.web.access import Guard
from flowlab.web.control import ControlClient
from flowlab.web.metrics import CONTENT_TYPE, Metrics
from flowlab.web.models import Asked, Health
from flowlab.web.status import LISTENERS, Status

Facts = dict[str, Any]
Name = Annotated[str, Path(min_length=1, max_length=200)]

_EVENTS = "Events: status (as GET status, at first and after each change), lost (why), heartbeat (each second)."


async def _known(control: ControlClient, what: str) -> Facts:
    """Plans or devices; a daemon that has just begun finds out first which there are."""
    return (await control.ask(what, limit_s=10 * control.limit_s, user_group="primary")).get(what, {})


async def known_plan(control: ControlClient, name: str) -> Facts:
    """What the daemon tells of a plan.

    Raises:
        HTTPException: there is none of that name.
    """
    plans = await _known(control, "plans_allowed")
    if name not in plans:
        raise HTTPException(404, f"there is no plan {name!r}; GET plans lists them")
    return plans[name]


def reading(control: ControlClient, status: Status, guard: Guard) -> APIRouter:
    """What there is to be read under ``/api/v1``."""
    router = APIRouter(dependencies=[Depends(guard.reader)], tags=["reading"])

    @router.get("/status")
    async def how_things_stand() -> Facts:
        return await status.now()

    @router.get("/queue")
    async def the_queue() -> Facts:
        return await control.ask("queue_get")

    @router.get("/history")
    async def what_ended(newest: Annotated[int, Query(ge=1, le=10_000)] = 100) -> Facts:
        """The newest items last."""
        answer = await control.ask("history_get")
        return {**answer, "items": answer.get("items", [])[-newest:]}

    @router.get("/plans")
    async def plans() -> Facts:
        return {"plans": await _known(control, "plans_allowed")}

    @router.get("/plans/{name}")
    async def plan(name: Name) -> Facts:
        return await known_plan(control, name)

    @router.post("/plans/{name}/preflight")
    async def preflight(name: Name, asked: Asked) -> Facts:
        """What the plan would do, at most; nothing moves."""
        await known_plan(control, name)
        limit_s = 10 * control.limit_s
        answer = await control.ask("flowlab_preflight", limit_s=limit_s, plan=name, parameters=asked.parameters)
        return answer.get("preflight", {})

    @router.get("/devices")
    async def devices() -> Facts:
        return {"devices": await _known(control, "devices_allowed")}

    @router.get(
        "/events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": _EVENTS}},
    )
    async def events() -> StreamingResponse:
        """How things stand, from now on, as server-sent events."""
        if status.full:
            raise HTTPException(503, f"{LISTENERS} listen already; close a page that nobody looks at")
        return StreamingResponse(status.listen(), media_type="text/event-stream")

    return router


def watching(status: Status, metrics: Metrics, guard: Guard) -> APIRouter:
    """What other programs look at to know whether all is well."""
    router = APIRouter(tags=["watching"])

    @router.get("/healthz", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Whether the daemon answers; anybody may ask that."""
        try:
            return Health(ok=True, state=str((await status.now()).get("state")))
        except FlowlabError as error:
            response.status_code = 503
            return Health(ok=False, why=str(error))

    @router.get(
        "/metrics",
        dependencies=[Depends(guard.reader)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def numbers() -> Response:
        """For Prometheus."""
        return Response(await metrics.text(), media_type=CONTENT_TYPE)

    return router
