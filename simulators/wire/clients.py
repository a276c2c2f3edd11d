"""Who is connected to a server, and since when nobody is."""

import time
from collections.abc import Hashable


class Clients:
    """The clients of one server; anything hashable stands for each."""

    def __init__(self) -> None:
        self._here: set[Hashable] = set()
        self._left_s = time.monotonic()

    def come(self, client: Hashable) -> None:
        """One has connected."""
        self._here.add(client)

    def leave(self, client: Hashable) -> None:
        """One has gone; saying so twice is harmless."""
        if client in self._here:
            self._here.remove(client)
            self._left_s = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Real seconds since the last of them left; 0 while one is there."""
        return 0.0 if self._here else time.monotonic() - self._left_s
