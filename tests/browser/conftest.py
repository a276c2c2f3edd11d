"""A real browser: one for these files, one page for each test, and nothing that goes wrong in it goes unnoticed."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, HOW, find
from tests.browser.watched import LIMIT_MS, WatchedPage, watched

expect.set_options(timeout=LIMIT_MS)


# Of the package, not of the session: while it is there, an event loop runs in this thread, and others need their own.
# For every test: it has to be there before a module's first look at what is open.
@pytest.fixture(scope="package", autouse=True)
def browser() -> Iterator[Browser]:
    """One Chromium."""
    path = find()
    if path is None:
        without = f"there is no Chromium: {HOW}"
        pytest.fail(without) if os.environ.get("CI") else pytest.skip(without)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> None:
    """Tests share a daemon, which replaces processes that are killed: what is left is looked for behind each file."""


@pytest.fixture
def page(browser: Browser) -> Iterator[WatchedPage]:
    """An empty page; the test fails when anything goes wrong in it that is not forgiven."""
    with watched(browser) as one:
        yield one
