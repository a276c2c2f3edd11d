"""An instrument that is reached over HTTP: one request, one reply, with time limits, and errors that name it."""

import httpx

from devices.errors import LinkError, RefusedError, ReplyError, ReplyTimeoutError

#: A reply beyond this is none of an instrument's.
LARGEST_REPLY = 2**20


class Rest:
    """Sends requests; may be used by several threads at once.

    Each request has a connection of its own, so that none depends on one that the other end has given up meanwhile.

    Args:
        device: for messages.
        base: where the instrument is, ``http://10.42.41.10:80``.
        reply_within_s: real seconds for a reply, where a request names no others.
    """

    def __init__(self, device: str, base: str, reply_within_s: float):
        self._device, self._base, self._reply_within_s = device, base, reply_within_s
        # No proxies and no .netrc of the environment: an instrument is on this network.
        self._client = httpx.Client(
            base_url=base, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0), follow_redirects=False
        )

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

    def close(self) -> None:
        """Close what is open."""
        self._client.close()

    def _exchange(self, method: str, path: str, body: bytes | None, within_s: float) -> bytes:
        headers = {} if body is None else {"content-type": "application/json"}
        asked = f"{self._device}: asked to {method} {path}"
        try:
            limit = httpx.Timeout(self._reply_within_s, read=within_s)
            with self._client.stream(method, path, content=body, headers=headers, timeout=limit) as reply:
                said = b""
                for piece in reply.iter_bytes():
                    said += piece
                    if len(said) > LARGEST_REPLY:
                        raise ReplyError(f"{asked}, got more than {LARGEST_REPLY} bytes")
        except httpx.ConnectTimeout:
            raise LinkError(f"{self._device}: nothing answers at {self._base}; is it switched on?") from None
        except httpx.TimeoutException:
            raise ReplyTimeoutError(f"{asked}, got no whole reply within {within_s:g} s") from None
        except httpx.ConnectError as error:
            raise LinkError(
                f"{self._device}: cannot open {self._base}: {error}; is it switched on, and the address right?"
            ) from None
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
                raise ReplyError(f"{asked}, got what is no HTTP: {error!s:.120}") from None
            raise LinkError(f"{self._device}: the connection to {self._base} is lost: {error!s:.120}") from None
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise ReplyError(f"{asked}, got what cannot be read: {error!s:.120}") from None
        if reply.status_code != 200:
            words = " ".join(said[:200].decode("utf-8", "replace").split())
            raise RefusedError(f"{asked}, which was refused: {reply.status_code} {words}".rstrip())
        return said
