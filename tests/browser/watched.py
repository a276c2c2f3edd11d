"""A page under watch: what its console says, what it asks of whom, and what it gives away."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Request

#: As on the screens that the page is made for.
SIZE = {"width": 1366, "height": 768}
#: Milliseconds. Generous: what is waited for comes much sooner, but on a machine that does a great deal else.
LIMIT_MS = 30_000


class WatchedPage:
    """A page of its own browser context.

    Attributes:
        page: the page.
        addresses: of all that it asked for.
        complaints: what went wrong, so far.
        secrets: what may be in no address.
    """

    def __init__(self, page: Page):
        self.page = page
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        self.secrets: list[str] = []
        self._forgiven: list[str] = []
        page.set_default_timeout(LIMIT_MS)
        page.on("console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._complain(f"an error nobody caught: {error}"))
        page.on("request", lambda asked: self._note(asked.url))
        page.on("requestfailed", self._failed)
        page.on("websocket", lambda socket: self._note(socket.url))

    def forgive(self, pattern: str) -> None:
        """Expect complaints in which this is found."""
        self._forgiven.append(pattern)

    def unforgiven(self) -> list[str]:
        """Whatever else there is to complain of."""
        given_away = [f"a token in {url}" for url in self.addresses if any(secret in url for secret in self.secrets)]
        elsewhere = [f"asked elsewhere: {url}" for url in self.addresses if not _here(url)]
        forgiven = [re.compile(pattern) for pattern in self._forgiven]
        wrong = [said for said in self.complaints if not any(pattern.search(said) for pattern in forgiven)]
        return [*wrong, *elsewhere, *given_away]

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def _note(self, url: str) -> None:
        self.addresses.append(url)

    def _failed(self, request: Request) -> None:
        self._complain(f"{request.method} {request.url} failed: {request.failure}")


def _here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob") or parts.hostname == "127.0.0.1"


@contextlib.contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[WatchedPage]:
    """A new page, judged at the end; options are those of a browser context."""
    with contextlib.closing(browser.new_context(viewport=SIZE, reduced_motion="reduce", **options)) as context:
        one = WatchedPage(context.new_page())
        yield one
        assert one.unforgiven() == []
