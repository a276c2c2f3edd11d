"""Tokens of the HTTP API: who may do what there, and until when.

A token is 256 random bits, told once, when it is made. What is kept is its SHA-256, which for a random token is as good
as any slow hash: there is nothing to guess. Tokens are never logged; their names are.
"""

import hashlib
import hmac
import json
import logging
import secrets
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from flowlab.daemon.secrets_on_disk import checked_name, named_files, write_new
from flowlab.errors import BadInputError, FlowlabError

_LOG = logging.getLogger(__name__)
_ENDING = ".json"
_BYTES = 32
_DAY_S = 86400.0
#: Begins each token, so that one that was left somewhere is found by those who search for such things.
_PREFIX = "flowlab_"


class Role(StrEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether it may do what the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class RefusedTokenError(FlowlabError):
    """A token is not known, or has expired."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    Attributes:
        made: seconds since the epoch.
        expires: the same; None: never.
        sha256: of the token, in hexadecimal.
    """

    name: str
    role: Role
    made: float
    expires: float | None
    sha256: str


class Tokens:
    """The tokens of a daemon.

    Args:
        folder: where they are kept, a file each; made when the first one is.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def new(self, name: str, role: Role, days: float | None) -> str:
        """Make a token.

        Args:
            name: of who gets it.
            role: what it allows.
            days: how long; None: for ever.

        Returns:
            The token, which is kept nowhere.

        Raises:
            BadInputError: the name is taken, or is none; or it would never hold.
        """
        checked_name(name)
        if days is not None and not 0 < days < 36525:
            raise BadInputError(f"a token cannot hold for {days:g} days: give more than 0, and less than a century")
        token = _PREFIX + secrets.token_urlsafe(_BYTES)
        now = time.time()
        kept = Token(name, role, now, None if days is None else now + days * _DAY_S, _hash(token))
        try:
            write_new(self._path(name), json.dumps(asdict(kept)) + "\n")
        except FileExistsError:
            raise BadInputError(f"there is a token of {name} already: flowlab tokens remove {name}, first") from None
        return token

    def remove(self, name: str) -> None:
        """Have a token be worth nothing, at once.

        Raises:
            BadInputError: there is none of that name.
        """
        try:
            self._path(checked_name(name)).unlink()
        except FileNotFoundError:
            known = ", ".join(token.name for token in self.all()) or "there are none"
            raise BadInputError(f"there is no token of {name}: {known}") from None

    def all(self) -> list[Token]:
        """What is kept, by name; a file that holds no token is passed over, and logged."""
        found = []
        for name, path in named_files(self._folder, _ENDING).items():
            try:
                kept = Token(**json.loads(path.read_bytes()))
                found.append(Token(name, Role(kept.role), float(kept.made), kept.expires, str(kept.sha256)))
            except FileNotFoundError:
                continue  # it is being removed
            except (OSError, ValueError, TypeError) as error:
                _LOG.warning("%s: holds no token: %s", path, error)
        return found

    @property
    def changed(self) -> int:
        """When one was made or removed last, in nanoseconds since the epoch; 0: there never was one."""
        try:
            return self._folder.stat().st_mtime_ns
        except OSError:  # what cannot be read holds no token, see all()
            return 0

    def judge(self, token: str) -> Token:
        """Whose token this is.

        Raises:
            RefusedTokenError: nobody's, or it has expired.
        """
        given = _hash(token)
        matching = [kept for kept in self.all() if hmac.compare_digest(kept.sha256.encode(), given.encode())]
        if not matching:
            raise RefusedTokenError("the token is not known here")
        kept = matching[0]
        if kept.expires is not None and time.time() >= kept.expires:
            raise RefusedTokenError(f"the token of {kept.name} has expired; flowlab tokens new makes another")
        return kept

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_ENDING}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
