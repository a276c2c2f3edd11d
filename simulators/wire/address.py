"""Where simulators listen: on this machine alone, on the configured port or on any that is free."""

import contextlib
import ipaddress
import os
import socket
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from flowlab.errors import BadInputError, FlowlabError

#: Which class serves the addresses of each scheme; loaded when the first of them is met, as it may need a library
#: that is not installed.
SERVERS = {
    "socket": "simulators.wire.line:Line",
    "tcp": "simulators.wire.line:Line",
    "ca": "simulators.wire.epics.server:ChannelAccessServer",
    "http": "simulators.wire.http:Web",
    "usb+tcp": "simulators.wire.line:Line",
}


class PortInUseError(FlowlabError):
    """An address cannot be listened on."""


@dataclass(frozen=True)
class Address:
    """Where a line is reached, as the configuration writes it.

    Attributes:
        scheme: ``socket`` for what pyserial opens, ``tcp`` for instruments with a network plug, ``usb+tcp`` for those
            on USB, whose transfers go over TCP, ``ca`` for an EPICS server; see :data:`SERVERS`.
        host: of this machine only.
        port: 0 for any that is free.
        extra: what else a client must know, behind the port: ``?stream_port=31001``. Not read from a configuration,
            only told when an instrument is open.
    """

    scheme: str
    host: str
    port: int
    extra: str = ""

    @classmethod
    def parse(cls, text: str, where: str) -> "Address":
        """Read ``socket://127.0.0.1:50101``.

        Raises:
            BadInputError: it is not of that form, or of another machine; the message begins with ``where``.
        """
        parts = urlsplit(text)
        with contextlib.suppress(ValueError):
            host, port = parts.hostname or "", parts.port
            if parts.scheme in SERVERS and port is not None:
                return cls(parts.scheme, loopback(host, where), port)
        allowed = " or ".join(f"{scheme}://127.0.0.1:PORT" for scheme in SERVERS)
        raise BadInputError(f"{where} = {text!r}: a simulator listens on {allowed}")

    def at_port(self, port: int) -> "Address":
        """The same with another port."""
        return replace(self, port=port)

    def with_extra(self, extra: str) -> "Address":
        """The same with something else behind the port."""
        return replace(self, extra=extra)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.extra}"


def loopback(host: str, where: str) -> str:
    """``host`` as an address of this machine alone: what is simulated is nobody else's business.

    Raises:
        BadInputError: it is another one.
    """
    host = "127.0.0.1" if host == "localhost" else host
    with contextlib.suppress(ValueError):
        if ipaddress.IPv4Address(host).is_loopback:
            return host
    raise BadInputError(f"{where}: simulators listen on this machine only, 127.0.0.1, not on {host!r}")


def own_address(host: str, port: int, whose: str, *, listen: bool) -> socket.socket:
    """A socket that owns an address; unless it listens, connections to it are refused.

    Raises:
        PortInUseError: another program has the address.
    """
    sock = socket.socket()
    try:
        if os.name == "posix":  # an address is free again as soon as it is closed
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if listen:
            sock.listen()
    except OSError as error:
        sock.close()
        raise PortInUseError(
            f"{whose}: cannot listen on {host}:{port}: {error.strerror}; "
            "stop the program that uses it, change the address, or start with --any-port"
        ) from None
    return sock
