"""Somebody who looks at the page, as a browser would."""

import contextlib
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.flowlab.web.served import Served, served
from tests.flowlab.web.test_wire import decode

DOCS = Path(__file__).parents[3] / "docs" / "page.md"
#: All that a picture has, as the page is told.
SECTIONS = set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)) - {"hello", "refused", "picture"}
PROXIED = [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.7"), ("Via", "1.1 somebody")]


@contextlib.contextmanager
def looked_at(folder, hub, **settings):
    addresses = {"documents": hub.proxy.outward, "replay": hub.replay.address, "data": str(hub.store.root)}
    with served(folder, **addresses, **settings) as one:
        yield one


def address(web: Served) -> str:
    return f"{web.url.replace('http', 'ws', 1)}/api/v1/live"


@contextlib.contextmanager
def opened(web: Served, **options):
    with connect(address(web), compression=None, max_size=None, **options) as one:
        yield one


def told(viewer: ClientConnection, limit_s: float = 20.0) -> dict:
    return decode(viewer.recv(limit_s))


@contextlib.contextmanager
def looking(web: Served, token: str | None = None, **options):
    """A viewer that was let in."""
    with opened(web, **options) as viewer:
        viewer.send(json.dumps({"token": web.tokens.get(token, token)}))
        assert told(viewer)["type"] == "hello"
        yield viewer


def refused(viewer: ClientConnection) -> tuple[str, int]:
    """Why, and with which code the connection ends."""
    message = told(viewer)
    assert message.keys() == {"type", "why", "code"}
    assert message["type"] == "refused"
    return message["why"], ended(viewer)


def ended(viewer: ClientConnection, limit_s: float = 20.0) -> int:
    """The code with which a connection ends."""
    end = time.monotonic() + limit_s
    with pytest.raises(ConnectionClosed) as caught:
        while time.monotonic() < end:
            viewer.recv(limit_s)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


class Screen:
    """What a viewer has put together."""

    def __init__(self, viewer: ClientConnection):
        self.viewer = viewer
        self.sections: dict = {}
        self.changed: list[set[str]] = []

    def take(self) -> None:
        message = told(self.viewer)
        assert message["type"] == "picture"
        assert abs(message["time"] - time.time()) < 30
        self.changed.append(set(message["sections"]))
        for name, section in message["sections"].items():
            if isinstance(section, dict) and section.keys() == {"from", "items"}:
                section = [*self.sections.get(name, [])[: section["from"]], *section["items"]]
            self.sections[name] = section

    def until(self, condition, limit_s: float = 30.0) -> None:
        end = time.monotonic() + limit_s
        while not condition(self.sections):
            assert time.monotonic() < end
            self.take()


def answers(sections) -> bool:
    return bool(sections.get("status") and sections["status"]["facts"] and sections["queue"])


def alike_pictures(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype != np.uint8)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike_pictures(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike_pictures, one, other))
    return one == other


def wait_until(condition, limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError


def fetched(web: Served, path: str, who: str | None = None, **options) -> dict:
    answer = web.ask("GET", path, who, **options)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    return decode(answer.content)
