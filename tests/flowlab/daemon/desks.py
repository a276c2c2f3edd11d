"""A daemon in memory, with a queue that is real, for what stands between it and who asks."""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from flowlab.daemon.api import Api
from flowlab.daemon.control import ControlSocket
from flowlab.daemon.desk import Ending, Engine, Environment, RunFacts, Situation, State
from flowlab.daemon.latches import Latches
from flowlab.daemon.plan_queue import FRONT, Item, Place, PlanQueue
from flowlab.errors import BadInputError, FlowlabError

SCHEMA = {
    "type": "object",
    "description": "Take spectra, one after another.",
    "properties": {
        "num": {"type": "integer", "description": "how many"},
        "delay_s": {"type": "number", "default": 0.0, "description": "time between two", "units": "s"},
        "names": {"type": "array", "items": {"type": "string"}, "default": []},
        "stop_at": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
    },
    "required": ["num"],
    "additionalProperties": False,
}
DEVICES = {
    "heater": {"class": "Heater", "module": "devices.heater", "readable": True, "movable": True, "flyable": False}
}


class MemoryDesk:
    """Runs plans that count, in the event loop; `looking` is waited for before an item is found to be allowed."""

    def __init__(self, path: Path):
        self.queue = PlanQueue(path)
        self.latches = Latches(path.parent, "lab")
        self.state: State = "idle"
        self.why: str | None = None
        self.environment: Environment = "closed"
        self.engine: Engine = "idle"
        self.stop_pending = False
        self.runs: list[RunFacts] = []
        self.runs_uid = str(uuid.uuid4())
        self.plans_uid = str(uuid.uuid4())
        self.looking = asyncio.Event()
        self.looking.set()
        self.looks = 0
        self.unsafe: str | None = None
        self.told: list[Any] = []
        self._ending: str | None = None
        self._task: asyncio.Task[None] | None = None

    def situation(self) -> Situation:
        return Situation(
            state=self.state,
            why=self.why,
            environment=self.environment,
            engine=self.engine,
            stop_pending=self.stop_pending,
            pause_pending=self.engine == "pausing",
            runs=self.runs,
            runs_uid=self.runs_uid,
            plans_uid=self.plans_uid,
        )

    def facts(self) -> dict[str, Any]:
        return {"state": self.state, "queued": len(self.queue.items)}

    async def plans(self) -> Mapping[str, dict[str, Any]]:
        return {"spectra": SCHEMA}

    async def devices(self) -> Mapping[str, dict[str, Any]]:
        return DEVICES

    async def _allow(self, item: Item) -> None:
        self.looks += 1
        await self.looking.wait()
        if item["name"] != "spectra":
            raise BadInputError(f"there is no plan {item['name']!r}; there is spectra")
        if not isinstance(item["kwargs"].get("num"), int):
            raise BadInputError("spectra: num: this key is missing")

    async def add(self, items: Sequence[Item], place: Place) -> list[Item]:
        for item in items:
            await self._allow(item)
        return self.queue.add(items, place)

    async def update(self, item: Item, *, keep_uid: bool) -> Item:
        await self._allow(item)
        return self.queue.update(item, keep_uid=keep_uid)

    async def preflight(self, plan: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"plan": plan, "steps": parameters["num"]}

    def acknowledge(self, uid: str) -> Item:
        return self.queue.acknowledge(uid)

    def interlocks(self) -> Mapping[str, dict[str, Any] | None]:
        return self.latches.of(["flood"])

    async def acknowledge_interlock(self, name: str, user: str) -> None:
        self.latches.acknowledge(name, user)

    async def resume_item(self, uid: str) -> Item:
        found = [item for item in self.queue.history if item["item_uid"] == uid]
        if not found:
            raise BadInputError(f"the history has no item {uid!r}")
        return self.queue.add(found, FRONT)[0]

    async def open_environment(self) -> None:
        self.environment = "open"

    async def close_environment(self) -> None:
        if self.engine != "idle":
            raise FlowlabError("a plan runs: re_abort ends it")
        self.environment = "closed"

    async def destroy_environment(self) -> None:
        self.told.append("destroy")
        self.environment = "closed"

    def start_queue(self) -> None:
        if self.environment != "open":
            raise FlowlabError("the environment is not open: environment_open")
        self.state, self.stop_pending = "running", False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop_queue(self, *, cancel: bool = False) -> None:
        self.stop_pending = not cancel

    def pause(self, *, deferred: bool) -> None:
        self.told.append("pause deferred" if deferred else "pause")
        if self.engine != "running":
            raise FlowlabError("no plan runs that could be paused")
        self.engine = "pausing"

    def resume(self) -> None:
        if self.engine != "paused":
            raise FlowlabError("no plan is paused")
        self.engine = "running"

    def end(self, how: Ending, why: str) -> None:
        self.told += [how, why]
        if self.engine == "idle":
            raise FlowlabError("no plan runs")
        self._ending, self.engine = {"stop": "stopped", "abort": "aborted", "halt": "halted"}[how], "ending"

    async def make_safe(self, *, dry_run: bool) -> dict[str, str | None]:
        self.told.append("rehearse" if dry_run else "make safe")
        return {"heater": "would be switched off" if dry_run else self.unsafe, "pump": None}

    async def _run(self) -> None:
        while not self.stop_pending and (item := self.queue.begin()) is not None:
            self.engine, self._ending = "running", None
            self._note_run(RunFacts(uid := str(uuid.uuid4())))
            for _ in range(item["kwargs"]["num"]):
                await asyncio.sleep(item["kwargs"].get("delay_s", 0.0))
                if self.engine == "pausing":
                    self.engine, self.state = "paused", "paused"
                while self.engine == "paused":
                    await asyncio.sleep(0.01)
                if self._ending:
                    break
                self.state = "running"
            self._note_run(RunFacts(uid, "abort" if self._ending == "aborted" else "success"))
            self.queue.end(self._ending or "completed", [uid])
            self.engine = "idle"
            if self._ending:
                break
        self.state, self.stop_pending = "idle", False

    def _note_run(self, run: RunFacts) -> None:
        self.runs, self.runs_uid = [run], str(uuid.uuid4())

    async def settle(self, until: Callable[[], bool], limit_s: float = 10.0) -> None:
        async with asyncio.timeout(limit_s):
            while not until():
                await asyncio.sleep(0.005)

    def close(self) -> None:
        self.queue.close()


def spectra(**kwargs: Any) -> Item:
    return {"item_type": "plan", "name": "spectra", "args": [], "kwargs": {"num": 1, **kwargs}}


class Served:
    """A desk that is served in a thread of its own."""

    def __init__(self, folder: Path, address: str | None = None, secure: Callable[..., None] | None = None):
        self.wanted = address or f"ipc://{folder}/run/control"
        self._secure = secure
        self._path = folder / "queue.sqlite"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _main(self):
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.desk = MemoryDesk(self._path)
        with ControlSocket(Api(self.desk), self.wanted, self._secure) as control, contextlib.closing(self.desk):
            self.address = control.address
            serving = asyncio.create_task(control.serve())
            self._ready.set()
            await self._stop.wait()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def tell(self, what):
        self.loop.call_soon_threadsafe(what)

    def close(self):
        self.tell(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @contextlib.contextmanager
    def client(self, kind=zmq.DEALER):
        with zmq.Context() as context, context.socket(kind) as client:
            client.linger, client.rcvtimeo = 0, 10_000
            client.connect(self.address)
            yield client
