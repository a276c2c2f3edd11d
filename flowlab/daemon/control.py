"""The control socket: requests come in by 0MQ, as JSON, from any number of clients, and none holds up another.

A request is ``{"method": …, "params": {…}}``, the answer an object with ``success`` and ``msg``, as
bluesky-queueserver's clients have it. What is no request is answered with why, where there is somebody to answer.
"""

import asyncio
import ipaddress
import json
import logging
import math
import re
import socket
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import zmq
import zmq.asyncio

from flowlab.daemon.api import Api
from flowlab.daemon.method import Answer, refusal
from flowlab.daemon.methods import ENDING
from flowlab.errors import BadInputError, FlowlabError

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 2**20
MAX_NESTING = 32
#: Calls under way, of all clients and of one; what ends a run does not count.
MAX_CALLS, MAX_CALLS_OF_ONE = 64, 16
#: Frames before the request that a client may send to tell its answers apart.
_MAX_FRAMES = 8
#: Answers that are kept for a client that does not take them.
_MAX_UNTAKEN = 32
_LINGER_MS = 200


class Admission(Protocol):
    """Lets clients in, until it is closed."""

    def close(self) -> None:
        """Let nobody in any more."""
        ...


#: Sets the keys of a socket, before it is bound.
Secure = Callable[["zmq.asyncio.Socket"], Admission | None]


class ControlSocket:
    """Where the API is called; a context, or closed.

    Args:
        api: what is called.
        address: ``ipc://PATH`` or ``tcp://127.0.0.1:PORT``; the port ``*`` is one that is free.
        secure: sets the keys of the socket before it is bound; without it only this machine is served.

    Attributes:
        address: the one in use.

    Raises:
        BadInputError: the address is none, or may not be served.
        FlowlabError: it is in use.
    """

    def __init__(self, api: Api, address: str, secure: Secure | None = None):
        self._admission: Admission | None = None
        self._api = api
        self._calls: set[asyncio.Task[None]] = set()
        self._of_client: Counter[bytes] = Counter()
        path = check_address(address, secure=secure is not None)
        self._path: Path | None = None
        if path is not None:
            _make_way(path)
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, _MAX_UNTAKEN)
        self._socket.setsockopt(zmq.RCVHWM, MAX_CALLS)
        self._socket.setsockopt(zmq.IPV6, int("[" in address))
        try:
            if secure is not None:
                self._admission = secure(self._socket)
            self._socket.bind(address)
            if path is not None:
                path.chmod(0o600)
                self._path = path
        except (zmq.ZMQError, OSError) as error:
            self.close()
            raise FlowlabError(f"{address}: cannot be served: {error}") from None
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No longer serve; answers that are on their way have a moment left."""
        if self._admission is not None:
            self._admission.close()
        self._socket.close()
        self._context.term()
        if self._path is not None:  # 0MQ leaves it there
            self._path.unlink(missing_ok=True)

    async def serve(self) -> None:
        """Answer, until cancelled."""
        try:
            while True:
                self._take(await self._socket.recv_multipart())
                # What is there already is received without waiting: others need a turn as well.
                await asyncio.sleep(0)
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def _take(self, frames: list[bytes]) -> None:
        """Begin to answer one message."""
        *envelope, request = frames
        if not 1 <= len(envelope) <= _MAX_FRAMES:
            logger.warning("dropped a message of %d frames", len(frames))
            return
        client = envelope[0]
        try:
            method, params = parse_request(request)
            if method not in ENDING:
                if len(self._calls) >= MAX_CALLS or self._of_client[client] >= MAX_CALLS_OF_ONE:
                    raise FlowlabError("too many calls are under way; ask again when some have been answered")
                self._of_client[client] += 1
        except FlowlabError as error:
            logger.warning("refused a request: %s", error)
            self._begin(self._send(envelope, refusal(error)))
            return
        self._begin(self._answer(envelope, method, params))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _answer(self, envelope: list[bytes], method: str, params: dict[str, Any]) -> None:
        try:
            await self._send(envelope, await self._api.call(method, params))
        finally:
            if method not in ENDING:
                client = envelope[0]
                self._of_client[client] -= 1
                if not self._of_client[client]:
                    del self._of_client[client]

    async def _send(self, envelope: list[bytes], answer: Answer) -> None:
        try:
            text = json.dumps(answer, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            logger.exception("an answer cannot be sent")
            fault: Answer = {"success": False, "msg": f"fault in flowlab: the answer cannot be sent: {error}"}
            text = json.dumps(fault).encode()
        try:
            await self._socket.send_multipart([*envelope, text])
        except zmq.ZMQError as error:
            logger.warning("an answer was not sent: %s", error)


def check_address(address: str, *, secure: bool) -> Path | None:
    """See whether an address may be served.

    Returns:
        The path of an ``ipc://`` one.

    Raises:
        BadInputError: it may not, or is no address.
    """
    if (ipc := re.fullmatch(r"ipc://(.+)", address)) is not None:
        path = ipc[1]
        if not path.startswith("/"):
            raise BadInputError(
                f"{address}: the path must be an absolute one, as in ipc:///run/user/1000/flowlab/control"
            )
        if (size := len(path.encode())) > zmq.IPC_PATH_MAX_LEN:
            raise BadInputError(
                f"{address}: the path has {size} bytes, a socket's may have {zmq.IPC_PATH_MAX_LEN}; take a shorter one"
            )
        return Path(path)
    tcp = re.fullmatch(r"tcp://(?:\[(?P<six>[^]]+)]|(?P<host>[^:]+)):(?P<port>\*|\d{1,5})", address)
    if tcp is None or (tcp["port"] != "*" and not 0 < int(tcp["port"]) < 2**16):
        raise BadInputError(f"{address!r} is no address: allowed are ipc://PATH and tcp://127.0.0.1:PORT")
    host = tcp["six"] or tcp["host"]
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not (loopback or secure):
        raise BadInputError(
            f"{address}: only addresses of this machine, as 127.0.0.1, are served without keys; "
            "make some with: flowlab keys new NAME"
        )
    return None


def _make_way(path: Path) -> None:
    """Make the folder of a socket; leave alone whatever is there, unless it is a socket that nobody listens to.

    Raises:
        FlowlabError: something is in the way: 0MQ would remove it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FlowlabError(f"{path}: something else is there; move it away")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            probe.connect(str(path))
        raise FlowlabError(f"{path}: another flowlab answers there")
    except (FileNotFoundError, ConnectionRefusedError):
        return
    except OSError as error:
        raise FlowlabError(f"{path}: cannot be used: {error.strerror or error}") from None


def parse_request(request: bytes) -> tuple[str, dict[str, Any]]:
    """Method and parameters of a request.

    Raises:
        BadInputError: it is none; the message says what is wrong with it.
    """
    if len(request) > MAX_REQUEST_BYTES:
        raise BadInputError(f"a request may have {MAX_REQUEST_BYTES} bytes, this one has {len(request)}")
    try:
        asked = json.loads(request.decode(), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError:
        raise BadInputError("a request is JSON in UTF-8; this is no UTF-8") from None
    except RecursionError:
        raise BadInputError(_NESTED) from None
    except ValueError as error:
        raise BadInputError(f"a request is JSON; this is not: {error}") from None
    _check_value(asked)
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
        raise BadInputError("a request is an object with a method, which is text")
    if unknown := sorted(set(asked) - {"method", "params"}):
        raise BadInputError(f"a request has method and params only, not {', '.join(unknown)}")
    params = asked.get("params")
    if params is not None and not isinstance(params, dict):
        raise BadInputError("params must be an object of names and values")
    return asked["method"], params or {}


_NESTED = f"a request may be nested {MAX_NESTING} deep; this one is deeper"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadInputError(f"{key!r:.60} is there twice")
        found[key] = value
    return found


def _no_number(text: str) -> float:
    raise BadInputError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise BadInputError(f"{text:.60} is too large a number")
    return value


def _check_value(value: object) -> None:
    """Refuse what is nested too deeply, and text that is none: half of a surrogate pair cannot be written anywhere."""
    level: list[object] = [value]
    for depth in range(MAX_NESTING + 1):
        inside: list[object] = []
        for one in level:
            if depth == MAX_NESTING and isinstance(one, dict | list):
                raise BadInputError(_NESTED)
            if isinstance(one, str) and not one.isascii():
                try:
                    one.encode()
                except UnicodeEncodeError:
                    raise BadInputError("a text in it is no Unicode: half of a surrogate pair") from None
            elif isinstance(one, dict):
                inside += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                inside += one
        level = inside
