"""Small things that several tests need: a cable that can be cut, documents of a made-up run."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from event_model import compose_run

Document = tuple[str, dict[str, Any]]


def documents_of_a_run(events: int, pixels: int = 8) -> Iterator[Document]:
    """Start, descriptor, events and stop of a run with spectra of random counts."""
    run = compose_run(metadata={"plan_name": "made_up"})
    yield "start", run.start_doc
    descriptor = run.compose_descriptor(
        name="primary",
        data_keys={"counts": {"dtype": "array", "shape": [pixels], "source": "test", "units": "counts"}},
    )
    yield "descriptor", descriptor.descriptor_doc
    random = np.random.default_rng(events)
    for i in range(events):
        event = descriptor.compose_event(
            data={"counts": random.normal(size=pixels)}, timestamps={"counts": float(i)}, time=float(i)
        )
        yield "event", event
    yield "stop", run.compose_stop()


class Cable:
    """A TCP connection to ``address`` through a local port, which can be cut and mended."""

    def __init__(self, host: str, port: int):
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._whole = True
        self._lock = threading.Lock()
        self._start(self._accept)

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    if not self._whole:
                        near.close()
                        continue
                    far = socket.create_connection(self._target)
                    self._pairs += [near, far]
                    for a, b in itertools.permutations((near, far)):
                        self._start(self._copy, a, b)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        with self._lock:
            self._whole = False
            for end in self._pairs:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._pairs.clear()

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()
