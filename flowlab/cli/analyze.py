"""``flowlab analyze``: the answer for spectra that are in files."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowlab.cli.outputs import JsonOut, Outputs, Plot


def analyze(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Tables of wavelengths and spectra (CSV), two columns for each spectrum (as SpectraSuite and "
            "OceanView save them; several files are one series), JCAMP-DX, run.nxs or documents.journal.",
        ),
    ],
    material: Annotated[
        str, typer.Option("--material", "-m", help="What it is: CdSe, CdTe, CdS, ZnSe, InP, PbS, InSb, or a file.")
    ],
    json_out: JsonOut = None,
    plot: Plot = None,
    path_mm: Annotated[
        float | None,
        typer.Option(min=1e-3, max=1000.0, help="Optical path, for concentrations, where the files do not tell it."),
    ] = None,
) -> None:
    """Tell which bands of a series of absorption spectra stay (clusters) and which move (crystals)."""
    from flowlab.config import load_material
    from flowlab.report.answers import as_json
    from flowlab.report.files import analyse_files
    from flowlab.report.files_words import answers, details

    known = load_material(material)
    outputs = Outputs(json_out, plot, files)
    analysed = analyse_files(files, known)
    for one in analysed:
        for warning in one.warnings:
            sys.stderr.write(f"flowlab: {one.source}: {warning}\n")
    if plot is not None:
        from flowlab.report.files_page import write_page

        write_page(analysed, known, path_mm, plot)
    lines: list[str] = []
    for one, told in zip(analysed, answers(analysed), strict=True):
        found = details(one, known, one.path_mm or path_mm)
        lines += [told, *(f"  {sentence}" for sentence in found)]
    outputs.write(as_json(analysed, known.name), "\n".join(lines) + "\n")
