"""What a person does with the page: open a view, log in, wait until something is so."""

import re
from collections.abc import Callable
from math import floor, log10
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab
from tests.browser.watched import LIMIT_MS, WatchedPage

STALE = re.compile(r"\bstale\b")
_LOOK_EVERY_MS = 50


def look_at(watched: WatchedPage, one: Lab, view: str = "reactor", url: str | None = None) -> Page:
    """The page, live, with a view shown; under another address than its server's, if need be."""
    watched.secrets.append(one.token)
    watched.page.goto(f"{url or one.url}/#{view}")
    live(watched.page)
    return watched.page


def live(page: Page) -> None:
    """Wait until what is shown is what is the case."""
    expect(page.locator("body")).not_to_have_class(STALE)
    expect(strip(page).get_by_text("connecting")).to_have_count(0)


def strip(page: Page) -> Locator:
    """What is always there."""
    return page.get_by_role("banner", name="At a glance")


def answer(page: Page, question: str) -> Locator:
    """What the strip answers."""
    return strip(page).get_by_role("region", name=question, exact=True)


def section(page: Page, name: str | re.Pattern[str]) -> Locator:
    """A part of the view that is shown."""
    return page.get_by_role("main").get_by_role("region", name=name, exact=True)


def log_in(page: Page, token: str) -> None:
    """As an operator does."""
    strip(page).get_by_role("button", name="Log in").click()
    asked = page.get_by_role("dialog", name="Log in")
    asked.get_by_label("Token").fill(token)
    asked.get_by_role("button", name="Log in").click()


def as_a_second_press(page: Page) -> None:
    """Wait as long as nobody does between the two clicks of a double one: what comes sooner is no second press."""
    page.wait_for_timeout(500)


def eventually(page: Page, holds: Callable[[], Any], what: str, limit_ms: int = LIMIT_MS) -> Any:
    """What holds, once it does; the page goes on meanwhile."""
    for _ in range(limit_ms // _LOOK_EVERY_MS):
        if found := holds():
            return found
        page.wait_for_timeout(_LOOK_EVERY_MS)
    raise AssertionError(f"never came: {what}")


def with_error(value: float, err: float) -> str:
    """437.1 ± 0.2: the error to one digit, or to two when it begins with a 1."""
    power = floor(log10(err))
    digits = max(0, 1 - power if err / 10.0**power < 1.95 else -power)
    return f"{value:.{digits}f} ± {err:.{digits}f}".replace("-", "−")
