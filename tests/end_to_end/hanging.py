"""Plans that come to a device which never returns."""

import threading
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.utils import MsgGenerator


class Hanging:
    """Whoever sets it waits for ever, in the thread that does."""

    name = "hanging"
    parent = None

    def set(self, value: float) -> Any:
        threading.Event().wait()


def hang(reactor: Any) -> MsgGenerator[None]:
    """Open a run, and set what never returns."""
    yield from bps.open_run()
    yield from bps.abs_set(Hanging(), 1.0)
    yield from bps.close_run()


def hot_and_hang(heater: Any) -> MsgGenerator[None]:
    """Begin to heat, and set what never returns."""
    yield from bps.abs_set(heater, 100.0)
    yield from bps.abs_set(Hanging(), 1.0)
