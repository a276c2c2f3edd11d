"""Where a scan measures, known before it begins: said by plans in their start document, understood by who shows it."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import msgspec


@dataclass(frozen=True)
class Grid:
    """Places on the two axes of a scan, in the order of the visit: of the first panel all coordinates, then the next.

    Attributes:
        panels: on the slow axis.
        coordinates: on the fast axis, the same in every panel.
        relative: whether coordinates are counted from their panel, and not from zero.
    """

    panels: tuple[float, ...]
    coordinates: tuple[float, ...]
    relative: bool = False

    def __len__(self) -> int:
        return len(self.panels) * len(self.coordinates)

    def places(self) -> list[tuple[float, float]]:
        """Panel and coordinate of each point."""
        return [
            (panel, panel + coordinate if self.relative else coordinate)
            for panel in self.panels
            for coordinate in self.coordinates
        ]

    def facts(self) -> dict[str, Any]:
        """For a document, or JSON: as long as its axes, however many points there are."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def grid_of(start: dict[str, Any]) -> Grid | None:
    """Where the run of a start document measures; None where it does not say so, or nothing that makes sense.

    Numbers are finite, there are at least one panel and one coordinate, and as many points as the run says.
    """
    try:
        grid = msgspec.convert(start.get("grid"), Grid)
        told = int(start.get("first_point", 0)) + int(start["num_points"])
    except (msgspec.ValidationError, KeyError, TypeError, ValueError, OverflowError):
        return None
    finite = math.isfinite(sum(map(abs, (*grid.panels, *grid.coordinates))))
    return grid if finite and len(grid) == told > 0 else None
