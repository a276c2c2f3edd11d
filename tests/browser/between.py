"""What may be between page and server: a connection that is slow, and messages that are odd."""

import asyncio
import contextlib
import gzip
import json
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

_AT_ONCE = 1 << 16
_UPGRADED = b"HTTP/1.1 101"
_BINARY = 0x82
_LENGTHS = {126: ">H", 127: ">Q"}

Reading, Writing = asyncio.StreamReader, asyncio.StreamWriter


class Between:
    """A relay on this machine; what the server says passes as it is, but for two things that may be set at any time.

    Attributes:
        url: under which the page is reached through it.
        delay_s: how long what the server says is under way.
        change: is given the header of each message of the picture, and may change it.
    """

    def __init__(self, url: str):
        self.delay_s = 0.0
        self.change: Callable[[dict[str, Any]], None] = lambda header: None
        self._server = urlsplit(url)
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="between")
        self._thread.start()
        self._listens.wait()

    def close(self) -> None:
        """Cut all connections."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        async with await asyncio.start_server(self._relay, "127.0.0.1", 0) as listening:
            self.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            self._listens.set()
            await self._ended.wait()
        while self._open:
            for way in self._open:
                way.cancel()
            await asyncio.wait(self._open)

    async def _relay(self, page: Reading, to_page: Writing) -> None:
        server, to_server = await asyncio.open_connection(self._server.hostname, self._server.port)
        ways = [asyncio.create_task(_pass_on(page, to_server)), asyncio.create_task(self._tell(server, to_page))]
        self._open |= set(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        to_page.close()
        to_server.close()
        self._open -= set(ways)

    async def _tell(self, server: Reading, to_page: Writing) -> None:
        """What the server says, each piece when it is due, and never before the one that came before it."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        telling = asyncio.create_task(_deliver(under_way, to_page))
        try:
            async for piece in self._pieces(server):
                under_way.put_nowait((self._loop.time() + self.delay_s, piece))
            under_way.put_nowait((0.0, b""))
            await telling
        finally:
            telling.cancel()

    async def _pieces(self, server: Reading) -> AsyncIterator[bytes]:
        """What the server says, in pieces: a message of the picture is one, changed where it is to be."""
        first = await server.read(_AT_ONCE)
        if not first.startswith(_UPGRADED):
            while first:
                yield first
                first = await server.read(_AT_ONCE)
            return
        head, _, rest = first.partition(b"\r\n\r\n")
        yield head + b"\r\n\r\n"
        frames = _Frames(rest, server)
        while True:
            kind, payload = await frames.next()
            yield _frame(kind, self._changed(payload) if kind == _BINARY else payload)

    def _changed(self, message: bytes) -> bytes:
        (length,) = struct.unpack_from("<I", message)
        if length == 0:  # the first picture, packed
            message = gzip.decompress(message[4:])
            (length,) = struct.unpack_from("<I", message)
        header = json.loads(message[4 : 4 + length])
        if header["type"] == "picture":
            self.change(header)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 4)
        return struct.pack("<I", len(text)) + text + message[4 + length :]


class _Frames:
    """The frames of a WebSocket, as a server sends them: not masked, each a whole message."""

    def __init__(self, begun: bytes, more: Reading):
        self._begun = begun
        self._more = more

    async def next(self) -> tuple[int, bytes]:
        kind, length = await self._take(2)
        if length in _LENGTHS:
            (length,) = struct.unpack(_LENGTHS[length], await self._take(struct.calcsize(_LENGTHS[length])))
        return kind, await self._take(length)

    async def _take(self, count: int) -> bytes:
        taken, self._begun = self._begun[:count], self._begun[count:]
        return taken + await self._more.readexactly(count - len(taken))


def _frame(kind: int, payload: bytes) -> bytes:
    if len(payload) < min(_LENGTHS):
        return bytes([kind, len(payload)]) + payload
    size = 126 if len(payload) < 1 << 16 else 127
    return bytes([kind, size]) + struct.pack(_LENGTHS[size], len(payload)) + payload


async def _deliver(under_way: "asyncio.Queue[tuple[float, bytes]]", to_page: Writing) -> None:
    while True:
        due, piece = await under_way.get()
        if not piece:
            return
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        to_page.write(piece)
        await to_page.drain()


async def _pass_on(page: Reading, to_server: Writing) -> None:
    while data := await page.read(_AT_ONCE):
        to_server.write(data)
        await to_server.drain()


@contextlib.contextmanager
def between(url: str) -> Iterator[Between]:
    """A relay before the server at ``url``, closed afterwards."""
    with contextlib.closing(Between(url)) as one:
        yield one
