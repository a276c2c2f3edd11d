"""The place where publishers and subscribers meet: forwards every message from the one side to the other."""

import contextlib
import threading

import zmq

from flowlab.errors import FlowlabError


class Proxy:
    """A ZeroMQ forwarder in a thread of its own; what it forwards it never looks into.

    Args:
        inward: where publishers connect; port ``*`` lets the system choose.
        outward: where subscribers connect.

    Attributes:
        inward: the address in use.
        outward: the address in use.

    Raises:
        FlowlabError: an address is in use.
    """

    def __init__(self, inward: str = "tcp://127.0.0.1:*", outward: str = "tcp://127.0.0.1:*"):
        self._context = zmq.Context()
        self._frontend = self._context.socket(zmq.XSUB)
        self._backend = self._context.socket(zmq.XPUB)
        try:
            self.inward = _bind(self._frontend, inward)
            self.outward = _bind(self._backend, outward)
        except FlowlabError:
            self._context.destroy(linger=0)
            raise
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with contextlib.suppress(zmq.ContextTerminated):
                zmq.proxy(self._frontend, self._backend)
        finally:
            # Without lingering: a subscriber that goes at the same moment can keep a lingering XPUB from ever closing
            # (libzmq 4.3.5). What a slow subscriber has not been sent by now is in the journal.
            self._frontend.close(linger=0)
            self._backend.close(linger=0)

    def close(self) -> None:
        """Stop forwarding and close; closing twice is harmless."""
        self._context.term()  # ends the proxy in its thread, and waits until that has closed its sockets
        self._thread.join()


def _bind(socket: "zmq.Socket[bytes]", address: str) -> str:
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        raise FlowlabError(f"{address}: cannot listen there: {error.strerror}") from None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)
