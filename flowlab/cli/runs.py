"""``flowlab run``, ``replay``, ``report`` and ``export``: runs, before and after."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowlab.cli.options import DATA, Config, Data, Json, find_run, json_object

if TYPE_CHECKING:
    pass

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
    from flowlab.config import load_instrument, load_material
    from flowlab.daemon.plans import Plan

    # A mistake is told before anything is started, and before what takes seconds to import is.
    wanted = json_object(parameters)
    loaded = load_instrument(config)
    Plan(loaded, plan, config).check(wanted)
    load_material(loaded.material)  # or nobody would analyse what the plan measures

    from flowlab.cli.progress import RunProgress
    from flowlab.daemon.session import Session
    from flowlab.report.page import write_report
    from flowlab.report.words import answer

    session = Session(config, data, simulate=False)
    with session, RunProgress(session.documents) as progress:
        outcome = session.run(plan, wanted, progress.watch)
    for problem in outcome.problems:
        sys.stderr.write(f"flowlab: {problem}\n")
    reported = write_report(outcome.stored, outcome.stored.report) if outcome.to_be_analysed else None
    if as_json:
        facts = {"run_uid": outcome.run_uid, "folder": str(outcome.stored.folder), "seconds": outcome.seconds}
        sys.stdout.write(json.dumps(facts) + "\n")
    elif reported is None:
        sys.stdout.write(f"\n{plan} is done; there is nothing to analyse.\n\njournal  {outcome.stored.journal}\n")
    else:
        files = {"report": outcome.stored.report, "nexus": outcome.stored.nexus, "journal": outcome.stored.journal}
        listed = "".join(f"{name:8} {path}\n" for name, path in files.items())
        sys.stdout.write(f"\n{answer(reported)}\n\n{listed}")


def report(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write; figures go beside it.")],
    data: Data = DATA,
) -> None:
    """Write the report of a run: one HTML page, figures as PNG."""
    from flowlab.report.page import write_report
    from flowlab.report.words import answer

    reported = write_report(find_run(run, data), out)
    sys.stdout.write(f"{answer(reported)}\n{out}\n")


class ExportFormat(StrEnum):
    """What can be exported."""

    CSV = "csv"
    NXCANSAS = "nxcansas"
    NEXUS = "nexus"


_ENDINGS = {ExportFormat.CSV: "-csv", ExportFormat.NXCANSAS: "-nxcansas.h5", ExportFormat.NEXUS: ".nxs"}


def export(
    run: Run,
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="csv: tables of the results, and a file for each reduced curve; nxcansas: the reduced SAXS curves, as "
            "SasView and others read them; nexus: everything.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write, a folder for csv; named after the run when not given."),
    ] = None,
    data: Data = DATA,
) -> None:
    """Write a run in a format that other programs read."""
    from flowlab.report.load import results_of
    from flowlab.storage.export import export_run

    stored = find_run(run, data)
    target = out or Path(f"{stored.folder.absolute().name}{_ENDINGS[form]}")
    for path in export_run(stored, results_of(stored), form.value, target):
        sys.stdout.write(f"{path}\n")


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

    The results are compared with those that were recorded; where they are not the same, the exit code is 1.
    """
    from flowlab.cli.progress import RunProgress
    from flowlab.daemon.replay import replay_run

    stored = find_run(run, data)
    with RunProgress() as progress:
        outcome = replay_run(stored, speed, progress.watch)
    if as_json:
        sys.stdout.write(json.dumps(outcome.facts()) + "\n")
    else:
        sys.stdout.write(f"{outcome.describe()}\n")
    if outcome.identical is False:
        raise typer.Exit(1)
