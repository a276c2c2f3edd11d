"""The command line. Every complaint is one line on standard error; exit codes: 0 done, 1 failed, 2 bad input.

Commands import what they need when they run, so that ``flowlab --help`` is there at once.
"""

import signal
import sys
from types import FrameType

import typer

from flowlab.cli import demo, inspect, runs, simulate
from flowlab.errors import FlowlabError


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: the same as Ctrl-C, with another exit code."""

    exit_code = 143


#: Any wrong word on the command line; typer has no public name for it, but for one kind of it.
USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__base__  # type: ignore[assignment]

app = typer.Typer(
    name="flowlab",
    help="Instrument control and in situ acquisition for continuous-flow nanocrystal synthesis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo.demo)
app.command()(simulate.simulate)
app.command()(runs.run)
app.command()(runs.replay)
app.command()(runs.report)
app.command()(inspect.check)
app.command()(inspect.plans)
app.command("safe-state")(simulate.safe_state)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(standalone_mode=False)
    except FlowlabError as error:
        complain(str(error))
        code = error.exit_code
    except USAGE_ERROR as error:
        complain(f"{error.format_message()} (see --help)")
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort) as interrupt:
        complain("interrupted")
        code = getattr(interrupt, "exit_code", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"flowlab: {' '.join(text.split())}\n")
