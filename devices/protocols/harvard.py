r"""Harvard Apparatus PHD ULTRA and Pump 11 Elite: commands and replies as bytes.

Source: PHD ULTRA Series User's Manual, publication 5419-002, pump chain commands (pages 83–88); replies of pumps
with an address also from the Pump 33 DDS manual 5419-013 (pages 47–52) and from public drivers of the Pump 11 Elite.

A reply is ``LF text CR`` for each line of text, then ``LF`` and a prompt that tells what the pump does.
It has no end mark of its own: it is whole when the prompt is. A pump with an address other than 0 puts
the address before each prompt, and before each text either the address or address and prompt: both are read.
There is no checksum: see :mod:`devices.agreement`.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from devices.errors import RefusedError, ReplyError

Dialect = Literal["colon", "plain"]
#: Where the "@" goes that spares the pump from drawing its display anew.
AtSign = Literal["none", "before", "behind"]

_ML = {"ml": 1.0, "ul": 1e-3, "µl": 1e-3, "nl": 1e-6, "pl": 1e-9}
_PER_MIN = {"min": 1.0, "m": 1.0, "hr": 1 / 60, "hour": 1 / 60, "h": 1 / 60, "sec": 60.0, "s": 60.0}
_NUMBER = r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
_VOLUME = re.compile(_NUMBER + r" (\w+)")
_RATE = re.compile(_NUMBER + r" (\w+)/(\w+)")
_MILLIMETRES = re.compile(_NUMBER + r"(?: mm)?")
_STATUS = re.compile(r"(-?\d+) (\d+) (-?\d+) ([iwIW])([.IW])([.S])([.T])([.IW])([.T]?)")
_SPOKEN_PROMPT = re.compile(r"T\*|[:<>*]")
_REFUSAL = re.compile(r"(?:Argument|Command|Range|Unknown)\b.*error.*|Unknown command.*", re.IGNORECASE)


class Prompt(Enum):
    """What the pump does, as its prompt tells."""

    IDLE = ":"
    INFUSING = ">"
    WITHDRAWING = "<"
    STALLED = "*"
    TARGET_REACHED = "T*"


@dataclass(frozen=True)
class Reply:
    """Lines of text and the prompt behind them."""

    lines: tuple[str, ...]
    prompt: Prompt


@dataclass(frozen=True)
class Status:
    """Raw status: rate and volume in the direction of travel, and for how long it went on."""

    rate_ml_min: float
    spent_s: float
    volume_ml: float
    infusing: bool
    stalled: bool


def command(text: str, address: int = 0, dialect: Dialect = "colon", at_sign: AtSign = "none") -> bytes:
    """A command as bytes.

    Args:
        text: command and arguments: ``irate 0.8 ml/min``.
        address: of the pump on its chain; 0 is written as nothing.
        dialect: the manual writes ``12:irat``, sibling pumps ``12irat``.
        at_sign: ``@`` before the address, or behind it.
    """
    prefix = "" if address == 0 else f"{address}:" if dialect == "colon" else f"{address}"
    before, behind = ("@" if at_sign == where else "" for where in ("before", "behind"))
    return f"{before}{prefix}{behind}{text}\r".encode("ascii")


def decode(data: bytes, address: int = 0, lines: int = 0) -> Reply | None:
    """Read a reply from everything that came since the command.

    Args:
        data: bytes received.
        address: of the pump that was asked.
        lines: how many lines of text the reply must have. A prompt that comes with fewer was spoken
            unasked (the pump says ``T*`` at its target) and is passed over; more are an error.

    Returns:
        The reply, or None while it is not whole. Bytes behind it are not looked at.

    Raises:
        ReplyError: this is no reply of that pump.
        RefusedError: the pump answered with an error.
    """
    texts: list[str] = []
    position = 0
    while position < len(data):
        if data[position : position + 1] != b"\n":
            raise ReplyError("a reply begins with a line feed")
        next_lf = data.find(b"\n", position + 1)
        piece = data[position + 1 : next_lf if next_lf >= 0 else len(data)]
        prompt = _prompt(piece, address)
        if prompt is not None:
            if texts and _REFUSAL.fullmatch(texts[0]):
                raise RefusedError(" ".join(text.strip() for text in texts))
            if len(texts) > lines:
                raise ReplyError(f"{len(texts)} lines of text where {lines} are expected")
            if len(texts) == lines:
                return Reply(tuple(texts), prompt)
            texts.clear()
        elif piece.endswith(b"\r"):
            texts.append(_text(piece[:-1], address))
        elif next_lf >= 0:
            raise ReplyError("a line of text ends with a carriage return")
        if next_lf < 0:
            return None
        position = next_lf
    return None


def _text(line: bytes, address: int) -> str:
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        raise ReplyError("a line of text that is not ASCII") from None
    if address:
        if not text.startswith(f"{address:02d}"):
            raise ReplyError(f"an answer from another pump than {address}")
        spoken = _SPOKEN_PROMPT.match(text, 2)
        text = text[spoken.end() if spoken else 2 :]
    if not text.isprintable():
        raise ReplyError("a line of text with control characters")
    return text


def _prompt(piece: bytes, address: int) -> Prompt | None:
    prefix = f"{address:02d}".encode() if address else b""
    if not piece.startswith(prefix):
        return None
    try:
        return Prompt(piece[len(prefix) :].decode("ascii", "replace"))
    except ValueError:
        return None


def volume_ml(text: str) -> float:
    """``1.2345 ml`` in ml.

    Raises:
        ReplyError: not a volume.
    """
    match = _VOLUME.fullmatch(text.strip())
    if match is None or match[2] not in _ML:
        raise ReplyError(f"{text!r} is not a volume")
    return float(match[1]) * _ML[match[2]]


def rate_ml_min(text: str) -> float:
    """``51.4 ml/hr`` in ml/min.

    Raises:
        ReplyError: not a rate.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None or match[2] not in _ML or match[3] not in _PER_MIN:
        raise ReplyError(f"{text!r} is not a rate")
    return float(match[1]) * _ML[match[2]] * _PER_MIN[match[3]]


def rate_limits_ml_min(text: str) -> tuple[float, float]:
    """``14.7792 nl/min to 15.3477 ml/min`` as lowest and highest rate in ml/min.

    Raises:
        ReplyError: not a range of rates.
    """
    low, _, high = text.partition(" to ")
    return rate_ml_min(low), rate_ml_min(high)


def diameter_mm(text: str) -> float:
    """``26.7000 mm`` in mm.

    Raises:
        ReplyError: not a diameter.
    """
    match = _MILLIMETRES.fullmatch(text.strip())
    if match is None:
        raise ReplyError(f"{text!r} is not a diameter")
    return float(match[1])


def target_ml(text: str) -> float | None:
    """``2.5 ml`` or ``Target volume not set``: None then.

    Raises:
        ReplyError: neither.
    """
    return None if text.strip().lower() == "target volume not set" else volume_ml(text)


def status(text: str, flags: Literal[5, 6] = 6, time_unit: Literal["s", "ms"] = "s") -> Status:
    """Read ``857142857 0 0 I..TI.``: rate in fl/s, time, volume in fl, flags.

    The flags are the direction, the limit switch, ``S`` after a stall, the trigger input and the direction port
    (manual, page 88), all of them ``.`` for no. Whether the pump moves is told by its prompt.

    Args:
        text: the line.
        flags: the manual describes five and prints six; the sixth is the sibling pumps': target reached.
        time_unit: seconds by the manual, milliseconds by its siblings.

    Raises:
        ReplyError: not a status of that form.
    """
    match = _STATUS.fullmatch(text.strip())
    if match is None or len(match[9]) != flags - 5:
        raise ReplyError(f"{text!r} is not a status with {flags} flags")
    return Status(
        rate_ml_min=int(match[1]) * 60e-12,
        spent_s=int(match[2]) * (1e-3 if time_unit == "ms" else 1.0),
        volume_ml=int(match[3]) * 1e-12,
        infusing=match[4] in "iI",
        stalled=match[6] == "S",
    )


def rate_text(rate_ml_min: float) -> str:
    """A rate as the pump takes it, in the unit in which it needs the fewest digits."""
    return f"{rate_ml_min:.5g} ml/min" if rate_ml_min >= 1e-3 else f"{rate_ml_min * 1e6:.5g} nl/min"


def volume_text(volume_ml: float) -> str:
    """A volume as the pump takes it, in the unit in which it needs the fewest digits."""
    return f"{volume_ml:.4f} ml" if volume_ml >= 0.1 else f"{volume_ml * 1e3:.4f} ul"
