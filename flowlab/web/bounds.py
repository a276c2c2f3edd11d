"""What every request has to keep to: the name it asks under, where it comes from, its length; what every answer says.

A page of somebody else's can have its own name point at this machine, and then ask it from a browser that runs here
(DNS rebinding). It cannot make the browser say another name than its own: so only known names are answered to. Nor can
it make the browser hide that the page is another's, so such requests are refused before they cost anything.
"""

import asyncio
import ipaddress
import json
import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
#: Seconds that the body of a request may take to arrive.
_BODY_WITHIN_S = 10.0
_POLICY_VIOLATION = 1008
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status = status


class Bounds:
    """Middleware: answers requests that are out of bounds itself, in words, and logs them.

    Args:
        app: what answers the others.
        names: under which the server may be asked, besides those of loopback and the address that was reached.
        further: likewise, of a proxy before it, whose pages are this server's.
        body_bytes: how long a request may be.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], further: Iterable[str], body_bytes: int):
        self._app = app
        self._names = {name.lower() for name in (*_LOOPBACK_NAMES, *names, *further)}
        self._further = {name.lower() for name in further}
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in _HEADERS.items() if name not in there]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            self._check_name(scope)
            _check_origin(scope)
            body = await self._read(scope, receive)
        except _RefusedError as error:
            client = (scope.get("client") or ("?",))[0]
            _LOG.warning("refused: %s %r from %s: %s", scope["method"], scope["path"], client, error)
            await _answer(send_with_headers, error.status, str(error))
            return
        if body is not None:
            await self._app(scope, _again(body, receive), send_with_headers)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: browsers let any page open one to anywhere, but they say whose page it is."""
        try:
            self._check_name(scope)
            self._check_page(scope)
        except _RefusedError as error:
            client = (scope.get("client") or ("?",))[0]
            _LOG.warning("refused: a WebSocket at %r from %s: %s", scope["path"], client, error)
            await receive()  # the connection is to be closed before it was accepted
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)

    def _check_page(self, scope: Scope) -> None:
        said = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"origin", b"host")}
        if b"origin" not in said:
            return  # no browser
        page = said[b"origin"].partition("://")[2].lower()
        if page != said[b"host"].lower() and _without_port(page) not in self._further:
            raise _RefusedError(403, "a page of another server may not ask this one")

    def _check_name(self, scope: Scope) -> None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            raise _RefusedError(400, "a request needs one Host header")
        name = _without_port(hosts[0]).lower()
        if name not in self._names and not _is_address(name, (scope.get("server") or ("",))[0]):
            raise _RefusedError(
                403, f"this server is not called {name[:100]!r}; ask it by an address or name of its own"
            )

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when whoever asks has gone away."""
        too_long = _RefusedError(413, f"the request is too long; at most {self._body_bytes} bytes")
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if int(length) > self._body_bytes:  # it is a number, or no request would have come so far
            raise too_long
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._body_bytes:
                        raise too_long
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise _RefusedError(408, f"the request did not arrive within {_BODY_WITHIN_S:g} s") from None


def _check_origin(scope: Scope) -> None:
    """Refuse what a page of another server asks for; to follow its link is another thing."""
    said = {name: value for name, value in scope["headers"] if name.startswith(b"sec-fetch-")}
    followed = said.get(b"sec-fetch-mode") == b"navigate" and scope["method"] == "GET"
    if said.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not followed:
        raise _RefusedError(403, "a page of another server may not ask this one")


def _again(body: bytes, receive: Receive) -> Receive:
    """A request's body as if it came now, and after it whatever comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str, server: str) -> bool:
    """Whether a name is the address that was reached, as a number: that is nothing that can be rebound."""
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(server)
    except ValueError:
        return False
