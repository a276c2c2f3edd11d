"""What events of every detector tell beside its counts: the place in the scan, and the plug in the cell."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowlab.live.documents import number, text

PLACE_KEYS = {"panel": number(), "coordinate": number()}
#: What is known of the plug in a cell, by the endings of the reactor's data keys.
_PLUG = {"entered_ml": "mL", "age_s": "s", "residence_s": "s", "nucleation_c": "°C", "growth_c": "°C"}
PLUG_KEYS = {f"plug_{name}": number(units) for name, units in _PLUG.items()} | {"plug_why": text()}


def place_of(data: Mapping[str, Any], axes: Sequence[str]) -> tuple[float, float]:
    """Coordinates of the slow and of the fast axis; nan where the event does not tell them."""
    values = (data.get(axes[0]), data.get(axes[-1]))
    slow, fast = (float(value) if isinstance(value, int | float) else float("nan") for value in values)
    return slow, fast


def plug_data(data: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What the reactor told of the plug in a cell.

    Args:
        data: of the event.
        prefix: of the reactor's data keys for the cell.
    """
    found: dict[str, Any] = {f"plug_{name}": float(data.get(f"{prefix}_{name}", float("nan"))) for name in _PLUG}
    return {**found, "plug_why": str(data.get(f"{prefix}_why", "the event does not tell"))}
