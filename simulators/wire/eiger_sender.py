"""The stream's side of a simulated Eiger2: a buffer, a ZeroMQ PUSH socket, and what can go wrong on the way."""

import asyncio
from collections import deque

import zmq
import zmq.asyncio

from simulators.wire.address import PortInUseError


class Sender:
    """Sends messages in their order as long as somebody takes them; those that nobody takes wait, up to a limit.

    Args:
        whose: name of the instrument, for messages.

    Attributes:
        dropped: images for which there was no room since this was last set to 0.
        sent: messages that somebody took.
        silent: nothing is sent while this is set.
        delay_s: real seconds that each message comes late.
    """

    ROOM = 200

    def __init__(self, whose: str):
        self._whose = whose
        self._waiting: deque[list[bytes]] = deque()
        self._news = asyncio.Event()
        self._context: zmq.asyncio.Context | None = None
        self._task: asyncio.Task[None] | None = None
        self.dropped = self.sent = 0
        self.silent = False
        self.delay_s = 0.0

    def open(self, host: str, port: int) -> int:
        """Listen, on any free port when it is 0.

        Returns:
            The port.

        Raises:
            PortInUseError: another program has it.
        """
        self._context = zmq.asyncio.Context()
        socket = self._context.socket(zmq.PUSH)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 10)
        try:
            socket.bind(f"tcp://{host}:{port or '*'}")
        except zmq.ZMQError as error:
            socket.close()
            self._context.term()
            self._context = None
            raise PortInUseError(
                f"{self._whose}: cannot listen on {host}:{port}: {error.strerror}; stop the program that uses it, "
                "change stream_port, or start with --any-port"
            ) from None
        self._task = asyncio.ensure_future(self._run(socket))
        return int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    async def close(self) -> None:
        """Cut connections; what waits stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None

    def put(self, parts: list[bytes], *, is_image: bool = False) -> None:
        """Have a message sent."""
        if is_image and len(self._waiting) >= self.ROOM:
            self.dropped += 1
            return
        self._waiting.append(parts)
        self._news.set()

    def clear(self) -> None:
        """Throw away what waits."""
        self._waiting.clear()

    def look(self) -> None:
        """Notice that :attr:`silent` was changed."""
        self._news.set()

    async def _run(self, socket: zmq.asyncio.Socket) -> None:
        with socket:
            while True:
                if self.silent or not self._waiting:
                    self._news.clear()
                    await self._news.wait()
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await socket.send_multipart(self._waiting.popleft())  # waits until somebody takes it
                self.sent += 1
