"""Keeps the picture, in a thread of its own: documents in, and out what there is to be looked at."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from flowlab.watch.feed import Feed
from flowlab.watch.picture import Picture

_LOG = logging.getLogger(__name__)
#: Real seconds: how long nothing may be heard before what was asked meanwhile is done; how long a look waits.
_STEP_S, _LOOK_WITHIN_S = 0.1, 0.5

Look = tuple[dict[str, Any], dict[str, Any]]


class Gallery:
    """Use it from one event loop; close it.

    Args:
        open_feed: opens the feed, called in the thread that reads it.
        alone: there is no daemon to tell the status: it is made from documents.
    """

    def __init__(self, open_feed: Callable[[], Feed], *, alone: bool):
        self._open_feed = open_feed
        self._alone = alone
        self._to_do: queue.SimpleQueue[Callable[[Picture], None]] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._news: tuple[asyncio.AbstractEventLoop, Callable[[], None]] | None = None
        self._feed: Feed | None = None
        self._thread = threading.Thread(target=self._run, name="picture", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the picture is kept; when it is not, the log says why."""
        return self._thread.is_alive()

    def on_news(self, call: Callable[[], None]) -> None:
        """Have it called, in the running event loop, whenever the picture may have changed."""
        self._news = asyncio.get_running_loop(), call

    def do(self, change: Callable[[Picture], None]) -> None:
        """Have something else than documents change the picture."""
        self._to_do.put(change)

    def look(self, *, whole: bool) -> Look | None:
        """What has changed since the last look, and, if wanted, the whole; None while the picture is being changed."""
        feed = self._feed
        if feed is None or not self.alive or not feed.changing.acquire(timeout=_LOOK_WITHIN_S):
            return None
        try:
            sections = feed.picture.sections
            return sections.take_changes(), sections.all() if whole else {}
        finally:
            feed.changing.release()

    def ask(self, question: Callable[[Picture], Any]) -> Any:
        """What a question to the picture gives; it may have to wait."""
        feed = self._feed
        if feed is None:
            return None
        with feed.changing:
            return question(feed.picture)

    def _run(self) -> None:
        with self._open_feed() as feed:
            self._feed = feed
            while not self._closed.is_set():
                came = feed.take()
                with feed.changing:
                    came |= self._do_all(feed.picture)
                    if self._alone and came:
                        feed.picture.take_status(feed.picture.status_of_documents(), None)
                if came:
                    self._tell()
                else:
                    feed.wait(_STEP_S)

    def _do_all(self, picture: Picture) -> bool:
        came = False
        with contextlib.suppress(queue.Empty):
            while True:
                self._to_do.get_nowait()(picture)
                came = True
        return came

    def _tell(self) -> None:
        if self._news is not None:
            loop, call = self._news
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(call)

    def close(self) -> None:
        """Stop; what is under way is waited for."""
        self._closed.set()
        self._thread.join()
