"""The safe state, in a fresh process with its own links: ``python -m flowlab.daemon.safe_state``.

Run when a worker died without being able to do it itself. Imports no bluesky, and no driver before its turn: a heater
does not wait for the libraries of a detector. Nothing that one device does, or fails to do, keeps the others from being
made safe.

With ``"standby"`` in its specification it loads all that it needs, opens nothing, and waits for an order: loading takes
most of the time from the death of a worker to the first heater that is off.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.errors import FlowlabError
from flowlab.process import Lifeline

#: Told of each device as soon as it is known: its name, and None or why it is not safe.
Tell = Callable[[str, str | None], None]

#: Those that the others did not wait for any longer are given up when none has come back for so many times their limit:
#: a line that is silent is asked again and again before it is an error, and only then is the next instrument on it.
_GIVEN_UP_AFTER = 2.0
#: Real seconds in which a device is built, its libraries loaded: on a computer with nothing else to do, a third of one.
_BUILT_WITHIN_S = 10.0


class SafeState:
    """Makes the devices of ``safe_state`` safe, in that order.

    The next is begun when one is done, or after its ``safe_within_s``: then it is told that it is not known whether
    that one is safe. Its call goes on meanwhile; what comes of it in the end is told, too. A device at the address of
    one that goes on is begun and not waited for, as it waits for the same line.

    Args:
        bench: where the devices are; one that is not ``at_once`` builds each in its turn.
        tell: called with what is known, by one thread at a time.

    Attributes:
        outcome: what is known now.
        hanging: names of the devices whose call has not come back.
    """

    def __init__(self, bench: Bench, tell: Tell):
        self.outcome: dict[str, str | None] = {}
        self.hanging: list[str] = []
        self._bench = bench
        self._tell = tell
        self._built: set[str] = set()
        self._changed = threading.Condition()

    def make_safe(self) -> dict[str, str | None]:
        """Do it.

        Returns:
            For each device None, or why it is not safe, or not known to be.
        """
        devices = self._bench.config.devices
        with self._changed:
            for name in self._bench.config.safe_state:
                line = devices[name].address
                ahead = [other for other in self.hanging if line is not None and devices[other].address == line]
                limit_s = 0.0 if ahead else devices[name].safe_within_s
                self.hanging.append(name)
                threading.Thread(target=self._make_one_safe, args=(name,), name=name, daemon=True).start()
                self._changed.wait_for(
                    lambda name=name: name in self._built or name not in self.hanging, _BUILT_WITHIN_S
                )
                if not self._changed.wait_for(lambda name=name: name not in self.hanging, limit_s):
                    why = f"it waits for {ahead[0]}, on the same line" if ahead else f"no end within {limit_s:g} s"
                    self._note(name, f"{name}: not known whether it is safe: {why}")
            while self.hanging:
                if not self._changed.wait(_GIVEN_UP_AFTER * max(devices[name].safe_within_s for name in self.hanging)):
                    break
            return dict(self.outcome)

    def _make_one_safe(self, name: str) -> None:
        error = self._bench.make_one_safe(name, lambda: self._note_built(name))
        with self._changed:
            self.hanging.remove(name)
            self._note(name, None if error is None else str(error))
            self._changed.notify_all()

    def _note_built(self, name: str) -> None:
        with self._changed:
            self._built.add(name)
            self._changed.notify_all()

    def _note(self, name: str, error: str | None) -> None:
        self.outcome[name] = error
        self._tell(name, error)


def main() -> None:
    """Make every device safe, and tell of each whether it is: as soon as that is known, and of all at the end."""
    lifeline = Lifeline()
    try:
        config = load_instrument(lifeline.spec["config"])
    except FlowlabError as error:
        lifeline.fail(error)
        sys.exit(error.exit_code)
    bench = Bench(config, lifeline.spec["config"], lifeline.spec.get("addresses"), at_once=False)
    if lifeline.spec.get("standby") and not _stand_by(lifeline, bench):
        return
    safe_state = SafeState(bench, lambda name, error: lifeline.tell({"device": name, "error": error}))
    outcome = safe_state.make_safe()
    lifeline.done(outcome)
    # The system closes what is open. Closing it in good order may take half a second, or for ever where a call hangs,
    # and whoever waits for this process gains nothing by it.
    os._exit(int(any(outcome.values())))


def _stand_by(lifeline: Lifeline, bench: Bench) -> bool:
    """Build the devices and wait; return whether there is anything to do."""
    for name in bench.config.safe_state:
        with contextlib.suppress(Exception):  # what is wrong with it is told when its turn comes
            bench.device(name)
    lifeline.ready({})
    return next(lifeline.orders(), None) is not None


if __name__ == "__main__":
    main()
