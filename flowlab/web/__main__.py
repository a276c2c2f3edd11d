"""The HTTP server as a process: ``python -m flowlab.web`` with its settings as JSON on standard input.

It asks the daemon and keeps nothing, so it may be killed and started again at any time.
"""

import asyncio
import contextlib
import functools
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from flowlab.daemon.tokens import Tokens
from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import Lifeline
from flowlab.watch.feed import Feed
from flowlab.web.app import Sources, guard_of, make_app
from flowlab.web.control import ControlClient
from flowlab.web.gallery import Gallery
from flowlab.web.settings import Settings
from flowlab.web.status import SELDOM_S, Status
from flowlab.web.viewers import Viewers

#: Seconds that answers under way may take when it ends; connections at once.
_GRACE_S, _CONNECTIONS = 2, 500
#: Milliseconds that what was sent may wait for somebody who takes nothing: as long as one message to a viewer may take.
_UNREAD_MS = 10_000
#: Of what a viewer says: who it is, and nothing more.
_LONGEST_MESSAGE = 8192


class _Server(uvicorn.Server):
    """Leaves signals to the lifeline, and tells when it is there."""

    def __init__(self, config: uvicorn.Config, lifeline: Lifeline, address: str):
        super().__init__(config)
        self._lifeline = lifeline
        self._address = address

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._lifeline.ready({"http": self._address})


def check_access(settings: Settings) -> None:
    """See to it that nobody can reach it who could not be told from others.

    Raises:
        BadInputError: other machines could ask, and there is no token to tell them apart.
    """
    if settings.loopback:
        return
    tokens = [] if settings.tokens is None else Tokens(settings.tokens).all()
    if not any(token.expires is None or token.expires > time.time() for token in tokens):
        raise BadInputError(
            f"HTTP at {settings.host} could be asked from other machines, and there is no token: make one with "
            "flowlab tokens new NAME --role viewer, or listen at 127.0.0.1"
        )


def listen(settings: Settings) -> socket.socket:
    """The socket to be served.

    Raises:
        FlowlabError: one cannot listen there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family)
    except OSError as error:
        why = error.strerror or error
        raise FlowlabError(f"HTTP cannot be served at {settings.host}:{settings.port}: {why}") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # what nobody takes for so long is kept for nobody; connections inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
    return listening


async def _note(status: Status, gallery: Gallery) -> None:
    """Have the log know how things stand, whether or not somebody looks."""
    async for told in status.follow(SELDOM_S):
        gallery.do(lambda picture, told=told: picture.take_status(told.facts, told.lost))


@contextlib.asynccontextmanager
async def _sources(settings: Settings) -> AsyncIterator[Sources]:
    """Whom answers come from, for as long as there are questions."""
    async with contextlib.AsyncExitStack() as stack:
        control = status = gallery = None
        if settings.control is not None:
            control = ControlClient(settings.control, settings.limit_s, settings.keys)
            stack.callback(control.close)
            status = Status(control)
            stack.push_async_callback(status.close)
        if settings.documents is not None and settings.replay is not None:
            open_feed = functools.partial(Feed, settings.documents, settings.replay, settings.data)
            gallery = Gallery(open_feed, alone=control is None)
            stack.callback(gallery.close)
            if status is not None:
                noting = asyncio.create_task(_note(status, gallery), name="note the status")
                stack.callback(noting.cancel)
        yield Sources(control, status, gallery)


async def serve(settings: Settings, sock: socket.socket, lifeline: Lifeline) -> None:
    """Answer until the lifeline is cut."""
    guard = guard_of(settings)
    async with _sources(settings) as sources:
        viewers = None
        if sources.gallery is not None:
            viewers = Viewers(sources.gallery, sources.status, sources.control, guard)
        config = uvicorn.Config(
            make_app(sources, viewers, guard, settings),
            http="h11",
            ws="websockets-sansio",
            ws_per_message_deflate=False,  # what is sent to fifty would be compressed fifty times
            ws_max_size=_LONGEST_MESSAGE,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # who asks is who connects, whatever a request says
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_S,
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        server = _Server(config, lifeline, f"http://{host}:{sock.getsockname()[1]}")
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        lifeline.on_cut(lambda: _tell(loop, over))

        async def end() -> None:
            await over.wait()
            if viewers is not None:
                await viewers.close()
            if sources.status is not None:
                await sources.status.close()
            server.should_exit = True

        ending = asyncio.create_task(end(), name="end")
        await server.serve(sockets=[sock])
        ending.cancel()


def _tell(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all that could be told
        loop.call_soon_threadsafe(over.set)


def main() -> None:
    """Serve until the lifeline is cut."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    lifeline = Lifeline()
    spec: dict[str, Any] = lifeline.spec
    try:
        settings = Settings.of(spec)
        check_access(settings)
        with listen(settings) as sock:
            asyncio.run(serve(settings, sock, lifeline))
    except FlowlabError as error:
        lifeline.fail(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
