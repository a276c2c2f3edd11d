"""A child process as the event loop sees it."""

import asyncio
from pathlib import Path
from typing import Any

from flowlab.process import Child, ChildDiedError, Tell, failure_of


class Part:
    """Starts a child; what it says comes in the loop's thread.

    Args:
        name: for messages.
        module: run as ``python -m MODULE``.
        spec: given to the child; None for one that takes its wishes as arguments.
        log: what it writes on standard error goes there.
        took: called with everything that it says, with ``{"ended": True}`` last of all.
        arguments: of the command line.
    """

    def __init__(
        self,
        name: str,
        module: str,
        spec: dict[str, Any] | None,
        log: Path,
        took: Tell | None = None,
        arguments: list[str] | None = None,
    ):
        loop = asyncio.get_running_loop()
        self._took = took
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._over = asyncio.Event()

        def listen(message: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(self._take, message)

        self._child = Child(name, module, spec, log, arguments, listen)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as is known."""
        return not self._over.is_set()

    def order(self, order: dict[str, Any]) -> None:
        """Have it do something."""
        self._child.order(order)

    def _take(self, message: dict[str, Any]) -> None:
        for what in list(self._waiting):
            if what in message:
                _settle(self._waiting.pop(what), message[what])
        if "failed" in message or "ended" in message:
            error = failure_of(message) if "failed" in message else self._child.epitaph()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)
            self._waiting.clear()
        if "ended" in message:
            self._over.set()
        if self._took is not None:
            self._took(message)

    async def wait_for(self, what: str, limit_s: float) -> Any:
        """What it says next of ``what``.

        Raises:
            FlowlabError: it failed, in its own words; or it died, or says nothing within the limit.
        """
        if not self.alive:
            raise self._child.epitaph()
        future = self._waiting.setdefault(what, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.shield(future)
        except TimeoutError:
            raise ChildDiedError(f"{self._child.name}: not {what} within {limit_s:g} s") from None

    async def end(self, limit_s: float) -> bool:
        """Cut its lifeline and wait; kill it when it does not end by itself.

        Returns:
            Whether it ended by itself.
        """
        self._child.cut()
        try:
            async with asyncio.timeout(limit_s):
                await self._over.wait()
        except TimeoutError:
            await self.kill()
            return False
        await asyncio.to_thread(self._child.close)
        return True

    async def dismiss(self, limit_s: float) -> bool:
        """As :meth:`end`, for one that would go on for a while without whoever started it."""
        if self.alive:
            self._child.terminate()
        return await self.end(limit_s)

    async def kill(self) -> None:
        """End it at once."""
        await asyncio.to_thread(self._child.kill)  # it waits: a driver in the kernel may not let go at once
        await self._over.wait()
        await asyncio.to_thread(self._child.close)

    def how_it_ended(self) -> str:
        """In words, once it has."""
        return str(self._child.epitaph())


def _settle(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)
