"""Ask the daemon something, and wait for the answer: what the command line does."""

import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import zmq

from flowlab.errors import BadInputError, FlowlabError

#: Seconds for whoever listens to let a connection in.
_CONNECT_S = 1.0


class RefusedError(FlowlabError):
    """The daemon could not do it.

    Attributes:
        answer: all that it answered.
    """

    def __init__(self, message: str, answer: dict[str, Any]):
        super().__init__(message)
        self.answer = answer


def ask(
    address: str,
    method: str,
    params: dict[str, Any] | None = None,
    limit_s: float = 5.0,
    secure: Callable[[zmq.Socket[Any]], None] | None = None,
) -> dict[str, Any]:
    """Call a method of the daemon at an address.

    Args:
        address: that of its control socket.
        method: see :mod:`flowlab.daemon.api`.
        params: its parameters.
        limit_s: how long to wait for the answer.
        secure: sets the keys of the socket before it connects.

    Returns:
        The answer, with ``success``, which is true.

    Raises:
        BadInputError: the question is wrong.
        RefusedError: it cannot be done.
        FlowlabError: nobody is there, or does not answer in time.
    """
    if not somebody_listens(address):
        raise FlowlabError(f"no flowlab daemon at {address}; start one with: flowlab up")
    answer = _exchange(address, {"method": method, "params": params or {}}, limit_s, secure)
    if answer is None:
        raise FlowlabError(
            f"{address}: no answer to {method} within {limit_s:g} s; whether it was done is not known: flowlab status"
        )
    if answer.get("success", True):
        return answer
    why = str(answer.get("msg") or f"{method} was refused")
    raise BadInputError(why) if answer.get("kind") == "bad_input" else RefusedError(why, answer)


def _exchange(
    address: str, request: dict[str, Any], limit_s: float, secure: Callable[[zmq.Socket[Any]], None] | None
) -> dict[str, Any] | None:
    """The answer to a request; None when there was none in time."""
    try:
        text = json.dumps(request, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{request['method']}: cannot be sent: {error}") from None
    with zmq.Context() as context, context.socket(zmq.REQ) as asking:
        asking.setsockopt(zmq.LINGER, 0)
        asking.setsockopt(zmq.IPV6, int("[" in address))
        if secure is not None:
            secure(asking)
        try:
            asking.connect(address)
            end_s = time.monotonic() + limit_s
            if not asking.poll(_left_ms(end_s), zmq.POLLOUT):
                raise FlowlabError(
                    f"{address}: {request['method']} could not be asked within {limit_s:g} s, and was not done: "
                    "whoever listens there takes no questions from here; are the keys the right ones?"
                )
            asking.send(text.encode(), zmq.NOBLOCK)
            if not asking.poll(_left_ms(end_s)):
                return None
            answer = json.loads(asking.recv())
        except zmq.ZMQError as error:
            raise FlowlabError(f"{address}: cannot be asked: {error}") from None
        except (ValueError, RecursionError):
            answer = None
    if not isinstance(answer, dict):
        raise FlowlabError(f"{address}: what answers there is no flowlab daemon")
    return answer


def _left_ms(end_s: float) -> int:
    return max(0, round(1000 * (end_s - time.monotonic())))


def somebody_listens(address: str) -> bool:
    """Whether a connection is let in; 0MQ itself would wait for somebody to come.

    Raises:
        BadInputError: it is no address.
    """
    if (ipc := re.fullmatch(r"ipc://(.+)", address)) is not None:
        where, family = ipc[1], socket.AF_UNIX
        try:
            with socket.socket(family) as probe:
                probe.settimeout(_CONNECT_S)
                probe.connect(where)
        except OSError:
            return False
        return True
    tcp = re.fullmatch(r"tcp://(?:\[(?P<six>[^]]+)]|(?P<host>[^:]+)):(?P<port>\d{1,5})", address)
    if tcp is None or not 0 < int(tcp["port"]) < 2**16:
        raise BadInputError(f"{address!r} is no address: allowed are ipc://PATH and tcp://HOST:PORT")
    try:
        with socket.create_connection((tcp["six"] or tcp["host"], int(tcp["port"])), timeout=_CONNECT_S):
            return True
    except OSError:
        return False
