"""An instrument that is reached over HTTP: one request, one reply, with time limits, and errors that name it.

The standard library's client does what is needed here; another would take a tenth of a second to import, which the safe
state has not.
"""

from http.client import HTTPConnection, HTTPException, IncompleteRead
from urllib.parse import urlsplit

from devices.errors import LinkError, RefusedError, ReplyError, ReplyTimeoutError

#: A reply beyond this is none of an instrument's.
LARGEST_REPLY = 2**20


class Rest:
    """Sends requests; may be used by several threads at once.

    Each request has a connection of its own, so that none depends on one that the other end has given up meanwhile. No
    proxies of the environment are asked: an instrument is on this network.

    Args:
        device: for messages.
        base: where the instrument is, ``http://10.42.41.10:80``.
        reply_within_s: real seconds for a reply, where a request names no others.
    """

    def __init__(self, device: str, base: str, reply_within_s: float):
        self._device, self._base, self._reply_within_s = device, base, reply_within_s
        self._where = urlsplit(base)

    def get(self, path: str) -> bytes:
        """The body of the reply to a GET.

        Raises:
            LinkError: there is no connection, or it is lost.
            ReplyTimeoutError: no whole reply came in time.
            ReplyError: what came is no reply.
            RefusedError: it is no 200.
        """
        return self._exchange("GET", path, None, self._reply_within_s)

    def put(self, path: str, body: bytes | None = None, within_s: float | None = None) -> bytes:
        """The body of the reply to a PUT.

        Args:
            path: of the resource.
            body: JSON, or nothing.
            within_s: real seconds for the reply.

        Raises:
            DeviceError: as :meth:`get`.
        """
        return self._exchange("PUT", path, body, self._reply_within_s if within_s is None else within_s)

    def _exchange(self, method: str, path: str, body: bytes | None, within_s: float) -> bytes:
        asked = f"{self._device}: asked to {method} {path}"
        connection = self._connect()
        try:
            connection.sock.settimeout(within_s)
            headers = {"connection": "close"} | ({} if body is None else {"content-type": "application/json"})
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            said = reply.read(LARGEST_REPLY + 1)
            missing = reply.length or 0  # of what was announced
        except TimeoutError:
            raise ReplyTimeoutError(f"{asked}, got no whole reply within {within_s:g} s") from None
        except (OSError, IncompleteRead) as error:
            raise self._lost(error) from None
        except HTTPException as error:
            raise ReplyError(f"{asked}, got what is no HTTP: {error!r:.120}") from None
        finally:
            connection.close()
        if len(said) > LARGEST_REPLY:
            raise ReplyError(f"{asked}, got more than {LARGEST_REPLY} bytes")
        if missing:
            raise self._lost(f"{missing} bytes of a reply are missing")
        if reply.status != 200:
            words = " ".join(said[:200].decode("utf-8", "replace").split())
            raise RefusedError(f"{asked}, which was refused: {reply.status} {words}".rstrip())
        return said

    def _connect(self) -> HTTPConnection:
        where = self._where
        connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=self._reply_within_s)
        try:
            connection.connect()
        except TimeoutError:
            raise LinkError(f"{self._device}: nothing answers at {self._base}; is it switched on?") from None
        except OSError as error:
            raise LinkError(
                f"{self._device}: cannot open {self._base}: {error}; is it switched on, and the address right?"
            ) from None
        return connection

    def _lost(self, why: object) -> LinkError:
        return LinkError(f"{self._device}: the connection to {self._base} is lost: {why!s:.120}")
