"""Publishes messages on a ZeroMQ PUB socket, and a heartbeat that lets a subscriber notice what it lost."""

import threading
from collections import OrderedDict

import zmq

from flowlab.stream.message import HEARTBEAT, Heartbeat

_HEARTBEAT_EVERY_S = 0.5
_LINGER_MS = 2000
_REMEMBERED_RUNS = 8


class Publisher:
    """Sends messages to a proxy; may be called from any thread.

    Args:
        address: where the proxy takes documents in, ``tcp://127.0.0.1:5567``.
        prefix: what kind of documents these are: :data:`RAW` or :data:`RESULTS`.
    """

    def __init__(self, address: str, prefix: bytes):
        self._prefix = prefix + b" "
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self._socket.connect(address)
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._closed = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart.start()

    def send(self, run_uid: str, count: int, record: bytes) -> None:
        """Publish one document.

        Args:
            run_uid: the run.
            count: how many documents of the run there are, this one included.
            record: ``name payload``, as :meth:`Message.to_bytes` gives it.
        """
        with self._lock:
            self._counts[run_uid] = count
            self._counts.move_to_end(run_uid)
            while len(self._counts) > _REMEMBERED_RUNS:
                self._counts.popitem(last=False)
            self._socket.send(self._prefix + record)

    def _beat(self) -> None:
        while not self._closed.wait(_HEARTBEAT_EVERY_S):
            with self._lock:
                self._send_heartbeat()

    def _send_heartbeat(self) -> None:
        # Behind the prefix stands which kind of documents is counted: results.heartbeat is not raw.heartbeat.
        self._socket.send(HEARTBEAT + b"-" + self._prefix + Heartbeat(dict(self._counts)).to_bytes())

    def close(self) -> None:
        """Send a last heartbeat and close; closing twice is harmless."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._heart.join()
        self._send_heartbeat()
        self._socket.close()
        self._context.term()
