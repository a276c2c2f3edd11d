"""The control port: the truth about the plant, and faults on demand, as lines of JSON over TCP.

Requests: ``{"truth": true}``; ``{"ledger": true}``, all that was true since this was asked before, with times;
``{"faults": true}``, which tells what faults each device can have and with which options;
``{"fault": "garble", "device": "cadmium_pump", "probability": 0.1}``, the fault ``none`` to clear all of a device.
What is answered to anything else says what is allowed.
"""

import asyncio
import json
import math
from typing import Any

from flowlab.errors import BadInputError, FlowlabError
from simulators.wire.address import loopback, own_address
from simulators.wire.bench import Bench
from simulators.wire.clients import Clients

_ALLOWED = (
    'allowed: {"truth": true}, {"ledger": true}, {"faults": true} or '
    '{"fault": NAME, "device": DEVICE, OPTION: NUMBER, …}'
)


class ControlPort:
    """Serves any number of clients.

    Args:
        bench: what it tells about and acts on.

    Attributes:
        clients: who is connected.
    """

    def __init__(self, bench: Bench):
        self._bench = bench
        self._server: asyncio.Server | None = None
        self._closed = False
        self.clients = Clients()
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.address = ""

    async def open(self, address: str) -> None:
        """Listen on ``host:port``, any free port when it is 0.

        Raises:
            BadInputError: the address is not of that form, or of another machine.
            PortInUseError: another program has it.
        """
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise BadInputError(f"simulation.control = {address!r}: give it as 127.0.0.1:PORT")
        host = loopback(host, "simulation.control")
        bound = own_address(host, int(port), "control port", listen=True)
        self.address = f"{host}:{bound.getsockname()[1]}"
        self._server = await asyncio.start_server(self._welcome, sock=bound)

    async def close(self) -> None:
        """Cut every connection and free the address."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for writer in self._clients.values():
            writer.close()
        await asyncio.gather(*self._clients)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it was accepted in the moment of closing
            writer.close()
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._clients[task] = writer
        self.clients.come(task)
        task.add_done_callback(self._clients.pop)
        task.add_done_callback(self.clients.leave)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (answer := await self._next_answer(reader)) is not None:
                writer.write(json.dumps(_finite(answer), allow_nan=False).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the client has gone: nobody is left to tell
        finally:
            writer.close()

    async def _next_answer(self, reader: asyncio.StreamReader) -> dict[str, Any] | None:
        """The answer to the next line; None when there is none to come."""
        try:
            request = await reader.readline()
        except ValueError:
            return _refusal("the line is too long")
        return await self._answer(request) if request else None

    async def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            message = json.loads(request)
        except (ValueError, RecursionError):
            return _refusal("this is not a line of JSON")
        match message:
            case {"truth": True, **rest} if not rest:
                return self._bench.truth()
            case {"ledger": True, **rest} if not rest:
                return self._bench.ledger.take()
            case {"faults": True, **rest} if not rest:
                return self._bench.possible_faults()
            case {"fault": str(fault), "device": str(device), **options}:
                return await self._inject(fault, device, options)
            case _:
                return _refusal("there is no such request")

    async def _inject(self, fault: str, device: str, options: dict[str, Any]) -> dict[str, Any]:
        try:
            await self._bench.inject(fault, device, options)
        except FlowlabError as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True}


def _refusal(what: str) -> dict[str, Any]:
    return {"ok": False, "error": f"{what}; {_ALLOWED}"}


def _finite(value: Any) -> Any:
    """The same, with null for numbers that JSON does not have."""
    match value:
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
