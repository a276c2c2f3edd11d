"""A RunEngine that leaves nothing behind."""

import asyncio
import contextlib
from collections.abc import Iterator

from bluesky import RunEngine


@contextlib.contextmanager
def run_engine() -> Iterator[RunEngine]:
    """A RunEngine whose loop ends with the context."""
    engine = RunEngine({}, context_managers=[])
    try:
        yield engine
    finally:
        engine._loop.call_soon_threadsafe(engine._loop.stop)
        engine._th.join()
        engine._loop.close()
        with contextlib.suppress(RuntimeError):
            asyncio.get_event_loop_policy().get_event_loop().close()
