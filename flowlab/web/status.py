"""How things stand, asked once for all who want to know: fifty viewers cost the daemon what one does."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from flowlab.errors import FlowlabError
from flowlab.web.control import ControlClient

#: Seconds between questions while somebody listens; while nobody does; how old an answer may be for who asks once.
_EVERY_S, SELDOM_S, _FRESH_S = 0.2, 1.0, 0.1
_HEARTBEAT_S = 1.0
#: How many may listen at once.
LISTENERS = 200


@dataclass(frozen=True)
class Told:
    """What the daemon said last, or why it said nothing.

    Attributes:
        at: when, by the monotonic clock.
    """

    at: float
    facts: dict[str, Any] | None
    error: FlowlabError | None

    @property
    def lost(self) -> str | None:
        """Why it said nothing, in words."""
        return None if self.error is None else str(self.error)

    def event(self) -> str:
        """As an event of the stream, without its end."""
        if self.facts is None:
            return f"event: lost\ndata: {json.dumps({'why': self.lost})}"
        return f"event: status\ndata: {json.dumps(self.facts)}"


class Status:
    """Asks for the status, for all; until it is closed."""

    def __init__(self, control: ControlClient):
        self._control = control
        self._told: Told | None = None
        self._asking: asyncio.Task[Told] | None = None
        self._news = asyncio.Condition()
        self._listening: list[float] = []
        self._every_s: float | None = None
        self._following: asyncio.Task[None] | None = None
        self._closed = False

    async def now(self) -> dict[str, Any]:
        """The facts, not older than a tenth of a second.

        Raises:
            FlowlabError: the daemon does not tell, see :meth:`ControlClient.ask`.
        """
        told = await self._ask()
        if told.facts is None:
            assert told.error is not None  # noqa: S101  it is one or the other
            raise told.error.with_traceback(None)
        return told.facts

    async def _ask(self) -> Told:
        if self._told is not None and time.monotonic() - self._told.at < _FRESH_S:
            return self._told
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_daemon(), name="status")
        return await asyncio.shield(self._asking)  # who goes away does not take the answer from the others

    async def _ask_daemon(self) -> Told:
        facts: dict[str, Any] | None = None
        failed: FlowlabError | None = None
        try:
            facts = (await self._control.ask("flowlab_status")).get("status") or {}
        except FlowlabError as error:
            failed = error
        before, self._told = self._told, Told(time.monotonic(), facts, failed)
        if before is None or before.event() != self._told.event():
            async with self._news:
                self._news.notify_all()
        return self._told

    async def _follow(self, every_s: float) -> None:
        while True:
            await self._ask()
            await asyncio.sleep(every_s)

    def _follow_as_wanted(self) -> None:
        """Ask as often as those who listen want; where that changes, at once."""
        every_s = min(self._listening, default=None)
        if every_s == self._every_s:
            return
        if self._following is not None:
            self._following.cancel()
        self._every_s = every_s
        self._following = None if every_s is None else asyncio.create_task(self._follow(every_s), name="follow status")

    @property
    def full(self) -> bool:
        """Whether as many listen as can."""
        return len(self._listening) >= LISTENERS

    async def follow(self, every_s: float = _EVERY_S) -> AsyncGenerator[Told]:
        """How things stand, at first and after each change, looked for so often, or more where others want that."""
        self._listening.append(every_s)
        try:
            self._follow_as_wanted()
            told = await self._ask()
            while not self._closed:
                yield told
                told = await self._after(told)
        finally:
            self._listening.remove(every_s)
            self._follow_as_wanted()

    async def listen(self) -> AsyncGenerator[str]:
        """Events as server-sent events have them: the status at first and after each change, heartbeats between."""
        following = self.follow()
        coming = asyncio.ensure_future(anext(following))
        try:
            while True:
                done, _ = await asyncio.wait([coming], timeout=_HEARTBEAT_S)
                if done:
                    yield f"{coming.result().event()}\n\n"
                    coming = asyncio.ensure_future(anext(following))
                else:
                    yield f"event: heartbeat\ndata: {json.dumps({'time': time.time()})}\n\n"
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await following.aclose()

    async def _after(self, told: Told) -> Told:
        """What is told next that is something else."""
        said = told.event()
        async with self._news:
            await self._news.wait_for(lambda: self._closed or (self._told and self._told.event() != said))
        return self._told or told

    async def close(self) -> None:
        """Send everybody home."""
        async with self._news:
            self._closed = True
            self._news.notify_all()
        for task in (self._following, self._asking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
