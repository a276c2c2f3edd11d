"""``flowlab interlocks``: what would make the instrument safe by itself, and what has."""

import json
import sys
import time
from typing import Annotated

import typer

from flowlab.cli.options import DATA, ConfigOption, Data, Json


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
        latches.acknowledge(acknowledge)
    latched = latches.all()
    names = dict.fromkeys([*loaded.interlocks, *latched])  # one that tripped may be gone from the file since
    if as_json:
        told = {name: latched.get(name) for name in names}
        sys.stdout.write(json.dumps({"latched": told}) + "\n")
        return
    for name in names:
        lock = loaded.interlocks.get(name)
        when = " and ".join(map(str, lock.when)) + (f" for {lock.for_s:g} s" if lock.for_s else "") if lock else "gone"
        then = ("makes safe" if lock.action == "safe" else f"holds {', '.join(lock.holds)}") if lock else ""
        sys.stdout.write(f"{name:20} {when}: {then}\n")
        if name in latched:
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(latched[name]["time"]))
            sys.stdout.write(f"{'':20} TRIPPED at {at}: {latched[name]['reason']}\n")
    if not names:
        sys.stdout.write(f"{config}: there are no interlocks\n")
