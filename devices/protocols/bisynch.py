r"""EI-Bisynch, as Eurotherm's series 2400 speaks it: requests and replies as bytes.

Source: series 2000 communications handbook HA026230 issue 2.0, chapter 4 and pages 5-4, 5-21, 5-22; how a parameter
is told, and the codes of ``EE``, also as the EPICS support eurotherm2k has them. That a parameter that there is not
is answered by EOT is how Eurotherm's drives do it.

To ask: ``EOT G G U U mnemonic ENQ``, answered by ``STX mnemonic data ETX BCC``. To tell: ``EOT G G U U STX
mnemonic data ETX BCC``, answered by ACK or NAK. G and U are the tens and units of the address, each sent twice;
the mnemonic has two characters; BCC is the exclusive or of all behind STX up to and with ETX, so that it may be any
character, a control character too. Numbers come in free format (``250.0``, ``-1.``), words as ``>`` and hexadecimal
digits.

The BCC finds every spoilt byte, but two that are spoilt in the same bit hide each other: the mnemonic, which has to
be the one asked for, and the form of the data are looked at, too.
"""

import re

from devices.errors import RefusedError, ReplyError

_STX, _ETX, _EOT, _ENQ, _ACK, _NAK = 0x02, 0x03, 0x04, 0x05, 0x06, 0x15
#: No reply of these controllers is longer.
_LONGEST = 32
_NUMBER = re.compile(r" *([+-]?(?:\d+\.?\d*|\.\d+)) *", re.ASCII)
_WORD = re.compile(r"(?:>([0-9A-F]{1,4})|(\d{1,5})\.?)", re.ASCII)

#: The codes of the parameter ``EE``: what was wrong with the last request.
NO_ERROR, GARBLED = 0, 7
ERRORS = {
    NO_ERROR: "no error",
    1: "it has no such parameter",
    2: "this parameter is only read",
    GARBLED: "the message was garbled",
    8: "outside its limits",
}


def bcc(data: bytes) -> int:
    """Block check character of ``data``, which ends with ETX."""
    value = 0
    for byte in data:
        value ^= byte
    return value


def poll(unit: int, mnemonic: str) -> bytes:
    """Ask unit 0…99 for a parameter."""
    return bytes((_EOT,)) + _address(unit) + mnemonic.encode("ascii") + bytes((_ENQ,))


def select(unit: int, mnemonic: str, data: str) -> bytes:
    """Tell unit 0…99 a parameter."""
    block = f"{mnemonic}{data}".encode("ascii") + bytes((_ETX,))
    return bytes((_EOT,)) + _address(unit) + bytes((_STX,)) + block + bytes((bcc(block),))


def _address(unit: int) -> bytes:
    tens, ones = divmod(unit, 10)
    return f"{tens}{tens}{ones}{ones}".encode("ascii")


def decode_poll(data: bytes, mnemonic: str) -> str | None:
    """Read a reply to :func:`poll` from everything that came since.

    Returns:
        The data behind the mnemonic; None while the reply is not whole. Bytes behind it are not looked at.

    Raises:
        RefusedError: the controller has no such parameter.
        ReplyError: this is no reply to that question.
    """
    if not data:
        return None
    if data[0] == _EOT:
        raise RefusedError(f"it has no parameter {mnemonic}")
    if data[0] != _STX:
        raise ReplyError("a reply begins with STX")
    end = data.find(_ETX, 1)
    block = data[1:] if end < 0 else data[1:end]
    if not all(0x20 <= byte < 0x7F for byte in block) or len(block) > _LONGEST:
        raise ReplyError("between STX and ETX is no short line of text")
    if end < 0 or len(data) < end + 2:
        return None
    if data[end + 1] != bcc(data[1 : end + 1]):
        raise ReplyError(f"its check character is {data[end + 1]:02x}, but its data give {bcc(data[1 : end + 1]):02x}")
    text = block.decode("ascii")
    if text[:2] != mnemonic:
        raise ReplyError(f"an answer to {text[:2]!r}, not to {mnemonic!r}")
    return text[2:]


def decode_select(data: bytes) -> bool | None:
    """True when a :func:`select` was taken; None while there is no reply.

    Raises:
        RefusedError: it was not taken; the parameter ``EE`` tells why.
        ReplyError: this is no reply to it.
    """
    if not data:
        return None
    if data[0] == _NAK:
        raise RefusedError("not acknowledged")
    if data[0] != _ACK:
        raise ReplyError("it is neither ACK nor NAK")
    return True


def number(text: str) -> float:
    """``250.0`` as a number.

    Raises:
        ReplyError: it is none.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ReplyError(f"{text!r} is not a number")
    return float(match[1])


def word(text: str) -> int:
    """``>0420`` as a number of 16 bits; also ``1056.``: the handbook does not say of every word how it is written.

    Raises:
        ReplyError: it is none.
    """
    match = _WORD.fullmatch(text)
    value = -1 if match is None else int(match[1], 16) if match[1] else int(match[2])
    if not 0 <= value <= 0xFFFF:
        raise ReplyError(f"{text!r} is not a word of 16 bits")
    return value
