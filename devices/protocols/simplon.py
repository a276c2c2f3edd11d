"""SIMPLON, the interface of Dectris detectors: what its HTTP bodies mean. No I/O.

Source: SIMPLON 1.8 API documentation, document version 3.2: resources pages 3–9, keys of a parameter pages 25–26,
commands pages 30–31. The reply to ``arm``, which the documentation names ``sequence_id``, is ``{"sequence id": 1}`` or
``{"series id": 1}`` where areaDetector's ADEiger reads it.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from devices.errors import ReplyError

Module = Literal["detector", "stream"]
Task = Literal["config", "status", "command"]
#: States in which the detector takes no images and starts none by itself.
AT_REST = frozenset({"na", "idle", "ready", "error"})
STATES = AT_REST | {"initialize", "configure", "acquire", "test"}

_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){2,3}")
_SERIES_KEYS = ("sequence id", "sequence_id", "series id", "series_id")


@dataclass(frozen=True)
class Parameter:
    """A parameter as a GET tells it.

    Attributes:
        value: a number, a string, a bool or a list of them; None where the detector knows none.
        lowest, highest: between what it can be set; None where there is no limit.
    """

    value: Any
    lowest: float | None = None
    highest: float | None = None


def resource(module: Module, version: str, task: Task, key: str) -> str:
    """Path of a resource: ``/detector/api/1.8.0/config/count_time``."""
    return f"/{module}/api/{version}/{task}/{key}"


def version_resource(module: Module) -> str:
    """Path under which a module tells the version of its interface."""
    return f"/{module}/api/version"


def encode_value(value: float | str | bool) -> bytes:
    """The body of a PUT that sets a parameter."""
    return json.dumps({"value": value}, allow_nan=False).encode()


def decode_parameter(body: bytes) -> Parameter:
    """The body of the reply to a GET.

    Raises:
        ReplyError: it is none.
    """
    found = _object(body)
    if "value" not in found:
        raise ReplyError(f"no value in {_short(body)}")
    return Parameter(found["value"], _limit(found, "min", body), _limit(found, "max", body))


def decode_changed(body: bytes) -> tuple[str, ...]:
    """The body of the reply to a PUT: parameters that are changed or may be; empty where none are named.

    Raises:
        ReplyError: it is no list of names.
    """
    found = _json(body) if body.strip() else None
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(key, str) for key in cast("list[Any]", found)):
        raise ReplyError(f"no list of parameters: {_short(body)}")
    return tuple(cast("list[str]", found))


def decode_series(body: bytes) -> int:
    """The body of the reply to ``arm``: the number of the series.

    Raises:
        ReplyError: there is none in it.
    """
    found = _object(body)
    for key in _SERIES_KEYS:
        value = found.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    raise ReplyError(f"no number of a series in {_short(body)}")


def decode_version(body: bytes) -> str:
    """The body of the reply to a GET of :func:`version_resource`.

    Raises:
        ReplyError: it names no version.
    """
    value = decode_parameter(body).value
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise ReplyError(f"no version of SIMPLON: {_short(body)}")
    return value


def as_number(parameter: Parameter) -> float:
    """The value, which must be a number.

    Raises:
        ReplyError: it is none, or is not finite.
    """
    value = parameter.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ReplyError(f"{_short(value)} is no number")
    return float(value)


def as_count(parameter: Parameter, highest: int = 2**63) -> int:
    """The value, which must be a whole number of 0 to ``highest``.

    Raises:
        ReplyError: it is none.
    """
    value = as_number(parameter)
    if value != int(value) or not 0 <= value <= highest:
        raise ReplyError(f"{_short(parameter.value)} is no whole number of 0 to {highest}")
    return int(value)


def as_text(parameter: Parameter) -> str:
    """The value, which must be a string.

    Raises:
        ReplyError: it is none.
    """
    if not isinstance(parameter.value, str):
        raise ReplyError(f"{_short(parameter.value)} is no text")
    return parameter.value


def as_state(parameter: Parameter) -> str:
    """The value, which must be a state of the detector; documentation, page 28.

    Raises:
        ReplyError: it is none.
    """
    if as_text(parameter) not in STATES:
        raise ReplyError(f"{_short(parameter.value)} is no state of a detector")
    return as_text(parameter)


def _json(body: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise ReplyError(f"this is no JSON: {_short(body)}") from None


def _object(body: bytes) -> dict[str, Any]:
    found = _json(body)
    if not isinstance(found, dict):
        raise ReplyError(f"no JSON object: {_short(body)}")
    return cast("dict[str, Any]", found)


def _limit(found: dict[str, Any], key: str, body: bytes) -> float | None:
    value = found.get(key)
    if value is None or isinstance(value, str | list):  # where there is none, it may be left out or empty
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReplyError(f"{key} is no number in {_short(body)}")
    return float(value)


def _short(what: Any) -> str:
    text = repr(what)
    return text if len(text) <= 80 else f"{text[:77]}..."
