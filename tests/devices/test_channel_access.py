"""The client for Channel Access where caproto's own would give up."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.epics import bench_at, serve_lab
from tests.simulators.benches import Served, place

SEARCH = 6
_HEADER = struct.Struct(">HHHHII")


class Relay:
    """Hands searches to a server; its first answers name a port at which nobody listens."""

    def __init__(self, server: tuple[str, int], misleading: int):
        self._server = server
        self._misleading = misleading
        self._dead_end = socket.socket()
        self._dead_end.bind(("127.0.0.1", 0))  # taken, but nobody listens
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.misled = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        client = None
        while data_and_sender := self._socket.recvfrom(65536):
            data, sender = data_and_sender
            if not data:
                return
            if sender != self._server:
                client = sender
                self._socket.sendto(data, self._server)
            elif client is not None:
                self._socket.sendto(self._mislead(data), client)

    def _mislead(self, data: bytes) -> bytes:
        at, said = 0, b""
        while at < len(data):
            command, size, port, count, server_id, search_id = _HEADER.unpack_from(data, at)
            if command == SEARCH and self.misled < self._misleading:
                self.misled += 1
                port = self._dead_end.getsockname()[1]
            said += _HEADER.pack(command, size, port, count, server_id, search_id)
            said += data[at + _HEADER.size : at + _HEADER.size + size]
            at += _HEADER.size + size
        return said

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()
        self._dead_end.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Path, Served]]:
    with serve_lab(tmp_path) as file_and_lab:
        yield file_and_lab


def test_a_server_that_is_gone_between_search_and_connection_is_found_when_it_is_back(lab):
    file, served = lab
    relay = Relay(place(served.addresses["ring"]), misleading=3)
    try:
        with bench_at(file, {**served.addresses, "ring": f"ca://127.0.0.1:{relay.port}"}) as bench:
            ring = bench.devices["ring"]
            ring.connect()
            assert ring.read()
        assert relay.misled == 3
    finally:
        relay.close()
