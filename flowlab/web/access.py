"""Who asks, and what they may: to read a viewer, or who is on this machine; to change an operator; to kill an admin.

A token comes in the header ``Authorization: Bearer …`` alone. A browser sends none by itself, so no page of somebody
else's can have one change anything, and a URL, which ends up in logs and histories, never holds one.
"""

import logging
from collections.abc import Callable
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from flowlab.daemon.tokens import RefusedTokenError, Role, Tokens
from flowlab.web.settings import is_loopback

_LOG = logging.getLogger(__name__)
#: Who reads on this machine without a token.
_HERE = "(loopback)"
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="Made with flowlab tokens new NAME.")
#: A request that somebody's proxy handed on comes from this machine only as far as one can see.
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

Caller = Callable[..., str]


class Guard:
    """Tells who asks, or refuses.

    Args:
        tokens: those that are known; None: there are none.
    """

    def __init__(self, tokens: Tokens | None):
        self._tokens = tokens

    def reader(self, request: Request) -> str:
        """Who asks, when they may read."""
        client = request.client.host if request.client else ""
        local = is_loopback(client) and not any(name in request.headers for name in _PROXIED)
        if local and "authorization" not in request.headers:
            return _HERE
        return self._name(request, Role.VIEWER)

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
            if self._tokens is None:
                raise RefusedTokenError("no tokens are known here")
            kept = self._tokens.judge(token.strip())
        except RefusedTokenError as error:
            raise self._refusal(request, 401, str(error)) from None
        if not kept.role.includes(role):
            raise self._refusal(
                request, 403, f"this needs the role {role}; the token of {kept.name} is for a {kept.role}"
            )
        return kept.name

    def _refusal(self, request: Request, status: int, why: str) -> HTTPException:
        client = request.client.host if request.client else "?"
        _LOG.warning("refused: %s %r from %s: %s", request.method, request.url.path, client, why)
        return HTTPException(status, why, headers={"WWW-Authenticate": "Bearer"} if status == 401 else None)
