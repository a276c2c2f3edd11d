r"""VICI multiposition valve actuators: commands and replies as bytes, in both dialects.

Sources: universal actuators EUT, user manual pages 14–19 (``CP`` → ``CP03 CR``, ``NP`` → ``NP10 CR``); microelectric
actuators EMH, EMT, user manual pages 7–8 (CR ends a command, line feeds are ignored, an ID of one digit may go before
each command). What the latter reply public drivers have: ``Position is  = 3 CR``, ``Position is near to = 3`` between
two positions, ``NP = 10``, and ``… Bad command`` behind what is refused. A universal actuator set to ``LG1`` speaks
as a microelectric one. Whether a reply bears the ID, or a line feed, no source says: both are read.

``GO``, ``CW``, ``CC`` are not answered, or answered by an echo (``IFM``); either way only ``CP`` tells what they did.
There is no checksum: see :mod:`devices.agreement`.
"""

import re
from dataclasses import dataclass
from typing import Literal

from devices.errors import RefusedError, ReplyError

Dialect = Literal["eut", "emh"]
Direction = Literal["shortest", "clockwise", "counterclockwise"]

_MOVES = {"shortest": "GO", "clockwise": "CW", "counterclockwise": "CC"}
_POSITION = {
    "eut": re.compile(r"CP ?=? ?(?P<at>[0-9]{1,2})"),
    "emh": re.compile(r"Position is (?: = (?P<at>[0-9]{1,2})|near to = (?P<near>[0-9]{1,2}))"),
}
_POSITIONS = {"eut": re.compile(r"NP([0-9]{1,2})"), "emh": re.compile(r"NP = ([0-9]{1,2})")}
_ECHO = re.compile(r"(?:GO|CW|CC) ?=? ?[0-9]{0,2}")


@dataclass(frozen=True)
class Position:
    """Where a valve is.

    Attributes:
        number: of the position, or of the one it is near to.
        there: False between two positions.
    """

    number: int
    there: bool


def command(text: str, device_id: int | None = None) -> bytes:
    """A command as bytes, behind the actuator's ID where it has one."""
    return f"{'' if device_id is None else device_id}{text}\r".encode("ascii")


def move_text(position: int, direction: Direction) -> str:
    """What turns the valve to a position."""
    return f"{_MOVES[direction]}{position:02d}"


def decode_position(data: bytes, dialect: Dialect, device_id: int | None = None) -> Position | None:
    """Read the answer to ``CP`` from everything that came since.

    Returns:
        The position, or None while the reply is not whole. An echo of a move before it is passed over.

    Raises:
        ReplyError: this is no answer to that.
        RefusedError: the actuator answered with ``Bad command``.
    """
    for line in _lines(data, device_id):
        match = _POSITION[dialect].fullmatch(line)
        if match is not None:
            found = match.groupdict()
            return Position(int(found["at"] or found["near"]), found["at"] is not None)
        if _ECHO.fullmatch(line) is None:
            raise ReplyError("no answer to CP")
    return None


def decode_positions(data: bytes, dialect: Dialect, device_id: int | None = None) -> int | None:
    """Read the answer to ``NP``, how many positions there are; None while it is not whole.

    Raises:
        ReplyError, RefusedError: as :func:`decode_position`.
    """
    for line in _lines(data, device_id):
        match = _POSITIONS[dialect].fullmatch(line)
        if match is not None:
            return int(match[1])
        if _ECHO.fullmatch(line) is None:
            raise ReplyError("no answer to NP")
    return None


def _lines(data: bytes, device_id: int | None) -> list[str]:
    """The whole lines."""
    try:
        text = data.decode("ascii").replace("\n", "")
    except UnicodeDecodeError:
        raise ReplyError("a reply that is not ASCII") from None
    prefix = "" if device_id is None else str(device_id)
    lines = [line.strip().removeprefix(prefix) for line in text.split("\r")[:-1]]
    for line in lines:
        if line.endswith("Bad command"):
            raise RefusedError(f"the actuator says {line!r}")
    return [line for line in lines if line]
