"""``flowlab up``, ``status``, ``queue``, ``pause``, ``resume``, ``abort``, ``halt``: the daemon, and asking it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flowlab.cli.options import ConfigOption, Json, Seed, Speed, account, json_object
from flowlab.errors import BadInputError

Address = Annotated[
    str | None,
    typer.Option("--address", metavar="ADDRESS", help="Control socket of the daemon, instead of the one of this user."),
]

_LONG_S = 120.0


def up(
    config: ConfigOption = "simulated-flow",
    simulate: Annotated[
        bool | None,
        typer.Option(help="Start simulators; by default where the configuration has a [simulation] table."),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Where else to be asked: tcp://HOST:PORT."),
    ] = None,
    http: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to serve the HTTP API; port 0: any free one; none: nowhere.")
    ] = "127.0.0.1:0",
    admit_stock: Annotated[
        bool,
        typer.Option("--admit-stock-clients", help="With keys: let clients in that all share one; see flowlab keys."),
    ] = False,
    speed: Speed = None,
    seed: Seed = None,
) -> None:
    """Be the daemon: queue plans, run them, and leave nothing hot, whatever happens. Ctrl-C ends it.

    Its state is kept in $FLOWLAB_STATE, or in flowlab in the XDG state directory.
    """
    from flowlab.config import load_instrument
    from flowlab.daemon.state_folder import StateFolder
    from flowlab.daemon.surroundings import Simulation
    from flowlab.daemon.up import Wishes
    from flowlab.daemon.up import up as live

    if simulate is None:
        simulate = load_instrument(config).simulation is not None
    simulation = Simulation({"speed": speed, "seed": seed}) if simulate else None
    raise typer.Exit(live(Wishes(config, simulation, control, _place(http), admit_stock), StateFolder()))


def _place(http: str) -> tuple[str, int] | None:
    if http == "none":
        return None
    host, _, port = http.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 1 << 16:
        raise BadInputError(f"--http {http}: is not of the form HOST:PORT, as 127.0.0.1:8000, nor none")
    return host.strip("[]"), int(port)


def status(address: Address = None, as_json: Json = False) -> None:
    """Say what the daemon does, and whether the instrument is safe."""
    facts = _ask(address, "flowlab_status")["status"]
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    from flowlab.daemon.desk import ending_in_words

    safe = {True: "safe", False: "NOT SAFE", None: "not in its safe state, as far as is known"}[facts["safe"]]
    lines = [f"{facts['instrument']} is {facts['state']}; the instrument is {safe}"]
    if facts["why"]:
        lines.append(facts["why"])
    if latched := facts["latched"]:
        from flowlab.daemon.latches import Latches

        latches = Latches(Path(facts["data"]), facts["instrument"])
        lines += [
            f"interlock {one['name']} is latched: {one['reason']}; {latches.command(one['name'], facts['config'])}"
            for one in latched
        ]
    if (running := facts["running"]) is not None:
        of = "" if running["of"] is None else f" of {running['of']}"
        lines.append(f"{running['plan']}: {running['done']}{of} points, item {running['item']}")
    if (ending := facts.get("ending")) is not None:
        lines.append(f"{ending_in_words(ending)}; then the instrument is made safe")
    lines.append(f"{facts['queue']} in the queue")
    sys.stdout.write("\n".join(lines) + "\n")


queue = typer.Typer(name="queue", help="The queue of plans.", rich_markup_mode=None)


@queue.command()
def add(
    plan: Annotated[str, typer.Argument(help="A plan that the instrument has; see flowlab plans.")],
    parameters: Annotated[str, typer.Argument(help="Its parameters as JSON.", metavar="JSON")] = "{}",
    front: Annotated[bool, typer.Option("--front", help="As the next one, not the last.")] = False,
    preflight: Annotated[bool, typer.Option("--preflight", help="Only say what it would do.")] = False,
    address: Address = None,
) -> None:
    """Queue a plan, once it has been found to be allowed."""
    wanted = json_object(parameters)
    if preflight:
        found = _ask(address, "flowlab_preflight", {"plan": plan, "parameters": wanted}, _LONG_S)["preflight"]
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    item = {"item_type": "plan", "name": plan, "kwargs": wanted}
    place = "front" if front else "back"
    who = {"user": account(), "user_group": "primary"}
    answer = _ask(address, "queue_item_add", {"item": item, "pos": place, **who}, _LONG_S)
    sys.stdout.write(f"{answer['item']['item_uid']}\n")


@queue.command("list")
def list_(
    history: Annotated[bool, typer.Option("--history", help="What has ended, instead.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List what is queued, or what has ended."""
    items = _ask(address, "history_get" if history else "queue_get")["items"]
    if as_json:
        sys.stdout.write(json.dumps(items) + "\n")
        return
    for item in items:
        result = item.get("result")
        how = "  " + ": ".join(filter(None, [result["exit_status"], result["msg"]])) if result else ""
        sys.stdout.write(f"{item['item_uid']}  {item['name']} {json.dumps(item.get('kwargs', {}))}{how}\n")
    if not items:
        sys.stdout.write("nothing has ended\n" if history else "the queue is empty\n")


@queue.command()
def start(address: Address = None) -> None:
    """Run what is queued, one after another."""
    _ask(address, "queue_start")


@queue.command()
def stop(
    cancel: Annotated[bool, typer.Option("--cancel", help="No longer stop after the plan that runs.")] = False,
    address: Address = None,
) -> None:
    """Stop after the plan that runs."""
    _ask(address, "queue_stop_cancel" if cancel else "queue_stop")


@queue.command()
def clear(address: Address = None) -> None:
    """Take everything out of the queue."""
    _ask(address, "queue_clear")


Item = Annotated[str, typer.Argument(help="Its uid; flowlab queue list.", metavar="ID")]


@queue.command()
def remove(item: Item, address: Address = None) -> None:
    """Take one out of the queue."""
    _ask(address, "queue_item_remove", {"uid": item})


@queue.command()
def move(
    item: Item,
    to: Annotated[str, typer.Argument(help="front, back, or a number from 0.", metavar="PLACE")],
    address: Address = None,
) -> None:
    """Move one to another place in the queue."""
    place: Any = int(to) if to.removeprefix("-").isdecimal() else to
    _ask(address, "queue_item_move", {"uid": item, "pos_dest": place})


@queue.command()
def loop(
    on: Annotated[bool, typer.Argument(help="true or false")],
    address: Address = None,
) -> None:
    """Whether what ended well is queued again, at the back."""
    _ask(address, "queue_mode_set", {"mode": {"loop": on}})


@queue.command()
def ack(item: Item, address: Address = None) -> None:
    """Acknowledge that one was interrupted: it becomes history, and the queue may go on."""
    _ask(address, "flowlab_queue_ack", {"uid": item})


@queue.command("resume")
def resume_item(item: Item, address: Address = None) -> None:
    """Queue, at the front, what is left of a scan that was interrupted."""
    answer = _ask(address, "flowlab_queue_resume", {"uid": item}, _LONG_S)
    sys.stdout.write(f"{answer['item']['item_uid']}\n")


def pause(
    now: Annotated[bool, typer.Option("--now", help="At once, not at the next checkpoint.")] = False,
    address: Address = None,
) -> None:
    """Pause the plan; heaters and pumps stay as they are, for as long as the configuration allows."""
    _ask(address, "re_pause", {"option": "immediate" if now else "deferred"})


def resume(address: Address = None) -> None:
    """Go on after a pause."""
    _ask(address, "re_resume")


def abort(address: Address = None) -> None:
    """End the plan, with its clean-up; then the safe state."""
    _ask(address, "re_abort", {"user": account()})


def halt(address: Address = None) -> None:
    """End the plan at once, without its clean-up; then the safe state."""
    _ask(address, "re_halt", {"user": account()})


def _ask(
    address: str | None, method: str, params: dict[str, Any] | None = None, limit_s: float = 20.0
) -> dict[str, Any]:
    from flowlab.daemon.asking import ask

    return ask(address or control_address(), method, params, limit_s)


def control_address() -> str:
    """Where the daemon of this user listens, as it left it; or would, by default."""
    from flowlab.daemon.state_folder import StateFolder

    folder = StateFolder()
    told = folder.facts().get("addresses", {}).get("control")
    return told if isinstance(told, str) else f"ipc://{folder.sockets() / Path('control')}"
