"""Interlocks that tripped: which, and that somebody has seen it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path

from flowlab.daemon.tokens import Role
from flowlab.web.access import Guard
from flowlab.web.control import ControlClient

Facts = dict[str, Any]
Name = Annotated[str, Path(min_length=1, max_length=200)]


def interlocks(control: ControlClient, guard: Guard) -> APIRouter:
    """What there is of interlocks under ``/api/v1``."""
    router = APIRouter(tags=["interlocks"])

    @router.get("/interlocks", dependencies=[Depends(guard.reader)])
    async def which_tripped() -> Facts:
        """Of each interlock when and why it tripped, or null; plans run again once those are acknowledged."""
        return await control.ask("flowlab_interlocks")

    @router.post("/interlocks/{name}/acknowledge")
    async def acknowledge_interlock(name: Name, user: Annotated[str, Depends(guard.needs(Role.OPERATOR))]) -> Facts:
        """Say that somebody has found why one tripped: it is watched again, and refused where it trips at once."""
        known = (await control.ask("flowlab_interlocks")).get("latched", {})
        if name not in known:
            raise HTTPException(404, f"there is no interlock {name!r}; there are: {', '.join(known) or 'none'}")
        return await control.ask("flowlab_interlock_ack", limit_s=10 * control.limit_s, name=name, user=user)

    return router
