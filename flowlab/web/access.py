"""Who asks, and what they may: to read a viewer, or who is on this machine; to change an operator; to kill an admin.

A token comes in the header ``Authorization: Bearer …`` alone. A browser sends none by itself, so no page of somebody
else's can have one change anything, and a URL, which ends up in logs and histories, never holds one.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from flowlab.daemon.tokens import RefusedTokenError, Role, Token, Tokens
from flowlab.errors import FlowlabError
from flowlab.web.settings import is_loopback

_LOG = logging.getLogger(__name__)
#: Who reads on this machine without a token.
_HERE = "(loopback)"
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="Made with flowlab tokens new NAME.")
#: A request that somebody's proxy handed on comes from this machine only as far as one can see.
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

Caller = Callable[..., str]
_NOT_ALLOWED = 1008


class RefusedViewerError(FlowlabError):
    """Somebody may not look.

    Args:
        code: with which a WebSocket is closed for that.
    """

    def __init__(self, why: str, code: int = _NOT_ALLOWED):
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at the page."""

    name: str
    role: Role
    token: str | None = field(default=None, repr=False)


class Guard:
    """Tells who asks, or refuses.

    Args:
        tokens: those that are known; None: there are none.
        names: those of a proxy: who asks under them may be anywhere.
    """

    def __init__(self, tokens: Tokens | None, names: Iterable[str] = ()):
        self._tokens = tokens
        self._names = {name.lower() for name in names}

    def reader(self, request: Request) -> str:
        """Who asks, when they may read."""
        if self._is_here(request) and "authorization" not in request.headers:
            return _HERE
        return self._name(request, Role.VIEWER)

    def viewer(self, connection: HTTPConnection, token: str | None) -> Viewer:
        """Who looks, by a token that came in a message.

        Raises:
            RefusedViewerError: they may not.
        """
        if not token:
            if self._is_here(connection):
                return Viewer(_HERE, Role.VIEWER)
            raise RefusedViewerError("whoever looks from elsewhere needs a token; flowlab tokens new makes one")
        try:
            kept = self._judge(token)
        except RefusedTokenError as error:
            raise RefusedViewerError(str(error)) from None
        return Viewer(kept.name, kept.role, token)

    @property
    def changed(self) -> int:
        """Another number when a token was made or removed: whoever was let in may have to go."""
        return 0 if self._tokens is None else self._tokens.changed

    def needs(self, role: Role) -> Caller:
        """A dependency that tells who asks, when they may do what the role may."""

        def name(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None) -> str:
            return self._name(request, role)

        return name

    def _name(self, request: Request, role: Role) -> str:
        given = request.headers.getlist("authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            raise self._refusal(
                request, 401, "this needs a token: Authorization: Bearer …; flowlab tokens new makes one"
            )
        try:
            kept = self._judge(token.strip())
        except RefusedTokenError as error:
            raise self._refusal(request, 401, str(error)) from None
        request.state.who = kept.name
        if not kept.role.includes(role):
            raise self._refusal(
                request, 403, f"this needs the role {role}; the token of {kept.name} is for a {kept.role}"
            )
        return kept.name

    def _judge(self, token: str) -> Token:
        if self._tokens is None:
            raise RefusedTokenError("no tokens are known here")
        return self._tokens.judge(token)

    def _refusal(self, request: Request, status: int, why: str) -> HTTPException:
        client = request.client.host if request.client else "?"
        _LOG.warning("refused: %s %r from %s: %s", request.method, request.url.path, client, why)
        return HTTPException(status, why, headers={"WWW-Authenticate": "Bearer"} if status == 401 else None)

    def _is_here(self, connection: HTTPConnection) -> bool:
        """Whether somebody asks from this machine, as far as one can see."""
        client = connection.client.host if connection.client else ""
        asked = connection.headers.get("host", "").rpartition(":")
        proxied = bool(self._names & {asked[0].lower(), asked[2].lower()})
        proxied |= any(name in connection.headers for name in _PROXIED)
        return is_loopback(client) and not proxied
