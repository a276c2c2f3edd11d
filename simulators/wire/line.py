"""A line: one TCP address with the instruments behind it, which one client at a time may open, as a port."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from flowlab.clock import Clock
from simulators.wire.address import Address, own_address
from simulators.wire.cable import Cable
from simulators.wire.clients import Clients
from simulators.wire.instrument import Fault, Instrument, Reply


class Line:
    """A line and its instruments. On a shared line each instrument hears every byte and answers for itself.

    Args:
        address: where it is to be reached.
        instruments: what is connected to it.
        clock: tells plant time.
        advance: brings the plant up to now.
        seed: of what a bad cable does.

    Attributes:
        address: where it is reached; the port is the real one once the line is open.
    """

    #: A client that comes while another is still there is refused; but a client that has just gone may
    #: still have to be noticed.
    GRACE_S = 0.02

    def __init__(
        self,
        address: Address,
        instruments: list[Instrument],
        clock: Clock,
        advance: Callable[[], None],
        seed: int = 1,
    ):
        self.address = address
        self.clients = Clients()
        self._instruments = instruments
        self._clock = clock
        self._advance = advance
        self._cables = {instrument.name: Cable(f"{seed} {instrument.name}") for instrument in instruments}
        self._late: set[asyncio.TimerHandle] = set()
        self._unplugged: set[str] = set()
        self._silent: set[str] = set()
        self._bound: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._plugged = False
        self._settling = asyncio.Lock()
        self._client: _Connection | None = None
        self._waiting: dict[_Connection, asyncio.TimerHandle] = {}
        self._pending: dict[str, asyncio.TimerHandle] = {}

    def faults_of(self, name: str) -> dict[str, Fault]:
        """The faults that the cable of an instrument can have; :meth:`settle` brings them into effect."""
        own = {"unplug": partial(self._unplug, name), "silence": partial(self._silence, name)}
        return own | self._cables[name].faults

    def truth_of(self, name: str) -> dict[str, Any]:
        """How many replies the cable of an instrument spoilt, by the name of the fault."""
        return {"spoilt": dict(self._cables[name].spoilt)}

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            PortInUseError: another program has the address.
        """
        self._own(listen=True)
        await self.settle()

    async def settle(self) -> None:
        """Listen, or refuse and cut connections, as the line is plugged in or not.

        Raises:
            PortInUseError: another program took the address meanwhile; the next call tries again.
        """
        async with self._settling:
            if self._unplugged and self._server is not None:
                self._cut()
                self._own(listen=False)  # nobody else may take the address meanwhile
            elif not self._unplugged and self._server is None:
                if self._bound is None:  # another program had the address when the line was unplugged
                    self._own(listen=True)
                loop = asyncio.get_running_loop()
                bound, self._bound = self._bound, None
                self._plugged = True
                self._server = await loop.create_server(partial(_Connection, self), sock=bound)

    async def close(self) -> None:
        """Cut connections and free the address."""
        async with self._settling:
            self._cut()
            for due in self._late:
                due.cancel()
            if self._bound is not None:
                self._bound.close()
                self._bound = None

    def speak(self) -> None:
        """Send what instruments say by themselves."""
        for instrument in self._instruments:
            said = instrument.unasked()
            if instrument.name not in self._silent:
                self._write(instrument, said)

    def arrive(self, connection: "_Connection") -> None:
        """Admit a client, or refuse it while another is there."""
        if not self._plugged:  # it was accepted in the moment of unplugging
            connection.transport.abort()
            return
        self.clients.come(connection)
        if self._client is None:
            self._client = connection
            return
        connection.transport.pause_reading()
        refuse = asyncio.get_running_loop().call_later(self.GRACE_S, self._refuse, connection)
        self._waiting[connection] = refuse

    def leave(self, connection: "_Connection") -> None:
        """Free the line; what was half received or not yet answered is dropped."""
        self.clients.leave(connection)
        if timer := self._waiting.pop(connection, None):
            timer.cancel()
        if connection is not self._client:
            return
        self._client = None
        for instrument in self._instruments:
            self._drop(instrument)
        for waiting in list(self._waiting)[:1]:
            self._waiting.pop(waiting).cancel()
            self._client = waiting
            waiting.transport.resume_reading()

    def hear(self, data: bytes) -> None:
        """Give bytes of the client to the instruments and send what they answer."""
        self._advance()
        for instrument in self._instruments:
            if instrument.name not in self._silent:
                instrument.receive(data)
                self._answer(instrument)

    def _answer(self, instrument: Instrument) -> None:
        """Answer requests until one takes time; those behind it wait."""
        while instrument.name not in self._pending:
            reply = instrument.next_reply()
            if reply is None:
                return
            if reply.takes_s > 0:
                wait_s = self._clock.real_s(reply.takes_s)
                due = asyncio.get_running_loop().call_later(wait_s, self._finish, instrument, reply)
                self._pending[instrument.name] = due
            else:
                self._write(instrument, reply.compute())

    def _finish(self, instrument: Instrument, reply: Reply) -> None:
        del self._pending[instrument.name]
        self._advance()
        self._write(instrument, reply.compute())
        self._answer(instrument)

    def _write(self, instrument: Instrument, data: bytes) -> None:
        if not data or self._client is None:  # what nobody hears is not spoilt, either
            return
        for after_s, piece in self._cables[instrument.name].carry(data):
            if after_s > 0:
                self._send_late(after_s, piece)
            else:
                self._client.transport.write(piece)

    def _send_late(self, after_s: float, data: bytes) -> None:
        client = self._client

        def send() -> None:
            self._late.discard(due)
            if client is not None and client is self._client:
                client.transport.write(data)

        due = asyncio.get_running_loop().call_later(after_s, send)
        self._late.add(due)

    def _drop(self, instrument: Instrument) -> None:
        if due := self._pending.pop(instrument.name, None):
            due.cancel()
        instrument.hang_up()

    def _refuse(self, connection: "_Connection") -> None:
        self._waiting.pop(connection, None)
        connection.transport.close()

    def _unplug(self, name: str, on: bool) -> None:
        (self._unplugged.add if on else self._unplugged.discard)(name)

    def _silence(self, name: str, on: bool) -> None:
        (self._silent.add if on else self._silent.discard)(name)
        for instrument in self._instruments:
            if instrument.name == name:
                self._drop(instrument)

    def _own(self, *, listen: bool) -> None:
        whose = ", ".join(instrument.name for instrument in self._instruments)
        self._bound = own_address(self.address.host, self.address.port, whose, listen=listen)
        self.address = self.address.at_port(self._bound.getsockname()[1])

    def _cut(self) -> None:
        self._plugged = False
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in (*self._waiting, *filter(None, [self._client])):
            connection.transport.abort()


class _Connection(asyncio.Protocol):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, line: Line):
        self._line = line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._line.arrive(self)

    def data_received(self, data: bytes) -> None:
        self._line.hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.leave(self)
