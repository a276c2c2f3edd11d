"""The simulators' process: a bench on loopback addresses until it is told to stop.

``python -m simulators CONFIG [--any-port] [--seed N] [--speed X] [--playback FILE] [--until-eof [--linger S]]``.
Once every line listens, one line of JSON on standard output says where:
``{"ready": {"addresses": {"cadmium_pump": "socket://127.0.0.1:50101", …}, "control": "127.0.0.1:50100"}}``.

With ``--linger`` it outlives whoever started it, as a plant does: who comes next finds the heaters as they were left.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from flowlab.clock import Clock
from flowlab.config import InstrumentConfig, load_instrument
from flowlab.config.instrument import ClockSettings, SimulationSettings
from flowlab.config.load import validate
from flowlab.errors import BadInputError, FlowlabError
from simulators.wire.bench import Bench
from simulators.wire.control import ControlPort

#: How often the plant is brought up to now while nobody asks, in real seconds. Whoever asks finds it up to now.
TICK_S = 0.01


class _Parser(argparse.ArgumentParser):
    """Complaints become one line, as all others."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message}; usage: {' '.join(self.format_usage().split()[1:])}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m simulators", description="Serve the simulated instruments of a configuration.")
    parser.add_argument("config", metavar="CONFIG", help="an instrument file, or the name of one that is shipped")
    parser.add_argument("--any-port", action="store_true", help="listen on free ports instead of the configured ones")
    parser.add_argument("--seed", type=int, metavar="N", help="of noise, drift and bubbles, instead of the configured")
    parser.add_argument("--speed", type=float, metavar="X", help="plant seconds per second, instead of the configured")
    parser.add_argument("--playback", type=Path, metavar="FILE", help="show these recorded spectra in the flow cell")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    parser.add_argument(
        "--linger", type=float, metavar="S", help="with --until-eof: then only once no client was there for S seconds"
    )
    options = parser.parse_args(arguments)
    if options.linger is not None and not (options.until_eof and options.linger >= 0):
        parser.error(f"--linger {options.linger:g}: 0 or more seconds, and --until-eof with it")
    return options


def _configured(options: argparse.Namespace) -> InstrumentConfig:
    """The instrument file with what the command line puts in place of its values."""
    config = load_instrument(options.config)
    if options.speed is not None:
        clock = validate(ClockSettings, {"speed": options.speed}, "command line")
        config = config.model_copy(update={"clock": clock})
    if options.seed is not None and config.simulation is not None:
        values = config.simulation.model_dump() | {"seed": options.seed}
        config = config.model_copy(update={"simulation": validate(SimulationSettings, values, "command line")})
    if options.playback is not None and not options.playback.is_file():
        raise BadInputError(f"--playback {options.playback}: there is no such file")
    return config


async def _serve(config: InstrumentConfig, options: argparse.Namespace) -> None:
    bench = Bench(config, Clock(config.clock.speed), options.playback)
    control = ControlPort(bench)
    stop, eof = asyncio.Event(), asyncio.Event()
    _set_at_the_end(stop, eof if options.until_eof else None)
    lingering = asyncio.ensure_future(
        _linger(options.linger or 0.0, lambda: min(bench.idle_s, control.clients.idle_s), eof, stop)
    )
    await bench.open(options.any_port)
    try:
        address = config.simulation.control if config.simulation else ""
        await control.open(f"{address.rpartition(':')[0]}:0" if options.any_port else address)
        ready = {"addresses": bench.addresses, "control": control.address}
        sys.stdout.write(json.dumps({"ready": ready}) + "\n")
        sys.stdout.flush()
        await _tick(bench, stop)
    finally:
        lingering.cancel()
        await control.close()
        await bench.close()


async def _tick(bench: Bench, stop: asyncio.Event) -> None:
    """Keep the plant up to now until ``stop`` is set."""
    stopped = asyncio.ensure_future(stop.wait())
    while not stopped.done():
        bench.advance()
        await asyncio.wait([stopped], timeout=TICK_S)


async def _linger(linger_s: float, idle_s: Callable[[], float], eof: asyncio.Event, stop: asyncio.Event) -> None:
    """Set ``stop`` when standard input has ended and, since then, nobody was connected for a while."""
    await eof.wait()
    ended_s = time.monotonic()
    while (left_s := linger_s - min(idle_s(), time.monotonic() - ended_s)) > 0:
        await asyncio.sleep(left_s)
    stop.set()


def _set_at_the_end(stop: asyncio.Event, eof: asyncio.Event | None) -> None:
    """Set ``stop`` on SIGTERM and SIGINT, and ``eof`` at the end of standard input, if that is of interest."""
    loop = asyncio.get_running_loop()

    def tell(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    def read_to_end(ended: asyncio.Event) -> None:
        # Not through sys.stdin: a thread that waits inside its lock would hang the interpreter's exit.
        with contextlib.suppress(OSError):  # it is not even open
            while os.read(0, 4096):
                pass
        loop.call_soon_threadsafe(ended.set)

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    if eof is not None:
        threading.Thread(target=read_to_end, args=(eof,), name="standard input", daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; return its exit code: 0 stopped, 1 an address is taken, 2 bad configuration or usage."""
    try:
        options = _options(arguments)
        asyncio.run(_serve(_configured(options), options))
    except FlowlabError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0
