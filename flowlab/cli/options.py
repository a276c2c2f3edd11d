"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[str, typer.Argument(help="Instrument file, or the name of a shipped one: simulated-flow.")]
ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="Instrument file, or the name of a shipped one: simulated-flow.")
]
Data = Annotated[Path, typer.Option(help="Folder in which runs are kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Speed = Annotated[
    float | None,
    typer.Option(min=0.1, max=2000.0, help="Plant seconds per second, instead of the configured ones."),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Seed of noise, lamp drift and bubbles, instead of the configured one. Runs with one seed agree within "
        "the noise, not to the last byte: wires take the time they take.",
    ),
]

DATA = Path("flowlab-data")
