"""Interlocks that tripped and were not acknowledged yet: kept in a file beside the runs, so that they outlive us."""

import json
import os
import time
from pathlib import Path
from typing import Any

from flowlab.errors import BadInputError, FlowlabError


class LatchedError(FlowlabError):
    """An interlock tripped and was not acknowledged: no plan runs."""


class Latches:
    """The latched interlocks of one instrument.

    Args:
        root: folder of the runs.
        instrument: its name.
    """

    def __init__(self, root: Path, instrument: str):
        self.path = root / f"interlocks-{instrument}.json"

    def all(self) -> dict[str, dict[str, Any]]:
        """``time`` (seconds since the epoch) and ``reason`` of each, by name.

        Raises:
            FlowlabError: the file cannot be read; what is latched is then not known.
        """
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise FlowlabError(
                f"{self.path}: cannot be read ({error}); which interlocks tripped is not known"
            ) from None
        if not isinstance(found, dict) or not all(_is_latch(latch) for latch in found.values()):
            raise FlowlabError(f"{self.path}: is no list of latched interlocks; which tripped is not known")
        return found

    def latch(self, name: str, reason: str) -> None:
        """Remember that an interlock tripped; the first reason stays."""
        latched = self.all()
        latched.setdefault(name, {"time": time.time(), "reason": reason})
        self._write(latched)

    def acknowledge(self, name: str) -> None:
        """Forget one.

        Raises:
            BadInputError: it is not latched.
        """
        latched = self.all()
        if name not in latched:
            raise BadInputError(f"{name!r} is not latched; latched are: {', '.join(latched) or 'none'}")
        del latched[name]
        self._write(latched)

    def check(self) -> None:
        """Refuse to go on while there are any.

        Raises:
            LatchedError: it says which, why, and what to do.
        """
        for name, latch in self.all().items():
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(latch["time"]))
            raise LatchedError(
                f"interlock {name} tripped at {when}: {latch['reason']}; find the cause, then acknowledge it: "
                f"flowlab interlocks --ack {name}"
            )

    def _write(self, latched: dict[str, Any]) -> None:
        """Whole or not at all, and on the disk before it counts."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(".new")
        with written.open("w", encoding="utf-8") as file:
            json.dump(latched, file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.path)


def _is_latch(latch: Any) -> bool:
    return (
        isinstance(latch, dict) and isinstance(latch.get("time"), int | float) and isinstance(latch.get("reason"), str)
    )
