"""A daemon of a benchmark's own, in a short temporary folder: started, asked, and ended with all that belongs to it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from flowlab.daemon.asking import ask
from flowlab.daemon.state_folder import StateFolder
from flowlab.errors import FlowlabError
from flowlab.stream import RunStore

T = TypeVar("T")

_ANSWERS_WITHIN_S = 60.0
_POLL_S = 0.01


class OwnDaemon:
    """Use as a context: at its end nothing of it is left.

    Attributes:
        folder: of its own; short, for paths of sockets are.
        environment: of its process, and of what else belongs to this benchmark.
        state: the folder of its state.
        process: that runs now, or ran last.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fl-"))
        self.state = StateFolder(self.folder / "state")
        runtime = self.folder / "run"
        runtime.mkdir(mode=0o700)
        self.environment = {**os.environ, "FLOWLAB_STATE": str(self.state.path), "XDG_RUNTIME_DIR": str(runtime)}
        self.process: subprocess.Popen[str] | None = None
        self.control = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(10.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def store(self) -> RunStore:
        """Its runs."""
        return RunStore(self.state.runs)

    @property
    def replay(self) -> str:
        """Address of its replay service."""
        return self.control.removesuffix("control") + "replay"

    @property
    def documents(self) -> str:
        """Where its documents are given out."""
        return self.control.removesuffix("control") + "documents"

    def up(self, *arguments: str) -> float:
        """Start it; return the seconds until it said where it answers."""
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flowlab", "up", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert self.process.stdout is not None  # noqa: S101  it was asked for
        line = self.process.stdout.readline()
        took = time.perf_counter() - begin
        if not line.startswith("control"):
            raise FlowlabError(f"flowlab up said {line!r}; it ended with {self.process.wait(10.0)}")
        self.control = line.split()[1]
        return took

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of it."""
        return ask(self.control, method, params, _ANSWERS_WITHIN_S)

    def add(self, plan: str, parameters: dict[str, Any], count: int = 1) -> list[str]:
        """Queue a plan so many times; return the items' uids."""
        items = [{"item_type": "plan", "name": plan, "kwargs": parameters}] * count
        return [item["item_uid"] for item in self.ask("queue_item_add_batch", items=items)["items"]]

    def facts(self) -> dict[str, Any]:
        """What ``flowlab status --json`` prints."""
        return self.ask("flowlab_status")["status"]

    def until(self, wanted: Callable[[dict[str, Any]], bool], limit_s: float) -> dict[str, Any]:
        """Its facts, as soon as they are as wanted.

        Raises:
            FlowlabError: they are not within the limit.
        """
        end = time.monotonic() + limit_s
        while not wanted(facts := self.facts()):
            if time.monotonic() > end:
                raise FlowlabError(f"after {limit_s:g} s the daemon is {facts['state']}: {facts['why']}: {facts}")
            time.sleep(_POLL_S)
        return facts

    def until_open(self, limit_s: float = 60.0) -> dict[str, Any]:
        """Its facts, once nothing is being done and its devices are connected: anew, where they could not be before."""
        if self.until(_rests, limit_s)["environment"] == "closed":
            self.ask("environment_open")
        return self.until(lambda facts: facts["environment"] == "open" and facts["state"] == "idle", limit_s)

    def end(self, number: signal.Signals = signal.SIGTERM, limit_s: float = 60.0) -> int:
        """End it, and kill it when it does not end; return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def processes(self) -> list[psutil.Process]:
        """All that run and belong to it, the simulators too."""
        mine = self.environment["FLOWLAB_STATE"]
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("FLOWLAB_STATE") == mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def _rests(facts: dict[str, Any]) -> bool:
    return facts["state"] == "idle" and facts["environment"] in ("open", "closed")


def eventually(seen: Callable[[], T], limit_s: float) -> T:
    """What is seen, once it is true; or the last of it when the limit is over."""
    end = time.monotonic() + limit_s
    while not (found := seen()) and time.monotonic() < end:
        time.sleep(_POLL_S)
    return found
