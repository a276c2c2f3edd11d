"""A method of the control API: what it does, what it takes, what a lock keeps it from."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from flowlab.daemon.desk import Desk
from flowlab.daemon.locks import Lock, Part
from flowlab.errors import BadInputError, FlowlabError

Answer = dict[str, Any]

_MAX_TOLD = 2000
_JSON_TYPES = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    bool: "true or false",
    type(None): "null",
}


@dataclass
class Office:
    """What the methods work on."""

    desk: Desk
    lock: Lock


@dataclass(frozen=True)
class Method:
    """What is called by a name.

    Attributes:
        call: takes the office and the parameters, which its signature gives: names, types, defaults.
        lock: what must not be locked by somebody else.
        changes: whether anything is changed.
        ends: it ends what runs; that is never locked, and never waits for anything else.
    """

    call: Callable[..., Awaitable[Answer | None]]
    lock: Part | None = None
    changes: bool = True
    ends: bool = False

    def bind(self, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that are given; null is as if one were left out.

        Raises:
            BadInputError: one is missing, unknown or of another type.
        """
        _, *taken = inspect.signature(self.call).parameters.values()
        given = {key: value for key, value in params.items() if value is not None}
        if any(one.kind is one.VAR_KEYWORD for one in taken):
            return {}
        known = {one.name for one in taken}
        if "lock_key" not in known:  # clients send it along with everything
            given.pop("lock_key", None)
        if unknown := sorted(set(given) - known):
            allowed = ", ".join(one.name for one in taken) or "none"
            raise BadInputError(f"{name}: there is no such parameter: {', '.join(unknown)}; allowed: {allowed}")
        for one in taken:
            if one.name not in given:
                if one.default is one.empty:
                    raise BadInputError(f"{name}: the parameter {one.name} is missing")
            # By type and not by isinstance: true is no number.
            elif type(given[one.name]) not in (allowed := _types(one.annotation)):
                told = " or ".join(_JSON_TYPES[kind] for kind in allowed if kind is not type(None))
                raise BadInputError(f"{name}: {one.name} must be {told}, not {given[one.name]!r:.60}")
        return given


reads = partial(Method, changes=False)
ends = partial(Method, ends=True)
of_queue = partial(Method, lock="queue")
of_environment = partial(Method, lock="environment")


def refuses(why: str) -> Method:
    """What bluesky-queueserver can do and flowlab does not, whatever its parameters."""

    async def refuse(_at: Office, **_params: Any) -> None:
        raise BadInputError(why)

    return reads(refuse)


def refusal(error: FlowlabError) -> Answer:
    """The answer to what cannot be done: one line, whatever was quoted in it."""
    told = " ".join(str(error).split())
    kind = {"kind": "bad_input"} if isinstance(error, BadInputError) else {}
    return {"success": False, "msg": told if len(told) <= _MAX_TOLD else told[:_MAX_TOLD] + " …", **kind}


def _types(annotation: Any) -> tuple[type, ...]:
    """What an annotation allows, without what is inside: ``dict[str, Any] | str`` → dict, str."""
    origin: Any = getattr(annotation, "__origin__", annotation)
    if origin in _JSON_TYPES:
        return (origin,)
    return tuple(kind for part in get_args(annotation) for kind in _types(part))
