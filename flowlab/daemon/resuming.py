"""Going on with a scan that was interrupted: what is asked of a plan so that it does the rest, as another run.

Everything is told from the documents of the runs; no plan is loaded, and no bluesky imported.
"""

from dataclasses import dataclass
from typing import Any

from flowlab.config import InstrumentConfig
from flowlab.errors import BadInputError
from flowlab.stream import RunStore, earlier_documents
from flowlab.stream.journal import read_first
from flowlab.stream.resumed import complete_points, documents_of, first_point_of, points_of

#: What must be as it was, or the points of both runs would not be of one scan.
_SAME_TABLES = ("material", "flow_path", "saxs")


@dataclass(frozen=True)
class Resumption:
    """What goes on with a scan.

    Attributes:
        plan: its name.
        parameters: as they were asked for first.
        first_point: how many points of the scan are complete; what the plan is given beside its parameters.
        metadata: for the start document.
    """

    plan: str
    parameters: dict[str, Any]
    first_point: int
    metadata: dict[str, Any]


def resume_of(store: RunStore, run_uid: str, config: InstrumentConfig) -> Resumption:
    """What is left of a scan whose run came to an early end, however it did.

    Journals are read from beginning to end: not in the thread of an event loop.

    Args:
        store: the runs.
        run_uid: of the one to be resumed, which may have resumed another. It must have ended: who asks knows.
        config: of the instrument that is to go on.

    Raises:
        BadInputError: there is no such run, all of it is complete, it was resumed already, its plan cannot be resumed,
            or the scan would not go on as the same.
        JournalError: a journal cannot be read.
    """
    documents = documents_of(store.run(run_uid))
    start = documents[0][1]
    first, points = first_point_of(start), points_of(start)
    done = complete_points(documents)
    if done == points:
        raise BadInputError(f"run {run_uid}: all of its {points} points are complete; there is nothing to resume")
    if (by := _resumed_by(store, run_uid)) is not None:
        raise BadInputError(f"run {run_uid}: was resumed already, by run {by}; resume that one")
    _check_instrument(start, config)
    for _ in earlier_documents(store, start):
        pass  # or nobody could analyse the scan as one
    return Resumption(str(start["plan_name"]), dict(start["plan_parameters"]), first + done, {"resumes": run_uid})


def _resumed_by(store: RunStore, run_uid: str) -> str | None:
    """The run that resumed a run."""
    for journal in store.journals():
        first = read_first(journal) if journal.stem == "documents" else None
        if first is not None and first.doc.get("resumes") == run_uid:
            return first.run_uid
    return None


def _check_instrument(start: dict[str, Any], config: InstrumentConfig) -> None:
    """Refuse an instrument that is another, or no longer what it was.

    Raises:
        BadInputError: it is.
    """
    uid, plan = start["uid"], start.get("plan_name")
    if start.get("instrument") != config.name:
        raise BadInputError(f"run {uid}: is of the instrument {start.get('instrument')}, this is {config.name}")
    if plan not in config.plans or not isinstance(start.get("plan_parameters"), dict):
        raise BadInputError(f"run {uid}: {config.name} has no plan {plan!r} to resume it with")
    before, now = start.get("config") or {}, config.model_dump(mode="json", by_alias=True, exclude_none=True)
    changed = [key for key in _SAME_TABLES if before.get(key) != now.get(key)]
    if (before.get("plans") or {}).get(plan) != now["plans"][plan]:
        changed.append(f"plans.{plan}")
    if changed:
        raise BadInputError(
            f"run {uid}: {' and '.join(changed)} of the instrument file changed since; its points and new ones would "
            "not be of one scan; put that back, or run the plan anew"
        )
