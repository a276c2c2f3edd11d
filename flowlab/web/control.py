"""Questions to the daemon's control socket, several at a time, each with a limit.

A question has a connection to itself while it is under way, so answers need nothing to tell them apart, and a late one
is dropped with its connection. Nothing waits for a daemon that is not there: what was asked of one that died must not
be done by the one that is started next.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from flowlab.daemon.asking import somebody_listens
from flowlab.daemon.keys import ClientKeys
from flowlab.errors import BadInputError, FlowlabError

#: Questions under way at once; more wait their turn, but those that stop something do not.
_AT_ONCE = 32
_URGENT = {"flowlab_safe_state", "environment_destroy", "queue_stop", "re_pause", "re_stop", "re_abort", "re_halt"}
_RECONNECT_MS = 50
#: What the control socket takes; of a longer one it would say nothing.
_MAX_BYTES = 2**20


class RefusedError(FlowlabError):
    """The daemon cannot do that now, for the reason that it gives."""


class NoDaemonError(FlowlabError):
    """There is no daemon to ask; nothing was asked."""


class SilentDaemonError(FlowlabError):
    """The daemon does not answer; whether it did what it was asked for is not known."""


class TooBusyError(FlowlabError):
    """As much is asked of the daemon as can be; this was not asked."""


class ControlClient:
    """Asks the daemon; within one event loop, until it is closed.

    Args:
        address: of the control socket.
        limit_s: how long it may take to answer.
        keys: a client's file of keys, where the socket asks for them.
    """

    def __init__(self, address: str, limit_s: float, keys: Path | None = None):
        self.limit_s = limit_s
        self._address = address
        self._keys = None if keys is None else ClientKeys.load(keys)
        self._context = zmq.asyncio.Context()
        self._free: list[zmq.asyncio.Socket] = []
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def close(self) -> None:
        """Ask no more; nothing may be under way."""
        self._context.destroy(linger=0)

    async def ask(self, method: str, *, limit_s: float | None = None, **params: Any) -> dict[str, Any]:
        """Ask one thing.

        Args:
            method: of the control API.
            limit_s: another limit than usual, in seconds.
            params: of the method; those that are None are left out.

        Returns:
            The answer, without ``success`` and ``msg``.

        Raises:
            BadInputError: the daemon says that the question is wrong.
            RefusedError: the daemon refuses.
            NoDaemonError: nobody is there.
            SilentDaemonError: it does not answer.
            TooBusyError: too much is asked of it at once.
        """
        given = {name: value for name, value in params.items() if value is not None}
        try:
            question = json.dumps({"method": method, "params": given}, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise BadInputError("numbers must be finite, text be Unicode, and nothing nested too deeply") from None
        if len(question) > _MAX_BYTES:
            raise BadInputError(f"the request is too long: {len(question)} bytes; the daemon takes {_MAX_BYTES}")
        limit_s = limit_s or self.limit_s
        async with self._turn(method):
            answer = _understood(await self._exchange(question, limit_s), self._address)
        message = " ".join(str(answer.pop("msg", "")).split())
        if answer.pop("success", False) is not True:
            wrong = answer.get("kind") == "bad_input"
            raise (BadInputError if wrong else RefusedError)(message or f"{method} was refused, without a reason")
        return answer

    @contextlib.asynccontextmanager
    async def _turn(self, method: str) -> AsyncIterator[None]:
        """Wait for one's turn, but for what cannot wait."""
        if method in _URGENT:
            yield
            return
        try:
            async with asyncio.timeout(self.limit_s):
                await self._turns.acquire()
        except TimeoutError:
            raise TooBusyError(f"{_AT_ONCE} questions are under way already; ask again") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _exchange(self, question: bytes, limit_s: float) -> bytes:
        sent = False
        socket = self._free.pop() if self._free else self._connect()
        try:
            async with asyncio.timeout(min(limit_s, self.limit_s)):
                await socket.send_multipart([b"", question])
            sent = True
            async with asyncio.timeout(limit_s):
                answer = (await socket.recv_multipart())[-1]
        except TimeoutError:
            if sent:
                raise SilentDaemonError(
                    f"the daemon did not answer within {limit_s:g} s; whether it did what it was asked for is not known"
                ) from None
            if await asyncio.to_thread(somebody_listens, self._address):
                raise NoDaemonError(
                    "the daemon takes no questions: it hangs, or these are not its keys; nothing was done, and how the "
                    "instrument is, is not known: go there"
                ) from None
            raise NoDaemonError("no daemon is there to answer; start it with flowlab up") from None
        except zmq.ZMQError as error:
            raise NoDaemonError(f"the daemon cannot be asked: {error}") from None
        else:
            self._free.append(socket)
            return answer
        finally:
            if socket not in self._free:
                socket.close()

    def _connect(self) -> "zmq.asyncio.Socket":
        socket: zmq.asyncio.Socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.immediate = True  # there is nobody to send to where nobody is connected
        socket.reconnect_ivl = _RECONNECT_MS
        if self._keys is not None:
            self._keys.secure(socket)
        try:
            socket.connect(self._address)
        except zmq.ZMQError as error:
            socket.close()
            raise NoDaemonError(f"the daemon cannot be asked at {self._address}: {error}") from None
        return socket


def _understood(answer: bytes, address: str) -> dict[str, Any]:
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise NoDaemonError(f"what answers at {address} is no daemon of flowlab's")
    return told
