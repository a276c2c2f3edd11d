"""A page whose server falls silent, dies or comes back: what it shows is never taken for what is the case."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import Lab, lab
from tests.browser.looking import STALE, answer, live, log_in, look_at, section, strip
from tests.browser.watched import WatchedPage
from tests.daemons import daemon
from tests.instruments import UV_VIS

SCAN = {"nucleation_c": [240.0], "growth_offsets_c": [0.0, -20.0], "residence_time_s": 14.0}
#: What a browser says of a server that is gone.
GONE = "WebSocket connection|ERR_CONNECTION"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def options() -> list[str]:
    return ["-c", UV_VIS, "--http", f"127.0.0.1:{free_port()}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def scanned(folder: Path, options: list[str]) -> Iterator[Lab]:
    """A lab in which a scan was run."""
    with lab(folder, *options) as one:
        one.begin("temperature_scan", **SCAN)
        one.daemon.until_state("idle")
        yield one


def seen(page: Page) -> list[str]:
    """What is shown of the scan, without what the time changes."""
    said = answer(page, "The last spectrum").inner_text() + section(page, "What ended").inner_text()
    return [re.sub(r"\d+ (s|min|h)\b.*? ago", "", line) for line in said.splitlines()]


def web(one: Lab) -> psutil.Process:
    return psutil.Process(one.daemon.until(lambda facts: facts["pids"].get("web"))["pids"]["web"])


def is_stale(page: Page) -> None:
    expect(page.locator("body")).to_have_class(STALE)
    expect(answer(page, "Is it safe?")).to_contain_text("Not known")
    expect(answer(page, "Is it safe?")).to_contain_text("no news for")


def show(page: WatchedPage, one: Lab) -> Page:
    looked = look_at(page, one, "queue")
    expect(answer(looked, "The last spectrum")).to_contain_text("exciton")
    expect(section(looked, "What ended").get_by_role("listitem")).to_have_count(1)
    return looked


def test_a_server_that_hangs_makes_the_page_stale_until_it_goes_on(page, scanned):
    looked = show(page, scanned)
    hanging = web(scanned)
    hanging.suspend()
    try:
        is_stale(looked)
    finally:
        hanging.resume()
    live(looked)
    expect(answer(looked, "Is it safe?").get_by_text("Safe", exact=True)).to_be_visible()


def test_a_server_that_is_killed_is_there_again_with_all_that_was_shown(page, scanned):
    looked = show(page, scanned)
    before = seen(looked)
    page.forgive(GONE)
    killed = web(scanned)
    os.kill(killed.pid, signal.SIGKILL)
    is_stale(looked)
    live(looked)
    expect(section(looked, "What ended").get_by_role("listitem")).to_have_count(1)
    expect(answer(looked, "The last spectrum")).to_contain_text("exciton")
    assert seen(looked) == before
    assert web(scanned).pid != killed.pid


# The last one: it ends the daemon that the others share.
def test_a_page_outlives_its_daemon_and_its_operator_stays_logged_in(page, scanned, folder, options):
    looked = show(page, scanned)
    log_in(looked, scanned.token)
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    before = seen(looked)
    page.forgive(GONE)
    scanned.daemon.end()
    is_stale(looked)
    with daemon(folder / "state", *options):
        live(looked)
        expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
        expect(answer(looked, "Is it safe?").get_by_text("Safe", exact=True)).to_be_visible()
        assert seen(looked) == before
