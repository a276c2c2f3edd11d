"""Where the answer of a command goes: to the terminal, to a JSON file, to a page with figures."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from flowlab.errors import BadInputError

JsonOut = Annotated[
    str | None,
    typer.Option("--json", metavar="OUT", help="Write the answer as JSON to a file; - prints it instead."),
]
Plot = Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write one self-contained page with figures.")]

_STDOUT = "-"


class Outputs:
    """What the options of an answer ask for.

    Args:
        json_out: a file, or ``-``.
        plot: a file.
        inputs: what the answer is made of; none of it is written over.

    Raises:
        BadInputError: an output is a folder, or one of the inputs.

    Attributes:
        plot: where the page goes.
        json_to_stdout: whether JSON is all that is printed.
    """

    def __init__(self, json_out: str | None, plot: Path | None, inputs: Iterable[Path]):
        self.json_to_stdout = json_out == _STDOUT
        self.plot = plot
        self._json = None if json_out is None or self.json_to_stdout else Path(json_out)
        self._files = [out for out in (self._json, plot) if out is not None]
        data = [path for path in inputs if path.exists()]
        for out in self._files:
            if out.is_dir():
                raise BadInputError(f"{out}: is a folder; name the file to write in it")
            if out.exists() and any(out.samefile(path) for path in data):
                raise BadInputError(f"{out}: is what the answer is made of; name another file to write to")

    def write(self, answer: Any, text: str) -> None:
        """Write the answer as JSON where that was asked for; print ``text``, and what was written, unless JSON was."""
        told = json.dumps(answer, allow_nan=False) + "\n"
        if self.json_to_stdout:
            sys.stdout.write(told)
            return
        if self._json is not None:
            self._json.parent.mkdir(parents=True, exist_ok=True)
            self._json.write_text(told, encoding="utf-8")
        sys.stdout.write("".join([text, *(f"{file}\n" for file in self._files)]))
