"""Who is let in at the control socket: the answers to libzmq's question (ZAP, 0MQ RFC 27) for each connection."""

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils import z85

from flowlab.daemon.keys import STOCK_NAME, STOCK_PUBLIC, Keys

_LOG = logging.getLogger(__name__)
#: Where libzmq asks, within a context.
_ZAP = "inproc://zeromq.zap.01"
_DOMAIN = "flowlab"


class Authenticator:
    """Admits clients whose keys are known, and logs whom it does not; until it is closed.

    A message that is received with ``copy=False`` says whose it is: ``frame.get("User-Id")``.

    Args:
        context: of the sockets that are guarded; it can have one authenticator.
        keys: read anew for each connection, so that a key counts from when it is made.
        admit_stock: whether clients of bluesky-queueserver are let in, who share one key that everybody knows.
    """

    def __init__(self, context: "zmq.asyncio.Context", keys: Keys, *, admit_stock: bool = False):
        self._keys = keys
        self._admit_stock = admit_stock
        self._socket: zmq.asyncio.Socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind(_ZAP)
        self._task = asyncio.create_task(self._serve(), name="admission")

    async def _serve(self) -> None:
        while True:
            frames = await self._socket.recv_multipart()
            version, request = (*frames, b"", b"")[:2]
            try:
                name = self._admitted(frames)
            except Exception:  # noqa: BLE001  to end would be to let nobody in any more
                _LOG.exception("a connection to the control socket could not be judged, and is refused")
                name = None
            status = (b"200", b"OK", name.encode()) if name else (b"400", b"not known here", b"")
            await self._socket.send_multipart([version, request, *status, b""])

    def _admitted(self, frames: Sequence[bytes]) -> str | None:
        """Name of who asks, when it may come in."""
        _version, _request, _domain, address, _identity, mechanism, *credentials = frames
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            _LOG.warning("refused at the control socket: %s, without a key", address.decode(errors="replace"))
            return None
        public = z85.encode(credentials[0])
        name = self._keys.name_of(public)
        if name is None and public == STOCK_PUBLIC and self._admit_stock:
            name = STOCK_NAME
        if name is None:
            whose = "the key that all stock clients share" if public == STOCK_PUBLIC else f"key {public.decode()}"
            _LOG.warning("refused at the control socket: %s, with %s", address.decode(errors="replace"), whose)
        return name

    def close(self) -> None:
        """Admit nobody any more; the context can be ended then."""
        self._task.cancel()
        self._socket.close()


def secure(socket: "zmq.asyncio.Socket", keys: Keys, *, admit_stock: bool = False) -> Authenticator:
    """Have a server's socket ask for keys; before it is bound, within the event loop.

    Returns:
        What admits clients to sockets of this context; to be closed before the context is ended.
    """
    public, secret = keys.server()
    authenticator = Authenticator(cast("zmq.asyncio.Context", socket.context), keys, admit_stock=admit_stock)
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = public, secret
    socket.zap_domain = _DOMAIN.encode()
    return authenticator
