"""How plans end, other than well: the kinds of it, and what is said of each in one line."""

import logging
import traceback

from bluesky.utils import PlanHalt, RequestAbort

from flowlab.daemon.reasons import ours
from flowlab.errors import FlowlabError

_ENDED_FROM_OUTSIDE = {RequestAbort: "the plan was aborted", PlanHalt: "the plan was halted"}


class InterlockError(FlowlabError):
    """An interlock ended the plan, and is latched."""


class UnforeseenError(FlowlabError):
    """An error that is none of ours ended the plan: a defect of this program; its traceback is in the log."""


class AbortedError(FlowlabError):
    """The plan was aborted from outside."""

    exit_code = 130


class StoppedError(AbortedError):
    """The plan was stopped from outside, as if it were done."""


class HaltedError(AbortedError):
    """The plan was halted from outside, without its clean-up."""


def in_words(error: Exception) -> FlowlabError:
    """What a person should read of an error; the traceback of one that is none of ours goes to the log."""
    known = ours(error)
    if known is not None:
        return known
    traceback.print_exception(error)
    return UnforeseenError(f"{type(error).__name__}: {' '.join(str(error).split())}")


def without_traceback(record: logging.LogRecord) -> bool:
    """Filter of the engine's log: that a plan was ended from outside is no error, and is told in a line.

    The last line of a log is told of a process that dies: it is to be one for whoever reads that.
    """
    kind = record.exc_info[0] if record.exc_info else None
    if kind in _ENDED_FROM_OUTSIDE:
        record.msg, record.args = _ENDED_FROM_OUTSIDE[kind], ()
        record.exc_info = record.exc_text = None
    return True


def after(failed: list[str], last: FlowlabError) -> FlowlabError:
    """What a plan ended with, behind what its run failed of."""
    return FlowlabError(f"{failed[0]}; then {last}") if failed and failed[0] not in str(last) else last


def with_trips(failure: FlowlabError, tripped: list[str], not_latched: list[str]) -> FlowlabError:
    """What went wrong, with every interlock that tripped: the plan may have failed in the same moment."""
    silent = [words for words in tripped if words not in str(failure)]
    if not silent and not not_latched:
        return failure
    return InterlockError("; ".join([str(failure), *silent, *not_latched]))
