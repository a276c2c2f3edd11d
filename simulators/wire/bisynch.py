"""EI-Bisynch as a controller sees it: requests found in a stream of bytes, replies framed.

Source: series 2000 communications handbook HA026230, chapter 4. Left out of it: broadcasts, and asking for the same or
the next parameter again by NAK or ACK.
"""

import re
from dataclasses import dataclass

STX, ETX, EOT, ENQ, ACK, NAK = 0x02, 0x03, 0x04, 0x05, 0x06, 0x15
#: Codes of the parameter EE.
NO_ERROR, NO_SUCH, READ_ONLY, GARBLED, OUTSIDE_LIMITS = 0, 1, 2, 7, 8
_LONGEST = 64
#: Each digit of the address comes twice. A check character may be anything, EOT too.
_REQUEST = re.compile(
    rb"\x04(\d)\1(\d)\2(?:([ -~]{2})\x05|\x02([ -~]{2})([ -~]*)\x03(.))",
    re.DOTALL,
)


@dataclass(frozen=True)
class Request:
    """A poll, or with data a selection.

    Attributes:
        unit: that it is meant for.
        mnemonic: of the parameter.
        data: None for a poll.
        whole: whether the check character was right.
    """

    unit: int
    mnemonic: str
    data: str | None = None
    whole: bool = True


def check_character(block: bytes) -> int:
    """Exclusive or of a block."""
    value = 0
    for byte in block:
        value ^= byte
    return value


def frame(mnemonic: str, data: str) -> bytes:
    """The reply to a poll."""
    block = (mnemonic + data).encode("ascii") + bytes([ETX])
    return bytes([STX]) + block + bytes([check_character(block)])


def take_request(buffer: bytearray) -> Request | None:
    """Cut the first whole request out of a buffer, with what stands before it; None when there is none yet."""
    match = _REQUEST.search(buffer)
    if match is None:
        del buffer[:-_LONGEST]
        return None
    tens, ones, asked, told, data, check = match.groups()
    unit = int(tens + ones)
    if asked is not None:
        request = Request(unit, asked.decode("ascii"))
    else:
        whole = check_character(told + data + bytes([ETX])) == check[0]
        request = Request(unit, told.decode("ascii"), data.decode("ascii"), whole)
    del buffer[: match.end()]
    return request
