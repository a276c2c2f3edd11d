"""``flowlab run``, ``replay`` and ``report``: runs, before and after."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flowlab.cli.options import DATA, Config, Data, Json
from flowlab.errors import BadInputError

Run = Annotated[str, typer.Argument(help="uid of a run, or the beginning of it, or a path to its folder or journal.")]


def run(
    config: Config,
    plan: Annotated[str, typer.Argument(help="A plan that the instrument has; see flowlab plans.")],
    parameters: Annotated[str, typer.Argument(help="Its parameters as JSON.", metavar="JSON")] = "{}",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Run one plan, with live analysis, file and report.

    The instrument is a real one, or one that `flowlab simulate` runs elsewhere.
    """
    from flowlab.cli.progress import RunProgress
    from flowlab.daemon.session import Session
    from flowlab.report.page import write_report
    from flowlab.report.words import answer

    wanted = _json_object(parameters)
    with Session(config, data, simulate=False) as session, RunProgress() as progress:
        outcome = session.run(plan, wanted, progress.watch)
    reported = write_report(outcome.stored, outcome.stored.report)
    for problem in outcome.problems:
        sys.stderr.write(f"flowlab: {problem}\n")
    if as_json:
        facts = {"run_uid": outcome.run_uid, "folder": str(outcome.stored.folder), "seconds": outcome.seconds}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        sys.stdout.write(f"\n{answer(reported)}\n\nreport   {outcome.stored.report}\n")


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError(f"the parameters are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInputError(f'the parameters are a {type(value).__name__}; give a JSON object: {{"name": value}}')
    return value


def report(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write; figures go beside it.")],
    data: Data = DATA,
) -> None:
    """Write the report of a run: one HTML page, figures as PNG."""
    from flowlab.report.page import write_report
    from flowlab.report.words import answer
    from flowlab.stream import RunStore

    reported = write_report(RunStore(data).find(run), out)
    sys.stdout.write(f"{answer(reported)}\n{out}\n")


def replay(
    run: Run,
    data: Data = DATA,
    speed: Annotated[
        float | None,
        typer.Option(min=0.01, help="Times faster than it was recorded; as fast as possible when not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a run again, analyse it live, and compare.

    The answer is compared with the analysis that was recorded: identical, or where they differ.
    """
    from flowlab.cli.progress import RunProgress
    from flowlab.daemon.replay import replay_run
    from flowlab.stream import RunStore

    stored = RunStore(data).find(run)
    with RunProgress() as progress:
        outcome = replay_run(stored, speed, progress.watch)
    if as_json:
        sys.stdout.write(json.dumps(outcome.facts()) + "\n")
    else:
        sys.stdout.write(f"{outcome.describe()}\n")
