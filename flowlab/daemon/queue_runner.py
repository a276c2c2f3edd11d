"""Runs the items of the queue, one after another, by way of the worker.

Whatever becomes of the worker, an item that was begun is never begun again by itself.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from flowlab.config import InstrumentConfig
from flowlab.daemon.chores import Chores
from flowlab.daemon.desk import Ending, EndingFacts, Engine, NotNowError
from flowlab.daemon.plan_queue import Item, PlanQueue, Running
from flowlab.daemon.surroundings import Surroundings
from flowlab.daemon.worker_keeper import WorkerKeeper
from flowlab.errors import FlowlabError

_STATUSES = {
    "AbortedError": "aborted",
    "StoppedError": "stopped",
    "HaltedError": "halted",
}
_STRENGTHS = get_args(Ending)


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


class QueueRunner:
    """Has a worker run the items of a queue.

    Args:
        config: of the instrument.
        queue: the items.
        keeper: of the worker; what it says of a plan, and that it died, is to be told here.
        around: what stands around the worker.
        chores: for what nobody waits for.

    Attributes:
        task: the item that runs; None: none does.
        stop_pending: nothing follows the item that runs.
        pause_pending: a pause was asked for, and the plan has not come to it yet.
        ending: how the item that runs comes to its end; None: it does not yet.
        runs_uid: another one after each change of the task's runs.
    """

    def __init__(
        self, config: InstrumentConfig, queue: PlanQueue, keeper: WorkerKeeper, around: Surroundings, chores: Chores
    ):
        self.task: Task | None = None
        self.stop_pending = self.pause_pending = False
        self.ending: EndingFacts | None = None
        self.runs_uid = str(uuid.uuid4())
        self._config = config
        self._queue = queue
        self._keeper = keeper
        self._around = around
        self._chores = chores
        self._engine: Engine = "idle"
        self._playing: asyncio.Task[None] | None = None
        self._holds = 0
        self._heard = 0.0
        self._ending_since = 0.0

    # How far it is.

    @property
    def playing(self) -> bool:
        """Whether the queue runs."""
        return self._playing is not None

    @property
    def busy(self) -> bool:
        """Whether something runs, or is not to."""
        return self.task is not None or self.playing or self.held_back

    @property
    def held_back(self) -> bool:
        """Whether somebody wants nothing to begin."""
        return self._holds > 0

    @property
    def engine(self) -> Engine:
        """The RunEngine, and what was asked of it."""
        if self.ending is not None:
            return "ending"
        return "pausing" if self.pause_pending and self._engine == "running" else self._engine

    @property
    def paused(self) -> bool:
        """Whether the plan waits, even for its end."""
        return self._engine == "paused"

    def overdue(self) -> str | None:
        """Why the worker is to be killed: its engine goes round no more, or comes to no end; None: it is not."""
        limits, now = self._config.daemon, time.monotonic()
        if self.task is None:
            return None
        if self.ending is not None:
            late = now - self._ending_since > limits.finish_s
            return f"the plan had not ended {limits.finish_s:g} s after it was to" if late else None
        if self._engine in ("running", "pausing") and now - self._heard > limits.stalled_s:
            return f"nothing moved for {limits.stalled_s:g} s: a device does not return"
        return None

    # What can be asked for.

    def play(self) -> None:
        """Run items until there are none, one does not end well, or somebody wants it to stop."""
        self.stop_pending = False
        self._playing = self._chores.do(self._play())

    def stop_after_item(self, *, cancel: bool) -> None:
        """Begin nothing after the item that runs; or, with ``cancel``, go on."""
        if self._playing is None:
            raise NotNowError("the queue is not running")
        if cancel and self.ending is not None:
            raise NotNowError("the plan is ending, and the queue stops with it")
        self.stop_pending = not cancel

    def pause(self, *, deferred: bool) -> None:
        """Pause at the next checkpoint, or at once."""
        if self.task is None or self._engine != "running":
            raise NotNowError("no plan is running")
        self.pause_pending = True
        self._keeper.order({"do": "pause", "deferred": deferred})

    def resume(self) -> None:
        """Go on after a pause."""
        if self._engine != "paused" or self._keeper.pid is None:
            raise NotNowError("no plan is paused")
        self._keeper.order({"do": "resume"})

    def end(self, how: Ending, why: str) -> None:
        """End the plan that runs; the queue stops."""
        if self.task is None:
            raise NotNowError("no plan is running")
        self.stop_pending = True
        self._order_end(how, why)

    async def end_and_wait(self, how: Ending, why: str) -> None:
        """End what runs and wait until it has; a worker that does not do it in time is killed meanwhile."""
        self.stop_pending = self.playing
        task = self.task
        if task is None:
            return
        self._order_end(how, why)
        with contextlib.suppress(FlowlabError):
            await asyncio.shield(task.ended)
        while self._playing is not None:
            await asyncio.wait([self._playing])

    def _order_end(self, how: Ending, why: str) -> None:
        self._keeper.order({"do": "end", "how": how, "why": why})
        was = None if self.ending is None else self.ending.how
        if self._engine != "ending" and (was is None or _STRENGTHS.index(how) > _STRENGTHS.index(was)):
            self._note_ending(how, why)

    def _note_ending(self, how: Ending | None, why: str) -> None:
        if self.ending is not None:
            self.ending = replace(self.ending, how=how, why=why)
        else:
            self.ending, self._ending_since = EndingFacts(how, why, time.time()), time.monotonic()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing begins meanwhile."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    # One item after another.

    async def _play(self) -> None:
        try:
            while not self.stop_pending:
                await self._keeper.open_and_wait()
                if self.stop_pending or self.held_back:
                    break  # it was asked for while the devices were connected
                item = self._queue.begin()
                if item is None or not await self._run(item):
                    break
        except FlowlabError as error:
            self._chores.note(str(error))
        finally:
            try:
                self._around.rest()
                await self._keeper.rest()  # while the queue runs still: what is begun next waits for it
            finally:
                self._playing, self.stop_pending = None, False

    async def _run(self, item: Item) -> bool:
        """Run one item to its end; return whether it ended well."""
        task = Task(item, asyncio.get_running_loop().create_future())
        self.task, self._engine, self._chores.trouble = task, "running", None
        self.ending, self._heard = None, time.monotonic()
        self.runs_uid = str(uuid.uuid4())
        resumes = item.get("resumes", {})
        self._keeper.run(
            {
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
            await self.finish_runs(begun, message)
        self._queue.end(status, list(task.runs), message)
        return status == "completed"

    def _rid_of_task(self) -> Task | None:
        """None runs any more; return what did."""
        task, self.task = self.task, None
        self._engine, self.ending, self.pause_pending = "idle", None, False
        return task

    # What the worker says.

    def took(self, what: str, value: Any) -> None:
        """What the worker says of the plan."""
        match what:
            case "tripped":
                self._chores.note(f"interlock {value['interlock']} tripped: {value['reason']}")
                self.stop_pending = self.playing
            case "done":
                self._took_end("completed", "")
            case "failed":
                self._took_end(_STATUSES.get(value["kind"], "failed"), value["failed"])
            case _ if self.task is not None:
                self._took_progress(self.task, what, value)
            case _:
                pass

    def _took_end(self, status: str, message: str) -> None:
        task = self._rid_of_task()
        if task is not None and not task.ended.done():
            task.ended.set_result((status, message))

    def _took_progress(self, task: Task, what: str, value: Any) -> None:
        """How far the plan is."""
        now = time.monotonic()
        match what:
            case "engine":
                self._engine, self._heard = value, now
                self.pause_pending = self.pause_pending and value == "running"
            case "ending":
                if self._engine != "ending":  # what it tells first is how it ends
                    self._note_ending(**value)
                self._engine, self._heard, self.pause_pending = "ending", now, False
            case "beat":
                self._heard = now
                if value["for_s"] > self._config.daemon.wait_s:
                    limit_s = self._config.daemon.wait_s
                    self._keeper.kill(f"the plan waited for more than {limit_s:g} s ({value['message']})")
            case "run":
                task.runs[value["uid"]] = None
                task.first, task.done, task.of = value["first"], 0, value["of"]
                self.runs_uid = str(uuid.uuid4())
                if value["analysed"]:
                    self._around.follow(value["uid"])
            case "progress":
                task.done = value
            case "stopped":
                task.runs[value["uid"]] = value["exit_status"]
                self.runs_uid = str(uuid.uuid4())
            case _:
                pass

    async def worker_died(self, reason: str) -> None:
        """The worker is gone, and whatever it ran has come to an end that nobody saw."""
        task = self._rid_of_task()
        if task is not None:
            await self._interrupt(task, reason)

    async def _interrupt(self, task: Task, reason: str) -> None:
        """Nobody saw the end of an item: have that in the queue, and in its journals, as far as can be."""
        begun = time.time()
        try:
            begun = begun if (running := self._queue.running) is None else running.begun
            self._queue.interrupt(reason)
        except FlowlabError as error:  # the disk is full, for instance; it is found running when it is read again
            self._chores.note(str(error))
        try:
            await self.finish_runs(begun, reason)
        except (FlowlabError, OSError) as error:
            self._chores.note(str(error))
        finally:
            if not task.ended.done():
                task.ended.set_exception(NotNowError(reason))

    # The journals of what was begun. What reads them is imported late: numpy takes its time.

    async def finish_runs(self, since: float, reason: str) -> None:
        """Have every run that began since then, and was not ended by who ran it, end in its journal."""
        from flowlab.daemon.unfinished import finish_runs

        for message in await asyncio.to_thread(finish_runs, self._around.store, since, reason):
            self._around.publish(message)

    async def follow_again(self, running: Running) -> None:
        """Have the files finished that analyzer and writer left when they ended with an earlier supervisor."""
        from flowlab.daemon.unfinished import to_be_analysed

        uids = await asyncio.to_thread(self.runs_of, running)
        for uid in await asyncio.to_thread(to_be_analysed, self._around.store, uids):
            self._around.follow(uid)

    def runs_of(self, running: Running) -> list[str]:
        """Runs that an item began, though nobody saw it end."""
        from flowlab.daemon.unfinished import runs_of

        return runs_of(self._around.store, running.item["item_uid"], running.begun)
