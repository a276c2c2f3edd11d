"""Leaving the instrument safe, however a plan ends."""

import bluesky.plan_stubs as bps
from bluesky.utils import MsgGenerator

from plans.roles import Reactor


def shutdown(reactor: Reactor) -> MsgGenerator[None]:
    """Heaters to their safe temperature, pumps off."""
    yield from bps.stop(reactor)
