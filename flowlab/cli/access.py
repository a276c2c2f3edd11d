"""``flowlab keys`` and ``flowlab tokens``: who may talk to the daemon, over 0MQ and over HTTP."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from flowlab.cli.options import Json
from flowlab.daemon.tokens import Role

keys = typer.Typer(name="keys", help="Keys of clients of the control socket.", rich_markup_mode=None)
tokens = typer.Typer(name="tokens", help="Tokens of the HTTP API.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Whose it is: letters, digits, - and _.")]
State = Annotated[
    Path | None, typer.Option(help="Folder of the daemon's state, instead of $FLOWLAB_STATE or ~/.local/state/flowlab.")
]


@keys.command("new")
def new_key(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file, which only you may read, instead of printing it.")
    ] = None,
    state: State = None,
) -> None:
    """Admit a client, and tell its secret key, this once."""
    from flowlab.daemon.keys import Keys
    from flowlab.daemon.secrets_on_disk import write_new
    from flowlab.daemon.state_folder import StateFolder
    from flowlab.errors import BadInputError

    if out is not None and out.exists():
        raise BadInputError(f"{out}: is there already; name another file")
    kept = Keys(StateFolder(state).keys)
    made = kept.new(name)
    if out is None:
        sys.stdout.write(made.text(name))
        return
    try:
        write_new(out, made.text(name))
    except BaseException:
        kept.remove(name)  # nobody has its secret
        raise
    sys.stdout.write(f"{out}\n")


@keys.command("list")
def list_keys(state: State = None, as_json: Json = False) -> None:
    """List the clients that are admitted, and the server's public key, which all of them need."""
    from flowlab.daemon.keys import Keys
    from flowlab.daemon.state_folder import StateFolder

    kept = Keys(StateFolder(state).keys)
    server, clients = kept.server()[0].decode(), {name: key.decode() for name, key in kept.clients().items()}
    if as_json:
        sys.stdout.write(json.dumps({"server": server, "clients": clients}) + "\n")
        return
    sys.stdout.write("".join(f"{name:20} {key}\n" for name, key in {"the server": server, **clients}.items()))


@keys.command("remove")
def remove_key(name: Name, state: State = None) -> None:
    """Admit a client no longer, from when it next connects."""
    from flowlab.daemon.keys import Keys
    from flowlab.daemon.state_folder import StateFolder

    Keys(StateFolder(state).keys).remove(name)


@tokens.command("new")
def new_token(
    name: Name,
    role: Annotated[Role, typer.Option(help="What it allows: to look; to run plans; or to kill them as well.")],
    days: Annotated[float, typer.Option(help="For how long; 0: for ever.", min=0.0)] = 90.0,
    state: State = None,
) -> None:
    """Make a token, and tell it, this once."""
    from flowlab.daemon.state_folder import StateFolder
    from flowlab.daemon.tokens import Tokens

    sys.stdout.write(Tokens(StateFolder(state).tokens).new(name, role, days or None) + "\n")


@tokens.command("list")
def list_tokens(state: State = None, as_json: Json = False) -> None:
    """List the tokens: whose, what they allow and until when; not the tokens themselves, which are kept nowhere."""
    from flowlab.daemon.state_folder import StateFolder
    from flowlab.daemon.tokens import Tokens

    kept = Tokens(StateFolder(state).tokens).all()
    if as_json:
        told = {one.name: {"role": one.role, "made": one.made, "expires": one.expires} for one in kept}
        sys.stdout.write(json.dumps({"tokens": told}) + "\n")
        return
    for one in kept:
        sys.stdout.write(f"{one.name:20} {one.role:9} {_until(one.expires)}\n")


@tokens.command("remove")
def remove_token(name: Name, state: State = None) -> None:
    """Have a token be worth nothing, at once."""
    from flowlab.daemon.state_folder import StateFolder
    from flowlab.daemon.tokens import Tokens

    Tokens(StateFolder(state).tokens).remove(name)


def _until(expires: float | None) -> str:
    if expires is None:
        return "for ever"
    return (
        f"{'until' if expires > time.time() else 'EXPIRED'} {time.strftime('%Y-%m-%d %H:%M', time.localtime(expires))}"
    )
