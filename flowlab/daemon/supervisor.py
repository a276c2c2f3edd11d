"""The supervisor: puts the daemon together, and answers who asks, see :class:`flowlab.daemon.desk.Desk`.

It is made of who keeps the worker and knows whether the instrument is safe (:mod:`flowlab.daemon.worker_keeper`), who
has that worker run the queue (:mod:`flowlab.daemon.queue_runner`), and what stands around both
(:mod:`flowlab.daemon.surroundings`). The runner asks the keeper; the keeper knows nothing of it.
"""

import asyncio
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowlab.config import InstrumentConfig
from flowlab.daemon.chores import Chores
from flowlab.daemon.desk import Ending, NotNowError, RunFacts, Situation, State
from flowlab.daemon.latches import Latches
from flowlab.daemon.plan_queue import BACK, FRONT, Item, Place, PlanQueue, QueueBlockedError
from flowlab.daemon.queue_runner import QueueRunner
from flowlab.daemon.state_folder import StateFolder
from flowlab.daemon.surroundings import Simulation, Surroundings
from flowlab.daemon.worker_keeper import WorkerKeeper
from flowlab.errors import BadInputError, FlowlabError

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25

#: Keys of start documents that are not for whoever queues a plan.
_OURS = {
    *("uid", "time", "scan_id", "plan_name", "plan_type", "plan_parameters", "num_points", "shape", "grid", "hints"),
    *("analysis", "item_uid", "resumes", "first_point", "point_events", "instrument", "material", "software", "config"),
}


@dataclass(frozen=True)
class Latched:
    """Interlocks that are latched, as they were found last.

    Attributes:
        told: ``name``, ``time``, ``reason`` of each; None: not known.
        unknown: why not.
    """

    told: list[dict[str, Any]] | None
    unknown: str | None = None

    def reason(self, name: str) -> str | None:
        """Why one is latched; None where it is not, as far as is known."""
        return next((one["reason"] for one in self.told or [] if one["name"] == name), None)


def _read(latches: Latches) -> Latched:
    try:
        return Latched([{"name": name, **latch} for name, latch in latches.all().items()])
    except FlowlabError as error:
        return Latched(None, str(error))


class Supervisor:
    """What can be asked is described in :class:`flowlab.daemon.desk.Desk`.

    Args:
        config: of the instrument.
        source: its file.
        folder: where state is kept; held by this process.
        queue: in that folder.
        simulation: start simulators; None where the instrument is there already.

    Attributes:
        control: address of the control socket.
        also: address of a second one, for others.
    """

    control: str | None = None
    also: str | None = None

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
        self._chores = Chores()
        self._around = Surroundings(config, source, folder, simulation, self._chores.note)
        self._keeper = WorkerKeeper(
            config,
            self._around,
            folder.logs / "worker.log",
            self._chores,
            on_plan=lambda what, value: self._runner.took(what, value),
            on_death=lambda reason: self._runner.worker_died(reason),
        )
        self._runner = QueueRunner(config, queue, self._keeper, self._around, self._chores)
        self._latches = Latches(folder.runs, config.name)
        self._latched = Latched(None)
        self._reading = asyncio.Lock()
        self._started = asyncio.Event()
        self._looks = False
        self._stopping = False

    # From its beginning to its end.

    async def start(self) -> None:
        """Have everything there: safe first of all, then whatever was left unfinished, then the worker."""
        await self._around.start()
        await self._keeper.make_safe_apart()
        await self._look_for_latches()
        before = self.queue.running
        if before is not None:
            await self._runner.finish_runs(before.begun, before.interrupted or "flowlab ended while it ran")
        self._chores.do(self._keep_looking())
        self._chores.do(self._keep_looking_for_latches())
        self._looks = True
        await self._keeper.start()
        self._started.set()
        if before is not None:
            await self._runner.follow_again(before)
        await self._keeper.opened()

    async def stop(self, why: str) -> None:
        """End what runs, leave the instrument safe, and end every process."""
        self._stopping = True
        _LOG.info("stopping: %s", why)
        self._keeper.retire()
        with self._runner.held():
            await self._runner.end_and_wait("abort", why)
            await self._keeper.stop()
            if self._keeper.safe is not True and self._looks:
                await self._keeper.make_safe_apart()
            await self._chores.close()
        await self._around.close()

    async def serve_web(self, control: str, host: str, port: int) -> None:
        """Have the HTTP API served; without it everything else goes on.

        Raises:
            FlowlabError: it does not start.
        """
        serving = self._chores.do(self._around.serve_web(control, host, port))
        there = self._chores.do(self._around.web_there.wait())
        await asyncio.wait([serving, there], return_when=asyncio.FIRST_COMPLETED)
        there.cancel()
        if serving.done():
            serving.result()

    async def _keep_looking(self) -> None:
        """Kill a worker that does not do what it should; while nothing runs, make safe once more what is not."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if (reason := self._runner.overdue()) is not None:
                self._keeper.kill(reason)
            elif not self._runner.busy and self._keeper.is_to_be_tried_again():
                self._chores.do(self._try_again())

    async def _try_again(self) -> None:
        """Try once more to make the instrument safe: what is plugged in again may be hot still."""
        await self._bring_to_safety()
        if self._keeper.safe:
            self._chores.note("the instrument was not safe for a while; now it is")

    async def _bring_to_safety(self) -> dict[str, str | None]:
        if self._stopping:
            raise NotNowError("flowlab is stopping, which ends with the safe state")
        await self._started.wait()
        with self._runner.held():
            await self._runner.end_and_wait("abort", "the safe state was asked for")
            return await self._keeper.make_safe()

    # How things stand.

    def situation(self) -> Situation:
        """How things stand."""
        task = self._runner.task
        return Situation(
            self._state(),
            self._why(),
            self._keeper.environment,
            self._runner.engine,
            self._runner.stop_pending,
            self._runner.pause_pending,
            [] if task is None else [RunFacts(uid, status) for uid, status in task.runs.items()],
            self._runner.runs_uid,
            self._keeper.plans_uid,
        )

    def _state(self) -> State:
        running = self.queue.running
        if self._stopping:
            return "stopping"
        if self._runner.task is not None:
            return "paused" if self._runner.paused else "running"
        if not self._started.is_set():
            return "starting"
        if self._keeper.safe is False:
            return "unsafe"
        if running is not None and (running.interrupted is not None or not self._runner.playing):
            return "interrupted"
        if self._runner.playing:
            return "running"
        settled = self._keeper.ready and self._keeper.environment != "opening"
        return "idle" if settled else "starting"

    def _why(self) -> str | None:
        words = [f"NOT SAFE: {device}: {error}" for device, error in self._keeper.unsafe.items()]
        if (running := self.queue.running) is not None and running.interrupted is not None:
            uid = running.item["item_uid"]
            words.append(f"{running.item['name']} was interrupted: {running.interrupted}; flowlab queue ack {uid}")
        trouble = self._chores.trouble
        words += [trouble] if trouble and trouble not in "".join(words) else []
        words += [self._latched.unknown] if self._latched.unknown else []
        return "; ".join(words) or None

    def facts(self) -> dict[str, Any]:
        """What ``flowlab status --json`` prints."""
        task = self._runner.task
        running = None
        if task is not None:
            newest = next(reversed(task.runs), None)
            running = {
                "item": task.item["item_uid"],
                "plan": task.item["name"],
                "run_uid": newest,
                "done": task.first + task.done,
                "of": None if task.of is None else task.first + task.of,
            }
        parts = ("worker", "analyzer", "writer", "simulators", "web")
        pids = {**dict.fromkeys(parts), "supervisor": os.getpid(), "worker": self._keeper.pid}
        return {
            "state": self._state(),
            "why": self._why(),
            "instrument": self._config.name,
            "config": str(self._source),
            "data": str(self._folder.runs),
            "pids": pids | self._around.pids,
            "addresses": {
                "control": self.control,
                "control_also": self.also,
                "documents": self._around.documents,
                "replay": self._around.replay,
                "http": self._around.http,
                "faults": self._around.control,
            },
            "environment": self._keeper.environment,
            "queue": len(self.queue.items),
            "queue_uid": self.queue.uid,
            "history_uid": self.queue.history_uid,
            "running": running,
            "ending": None if self._runner.ending is None else asdict(self._runner.ending),
            "stop_pending": self._runner.stop_pending,
            "pause_pending": self._runner.pause_pending,
            "pause_limit_s": self._config.daemon.pause_s,
            "interrupted": self._interrupted(),
            "latched": self._latched.told,
            "safe": self._keeper.safe,
        }

    def _interrupted(self) -> dict[str, str] | None:
        """The item that somebody has to acknowledge."""
        running = self.queue.running
        if running is None or running.interrupted is None:
            return None
        return {"item": running.item["item_uid"], "plan": running.item["name"], "why": running.interrupted}

    # What can be asked for.

    async def plans(self) -> Mapping[str, dict[str, Any]]:
        """JSON Schemas of the plans."""
        return (await self._keeper.known())["plans"]

    async def devices(self) -> Mapping[str, dict[str, Any]]:
        """What is known of the devices."""
        return (await self._keeper.known())["devices"]

    async def preflight(self, plan: str, parameters: dict[str, Any], first_point: int = 0) -> dict[str, Any]:
        """What a plan would do; refused when it is not allowed."""
        return await self._keeper.check(plan, parameters, first_point)

    async def add(self, items: Sequence[Item], place: Place = BACK) -> list[Item]:
        """Queue items."""
        for item in items:
            await self._check(item)
        return self.queue.add(items, place)

    async def _check(self, item: Item) -> None:
        if taken := sorted(_OURS & item.get("meta", {}).keys()):
            raise BadInputError(f"meta: {', '.join(taken)} is written by flowlab itself; take another name")
        await self.preflight(item["name"], item.get("kwargs", {}))

    async def update(self, item: Item, *, keep_uid: bool) -> Item:
        """Put another item in the place of one."""
        await self._check(item)
        return self.queue.update(item, keep_uid=keep_uid)

    def acknowledge(self, uid: str) -> Item:
        """Somebody has seen that an item was interrupted."""
        running = self.queue.running
        if running is not None and running.interrupted is None and not self._runner.playing:
            self.queue.interrupt("its end could not be recorded")
        return self.queue.acknowledge(uid, [] if running is None else self._runner.runs_of(running))

    def interlocks(self) -> Mapping[str, dict[str, Any] | None]:
        """The latch of each interlock."""
        return self._latches.of(self._config.interlocks)

    async def _look_for_latches(self) -> None:
        """Not while somebody waits for how things stand: the file server that the runs are on may hang."""
        async with self._reading:  # what was read last is what stands
            self._latched = await asyncio.to_thread(_read, self._latches)

    async def _keep_looking_for_latches(self) -> None:
        """They come from the worker, and from whoever uses the command line."""
        while True:
            await self._look_for_latches()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def acknowledge_interlock(self, name: str, user: str) -> None:
        """Somebody has seen that an interlock tripped; it is watched again from now on."""
        if self._stopping:
            raise NotNowError("flowlab is stopping")
        if self._runner.task is not None:
            raise NotNowError("a plan is being ended, or runs; acknowledge when it has ended")
        with self._runner.held():
            await self._keeper.settled()  # what is being connected may trip it once more
            await asyncio.to_thread(self._latches.acknowledge, name, user)
            trouble = self._chores.trouble
            if trouble and re.search(rf"\binterlock {re.escape(name)}(:| tripped)", trouble):
                self._chores.trouble = None  # it has been seen
            try:
                await self._keeper.watch_again()
            except FlowlabError as error:
                raise NotNowError(f"interlock {name} was acknowledged; it is not watched yet: {error}") from None
            finally:
                await self._look_for_latches()
        if (again := self._latched.reason(name)) is not None:
            raise NotNowError(
                f"interlock {name} was acknowledged, and tripped again at once: {again}; "
                "mend the cause, then acknowledge it again"
            )

    async def resume_item(self, uid: str) -> Item:
        """Queue what is left of an item."""
        item = next((item for item in self.queue.history if item["item_uid"] == uid), None)
        if item is None:
            raise BadInputError(f"{uid}: there is no such item in the history; flowlab queue list --history")
        if not (runs := item["result"]["run_uids"]):
            raise BadInputError(f"{uid}: {item['name']} ended before it began a run; queue it anew")
        from flowlab.daemon.resuming import resume_of  # here, for it reads journals, and numpy takes its time

        left = await asyncio.to_thread(resume_of, self._around.store, runs[-1], self._config)
        await self.preflight(left.plan, left.parameters, left.first_point)
        kept = {key: value for key, value in item.items() if key not in ("result", "item_uid", "resumes")}
        resumes = {"first_point": left.first_point, "metadata": left.metadata}
        rest = {**kept, "name": left.plan, "kwargs": left.parameters, "resumes": resumes}
        return self.queue.add([rest], FRONT)[0]

    async def open_environment(self) -> None:
        """Connect the devices."""
        await self._keeper.known()
        if self._keeper.safe is not True and self._runner.task is None:
            await self.make_safe(dry_run=False)
        if self._keeper.safe is False:
            raise NotNowError(self._why() or "the instrument is not safe")
        self._keeper.open()

    async def close_environment(self) -> None:
        """Let go of the devices."""
        if self._runner.task is not None or self._runner.playing:
            raise NotNowError("a plan runs; end it first")
        self._keeper.close()

    async def destroy_environment(self) -> None:
        """Kill the worker."""
        if self._keeper.pid is None:
            raise NotNowError("there is no worker")
        self._keeper.kill("somebody destroyed the environment")

    def start_queue(self) -> None:
        """Run the items of the queue."""
        if self._stopping:
            raise NotNowError("flowlab is stopping")
        if self._runner.playing:
            raise NotNowError("the queue is running")
        if not self._started.is_set():
            raise NotNowError("flowlab is starting; a moment")
        if self._keeper.safe is False:
            raise NotNowError(f"{self._why()}; flowlab safe-state tries again")
        if self._runner.held_back:
            raise NotNowError("the instrument is being made safe, or an interlock acknowledged; a moment")
        running = self.queue.running
        if running is not None:
            raise QueueBlockedError(
                f"{running.item['name']} was interrupted: {running.interrupted}; find out what it left behind, then "
                f"acknowledge it: flowlab queue ack {running.item['item_uid']}"
            )
        if not self.queue.items:
            raise NotNowError("the queue is empty; flowlab queue add PLAN")
        self._latches.check(str(self._source))
        self._runner.play()

    def stop_queue(self, *, cancel: bool = False) -> None:
        """Stop after the item that runs."""
        self._runner.stop_after_item(cancel=cancel)

    def pause(self, *, deferred: bool) -> None:
        """Pause."""
        self._runner.pause(deferred=deferred)

    def resume(self) -> None:
        """Go on after a pause."""
        self._runner.resume()

    def end(self, how: Ending, why: str) -> None:
        """End the plan that runs; the queue stops."""
        self._runner.end(how, why)

    async def make_safe(self, *, dry_run: bool) -> dict[str, str | None]:
        """Bring the instrument into its safe state, or say what that would be."""
        if dry_run:
            devices = await self.devices()
            return {name: devices[name]["safe_state"] for name in self._config.safe_state}
        return await self._bring_to_safety()
