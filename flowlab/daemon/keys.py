"""Keys of the control socket: who may talk to a daemon that listens beyond its own machine, and that it is it.

0MQ's CURVE: the server has a pair of keys, and clients know its public one, so nobody else can pose as it or listen.
Each client has a pair as well, of which the server keeps the public one, in a file of its name; who has none of those
is not let in. A client that is removed is refused when it next connects; a connection that it has stays.

Bluesky-queueserver's own clients, ``qserver`` among them, cannot have keys of their own: given the server's public key
(``QSERVER_ZMQ_PUBLIC_KEY``), all of them everywhere use the one pair that is printed in the source of that package.
That pair proves nothing. They are therefore refused, unless the daemon is told to admit them; then **the server's
public key is the only secret there is**, shared by all: whoever has it may do all that the socket offers, namelessly.

Files are 0MQ certificates, which other programs read as well: ``server.key_secret`` and ``clients/NAME.key``.
"""

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.auth

from flowlab.daemon.secrets_on_disk import checked_name, named_files, write_new
from flowlab.errors import BadInputError, FlowlabError

_LOG = logging.getLogger(__name__)
_ENDING = ".key"
#: The public key of all clients of bluesky-queueserver, from its ``manager/comms.py``.
STOCK_PUBLIC = b"wt8[6a8eoXFRVL<l2JBbOzs(hcI%kRBIr0Do/eLC"
#: Who such a client is said to be.
STOCK_NAME = "(stock client)"


@dataclass(frozen=True)
class ClientKeys:
    """What a client needs, in Z85: its pair, and the server's public key."""

    public: bytes
    secret: bytes
    server: bytes

    def text(self, name: str) -> str:
        """As a 0MQ certificate, with the server's key among its facts."""
        return (
            f'metadata\n    name = {name}\n    server-key = "{self.server.decode()}"\n'
            f'curve\n    public-key = "{self.public.decode()}"\n    secret-key = "{self.secret.decode()}"\n'
        )

    @classmethod
    def load(cls, path: Path) -> "ClientKeys":
        """From what :meth:`text` wrote.

        Raises:
            BadInputError: this is no such file.
        """
        public, secret = _certificate(path)
        lines = (line.partition("=") for line in path.read_text("ascii", errors="replace").splitlines())
        server = [value.strip(" \t'\"") for key, _, value in lines if key.strip() == "server-key"]
        if secret is None or not server:
            raise BadInputError(f"{path}: is no client's key; flowlab keys new NAME makes one")
        return cls(public, secret, server[0].encode())

    def secure(self, socket: "zmq.Socket[Any]") -> None:
        """Have a client's socket use them; before it connects."""
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = self.public, self.secret, self.server


class Keys:
    """The keys of a daemon.

    Args:
        folder: where they are kept; made when the first one is.
    """

    def __init__(self, folder: Path):
        self._server = folder / "server.key_secret"
        self._clients = folder / "clients"

    def server(self) -> tuple[bytes, bytes]:
        """The server's public and secret key, in Z85; made where there are none.

        Raises:
            FlowlabError: they cannot be read or written, or others may read them.
        """
        if not self._server.exists():
            public, secret = zmq.curve_keypair()
            text = f'curve\n    public-key = "{public.decode()}"\n    secret-key = "{secret.decode()}"\n'
            with contextlib.suppress(FileExistsError):  # another process was quicker, and its pair is the pair
                write_new(self._server, text)
        public, secret = _certificate(self._server)
        if secret is None:
            raise FlowlabError(f"{self._server}: has no secret key; move it away, and clients need new ones then")
        if self._server.stat().st_mode & 0o077:
            raise FlowlabError(f"{self._server}: may be read by others: chmod 600 it, or move it away for a new one")
        return public, secret

    def new(self, name: str) -> ClientKeys:
        """Admit a client under a name. Its secret key is kept nowhere.

        Raises:
            BadInputError: the name is taken, or is none.
        """
        path = self._clients / f"{checked_name(name)}{_ENDING}"
        server, _ = self.server()
        public, secret = zmq.curve_keypair()
        try:
            write_new(path, f'metadata\n    name = {name}\ncurve\n    public-key = "{public.decode()}"\n')
        except FileExistsError:
            raise BadInputError(f"there is a key of {name} already: flowlab keys remove {name}, first") from None
        return ClientKeys(public, secret, server)

    def remove(self, name: str) -> None:
        """Admit a client no longer.

        Raises:
            BadInputError: there is none of that name.
        """
        try:
            (self._clients / f"{checked_name(name)}{_ENDING}").unlink()
        except FileNotFoundError:
            raise BadInputError(f"there is no key of {name}: {', '.join(self.clients()) or 'there are none'}") from None

    def clients(self) -> dict[str, bytes]:
        """The public keys that are admitted, by client; a file that holds none is passed over, and logged."""
        found = {}
        for name, path in named_files(self._clients, _ENDING).items():
            try:
                found[name] = _certificate(path)[0]
            except FlowlabError as error:
                _LOG.warning("%s", error)
        return found

    def name_of(self, public: bytes) -> str | None:
        """Whose key this is; None when it is nobody's."""
        return next((name for name, key in self.clients().items() if key == public), None)


def _certificate(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = zmq.auth.load_certificate(os.fspath(path))
        if len(public) != 40 or (secret is not None and zmq.curve_public(secret) != public):
            raise ValueError("the keys do not belong together")
    except (OSError, ValueError, zmq.ZMQError) as error:
        raise BadInputError(f"{path}: cannot be used as a key: {error}") from None
    return public, secret
