"""Receives the documents of every run whole and in order, whatever the network and the process went through.

Live messages come over PUB/SUB. One that is not the next of its run shows that some were lost: they are
fetched from the replay service before it is delivered. A heartbeat shows the same for a run that went quiet.
"""

import math
import time
from collections import deque
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import msgspec
import zmq

from flowlab.errors import FlowlabError
from flowlab.stream.codec import CodecError, pack, unpack
from flowlab.stream.message import HEARTBEAT, RAW, Heartbeat, Message

_REPLY_WITHIN_S = 5.0
#: When nothing was heard for so long, not even a heartbeat, the publisher may be dead: the journal is asked.
_SILENCE_S = 2.0
#: When a run cannot be fetched, the others go on for so long before it is tried again.
_RETRY_S = 1.0
_MOST_RECORDS = 512


class HasSocket(Protocol):
    """Something is heard there."""

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """To be polled; only its owner receives."""
        ...


class GapError(FlowlabError):
    """Documents were lost and cannot be fetched: the replay service does not answer or has not got them."""


class UnknownRunError(GapError):
    """The replay service has no such run."""


class _Runs(msgspec.Struct):
    """Answer of the replay service: uids."""

    runs: list[str]


class _Records(msgspec.Struct):
    """Answer of the replay service: documents that follow each other."""

    records: list[bytes]


_Answer = TypeVar("_Answer", _Runs, _Records)


class Subscriber:
    """Delivers documents in the order of the journal, each exactly once.

    A run that is first heard of in its middle is fetched from its beginning, and the first document of every
    run from the journal: a run that is in no journal is not delivered. When documents are missing and the
    replay service does not answer, nothing later of that run is delivered: :meth:`receive` raises
    :class:`GapError`, goes on with other runs, and tries again a little later.

    Args:
        documents: where the proxy gives documents out.
        replay: address of the replay service.
        prefix: which documents: :data:`RAW` or :data:`RESULTS`.
        queue: how many messages may wait while the consumer is busy, before some are dropped and fetched again.
    """

    def __init__(self, documents: str, replay: str, *, prefix: bytes = RAW, queue: int = 1000):
        self._documents = documents
        self._replay_address = replay
        self._kind = "documents" if prefix == RAW else "results"
        self._prefix = prefix + b" "
        self._heartbeat_prefix = HEARTBEAT + b"-" + prefix + b" "
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, queue)
        self.socket.setsockopt(zmq.SUBSCRIBE, self._prefix)
        self.socket.setsockopt(zmq.SUBSCRIBE, self._heartbeat_prefix)
        self.socket.connect(documents)
        self._replay: zmq.Socket[bytes] | None = None
        # Of each run: the position that is delivered next, and how many documents were heard of.
        self._next: dict[str, int] = {}
        self._target: dict[str, int] = {}
        self._ready: deque[Message] = deque()
        # Runs that are followed or have begun, and have not ended; those that may have gone on unheard.
        self._open: set[str] = set()
        self._unsure: set[str] = set()
        self._retry_at: dict[str, float] = {}
        self._heard = time.monotonic()
        #: Documents of runs under way that were lost and fetched from the journal, for whoever wants to know.
        self.fetched = 0
        #: Messages that were not documents of ours, and runs that are in no journal; they were dropped.
        self.refused = 0

    def follow(self, run_uid: str, position: int = 0) -> None:
        """Deliver a run from ``position`` on, though nothing of it may be published any more."""
        self._next[run_uid] = position
        self._expect(run_uid, position)
        self._open.add(run_uid)
        self._unsure.add(run_uid)

    def ignore(self, run_uid: str) -> None:
        """Deliver nothing of this run, now or later."""
        self._next[run_uid] = 1 << 62

    def runs(self) -> list[str]:
        """Uids of the runs, or with :data:`RESULTS` of the analyses, that are kept.

        Raises:
            GapError: the replay service does not answer.
        """
        return self._ask({"ask": "runs", "kind": self._kind}, _Runs).runs

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next document, or None when none came within ``timeout_s`` real seconds.

        Raises:
            GapError: documents of a run are missing and could not be fetched; later calls deliver those of other
                runs, and try again.
        """
        end = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if self._ready:
                return self._deliver()
            now = time.monotonic()
            behind = {run: self._retry_at.get(run, 0.0) for run in self._behind()}
            run = next((run for run, due in behind.items() if due <= now), None)
            if run is not None:
                self._fetch(run)
                continue
            wait_s = max(0.0, min(end, now + _SILENCE_S, *behind.values()) - now)
            if self.socket.poll(math.ceil(1000 * wait_s)):
                self._heard = time.monotonic()
                self._take(self.socket.recv())
            elif time.monotonic() - self._heard > _SILENCE_S:
                self._heard = time.monotonic()
                self._unsure |= self._open
            elif time.monotonic() >= end:
                return None

    @staticmethod
    def wait(*subscribers: "HasSocket", timeout_s: float) -> None:
        """Wait until something is heard for one of these, or ``timeout_s`` real seconds; for who polls several."""
        poller = zmq.Poller()
        for subscriber in subscribers:
            poller.register(subscriber.socket, zmq.POLLIN)
        poller.poll(math.ceil(1000 * timeout_s))

    def _behind(self) -> list[str]:
        """Runs of which there are, or may be, documents that were not delivered."""
        return [*self._unsure, *(run for run, count in self._target.items() if self._next[run] < count)]

    def _deliver(self) -> Message:
        message = self._ready.popleft()
        if message.name == "stop":
            self._target.pop(message.run_uid, None)
            self._open.discard(message.run_uid)
            self._unsure.discard(message.run_uid)
        else:
            self._open.add(message.run_uid)
        return message

    def _take(self, data: bytes) -> None:
        """Look at one message from the socket."""
        try:
            if data.startswith(self._heartbeat_prefix):
                for run, count in Heartbeat.from_bytes(data.removeprefix(self._heartbeat_prefix)).counts.items():
                    self._expect(run, count)
                return
            message = Message.from_bytes(data.removeprefix(self._prefix))
        except CodecError:
            self.refused += 1
            return
        self._expect(message.run_uid, message.position)
        if 0 < message.position == self._next[message.run_uid]:
            self._accept(message)
        elif message.position >= self._next[message.run_uid]:
            # The message itself is fetched again with those before it: simpler than keeping it, and rare.
            self._expect(message.run_uid, message.position + 1)

    def _expect(self, run: str, count: int) -> None:
        self._next.setdefault(run, 0)
        self._target[run] = max(self._target.get(run, 0), count)

    def _accept(self, message: Message) -> None:
        self._next[message.run_uid] = message.position + 1
        self._ready.append(message)

    def _fetch(self, run: str) -> None:
        """Fetch the next documents of a run from the replay service; forget a run that it does not know.

        Raises:
            GapError: it does not answer, or has not got what was published.
        """
        first = self._next[run]
        most = _MOST_RECORDS if run in self._unsure else min(_MOST_RECORDS, self._target[run] - first)
        question = {"ask": "documents", "run": run, "first": first, "most": most}
        try:
            self._accept_records(run, self._ask(question, _Records).records)
        except UnknownRunError:
            self._postpone(run)
            if run in self._open:
                raise
            del self._next[run], self._target[run]
            self.refused += 1
        except GapError:
            self._postpone(run)
            raise
        if first:  # what is fetched because a run begins, or is joined, was not lost
            self.fetched += len(self._ready)

    def _accept_records(self, run: str, records: list[bytes]) -> None:
        first = self._next[run]
        if not records and first < self._target[run]:
            self._target[run] = first  # until it is claimed again that there is more
            raise GapError(f"run {run[:8]}: document {first} is not in the journal")
        if not records:
            self._unsure.discard(run)
        for record in records:
            try:
                message = Message.from_bytes(record)
            except CodecError as error:
                raise GapError(f"run {run[:8]}: document {self._next[run]} in the journal is {error}") from None
            if (message.run_uid, message.position) != (run, self._next[run]):
                raise GapError(f"run {run[:8]}: the journal gives {message.position} where {self._next[run]} belongs")
            self._accept(message)

    def _postpone(self, *runs: str) -> None:
        now = time.monotonic()
        self._retry_at = {run: due for run, due in self._retry_at.items() if due > now}
        self._retry_at |= dict.fromkeys(runs, now + _RETRY_S)

    def _ask(self, question: dict[str, Any], kind: type[_Answer]) -> _Answer:
        """Put a question to the replay service; a service that does not answer is asked anew on a new socket."""
        if self._replay is None:
            self._replay = self._context.socket(zmq.REQ)
            self._replay.setsockopt(zmq.LINGER, 0)
            self._replay.connect(self._replay_address)
        self._replay.send(pack(question))
        if not self._replay.poll(round(_REPLY_WITHIN_S * 1000)):
            self._replay.close()
            self._replay = None
            self._postpone(*self._behind())
            raise GapError(f"the replay service at {self._replay_address} does not answer")
        try:
            reply: Any = unpack(self._replay.recv())
            if isinstance(reply, dict) and "error" in reply:
                reply = cast("dict[str, Any]", reply)
                wrong = UnknownRunError if "unknown" in reply else GapError
                raise wrong(f"the replay service at {self._replay_address} says: {reply['error']}")
            return msgspec.convert(reply, kind)
        except (CodecError, msgspec.ValidationError) as error:
            raise GapError(f"the replay service at {self._replay_address} answers nonsense: {error}") from None

    def close(self) -> None:
        """Close the sockets; closing twice is harmless."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
