"""What can be asked of the daemon, by whatever way: the control socket, and through it the command line and HTTP.

Everything that is refused is refused in words, with a :class:`flowlab.errors.FlowlabError`; a
:class:`flowlab.errors.BadInputError` means that the question itself is wrong. Nothing moved then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from flowlab.daemon.plan_queue import Item, Place, PlanQueue
from flowlab.errors import FlowlabError

#: What a person is told of the whole. *interrupted*: an item came to an end that nobody saw, and nothing begins before
#: that is acknowledged. *unsafe*: it is not known that the instrument is safe, and nothing begins before it is.
State = Literal["starting", "idle", "running", "paused", "interrupted", "unsafe", "stopping"]
#: The devices: connected and watched by their interlocks, or not.
Environment = Literal["closed", "opening", "open", "closing"]
#: The RunEngine.
Engine = Literal["idle", "running", "pausing", "paused", "ending"]
#: How a plan can be ended, the weakest first: as if it were done; aborted, with its clean-up; or without even that.
Ending = Literal["stop", "abort", "halt"]


class NotNowError(FlowlabError):
    """What is asked for cannot be done in the state that the daemon is in."""


@dataclass(frozen=True)
class RunFacts:
    """A run of the item that runs.

    Attributes:
        exit_status: of its stop document; None while it is open.
    """

    uid: str
    exit_status: str | None = None


@dataclass(frozen=True)
class EndingFacts:
    """How the plan that runs comes to its end.

    Attributes:
        how: None: nobody wanted it to, it failed.
        why: in words.
        since: Unix time, in seconds.
    """

    how: Ending | None
    why: str
    since: float


def ending_in_words(ending: Mapping[str, Any]) -> str:
    """The facts of an ending, ``ending: abort, asked for by anna``."""
    return f"ending: {', '.join(filter(None, [ending['how'], ending['why']]))}"


@dataclass(frozen=True)
class Situation:
    """How things stand.

    Attributes:
        why: what is wrong, in words; None when nothing is.
        stop_pending: the queue stops after the item that runs.
        pause_pending: a pause was asked for, and the plan has not come to a checkpoint yet.
        runs: of the item that runs.
        runs_uid: another one after each change of ``runs``.
        plans_uid: another one when other plans and devices are there.
    """

    state: State
    why: str | None
    environment: Environment
    engine: Engine
    stop_pending: bool
    pause_pending: bool
    runs: Sequence[RunFacts]
    runs_uid: str
    plans_uid: str


class Desk(Protocol):
    """The daemon, as who asks it sees it. All of it is called in one thread, that of the event loop."""

    #: Read as one likes; changed through :meth:`add` and :meth:`update`, which look at what is asked for, or directly
    #: where nothing has to be looked at (move, remove, clear, loop, clear_history).
    queue: PlanQueue

    def situation(self) -> Situation:
        """How things stand."""
        ...

    def facts(self) -> dict[str, Any]:
        """What ``flowlab status --json`` prints."""
        ...

    async def plans(self) -> Mapping[str, dict[str, Any]]:
        """JSON Schema of the parameters of each plan; its ``description`` is what the plan says of itself."""
        ...

    async def devices(self) -> Mapping[str, dict[str, Any]]:
        """``class`` and ``module`` of each device, and whether it is ``readable``, ``movable``, ``flyable``."""
        ...

    async def add(self, items: Sequence[Item], place: Place) -> list[Item]:
        """Queue items, once each has been found to be allowed; all or none. Begins one when the queue runs."""
        ...

    async def update(self, item: Item, *, keep_uid: bool) -> Item:
        """Put another item in the place of one, once it has been found to be allowed."""
        ...

    async def preflight(self, plan: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """What a plan would do, at most: steps, seconds, volumes, whether there is enough."""
        ...

    def acknowledge(self, uid: str) -> Item:
        """See :meth:`PlanQueue.acknowledge`."""
        ...

    def interlocks(self) -> Mapping[str, dict[str, Any] | None]:
        """See :meth:`flowlab.daemon.latches.Latches.of`."""
        ...

    async def acknowledge_interlock(self, name: str, user: str) -> None:
        """See :meth:`flowlab.daemon.latches.Latches.acknowledge`; refused where it trips again at once."""
        ...

    async def resume_item(self, uid: str) -> Item:
        """Queue, at the front, what is left of an item of the history that was interrupted, failed or aborted."""
        ...

    async def open_environment(self) -> None:
        """Connect the devices; returns when that has begun, or is so already."""
        ...

    async def close_environment(self) -> None:
        """Make the instrument safe and let go of the devices; refused while a plan runs."""
        ...

    async def destroy_environment(self) -> None:
        """Kill the worker, whatever it does, and make the instrument safe from another process."""
        ...

    def start_queue(self) -> None:
        """Run the items of the queue, one after another, until it is empty."""
        ...

    def stop_queue(self, *, cancel: bool = False) -> None:
        """Stop after the item that runs; or, with ``cancel``, no longer want to."""
        ...

    def pause(self, *, deferred: bool) -> None:
        """Pause at the next checkpoint, or at once."""
        ...

    def resume(self) -> None:
        """Go on after a pause."""
        ...

    def end(self, how: Ending, why: str) -> None:
        """End the plan that runs or is paused, and have its record say why; the queue stops."""
        ...

    async def make_safe(self, *, dry_run: bool) -> dict[str, str | None]:
        """Abort what runs and bring the instrument into its safe state, each device read back.

        Returns:
            By device None, or what keeps it from being safe; for a rehearsal what would be done.
        """
        ...
