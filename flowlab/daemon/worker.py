"""The worker process: owns the RunEngine and the devices, records and publishes documents, runs one plan.

``python -m flowlab.daemon.worker``, started by a :class:`flowlab.daemon.session.Session`. However it ends,
short of being killed, the devices are in their safe state; when it is killed, the session sees to that.
"""

import contextlib
import platform
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from bluesky import RunEngine
from bluesky._vendor.super_state_machine.errors import TransitionError
from bluesky.utils import MsgGenerator, RunEngineInterrupted

import flowlab
from flowlab.bench import Bench
from flowlab.config import InstrumentConfig, load_instrument
from flowlab.daemon.holding import holding
from flowlab.daemon.interlocks import Interlocks
from flowlab.daemon.latches import Latches
from flowlab.daemon.plans import Plan
from flowlab.daemon.reasons import ours, with_reasons
from flowlab.errors import FlowlabError
from flowlab.process import Lifeline
from flowlab.stream import RAW, Publisher, Recorder, RunStore


class InterlockError(FlowlabError):
    """An interlock ended the plan, and is latched."""


class UnforeseenError(FlowlabError):
    """An error that is none of ours ended the plan: a defect of this program; its traceback is in the log."""


class AbortedError(FlowlabError):
    """The plan was ended from outside."""

    exit_code = 130


def main() -> None:
    """Run the plan that the specification names."""
    lifeline = Lifeline()
    try:
        lifeline.done(run_plan(lifeline))
    except FlowlabError as error:
        lifeline.fail(error)
        sys.exit(error.exit_code)


def run_plan(lifeline: Lifeline) -> dict[str, Any]:
    """Check everything, connect, run, and leave the instrument safe.

    Returns:
        uids of the runs.

    Raises:
        FlowlabError: what went wrong, in one line; the devices are safe, or the message says which are not.
    """
    spec = lifeline.spec
    config = load_instrument(spec["config"])
    if spec.get("speed"):
        config = config.model_copy(update={"clock": config.clock.model_copy(update={"speed": spec["speed"]})})
    plan = Plan(config, spec["plan"], spec["config"])
    plan.check(spec["parameters"])
    store = RunStore(Path(spec["data"]))
    Latches(store.root, config.name).check(spec["config"])
    with Bench(config, spec["config"], spec.get("addresses"), store.frames) as bench:
        _connect(bench, spec)
        lifeline.ready({})
        publisher = Publisher(spec["documents_in"], RAW)
        recorder = Recorder(store.open_documents, publisher)
        try:
            return _run(lifeline, bench, plan, spec, recorder)
        finally:
            recorder.close()
            publisher.close()


def _connect(bench: Bench, spec: dict[str, Any]) -> None:
    try:
        bench.connect()
    except FlowlabError as error:
        if bench.config.simulation is None or spec.get("addresses"):
            raise
        raise FlowlabError(
            f"{error} (a simulated instrument: start it with flowlab simulate {spec['config']})"
        ) from error


def _run(lifeline: Lifeline, bench: Bench, plan: Plan, spec: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    engine = RunEngine(_metadata(bench.config, spec), context_managers=[])
    engine.subscribe(recorder)
    lifeline.on_cut(lambda: _interrupt(engine))
    tripped: list[str] = []
    not_latched: list[str] = []
    failed: list[str] = []
    latches = Latches(Path(spec["data"]), bench.config.name)

    def trip(name: str, reason: str) -> None:
        tripped.append(f"interlock {name}: {reason}")
        _interrupt(engine)  # first of all
        try:
            latches.latch(name, reason)
        except FlowlabError as error:
            not_latched.append(str(error))

    interlocks = Interlocks(bench, trip)
    failure: FlowlabError | None = None
    uids: tuple[str, ...] = ()
    try:
        interlocks.start()
        held = holding(plan(bench, spec["parameters"], spec.get("first_point", 0)), interlocks.holding)
        told = with_reasons(_unless_ended(lifeline, tripped, held), lambda: _why_aborted(tripped), failed)
        uids = cast("tuple[str, ...]", engine(told))
    except RunEngineInterrupted:
        failure = _abort(engine, tripped)
    except Exception as error:  # noqa: BLE001  whatever it is, the devices are made safe next
        failure = _after(failed, in_words(error))
    interlocks.end()  # a reading under way may take its time limit: being safe does not wait for it
    unsafe = {name: error for name, error in bench.make_safe().items() if error is not None}
    interlocks.close()
    engine._loop.call_soon_threadsafe(engine._loop.stop)
    _tell(_with_trips(failure, tripped, not_latched), unsafe)
    return {"run_uids": list(uids)}


def _interrupt(engine: RunEngine) -> None:
    """End the plan from another thread: the main thread goes on behind ``engine(…)``. Only the first time counts."""
    # It is being ended already, has ended (a panicked engine is a RuntimeError), or has not begun: see _unless_ended.
    with contextlib.suppress(TransitionError, RuntimeError):
        engine.request_pause(defer=False)


def _unless_ended(lifeline: Lifeline, tripped: list[str], plan: MsgGenerator[Any]) -> MsgGenerator[Any]:
    """The plan, but not when it was to end before it began: from its first message on, it can be interrupted."""
    if tripped:
        raise InterlockError(f"{tripped[0]}; the plan did not begin")
    if lifeline.cut:
        raise AbortedError("the plan was aborted before it began")
    return (yield from plan)


def _why_aborted(tripped: list[str]) -> str:
    return tripped[0] if tripped else "ended from outside"


def _abort(engine: RunEngine, tripped: list[str]) -> FlowlabError:
    """Abort the plan; what goes wrong in its clean-up is told, and must not keep the devices from being made safe."""
    reason = _why_aborted(tripped)
    told = f"{reason}; the plan was aborted" if tripped else "the plan was aborted"
    try:
        engine.abort(reason=reason)
    except Exception as error:  # noqa: BLE001  whatever it is, the devices are made safe next
        told += f"; {in_words(error)}"
    return InterlockError(told) if tripped else AbortedError(told)


def in_words(error: Exception) -> FlowlabError:
    """What a person should read of an error; the traceback of one that is none of ours goes to the log."""
    known = ours(error)
    if known is not None:
        return known
    traceback.print_exception(error)
    return UnforeseenError(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _after(failed: list[str], last: FlowlabError) -> FlowlabError:
    """What a plan ended with, behind what its run failed of."""
    return FlowlabError(f"{failed[0]}; then {last}") if failed and failed[0] not in str(last) else last


def _with_trips(failure: FlowlabError | None, tripped: list[str], not_latched: list[str]) -> FlowlabError | None:
    """What went wrong, with every interlock that tripped: the plan may have ended, or failed, in the same moment."""
    told = [] if failure is None else [str(failure)]
    silent = [words for words in tripped if words not in "".join(told)]
    if not silent and not not_latched:
        return failure
    return InterlockError(
        "; ".join([*told, *silent, *not_latched] if told else [*silent, *not_latched, "the plan ended"])
    )


def _tell(failure: FlowlabError | None, unsafe: dict[str, FlowlabError]) -> None:
    """Raise what went wrong, in the plan or in making the instrument safe."""
    if failure is None and not unsafe:
        return
    message = str(failure) if failure else "the plan ended"
    message += f"; NOT SAFE: {'; '.join(map(str, unsafe.values()))}" if unsafe else "; the instrument is safe"
    kind = type(failure) if failure else FlowlabError
    raise kind(message) from failure


def _metadata(config: InstrumentConfig, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "instrument": config.name,
        "material": config.material,
        "plan_parameters": spec["parameters"],
        "software": {
            "name": "flowlab",
            "version": flowlab.__version__,
            "python": platform.python_version(),
            "packages": {name: version(name) for name in ("bluesky", "ophyd", "event-model", "numpy", "scipy")},
        },
        "config": config.model_dump(mode="json", by_alias=True, exclude_none=True),
        **spec.get("metadata", {}),
    }


if __name__ == "__main__":
    main()
