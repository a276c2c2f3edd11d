"""``flowlab simulate`` and ``flowlab safe-state``: what happens at the instrument itself."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flowlab.cli.options import Config, ConfigOption, Seed, Speed
from flowlab.errors import BadInputError, FlowlabError


def simulate(
    config: Config,
    any_port: Annotated[bool, typer.Option(help="Listen on free ports instead of the configured ones.")] = False,
    speed: Speed = None,
    seed: Seed = None,
    playback: Annotated[
        Path | None, typer.Option(help="Show the spectrometer a measured series instead.", metavar="FILE.csv")
    ] = None,
) -> None:
    """Run the simulators of an instrument until Ctrl-C.

    Their addresses are printed when they listen.
    """
    from flowlab.config import load_instrument
    from flowlab.config.paths import find_config

    loaded = load_instrument(config)
    if loaded.simulation is None:
        raise BadInputError(f"{config}: has no [simulation] table: there is nothing to simulate")
    # Its standard input is its lifeline: the simulators end when this process does, however that comes about.
    command = [sys.executable, "-m", loaded.simulation.module, str(find_config("instruments", config)), "--until-eof"]
    if any_port:
        command.append("--any-port")
    for flag, value in (("--speed", speed), ("--seed", seed), ("--playback", playback)):
        if value is not None:
            command += [flag, str(value)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, process_group=0) as process:  # noqa: S603  ours
        try:
            _announce(process.stdout.readline() if process.stdout else "")
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            code = process.wait()
    if code < 0:
        raise FlowlabError(f"the simulators were killed by signal {-code}")
    raise typer.Exit(code)


def _announce(line: str) -> None:
    if not line:
        return  # it has said on standard error why it does not start
    facts = json.loads(line)["ready"]
    for name, address in facts["addresses"].items():
        sys.stdout.write(f"{name:20} {address}\n")
    sys.stdout.write(f"{'control':20} {facts['control']}\nCtrl-C ends it.\n")
    sys.stdout.flush()


def safe_state(
    config: ConfigOption,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done, in which order.")] = False,
) -> None:
    """Bring the instrument into its safe state.

    Heaters go to their safe temperature, then pumps stop; each is read back.
    """
    from flowlab.bench import Bench
    from flowlab.config import load_instrument

    loaded = load_instrument(config)
    bench = Bench(loaded, config, at_once=False)
    if dry_run:
        with bench:
            for name in loaded.safe_state:
                sys.stdout.write(f"{name:20} would be made safe: {_purpose(bench.device(name))}\n")
        return
    from flowlab.daemon.safe_state import SafeState

    def tell(name: str, error: str | None) -> None:
        with contextlib.suppress(OSError):  # nobody reads along any more: no reason to stop half-way
            sys.stdout.write(f"{name:20} {'safe' if error is None else f'NOT SAFE: {error}'}\n")
            sys.stdout.flush()

    safe_state = SafeState(bench, tell)
    outcome = safe_state.make_safe()
    if not safe_state.hanging:  # what hangs holds locks that closing would wait for
        bench.close()
    if any(outcome.values()):
        raise FlowlabError("not everything is safe")


def _purpose(device: Any) -> str:
    return (device.make_safe.__doc__ or "").strip().splitlines()[0].rstrip(".")
