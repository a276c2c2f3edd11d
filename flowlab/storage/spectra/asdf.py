"""The compressed numbers of JCAMP-DX: one line of ordinates, in any of the forms of ASDF, mixed as they may be.

AFFN: numbers parted by blanks or signs. PAC: parted by their signs alone. SQZ: the first digit is a letter that also
carries the sign. DIF: the difference to the value before, its first digit a letter. DUP: how often the value before
occurs. R. S. McDonald, P. A. Wilks, Appl. Spectrosc. 1988, 42, 151, doi:10.1366/0003702884428734.
"""

import re

_SQUEEZED = {c: str(i) for i, c in enumerate("@ABCDEFGHI")} | {c: f"-{i}" for i, c in enumerate("abcdefghi", 1)}
_DIFFERENCE = {c: str(i) for i, c in enumerate("%JKLMNOPQR")} | {c: f"-{i}" for i, c in enumerate("jklmnopqr", 1)}
_REPEATED = {c: str(i) for i, c in enumerate("STUVWXYZs", 1)}
_TOKEN = re.compile(
    r"(?P<affn>[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]\d+)?)"
    r"|(?P<sqz>[@A-Ia-i]\d*(?:\.\d*)?)|(?P<dif>[%J-Rj-r]\d*(?:\.\d*)?)|(?P<dup>[S-Zs]\d*)|(?P<missing>\?)|(?P<gap>[\s,;]+)",
    re.ASCII,
)
_MOST_IN_A_LINE = 100_000


class AsdfError(ValueError):
    """A line that is no line of numbers."""


def decode(line: str) -> tuple[list[float], bool]:
    """Numbers of a line, the first of them the abscissa.

    Returns:
        The numbers, nan for a missing one (``?``); and whether the last was given as a difference: then the next line
        repeats it, to be checked.

    Raises:
        AsdfError: there is something else in the line, or it holds far too many numbers.
    """
    values: list[float] = []
    step: float | None = None  # of the last value, where it was given as a difference
    place = 0
    while place < len(line):
        token = _TOKEN.match(line, place)
        if token is None:
            raise AsdfError(f"{line[place : place + 12]!r} is no number")
        place = token.end()
        text = token.group()
        match token.lastgroup:
            case "affn":
                values.append(float(text))
                step = None
            case "sqz":
                values.append(float(_SQUEEZED[text[0]] + text[1:]))
                step = None
            case "dif":
                step = float(_DIFFERENCE[text[0]] + text[1:])
                values.append(_before(values, text) + step)
            case "dup":
                _repeat(values, int(_REPEATED[text[0]] + text[1:]) - 1, step, text)
            case "missing":
                values.append(float("nan"))
                step = None
            case _:
                pass
        if len(values) > _MOST_IN_A_LINE:
            raise AsdfError(f"a line of more than {_MOST_IN_A_LINE} numbers")
    return values, step is not None


def _before(values: list[float], text: str) -> float:
    if len(values) < 2:
        raise AsdfError(f"{text!r} is a difference, with no ordinate before it")
    return values[-1]


def _repeat(values: list[float], count: int, step: float | None, text: str) -> None:
    """A repeated difference goes on with the same step."""
    if len(values) < 2:
        raise AsdfError(f"{text!r} repeats an ordinate, and there is none before it")
    if not 0 <= count <= _MOST_IN_A_LINE:
        raise AsdfError(f"{text!r} repeats a value {count + 1} times")
    for _ in range(count):
        values.append(values[-1] + (step or 0.0))
