r"""Keithley 6485 picoammeters: commands and replies as bytes.

Source: model 6485 instruction manual 6485-901-01A: pages 9-12 to 9-17 (commands, terminators), 13-4 and 13-6 (data
format, overflow), 10-18 (queues); bits of the status word: 6487 reference manual, page 13-8, where the example of
a good reading contradicts the meaning of bit 7.

Commands and replies are lines of ASCII that end with CR, LF or both, as set on the instrument. A reading is
``+1.040564E-06A,+2.236299E+02,+1.380000E+02``: current with its unit, seconds since it was switched on, status. An
overflow is ``+9.9E37``, what is no number ``+9.91E37``. Nothing of it is protected by a checksum.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from devices.errors import ReplyError

_OVERFLOW = 9.9e37
_NOT_A_NUMBER = 9.91e37
_LARGEST_A = 0.0211
#: The instrument's clock begins anew behind this.
CLOCK_S = 100_000.0
_LONGEST = 200

_FLOAT = r"[+-]\d\.\d{1,7}E[+-]?\d{1,2}"
_READING = re.compile(rf"({_FLOAT})A, ?({_FLOAT}), ?({_FLOAT})", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:E[+-]?\d{1,2})?", re.ASCII)
_ERROR = re.compile(r'([+-]?\d{1,4}), ?"([ -~]*)"', re.ASCII)

# Bits of the status word.
OVERFLOW, FILTER, MATH, RELATIVE, OVERVOLTAGE, ZERO_CHECK, ZERO_CORRECT = 0, 1, 2, 3, 7, 9, 10
_REASONS = {
    OVERFLOW: "over range: the current is more than the range holds",
    OVERVOLTAGE: "too high a voltage at the input",  # told by the overflow, too
    ZERO_CHECK: "zero check is on: the input is not measured; was it switched off and on again?",
    MATH: "it is the result of a calculation that is switched on, not a current",
    RELATIVE: "it is relative to a stored value, not a current",
}


#: The bits that make a reading no current. Overvoltage is not among them: the manual's own example of a good reading
#: has bit 7 set, and a reading under overvoltage comes as an overflow anyway.
REJECTED = (OVERFLOW, ZERO_CHECK, MATH, RELATIVE)


@dataclass(frozen=True)
class Reading:
    """What one conversion gave.

    Attributes:
        value_a: as it came: 9.9e37 for an overflow.
        time_s: the instrument's clock.
        status: its status word.
    """

    value_a: float
    time_s: float
    status: int

    @property
    def why(self) -> str:
        """Why this is no current; nothing when it is one."""
        return self.reason(REJECTED)

    def reason(self, rejected: Collection[int]) -> str:
        """The same for other bits than :data:`REJECTED`."""
        for bit in rejected:
            if self.status >> bit & 1:
                return _REASONS.get(bit, f"bit {bit} of its status is set")
        if self.value_a == _OVERFLOW:
            return _REASONS[OVERVOLTAGE if self.status >> OVERVOLTAGE & 1 else OVERFLOW]
        return "the instrument gave no number" if self.value_a == _NOT_A_NUMBER else ""

    def follows(self, before: "Reading") -> bool:
        """Whether this can come after another one: it is not the same again, and the clock did not go back."""
        later_s = (self.time_s - before.time_s) % CLOCK_S
        return self != before and later_s < CLOCK_S / 2


def command(text: str, termination: str = "\r") -> bytes:
    """A command as a line."""
    return (text + termination).encode("ascii")


def decode_line(data: bytes) -> str | None:
    """The first line of what came, without its end; None while it is not whole.

    Raises:
        ReplyError: it is no line of text.
    """
    text = data.lstrip(b"\r\n")  # the second half of an end that came late
    found = re.search(rb"[\r\n]", text)
    line = text if found is None else text[: found.start()]
    if not all(0x20 <= byte < 0x7F for byte in line) or len(line) > _LONGEST:
        raise ReplyError("it is no short line of text")
    return None if found is None else line.decode("ascii")


def decode_reading(data: bytes) -> Reading | None:
    """Read the reply to ``READ?`` or ``FETC?``; None while it is not whole.

    Raises:
        ReplyError: it is not exactly a current in ampere, a time and a status.
    """
    line = decode_line(data)
    if line is None:
        return None
    match = _READING.fullmatch(line)
    if match is None:
        raise ReplyError("it is not a current, a time and a status")
    value_a, time_s, status = (float(text) for text in match.groups())
    if not (abs(value_a) <= _LARGEST_A or value_a in (_OVERFLOW, _NOT_A_NUMBER)):
        raise ReplyError(f"{value_a:g} A is more than this instrument can tell")
    if not 0 <= time_s < CLOCK_S or not (0 <= status < 1 << 16 and math.isclose(status, round(status))):
        raise ReplyError(f"time {time_s:g} s and status {status:g} cannot be")
    return Reading(value_a, time_s, round(status))


def decode_number(data: bytes) -> float | None:
    """Read a reply that is one number; None while it is not whole.

    Raises:
        ReplyError: it is none.
    """
    line = decode_line(data)
    if line is None:
        return None
    if _NUMBER.fullmatch(line) is None:
        raise ReplyError("it is not a number")
    return float(line)


def decode_error(data: bytes) -> tuple[int, str] | None:
    """Read the reply to ``STAT:QUE?``: number and words of the oldest error, 0 for none; None while it is not whole.

    Raises:
        ReplyError: it is not a number and words.
    """
    line = decode_line(data)
    if line is None:
        return None
    match = _ERROR.fullmatch(line)
    if match is None:
        raise ReplyError("it is not the number and the words of an error")
    return int(match[1]), match[2]
