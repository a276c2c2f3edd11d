"""A spectrometer whose replies can be spoilt: the simulator's instrument behind a listener of its own."""

import contextlib
import socket
import threading
from collections.abc import Callable

from tests.simulators.benches import bench, say

#: What goes over the wire instead of a reply; None closes the connection.
Spoil = Callable[[bytes], bytes | None]


class Hdx:
    """Serves one client after the other.

    Attributes:
        address: where.
        spoil: applied to each reply.
        shutter_open: whether light falls on the detector.
    """

    def __init__(self) -> None:
        self._bench = bench()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.spoil: Spoil = lambda reply: reply
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def shutter_open(self) -> bool:
        return self._bench.plant.light.shutter_open

    def lose_power(self, reply: bytes) -> None:
        """A way to spoil a reply, once: be off and on again instead."""
        self._bench.plant.light.shutter_open = True
        self.spoil = lambda reply: reply

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    while data := connection.recv(4096):
                        reply = say(self._bench.instruments["spectrometer"], data)
                        if reply and (reply := self.spoil(reply)) is None:
                            break
                        connection.sendall(reply)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
