"""What is known of a daemon, kept as new as it is: its status over its control socket, the rest as it is published."""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from flowlab.daemon.asking import ask
from flowlab.errors import FlowlabError

_ASK_EVERY_S, _ANSWER_WITHIN_S = 0.5, 1.5
#: Who asks for one picture waits so long for what the journals and the gauges have to say.
_SETTLED_WITHIN_S, _GAUGES_WITHIN_S = 10.0, 2.0
_STEP_S = 0.2
_HISTORY = 50
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("queue", "readings", "run", "axis", "spectrum", "window", "emission", "saxs", "frame")),
    **{name: {"from": 0, "items": []} for name in ("points", "saxs_points", "log")},
    "baseline": {"dark": None, "reference": None},
    "tracks": {},
}


class Watched:
    """What is known of a daemon, as new as it is. Use as a context.

    Neither a daemon that does not answer nor a journal that is not found keeps the other from being shown: each is
    asked in a thread of its own.

    Args:
        control: address of the control socket.
        facts: its status, as it is now.
        frames: show frames of detectors, too.
    """

    def __init__(self, control: str, facts: dict[str, Any], *, frames: bool):
        self._control = control
        self._facts, self._lost, self._heard = facts, None, time.monotonic()
        self._with_frames = frames
        self._sections = NOTHING
        self._over, self._settled = threading.Event(), threading.Event()
        self._failed: Exception | None = None
        self._threads = [
            threading.Thread(target=self._keep, args=(do,), daemon=True) for do in (self._ask, self._follow)
        ]

    def __enter__(self) -> "Watched":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _ANSWER_WITHIN_S)  # one that waits for a journal that nobody has is not waited for

    @property
    def sections(self) -> dict[str, Any]:
        """Of the picture, as docs/page.md has them; an error of who keeps them new is raised here."""
        if self._failed is not None:
            raise self._failed
        return {**self._sections, "status": {"facts": self._facts, "lost": self._lost}}

    def queue(self) -> dict[str, Any]:
        """The section of that name, asked for now.

        Raises:
            FlowlabError: the daemon does not answer.
        """
        queue, history = (ask(self._control, method) for method in ("queue_get", "history_get"))
        newest = history["items"][-_HISTORY:]
        return {"items": queue["items"], "running": queue["running_item"] or None, "history": newest}

    @property
    def silence_s(self) -> float:
        """Seconds since the daemon answered last."""
        return time.monotonic() - self._heard

    @property
    def settled(self) -> bool:
        """Whether what there was already is known."""
        return self._settled.is_set()

    def settle(self) -> None:
        """Wait until what there is already is known, as far as that comes within a few seconds."""
        self._settled.wait(_SETTLED_WITHIN_S)
        end = time.monotonic() + _GAUGES_WITHIN_S
        while self._sections["readings"] is None and time.monotonic() < end:
            self._over.wait(_STEP_S)

    def _keep(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001  what nobody keeps new any more must not be shown
            self._failed = error
            self._settled.set()

    def _ask(self) -> None:
        while not self._over.wait(_ASK_EVERY_S):
            try:
                self._facts = ask(self._control, "flowlab_status", limit_s=_ANSWER_WITHIN_S)["status"]
                self._lost, self._heard = None, time.monotonic()
            except FlowlabError as error:
                self._lost = str(error).partition("; ")[0]  # what is to be done is not the viewer's to do

    def _follow(self) -> None:
        """Keep the picture new; of a daemon that was started again, begin anew."""
        from flowlab.watch.feed import Feed

        while not self._over.is_set():
            addresses, pid = self._facts["addresses"], self._facts["pids"]["supervisor"]
            if addresses["documents"] is None or addresses["replay"] is None:
                self._over.wait(_STEP_S)  # it has just begun
                continue
            frames = Path(self._facts["data"]) if self._with_frames else None
            self._sections = NOTHING  # of another daemon nothing is kept
            with Feed(addresses["documents"], addresses["replay"], frames) as feed:
                while not self._over.is_set() and self._facts["pids"]["supervisor"] == pid:
                    came = feed.take()
                    feed.picture.take_status(self._facts, self._lost)
                    if feed.picture.sections.take_changes():
                        self._sections = {**NOTHING, **feed.picture.sections.all()}
                    if not came:
                        if not feed.looks_for_frame:
                            self._settled.set()
                        feed.wait(_STEP_S)


def as_plain(section: Any) -> Any:
    """As JSON has it: arrays are lists, and what is not known is null."""
    if isinstance(section, dict):
        return {name: as_plain(value) for name, value in section.items()}
    if isinstance(section, np.ndarray):
        return as_plain(section.tolist())
    if isinstance(section, list | tuple):
        return [as_plain(value) for value in section]
    if isinstance(section, float) and not math.isfinite(section):
        return None
    return section
