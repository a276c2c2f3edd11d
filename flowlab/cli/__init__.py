"""The command line. Every complaint is one line on standard error; exit codes: 0 done, 1 failed, 2 bad input.

Commands import what they need when they run, so that ``flowlab --help`` is there at once.
"""

import io
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

import flowlab
from flowlab.cli import (
    access,
    analyze,
    daemon,
    demo,
    devices,
    fault,
    inspect,
    interlocks,
    kinetics,
    runs,
    service,
    simulate,
    watch,
)
from flowlab.errors import FlowlabError


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: the same as Ctrl-C, with another exit code."""

    exit_code = 143


_INTERRUPTED = 130
_signalled: list[TerminatedError] = []

#: Any wrong word on the command line; typer has no public name for it, but for one kind of it.
USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__base__  # type: ignore[assignment]

app = typer.Typer(
    name="flowlab",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def print_version(asked: bool) -> None:
    """Print the version and leave, when asked to."""
    if asked:
        typer.echo(f"flowlab {flowlab.__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """Instrument control and in situ acquisition for continuous-flow nanocrystal synthesis."""


app.command()(demo.demo)
app.command()(daemon.up)
app.command()(daemon.status)
app.command()(watch.watch)
app.add_typer(daemon.queue)
app.command()(daemon.pause)
app.command()(daemon.resume)
app.command()(daemon.abort)
app.command()(daemon.halt)
app.command()(simulate.simulate)
app.command()(fault.fault)
app.command()(runs.run)
app.command()(runs.replay)
app.command()(runs.report)
app.command()(runs.export)
app.command()(analyze.analyze)
app.command()(kinetics.kinetics)
app.command()(inspect.check)
app.command()(inspect.plans)
app.command()(devices.devices)
app.command()(interlocks.interlocks)
app.command("safe-state")(simulate.safe_state)
app.command("install-service")(service.install_service)
app.add_typer(access.keys)
app.add_typer(access.tokens)


def main() -> None:
    """Run the command line."""
    # Matrices are small here, and the cores are for processes: threads of linear algebra would only wait for each
    # other, and take a tenth of a second of each process to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ° is no reason to fail
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == _INTERRUPTED:  # typer's silent word for a KeyboardInterrupt
            raise _signalled[-1] if _signalled else KeyboardInterrupt
        sys.stdout.flush()
    except FlowlabError as error:
        complain(str(error))
        code = error.exit_code
    except USAGE_ERROR as error:
        complain(f"{error.format_message()} (see --help)")
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort) as interrupt:
        complain("interrupted")
        code = getattr(interrupt, "exit_code", 130)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # whoever read along has had enough, and needs no complaint
            complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        _finish_output()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _terminate(number: int, frame: FrameType | None) -> None:
    _signalled.append(TerminatedError())
    raise _signalled[-1]


def _finish_output() -> None:
    """Write out what is left, or have it forgotten where nobody takes it: the interpreter would try again, aloud."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"flowlab: {' '.join(text.split())}\n")
