"""What the daemon does beside what it is asked for, and what went wrong of it all last."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from flowlab.errors import FlowlabError

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Chores:
    """Tasks of the running event loop that need not be waited for.

    Attributes:
        trouble: what went wrong last, in words, for whoever asks how things stand; None: nothing, or it is past.
    """

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin something; when it fails, that is noted."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def note(self, words: str) -> None:
        """Something went wrong."""
        _LOG.warning("%s", words)
        self.trouble = words

    async def close(self) -> None:
        """Do no more of it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.note(str(error))
            if not isinstance(error, FlowlabError):
                _LOG.error("unforeseen", exc_info=error)
