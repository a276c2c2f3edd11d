"""Keeps one worker process: starts it, hears what it says, kills it, outlives it; and knows whether all is safe.

It knows nothing of the queue: what the worker says of a plan it hands on. It imports no bluesky and no driver: what can
hang or crash does so in another process.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from flowlab.config import InstrumentConfig
from flowlab.daemon.chores import Chores
from flowlab.daemon.desk import Environment, NotNowError
from flowlab.daemon.part import Part
from flowlab.daemon.surroundings import Surroundings
from flowlab.errors import BadInputError, FlowlabError

_LOG = logging.getLogger(__name__)

_START_WITHIN_S = 60.0
#: A worker that dies again and again is started again later and later, and what is not safe is tried again so.
_LONGEST_DELAY_S = 30.0
#: The safe state waits so long for devices that are being connected, or let go: two processes would fight for a line.
_CONNECTED_WITHIN_S = 5.0


class WorkerKeeper:
    """There is a worker from :meth:`start` to :meth:`stop`; one that dies is followed by another.

    Args:
        config: of the instrument.
        around: what stands around the worker.
        log: what the worker writes on standard error goes there.
        chores: for what nobody waits for.
        on_plan: told what the worker says of the plan that it runs: the kind of it, and what.
        on_death: told why, when a worker has died; the next one is not started before it returns.

    Attributes:
        environment: whether the devices are connected.
        safe: whether the instrument is; None: not known.
        unsafe: by device, what kept it from being safe.
        plans_uid: another one when other plans and devices are there.
    """

    def __init__(
        self,
        config: InstrumentConfig,
        around: Surroundings,
        log: Path,
        chores: Chores,
        on_plan: Callable[[str, Any], None],
        on_death: Callable[[str], Awaitable[None]],
    ):
        self.environment: Environment = "closed"
        self.safe: bool | None = None
        self.unsafe: dict[str, str] = {}
        self.plans_uid = str(uuid.uuid4())
        self._config = config
        self._around = around
        self._log = log
        self._chores = chores
        self._on_plan, self._on_death = on_plan, on_death
        self._worker: Part | None = None
        self._facts: dict[str, Any] = {"plans": {}, "devices": {}}
        self._ready, self._opened, self._settled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._settled.set()
        self._has_plan = False
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._apart, self._turn = asyncio.Lock(), asyncio.Lock()
        self._again_at, self._again_delay_s = 0.0, 1.0
        self._killed_because: str | None = None
        self._deaths = 0
        self._retiring = False

    # From its beginning to its end.

    @property
    def pid(self) -> int | None:
        """Of the worker; None where there is none."""
        return None if self._worker is None else self._worker.pid

    @property
    def ready(self) -> bool:
        """Whether there is a worker that can be asked."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Start a worker, and have it connect the devices once all is safe.

        Raises:
            FlowlabError: it does not start.
        """
        worker = self._worker = Part("worker", "flowlab.daemon.worker", self._around.spec(), self._log, self._took)
        try:
            facts = await worker.wait_for("ready", _START_WITHIN_S)
        except FlowlabError:
            if self._worker is worker and worker.alive:
                self.kill(f"the worker was not ready within {_START_WITHIN_S:g} s")
            raise
        if facts != self._facts:
            self._facts, self.plans_uid = facts, str(uuid.uuid4())
        self._ready.set()
        if self.safe:  # nothing is connected while it is not known that the instrument is safe
            self.open()

    def retire(self) -> None:
        """Start no worker any more, whatever becomes of the one that is there."""
        self._retiring = True

    async def stop(self) -> None:
        """End the worker, which makes the instrument safe; it is to have nothing to do, and to be the last."""
        worker = self._worker
        if worker is None or not worker.alive:
            return
        unsafe = asyncio.ensure_future(worker.wait_for("closed", self._config.daemon.finish_s))
        tidily = await worker.end(self._config.daemon.finish_s)
        with contextlib.suppress(FlowlabError):
            self._note_unsafe((await unsafe)["unsafe"])
        if not tidily:
            self.safe = None

    def kill(self, reason: str) -> None:
        """End the worker at once: it does not do what it should, or somebody wants that."""
        if self._worker is not None and self._killed_because is None:
            self._killed_because = f"{reason}; the worker was killed"
            self._chores.do(self._worker.kill())

    async def _after_death(self, reason: str) -> None:
        """The worker is gone: nobody knows what the instrument does."""
        self.safe, self._has_plan = None, False
        safe = asyncio.ensure_future(self.make_safe_apart())  # first of all
        await self._on_death(reason)
        await safe
        if self._retiring:
            return
        self._deaths += 1
        if self._deaths > 1:
            await asyncio.sleep(min(2.0 ** (self._deaths - 2), _LONGEST_DELAY_S))
        await self.start()

    # What it does.

    def order(self, order: dict[str, Any]) -> None:
        """Have the worker do something; nothing where there is none."""
        if self._worker is not None:
            self._worker.order(order)

    def run(self, order: dict[str, Any]) -> None:
        """Have it run a plan; the devices are connected."""
        self.safe, self._has_plan = None, True
        self.order({"do": "run", **order})

    async def known(self) -> dict[str, Any]:
        """What the worker told of ``plans`` and ``devices`` when it was ready.

        Raises:
            NotNowError: there is none.
        """
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                await self._ready.wait()
        except TimeoutError:
            raise NotNowError(f"the worker is not there: {self._chores.trouble}") from None
        return self._facts

    async def check(self, plan: str, parameters: dict[str, Any], first_point: int) -> dict[str, Any]:
        """What a plan would do.

        Raises:
            BadInputError: it is not allowed.
            NotNowError: there is no worker that can tell.
        """
        await self.known()
        self._asked += 1
        number = self._asked
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        try:
            asked = {"plan": plan, "parameters": parameters, "first_point": first_point}
            self.order({"do": "check", "number": number, **asked})
            found = await answer
        except asyncio.CancelledError:
            if answer.cancelled():
                raise NotNowError("the worker died while it looked at the plan; ask again") from None
            raise
        finally:
            del self._questions[number]
        if "refused" in found:
            raise BadInputError(found["refused"])
        return found["preflight"]

    # The devices.

    def open(self) -> None:
        """Have the devices connected, where they are not."""
        # While another process makes the instrument safe, the lines are its own.
        if self.environment == "closed" and self._worker is not None and not self._apart.locked():
            self._become("opening")
            self._worker.order({"do": "open"})

    def close(self) -> None:
        """Have the instrument made safe, and the devices let go."""
        if self.environment == "open" and self._worker is not None:
            self._become("closing")
            self._chores.do(self._see_done(self._worker, "close", "closed"))

    async def opened(self) -> None:
        """Wait until devices that are being connected are so, or cannot be."""
        if self.environment == "opening":
            await self._opened.wait()

    async def open_and_wait(self) -> None:
        """Have the devices connected.

        Raises:
            NotNowError: they cannot be.
        """
        self.open()
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                await self._opened.wait()
        except TimeoutError:
            raise NotNowError(f"the devices are not connected within {_START_WITHIN_S:g} s") from None
        if self.environment != "open":
            self._opened.clear()
            raise NotNowError(self._chores.trouble or "the devices are not connected")

    async def settled(self) -> None:
        """Wait a while for devices that are being connected, or let go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECTED_WITHIN_S):
                await self._settled.wait()

    async def watch_again(self) -> None:
        """Have every interlock watched, also what tripped; each has been looked at once when this returns.

        Raises:
            FlowlabError: the devices are not connected any more.
        """
        worker = self._worker
        if worker is None or self.environment != "open":
            return  # it is when they are connected
        self._become("opening")
        self._opened.clear()
        worker.order({"do": "watch"})
        await worker.wait_for("opened", _START_WITHIN_S)

    def _become(self, environment: Environment) -> None:
        self.environment = environment
        if environment in ("open", "closed"):
            self._settled.set()
        else:
            self._settled.clear()

    # The safe state.

    async def rest(self) -> None:
        """Have the worker make the instrument safe after a plan that did not."""
        if self.environment == "open" and self._worker is not None and self.safe is None:
            await self._see_done(self._worker, "rest", "rested")

    async def _see_done(self, worker: Part, order: str, done: str) -> None:
        """Have the worker make the instrument safe; one that does not come to an end with it is killed."""
        worker.order({"do": order})
        try:
            await worker.wait_for(done, self._config.daemon.finish_s)
        except FlowlabError as error:
            if self._worker is worker:
                self.kill(f"the safe state was not reached ({error})")

    async def make_safe(self) -> dict[str, str | None]:
        """Make the instrument safe by the worker, where it has the devices, or apart.

        Returns:
            By device None, or what kept it from being safe.
        """
        async with self._turn:
            await self.settled()
            worker = self._worker
            # A worker that connects the devices anew has their wires, too.
            if self.environment in ("open", "opening") and worker is not None:
                worker.order({"do": "rest"})
                try:
                    unsafe = (await worker.wait_for("rested", self._config.daemon.finish_s))["unsafe"]
                    return {name: unsafe.get(name) for name in self._config.safe_state}
                except FlowlabError as error:
                    self.kill(f"the safe state was not reached ({error})")
            outcome = await self.make_safe_apart()
            if self.safe and self.ready:
                self.open()
            return outcome

    async def make_safe_apart(self) -> dict[str, str | None]:
        """Likewise from a fresh process; no worker has the devices."""
        outcome: dict[str, str | None] = {}
        async with self._apart:  # two of them would fight for the lines
            try:
                outcome = await self._around.make_safe()
            except OSError as error:
                outcome.update(dict.fromkeys(self._config.safe_state, f"no process can be started: {error}"))
        self._note_unsafe({name: error for name, error in outcome.items() if error is not None})
        return outcome

    def is_to_be_tried_again(self) -> bool:
        """Whether it is time to make safe once more what is not; whoever is told so is to do it."""
        now = time.monotonic()
        if self.safe is not False or now <= self._again_at:
            return False
        self._again_delay_s = min(2.0 * self._again_delay_s, _LONGEST_DELAY_S)
        self._again_at = now + self._again_delay_s
        return True

    def _note_unsafe(self, unsafe: dict[str, str]) -> None:
        self.unsafe = unsafe
        self.safe = not unsafe
        if self.safe:
            self._again_delay_s = 1.0
        self._again_at = time.monotonic() + self._again_delay_s
        for device, error in unsafe.items():
            _LOG.error("%s is not safe: %s", device, error)

    # What the worker says.

    def _took(self, message: dict[str, Any]) -> None:
        for what, value in message.items():
            match what:
                case "opened":
                    self._become("open")
                    self._deaths = 0
                    self._opened.set()
                case "closed":
                    self._took_closing(value)
                case "rested":
                    if not self._has_plan:  # else it is of before this plan
                        self._note_unsafe(value["unsafe"])
                case "checked":
                    self._took_answer(value)
                case "failed":
                    self._took_failure(message)
                case "ended":
                    self._took_end()
                case "done":
                    self._has_plan = False
                    self._on_plan(what, value)
                case _:
                    self._on_plan(what, value)

    def _took_closing(self, how: dict[str, Any]) -> None:
        if self.environment != "opening":  # else it lets go of the devices to connect them anew
            self._become("closed")
        self._opened.clear()
        self._note_unsafe(how["unsafe"])

    def _took_answer(self, answer: dict[str, Any]) -> None:
        question = self._questions.get(answer["number"])
        if question is not None and not question.done():
            question.set_result(answer)

    def _took_failure(self, message: dict[str, Any]) -> None:
        if self._has_plan and self.environment == "open":
            if "unsafe" in message:
                self._note_unsafe(message["unsafe"])
                self._become("opening")  # it connects the devices anew
                self._opened.clear()
            self._chores.note(message["failed"])
            self._has_plan = False
            self._on_plan("failed", message)
        else:
            self._become("closed")
            self._chores.note(f"the devices are not connected: {message['failed']}")
            self._opened.set()  # whoever waits for that looks again

    def _took_end(self) -> None:
        worker, self._worker = self._worker, None
        self._ready.clear()
        self._opened.clear()
        self._become("closed")
        for question in self._questions.values():
            question.cancel()
        if worker is None or (self._retiring and not self._has_plan):
            return
        reason = self._killed_because or worker.how_it_ended()
        self._killed_because = None
        self._chores.note(reason)
        self._chores.do(self._after_death(reason))
