"""A lock that somebody puts on the environment or the queue, so that nobody else changes them meanwhile.

It is a notice for people, and no protection against malice; it never keeps anybody from ending what runs.
"""

import hashlib
import hmac
import json
import os
import secrets
import time
import uuid
from pathlib import Path
from typing import Any, Literal

from flowlab.errors import BadInputError, FlowlabError

Part = Literal["environment", "queue"]

#: 4 MiB and some milliseconds for each guess at a key.
_COST = {"n": 2**12, "r": 8, "p": 1}
_KINDS = {"environment": bool, "queue": bool, "user": str, "note": str, "time": float, "salt": str, "hash": str}


class LockedError(FlowlabError):
    """Somebody has locked what was to be changed."""


class Lock:
    """The lock, which at most one key has at a time.

    Args:
        path: where it outlives the daemon, for hands may be in the instrument; None keeps it in memory.

    Raises:
        FlowlabError: the file cannot be read; the message says what to do.
    """

    def __init__(self, path: Path | None = None):
        self._path = path
        #: Another one after each change.
        self.uid = str(uuid.uuid4())
        self._set: dict[str, Any] | None = None if path is None else _read(path)

    def holds(self, part: Part) -> bool:
        """Whether a part is locked."""
        return self._set is not None and bool(self._set[part])

    def info(self) -> dict[str, Any]:
        """Who locked what, when and why; without the key."""
        found = self._set
        return {
            "environment": self.holds("environment"),
            "queue": self.holds("queue"),
            "user": found["user"] if found else None,
            "note": found["note"] or None if found else None,
            "time": found["time"] if found else None,
            "time_str": _time(found["time"]) if found else "",
            "emergency_lock_key_is_set": False,
        }

    def require(self, part: Part, key: str | None) -> None:
        """Let pass who has the key, and everybody where a part is not locked.

        Raises:
            LockedError: it is locked, and this is not the key.
        """
        if self.holds(part):
            self.check(key)

    def check(self, key: str | None) -> None:
        """Let pass who has the key, and everybody where nothing is locked.

        Raises:
            LockedError: something is locked, and this is not the key.
        """
        found = self._set
        if found is None or (key is not None and hmac.compare_digest(found["hash"], _hash(key, found["salt"]))):
            return
        parts = " and ".join(part for part in ("environment", "queue") if found[part])
        note = f" ({found['note']})" if found["note"] else ""
        lost = "" if self._path is None else f"; if the key is lost, stop the daemon and remove {self._path}"
        given = "that is not the key" if key else "give its lock_key"
        raise LockedError(f"{parts} locked by {found['user']} since {_time(found['time'])}{note}: {given}{lost}")

    def lock(self, key: str, user: str, note: str, *, environment: bool, queue: bool) -> None:
        """Lock; who has the key may lock something else in its place.

        Raises:
            BadInputError: nothing is named that is to be locked, or the key or the user is empty.
            LockedError: it is locked with another key.
        """
        if not key or not user:
            raise BadInputError("a lock needs a lock_key and a user; one is empty")
        if not environment and not queue:
            raise BadInputError("say what to lock: environment, queue, or both")
        self.check(key)
        salt = secrets.token_hex(16)
        self._keep(
            {
                "environment": environment,
                "queue": queue,
                "user": user,
                "note": note,
                "time": time.time(),
                "salt": salt,
                "hash": _hash(key, salt),
            }
        )

    def unlock(self, key: str) -> None:
        """Unlock.

        Raises:
            BadInputError: nothing is locked.
            LockedError: this is not the key.
        """
        if self._set is None:
            raise BadInputError("nothing is locked")
        self.check(key)
        self._keep(None)

    def _keep(self, new: dict[str, Any] | None) -> None:
        if self._path is not None:
            try:
                _write(self._path, new)
            except OSError as error:
                raise FlowlabError(f"{self._path}: cannot be written: {error.strerror}") from None
        self._set = new
        self.uid = str(uuid.uuid4())


def _hash(key: str, salt: str) -> str:
    return hashlib.scrypt(key.encode(), salt=bytes.fromhex(salt), **_COST).hex()


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _read(path: Path) -> dict[str, Any] | None:
    what_to_do = "see who locked the instrument, then remove it"
    try:
        found = json.loads(path.read_bytes())
        whole = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in _KINDS.items())
        if whole:
            bytes.fromhex(found["salt"])
            return found
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FlowlabError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        pass
    raise FlowlabError(f"{path}: is no lock of flowlab's; {what_to_do}")


def _write(path: Path, new: dict[str, Any] | None) -> None:
    """Whole or not at all."""
    if new is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    try:
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        with beside.open("w", encoding="utf-8") as file:
            json.dump(new, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
