"""The instrument with its devices connected: runs plans, one after another, and is left safe whatever comes of them.

Lives in the worker's main thread, where the RunEngine wants to be called; what ends, pauses or resumes a plan comes
from other threads. Interlocks are watched, and gauges read and published, from the moment in which the devices are
connected until they are let go.
"""

import contextlib
import platform
import queue
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from types import TracebackType
from typing import Any, Literal, Self

from bluesky import RunEngine
from bluesky._vendor.super_state_machine.errors import TransitionError
from bluesky.utils import Msg, MsgGenerator, RunEngineInterrupted

import flowlab
from flowlab.bench import Bench
from flowlab.config import InstrumentConfig
from flowlab.daemon.desk import Ending
from flowlab.daemon.endings import (
    AbortedError,
    HaltedError,
    InterlockError,
    StoppedError,
    after,
    in_words,
    with_trips,
    without_traceback,
)
from flowlab.daemon.gauges import Gauges
from flowlab.daemon.holding import holding
from flowlab.daemon.interlocks import Interlocks
from flowlab.daemon.latches import Latches
from flowlab.daemon.plans import Plan
from flowlab.daemon.reasons import with_reasons
from flowlab.errors import FlowlabError
from flowlab.process import Tell
from flowlab.stream import RAW, Publisher, ReadingsPublisher, Recorder, RunStore

Wish = Ending | Literal["resume"]

_BEAT_EVERY_S = 0.5


class Instrument:
    """Use as a context: connected at its beginning, made safe and let go at its end.

    Args:
        config: of the instrument.
        source: file of the configuration, for messages.
        store: where runs are kept.
        documents_in: address to which documents, and what the gauges say, are published.
        addresses: where devices really are, when that is only known at run time.
        tell: told how far it is: ``{"run": …}``, ``{"progress": …}``, ``{"stopped": …}``, ``{"engine": …}``,
            ``{"beat": …}`` while a plan runs, ``{"ending": …}`` with how and why when it comes to no good end,
            ``{"tripped": …}``.
        when_idle: called when an interlock tripped while no plan runs; it is to have :meth:`make_safe` called.

    Attributes:
        unsafe: by device, what kept it from being safe when that was last tried.
    """

    def __init__(
        self,
        config: InstrumentConfig,
        source: str,
        store: RunStore,
        documents_in: str,
        addresses: dict[str, str] | None,
        tell: Tell,
        when_idle: Callable[[], None],
    ):
        self._config = config
        self._source = source
        self._store = store
        self._documents_in = documents_in
        self._addresses = addresses
        self._tell = tell
        self._when_idle = when_idle
        self._latches = Latches(store.root, config.name)
        self._about = _about(config)
        self._tripped: list[str] = []
        self._not_latched: list[str] = []
        self._ending: Ending | None = None
        self._why_ending = ""
        self._wishes: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._busy = False
        self._may_have_moved = True
        self._message: tuple[str, float] = ("", 0.0)
        self.unsafe: dict[str, str] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._bench = stack.enter_context(Bench(self._config, self._source, self._addresses, self._store.frames))
            self._connect()
            publisher = Publisher(self._documents_in, RAW)
            stack.callback(publisher.close)
            self._recorder = Recorder(self._store.open_documents, publisher)
            stack.callback(self._recorder.close)
            self._engine = RunEngine(context_managers=[])
            stack.callback(self._end_engine)
            log = self._engine.log.logger
            log.addFilter(without_traceback)
            stack.callback(log.removeFilter, without_traceback)
            self._engine.msg_hook = self._note  # type: ignore[assignment]  # bluesky has None for its type
            self._engine.subscribe(self._recorder)
            self._engine.subscribe(self._tell_progress)
            self._interlocks = Interlocks(self._bench, self._trip)
            stack.callback(self._interlocks.close)
            readings = ReadingsPublisher(self._documents_in)
            stack.callback(readings.close)
            self._gauges = Gauges(self._bench, self._interlocks.watched, readings.send)
            stack.callback(self._gauges.close)
            self._interlocks.start()
            self._gauges.start()
            self._closed = threading.Event()
            stack.callback(self._closed.set)
            threading.Thread(target=self._keep_beating, name="beat", daemon=True).start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._interlocks.end()  # a reading under way may take its time limit: being safe does not wait for it
            self._gauges.end()
            if self._may_have_moved:
                self.make_safe()
        finally:
            self._stack.close()

    def _end_engine(self) -> None:
        self._engine._loop.call_soon_threadsafe(self._engine._loop.stop)
        self._engine._th.join()

    def _connect(self) -> None:
        try:
            self._bench.connect()
        except FlowlabError as error:
            if self._config.simulation is None or self._addresses:
                raise
            raise FlowlabError(
                f"{error} (a simulated instrument: start it with flowlab simulate {self._source})"
            ) from error

    def make_safe(self) -> dict[str, str]:
        """Bring every device into its safe state, in order; return what kept which from it."""
        with self._gauges.resting():
            outcome = self._bench.make_safe()
        self.unsafe = {name: str(error) for name, error in outcome.items() if error is not None}
        self._may_have_moved = bool(self.unsafe)
        return self.unsafe

    @property
    def tripped(self) -> bool:
        """Whether an interlock tripped: it is not looked at any more, until the devices are connected anew."""
        return bool(self._tripped)

    def check(self) -> None:
        """Refuse to run anything while an interlock is latched.

        Raises:
            LatchedError: one is.
        """
        self._latches.check(self._source)

    def run(self, plan: Plan, parameters: dict[str, Any], metadata: dict[str, Any], first_point: int = 0) -> list[str]:
        """Run a plan to its end. What a plan that ends well leaves the instrument in is the plan's business.

        Args:
            plan: what to run.
            parameters: of it.
            metadata: for the start document, beside what is told of every run.
            first_point: how many points are left out because an earlier run has them.

        Returns:
            uids of its runs.

        Raises:
            FlowlabError: it did not end well; everything was brought into the safe state then, see :attr:`unsafe`.
        """
        failed: list[str] = []
        self._message = ("", time.monotonic())  # a beat may come before the first
        self._busy = self._may_have_moved = True
        try:
            held = holding(plan(self._bench, parameters, first_point), self._interlocks.holding)
            told = with_reasons(self._unless_ended(held), self._why, failed)
            md = {**self._about, "plan_parameters": parameters, **metadata}
            self._tell({"engine": "running"})
            uids = self._until_it_ends(lambda: self._engine(told, **md))
            if not self._tripped:
                return uids
            failure = InterlockError("the plan ended")
        except AbortedError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  whatever it is, the devices are made safe next
            failure = after(failed, in_words(error))
        finally:
            self._busy = False
        self._tell({"ending": {"how": self._ending, "why": str(failure)}})
        self.make_safe()
        raise with_trips(failure, self._tripped, self._not_latched)

    def _unless_ended(self, plan: MsgGenerator[Any]) -> MsgGenerator[Any]:
        """The plan, but not when it was to end before it began: from its first message on, it can be interrupted."""
        if self._tripped:
            raise InterlockError(f"{self._tripped[0]}; the plan did not begin")
        if self._ending is not None:
            raise AbortedError("; ".join(filter(None, [self._why_ending, "the plan was aborted before it began"])))
        return (yield from plan)

    def _until_it_ends(self, go_on: Callable[[], Any]) -> list[str]:
        """Have the engine run a plan; where it is interrupted, do what is wished, until the plan has ended."""
        while True:
            try:
                return list(go_on())
            except RunEngineInterrupted:
                wish = self._ending or self._wait_for_a_wish()
            if wish != "resume":
                self._end_now(wish)
            self._tell({"engine": "running"})
            go_on = self._engine.resume

    def _wait_for_a_wish(self) -> Wish:
        self._tell({"engine": "paused"})
        try:
            return self._wishes.get(timeout=self._config.daemon.pause_s)
        except queue.Empty:
            self._why_ending = f"it was paused for more than {self._config.daemon.pause_s:g} s"
            return "abort"

    def _end_now(self, how: Ending) -> None:
        """End the paused plan; what goes wrong in its clean-up is told, and must not keep anything from being safe.

        Raises:
            FlowlabError: how it ended, always.
        """
        self._tell({"ending": {"how": how, "why": self._why()}})
        kinds: dict[Ending, tuple[type[FlowlabError], str]] = {
            "stop": (StoppedError, "stopped"),
            "abort": (InterlockError if self._tripped else AbortedError, "aborted"),
            "halt": (HaltedError, "halted, without its clean-up"),
        }
        kind, done = kinds[how]
        told = f"the plan was {done}"
        if self._why_ending:
            told = f"{self._why_ending}; {told}"
        try:
            match how:
                case "stop":
                    self._engine.stop()
                case "abort":
                    self._engine.abort(reason=self._why())
                case "halt":
                    self._engine.halt()
        except Exception as error:  # noqa: BLE001  whatever it is, the devices are made safe next
            told += f"; {in_words(error)}"
        raise kind(told)

    def _why(self) -> str:
        return self._why_ending or "ended from outside"

    # What follows is called in other threads.

    def expect(self) -> None:
        """A plan is to be run soon: what ends it from now on ends it even before it has begun."""
        self._ending, self._why_ending, self._wishes = None, "", queue.SimpleQueue()

    def pause(self, *, deferred: bool) -> None:
        """Pause at the next checkpoint, or at once; nothing where no plan runs."""
        if self._busy:
            with contextlib.suppress(TransitionError, RuntimeError):  # it has ended, or is paused
                self._engine.request_pause(defer=deferred)

    def resume(self) -> None:
        """Go on after a pause."""
        if self._engine.state == "paused":
            self._wishes.put("resume")

    def end(self, how: Ending, why: str) -> None:
        """End the plan that runs, is paused, or is about to begin. A stronger wish replaces a weaker one."""
        strengths: list[Ending | None] = [None, "stop", "abort", "halt"]
        if strengths.index(how) <= strengths.index(self._ending):
            return
        self._ending, self._why_ending = how, why
        self._wishes.put(how)
        interrupt(self._engine)

    def _trip(self, name: str, reason: str) -> None:
        self._tripped.append(f"interlock {name}: {reason}")
        self.end("abort", self._tripped[0])  # first of all
        try:
            self._latches.latch(name, reason)
        except FlowlabError as error:
            self._not_latched.append(str(error))
        self._tell({"tripped": {"interlock": name, "reason": reason}})
        if not self._busy:
            self._when_idle()

    def _note(self, message: Msg) -> None:
        self._message = (message.command, time.monotonic())

    def _keep_beating(self) -> None:
        """Tell that the engine's own loop goes round, not merely that this process lives; and how long it waits."""
        while not self._closed.wait(_BEAT_EVERY_S):
            if self._busy:
                with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                    self._engine._loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        command, since = self._message
        paused = self._engine.state == "paused"
        self._tell({"beat": {"message": command, "for_s": 0.0 if paused else time.monotonic() - since}})

    def _tell_progress(self, name: str, doc: dict[str, Any]) -> None:
        match name:
            case "start":
                self._streams: dict[str, str] = {}
                facts = {"uid": doc["uid"], "first": doc.get("first_point", 0), "of": doc.get("num_points")}
                self._tell({"run": {**facts, "analysed": "analysis" in doc}})
            case "descriptor":
                self._streams[doc["uid"]] = doc["name"]
            case "event" if self._streams.get(doc["descriptor"]) == "primary":
                self._tell({"progress": doc["seq_num"]})
            case "stop":
                self._tell({"stopped": {"uid": doc["run_start"], "exit_status": doc["exit_status"]}})
            case _:
                pass


def interrupt(engine: RunEngine) -> None:
    """End a plan from another thread: its own goes on behind ``engine(…)``. Only the first time counts."""
    # It is being ended already, has ended (a panicked engine is a RuntimeError), or has not begun: see _unless_ended.
    with contextlib.suppress(TransitionError, RuntimeError):
        engine.request_pause(defer=False)


def _about(config: InstrumentConfig) -> dict[str, Any]:
    """What every start document says. Made once: asking for the versions of packages takes longer than all else."""
    return {
        "instrument": config.name,
        "material": config.material,
        "software": {
            "name": "flowlab",
            "version": flowlab.__version__,
            "python": platform.python_version(),
            "packages": {name: version(name) for name in ("bluesky", "ophyd", "event-model", "numpy", "scipy")},
        },
        "config": config.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
