"""A command in a terminal of its own, as a person sees it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from types import TracebackType
from typing import Self

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LIMIT_S = 90.0


class Terminal:
    """Runs ``flowlab`` in a terminal. Use as a context.

    Attributes:
        process: of the command.
        raw: all that it wrote.
    """

    def __init__(self, *words: str, environment: dict[str, str], size: tuple[int, int] = (100, 30)):
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._before = termios.tcgetattr(self._slave)
        self.raw = ""
        told = {"COLUMNS", "LINES"}  # of the terminal in which the tests run, if any: rich believes them
        plain = {name: value for name, value in environment.items() if name not in told}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flowlab", *words],
            env={**plain, "TERM": "xterm-256color"},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    @property
    def as_it_was(self) -> bool:
        """Whether the terminal is set as before."""
        return termios.tcgetattr(self._slave) == self._before

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def until(self, words: str, limit_s: float = _LIMIT_S) -> str:
        """Read until words appear that were not there when this was called; what came until then."""
        came, end = "", time.monotonic() + limit_s
        while words not in came:
            assert time.monotonic() < end, f"{words!r} did not appear within {limit_s:g} s: {self.raw[-3000:]}"
            came = _CONTROL.sub("", came + self._read())
        return came

    def _read(self) -> str:
        if not select.select([self._master], [], [], 0.2)[0]:
            return ""
        text = os.read(self._master, 65536).decode(errors="replace")
        self.raw += text
        return text

    def end(self, limit_s: float = _LIMIT_S) -> int:
        """Read until the command has ended; its exit code."""
        end = time.monotonic() + limit_s
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it did not end within {limit_s:g} s: {self.raw[-3000:]}"
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)
