"""Frames that a detector pushes over ZeroMQ, received in a thread and handed on in order.

Nothing is dropped on the way: a PULL socket takes as much as its high-water mark allows and then lets the detector
wait, which counts in its own status what it had to drop. A frame that is missing all the same shows by its number.
"""

import threading
import time
from collections.abc import Callable, Sequence

import zmq

from devices.errors import DeviceError, NotReachedError, ReplyError, ReplyTimeoutError
from devices.protocols.simplon_series import Frame, Series
from devices.protocols.simplon_stream import Message

#: How often the thread looks whether it is to end, in milliseconds.
_LOOK_MS = 50


class FrameStream:
    """Connects at once; the thread runs until :meth:`close`.

    Args:
        device: for messages.
        address: ``tcp://10.42.41.10:31001``.
        decode: reads a message from its parts.
        largest_message: bytes; who sends more is cut off.
        high_water: messages that wait here before the detector has to keep them.
    """

    def __init__(
        self,
        device: str,
        address: str,
        decode: Callable[[Sequence[bytes]], Message],
        *,
        largest_message: int,
        high_water: int,
    ):
        self._device, self._address, self._decode = device, address, decode
        self._changed = threading.Condition()
        self._series: Series | None = None
        self._keep: Callable[[Frame], None] | None = None
        self._failure: DeviceError | None = None
        self._heard_s = 0.0
        self._closed = threading.Event()
        self._context = zmq.Context()
        socket = self._context.socket(zmq.PULL)
        socket.setsockopt(zmq.RCVHWM, high_water)
        socket.setsockopt(zmq.MAXMSGSIZE, largest_message)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        self._thread = threading.Thread(target=self._run, args=(socket,), name=f"{device}: frames", daemon=True)
        self._thread.start()

    def begin(self, series: Series, keep: Callable[[Frame], None]) -> None:
        """Take messages for a series from now on, and have its frames kept; call it before the detector is armed.

        Args:
            series: what to expect.
            keep: called in the thread with each frame; what it raises ends the series.
        """
        with self._changed:
            self._series, self._keep, self._failure = series, keep, None

    def expect(self, number: int | None) -> None:
        """Tell which series it is; see :meth:`Series.expect`.

        Raises:
            ReplyError: its start message came already and does not fit.
        """
        with self._changed:
            if self._series is not None:
                try:
                    self._series.expect(number)
                except ReplyError as error:
                    raise self._named(error) from None

    def end(self) -> None:
        """Throw away what comes from now on."""
        with self._changed:
            self._series = self._keep = None

    def wait(self, done: Callable[[Series], bool], *, what: str, limit_s: float, given_up: threading.Event) -> None:
        """Wait until the series is as far as ``done`` says.

        Args:
            done: looks at the series after each of its messages.
            what: is waited for, for messages.
            limit_s: real seconds for the next message; each gives as many again.
            given_up: ends the wait; call :meth:`wake` behind setting it.

        Raises:
            DeviceError: what was wrong with a message or could not be kept.
            ReplyTimeoutError: no message came in time.
            NotReachedError: it was given up.
        """
        with self._changed:
            self._heard_s = time.monotonic()
            while True:
                if self._failure is not None:
                    raise self._failure
                if given_up.is_set() or self._series is None:
                    raise NotReachedError(f"{self._device}: gave up waiting for {what}")
                if done(self._series):
                    return
                left_s = self._heard_s + limit_s - time.monotonic()
                if left_s <= 0:
                    raise ReplyTimeoutError(
                        f"{self._device}: waited for {what}; nothing more came from {self._address} for {limit_s:g} s"
                    )
                self._changed.wait(left_s)

    def wake(self) -> None:
        """Have who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread and close the connection."""
        self._closed.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self, socket: "zmq.Socket[bytes]") -> None:
        with socket:
            while not self._closed.is_set():
                try:
                    if socket.poll(_LOOK_MS):
                        self._take(socket.recv_multipart())
                except DeviceError as error:
                    self._fail(error)
                except Exception as error:  # noqa: BLE001  without a word of it, a plan would wait for ever
                    self._fail(DeviceError(f"{self._device}: its frames cannot be received: {error!r}"))

    def _take(self, parts: list[bytes]) -> None:
        with self._changed:
            series, keep = self._series, self._keep
        if series is None or keep is None or self._failure is not None:
            return  # nobody has asked for it
        try:
            message = self._decode(parts)
            with self._changed:
                frame = series.take(message)
            if frame is not None:
                keep(frame)
        except ReplyError as error:
            raise self._named(error) from None
        with self._changed:
            self._heard_s = time.monotonic()
            self._changed.notify_all()

    def _named(self, error: ReplyError) -> ReplyError:
        return ReplyError(f"{self._device}: {self._address} sent {error}")

    def _fail(self, error: DeviceError) -> None:
        with self._changed:
            if self._series is not None and self._failure is None:
                self._failure = error
            self._changed.notify_all()
