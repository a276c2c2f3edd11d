"""``flowlab simulate`` and ``flowlab safe-state``: what happens at the instrument itself."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowlab.cli.options import Config, Seed, Speed
from flowlab.errors import BadInputError, FlowlabError

if TYPE_CHECKING:
    from flowlab.config import InstrumentConfig

_ANSWERS_WITHIN_S = 10.0


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
    config: Annotated[
        str | None,
        typer.Option("--config", "-c", help="Instrument file, or the name of a shipped one; by default the daemon's."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done, in which order.")] = False,
) -> None:
    """Bring the instrument into its safe state.

    Heaters go to their safe temperature, then pumps stop; each is read back. A daemon that has the instrument is told
    to do it; it aborts what runs.
    """
    from flowlab.bench import Bench
    from flowlab.config import load_instrument
    from flowlab.daemon.state_folder import StateFolder

    config = config or StateFolder().facts().get("config")
    if config is None:
        raise BadInputError("of which instrument? no daemon has ever had one here; give its file: safe-state -c FILE")
    loaded = load_instrument(config)
    bench = Bench(loaded, config, at_once=False)
    if dry_run:
        with bench:
            for name in loaded.safe_state:
                sys.stdout.write(f"{name:20} would be made safe: {_purpose(bench.device(name))}\n")
        return
    outcome = _made_safe_by_daemon(loaded, config)
    if outcome is None:
        from flowlab.daemon.safe_state import SafeState

        safe_state = SafeState(bench, _tell)
        outcome = safe_state.make_safe()
        if not safe_state.hanging:  # what hangs holds locks that closing would wait for
            bench.close()
    else:
        for name, error in outcome.items():
            _tell(name, error)
    if any(outcome.values()):
        raise FlowlabError("not everything is safe")


def _tell(name: str, error: str | None) -> None:
    with contextlib.suppress(OSError):  # nobody reads along any more: no reason to stop half-way
        sys.stdout.write(f"{name:20} {'safe' if error is None else f'NOT SAFE: {error}'}\n")
        sys.stdout.flush()


def _made_safe_by_daemon(config: "InstrumentConfig", name: str) -> dict[str, str | None] | None:
    """Have the daemon do it that has the instrument: two on one wire would fight.

    Returns:
        By device None, or why it is not safe; None when no daemon has it, or the one that has it cannot do it.
    """
    from flowlab.config.paths import find_config
    from flowlab.daemon.asking import RefusedError, ask
    from flowlab.daemon.state_folder import StateFolder

    address = StateFolder().facts().get("addresses", {}).get("control")
    if address is None:
        return None
    limit_s = 2 * config.daemon.finish_s + config.daemon.safe_s + _ANSWERS_WITHIN_S
    try:
        has = ask(address, "flowlab_status", limit_s=_ANSWERS_WITHIN_S)["status"]["config"]
        if not find_config("instruments", name).samefile(has):
            return None
        return ask(address, "flowlab_safe_state", limit_s=limit_s)["outcome"]
    except RefusedError as error:
        return error.answer.get("outcome")
    except (FlowlabError, OSError, LookupError, TypeError):
        return None  # whatever is wrong with it, it is no reason to leave the instrument as it is


def _purpose(device: Any) -> str:
    return (device.make_safe.__doc__ or "").strip().splitlines()[0].rstrip(".")
