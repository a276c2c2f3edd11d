"""Child processes that tell when they are ready and never outlive their parent.

A child reads its specification as one line of JSON from standard input, and orders as further lines; says on standard
output, in lines of JSON, that it is ready, what it did and what went wrong, and ends when standard input ends: that is
its lifeline, which the parent holds and which breaks when the parent dies, however it dies.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from flowlab.errors import BadInputError, FlowlabError

#: Tells somebody something that can be said in JSON.
Tell = Callable[[dict[str, Any]], None]


class ChildFailedError(FlowlabError):
    """A child process says that it failed, in its own words.

    Attributes:
        kind: name of the error's class there.
    """

    def __init__(self, message: str, exit_code: int, kind: str = ""):
        super().__init__(message)
        self.exit_code = exit_code
        self.kind = kind


class ChildDiedError(FlowlabError):
    """A child process ended, or was killed, without saying why; or it takes too long."""


def failure_of(message: dict[str, Any]) -> FlowlabError:
    """What a child says when it fails, as an error."""
    if message["exit_code"] == BadInputError.exit_code:
        return BadInputError(message["failed"])
    return ChildFailedError(message["failed"], message["exit_code"], message.get("kind", ""))


class Lifeline:
    """The child's side: specification, orders, and when to end.

    Attributes:
        spec: what the parent wants, from the first line of standard input.
    """

    def __init__(self) -> None:
        # Whatever prints, a library for instance, prints into the log: what the parent reads is said here alone,
        # and a parent that is gone breaks nobody's print.
        self._says = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lines = _lines()
        try:
            self.spec: dict[str, Any] = json.loads(next(self._lines, b""))
        except json.JSONDecodeError:
            raise SystemExit("expected a specification as one line of JSON on standard input") from None
        self._cut = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._lock, self._saying = threading.Lock(), threading.Lock()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    @property
    def cut(self) -> bool:
        """Whether it is time to end."""
        return self._cut.is_set()

    def on_cut(self, callback: Callable[[], None]) -> None:
        """Have a function called, in another thread, when it is time to end."""
        self._callbacks.append(callback)
        if self.cut:
            callback()

    def orders(self) -> Iterator[dict[str, Any]]:
        """What the parent orders, as it comes, until it is time to end."""
        while (order := self._orders.get()) is not None:
            yield order

    def _watch(self) -> None:
        for line in self._lines:
            self._orders.put(json.loads(line))
        self._end()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        threading.Thread(target=self._end, name="lifeline-signal", daemon=True).start()

    def _end(self) -> None:
        with self._lock:
            if self._cut.is_set():
                return
            self._cut.set()
        self._orders.put(None)
        for callback in self._callbacks:
            callback()

    def ready(self, facts: dict[str, Any]) -> None:
        """Tell the parent that work can begin."""
        self.tell({"ready": facts})

    def done(self, facts: dict[str, Any]) -> None:
        """Tell the parent what came of it."""
        self.tell({"done": facts})

    def say(self, text: str) -> None:
        """Tell the parent something a person should read."""
        self.tell({"say": text})

    def fail(self, error: FlowlabError) -> None:
        """Tell the parent what went wrong."""
        self.tell({"failed": str(error), "exit_code": error.exit_code, "kind": type(error).__name__})

    def tell(self, message: dict[str, Any]) -> None:
        """Tell the parent anything, as a line of JSON."""
        line = json.dumps(message) + "\n"
        with self._saying, contextlib.suppress(BrokenPipeError):  # the parent is gone; the lifeline tells
            self._says.write(line)
            self._says.flush()


def _lines() -> Iterator[bytes]:
    """Lines of standard input; not through sys.stdin: its lock must be free when the interpreter ends meanwhile."""
    begun = b""
    while data := os.read(0, 65536):
        *whole, begun = (begun + data).split(b"\n")
        yield from whole


class Child:
    """The parent's side of a child process.

    Args:
        name: for messages.
        module: run as ``python -m MODULE``.
        spec: given to the child on standard input; None for a child that takes its wishes as arguments.
        log: what the child writes on standard error goes there.
        arguments: of the command line.
        listen: called with each message of the child, in a thread of its own, with ``{"ended": True}`` last of all;
            there is nothing to wait for then, nor to poll.

    Attributes:
        said: what the child had a person read, in order.
    """

    def __init__(
        self,
        name: str,
        module: str,
        spec: dict[str, Any] | None,
        log: Path,
        arguments: list[str] | None = None,
        listen: Tell | None = None,
    ):
        self.name = name
        self.log = log
        self.said: list[str] = []
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._heard = listen or self._messages.put
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stderr:
            self._log_begins = stderr.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                [sys.executable, "-m", module, *(arguments or [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=0,  # Ctrl-C is for the parent, which ends its children in order
            )
        self._reader = threading.Thread(target=self._read, name=f"{name} says", daemon=True)
        self._reader.start()
        if spec is not None:
            self._write(json.dumps(spec).encode() + b"\n")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def order(self, order: dict[str, Any]) -> None:
        """Have it do something; that it died meanwhile is told elsewhere."""
        self._write(json.dumps(order).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101  it was asked for
        with contextlib.suppress(BrokenPipeError, ValueError):  # it died, or is to end; wait_for says so
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  it was asked for
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "say" in message:
                self.said.append(message["say"])
            else:
                self._heard(message)
        self._heard({"ended": True})

    def wait_for(self, what: str, limit_s: float) -> dict[str, Any]:
        """Wait until the child says ``what``, ready or done.

        Returns:
            The facts that it says with it.

        Raises:
            BadInputError: the child was asked for something it refuses.
            ChildFailedError: it says that it failed.
            ChildDiedError: it ended without a word, or took too long.
        """
        message = self.poll(what, limit_s)
        if message is None:
            raise ChildDiedError(f"{self.name}: not {what} within {limit_s:g} s")
        return message

    def poll(self, what: str, limit_s: float) -> dict[str, Any] | None:
        """As :meth:`wait_for`, but None when it is not there within ``limit_s``."""
        end = time.monotonic() + limit_s
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return None
            if what in message:
                return message[what]
            if "failed" in message:
                raise failure_of(message)
            if "ended" in message:
                self._messages.put(message)
                raise self.epitaph()

    def epitaph(self) -> FlowlabError:
        """How it ended, once it has."""
        code = self._process.wait()
        written = b""
        with contextlib.suppress(OSError):  # somebody cleaned up
            written = self.log.read_bytes()[self._log_begins :]  # not what another wrote before
        last = written.decode(errors="replace").strip().splitlines()[-1:]
        if code == -signal.SIGKILL:  # what it wrote last has nothing to do with that
            last = []
        if code == BadInputError.exit_code and last:
            return BadInputError(last[0])
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ChildDiedError(f"{self.name}: {how}{': ' + last[0] if last else ''} (log: {self.log})")

    def cut(self) -> None:
        """Cut the lifeline: the child ends by itself, tidily."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def terminate(self) -> None:
        """Have it end, though its lifeline may be whole, or not be all that it waits for."""
        self._process.terminate()

    def close(self, limit_s: float = 10.0) -> int:
        """Cut the lifeline, wait, and kill the child only when it does not end by itself.

        Returns:
            Its exit code; negative for a signal.
        """
        self.cut()
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def kill(self) -> None:
        """End it at once, for tests of what happens then."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
