"""``flowlab install-service``: the daemon as a systemd unit of the user, started again when it dies."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowlab.cli.options import ConfigOption
from flowlab.errors import BadInputError

#: By this first line a file is known to be ours.
_MARK = "# Written by flowlab install-service."

_UNIT = """\
{mark} It is overwritten when that runs again:
# put changes of your own into a drop-in (systemctl --user edit {name}).

[Unit]
Description=flowlab: {instrument}
# Five deaths within five minutes, and it stays down, with the instrument safe: somebody has to look.
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart={flowlab} up -c {config}
# However it ended, by a kill too, the instrument is made safe, and read back.
ExecStopPost={flowlab} safe-state -c {config}
Restart=on-failure
RestartSec=2
# Stopped as asked for: by SIGTERM, by Ctrl-C.
SuccessExitStatus=143 130
# The supervisor is asked to end and ends its worker in order; whatever is left of both then is killed.
KillMode=mixed
# Abort, clean-up of the plan, stop document, safe state. ExecStopPost has as long again.
TimeoutStopSec=60
# An analyzer that ran out of memory is started again by the supervisor; that is no reason to stop the run.
OOMPolicy=continue
Environment=PYTHONUNBUFFERED=1{environment}

# Hardening that leaves instruments alone. Not here: PrivateDevices= and DevicePolicy=, which take serial ports and USB
# away; ProtectSystem=, ProtectHome= and PrivateTmp=, which hide folders that detectors write to, and in a user's unit
# want a user namespace: not every kernel grants one, and the groups that may open serial ports show as nobody in it;
# PrivateNetwork= and RestrictAddressFamilies=, as instruments are on the network, and USB is told by netlink.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""

_NEXT = """\
{file}: written. Next:
  systemctl --user daemon-reload
  systemctl --user enable --now {name}     start it, now and whenever you log in
  loginctl enable-linger                   have it started with the computer, and run on when you log out
  journalctl --user -u {name} -f           what it says
"""


def install_service(
    config: ConfigOption = "simulated-flow",
    user: Annotated[bool, typer.Option("--user", help="For your own account: the only kind there is.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the unit instead of writing it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a unit that somebody else wrote.")] = False,
) -> None:
    """Write a systemd unit that runs the daemon.

    It is started again when it dies, and the instrument is made safe however it ends.
    """
    from flowlab.config import load_instrument
    from flowlab.config.paths import find_config

    if not (user or only_print):
        raise BadInputError(
            "install-service writes units of a user's own account: say --user. For one of the whole computer, adapt "
            "what --print prints"
        )
    file = units() / "flowlab.service"
    text = unit(load_instrument(config).name, find_config("instruments", config).absolute(), file.stem)
    if only_print:
        sys.stdout.write(text)
        return
    if not force and file.exists() and not file.read_text("utf-8", "replace").startswith(_MARK):
        raise BadInputError(f"{file}: is there already, and is none of flowlab's; --force overwrites it")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    sys.stdout.write(_NEXT.format(file=file, name=file.stem))


def units() -> Path:
    """The folder in which systemd looks for units of the user."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def unit(instrument: str, config: Path, name: str) -> str:
    """The unit's text.

    Args:
        instrument: its name, for people.
        config: absolute path of the instrument file.
        name: of the unit.
    """
    state = os.environ.get("FLOWLAB_STATE")  # what is kept where for a person's commands is there for the daemon, too
    environment = "" if not state else f" {_word(f'FLOWLAB_STATE={Path(state).absolute()}')}"
    return _UNIT.format(
        mark=_MARK,
        name=name,
        instrument=_percents(" ".join(instrument.split())),
        flowlab=_command(),
        config=_word(str(config), dollars=True),
        environment=environment,
    )


def _command() -> str:
    """How this very flowlab is run, whatever a service has as its PATH."""
    script = Path(sys.executable).with_name("flowlab")
    words = [str(script)] if script.is_file() else [sys.executable, "-m", "flowlab"]
    return " ".join(_word(word, dollars=True) for word in words)


def _word(text: str, *, dollars: bool = False) -> str:
    """A word as systemd reads it: in quotes where it needs them, ``%`` doubled, and in commands ``$`` as well.

    Raises:
        BadInputError: it has a control character, a line's end for instance.
    """
    if not text.isprintable():
        raise BadInputError(f"{text!r}: has characters that cannot stand in a unit of systemd")
    text = _percents(text)
    if dollars:
        text = text.replace("$", "$$")
    if not set(text) & set(" '\"\\;"):
        return text
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _percents(text: str) -> str:
    return text.replace("%", "%%")
