"""Why a run ended, in its stop document: bluesky leaves it out of an abort, and prints a status where one failed."""

from collections.abc import Callable, Generator
from typing import Any

from bluesky.protocols import Status
from bluesky.utils import Msg, MsgGenerator

from flowlab.errors import FlowlabError


def with_reasons(plan: MsgGenerator[Any], why_aborted: Callable[[], str], failed: list[str]) -> MsgGenerator[Any]:
    """The plan, whose runs say why they were aborted or failed.

    Args:
        plan: any.
        why_aborted: asked when a run is aborted.
        failed: gets what runs failed of, which a failing clean-up would hide.
    """
    thrown: BaseException | None = None
    try:
        message = next(plan)
        while True:
            try:
                answer = yield _with_reason(message, thrown, why_aborted, failed)
            except GeneratorExit:
                plan.close()
                raise
            except BaseException as error:  # noqa: BLE001  it goes on into the plan, whatever it is
                thrown = error
                message = _throw(plan, error)
            else:
                message = plan.send(answer)
    except StopIteration as end:
        return end.value


def _throw(plan: MsgGenerator[Any], error: BaseException) -> Msg:
    generator: Generator[Msg, Any, Any] = plan
    return generator.throw(error)


def _with_reason(message: Msg, thrown: BaseException | None, why_aborted: Callable[[], str], failed: list[str]) -> Msg:
    """The message; when it ends a run badly, with the reason."""
    status = message.kwargs.get("exit_status") if message.command == "close_run" else None
    reason = str(message.kwargs.get("reason") or "")
    if status == "abort":
        return message._replace(kwargs=message.kwargs | {"reason": why_aborted()})
    if status != "fail":
        return message
    if thrown is not None and reason == str(thrown):  # not one that the plan made good before it failed
        reason = str(ours(thrown) or reason)
    failed.append(reason)
    return message._replace(kwargs=message.kwargs | {"reason": reason})


def ours(error: BaseException) -> FlowlabError | None:
    """The error of ours that bluesky wrapped, if there is one: a failed status has it as its cause."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, FlowlabError):
            return current
        if isinstance(current, BaseExceptionGroup):
            queue.extend(current.exceptions)
        queue += [*(a for a in current.args if isinstance(a, BaseException)), current.__cause__, current.__context__]
        queue += [status.exception() for status in current.args if isinstance(status, Status) and status.done]
    return None
