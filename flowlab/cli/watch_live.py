"""Draws what is known of a daemon: once, or again and again in the whole terminal."""

import contextlib
import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flowlab.cli.watch_screen import screen
from flowlab.cli.watched import Watched

_DRAW_EVERY_S = 0.25


def print_once(watched: Watched, console: Console) -> None:
    """One picture, as high as it needs to be."""
    lines = _drawn(watched, console.width, None).split("\n")
    for line in lines:
        line.rstrip()  # who reads it from a file needs no spaces at the end
    console.print(Text("\n").join(lines), soft_wrap=True)


def _drawn(watched: Watched, width: int, height: int | None, hint: str = "") -> Text:
    sections, silence_s = watched.sections, watched.silence_s
    return screen(sections, now=time.time(), silence_s=silence_s, width=width, height=height, hint=hint)


def show(watched: Watched, console: Console) -> None:
    """Draw it until q is pressed; the terminal is then as it was."""
    with _pressed() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while pressed(_DRAW_EVERY_S) not in ("q", "Q"):
            width, height = console.size
            hints = ["" if watched.settled else "looking…", "q ends it" if sys.stdin.isatty() else ""]
            picture = _drawn(watched, width, height, "  ".join(filter(None, hints)))
            picture.no_wrap, picture.overflow = True, "crop"
            live.update(picture, refresh=True)


@contextlib.contextmanager
def _pressed() -> Iterator[Callable[[float], str]]:
    """Gives a function that waits for a key for so many seconds, and says which was pressed, if any."""
    if not sys.stdin.isatty():
        nothing = threading.Event()

        def waited(wait_s: float) -> str:
            nothing.wait(wait_s)
            return ""

        yield waited
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def pressed(wait_s: float) -> str:
        if not select.select([keyboard], [], [], wait_s)[0]:
            return ""
        return os.read(keyboard, 1).decode(errors="replace") or "q"  # the terminal is gone: nobody looks

    try:
        tty.setcbreak(keyboard)
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
