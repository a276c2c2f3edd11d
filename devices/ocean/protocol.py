"""seabreeze's Ocean Binary Protocol, made strict: what it lets pass is an error here.

seabreeze itself overlooks a refusal and a wrong checksum, and takes a late reply for the reply to the next request.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from seabreeze.pyseabreeze.protocol import OBPProtocol

from devices.errors import NotReachedError, ReplyError
from devices.protocols import obp

_SPECTRA = (0x00101000, 0x00100928)


class GivenUpError(NotReachedError):
    """An exposure was not waited for to its end."""


class StrictProtocol(OBPProtocol):
    """Numbers each request, protects it by a checksum, and takes as reply only what answers it.

    Args:
        transport: seabreeze's.
        numbers: of requests.

    Raises:
        ReplyError: what came is garbled, or answers something else.
        RefusedError: the spectrometer refused.
        InstrumentFaultError: it reports that its hardware failed.
        GivenUpError: ``wait`` returned True.
        TimeoutError: no whole reply came in time.
        OSError: the connection is lost.

    Attributes:
        checksum: whether requests and replies carry a checksum.
        numbered: whether the spectrometer returns the numbers of requests.
        reply_within_s: real seconds in which a reply must be whole.
        exposure_s: how much longer that of a spectrum may take.
        wait: waits for an exposure of so many seconds, or returns True when it is to be given up.
    """

    #: So many replies to earlier requests are passed over: what a connection that doubles replies brings.
    MOST_PASSED_OVER = 16

    def __init__(self, transport: Any, numbers: Iterator[int]):
        super().__init__(transport)
        self.checksum = True
        self.numbered = True
        self.reply_within_s = 2.0
        self.exposure_s = 0.0
        self.wait: Callable[[float], bool] = lambda _: False
        self._numbers = numbers

    def send(self, msg_type: int, payload: Any = (), *_: Any, **__: Any) -> int:
        """Tell the spectrometer something and have it acknowledged, as seabreeze packs it."""
        self.tell(msg_type, self._packed(msg_type, payload))
        return obp.HEADER_LENGTH

    def query(self, msg_type: int, payload: Any = (), *_: Any, **__: Any) -> bytes:
        """Ask the spectrometer something, as seabreeze packs it; the reply's payload."""
        return self.ask(msg_type, self._packed(msg_type, payload))

    def _packed(self, kind: int, payload: Any) -> bytes:
        return self.msgs[kind](*(payload if isinstance(payload, tuple | list) else (payload,)))

    def tell(self, kind: int, payload: Iterable[int] = b"") -> None:
        """Tell the spectrometer something and have it acknowledged."""
        number = self._number()
        self._exchange(obp.tell(kind, payload, number, self.checksum), kind, number, acknowledged=True)

    def ask(self, kind: int, payload: Iterable[int] = b"") -> bytes:
        """Ask the spectrometer something; the reply's payload."""
        number = self._number()
        return self._exchange(obp.ask(kind, payload, number, self.checksum), kind, number, acknowledged=False)

    def _number(self) -> int:
        return next(self._numbers) & 0xFFFFFFFF if self.numbered else 0

    def _exchange(self, request: bytes, kind: int, number: int, *, acknowledged: bool) -> bytes:
        limit_s = self.reply_within_s + (self.exposure_s if kind in _SPECTRA else 0.0)
        end_s = time.monotonic() + limit_s
        self.transport.write(request, timeout_ms=round(1000 * self.reply_within_s))
        if kind in _SPECTRA and self.wait(self.exposure_s):
            raise GivenUpError("the exposure was given up")
        for _ in range(self.MOST_PASSED_OVER):
            reply = self._next_reply(end_s)
            if reply.answers(kind, number):
                return obp.accept(reply, kind, acknowledged=acknowledged, checksum=self.checksum)
        raise ReplyError(f"{self.MOST_PASSED_OVER} replies came, and none of them to request {number}")

    def _next_reply(self, end_s: float) -> obp.Reply:
        received = self.transport.read(timeout_ms=_left_ms(end_s))
        while (reply := obp.parse(received)) is None:
            missing = (obp.length(received) or obp.HEADER_LENGTH) - len(received)
            received += self.transport.read(size=missing, timeout_ms=_left_ms(end_s))
        return reply


def _left_ms(end_s: float) -> int:
    left_s = end_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("no whole reply in time")
    return max(1, round(1000 * left_s))
