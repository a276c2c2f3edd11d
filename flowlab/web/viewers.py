"""Those who look at the page: each is told what has changed, encoded once for all of them.

The picture is kept by a thread of its own (:class:`Gallery`), so that nothing that comes from the instrument waits for
a browser, and no browser for a journal. A viewer who is too slow loses the connection, comes back, and begins anew.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

import flowlab
from flowlab.errors import FlowlabError
from flowlab.web.access import Guard, RefusedViewerError, Viewer
from flowlab.web.control import ControlClient
from flowlab.web.gallery import Gallery
from flowlab.web.status import Status
from flowlab.web.wire import encode, packed

_LOG = logging.getLogger(__name__)
#: Viewers at once; messages that may wait for one; seconds in which a new one must say who it is.
_MOST, _MOST_WAITING, _HELLO_WITHIN_S = 200, 50, 5.0
#: Seconds between two messages: at least, and at most, for who listens to know that somebody is there.
_AT_LEAST_S, _AT_MOST_S = 0.05, 1.0
#: Seconds: how long one message may take to leave; how long the picture may be busy and what is shown still stand.
_SENT_WITHIN_S, _BUSY_AT_MOST_S = 10.0, 1.5
#: A token may expire while somebody looks with it; when one is removed, all are judged at once.
_JUDGED_EVERY_S = 60.0
#: Seconds until a daemon that did not tell its queue is asked again; how long whoever comes first waits for it to tell.
_ASK_AGAIN_S, _TOLD_WITHIN_S = 0.5, 0.5
_LONGEST_HELLO = 4096
_GOING_AWAY, _POLICY_VIOLATION, _TRY_AGAIN_LATER = 1001, 1008, 1013
_NEWEST_ENDED = 50

Waiting = asyncio.Queue[bytes | None]


class Viewers:
    """Serves the picture; within one event loop, until it is closed.

    Args:
        gallery: keeps the picture.
        status: how the daemon is; None where there is none.
        control: to ask it for its queue, likewise.
        guard: tells who may look.
    """

    def __init__(self, gallery: Gallery, status: Status | None, control: ControlClient | None, guard: Guard):
        self._gallery = gallery
        self._status = status
        self._control = control
        self._guard = guard
        self._waiting: set[Waiting] = set()
        self._new: list[Waiting] = []
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        #: Status and queue; what of them has changed.
        self._now: dict[str, Any] = {}
        self._changed: dict[str, Any] = {}
        self._status_came = asyncio.Event()
        #: The daemon has told how things stand, or it is known that it does not.
        self._told = asyncio.Event()
        self._closed = False

    async def serve(self, websocket: WebSocket) -> None:
        """Tell one viewer, until one of both goes away."""
        await websocket.accept()
        judged_by = self._guard.changed
        try:
            viewer = await self._let_in(websocket)
        except RefusedViewerError as error:
            await _refuse(websocket, error)
            return
        except WebSocketDisconnect:
            return
        waiting: Waiting = asyncio.Queue(_MOST_WAITING)
        judged = time.monotonic()
        self._join(waiting)
        reading = asyncio.create_task(_until_gone(websocket, waiting), name="viewer")
        who = {"name": viewer.name, "role": viewer.role, "version": flowlab.__version__}
        hello = encode({"type": "hello", **who, "control": self._control is not None})
        try:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # it is gone, or as good as that
                await _in_time(websocket.send_bytes(hello))
                while (data := await waiting.get()) is not None:
                    if self._guard.changed != judged_by or time.monotonic() - judged > _JUDGED_EVERY_S:
                        judged, judged_by = time.monotonic(), self._guard.changed
                        self._guard.viewer(websocket, viewer.token)
                    await _in_time(websocket.send_bytes(data))
                await _in_time(websocket.close(_GOING_AWAY if self._closed else _TRY_AGAIN_LATER))
        except RefusedViewerError as error:  # no longer
            await _refuse(websocket, error)
        finally:
            reading.cancel()
            self._leave(waiting)

    async def _let_in(self, websocket: WebSocket) -> Viewer:
        """Who looks, when they may.

        Raises:
            RefusedViewerError: they may not, or do not say who they are.
        """
        try:
            async with asyncio.timeout(_HELLO_WITHIN_S):
                message = await websocket.receive()
        except TimeoutError:
            raise RefusedViewerError("nothing was said", _POLICY_VIOLATION) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        text = message.get("text") or ""
        try:
            said = json.loads(text) if len(text) <= _LONGEST_HELLO else None
        except (ValueError, RecursionError):
            said = None
        token = said.get("token") if isinstance(said, dict) else 0
        if not (token is None or isinstance(token, str)):
            raise RefusedViewerError('the first message is {"token": null}, or a token', _POLICY_VIOLATION)
        viewer = self._guard.viewer(websocket, token)
        # Only now: those who may not look keep nobody out.
        if self._closed:
            raise RefusedViewerError("flowlab is stopping", _GOING_AWAY)
        if len(self._waiting) + len(self._new) >= _MOST:
            raise RefusedViewerError(f"{_MOST} look already; close a page that nobody looks at", _TRY_AGAIN_LATER)
        return viewer

    def _join(self, waiting: Waiting) -> None:
        self._new.append(waiting)
        self._news.set()
        if self._tasks:
            return
        self._gallery.on_news(self._news.set)
        ways = [self._tell_all()]
        if self._status is not None:  # what was known when somebody looked last may be long past
            self._now = {"status": {"facts": None, "lost": None}, "queue": None}
            self._told.clear()
            ways += [self._follow_status(self._status), self._follow_queue()]
        self._tasks = [asyncio.create_task(way, name="for viewers") for way in ways]

    def _leave(self, waiting: Waiting) -> None:
        self._waiting.discard(waiting)
        if waiting in self._new:
            self._new.remove(waiting)
        if not self._waiting and not self._new:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _tell_all(self) -> None:
        """Messages for all, until nobody looks any more."""
        if self._status is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TOLD_WITHIN_S):
                    await self._told.wait()
        looked = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AT_MOST_S):
                    await self._news.wait()
            self._news.clear()
            new = list(self._new)
            found = await asyncio.to_thread(self._gallery.look, whole=bool(new))
            mine, self._changed = self._changed, {}
            if found is None:  # it is busy: who looks is told that somebody is there, and the rest next time
                if self._gallery.alive and time.monotonic() - looked < _BUSY_AT_MOST_S:
                    self._give(self._waiting, _encoded(mine))
                await asyncio.sleep(_AT_LEAST_S)
                continue
            looked = time.monotonic()
            changes, whole = found
            changes = {name: section for name, section in changes.items() if name not in self._now}  # newer here
            if self._waiting:
                self._give(self._waiting, await asyncio.to_thread(_encoded, {**changes, **mine}))
            if new:
                data = await asyncio.to_thread(_whole, {**whole, **self._now})
                new = [waiting for waiting in new if waiting in self._new]  # and has not gone meanwhile
                self._new = [waiting for waiting in self._new if waiting not in new]
                self._waiting |= set(new)
                self._give(new, data)
            await asyncio.sleep(_AT_LEAST_S)

    def _give(self, to: "set[Waiting] | list[Waiting]", data: bytes) -> None:
        for waiting in list(to):
            if waiting.full():  # who is so slow begins anew
                self._waiting.discard(waiting)
                while not waiting.empty():
                    waiting.get_nowait()
                waiting.put_nowait(None)
            else:
                waiting.put_nowait(data)

    async def _follow_status(self, status: Status) -> None:
        """Keep the status up to date, while somebody looks."""
        async for told in status.follow():
            self._set("status", {"facts": told.facts, "lost": told.lost})
            self._status_came.set()
            if told.lost is not None:
                self._told.set()

    async def _follow_queue(self) -> None:
        """Likewise the queue: it is asked for when the status tells that it is another."""
        known: tuple[Any, ...] | None = None
        while True:
            facts = self._now["status"]["facts"] or {}
            now = (facts.get("queue_uid"), facts.get("history_uid"), (facts.get("running") or {}).get("item"))
            if not facts or now == known:
                await self._status_came.wait()
                self._status_came.clear()
                continue
            try:
                await self._ask_for_queue()
                known = now
            except FlowlabError:  # the status tells that it does not answer
                await asyncio.sleep(_ASK_AGAIN_S)

    async def _ask_for_queue(self) -> None:
        assert self._control is not None  # noqa: S101  where there is a status, there is who tells it
        queue = await self._control.ask("queue_get")
        history = await self._control.ask("history_get")
        section = {
            "items": queue.get("items", []),
            "running": queue.get("running_item") or None,
            "history": history.get("items", [])[-_NEWEST_ENDED:],
        }
        self._set("queue", section)
        self._told.set()

    def _set(self, name: str, section: Any) -> None:
        if self._now.get(name) != section:
            self._now[name] = self._changed[name] = section
            self._news.set()

    async def close(self) -> None:
        """Send everybody home."""
        self._closed = True
        for waiting in [*self._waiting, *self._new]:
            with contextlib.suppress(asyncio.QueueFull):
                waiting.put_nowait(None)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _encoded(sections: dict[str, Any]) -> bytes:
    """A message; a section that cannot be sent is left out, and keeps none of the others back."""
    message = {"type": "picture", "time": time.time()}
    try:
        return encode({**message, "sections": sections})
    except Exception:  # noqa: BLE001  what documents hold is not ours
        good = {name: section for name, section in sections.items() if _can_be_sent(name, section)}
        return encode({**message, "sections": good})


def _whole(sections: dict[str, Any]) -> bytes:
    """The first message that a viewer gets."""
    return packed(_encoded(sections))


def _can_be_sent(name: str, section: Any) -> bool:
    try:
        encode({name: section})
    except Exception:  # noqa: BLE001  as above; it is logged
        _LOG.exception("cannot be sent: %s", name)
        return False
    return True


async def _refuse(websocket: WebSocket, error: RefusedViewerError) -> None:
    client = websocket.client.host if websocket.client else "?"
    _LOG.warning("refused: a viewer from %s: %s", client, error)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        await _in_time(websocket.send_bytes(encode({"type": "refused", "why": str(error), "code": error.code})))
        await _in_time(websocket.close(error.code))


async def _in_time(leaving: Awaitable[None]) -> None:
    """Wait until a message has left, or raise TimeoutError: who reads nothing is waited for no longer."""
    async with asyncio.timeout(_SENT_WITHIN_S):
        await leaving


async def _until_gone(websocket: WebSocket, waiting: Waiting) -> None:
    """A viewer says nothing more; when it is gone, or does, what is told to it ends."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await websocket.receive()
    while waiting.full():
        waiting.get_nowait()
    waiting.put_nowait(None)
