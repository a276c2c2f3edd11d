"""Documents in motion: a safe codec, a journal written first, a publisher, and subscribers that lose nothing.

A document is written to the journal, then published on a ZeroMQ socket in bluesky's own format
(``prefix name payload``). PUB/SUB drops messages for a slow or late subscriber; every message therefore
carries its place in the run, and :class:`Subscriber` fetches what is missing from the replay service,
which reads the journal. See docs/decisions/002-journal-and-positions.md.
"""

from flowlab.stream.codec import CodecError, pack, unpack
from flowlab.stream.journal import Journal, JournalError, read_journal
from flowlab.stream.message import HEARTBEAT, RAW, READINGS, RESULTS, Message, deserialize
from flowlab.stream.proxy import Proxy
from flowlab.stream.publisher import Publisher
from flowlab.stream.readings import GaugeReading, InterlockState, Readings, ReadingsPublisher, ReadingsSubscriber
from flowlab.stream.recorder import Recorder
from flowlab.stream.replay import ReplayService
from flowlab.stream.resumed import earlier_documents
from flowlab.stream.store import RunStore, StoredRun
from flowlab.stream.subscriber import GapError, Subscriber

__all__ = [
    "HEARTBEAT",
    "RAW",
    "READINGS",
    "RESULTS",
    "CodecError",
    "GapError",
    "GaugeReading",
    "InterlockState",
    "Journal",
    "JournalError",
    "Message",
    "Proxy",
    "Publisher",
    "Readings",
    "ReadingsPublisher",
    "ReadingsSubscriber",
    "Recorder",
    "ReplayService",
    "RunStore",
    "StoredRun",
    "Subscriber",
    "deserialize",
    "earlier_documents",
    "pack",
    "read_journal",
    "unpack",
]
