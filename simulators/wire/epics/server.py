"""An EPICS server (IOC): the process variables of all devices at one address, over Channel Access, by caproto.

Searches (UDP) and circuits (TCP) are both served on the one port of the address and on its one interface. No beacons
are sent and none is asked for: clients are told the address. So any number of servers run side by side on one
machine, on ports of their own, and never meet.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import caproto
from caproto.asyncio.server import Context, VirtualCircuit
from caproto.asyncio.utils import _TransportWrapper

from flowlab.clock import Clock
from simulators.wire.address import Address, PortInUseError, own_address
from simulators.wire.clients import Clients
from simulators.wire.epics.records import Records
from simulators.wire.instrument import Fault

#: How often a port that is free for TCP is sought that is free for UDP, too.
_ATTEMPTS = 20
#: Real seconds between two rounds in which those who watch are told what changed: a fast scan rate of an IOC.
_SCAN_S = 0.01


class ChannelAccessServer:
    """Serves the devices at one address. See :class:`simulators.wire.line.Line` for the arguments.

    Attributes:
        address: where it is reached; the port is the real one once the server is open.
    """

    def __init__(
        self, address: Address, instruments: Sequence[Records], clock: Clock, advance: Callable[[], None], seed: int = 1
    ):
        self.address = address
        self.clients = Clients()
        self._instruments = instruments
        self._advance = advance
        self._unplugged: set[str] = set()
        self._silent: set[str] = set()
        self._bound: socket.socket | None = None
        self._searches: asyncio.DatagramTransport | None = None
        self._served: _Ioc | None = None
        self._settling = asyncio.Lock()
        self._moved: asyncio.Event | None = None
        self._publishing: asyncio.Task[None] | None = None

    def faults_of(self, name: str) -> dict[str, Fault]:
        """``unplug``: the server is gone, for all of its devices. ``silence``: it does not answer for this one."""
        return {"unplug": partial(self._switch, self._unplugged, name), "silence": partial(self._silence, name)}

    def truth_of(self, name: str) -> dict[str, Any]:
        """Nothing: it carries all or none."""
        return {}

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            PortInUseError: another program has the port, for TCP or for UDP.
        """
        logging.getLogger("caproto").setLevel(logging.ERROR)  # it warns whenever it is busy for some milliseconds
        udp = self._own_both()
        loop = asyncio.get_running_loop()
        self._searches, _ = await loop.create_datagram_endpoint(lambda: _Searches(self), sock=udp)
        self._moved = asyncio.Event()
        self._publishing = loop.create_task(self._publish(self._moved))
        await self.settle()

    async def settle(self) -> None:
        """Serve, or be gone, as the server is plugged in or not."""
        async with self._settling:
            if self._unplugged and self._served is not None:
                await self._cut()
                self._bound = self._own(self.address.port, listen=False)  # nobody else may take the port meanwhile
            elif not self._unplugged and self._served is None and self._searches is not None:
                bound, self._bound = self._bound, None
                self._served = _Ioc(
                    self._instruments, self._silent, self.address, self._searches, self._advance, self.clients
                )
                await self._served.open(bound or self._own(self.address.port, listen=True))

    async def close(self) -> None:
        """Cut circuits and free the address."""
        async with self._settling:
            if self._publishing is not None:
                self._publishing.cancel()
                await asyncio.wait([self._publishing])
                self._publishing = None
            await self._cut()
            if self._searches is not None:
                self._searches.close()
                self._searches = None
            if self._bound is not None:
                self._bound.close()
                self._bound = None

    def speak(self) -> None:
        """Have what changed told to those who watch it."""
        if self._moved is not None:
            self._moved.set()

    def search(self, data: bytes, client: tuple[str, int]) -> None:
        """A client asks, by UDP, who has which process variable."""
        if self._served is not None:
            self._served.search(data, client)

    async def _publish(self, moved: asyncio.Event) -> None:
        while await moved.wait():
            await asyncio.sleep(_SCAN_S)
            moved.clear()
            for instrument in self._instruments:
                if instrument.name not in self._silent:
                    await instrument.publish()

    async def _cut(self) -> None:
        if self._served is not None:
            await self._served.close()
            self._served = None

    def _own_both(self) -> socket.socket:
        """Own the address for TCP and for UDP; any port when it is 0.

        Returns:
            The UDP socket; that of TCP waits in ``_bound``.
        """
        asked = self.address.port
        for attempts_left in reversed(range(1 if asked else _ATTEMPTS)):
            bound = self._own(asked, listen=True)
            port = bound.getsockname()[1]
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setblocking(False)
            try:
                udp.bind((self.address.host, port))
            except OSError as error:
                bound.close()
                udp.close()
                if error.errno != errno.EADDRINUSE or not attempts_left:
                    whose = ", ".join(instrument.name for instrument in self._instruments)
                    raise PortInUseError(
                        f"{whose}: cannot listen on {self.address.host}:{port} (UDP): {error.strerror}; "
                        "stop the program that uses it, change the address, or start with --any-port"
                    ) from None
            else:
                self._bound = bound
                self.address = self.address.at_port(port)
                return udp
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _own(self, port: int, *, listen: bool) -> socket.socket:
        whose = ", ".join(instrument.name for instrument in self._instruments)
        bound = own_address(self.address.host, port, whose, listen=listen)
        bound.setblocking(False)
        return bound

    def _silence(self, name: str, on: bool) -> None:
        self._switch(self._silent, name, on)

    @staticmethod
    def _switch(names: set[str], name: str, on: bool) -> None:
        (names.add if on else names.discard)(name)


class _Searches(asyncio.DatagramProtocol):
    """The server's UDP side; open as long as the address is owned."""

    def __init__(self, server: ChannelAccessServer):
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.search(data, addr)


class _Circuit(VirtualCircuit):
    """A client's circuit, on which devices can be silent, and before which the plant is brought up to now."""

    async def _process_command(self, command: Any) -> Any:
        context: _Ioc = self.context  # type: ignore[assignment]
        context.advance()
        sid = getattr(command, "sid", None)
        channel = None if sid is None else self.circuit.channels_sid.get(sid)
        name = getattr(command, "name", None) if channel is None else channel.name
        if isinstance(name, str) and context.is_silent(name):
            return []
        return await super()._process_command(command)


class _Ioc(Context):
    """caproto's server on sockets that were bound already, from being plugged in to being unplugged."""

    CircuitClass = _Circuit

    def __init__(
        self,
        instruments: Sequence[Records],
        silent: set[str],
        address: Address,
        searches: asyncio.DatagramTransport,
        advance: Callable[[], None],
        present: Clients,
    ):
        channels = {name: channel for instrument in instruments for name, channel in instrument.channels.items()}
        super().__init__(channels, [address.host])
        self.port = address.port
        self.udp_socks = {address.host: _Answers(searches)}
        self.advance = advance
        self._owner = {name: instrument.name for instrument in instruments for name in instrument.channels}
        self._silent = silent
        self._tasks: set[asyncio.Task[Any]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._present = present
        self._listener: asyncio.Server | None = None

    async def open(self, bound: socket.socket) -> None:
        self._listener = await asyncio.start_server(self._welcome, sock=bound)
        self._run(self.broadcaster_queue_loop())
        self._run(self.subscription_queue_loop())

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for circuit in list(self.circuits):
            await circuit._on_disconnect()  # nothing is kept for those who watched
        for writer in self._clients:
            writer.transport.abort()
        tasks = [*self._tasks, *(task for circuit in self.circuits for task in circuit.tasks.tasks)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def is_silent(self, name: str) -> bool:
        """Whether the device with this process variable does not answer."""
        return self._owner.get(name.partition("$")[0]) in self._silent

    def search(self, data: bytes, client: tuple[str, int]) -> None:
        """Take a datagram of a client's; what is none of Channel Access is dropped, as every server does."""
        with contextlib.suppress(caproto.RemoteProtocolError, asyncio.QueueFull):
            commands = self.broadcaster.recv(data, client)
            commands = [c for c in commands if not (isinstance(c, caproto.SearchRequest) and self.is_silent(c.name))]
            self.command_bundle_queue.put_nowait((client, commands))

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self._present.come(writer)
        self._run(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.tcp_handler(_TransportWrapper(reader, writer), writer.get_extra_info("peername"))
        finally:
            self._clients.discard(writer)
            self._present.leave(writer)
            writer.close()

    def _run(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Answers:
    """What caproto sends answers to searches by."""

    def __init__(self, transport: asyncio.DatagramTransport):
        self._transport = transport

    async def sendto(self, data: bytes, client: tuple[str, int]) -> None:
        self._transport.sendto(data, client)
