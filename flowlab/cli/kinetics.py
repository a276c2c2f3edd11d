"""``flowlab kinetics``: rate constants from finished runs, and where clusters should accumulate."""

from typing import Annotated

import typer

from flowlab.cli.options import DATA, Data, find_run
from flowlab.cli.outputs import JsonOut, Outputs, Plot


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
    json_out: JsonOut = None,
    plot: Plot = None,
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

    known = load_material(material)
    stored = [find_run(run, data) for run in runs]
    outputs = Outputs(json_out, plot, [file for run in stored for file in (run.journal, run.results, run.nexus)])

    from flowlab.report.kinetics import kinetics_of
    from flowlab.report.kinetics_words import as_json, constants, notes, summary, window

    found = kinetics_of(stored, known, scatter, residence_time_s)
    if plot is not None:
        from flowlab.report.kinetics_page import write_page

        write_page(found, plot)
    lines = [summary(found), "", *window(found), "", *constants(found), "", *notes(found)]
    outputs.write(as_json(found), "\n".join(lines).rstrip() + "\n")
