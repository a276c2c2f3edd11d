"""Those who look at the page: each is told what has changed, encoded once for all of them.

The picture is kept by a thread of its own (:class:`Gallery`), so that nothing that comes from the instrument waits for
a browser, and no browser for a journal. A viewer who is too slow loses the connection, comes back, and begins anew.
"""

import asyncio
import contextlib
import json
import logging
import time
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

import flowlab
from flowlab.errors import FlowlabError
from flowlab.web.access import Guard, RefusedViewerError, Viewer
from flowlab.web.control import ControlClient
from flowlab.web.gallery import Gallery
from flowlab.web.status import Status
from flowlab.web.wire import encode

_LOG = logging.getLogger(__name__)
#: Viewers at once; messages that may wait for one; seconds in which a new one must say who it is.
_MOST, _MOST_WAITING, _HELLO_WITHIN_S = 200, 50, 5.0
#: Seconds between two messages: at least, and at most, for who listens to know that somebody is there.
_AT_LEAST_S, _AT_MOST_S = 0.05, 1.0
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
        self._telling: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        #: Status and queue; what of them has changed.
        self._now: dict[str, Any] = {}
        self._changed: dict[str, Any] = {}
        self._queue_known: tuple[Any, ...] | None = None
        self._closed = False

    async def serve(self, websocket: WebSocket) -> None:
        """Tell one viewer, until one of both goes away."""
        await websocket.accept()
        try:
            viewer = await self._let_in(websocket)
        except RefusedViewerError as error:
            client = websocket.client.host if websocket.client else "?"
            _LOG.warning("refused: a viewer from %s: %s", client, error)
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await websocket.send_bytes(encode({"type": "refused", "why": str(error)}))
                await websocket.close(error.code)
            return
        except (WebSocketDisconnect, KeyError):
            return
        waiting: Waiting = asyncio.Queue(_MOST_WAITING)
        hello = {"name": viewer.name, "role": viewer.role, "version": flowlab.__version__}
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it is gone
            await websocket.send_bytes(encode({"type": "hello", **hello, "control": self._control is not None}))
            self._join(waiting)
            reading = asyncio.create_task(_until_gone(websocket, waiting), name="viewer")
            try:
                while (data := await waiting.get()) is not None:
                    await websocket.send_bytes(data)
                if not reading.done():
                    await websocket.close(_GOING_AWAY if self._closed else _TRY_AGAIN_LATER)
            finally:
                reading.cancel()
                self._leave(waiting)

    async def _let_in(self, websocket: WebSocket) -> Viewer:
        """Who looks, when they may.

        Raises:
            RefusedViewerError: they may not, or do not say who they are.
        """
        if self._closed or len(self._waiting) + len(self._new) >= _MOST:
            raise RefusedViewerError(f"{_MOST} look already; close a page that nobody looks at", _TRY_AGAIN_LATER)
        try:
            async with asyncio.timeout(_HELLO_WITHIN_S):
                text = await websocket.receive_text()
        except TimeoutError:
            raise RefusedViewerError("nothing was said", _POLICY_VIOLATION) from None
        try:
            said = json.loads(text) if len(text) <= _LONGEST_HELLO else None
        except (ValueError, RecursionError):
            said = None
        token = said.get("token") if isinstance(said, dict) else 0
        if not (token is None or isinstance(token, str)):
            raise RefusedViewerError('the first message is {"token": null}, or a token', _POLICY_VIOLATION)
        return self._guard.viewer(websocket, token)

    def _join(self, waiting: Waiting) -> None:
        self._new.append(waiting)
        self._news.set()
        if self._telling is None:
            self._gallery.on_news(self._news.set)
            self._telling = asyncio.create_task(self._tell_all(), name="tell viewers")
            if self._status is not None:
                self._asking = asyncio.create_task(self._ask_for_all(), name="ask for viewers")

    def _leave(self, waiting: Waiting) -> None:
        self._waiting.discard(waiting)
        if waiting in self._new:
            self._new.remove(waiting)
        if not self._waiting and not self._new:
            for task in (self._telling, self._asking):
                if task is not None:
                    task.cancel()
            self._telling = self._asking = None

    async def _tell_all(self) -> None:
        """Messages for all, until nobody looks any more."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _AT_MOST_S)
            self._news.clear()
            new, self._new = self._new, []
            found = await asyncio.to_thread(self._gallery.look, whole=bool(new))
            mine, self._changed = self._changed, {}
            if found is None:  # it is busy: who looks is told that somebody is there, and the rest next time
                self._new = new + self._new
                self._give(self._waiting, encode(_picture(mine)))
                continue
            changes, whole = found
            if self._waiting:
                self._give(self._waiting, await asyncio.to_thread(encode, _picture({**changes, **mine})))
            if new:
                self._give(new, await asyncio.to_thread(encode, _picture({**whole, **self._now})))
                self._waiting |= set(new)
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

    async def _ask_for_all(self) -> None:
        """Keep status and queue up to date, while somebody looks."""
        assert self._status is not None  # noqa: S101  it is only called then
        async for told in self._status.follow():
            lost = None if told.error is None else str(told.error)
            self._set("status", {"facts": told.facts, "lost": lost})
            self._gallery.do(lambda picture, facts=told.facts, lost=lost: picture.take_status(facts, lost))
            with contextlib.suppress(FlowlabError):  # the status tells that it does not answer
                await self._ask_for_queue(told.facts)

    async def _ask_for_queue(self, facts: dict[str, Any] | None) -> None:
        assert self._control is not None  # noqa: S101  where there is a status, there is who tells it
        if facts is None:
            return
        known = (facts.get("queue_uid"), facts.get("history_uid"), (facts.get("running") or {}).get("item"))
        if known == self._queue_known:
            return
        queue = await self._control.ask("queue_get")
        history = await self._control.ask("history_get")
        self._queue_known = known
        section = {
            "items": queue.get("items", []),
            "running": queue.get("running_item") or None,
            "history": history.get("items", [])[-_NEWEST_ENDED:],
        }
        self._set("queue", section)

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
        for task in (self._telling, self._asking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def _picture(sections: dict[str, Any]) -> dict[str, Any]:
    return {"type": "picture", "time": time.time(), "sections": sections}


async def _until_gone(websocket: WebSocket, waiting: Waiting) -> None:
    """A viewer says nothing more; when it is gone, or does, what is told to it ends."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await websocket.receive()
    while waiting.full():
        waiting.get_nowait()
    waiting.put_nowait(None)
