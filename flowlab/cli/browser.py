"""Tells a person where the page is, and opens it where a browser can be seen."""

import os
import sys
import threading
import webbrowser
from pathlib import PurePath

from flowlab.daemon.session_page import SessionPage

#: Where these are set nobody sits at this machine's screen.
_ELSEWHERE = ("CI", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
#: Browsers that would take the terminal.
_OF_TEXT = {"www-browser", "links", "elinks", "lynx", "w3m"}


class PageNews:
    """Says once where a page is, and once why it is not there, on standard error.

    Args:
        page: of a session.
        browser: open the page, too, where somebody can see it.
    """

    def __init__(self, page: SessionPage, *, browser: bool):
        self._page = page
        self._browser = browser
        self._said: set[str] = set()

    def look(self) -> None:
        """Say what is new."""
        self._page.look()
        if (address := self._page.address) is not None and self._say(f"page       {address}") and self._browser:
            open_page(address)
        if self._page.trouble is not None:
            self._say(self._page.trouble)

    def _say(self, line: str) -> bool:
        new = line not in self._said
        if new:
            self._said.add(line)
            sys.stderr.write(f"{line}\n")
        return new


def open_page(address: str) -> threading.Thread | None:
    """Open an address in the user's browser, if there is one that can be seen; returns the thread that does it."""
    if not _somebody_sees():
        return None
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    if PurePath(getattr(browser, "name", "")).name in _OF_TEXT:
        return None
    opening = threading.Thread(target=browser.open, args=(address,), name="browser", daemon=True)
    opening.start()
    return opening


def _somebody_sees() -> bool:
    """Whether a person sits at a screen of this machine; in doubt not."""
    terminals = sys.stdout.isatty() and sys.stderr.isatty()
    screen = sys.platform == "darwin" or any(os.environ.get(name) for name in _DISPLAYS)
    return terminals and screen and not any(os.environ.get(name) for name in _ELSEWHERE)
