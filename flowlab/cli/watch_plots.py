"""Pictures made of characters: a curve of Braille dots, and a map of digits."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from rich.text import Text

from flowlab.cli.watch_words import KINDS, fitted

_BRAILLE = 0x2800
#: Bits of the dots of a Braille character, from the top; left and right column.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_SEEN_SIGMAS = 2.0
_LEVELS = 9


def curve(x: ArrayLike, y: ArrayLike, width: int, rows: int) -> tuple[list[str], tuple[float, float]] | None:
    """A curve in lines of Braille characters.

    Args:
        x: ascending.
        y: nan where not known: the curve has a gap there.
        width: of the lines, in characters; each has two columns of four dots.
        rows: how many lines.

    Returns:
        The lines, and the values of their bottom and top; None where there is nothing to be drawn.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    known = np.isfinite(ys)
    if known.sum() < 2 or xs[-1] <= xs[0]:
        return None
    columns = np.minimum((2 * width * (xs - xs[0]) / (xs[-1] - xs[0])).astype(int), 2 * width - 1)
    total = np.bincount(columns[known], ys[known], 2 * width)
    count = np.bincount(columns[known], minlength=2 * width)
    mean = np.divide(total, count, out=np.full(2 * width, math.nan), where=count > 0)
    low, high = float(np.nanmin(mean)), float(np.nanmax(mean))
    heights = (4 * rows - 1) * (mean - low) / ((high - low) or 1.0)
    cells = np.full((rows, width), _BRAILLE)
    before: int | None = None
    for column, height in enumerate(heights):
        if math.isnan(height):
            before = None
            continue
        dot = round(height)
        # Half way up to its neighbour, too: a steep curve is a line, not a row of dots.
        for at in range(min(dot, dot if before is None else before), max(dot, dot if before is None else before) + 1):
            row, part = divmod(4 * rows - 1 - at, 4)
            cells[row, column // 2] |= _DOTS[column % 2][part]
        before = dot
    return ["".join(map(chr, row)) for row in cells], (low, high)


def spectrum(sections: dict[str, Any], width: int, rows: int) -> list[Text]:
    """The newest absorption spectrum around its peaks, with their signs below; nothing where there is none."""
    axis, newest = sections.get("axis"), sections.get("spectrum")
    if axis is None or newest is None or newest["absorbance"] is None or rows < 4:
        return []
    wavelength, absorbance = np.asarray(axis["wavelength_nm"], float), np.asarray(newest["absorbance"], float)
    analysed = [p for p in sections["points"]["items"] if p["features"]][-1:]
    peaks = [f["wavelength_nm"] for p in analysed for f in p["features"] if f["wavelength_nm"] is not None]
    features = [
        f for p in analysed if p["uid"] == newest["uid"] for f in p["features"] if f["wavelength_nm"] is not None
    ]
    inside = _around(wavelength, np.isfinite(absorbance), peaks)
    drawn = curve(wavelength[inside], absorbance[inside], width, rows - 2)
    if drawn is None:
        return []
    lines, (low, high) = drawn
    first, last = float(wavelength[inside][0]), float(wavelength[inside][-1])
    signs = Text(" " * width)
    for feature in features:
        column = int(width * (feature["wavelength_nm"] - first) / (last - first))
        if 0 <= column < width:
            sign, _, _, style = KINDS[sections["tracks"].get(str(feature["track"]), {"kind": "unknown"})["kind"]]
            signs = Text.assemble(signs[:column], (sign, style), signs[column + 1 :])
    ends, between = (f"{first:.0f} nm", f"{last:.0f} nm"), f"absorbance {_tidy(low)}…{_tidy(high)}"
    room = width - sum(map(len, ends))
    scale = f"{ends[0]}{between if len(between) + 2 <= room else '':^{max(0, room)}}{ends[1]}"
    return [*map(Text, lines), signs, fitted(Text(scale, "dim"), width)]


def _tidy(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def _around(wavelength: Any, known: Any, peaks: list[float]) -> Any:
    """Which pixels are shown: those around the peaks; where there are none, all that are known."""
    inside = known
    if peaks:
        inside = known & (wavelength > 0.85 * min(peaks)) & (wavelength < 1.15 * max(peaks))
    return inside if inside.sum() > 1 else known


def cluster_map(points: list[dict[str, Any]], axes: list[dict[str, Any]], width: int, rows: int) -> list[Text]:
    """How high the cluster's band is over both axes, in ninths of the highest; the newest point is reversed.

    Args:
        points: as a picture has them.
        axes: the slow one first.
        width: in characters.
        rows: at most; the newest panels are shown.
    """
    placed = [p for p in points if p["panel"] is not None and p["coordinate"] is not None]
    if not placed or len(axes) < 2 or rows < 3:
        return []
    panels = list(dict.fromkeys(p["panel"] for p in placed))[-(rows - 2) :]
    shown = [p for p in placed if p["panel"] in panels]
    across = sorted({p["coordinate"] for p in shown})
    labels = max(len(f"{panel:g}") for panel in panels)
    cell = 2 if 2 * len(across) + labels < width else 1
    columns = min(len(across), max(1, (width - labels - 1) // cell))
    column_of = {value: i * columns // len(across) for i, value in enumerate(across)}
    highest = max((p["cluster_height"] for p in shown if _seen(p)), default=0.0)
    lines = {panel: [Text(" " * cell) for _ in range(columns)] for panel in panels}
    for point in sorted(shown, key=lambda p: p["cluster_height"] or -math.inf):  # where several meet, the highest stays
        newest = "reverse" if point is placed[-1] else ""
        lines[point["panel"]][column_of[point["coordinate"]]] = Text(_level(point, highest).rjust(cell), newest)
    slow, fast = axes[0], axes[-1]
    legend = f"cluster{f' 9={highest:.2g}' if highest else ''} .=no x=unusable"
    head = f"{slow['symbol']} ↓ {fast['symbol']} → {across[0]:g}…{across[-1]:g} {fast['unit']}"
    told = [Text.assemble((f"{panel:>{labels}g} ", "dim"), *lines[panel]) for panel in sorted(panels)]
    return [fitted(Text(legend), width), fitted(Text(head, "dim"), width), *told]


def _seen(point: dict[str, Any]) -> bool:
    height, err = point["cluster_height"], point["cluster_height_err"]
    return bool(point["usable"]) and height is not None and height > _SEEN_SIGMAS * (err or 0.0)


def _level(point: dict[str, Any], highest: float) -> str:
    if not point["usable"]:
        return "x"
    return str(max(1, round(_LEVELS * point["cluster_height"] / highest))) if _seen(point) else "."
