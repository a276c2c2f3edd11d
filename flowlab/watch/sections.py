"""The parts of a picture, and which of them have changed since somebody last looked: see docs/page.md."""

import math
from typing import Any

#: Sections that are lists, of which only the end is told anew.
LISTS = ("points", "saxs_points", "log")
_MOST_LINES = 500


class Sections:
    """Named sections of a picture. What was told of one is replaced, never changed: others may hold on to it."""

    def __init__(self) -> None:
        self._sections: dict[str, Any] = {}
        self._lists: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}
        self._changed: set[str] = set()
        self._from: dict[str, int] = {}

    def set(self, name: str, section: Any) -> None:
        """Replace a section, and note whether it is another one."""
        if name not in self._sections or section is not self._sections[name]:
            self._sections[name] = section
            self._changed.add(name)

    def get(self, name: str) -> Any:
        """A section as it is; None where there is none. Of a list, its items."""
        return self._lists[name] if name in self._lists else self._sections.get(name)

    def put(self, name: str, index: int, item: dict[str, Any]) -> None:
        """Put an item into a list, at its end or in the place of another."""
        index = min(index, len(self._lists[name]))
        self._lists[name][index : index + 1] = [item]
        self._from[name] = min(self._from.get(name, index), index)

    def add(self, name: str, item: dict[str, Any]) -> None:
        """Put an item at the end of a list."""
        self.put(name, len(self._lists[name]), item)

    def add_line(self, item: dict[str, Any]) -> None:
        """Put a line at the end of the log; the oldest goes when there are too many."""
        lines = self._lists["log"]
        self.add("log", item)
        if len(lines) > _MOST_LINES:
            del lines[: _MOST_LINES // 5]
            self._from["log"] = 0

    def clear(self, name: str) -> None:
        """Begin a list anew."""
        self._lists[name] = []
        self._from[name] = 0

    def all(self) -> dict[str, Any]:
        """Every section, as a message has them."""
        lists = {name: {"from": 0, "items": list(items)} for name, items in self._lists.items()}
        return {**self._sections, **lists}

    def take_changes(self) -> dict[str, Any]:
        """What has changed since this was called last, as a message has it."""
        lists = {name: {"from": at, "items": self._lists[name][at:]} for name, at in self._from.items()}
        changed = {name: self._sections[name] for name in self._changed}
        self._changed, self._from = set(), {}
        return {**changed, **lists}


def known(value: Any) -> Any:
    """A number of a document as JSON has it: None where it is not known."""
    if value is None or isinstance(value, str | bool):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def shown(value: Any) -> Any:
    """As :func:`known`, to seven digits: more than anybody reads, and half as long to send."""
    found = known(value)
    return float(f"{found:.7g}") if isinstance(found, float) else found
