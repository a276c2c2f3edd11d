"""SCPI as an instrument sees it: lines with headers in their long and short forms.

Source: SCPI-99 volume 1, 6.2 (headers), 21.8 (errors). Of a line with several commands each is taken from the root.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

UNDEFINED_HEADER = (-113, "Undefined header")
DATA_TYPE = (-104, "Data type error")
OUT_OF_RANGE = (-222, "Parameter data out of range")
MISSING_PARAMETER = (-109, "Missing parameter")

_NODE = re.compile(r"(\[?):?([A-Z*]+)([a-z]*)(\[1\])?\]?")


class ScpiError(Exception):
    """A command is not carried out.

    Args:
        error: number and words for the error queue.
    """

    def __init__(self, error: tuple[int, str]):
        super().__init__(f"{error[0]}, {error[1]}")
        self.error = error


@dataclass(frozen=True)
class Command:
    """What a header does: with an argument, and as a question."""

    tell: Callable[[str], None] | None = None
    ask: Callable[[], str] | None = None


def header(form: str) -> re.Pattern[str]:
    """What matches a header, so that ``[SENSe[1]]:CURRent[:DC]:RANGe`` is ``SENS:CURR:RANG`` and ``curr:range``."""
    pattern = ""
    for opens, short, rest, numbered in _NODE.findall(form):
        node = f":?{re.escape(short)}{f'(?:{rest})?' if rest else ''}{'1?' if numbered else ''}"
        pattern += f"(?:{node})?" if opens else f"(?:{node})"
    return re.compile(pattern, re.IGNORECASE)


def find(table: Mapping[str, Command], text: str) -> Command:
    """The command of a header, without its question mark.

    Raises:
        ScpiError: there is none.
    """
    for form, command in table.items():
        if header(form).fullmatch(text):
            return command
    raise ScpiError(UNDEFINED_HEADER)


def number(text: str) -> float:
    """An argument that is a number.

    Raises:
        ScpiError: it is none.
    """
    if not text:
        raise ScpiError(MISSING_PARAMETER)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d{1,2})?", text) is None:
        raise ScpiError(DATA_TYPE)
    return float(text)


def switch(text: str) -> bool:
    """An argument that is ON, OFF, 1 or 0.

    Raises:
        ScpiError: it is none of them.
    """
    if text.upper() in ("ON", "OFF"):
        return text.upper() == "ON"
    return number(text) != 0
