"""Options that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowlab.errors import BadInputError

if TYPE_CHECKING:
    from flowlab.stream import StoredRun

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


def find_run(run: str, data: Path) -> "StoredRun":
    """A run that is kept in ``data``, by its uid, the beginning of it, or a path.

    Raises:
        BadInputError: there is none, or it cannot be looked up.
    """
    from flowlab.stream import RunStore

    try:
        return RunStore(data).find(run)
    except OSError as error:
        raise BadInputError(f"{run}: cannot be looked up: {error.strerror}") from None


def account() -> str:
    """Who uses the command line."""
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return "unknown"


def json_object(text: str) -> dict[str, Any]:
    """Parameters of a plan, as they are given on the command line.

    Raises:
        BadInputError: this is no JSON object.
    """
    try:
        value = json.loads(text, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        raise BadInputError(f"the parameters are not JSON: {error}") from None
    except RecursionError:
        raise BadInputError("the parameters are nested too deeply") from None
    if not isinstance(value, dict):
        raise BadInputError(f'the parameters are a {type(value).__name__}; give a JSON object: {{"name": value}}')
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys occur once: of two the reader would take one, and nobody would know which."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise BadInputError(f"the parameters have {twice!r} twice; each may be given once")
    return found
