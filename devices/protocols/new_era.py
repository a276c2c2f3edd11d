r"""New Era NE-1000 syringe pumps: commands and replies as bytes.

Source: NE-1000 series user manual, RS-232 protocol and command set.

Basic mode: a command ends with CR, a reply is ``STX data ETX``. Safe mode frames both as ``STX length data
CRC ETX``; the length counts from itself to ETX, the CRC is CCITT (polynomial 0x1021, begins with 0) over
the data, high byte first. The data of a reply are the pump's address in two digits, what it does (or an
alarm ``A?x``), and what was asked for or an error ``?...``.
"""

import binascii
import re
from dataclasses import dataclass
from enum import Enum

from devices.errors import ReplyError

_STX, _ETX = 0x02, 0x03
#: Length, two bytes of CRC and ETX: what a safe-mode packet counts beside its data.
_FRAME = 4
_PER_ML = {"ML": 1.0, "UL": 1e-3}
_PER_ML_MIN = {"MM": 1.0, "UM": 1e-3, "MH": 1 / 60, "UH": 1e-3 / 60}
_NUMBER = r"(\d+\.?\d*|\.\d+)"
_REPLY = re.compile(r"(\d\d)(?:A\?([A-Z])|([IWSPTUX]))(.*)")
_RATE = re.compile(_NUMBER + "(UM|MM|UH|MH)")
_VOLUME = re.compile(_NUMBER + "(UL|ML)")
_DISPENSED = re.compile(f"I{_NUMBER}W{_NUMBER}(UL|ML)")
_REFUSALS = {
    "?": "it does not know this command",
    "?NA": "not applicable now",
    "?OOR": "out of range",
    "?IGN": "ignored, a new phase began at the same time",
}
_DIGITS = 4
_DECIMALS = 3


class State(Enum):
    """What the pump does, as each reply tells."""

    INFUSING = "I"
    WITHDRAWING = "W"
    STOPPED = "S"
    PAUSED = "P"
    TIMED_PAUSE = "T"
    WAITING = "U"
    PURGING = "X"


class Alarm(Enum):
    """Why the pump stopped by itself; told instead of its state, until it was told once."""

    RESET = "R"
    STALLED = "S"
    SILENCE = "T"
    PROGRAM = "E"
    PHASE = "O"


@dataclass(frozen=True)
class Reply:
    """A reply: either a state or an alarm; then data, or why the command was refused."""

    state: State | None
    alarm: Alarm | None
    data: str = ""
    refusal: str | None = None


def crc(data: bytes) -> bytes:
    """The CRC of a safe-mode packet, high byte first."""
    return binascii.crc_hqx(data, 0).to_bytes(2, "big")


def basic_command(text: str, address: int = 0) -> bytes:
    """A command in basic mode; address 0 is written as nothing."""
    return _addressed(text, address) + b"\r"


def safe_command(text: str, address: int = 0) -> bytes:
    """A command in safe mode."""
    data = _addressed(text, address)
    return bytes((_STX, len(data) + _FRAME)) + data + crc(data) + bytes((_ETX,))


def _addressed(text: str, address: int) -> bytes:
    return f"{address or ''}{text}".encode("ascii")


def decode_basic(data: bytes, address: int = 0) -> Reply | None:
    """Read a reply in basic mode from everything that came since the command.

    Returns:
        The reply, or None while it is not whole. Bytes behind it are not looked at.

    Raises:
        ReplyError: this is no reply of that pump.
    """
    _check_start(data)
    end = data.find(_ETX)
    return None if end < 0 else _reply(data[1:end], address)


def decode_safe(data: bytes, address: int = 0) -> Reply | None:
    """Read a reply in safe mode; see :func:`decode_basic`."""
    _check_start(data)
    if len(data) < 2:
        return None
    length = data[1]
    if length < _FRAME:
        raise ReplyError(f"a packet of length {length}")
    if len(data) < 1 + length:
        return None
    content, sent_crc = data[2 : length - 2], data[length - 2 : length]
    if data[length] != _ETX:
        raise ReplyError("a packet ends with ETX")
    if sent_crc != crc(content):
        raise ReplyError(f"its CRC is {sent_crc.hex()}, but its data give {crc(content).hex()}")
    return _reply(content, address)


def decode_either(data: bytes, address: int = 0) -> Reply | None:
    """Read the reply to the command that changes the mode, which may come in the old or the new one.

    The first byte behind STX tells: a digit of the address, or a length, which is less than a digit is.
    """
    safe = len(data) > 1 and data[1] < ord("0")
    return decode_safe(data, address) if safe else decode_basic(data, address)


def _check_start(data: bytes) -> None:
    if data and data[0] != _STX:
        raise ReplyError("a reply begins with STX")


def _reply(content: bytes, address: int) -> Reply:
    match = _REPLY.fullmatch(content.decode("ascii", "replace"))
    if match is None:
        raise ReplyError("it is not an address, a state and data")
    if int(match[1]) != address:
        raise ReplyError(f"an answer from another pump than {address}")
    text = match[4]
    if text == "?COM":
        raise ReplyError("the pump received a garbled packet")
    if text.startswith("?") and text not in _REFUSALS:
        raise ReplyError(f"{text!r} is no error of this pump")
    try:
        alarm = Alarm(match[2]) if match[2] else None
    except ValueError:
        raise ReplyError(f"{match[2]!r} is no alarm of this pump") from None
    if text.startswith("?"):
        return Reply(State(match[3]) if match[3] else None, alarm, refusal=_REFUSALS[text])
    return Reply(State(match[3]) if match[3] else None, alarm, text)


def rate_ml_min(text: str) -> float:
    """``857.0UM`` in ml/min.

    Raises:
        ReplyError: not a rate.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ReplyError(f"{text!r} is not a rate")
    return float(match[1]) * _PER_ML_MIN[match[2]]


def volume_ml(text: str) -> tuple[float, str]:
    """``20.00ML`` in ml, and the unit in which it was given.

    Raises:
        ReplyError: not a volume.
    """
    match = _VOLUME.fullmatch(text)
    if match is None:
        raise ReplyError(f"{text!r} is not a volume")
    return float(match[1]) * _PER_ML[match[2]], match[2]


def dispensed_ml(text: str) -> tuple[float, float]:
    """``I0.000W20.00ML`` as volumes infused and withdrawn, in ml.

    Raises:
        ReplyError: not these volumes.
    """
    match = _DISPENSED.fullmatch(text)
    if match is None:
        raise ReplyError(f"{text!r} is not what was infused and withdrawn")
    return float(match[1]) * _PER_ML[match[3]], float(match[2]) * _PER_ML[match[3]]


def diameter_mm(text: str) -> float:
    """``26.70`` in mm.

    Raises:
        ReplyError: not a diameter.
    """
    if re.fullmatch(_NUMBER, text) is None:
        raise ReplyError(f"{text!r} is not a diameter")
    return float(text)


def number(value: float) -> str:
    """A number as the pump takes it: four digits at most, three of them behind the point.

    Raises:
        ValueError: it has more than four digits before the point.
    """
    for decimals in range(_DECIMALS, -1, -1):
        text = f"{value:.{decimals}f}"
        if len(text.replace(".", "")) <= _DIGITS:
            return text
    raise ValueError(f"{value:g} has more than {_DIGITS} digits")


def rate_text(rate_ml_min: float) -> tuple[str, str]:
    """A rate as number and unit, in the unit that keeps most digits."""
    unit = "MM" if rate_ml_min >= 9.9995 else "UM" if rate_ml_min >= 0.01 else "UH"
    return number(rate_ml_min / _PER_ML_MIN[unit]), unit


def volume_text(volume_ml: float, unit: str) -> str:
    """A volume as a number in a unit of the pump, ``UL`` or ``ML``."""
    return number(volume_ml / _PER_ML[unit])
