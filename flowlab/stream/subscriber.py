"""Receives the documents of every run whole and in order, whatever the network and the process went through.

Live messages come over PUB/SUB. One that is not the next of its run shows that some were lost: they are
fetched from the replay service before it is delivered. A heartbeat shows the same for a run that went quiet.
"""

import time
from collections import deque
from types import TracebackType
from typing import Any, Self, cast

import zmq

from flowlab.errors import FlowlabError
from flowlab.stream.codec import CodecError, pack, unpack
from flowlab.stream.message import HEARTBEAT, RAW, Heartbeat, Message

_REPLY_WITHIN_S = 5.0
#: When nothing was heard for so long, not even a heartbeat, the publisher may be dead: the journal is asked.
_SILENCE_S = 2.0


class GapError(FlowlabError):
    """Documents were lost and cannot be fetched: the replay service does not answer or has not got them."""


class Subscriber:
    """Delivers documents in the order of the journal, each exactly once.

    A run that is first heard of in its middle is fetched from its beginning. When documents are missing
    and the replay service does not answer, nothing later of that run is delivered: :meth:`receive` raises
    :class:`GapError`, and the next call tries again.

    Args:
        documents: where the proxy gives documents out.
        replay: address of the replay service.
        prefix: which documents: :data:`RAW` or :data:`RESULTS`.
        queue: how many messages may wait while the consumer is busy, before some are dropped and fetched again.
    """

    def __init__(self, documents: str, replay: str, *, prefix: bytes = RAW, queue: int = 1000):
        self._documents = documents
        self._replay_address = replay
        self._prefix = prefix + b" "
        self._heartbeat_prefix = HEARTBEAT + b"-" + prefix + b" "
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, queue)
        self._socket.setsockopt(zmq.SUBSCRIBE, self._prefix)
        self._socket.setsockopt(zmq.SUBSCRIBE, self._heartbeat_prefix)
        self._socket.connect(documents)
        self._replay: zmq.Socket[bytes] | None = None
        self._next: dict[str, int] = {}
        self._target: dict[str, int] = {}
        self._ready: deque[Message] = deque()
        self._open: set[str] = set()
        self._heard = time.monotonic()
        #: Documents that were lost on the way and fetched from the journal, for whoever wants to know.
        self.fetched = 0
        #: Messages that were not documents of ours and were dropped.
        self.refused = 0

    def follow(self, run_uid: str, position: int = 0) -> None:
        """Deliver a run from ``position`` on, though nothing of it may be published any more."""
        self._next[run_uid] = position
        self._target[run_uid] = self.runs().get(run_uid, position)

    def ignore(self, run_uid: str) -> None:
        """Deliver nothing of this run, now or later."""
        self._next[run_uid] = 1 << 62

    def runs(self, kind: str = "documents") -> dict[str, int]:
        """Which runs are kept, and how many documents each has so far."""
        return cast("dict[str, int]", self._ask({"ask": "runs", "kind": kind})["runs"])

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next document, or None when none came within ``timeout_s`` real seconds.

        Raises:
            GapError: documents are missing and could not be fetched; a later call tries again.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if self._ready:
                return self._deliver()
            behind = next((run for run, count in self._target.items() if self._next[run] < count), None)
            if behind is not None:
                self._fetch(behind)
                continue
            left_s = _SILENCE_S if end is None else max(0.0, end - time.monotonic())
            if self._socket.poll(round(1000 * min(left_s, _SILENCE_S))):
                self._heard = time.monotonic()
                self._take(self._socket.recv())
            elif time.monotonic() - self._heard > _SILENCE_S:
                self._look()
            elif left_s < _SILENCE_S:
                return None

    def _look(self) -> None:
        """Ask the journal whether runs that have not ended have gone on unheard."""
        self._heard = time.monotonic()
        for run in self._open:
            reply = self._ask({"ask": "documents", "run": run, "first": self._next[run], "most": 1})
            self._expect(run, cast("int", reply["count"]))

    def _deliver(self) -> Message:
        message = self._ready.popleft()
        if message.name == "stop":
            self._target.pop(message.run_uid, None)
            self._open.discard(message.run_uid)
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
        if message.position == self._next[message.run_uid]:
            self._accept(message)
        elif message.position > self._next[message.run_uid]:
            # The message itself is fetched again with those before it: simpler than keeping it, and rare.
            self._expect(message.run_uid, message.position + 1)

    def _expect(self, run: str, count: int) -> None:
        self._next.setdefault(run, 0)
        self._target[run] = max(self._target.get(run, 0), count)

    def _accept(self, message: Message) -> None:
        self._next[message.run_uid] = message.position + 1
        self._ready.append(message)

    def _fetch(self, run: str) -> None:
        """Fetch the next documents of a run from the replay service.

        Raises:
            GapError: it does not answer, or has not got what was published.
        """
        first = self._next[run]
        reply = self._ask({"ask": "documents", "run": run, "first": first})
        records = cast("list[bytes]", reply["records"])
        if not records:
            raise GapError(f"run {run[:8]}: documents {first} to {self._target[run] - 1} are not in the journal")
        for record in records:
            message = Message.from_bytes(record)
            if (message.run_uid, message.position) != (run, self._next[run]):
                raise GapError(f"run {run[:8]}: the journal gives {message.position} where {self._next[run]} belongs")
            self._accept(message)
        self.fetched += len(records)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Put a question to the replay service; a service that does not answer is asked anew on a new socket."""
        if self._replay is None:
            self._replay = self._context.socket(zmq.REQ)
            self._replay.setsockopt(zmq.LINGER, 0)
            self._replay.connect(self._replay_address)
        try:
            self._replay.send(pack(question))
            if not self._replay.poll(round(_REPLY_WITHIN_S * 1000)):
                raise GapError(f"the replay service at {self._replay_address} does not answer")
            reply: Any = unpack(self._replay.recv())
        except (GapError, CodecError):
            self._replay.close()
            self._replay = None
            raise
        if not isinstance(reply, dict) or "error" in reply:
            raise GapError(f"the replay service at {self._replay_address} says: {reply}")
        return cast("dict[str, Any]", reply)

    def close(self) -> None:
        """Close the sockets; closing twice is harmless."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
