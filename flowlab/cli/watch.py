"""``flowlab watch``: what the instrument does, in a terminal; nothing can be done from there."""

import json
import sys
from typing import Annotated

import typer

from flowlab.cli.daemon import Address, control_address
from flowlab.cli.options import Json


def watch(
    address: Address = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the instrument does, in the terminal; q ends it.

    Where the output is no terminal, one picture is printed.
    """
    from flowlab.daemon.asking import ask

    control = address or control_address()
    facts = ask(control, "flowlab_status")["status"]  # nobody there: said as by every other command

    from rich.console import Console

    from flowlab.cli.watch_live import print_once, show
    from flowlab.cli.watched import Watched, as_plain

    console = Console(highlight=False)
    with Watched(control, facts, frames=as_json) as watched:
        if as_json:
            watched.settle()
            sections = as_plain({**watched.sections, "queue": watched.queue()})
            sys.stdout.write(json.dumps(sections, allow_nan=False) + "\n")
        elif once or not console.is_terminal or console.is_dumb_terminal:
            watched.settle()
            print_once(watched, console)
        else:
            show(watched, console)
