"""A daemon as its user starts it: ``flowlab up`` on a simulated instrument, with a state folder of its own."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from flowlab.daemon.asking import ask
from flowlab.errors import FlowlabError
from tests.simulators.benches import place

#: Generous: what is waited for comes much sooner, but on a machine that does a great deal else.
LIMIT_S = 90.0
_LOOK_EVERY_S = 0.02

Facts = dict[str, Any]


class Daemon:
    """A running ``flowlab up``.

    Attributes:
        process: the supervisor.
        state: its state folder.
        runtime: where its sockets are.
        environment: variables with which a command finds it.
    """

    def __init__(self, state: Path, runtime: Path, *options: str):
        self.state = state
        self.runtime = runtime
        self.environment = {**os.environ, "FLOWLAB_STATE": str(state), "XDG_RUNTIME_DIR": str(runtime)}
        self._seen: dict[int, psutil.Process] = {}
        command = [sys.executable, "-m", "flowlab", "up", *options]
        with (runtime / "out").open("wb") as out, (runtime / "err").open("wb") as err:
            self.process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=err)

    @property
    def said(self) -> str:
        """What it wrote on standard output."""
        return (self.runtime / "out").read_text()

    @property
    def complaints(self) -> str:
        """What it wrote on standard error."""
        return (self.runtime / "err").read_text()

    @property
    def address(self) -> str:
        """Of its control socket."""
        note = self.state / "daemon.json"

        def told() -> str | None:
            facts = json.loads(note.read_text()) if note.exists() else None
            # Another may have been here before.
            return facts["addresses"]["control"] if facts and facts["pids"]["supervisor"] == self.process.pid else None

        return self._wait_for(told, "it does not tell where it can be asked")

    def ask(self, method: str, params: Facts | None = None, limit_s: float = LIMIT_S) -> Facts:
        """Call a method of the control API; a refusal is a FlowlabError."""
        return ask(self.address, method, params, limit_s)

    def status(self) -> Facts:
        """What ``flowlab status --json`` prints."""
        facts = self.ask("flowlab_status")["status"]
        for pid in filter(None, facts["pids"].values()):
            if pid not in self._seen:
                with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
                    self._seen[pid] = psutil.Process(pid)
        return facts

    def until(self, holds: Callable[[Facts], object], limit_s: float = LIMIT_S) -> Facts:
        """The first status that is as it should be."""
        newest: Facts = {}

        def look() -> Facts | None:
            nonlocal newest
            newest = self.status()
            return newest if holds(newest) else None

        try:
            return self._wait_for(look, "the status did not become what it should", limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {newest}") from None

    def until_state(self, *states: str, limit_s: float = LIMIT_S) -> Facts:
        """The first status whose state is one of these."""
        return self.until(lambda facts: facts["state"] in states, limit_s)

    def truth(self) -> Facts:
        """The plant as it is, not as its instruments say."""
        return self.simulators(truth=True)

    def simulators(self, **request: Any) -> Facts:
        """One request to the simulators' control port, for instance ``fault="stall", device="cadmium_pump"``."""
        address = self.status()["addresses"]["faults"]
        with socket.create_connection(place(address), timeout=LIMIT_S) as sock, sock.makefile("rw") as file:
            file.write(json.dumps(request) + "\n")
            file.flush()
            return json.loads(file.readline())

    def add(self, plan: str, **parameters: Any) -> str:
        """Queue a plan; the item's uid."""
        item = {"item_type": "plan", "name": plan, "kwargs": parameters}
        who = {"user": "test", "user_group": "primary"}
        return self.ask("queue_item_add", {"item": item, **who})["item"]["item_uid"]

    def flowlab(self, *words: object) -> subprocess.CompletedProcess[str]:
        """A command of the command line, which finds this daemon."""
        command = [sys.executable, "-m", "flowlab", *map(str, words)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal, and wait until it has; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)

    def left(self) -> list[psutil.Process]:
        """Processes that it had started, as far as its status told, and that still run."""
        return [process for process in self._seen.values() if process.is_running() and process.pid != self.process.pid]

    def close(self) -> None:
        """End it, if it runs, and whatever it left: that is a failure unless it was killed."""
        if self.process.poll() is None:
            with contextlib.suppress(FlowlabError, AssertionError):
                self.status()
            self.process.terminate()
        try:
            code = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        left = self.left()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, LIMIT_S)
        assert code == -signal.SIGKILL or not left, f"left running: {left}"

    def _wait_for(self, look: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        end = time.monotonic() + limit_s
        while True:
            refused: FlowlabError | None = None
            try:
                if (found := look()) is not None:
                    return found
            except FlowlabError as error:  # it does not listen yet
                refused = error
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.complaints}"
            assert time.monotonic() < end, f"{what} within {limit_s:g} s: {refused or ''}"
            threading.Event().wait(_LOOK_EVERY_S)


@contextlib.contextmanager
def daemon(state: Path, *options: str, wait: bool = True) -> Iterator[Daemon]:
    """Have ``flowlab up`` run on a state folder, by default until it is idle; end it afterwards, if need be.

    Its sockets are in a folder with a short name: paths of sockets may not be long.
    """
    runtime = Path(tempfile.mkdtemp(prefix="fl", dir="/tmp"))
    try:
        running = Daemon(state, runtime, *options)
        try:
            if wait:
                settled = ("idle", "interrupted", "unsafe")  # an interrupted item is told of before anything is done
                running.until(lambda facts: facts["state"] in settled and facts["safe"] is not None)
            yield running
        finally:
            running.close()
    finally:
        shutil.rmtree(runtime)
