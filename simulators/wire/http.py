"""A web server: one address of HTTP/1.1 with one instrument behind it, which any number of clients may ask.

Strict: what is no HTTP is answered by 400 and the connection is closed; requests have bodies of a few kilobytes.
"""

import asyncio
import contextlib
import socket
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import h11

from flowlab.clock import Clock
from flowlab.errors import BadInputError
from simulators.wire.address import Address, own_address
from simulators.wire.clients import Clients
from simulators.wire.instrument import Fault, Simulated

LARGEST_BODY = 2**16


@dataclass(frozen=True)
class WebReply:
    """What is answered to a request.

    Attributes:
        status: of HTTP.
        body: JSON, or plain text where the request was refused.
    """

    status: int
    body: bytes = b""


class WebInstrument(Simulated):
    """An instrument behind a web server: see :class:`Simulated` for the arguments."""

    @abstractmethod
    async def answer(self, method: str, path: str, body: bytes) -> WebReply:
        """Handle a request; takes as long as the instrument does."""

    async def open(self, host: str, *, any_port: bool, clock: Clock, advance: Callable[[], None]) -> str:
        """Open what the instrument has beside its web server.

        Returns:
            What stands behind the server's address, as ``?stream_port=31001``; nothing when that says all.

        Raises:
            PortInUseError: another program has an address that it needs.
        """
        return ""

    async def close(self) -> None:
        """Close what :meth:`open` opened."""

    def go_silent(self, on: bool) -> None:
        """Send nothing by itself, or go on."""


class Web:
    """See :data:`simulators.wire.server.MakeServer` for the arguments.

    Raises:
        BadInputError: there are several instruments at this address.

    Attributes:
        address: where it is to be reached; the real port once it is open.
    """

    def __init__(
        self, address: Address, instruments: Sequence[Any], clock: Clock, advance: Callable[[], None], seed: int
    ):
        if len(instruments) != 1 or not isinstance(instruments[0], WebInstrument):
            names = ", ".join(instrument.name for instrument in instruments)
            raise BadInputError(f"{names}: at an http address there is one instrument, with a simulator of its kind")
        self.address = address
        self.clients = Clients()
        self._instrument = instruments[0]
        self._clock, self._advance = clock, advance
        self._faults: set[str] = set()
        self._any_port = False
        self._bound: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._opened = False
        self._settling = asyncio.Lock()
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def faults_of(self, name: str) -> dict[str, Fault]:
        """Unplugged, nothing can be connected; silent, nothing is answered or sent."""
        return {"unplug": partial(self._set, "unplug"), "silence": partial(self._set, "silence")}

    def truth_of(self, name: str) -> dict[str, Any]:
        """Nothing: it carries all or none."""
        return {}

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            PortInUseError: another program has an address.
        """
        self._any_port = self.address.port == 0
        self._own(listen=True)
        await self.settle()

    async def settle(self) -> None:
        """Listen, or refuse and cut connections, as the instrument is plugged in or not."""
        async with self._settling:
            self._instrument.go_silent("silence" in self._faults)
            plugged = "unplug" not in self._faults
            if plugged and self._server is None:
                if self._bound is None:
                    self._own(listen=True)
                bound, self._bound = self._bound, None
                self._server = await asyncio.start_server(self._welcome, sock=bound)
                if not self._opened:
                    extra = await self._instrument.open(
                        self.address.host, any_port=self._any_port, clock=self._clock, advance=self._advance
                    )
                    self.address = self.address.with_extra(extra)
                    self._opened = True
            elif not plugged and self._server is not None:
                await self._cut()
                self._own(listen=False)  # nobody else may take the address meanwhile

    def speak(self) -> None:
        """Frames are sent as they are taken; nothing is left to do here."""

    async def close(self) -> None:
        """Cut connections and free the address."""
        async with self._settling:
            await self._cut()
            if self._bound is not None:
                self._bound.close()
                self._bound = None

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, writer in list(self._clients.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._opened:
            await self._instrument.close()
            self._opened = False

    def _set(self, fault: str, on: bool) -> None:
        (self._faults.add if on else self._faults.discard)(fault)

    def _own(self, *, listen: bool) -> None:
        self._bound = own_address(self.address.host, self.address.port, self._instrument.name, listen=listen)
        self.address = self.address.at_port(self._bound.getsockname()[1])

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # it was accepted in the moment of unplugging
            writer.transport.abort()
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._clients[task] = writer
        self.clients.come(task)
        task.add_done_callback(self._clients.pop)
        task.add_done_callback(self.clients.leave)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except ConnectionError:
            pass  # the client has gone: nobody is left to tell
        finally:
            writer.close()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; whether another may follow on this connection."""
        try:
            request, body = await _hear(connection, reader)
        except h11.RemoteProtocolError as error:
            if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                await _say(connection, writer, WebReply(error.error_status_hint, str(error).encode()))
            return False
        if request is None:
            return False
        self._advance()
        reply = await self._instrument.answer(request.method.decode(), request.target.decode("ascii", "replace"), body)
        if "silence" in self._faults:
            await asyncio.Event().wait()  # until it is unplugged, closed or the client goes
        await _say(connection, writer, reply)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _hear(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request | None, bytes]:
    """The next request and its body; None when the client has gone."""
    request, body = None, b""
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            case h11.Request() as request:
                pass
            case h11.Data(data=data):
                body += data
                if len(body) > LARGEST_BODY:
                    raise h11.RemoteProtocolError("the body is too long", error_status_hint=413)
            case h11.EndOfMessage():
                return request, body
            case _:  # the connection is closed
                return None, b""


async def _say(connection: h11.Connection, writer: asyncio.StreamWriter, reply: WebReply) -> None:
    kind = "application/json" if reply.status == 200 else "text/plain; charset=utf-8"
    headers = [("content-type", kind), ("content-length", str(len(reply.body)))]
    data = connection.send(h11.Response(status_code=reply.status, headers=headers)) or b""
    data += connection.send(h11.Data(data=reply.body)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    writer.write(data)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
