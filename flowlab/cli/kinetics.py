"""``flowlab kinetics``: rate constants from finished runs, and where clusters should accumulate."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowlab.cli.options import DATA, Data
from flowlab.errors import BadInputError

if TYPE_CHECKING:
    from flowlab.stream import StoredRun

_STDOUT = "-"


def kinetics(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…",
            help="Runs that scanned temperatures or residence times: uid, or the beginning of it, or a path to the "
            "folder, the journal or run.nxs in it. Several are fitted together.",
        ),
    ],
    material: Annotated[str, typer.Option("--material", "-m", help="What it is: CdSe, or a file.")],
    json_out: Annotated[
        str | None,
        typer.Option("--json", metavar="OUT", help="Write the answer as JSON to a file; - prints it instead."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write one self-contained page with figures.")
    ] = None,
    residence_time_s: Annotated[
        float | None,
        typer.Option(min=0.01, max=1e5, help="For the window, in s; that of most samples when not given."),
    ] = None,
    scatter: Annotated[
        float,
        typer.Option(min=0.001, max=1.0, help="Relative scatter of heights between samples, beside their errors."),
    ] = 0.1,
    data: Data = DATA,
) -> None:
    """Fit the stepwise growth of clusters by monomer to runs: rate constants, and the window of accumulation."""
    from flowlab.config import load_material
    from flowlab.report.kinetics import kinetics_of
    from flowlab.report.kinetics_words import as_json, constants, notes, summary, window

    known = load_material(material)
    stored = [_find(run, data) for run in runs]
    to_stdout = json_out == _STDOUT
    target = None if json_out is None or to_stdout else Path(json_out)
    for out in (target, plot):
        _refuse_to_overwrite(out, stored)
    found = kinetics_of(stored, known, scatter, residence_time_s)
    text = json.dumps(as_json(found), allow_nan=False) + "\n"
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    if plot is not None:
        from flowlab.report.kinetics_page import write_page

        write_page(found, plot)
    if to_stdout:
        sys.stdout.write(text)
        return
    lines = [summary(found), "", *window(found), "", *constants(found), "", *notes(found)]
    sys.stdout.write("\n".join(lines).rstrip() + "\n")
    for written in (target, plot):
        if written is not None:
            sys.stdout.write(f"{written}\n")


def _find(run: str, data: Path) -> "StoredRun":
    from flowlab.stream import RunStore

    try:
        return RunStore(data).find(run)
    except OSError as error:
        raise BadInputError(f"{run}: cannot be looked up: {error.strerror}") from None


def _refuse_to_overwrite(out: Path | None, stored: "list[StoredRun]") -> None:
    """Runs are not written over with what was made of them."""
    if out is None:
        return
    if out.is_dir():
        raise BadInputError(f"{out}: is a folder; name the file to write in it")
    for run in stored:
        if out.exists() and any(file.exists() and out.samefile(file) for file in (run.journal, run.results, run.nexus)):
            raise BadInputError(f"{out}: is a file of the run; name another to write to")
