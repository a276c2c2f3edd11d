"""Words and numbers of the terminal's picture: short, and with the digits that an error leaves."""

import math
import time
from typing import Any

from rich.text import Text

#: What a peak is: a sign of its own, so that nothing is told by colour alone.
KINDS = {
    "msc": ("●", "cluster", "stays", "green"),
    "nc": ("▲", "exciton", "moves", "cyan"),
    "artefact": ("×", "artefact", "", "magenta"),
    "other": ("◆", "something else", "", "blue"),
    "unknown": ("?", "not known yet", "", ""),
}
_MANY_S, _MANY_MIN = 90, 90
_LARGE, _SMALL = 1e5, 1e-3


def number(value: Any) -> str:
    """What a gauge says: a number to four digits or so, yes or no, a word; a dash for what is not known."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if not value:
        return "0"
    if not _SMALL <= abs(value) < _LARGE:
        return f"{value:.3g}"
    return f"{value:.{min(3, max(0, 3 - math.floor(math.log10(abs(value)))))}f}"


def with_error(value: float | None, err: float | None, unit: str = "") -> str:
    """``437.1 ± 0.2 nm``: the error to one digit, or to two where it begins with a one."""
    unit = unit and f" {unit}"
    if value is None:
        return "–"
    if err is None or not err > 0:
        return f"{value:.1f}{unit}, error not known"
    power = math.floor(math.log10(err))
    digits = max(0, 1 - power if err / 10**power < 1.95 else -power)
    return f"{value:.{digits}f} ± {err:.{digits}f}{unit}"


def duration(seconds: float) -> str:
    """How long: 45 s, 12 min, 3 h 05 min."""
    if seconds < _MANY_S:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < _MANY_MIN else f"{minutes // 60} h {minutes % 60:02} min"


def give_or_take(seconds: float, err_seconds: float | None) -> str:
    """How long, and how well that is known: ``12 ± 2 min``."""
    told, err = duration(seconds), duration(err_seconds or 0.0)
    if not err_seconds or err == "0 s":
        return told
    (many, unit), (of_err, err_unit) = told.split(maxsplit=1), err.split(maxsplit=1)
    return f"{many} ± {of_err} {unit}" if unit == err_unit else f"{told} ± {err}"


def clock(unix_s: float) -> str:
    """The time of the day."""
    return time.strftime("%H:%M:%S", time.localtime(unix_s))


def place(axes: list[dict[str, Any]], panel: float | None, coordinate: float | None) -> str:
    """Where in the scan: ``T_nuc 280 °C, T_growth 240 °C``."""
    values = [panel, coordinate] if len(axes) > 1 else [coordinate]
    told = [
        f"{axis['symbol']} {value:g} {axis['unit']}".strip()
        for axis, value in zip(axes, values, strict=False)
        if value is not None
    ]
    return ", ".join(told)


def fitted(line: Text, width: int) -> Text:
    """A line made exactly so wide; what does not fit ends in an ellipsis."""
    line = line.copy()
    line.truncate(max(0, width), overflow="ellipsis", pad=True)
    return line


def wrapped(text: str, width: int, lines: int, style: str = "") -> list[Text]:
    """Text in at most so many lines; the last ends in an ellipsis where more would follow."""
    words, folded = text.split(), [""]
    for word in words:
        longer = f"{folded[-1]} {word}".strip()
        if len(longer) <= width or not folded[-1] or len(folded) == lines:
            folded[-1] = longer
        else:
            folded.append(word)
    return [fitted(Text(line, style), width) for line in folded]


def beside(parts: list[tuple[list[Text], int]], rows: int) -> list[Text]:
    """Parts beside each other, each in its width, with a rule between."""
    lines: list[Text] = []
    rule = Text.assemble((" │ ", "dim"))  # a style of its own would be that of what is joined by it
    for row in range(rows):
        cells = [fitted(part[row] if row < len(part) else Text(), width) for part, width in parts]
        lines.append(rule.join(cells))
    return lines
