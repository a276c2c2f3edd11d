"""What stands around the worker: simulators, where documents meet, the replay service, analyzer, writer, safe state.

Analyzer and writer are there while there is a run to follow, and are started again when they die; they fetch what they
missed. A run never waits for them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowlab.config import InstrumentConfig
from flowlab.daemon.part import Part
from flowlab.daemon.state_folder import StateFolder
from flowlab.errors import BadInputError, FlowlabError

if TYPE_CHECKING:
    from flowlab.stream import Message, Proxy, Publisher, ReplayService, RunStore

_LOG = logging.getLogger(__name__)

_START_WITHIN_S = 60.0
_END_WITHIN_S = 20.0
_MOST_DEATHS = 5
_AGAIN_AFTER_S = 0.5
_MOST_FOLLOWED = 8
#: Simulators go on for a while when the supervisor is killed, as a reactor does: the worker has to make it safe.
_LINGER_S = 20
_FOLLOWERS = {"analyzer": "flowlab.live", "writer": "flowlab.storage"}


@dataclass(frozen=True)
class Simulation:
    """How the simulators are started.

    Attributes:
        options: of the simulators, by name: speed, seed, playback; None where the configuration says it.
    """

    options: Mapping[str, Any]


class Surroundings:
    """Processes and sockets of one daemon.

    Args:
        config: of the instrument.
        source: its file.
        folder: where state is kept.
        simulation: start the simulators; None where the instrument is there already.
        trouble: told in words what went wrong beside a run.

    Attributes:
        addresses: where simulated devices are; None for those that are where the configuration says.
        control: address of the simulators' control port.
        http: address of the HTTP API, once there is one.
        web_there: set then.
    """

    def __init__(
        self,
        config: InstrumentConfig,
        source: Path,
        folder: StateFolder,
        simulation: Simulation | None,
        trouble: Callable[[str], None],
    ):
        self._config = config
        self._source = source
        self._folder = folder
        self._simulation = simulation
        self._trouble = trouble
        self._simulators: Part | None = None
        self._followers: dict[str, Part] = {}
        self._followed: dict[str, str | None] = {}
        #: Runs and analyses that need not be looked at again, though heartbeats name them.
        self._finished: deque[str] = deque(maxlen=4 * _MOST_FOLLOWED)
        self._deaths = dict.fromkeys(_FOLLOWERS, 0)
        self._standby: tuple[Part, dict[str, str | None]] | None = None
        self._written = asyncio.Event()
        self._at_rest = True
        self._no_more: asyncio.TimerHandle | None = None
        self._going: list[asyncio.Future[bool]] = []
        self._closing = False
        self._web: Part | None = None
        self.web_there = asyncio.Event()
        self.http: str | None = None
        self.addresses: dict[str, str] | None = None
        self.control: str | None = None

    async def start(self) -> None:
        """Start what must be there before the instrument can be made safe, and before anything is measured.

        Raises:
            FlowlabError: something does not start.
        """
        self._proxy, self._replay, self.store, self._publisher = await asyncio.to_thread(self._open_sockets)
        if self._simulation is not None:
            await self._simulate(self._simulation)

    def _open_sockets(self) -> "tuple[Proxy, ReplayService, RunStore, Publisher]":
        # Here, for the control socket answers long before numpy is imported.
        from flowlab.stream import RAW, Proxy, Publisher, ReplayService, RunStore

        sockets = self._folder.sockets()
        store = RunStore(self._folder.runs)
        store.root.mkdir(parents=True, exist_ok=True)
        proxy = Proxy(f"ipc://{sockets / 'documents-in'}", f"ipc://{sockets / 'documents'}")
        replay = ReplayService(store, f"ipc://{sockets / 'replay'}")
        return proxy, replay, store, Publisher(proxy.inward, RAW)

    async def _simulate(self, simulation: Simulation) -> None:
        if self._config.simulation is None:
            raise BadInputError(f"{self._source}: has no [simulation] table: there is nothing to simulate")
        arguments = [str(self._source), "--any-port", "--until-eof", "--linger", str(_LINGER_S)]
        for option, value in simulation.options.items():
            if value is not None:
                arguments += [f"--{option}", str(value)]
        self._simulators = Part(
            "simulators",
            self._config.simulation.module,
            None,
            self._folder.logs / "simulators.log",
            self._took_from_simulators,
            arguments,
        )
        facts = await self._simulators.wait_for("ready", _START_WITHIN_S)
        self.addresses, self.control = facts["addresses"], facts["control"]

    def _took_from_simulators(self, message: dict[str, Any]) -> None:
        if "ended" in message and not self._closing:
            self._trouble("the simulators died: the simulated instrument is gone; start flowlab up again")

    def spec(self, **more: Any) -> dict[str, Any]:
        """What a process of ours is told."""
        return {
            "config": str(self._source),
            "addresses": self.addresses,
            "speed": None if self._simulation is None else self._simulation.options.get("speed"),
            "data": str(self._folder.runs),
            "documents_in": self._proxy.inward,
            "documents_out": self._proxy.outward,
            "replay": self._replay.address,
            **more,
        }

    @property
    def documents(self) -> str | None:
        """Where documents can be subscribed to."""
        return self._proxy.outward if hasattr(self, "_proxy") else None

    @property
    def replay(self) -> str | None:
        """Where what was missed of them can be asked for."""
        return self._replay.address if hasattr(self, "_replay") else None

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs."""
        parts = {"simulators": self._simulators, "web": self._web, **self._followers}
        return {name: part.pid for name, part in parts.items() if part is not None and part.alive}

    async def serve_web(self, control: str, host: str, port: int) -> None:
        """Have the HTTP API served, and again when whoever serves it dies, at the same port.

        Raises:
            BadInputError: it may not be served there.
            FlowlabError: it does not start.
        """
        died = asyncio.Event()

        def took(message: dict[str, Any]) -> None:
            if "ended" in message:
                died.set()

        place = {"control": control, "host": host, "port": port, "tokens": str(self._folder.tokens)}
        shown = {"documents": self._proxy.outward, "replay": self._replay.address, "data": str(self._folder.runs)}
        spec: dict[str, Any] = {**place, **shown}
        while not self._closing:
            died.clear()
            self._web = Part("web", "flowlab.web", spec, self._folder.logs / "web.log", took)
            self.http = str((await self._web.wait_for("ready", _START_WITHIN_S))["http"])
            self.web_there.set()
            spec["port"] = int(self.http.rpartition(":")[2])
            await died.wait()
            if not self._closing:
                self._trouble("the HTTP server died and was started again")
                await asyncio.sleep(_AGAIN_AFTER_S)

    def stand_by(self) -> None:
        """A plan begins: have a process ready that makes the instrument safe as soon as it is told to."""
        self._at_rest = False
        if self._no_more is not None:
            self._no_more.cancel()
            self._no_more = None
        there = self._standby is not None and self._standby[0].alive
        if not there and self._config.safe_state and not self._closing:
            try:
                self._standby = self._safe_state_process(standby=True)
            except OSError as error:
                self._trouble(f"nothing stands by for the safe state: {error}")

    def rest(self) -> None:
        """Nothing is to be run: what only runs need goes, after a while in which another may begin."""
        self._at_rest = True
        if self._no_more is None and not self._followed and not self._closing:
            keep_s = self._config.daemon.keep_s
            self._no_more = asyncio.get_running_loop().call_later(keep_s, self._let_go)

    def _let_go(self) -> None:
        self._no_more = None
        if self._followed:
            return  # it is asked again when all of that is written
        parts = [*self._followers.values(), *([self._standby[0]] if self._standby is not None else [])]
        self._followers, self._standby = {}, None
        self._going = [asyncio.ensure_future(part.end(_END_WITHIN_S)) for part in parts]

    async def make_safe(self) -> dict[str, str | None]:
        """Bring the instrument into its safe state from a fresh process with links of its own.

        Returns:
            By device None, or what kept it from being safe. What did not answer in time is not safe.
        """
        standby, self._standby = self._standby, None
        if standby is not None and standby[0].alive:
            part, told = standby
            part.order({"do": "make_safe"})
        else:
            part, told = self._safe_state_process(standby=False)
        try:
            return await part.wait_for("done", self._config.daemon.safe_s)
        except FlowlabError as error:
            if standby is not None and part is standby[0] and not told and not part.alive:
                return await self.make_safe()  # it had died with the worker: another one, at once
            rest = {name: str(error) for name in self._config.safe_state if name not in told}
            return told | rest
        finally:
            await part.end(_END_WITHIN_S)

    def _safe_state_process(self, *, standby: bool) -> tuple[Part, dict[str, str | None]]:
        """The process, and by device what it has told."""
        told: dict[str, str | None] = {}

        def took(message: dict[str, Any]) -> None:
            if "device" in message:
                told[message["device"]] = message["error"]

        log = self._folder.logs / "safe-state.log"
        return Part("safe state", "flowlab.daemon.safe_state", self.spec(standby=standby), log, took), told

    def publish(self, message: "Message") -> None:
        """Publish a document that was written to a journal by nobody's worker."""
        self._publisher.send(message.run_uid, message.position + 1, message.to_bytes())

    def follow(self, run_uid: str) -> None:
        """Have a run analysed and written to its file."""
        self._followed[run_uid] = None
        self._written.clear()
        while len(self._followed) > _MOST_FOLLOWED:
            del self._followed[next(iter(self._followed))]
        self._deaths = dict.fromkeys(_FOLLOWERS, 0)
        for name in _FOLLOWERS:
            if name not in self._followers:
                self._start_follower(name)

    def _start_follower(self, name: str) -> None:
        runs = list(self._followed)
        analyses = [uid for uid in self._followed.values() if uid is not None]
        self._followers[name] = Part(
            name,
            _FOLLOWERS[name],
            self.spec(runs=runs, analyses=analyses, finished=list(self._finished)),
            self._folder.logs / f"{name}.log",
            lambda message: self._took_from_follower(name, message),
        )

    def _took_from_follower(self, name: str, message: dict[str, Any]) -> None:
        if (analysis := message.get("analysis")) is not None and analysis["run_uid"] in self._followed:
            self._followed[analysis["run_uid"]] = analysis["uid"]
        if (written := message.get("written")) is not None and written["results"]:
            run_uid = written["run_uid"]
            self._finished += [run_uid, *filter(None, [self._followed.pop(run_uid, None)])]
            if not self._followed:
                self._written.set()
            if self._at_rest:
                self.rest()
        if "ended" in message:
            self._bury(name)

    def _bury(self, name: str) -> None:
        if self._followers.pop(name, None) is None or self._closing:
            return
        self._deaths[name] += 1
        if self._deaths[name] > _MOST_DEATHS:
            self._trouble(f"{name}: died {self._deaths[name]} times, and is left dead until the next run")
            self._written.set()  # as far as it will be
        elif self._followed:
            self._trouble(f"{name}: died and was started again")
            self._start_follower(name)

    async def close(self) -> None:
        """End all of it: what follows a run may finish that first."""
        if self._followed and set(self._followers) == set(_FOLLOWERS):
            try:
                async with asyncio.timeout(_END_WITHIN_S):
                    await self._written.wait()
            except TimeoutError:
                _LOG.warning("analysis or file of %s was not finished", ", ".join(self._followed))
        self._closing = True
        if self._no_more is not None:
            self._no_more.cancel()
        others = [self._web, None if self._standby is None else self._standby[0]]
        parts = [*self._followers.values(), *(part for part in others if part is not None)]
        await asyncio.gather(*self._going, *(part.end(_END_WITHIN_S) for part in parts))
        if hasattr(self, "_proxy"):
            for one in (self._publisher, self._replay, self._proxy):
                await asyncio.to_thread(one.close)
        if self._simulators is not None:
            await self._simulators.dismiss(_END_WITHIN_S)
