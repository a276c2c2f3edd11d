"""The page of a demo: served beside the run, told once, opened only where somebody sits at a screen."""

import os
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flowlab.cli.browser import PageNews, open_page
from flowlab.daemon import session_page
from flowlab.daemon.session_page import SessionPage
from flowlab.stream import Proxy, ReplayService, RunStore
from tests.flowlab.analysis.spectra import crystal
from tests.flowlab.cli.terminals import Terminal
from tests.flowlab.cli.test_cli import flowlab

pytestmark = pytest.mark.timeout(300)

_ELSEWHERE = ("CI", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


@pytest.fixture
def series(tmp_path):
    """A file of four spectra: a short demo."""
    wavelength_nm = np.arange(350.0, 651.0, 2.0)
    columns = [crystal(500.0 + 8.0 * k, 0.1, wavelength_nm) for k in range(4)]
    rows = [",".join(f"{value:.5f}" for value in row) for row in zip(wavelength_nm, *columns, strict=True)]
    path = tmp_path / "series.csv"
    path.write_text("\n".join(["nm," + ",".join(f"{20 + 10 * k} s" for k in range(4)), *rows]))
    return path


def desk(tmp_path: Path) -> dict[str, str]:
    """The environment of who sits at a screen, with a browser that writes down what it was given to open."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path / "opened"}\n')
    browser.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return {**environment, "DISPLAY": ":99", "BROWSER": str(browser)}


def test_a_demo_tells_its_page_opens_it_and_ends_with_it(tmp_path, series):
    words = ("demo", "--playback", str(series), "--out", str(tmp_path / "runs"), "--speed", "400")
    with Terminal(*words, environment=desk(tmp_path), size=(160, 40)) as terminal:
        terminal.until("page       http://127.0.0.1:")
        terminal.until("\n")
        address = "http://127.0.0.1:" + terminal.raw.split("page       http://127.0.0.1:")[1].split()[0]
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.status == 200
            assert b"<title>" in page.read()
        assert terminal.end() == 0
        assert "report   " in terminal.raw
        assert terminal.raw.count("page       http") == 1
    assert (tmp_path / "opened").read_text().split() == [address]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=30)


def test_into_pipes_the_address_is_told_and_no_browser_is_opened(tmp_path, series, monkeypatch):
    for name, value in desk(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in _ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    result = flowlab("demo", "--playback", series, "--out", tmp_path / "runs", "--speed", "400")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("page       http://127.0.0.1:") == 1
    assert not (tmp_path / "opened").exists()


class _Browser(webbrowser.BaseBrowser):
    def __init__(self, name: str = "firefox"):
        super().__init__(name)
        self.opened: list[str] = []

    def open(self, url, new=0, autoraise=True):
        self.opened.append(url)
        return True


@pytest.mark.parametrize(
    ("change", "name", "opens"),
    [
        ({}, "firefox", True),
        ({"DISPLAY": "", "WAYLAND_DISPLAY": "wayland-0"}, "firefox", True),
        ({"DISPLAY": ""}, "firefox", False),
        ({"SSH_CONNECTION": "192.0.2.1 5022 192.0.2.2 22"}, "firefox", False),
        ({"CI": "true"}, "firefox", False),
        ({}, "/usr/bin/w3m", False),
        ({"stdout": "a file"}, "firefox", False),
    ],
)
def test_a_browser_is_opened_only_where_somebody_sees_it(monkeypatch, change, name, opens):
    browser = _Browser(name)
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    monkeypatch.setattr(sys, "platform", "linux")
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: "stdout" not in change)
    for variable in (*_ELSEWHERE, "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {"DISPLAY": ":0", **change}.items():
        monkeypatch.setenv(variable, value)
    opening = open_page("http://127.0.0.1:1")
    if opening is not None:
        opening.join(30)
    assert browser.opened == (["http://127.0.0.1:1"] if opens else [])


def test_without_what_it_needs_there_is_no_page_and_one_line_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(session_page, "find_spec", lambda name: None)
    with SessionPage({}, tmp_path / "web.log") as page:
        news = PageNews(page, browser=True)
        for _ in range(3):
            news.look()
    assert capsys.readouterr().err == "no page is served: fastapi is not installed; pip install 'flowlab[web]'\n"


def test_a_page_that_dies_is_told_once_and_nothing_else_comes_of_it(tmp_path, capsys):
    proxy, replay = Proxy(), ReplayService(RunStore(tmp_path))
    try:
        shown = {"documents": proxy.outward, "replay": replay.address, "data": str(tmp_path)}
        with SessionPage(shown, tmp_path / "web.log") as page:
            news = PageNews(page, browser=False)
            _look_until(news, lambda: page.address is not None)
            assert page.pid is not None
            os.kill(page.pid, 9)
            _look_until(news, lambda: page.trouble is not None)
            news.look()
        told = capsys.readouterr().err.splitlines()
        assert told[0].startswith("page       http://127.0.0.1:")
        assert told[1].startswith("the page is gone, the run goes on: web: killed by signal 9")
        assert len(told) == 2
    finally:
        replay.close()
        proxy.close()


def _look_until(news: PageNews, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        threading.Event().wait(0.05)
        news.look()
