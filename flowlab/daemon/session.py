"""One plan from beginning to end: starts the processes, watches them, and leaves the instrument safe.

The session itself holds the proxy and the replay service. Simulators, analyzer, writer and worker are
processes of their own; analyzer and writer are started again when they die, the run goes on meanwhile, and
without them when they keep dying: its journal is the record. A page, where one is wanted, only looks on.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowlab.config import InstrumentConfig, load_instrument
from flowlab.config.paths import find_config
from flowlab.daemon.session_page import SessionPage
from flowlab.daemon.state_folder import instrument_held
from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import Child, ChildDiedError, ChildFailedError
from flowlab.stream import RAW, RESULTS, GapError, Message, Proxy, ReplayService, RunStore, StoredRun, Subscriber

_START_WITHIN_S = 60.0
_FINISH_WITHIN_S = 120.0
_SAFE_WITHIN_S = 30.0
_MOST_RESTARTS = 5

#: Called with every document of run and analysis as it comes.
Watcher = Callable[[Message], None]


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        run_uid: of the run.
        stored: where it is kept.
        window: data of the analysis's window event, None when there was none.
        tracks: data of its track events.
        problems: what went wrong beside the run, one line each.
        seconds: real seconds from the run's start to its stop document.
        to_be_analysed: whether the plan measures something that an analysis is made of; not so washing.
    """

    run_uid: str
    stored: StoredRun
    window: dict[str, Any] | None = None
    tracks: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    to_be_analysed: bool = False


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no Ctrl-C and no SIGTERM interrupt what makes the instrument safe; it ends within its own time limits."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's business
        return
    # A function, not SIG_IGN: processes started meanwhile would inherit that.
    previous = {n: signal.signal(n, lambda *_: None) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class InterruptedRunError(FlowlabError):
    """A person, or the system, ended the run before its time."""

    def __init__(self, interrupt: KeyboardInterrupt, outcome: str):
        super().__init__(f"interrupted: {outcome}")
        self.exit_code = getattr(interrupt, "exit_code", 130)


class Session:
    """Use as a context; everything that was started is ended with it.

    Args:
        config_path: file of the instrument, or the name of a shipped one.
        data: folder of runs.
        simulate: start the simulators and use them, on ports that the system chooses.
        speed: of the plant, instead of the configured one; simulated instruments only.
        seed: of the simulators, instead of the configured one.
        playback: file of measured spectra that the simulated spectrometer shows.
        page: have a page served that shows what is done.

    Attributes:
        page: the one that was wanted.
        control: address of the simulators' control port.
        worker_pid: process id of the worker that runs, or ran last.
    """

    def __init__(
        self,
        config_path: str,
        data: Path,
        *,
        simulate: bool,
        speed: float | None = None,
        seed: int | None = None,
        playback: Path | None = None,
        page: bool = False,
    ):
        self.config: InstrumentConfig = load_instrument(config_path)
        self._config_path = str(find_config("instruments", config_path))
        self.store = RunStore(data)
        self._simulate = simulate
        self._options = {"speed": speed, "seed": seed, "playback": playback}
        self._stack = ExitStack()
        self._addresses: dict[str, str] | None = None
        self._helpers: dict[str, tuple[str, Child]] = {}
        self._with_page = page
        self.page: SessionPage | None = None
        self.control: str | None = None
        self.worker_pid = 0

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _close_helpers(self) -> None:
        for _, child in self._helpers.values():
            child.cut()
        for _, child in self._helpers.values():
            child.close()

    def _start(self, stack: ExitStack) -> None:
        self._logs = self.store.root / "logs"
        if self.config.simulation is None:
            stack.enter_context(instrument_held(self.config))
        simulators = stack.enter_context(self._simulators()) if self._simulate else None
        self._proxy = Proxy()
        stack.callback(self._proxy.close)
        self._replay = ReplayService(self.store)
        stack.callback(self._replay.close)
        stack.callback(self._close_helpers)
        for name, module in (("analyzer", "flowlab.live"), ("writer", "flowlab.storage")):
            self._helpers[name] = (module, self._spawn(name, module))
        if simulators is not None:
            facts = simulators.wait_for("ready", _START_WITHIN_S)
            self._addresses, self.control = facts["addresses"], facts["control"]
        for _, child in self._helpers.values():
            child.wait_for("ready", _START_WITHIN_S)
        if self._with_page:  # when all that the run needs is there: it must not wait for this
            shown = {"documents": self._proxy.outward, "replay": self._replay.address, "data": str(self.store.root)}
            self.page = stack.enter_context(SessionPage(shown, self._logs / "web.log"))

    def _simulators(self) -> Child:
        if self.config.simulation is None:
            raise BadInputError(f"{self._config_path}: has no [simulation] table: there is nothing to simulate")
        arguments = [self._config_path, "--any-port", "--until-eof"]
        for option, value in self._options.items():
            if value is not None:
                arguments += [f"--{option}", str(value)]
        module = self.config.simulation.module
        return Child("simulators", module, None, self._logs / "simulators.log", arguments)

    def _spawn(self, name: str, module: str, **more: Any) -> Child:
        return Child(name, module, self._spec(**more), self._logs / f"{name}.log")

    def _spec(self, **more: Any) -> dict[str, Any]:
        return {
            "config": self._config_path,
            "addresses": self._addresses,
            "speed": self._options["speed"],
            "data": str(self.store.root),
            "documents_in": self._proxy.inward,
            "documents_out": self._proxy.outward,
            "replay": self._replay.address,
            **more,
        }

    @property
    def documents(self) -> str:
        """Where documents can be subscribed to."""
        return self._proxy.outward

    @property
    def addresses(self) -> dict[str, str]:
        """Where the simulated devices are; empty when the instrument is none of ours."""
        return self._addresses or {}

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of analyzer and writer, as they are now."""
        return {name: child.pid for name, (_, child) in self._helpers.items()}

    def run(
        self,
        plan: str,
        parameters: dict[str, Any],
        watch: Watcher,
        metadata: dict[str, Any] | None = None,
        first_point: int = 0,
    ) -> Outcome:
        """Run a plan to its end, analysis and file included.

        Args:
            plan: name, as the configuration has it.
            parameters: of the plan.
            watch: called with every document.
            metadata: for the start document.
            first_point: how many points are left out because an earlier run has them.

        Raises:
            BadInputError: plan or parameters are not allowed; nothing moved.
            FlowlabError: the run failed; the message says why, and whether the instrument is safe.
        """
        order = {
            "do": "run",
            "plan": plan,
            "parameters": parameters,
            "metadata": metadata or {},
            "first_point": first_point,
        }
        follower = Follower(watch)
        with (
            Subscriber(self._proxy.outward, self._replay.address, prefix=RAW) as raw,
            Subscriber(self._proxy.outward, self._replay.address, prefix=RESULTS) as results,
        ):
            follower.subscribe(raw, results)
            worker = Child("worker", "flowlab.daemon.worker", self._spec(), self._logs / "worker.log")
            self.worker_pid = worker.pid
            for each in ({"do": "open"}, order, {"do": "leave"}):
                worker.order(each)
            try:
                self._follow(worker, follower)
                self._see_it_safe(worker)
            except (ChildFailedError, BadInputError):  # in its own words: it left the instrument safe, or untouched
                raise
            except BaseException as error:
                with undisturbed():
                    outcome = self._abort(worker)
                outcome += self._where(follower)
                if isinstance(error, KeyboardInterrupt):
                    raise InterruptedRunError(error, outcome) from None
                if isinstance(error, FlowlabError):
                    raise FlowlabError(f"{error}; {outcome}") from None
                raise
            finally:
                worker.close()
            self._finish(follower)
        return follower.outcome(self.store)

    def _where(self, follower: "Follower") -> str:
        """Where to find what there is of a run, for the end of a message."""
        return f"; recorded in {self.store.run(follower.run_uid).folder}" if follower.run_uid else ""

    def _abort(self, worker: Child) -> str:
        """Have the instrument made safe, by the worker or without it; say in words what came of it."""
        worker.cut()
        try:
            unsafe = worker.wait_for("closed", _SAFE_WITHIN_S)["unsafe"]
        except (ChildFailedError, BadInputError) as error:
            return str(error)
        except ChildDiedError:
            if not worker.alive:
                return self._make_safe()
            worker.kill()
            return f"the worker had to be killed; {self._make_safe()}"
        return f"the plan had just ended; {_in_words(unsafe)}"

    def _see_it_safe(self, worker: Child) -> None:
        """See that the devices are safe after a plan that ended well."""
        unsafe = worker.wait_for("closed", _SAFE_WITHIN_S)["unsafe"]
        if unsafe:
            raise ChildFailedError(f"the plan ended; {_in_words(unsafe)}", FlowlabError.exit_code)

    def _follow(self, worker: Child, follower: "Follower") -> None:
        """Hand on documents until the worker is done."""
        while worker.poll("done", 0.0) is None:
            self._mend(follower)
            follower.step(0.05)

    def _finish(self, follower: "Follower") -> None:
        """Wait for the last documents of run and analysis, and for the file."""
        end = time.monotonic() + _FINISH_WITHIN_S
        while not follower.complete and time.monotonic() < end:
            self._mend(follower)
            follower.step(0.05)
        if not follower.complete:
            follower.problems.append(f"the analysis did not end within {_FINISH_WITHIN_S:g} s")
        if not follower.to_be_analysed:
            return  # there is no file of it
        while "writer" not in follower.given_up and time.monotonic() < end:
            try:
                written = self._helpers["writer"][1].poll("written", 0.1)
            except ChildDiedError:
                self._mend(follower)
                continue
            if written and written["run_uid"] == follower.run_uid and (written["results"] or not follower.analysed):
                return
        follower.problems.append("the NeXus file was not finished")

    def _mend(self, follower: "Follower") -> None:
        """Start again what died, once there is a run for it to follow; give up what keeps dying."""
        for name, (module, child) in self._helpers.items():
            if child.alive or follower.run_uid is None or name in follower.given_up:
                continue
            child.close()
            follower.deaths[name] = follower.deaths.get(name, 0) + 1
            if follower.deaths[name] > _MOST_RESTARTS:
                follower.given_up.add(name)
                follower.problems.append(f"{name}: died {follower.deaths[name]} times; its log is {child.log}")
                continue
            follower.problems.append(f"{name}: died and was started again")
            analyses = [follower.analysis_uid] if follower.analysis_uid else []
            again = self._spawn(name, module, runs=[follower.run_uid], analyses=analyses)
            self._helpers[name] = (module, again)

    def _make_safe(self) -> str:
        """Bring the instrument into its safe state from a fresh process; say in words what came of it."""
        with Child("safe state", "flowlab.daemon.safe_state", self._spec(), self._logs / "safe-state.log") as child:
            try:
                outcome = child.wait_for("done", _SAFE_WITHIN_S)
            except FlowlabError as error:
                return f"NOT SAFE: {error}"
        unsafe = {name: error for name, error in outcome.items() if error}
        return _in_words(unsafe) if unsafe else f"safe: {', '.join(outcome)}"


def _in_words(unsafe: dict[str, str]) -> str:
    return f"NOT SAFE: {'; '.join(unsafe.values())}" if unsafe else "the instrument is safe"


class Follower:
    """Keeps count of the documents of one run and its analysis."""

    def __init__(self, watch: Watcher):
        self._watch = watch
        self._subscribers: tuple[Subscriber, ...] = ()
        self.run_uid: str | None = None
        self.analysis_uid: str | None = None
        self.to_be_analysed = False
        self.problems: list[str] = []
        #: How often helpers died during this run, and those that are not started again before the next.
        self.deaths: dict[str, int] = {}
        self.given_up: set[str] = set()
        self._descriptors: dict[str, str] = {}
        self._window: dict[str, Any] | None = None
        self._tracks: list[dict[str, Any]] = []
        self._started = self._stopped = 0.0
        self._ended: set[str] = set()

    def subscribe(self, raw: Subscriber, results: Subscriber) -> None:
        """Follow these; runs that were there before are none of ours."""
        for subscriber in (raw, results):
            for uid in subscriber.runs():
                subscriber.ignore(uid)
        self._subscribers = (raw, results)

    @property
    def complete(self) -> bool:
        """Whether run and analysis have ended, as far as there is an analyzer to end it."""
        if self.run_uid is None:
            return True
        expected = self.to_be_analysed and "analyzer" not in self.given_up
        return "raw" in self._ended and (self.analysed or not expected)

    @property
    def analysed(self) -> bool:
        """Whether the analysis has ended."""
        return "analysis" in self._ended

    def step(self, wait_s: float) -> None:
        """Take what has come; wait up to ``wait_s`` when there is nothing.

        What cannot be fetched is a problem beside the run: it is recorded, though it is not shown.
        """
        came = False
        for subscriber in self._subscribers:
            try:
                while (message := subscriber.receive(0.0)) is not None:
                    came = True
                    self._take(message)
            except GapError as error:
                if str(error) not in self.problems:
                    self.problems.append(str(error))
        if not came:
            Subscriber.wait(*self._subscribers, timeout_s=wait_s)

    def _take(self, message: Message) -> None:
        doc = message.doc
        match message.name:
            case "start" if "parent_run" in doc:
                self.analysis_uid = message.run_uid
            case "start":
                self.run_uid, self._started = message.run_uid, doc["time"]
                self.to_be_analysed = "analysis" in doc
            case "descriptor":
                self._descriptors[doc["uid"]] = doc["name"]
            case "event" if message.run_uid == self.analysis_uid:
                stream = self._descriptors[doc["descriptor"]]
                if stream == "window":
                    self._window = doc["data"]
                elif stream == "tracks":
                    self._tracks.append(doc["data"])
            case "stop" if message.run_uid == self.run_uid:
                self._stopped = doc["time"]
                self._ended.add("raw")
            case "stop":
                self._ended.add("analysis")
            case _:
                pass
        self._watch(message)

    def outcome(self, store: RunStore) -> Outcome:
        """What came of it.

        Raises:
            FlowlabError: there was no run.
        """
        if self.run_uid is None:
            raise FlowlabError("the plan ended without a run")
        return Outcome(
            self.run_uid,
            store.find(self.run_uid),
            self._window,
            self._tracks,
            self.problems,
            round(self._stopped - self._started, 3),
            self.to_be_analysed,
        )
