"""``flowlab devices``: who is there, and what each reads."""

import json
import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowlab.cli.options import ConfigOption, Json
from flowlab.errors import FlowlabError

if TYPE_CHECKING:
    from flowlab.daemon.roll_call import Answer, Reading


def devices(
    name: Annotated[str | None, typer.Argument(help="Only this device, and those that it is made of.")] = None,
    config: ConfigOption = "simulated-flow",
    as_json: Json = False,
) -> None:
    """Connect each device of an instrument, print what it reads, and leave it safe.

    Nothing is set in motion: pumps are stopped, then everything that was connected goes into its safe state, as at
    the end of a plan. Not while a plan runs, which that would end. The exit code is 1 when a device failed.
    """
    from flowlab.config import load_instrument

    loaded = load_instrument(config)

    from flowlab.bench import Bench
    from flowlab.daemon.roll_call import call

    with Bench(loaded, config) as bench:
        answers = call(bench, name, _keep_quiet if as_json else _show)
    if as_json:
        facts = {"instrument": loaded.name, "devices": {answer.name: answer.facts() for answer in answers}}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        safe = [answer.name for answer in answers if answer.safe]
        sys.stdout.write(f"left safe: {', '.join(safe) or 'none'}\n")
    failures = [answer.failure for answer in answers if answer.failure]
    if failures:
        hint = f" (a simulated instrument: start it with flowlab simulate {config})" if loaded.simulation else ""
        raise FlowlabError(f"{len(failures)} of {len(answers)} failed: {'; '.join(failures)}{hint}")


def _keep_quiet(answer: "Answer") -> None:
    """All of it is one JSON object, at the end."""


def _show(answer: "Answer") -> None:
    where = f" at {answer.address}" if answer.address else ""
    lines = [f"{answer.name} ({answer.kind}{where})"]
    empty: list[str] = []
    for quantity, reading in (answer.readings | answer.configuration).items():
        if _is_missing(reading.value):
            empty.append(quantity)
        else:
            lines.append(f"  {quantity:22} {_in_words(reading)}")
    if empty:
        lines.append(f"  without a value so far: {', '.join(empty)}")
    if answer.failure:
        lines.append("  FAILED")  # why is said at the end, on standard error
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value) or (isinstance(value, float) and math.isnan(value))


def _in_words(reading: "Reading") -> str:
    value = reading.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = f"{value:.6g}"
    elif getattr(value, "size", 1) > 1:
        value = f"{value.min():.6g}…{value.max():.6g}"
    units = "" if reading.units == "1" else f" {reading.units}"
    return f"{value}{units}".rstrip()
