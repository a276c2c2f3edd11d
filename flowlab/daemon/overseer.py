"""Runs the queue by way of one worker, outlives it, and sees that nothing is left hot or flowing.

It imports no bluesky and no driver: what can hang or crash does so in another process. Whatever becomes of the worker,
an item that was begun is never begun again by itself.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowlab.config import InstrumentConfig
from flowlab.daemon.desk import Ending, Engine, Environment
from flowlab.daemon.part import Part
from flowlab.daemon.plan_queue import Item, PlanQueue, Running
from flowlab.daemon.state_folder import StateFolder
from flowlab.daemon.surroundings import Simulation, Surroundings
from flowlab.errors import FlowlabError

_LOG = logging.getLogger(__name__)

_START_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.25
#: A worker that dies again and again is started again later and later, and what is not safe is tried again so.
_LONGEST_DELAY_S = 30.0
#: The safe state waits so long for devices that are being connected, or let go: two processes would fight for a line.
_CONNECTED_WITHIN_S = 5.0

_STATUSES = {
    "AbortedError": "aborted",
    "StoppedError": "stopped",
    "HaltedError": "halted",
}


class NotNowError(FlowlabError):
    """What is asked for cannot be done in the state that the daemon is in."""


@dataclass
class Task:
    """The item that runs.

    Attributes:
        ended: exit status and message, when it has ended; an error when nobody saw that.
        runs: by uid, the exit status of each.
        done: points of the newest run that were measured, of ``of``; ``first`` more are another run's.
    """

    item: Item
    ended: "asyncio.Future[tuple[str, str]]"
    runs: dict[str, str | None] = field(default_factory=dict)
    first: int = 0
    done: int = 0
    of: int | None = None


class Overseer:
    """Keeps a worker, and has it run the items of the queue.

    Args:
        config: of the instrument.
        source: its file.
        folder: where state is kept; held by this process.
        queue: in that folder.
        simulation: start simulators; None where the instrument is there already.
    """

    def __init__(
        self,
        config: InstrumentConfig,
        source: Path,
        folder: StateFolder,
        queue: PlanQueue,
        simulation: Simulation | None,
    ):
        self.queue = queue
        self._config = config
        self._source = source
        self._folder = folder
        self._around = Surroundings(config, source, folder, simulation, self._note_trouble)
        self._worker: Part | None = None
        self._ready = asyncio.Event()
        self._opened, self._settled = asyncio.Event(), asyncio.Event()
        self._facts: dict[str, Any] = {"plans": {}, "devices": {}}
        self._plans_uid = new_uid()
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._environment: Environment = "closed"
        self._settled.set()
        self._engine: Engine = "idle"
        self._stopping = False
        self._started = asyncio.Event()
        self._safe: bool | None = None
        self._unsafe: dict[str, str] = {}
        self._making_safe = 0
        self._apart, self._turn = asyncio.Lock(), asyncio.Lock()
        self._again_at, self._again_delay_s = 0.0, 1.0
        self._trouble: str | None = None
        self._task: Task | None = None
        self._runs_uid = new_uid()
        self._playing: asyncio.Task[None] | None = None
        self._stop_pending = self._pause_pending = False
        self._heard = 0.0
        self._ending_since: float | None = None
        self._killed_because: str | None = None
        self._deaths = 0
        self._chores: set[asyncio.Task[Any]] = set()
        self._look: asyncio.Task[None] | None = None

    # From its beginning to its end.

    async def start(self) -> None:
        """Have everything there: safe first of all, then whatever was left unfinished, then the worker."""
        await self._around.start()
        await self._make_safe_apart()
        before = self.queue.running
        if before is not None:
            await self._finish_runs(before.begun, before.interrupted or "flowlab ended while it ran")
        self._look = asyncio.ensure_future(self._keep_looking())
        await self._start_worker()
        self._started.set()
        if before is not None:
            await self._follow_again(before)
        if self._environment == "opening":
            await self._opened.wait()  # or failed to

    async def stop(self, why: str) -> None:
        """End what runs, leave the instrument safe, and end every process."""
        self._stopping = True
        _LOG.info("stopping: %s", why)
        if self._task is not None:
            await self._end_task("abort", why)
        worker = self._worker
        if worker is not None and worker.alive:
            unsafe = asyncio.ensure_future(worker.wait_for("closed", self._config.daemon.finish_s))
            tidily = await worker.end(self._config.daemon.finish_s)
            with contextlib.suppress(FlowlabError):
                self._note_unsafe((await unsafe)["unsafe"])
            if not tidily:
                self._safe = None
        if self._safe is not True and self._look is not None:
            await self._make_safe_apart()
        chores = [*self._chores, *([self._look] if self._look is not None else [])]
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await self._around.close()

    async def serve_web(self, control: str, host: str, port: int) -> None:
        """Have the HTTP API served; without it everything else goes on.

        Raises:
            FlowlabError: it does not start.
        """
        serving = self._do(self._around.serve_web(control, host, port))
        there = self._do(self._around.web_there.wait())
        await asyncio.wait([serving, there], return_when=asyncio.FIRST_COMPLETED)
        there.cancel()
        if serving.done():
            serving.result()

    def _do(self, coroutine: Any) -> "asyncio.Task[Any]":
        """Do something beside what goes on."""
        chore = asyncio.ensure_future(coroutine)
        self._chores.add(chore)
        chore.add_done_callback(self._chored)
        return chore

    def _chored(self, chore: "asyncio.Task[Any]") -> None:
        self._chores.discard(chore)
        if not chore.cancelled() and (error := chore.exception()) is not None:
            self._note_trouble(str(error))
            if not isinstance(error, FlowlabError):
                _LOG.error("unforeseen", exc_info=error)

    def _note_trouble(self, words: str) -> None:
        _LOG.warning("%s", words)
        self._trouble = words

    # The worker.

    async def _start_worker(self) -> None:
        worker = self._worker = Part(
            "worker", "flowlab.daemon.worker", self._around.spec(), self._folder.logs / "worker.log", self._took
        )
        try:
            facts = await worker.wait_for("ready", _START_WITHIN_S)
        except FlowlabError:
            if self._worker is worker and worker.alive:
                self._kill_worker(f"the worker was not ready within {_START_WITHIN_S:g} s")
            raise
        if facts != self._facts:
            self._facts, self._plans_uid = facts, new_uid()
        self._ready.set()
        if self._safe:  # nothing is connected while it is not known that the instrument is safe
            self._open()

    def _become(self, environment: Environment) -> None:
        self._environment = environment
        if environment in ("open", "closed"):
            self._settled.set()
        else:
            self._settled.clear()

    def _open(self) -> None:
        # While another process makes the instrument safe, the lines are its own.
        if self._environment == "closed" and self._worker is not None and not self._apart.locked():
            self._become("opening")
            self._worker.order({"do": "open"})

    def _took(self, message: dict[str, Any]) -> None:
        """What the worker says."""
        for what, value in message.items():
            match what:
                case "opened":
                    self._become("open")
                    self._deaths = 0
                    self._opened.set()
                case "closed":
                    self._took_closing(value)
                case "rested":
                    self._took_rest(value)
                case "tripped":
                    self._took_trip(value)
                case "checked":
                    self._answer(value)
                case "done":
                    self._end_of_task("completed", "")
                case "failed":
                    self._took_failure(message)
                case "ended":
                    self._took_end()
                case _:
                    self._took_progress(what, value)

    def _took_progress(self, what: str, value: Any) -> None:
        """How far the plan is."""
        task = self._task
        if task is None:
            return
        now = time.monotonic()
        match what:
            case "engine":
                self._engine, self._heard = value, now
                self._pause_pending = self._pause_pending and value == "running"
                if value == "ending" and self._ending_since is None:
                    self._ending_since = now
            case "beat":
                self._heard = now
                if value["for_s"] > self._config.daemon.wait_s:
                    limit_s = self._config.daemon.wait_s
                    self._kill_worker(f"the plan waited for more than {limit_s:g} s ({value['message']})")
            case "run":
                task.runs[value["uid"]] = None
                task.first, task.done, task.of = value["first"], 0, value["of"]
                self._runs_uid = new_uid()
                if value["analysed"]:
                    self._around.follow(value["uid"])
            case "progress":
                task.done = value
            case "stopped":
                task.runs[value["uid"]] = value["exit_status"]
                self._runs_uid = new_uid()
            case _:
                pass

    def _took_rest(self, how: dict[str, Any]) -> None:
        if self._task is None:  # else it is of before this plan
            self._note_unsafe(how["unsafe"])

    def _took_closing(self, how: dict[str, Any]) -> None:
        if self._environment != "opening":  # else it lets go of the devices to connect them anew
            self._become("closed")
        self._opened.clear()
        self._note_unsafe(how["unsafe"])

    def _took_trip(self, trip: dict[str, str]) -> None:
        self._note_trouble(f"interlock {trip['interlock']} tripped: {trip['reason']}")
        self._stop_pending = self._playing is not None

    def _took_failure(self, message: dict[str, Any]) -> None:
        if self._task is not None and self._environment == "open":
            if "unsafe" in message:
                self._note_unsafe(message["unsafe"])
                self._become("opening")  # it connects the devices anew
                self._opened.clear()
            self._note_trouble(message["failed"])
            self._end_of_task(_STATUSES.get(message["kind"], "failed"), message["failed"])
        else:
            self._become("closed")
            self._note_trouble(f"the devices are not connected: {message['failed']}")
            self._opened.set()  # whoever waits for that looks again

    def _took_end(self) -> None:
        worker, self._worker = self._worker, None
        self._ready.clear()
        self._opened.clear()
        self._become("closed")
        for question in self._questions.values():
            question.cancel()
        if worker is None or (self._stopping and self._task is None):
            return
        reason = self._killed_because or worker.how_it_ended()
        self._killed_because = None
        self._note_trouble(reason)
        self._do(self._after_death(reason))

    async def _after_death(self, reason: str) -> None:
        """The worker is gone: nobody knows what the instrument does."""
        self._safe = None
        task, self._task = self._task, None
        self._engine, self._ending_since, self._pause_pending = "idle", None, False
        safe = asyncio.ensure_future(self._make_safe_apart())  # first of all
        if task is not None:
            await self._interrupt(task, reason)
        await safe
        if self._stopping:
            return
        self._deaths += 1
        if self._deaths > 1:
            await asyncio.sleep(min(2.0 ** (self._deaths - 2), _LONGEST_DELAY_S))
        await self._start_worker()

    async def _interrupt(self, task: Task, reason: str) -> None:
        """Nobody saw the end of an item: have that in the queue, and in its journals, as far as can be."""
        begun = time.time()
        try:
            begun = begun if (running := self.queue.running) is None else running.begun
            self.queue.interrupt(reason)
        except FlowlabError as error:  # the disk is full, for instance; it is found running when it is read again
            self._note_trouble(str(error))
        try:
            await self._finish_runs(begun, reason)
        except (FlowlabError, OSError) as error:
            self._note_trouble(str(error))
        finally:
            if not task.ended.done():
                task.ended.set_exception(NotNowError(reason))

    async def _finish_runs(self, since: float, reason: str) -> None:
        from flowlab.daemon.unfinished import finish_runs

        for message in await asyncio.to_thread(finish_runs, self._around.store, since, reason):
            self._around.publish(message)

    async def _follow_again(self, running: Running) -> None:
        """Have the files finished that analyzer and writer left when they ended with an earlier supervisor."""
        from flowlab.daemon.unfinished import to_be_analysed

        uids = await asyncio.to_thread(self._runs_of, running)
        for uid in await asyncio.to_thread(to_be_analysed, self._around.store, uids):
            self._around.follow(uid)

    async def _make_safe_apart(self) -> dict[str, str | None]:
        outcome: dict[str, str | None] = {}
        async with self._apart:  # two of them would fight for the lines
            try:
                outcome = await self._around.make_safe()
            except OSError as error:
                outcome.update(dict.fromkeys(self._config.safe_state, f"no process can be started: {error}"))
        self._note_unsafe({name: error for name, error in outcome.items() if error is not None})
        return outcome

    def _note_unsafe(self, unsafe: dict[str, str]) -> None:
        self._unsafe = unsafe
        self._safe = not unsafe
        if self._safe:
            self._again_delay_s = 1.0
        self._again_at = time.monotonic() + self._again_delay_s
        for device, error in unsafe.items():
            _LOG.error("%s is not safe: %s", device, error)

    async def _keep_looking(self) -> None:
        """Kill a worker whose engine does not go round any more, or which does not come to an end."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            limits, now = self._config.daemon, time.monotonic()
            if self._task is None:
                if self._safe is False and now > self._again_at and not self._busy_beside_a_task:
                    self._do(self._try_again())
                continue
            if self._ending_since is not None:
                if now - self._ending_since > limits.finish_s:
                    self._kill_worker(f"the plan had not ended {limits.finish_s:g} s after it was to")
            elif self._engine in ("running", "pausing") and now - self._heard > limits.stalled_s:
                self._kill_worker(f"nothing moved for {limits.stalled_s:g} s: a device does not return")

    @property
    def _busy_beside_a_task(self) -> bool:
        return self._playing is not None or self._making_safe > 0 or self._stopping

    async def _try_again(self) -> None:
        """Try once more to make the instrument safe: what is plugged in again may be hot still."""
        self._again_delay_s = min(2.0 * self._again_delay_s, _LONGEST_DELAY_S)
        await self.bring_to_safety()
        if self._safe:
            self._note_trouble("the instrument was not safe for a while; now it is")

    def _kill_worker(self, reason: str) -> None:
        if self._worker is not None and self._killed_because is None:
            self._killed_because = f"{reason}; the worker was killed"
            self._do(self._worker.kill())

    # The queue.

    async def _play(self) -> None:
        """Run items until there are none, one does not end well, or somebody wants it to stop."""
        try:
            while not self._stop_pending and not self._stopping:
                await self._opened_within(_START_WITHIN_S)
                if self._stop_pending or self._stopping or self._making_safe:
                    break  # it was asked for while the devices were connected
                item = self.queue.begin()
                if item is None or not await self._run(item):
                    break
        except FlowlabError as error:
            self._note_trouble(str(error))
        finally:
            try:
                await self._rest()  # while the queue runs still: what is begun next waits for it
            finally:
                self._playing, self._stop_pending = None, False

    async def _run(self, item: Item) -> bool:
        """Run one item to its end; return whether it ended well."""
        task = Task(item, asyncio.get_running_loop().create_future())
        self._task, self._engine, self._safe = task, "running", None
        self._trouble, self._ending_since, self._heard = None, None, time.monotonic()
        self._runs_uid = new_uid()
        assert self._worker is not None  # noqa: S101  it was there when the devices were connected, a moment ago
        resumes = item.get("resumes", {})
        self._worker.order(
            {
                "do": "run",
                "plan": item["name"],
                "parameters": item.get("kwargs", {}),
                "metadata": {**item.get("meta", {}), **resumes.get("metadata", {}), "item_uid": item["item_uid"]},
                "first_point": resumes.get("first_point", 0),
            }
        )
        begun = time.time()
        self._around.stand_by()
        status, message = await task.ended
        if None in task.runs.values():  # the worker could not write it: its disk is full, for instance
            await self._finish_runs(begun, message)
        self.queue.end(status, list(task.runs), message)
        return status == "completed"

    def _end_of_task(self, status: str, message: str) -> None:
        task, self._task = self._task, None
        self._engine, self._ending_since, self._pause_pending = "idle", None, False
        if task is not None and not task.ended.done():
            task.ended.set_result((status, message))

    async def _rest(self) -> None:
        """Bring the instrument into its safe state when nothing is to be run next."""
        self._around.rest()
        worker = self._worker
        if self._environment != "open" or worker is None or self._safe is not None:
            return
        await self._see_done(worker, "rest", "rested")

    async def _see_done(self, worker: Part, order: str, done: str) -> None:
        """Have the worker make the instrument safe; one that does not come to an end with it is killed."""
        worker.order({"do": order})
        try:
            await worker.wait_for(done, self._config.daemon.finish_s)
        except FlowlabError as error:
            if self._worker is worker:
                self._kill_worker(f"the safe state was not reached ({error})")

    async def _watch_again(self) -> None:
        """Have every interlock watched, also what tripped; each has been looked at once when this returns.

        Raises:
            FlowlabError: the devices are not connected any more.
        """
        worker = self._worker
        if worker is None or self._environment != "open":
            return  # it is when they are connected
        self._become("opening")
        self._opened.clear()
        worker.order({"do": "watch"})
        await worker.wait_for("opened", _START_WITHIN_S)

    async def _opened_within(self, limit_s: float) -> None:
        self._open()
        try:
            await asyncio.wait_for(self._opened.wait(), limit_s)
        except TimeoutError:
            raise NotNowError(f"the devices are not connected within {limit_s:g} s") from None
        if self._environment != "open":
            self._opened.clear()
            raise NotNowError(self._trouble or "the devices are not connected")

    async def _end_task(self, how: Ending, why: str) -> None:
        """End what runs and wait until it has; a worker that does not do it in time is killed meanwhile."""
        self._stop_pending = self._playing is not None
        task = self._task
        if task is None:
            return
        self._order_end(how, why)
        with contextlib.suppress(FlowlabError):
            await asyncio.shield(task.ended)
        while self._playing is not None:
            await asyncio.wait([self._playing])

    def _order_end(self, how: Ending, why: str) -> None:
        if self._ending_since is None:
            self._ending_since = time.monotonic()
        if self._worker is not None:
            self._worker.order({"do": "end", "how": how, "why": why})

    # What both sides need.

    async def _worker_ready(self) -> None:
        try:
            await asyncio.wait_for(self._ready.wait(), _START_WITHIN_S)
        except TimeoutError:
            raise NotNowError(f"the worker is not there: {self._trouble}") from None

    def _answer(self, answer: dict[str, Any]) -> None:
        question = self._questions.get(answer["number"])
        if question is not None and not question.done():
            question.set_result(answer)

    def _runs_of(self, running: Running) -> list[str]:
        """Runs that an item began, though nobody saw it end."""
        from flowlab.daemon.unfinished import runs_of

        return runs_of(self._around.store, running.item["item_uid"], running.begun)

    async def bring_to_safety(self) -> dict[str, str | None]:
        """End what runs, and bring the instrument into its safe state.

        Returns:
            By device None, or what kept it from being safe.
        """
        if self._stopping:
            raise NotNowError("flowlab is stopping, which ends with the safe state")
        await self._started.wait()
        self._making_safe += 1
        try:
            await self._end_task("abort", "the safe state was asked for")
            async with self._turn:
                return await self._make_safe_somehow()
        finally:
            self._making_safe -= 1

    async def _settle(self) -> None:
        """Wait a while for devices that are being connected, or let go."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), _CONNECTED_WITHIN_S)

    async def _make_safe_somehow(self) -> dict[str, str | None]:
        """By the worker, where it has the devices, or apart."""
        await self._settle()
        worker = self._worker
        # A worker that connects the devices anew has their wires, too.
        if self._environment in ("open", "opening") and worker is not None:
            worker.order({"do": "rest"})
            try:
                unsafe = (await worker.wait_for("rested", self._config.daemon.finish_s))["unsafe"]
                return {name: unsafe.get(name) for name in self._config.safe_state}
            except FlowlabError as error:
                self._kill_worker(f"the safe state was not reached ({error})")
        outcome = await self._make_safe_apart()
        if self._safe and self._ready.is_set():
            self._open()
        return outcome


def new_uid() -> str:
    """A uid by which others see that something changed."""
    return str(uuid.uuid4())
