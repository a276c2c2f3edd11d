"""``flowlab interlocks``: what would make the instrument safe by itself, and what has."""

import json
import sys
import time
from typing import Annotated

import typer

from flowlab.cli.options import DATA, ConfigOption, Data, Json, account


def interlocks(
    config: ConfigOption = "simulated-flow",
    acknowledge: Annotated[
        str | None, typer.Option("--ack", help="Acknowledge this one, once its cause is gone.", metavar="NAME")
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List the interlocks of an instrument, and which of them tripped; acknowledge one."""
    from flowlab.config import load_instrument
    from flowlab.daemon.latches import Latches

    loaded = load_instrument(config)
    latches = Latches(data, loaded.name)
    if acknowledge is not None:
        latches.acknowledge(acknowledge, account())
    latched = latches.of(loaded.interlocks)
    if as_json:
        sys.stdout.write(json.dumps({"latched": latched}) + "\n")
        return
    for name, latch in latched.items():
        lock = loaded.interlocks.get(name)
        when = " and ".join(map(str, lock.when)) + (f" for {lock.for_s:g} s" if lock.for_s else "") if lock else "gone"
        then = ("makes safe" if lock.action == "safe" else f"holds {', '.join(lock.holds)}") if lock else ""
        sys.stdout.write(f"{name:20} {when}: {then}\n")
        if latch is not None:
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(latch["time"]))
            sys.stdout.write(f"{'':20} TRIPPED at {at}: {latch['reason']}\n")
    if not latched:
        sys.stdout.write(f"{config}: there are no interlocks\n")
