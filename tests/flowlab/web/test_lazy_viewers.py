"""One who looks and reads nothing: what becomes of that connection, and of the others."""

import contextlib
import socket

import httpx
import numpy as np
import psutil

from tests.flowlab.web.served import Served
from tests.flowlab.web.test_viewers import lazy_viewer, only_the_log_asks
from tests.flowlab.web.viewing import Screen, answers, looking, wait_until
from tests.support import documents_of_a_scan

#: More than any socket takes in by itself: points, of 160 kB each.
POINTS, PIXELS = 60, 20_000


def large_scan():
    """A scan of spectra of many pixels, which nothing analyses: of each there is as much to be told as can be."""
    for name, doc in documents_of_a_scan({270.0: [550.0] * POINTS}):
        if name == "start":
            doc = {**doc, "material": "none"}
        elif name == "event":
            counts = {key: np.resize(doc["data"][key], PIXELS) for key in ("spec_counts", "spec_counts_err")}
            doc = {**doc, "data": {**doc["data"], **counts}}
        yield name, doc


def connected(web: Served, sock: socket.socket) -> bool:
    """Whether the server has the other end of it still."""
    _, port = sock.getsockname()
    return any(end.raddr and end.raddr.port == port for end in psutil.Process(web.web.pid).net_connections("tcp"))


def test_who_reads_nothing_loses_the_connection_and_nobody_else_waits(web, hub):
    with contextlib.ExitStack() as stack:
        screen = Screen(stack.enter_context(looking(web)))
        screen.until(answers)
        sock = stack.enter_context(socket.socket())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", httpx.URL(web.url).port))
        lazy_viewer(sock)
        said = b""
        while b'"hello"' not in said:  # it is let in, and from now on
            said += sock.recv(16)
        assert connected(web, sock)
        before, points = len(screen.changed), []
        for document in large_scan():
            hub.record([document])
            if "reactor_growth_setpoint_c" in document[1].get("data", {}):  # a point
                done = len(points) + 1
                screen.until(lambda told, done=done: (told["run"] or {}).get("points_done") == done)
                points.append(screen.sections["spectrum"]["absorbance"])
        assert {len(spectrum) for spectrum in points} == {PIXELS}
        assert len(screen.changed) - before >= POINTS  # each in a picture of its own
        screen.until(lambda _: not connected(web, sock), 60.0)
        with contextlib.suppress(ConnectionResetError):  # or its end, behind what had come
            while sock.recv(1 << 16):
                pass
        screen.take()  # who reads is told still
        screen.viewer.close()
        wait_until(lambda: only_the_log_asks(web))  # there are no viewers: the one who read nothing is none
    assert "Traceback" not in web.log
