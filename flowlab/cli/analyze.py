"""``flowlab analyze``: the answer for spectra that are in files."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowlab.errors import BadInputError

_STDOUT = "-"


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
    json_out: Annotated[
        str | None,
        typer.Option("--json", metavar="OUT", help="Write the answer as JSON to a file; - prints it instead."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write one self-contained page with figures.")
    ] = None,
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
    to_stdout = json_out == _STDOUT
    target = None if json_out is None or to_stdout else Path(json_out)
    for out in (target, plot):
        _refuse_to_overwrite(out, files)
    analysed = analyse_files(files, known)
    for one in analysed:
        for warning in one.warnings:
            sys.stderr.write(f"flowlab: {one.source}: {warning}\n")
    text = json.dumps(as_json(analysed, known.name), allow_nan=False) + "\n"
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    if plot is not None:
        from flowlab.report.files_page import write_page

        write_page(analysed, known, path_mm, plot)
    if to_stdout:
        sys.stdout.write(text)
        return
    for one, told in zip(analysed, answers(analysed), strict=True):
        found = details(one, known, one.path_mm or path_mm)
        sys.stdout.write("\n".join([told, *(f"  {sentence}" for sentence in found)]) + "\n")
    for written in (target, plot):
        if written is not None:
            sys.stdout.write(f"{written}\n")


def _refuse_to_overwrite(out: Path | None, files: list[Path]) -> None:
    """Data are not written over with what was made of them."""
    if out is None:
        return
    if out.is_dir():
        raise BadInputError(f"{out}: is a folder; name the file to write in it")
    if out.exists() and any(file.exists() and out.samefile(file) for file in files):
        raise BadInputError(f"{out}: is one of the files to be analysed; name another to write to")
