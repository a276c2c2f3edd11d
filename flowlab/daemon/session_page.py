"""The page of a session: served by a process of its own, which nothing waits for and whose end ends nothing."""

from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowlab.errors import FlowlabError
from flowlab.process import Child

_NEEDED = ("fastapi", "prometheus_client", "uvicorn", "websockets")


class SessionPage:
    """Use as a context, or close it.

    Args:
        shown: where documents are given out, what was missed of them, and where runs are kept: ``documents``,
            ``replay``, ``data``.
        log: file of what the process has to say.

    Attributes:
        address: where the page is, once :meth:`look` has found that out.
        trouble: why there is none, or no longer, in one line.
    """

    def __init__(self, shown: dict[str, Any], log: Path):
        self.address: str | None = None
        self.trouble: str | None = None
        self._child: Child | None = None
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            self.trouble = f"no page is served: {missing[0]} is not installed; pip install 'flowlab[web]'"
        else:
            self._child = Child("web", "flowlab.web", {"control": None, **shown}, log)

    def look(self) -> None:
        """Find out whether it is there by now, and whether it is still; does not wait."""
        if self._child is None or self.trouble is not None:
            return
        try:
            ready = self._child.poll("ready", 0.0)
        except FlowlabError as error:
            self.address, self.trouble = None, f"the page is gone, the run goes on: {error}"
        else:
            self.address = self.address if ready is None else str(ready["http"])

    @property
    def pid(self) -> int | None:
        """Process id; None where there is no process."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """End it; closing twice is harmless."""
        if self._child is not None:
            self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
