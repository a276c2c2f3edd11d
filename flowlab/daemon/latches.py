"""Interlocks that tripped and were not acknowledged yet: kept in files beside the runs, so that they outlive us.

Each has a file of its own. That it is there is the latch, whatever is in it: on a full disk an empty file can still be
made; two that trip at once, or one that trips while another is acknowledged, do not meet. Who acknowledged which, and
when, is written into one more, line after line.
"""

import json
import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from flowlab.errors import BadInputError, FlowlabError

_SUFFIX = ".latch"
_RECORD = "acknowledged.jsonl"


class LatchedError(FlowlabError):
    """An interlock tripped and was not acknowledged: no plan runs."""


class Latches:
    """The latched interlocks of one instrument.

    Args:
        root: folder of the runs.
        instrument: its name.
    """

    def __init__(self, root: Path, instrument: str):
        self._root = root
        self.path = root / f"interlocks-{quote(instrument, safe='')}"

    def all(self) -> dict[str, dict[str, Any]]:
        """``time`` (seconds since the epoch) and ``reason`` of each, by name, the first that tripped first.

        Raises:
            FlowlabError: the folder cannot be read; what is latched is then not known.
        """
        try:
            files = [path for path in self.path.iterdir() if path.name.endswith(_SUFFIX)]
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise FlowlabError(
                f"{self.path}: cannot be read ({error}); which interlocks tripped is not known"
            ) from None
        found = {unquote(path.name.removesuffix(_SUFFIX)): self._read(path) for path in files}
        return dict(sorted(found.items(), key=lambda item: item[1]["time"]))

    def of(self, names: Iterable[str]) -> dict[str, dict[str, Any] | None]:
        """The latch of each interlock that there is, by name, None where it has none; see :meth:`all`.

        Args:
            names: of the interlocks that are declared; one that tripped may be so no longer, and is told all the same.
        """
        latched = self.all()
        return {name: latched.get(name) for name in dict.fromkeys([*names, *latched])}

    def latch(self, name: str, reason: str) -> None:
        """Remember that an interlock tripped; the first reason stays.

        Raises:
            FlowlabError: its reason, or even that it tripped, could not be written; the message says which.
        """
        path = self._file(name)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if path.exists():
                return
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except OSError as error:
            if path.is_file():  # another made it in the same moment
                return
            raise FlowlabError(f"that interlock {name} tripped COULD NOT BE RECORDED in {path} ({error})") from None
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"time": time.time(), "reason": reason}, file)
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self.path)
        except OSError as error:
            raise FlowlabError(f"why interlock {name} tripped could not be written to {path} ({error})") from None

    def acknowledge(self, name: str, who: str) -> None:
        """Record that somebody has seen one, and forget it.

        Raises:
            BadInputError: it is not latched.
            FlowlabError: that cannot be recorded, and it is still latched; or it cannot be forgotten.
        """
        latched = self.all()
        if name not in latched:
            raise BadInputError(f"{name!r} is not latched; latched are: {', '.join(latched) or 'none'}")
        self._record(name, latched[name], who)
        try:
            self._file(name).unlink(missing_ok=True)  # two may acknowledge it in the same moment
            _sync_folder(self.path)
        except OSError as error:
            raise FlowlabError(f"{self._file(name)}: cannot be removed ({error}); is {name} still latched?") from None

    def _record(self, name: str, latch: dict[str, Any], who: str) -> None:
        path = self.path / _RECORD
        tripped = {"interlock": name, "tripped": latch["time"], "reason": latch["reason"]}
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**tripped, "acknowledged": time.time(), "by": who}) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FlowlabError(
                f"who acknowledges {name} cannot be written to {path} ({error}); it is still latched"
            ) from None

    def check(self, source: str) -> None:
        """Refuse to go on while there are any.

        Args:
            source: the instrument as a person names it, for the message.

        Raises:
            LatchedError: it says which, why, and what to do.
        """
        for name, latch in self.all().items():
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(latch["time"]))
            raise LatchedError(
                f"interlock {name} tripped at {when}: {latch['reason']}; find the cause, then acknowledge it: "
                + self.command(name, source)
            )

    def command(self, name: str, source: str) -> str:
        """What acknowledges one on the command line; ``source`` as :meth:`check` has it."""
        return shlex.join(["flowlab", "interlocks", "--ack", name, "-c", source, "--data", str(self._root)])

    def _file(self, name: str) -> Path:
        return self.path / f"{quote(name, safe='')}{_SUFFIX}"

    def _read(self, path: Path) -> dict[str, Any]:
        """What is in a file; one that says nothing is a latch all the same."""
        try:
            latch = json.loads(path.read_text(encoding="utf-8"))
            if _is_latch(latch):
                return {"time": float(latch["time"]), "reason": latch["reason"]}
            why = "it holds something else"
        except (OSError, ValueError, RecursionError) as error:
            why = str(error)
        try:
            made_s = path.stat().st_mtime
        except OSError:  # it was acknowledged meanwhile, or cannot be looked at
            made_s = time.time()
        return {"time": made_s, "reason": f"for a reason that cannot be read in {path} ({why})"}


def _sync_folder(path: Path) -> None:
    """Have the names of the files in a folder on the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_latch(latch: Any) -> bool:
    return isinstance(latch, dict) and type(latch.get("time")) in (int, float) and isinstance(latch.get("reason"), str)
