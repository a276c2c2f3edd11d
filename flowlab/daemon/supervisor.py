"""The supervisor, as who asks it sees it: see :class:`flowlab.daemon.desk.Desk`."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flowlab.daemon.desk import Ending, Engine, RunFacts, Situation, State
from flowlab.daemon.latches import Latches
from flowlab.daemon.overseer import NotNowError, Overseer
from flowlab.daemon.plan_queue import BACK, FRONT, Item, Place, QueueBlockedError
from flowlab.errors import BadInputError, FlowlabError

#: Keys of start documents that are not for whoever queues a plan.
_OURS = {
    *("uid", "time", "scan_id", "plan_name", "plan_type", "plan_parameters", "num_points", "hints", "analysis"),
    *("item_uid", "resumes", "first_point", "point_events", "instrument", "material", "software", "config"),
}


class Supervisor(Overseer):
    """What can be asked is described in :class:`flowlab.daemon.desk.Desk`.

    Attributes:
        control: address of the control socket.
        also: address of a second one, for others.
    """

    control: str | None = None
    also: str | None = None

    def situation(self) -> Situation:
        """How things stand."""
        engine: Engine = self._engine
        if self._ending_since is not None:
            engine = "ending"
        elif self._pause_pending and engine == "running":
            engine = "pausing"
        runs = [] if self._task is None else [RunFacts(uid, status) for uid, status in self._task.runs.items()]
        return Situation(
            self._state(),
            self._why(),
            self._environment,
            engine,
            self._stop_pending,
            self._pause_pending,
            runs,
            self._runs_uid,
            self._plans_uid,
        )

    def _state(self) -> State:
        running = self.queue.running
        if self._stopping:
            return "stopping"
        if self._task is not None:
            return "paused" if self._engine == "paused" else "running"
        if not self._started.is_set():
            return "starting"
        if self._safe is False:
            return "unsafe"
        if running is not None and (running.interrupted is not None or self._playing is None):
            return "interrupted"
        if self._playing is not None:
            return "running"
        settled = self._ready.is_set() and self._environment != "opening"
        return "idle" if settled else "starting"

    def _why(self) -> str | None:
        words = [f"NOT SAFE: {device}: {error}" for device, error in self._unsafe.items()]
        if (running := self.queue.running) is not None and running.interrupted is not None:
            uid = running.item["item_uid"]
            words.append(f"{running.item['name']} was interrupted: {running.interrupted}; flowlab queue ack {uid}")
        words += [self._trouble] if self._trouble and self._trouble not in "".join(words) else []
        _, unknown = self._latched()
        words += [unknown] if unknown else []
        return "; ".join(words) or None

    @property
    def _latches(self) -> Latches:
        return Latches(self._folder.runs, self._config.name)

    def _latched(self) -> tuple[list[dict[str, Any]] | None, str | None]:
        """Interlocks that are latched; None, and why, where that is not known."""
        try:
            return [{"name": name, **latch} for name, latch in self._latches.all().items()], None
        except FlowlabError as error:
            return None, str(error)

    def facts(self) -> dict[str, Any]:
        """What ``flowlab status --json`` prints."""
        task = self._task
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
        pids: dict[str, int | None] = {"supervisor": os.getpid(), **dict.fromkeys(parts)}
        if self._worker is not None:
            pids["worker"] = self._worker.pid
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
            "environment": self._environment,
            "queue": len(self.queue.items),
            "queue_uid": self.queue.uid,
            "history_uid": self.queue.history_uid,
            "running": running,
            "stop_pending": self._stop_pending,
            "pause_pending": self._pause_pending,
            "pause_limit_s": self._config.daemon.pause_s,
            "interrupted": self._interrupted(),
            "latched": self._latched()[0],
            "safe": self._safe,
        }

    def _interrupted(self) -> dict[str, str] | None:
        """The item that somebody has to acknowledge."""
        running = self.queue.running
        if running is None or running.interrupted is None:
            return None
        return {"item": running.item["item_uid"], "plan": running.item["name"], "why": running.interrupted}

    async def plans(self) -> Mapping[str, dict[str, Any]]:
        """JSON Schemas of the plans."""
        await self._worker_ready()
        return self._facts["plans"]

    async def devices(self) -> Mapping[str, dict[str, Any]]:
        """What is known of the devices."""
        await self._worker_ready()
        return self._facts["devices"]

    async def preflight(self, plan: str, parameters: dict[str, Any], first_point: int = 0) -> dict[str, Any]:
        """What a plan would do; refused when it is not allowed."""
        await self._worker_ready()
        assert self._worker is not None  # noqa: S101  it is ready
        self._asked += 1
        number = self._asked
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        try:
            asked = {"plan": plan, "parameters": parameters, "first_point": first_point}
            self._worker.order({"do": "check", "number": number, **asked})
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
        if running is not None and running.interrupted is None and self._playing is None:
            self.queue.interrupt("its end could not be recorded")
        return self.queue.acknowledge(uid, [] if running is None else self._runs_of(running))

    def interlocks(self) -> Mapping[str, dict[str, Any] | None]:
        """The latch of each interlock."""
        return self._latches.of(self._config.interlocks)

    async def acknowledge_interlock(self, name: str, user: str) -> None:
        """Somebody has seen that an interlock tripped; it is watched again from now on."""
        if self._stopping:
            raise NotNowError("flowlab is stopping")
        if self._task is not None:
            raise NotNowError("a plan is being ended, or runs; acknowledge when it has ended")
        await self._settle()  # what is being connected may trip it once more
        self._latches.acknowledge(name, user)
        if self._trouble and re.search(rf"\binterlock {re.escape(name)}(:| tripped)", self._trouble):
            self._trouble = None  # it has been seen
        try:
            await self._watch_again()
        except FlowlabError as error:
            raise NotNowError(f"interlock {name} was acknowledged; it is not watched yet: {error}") from None
        if (again := self._latches.all().get(name)) is not None:
            raise NotNowError(
                f"interlock {name} was acknowledged, and tripped again at once: {again['reason']}; "
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
        await self._worker_ready()
        if self._safe is not True and self._task is None:
            await self.make_safe(dry_run=False)
        if self._safe is False:
            raise NotNowError(self._why() or "the instrument is not safe")
        self._open()

    async def close_environment(self) -> None:
        """Let go of the devices."""
        if self._task is not None or self._playing is not None:
            raise NotNowError("a plan runs; end it first")
        if self._environment == "open" and self._worker is not None:
            self._become("closing")
            self._do(self._see_done(self._worker, "close", "closed"))

    async def destroy_environment(self) -> None:
        """Kill the worker."""
        if self._worker is None:
            raise NotNowError("there is no worker")
        self._kill_worker("somebody destroyed the environment")

    def start_queue(self) -> None:
        """Run the items of the queue."""
        if self._stopping:
            raise NotNowError("flowlab is stopping")
        if self._playing is not None:
            raise NotNowError("the queue is running")
        if not self._started.is_set():
            raise NotNowError("flowlab is starting; a moment")
        if self._safe is False:
            raise NotNowError(f"{self._why()}; flowlab safe-state tries again")
        if self._making_safe:
            raise NotNowError("the instrument is being made safe; a moment")
        running = self.queue.running
        if running is not None:
            raise QueueBlockedError(
                f"{running.item['name']} was interrupted: {running.interrupted}; find out what it left behind, then "
                f"acknowledge it: flowlab queue ack {running.item['item_uid']}"
            )
        if not self.queue.items:
            raise NotNowError("the queue is empty; flowlab queue add PLAN")
        self._latches.check(str(self._source))
        self._stop_pending = False
        self._playing = self._do(self._play())

    def stop_queue(self, *, cancel: bool = False) -> None:
        """Stop after the item that runs."""
        if self._playing is None:
            raise NotNowError("the queue is not running")
        self._stop_pending = not cancel

    def pause(self, *, deferred: bool) -> None:
        """Pause."""
        if self._task is None or self._engine != "running":
            raise NotNowError("no plan is running")
        self._pause_pending = True
        if self._worker is not None:
            self._worker.order({"do": "pause", "deferred": deferred})

    def resume(self) -> None:
        """Go on after a pause."""
        if self._engine != "paused" or self._worker is None:
            raise NotNowError("no plan is paused")
        self._worker.order({"do": "resume"})

    def end(self, how: Ending) -> None:
        """End the plan that runs; the queue stops."""
        if self._task is None:
            raise NotNowError("no plan is running")
        self._stop_pending = True
        self._order_end(how, "")

    async def make_safe(self, *, dry_run: bool) -> dict[str, str | None]:
        """Bring the instrument into its safe state, or say what that would be."""
        if dry_run:
            await self._worker_ready()
            return {name: self._facts["devices"][name]["safe_state"] for name in self._config.safe_state}
        return await self.bring_to_safety()
