"""What a person sees while a run goes on: how far it is, where it is, and the latest verdict."""

import sys
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flowlab.stream import Message

#: What results say of a point in words, by the kind of their run: the first kind of several counts the points.
_WORDS = {"absorbance": "verdict", "saxs": "finding", "luminescence": "emission"}


class RunProgress:
    """A progress bar on standard error; where that is no terminal, a line for each panel of the scan.

    Use as a context; give its :meth:`watch` every document.

    Args:
        documents: address at which anybody may listen in, told when the run has begun; None: there is no such.
    """

    def __init__(self, documents: str | None = None) -> None:
        self._documents = documents
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=self._console,
            transient=True,
        )
        self._plain = not self._console.is_terminal
        self._task = self._progress.add_task("starting", total=None, now="")
        self._panel: float | None = None
        self._last = ""
        self._done = self._of = 0
        self._kind = ""

    def watch(self, message: Message) -> None:
        """Show what a document says."""
        doc = message.doc
        if message.name == "start" and "parent_run" not in doc:
            # The analysis of a run that resumes another begins with the points of that.
            self._of = int(doc.get("num_points") or 0) + int(doc.get("first_point") or 0)
            self._kind = str((doc.get("analysis") or {}).get("kind"))
            self._progress.update(self._task, description=str(doc.get("plan_name", "run")), total=self._of or None)
            if self._documents is not None:
                sys.stderr.write(f"documents  {self._documents}\n")
        elif message.name == "event":
            for kind, key in _WORDS.items():
                if key in doc["data"]:
                    self._result(doc["data"], doc["data"][key], counts=kind == self._kind)

    def _result(self, data: dict[str, Any], words: str, *, counts: bool) -> None:
        self._done += counts
        now = f"{data['panel']:g} / {data['coordinate']:g}: {words}"
        self._progress.update(self._task, completed=self._done, now=now)
        if self._plain and self._panel is not None and data["panel"] != self._panel:
            sys.stderr.write(f"{self._done - 1}/{self._of}  {self._last}\n")
        self._panel, self._last = data["panel"], now

    def __enter__(self) -> Self:
        if not self._plain:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._plain:
            self._progress.stop()
        elif self._last:
            sys.stderr.write(f"{self._done}/{self._of}  {self._last}\n")
