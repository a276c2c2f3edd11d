"""Where a family of clusters accumulates: the range of the scan's slow axis in which it is found."""

from dataclasses import dataclass

from flowlab.analysis.tracks import Track
from flowlab.analysis.verdict import Verdict


@dataclass(frozen=True)
class Window:
    """Where a family accumulates.

    Attributes:
        family: its name.
        low: lowest coordinate at which it is found; None when it is found nowhere.
        high: highest.
        found: every coordinate at which it is found.
        not_found: every other coordinate of the scan.
        why: in words.
    """

    family: str
    low: float | None
    high: float | None
    found: tuple[float, ...]
    not_found: tuple[float, ...]
    why: str


def accumulation_window(
    family: str, coordinates: list[float], tracks: list[Track], verdicts: dict[int, Verdict]
) -> Window:
    """The window of a family.

    Args:
        family: name.
        coordinates: of the panels, in the order in which they were measured.
        tracks: of all panels.
        verdicts: on them.
    """
    panels = {t.panel for t in tracks if verdicts[t.id].is_cluster_of(family)}
    found = tuple(sorted(c for panel, c in enumerate(coordinates) if panel in panels))
    missing = tuple(sorted(c for panel, c in enumerate(coordinates) if panel not in panels))
    if not found:
        return Window(family, None, None, found, missing, f"{family} was found nowhere")
    holes = [c for c in missing if found[0] < c < found[-1]]
    why = f"{family} found from {found[0]:g} to {found[-1]:g}"
    if holes:
        why += f", but not at {', '.join(f'{c:g}' for c in holes)}"
    return Window(family, found[0], found[-1], found, missing, why)
