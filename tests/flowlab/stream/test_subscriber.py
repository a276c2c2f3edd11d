"""Every consumer ends with exactly the documents of the journal, in order, whatever happened to it."""

import asyncio
import contextlib
import shutil
import threading
from urllib.parse import urlparse

import pytest
import zmq
from bluesky.callbacks.zmq import RemoteDispatcher

from flowlab.errors import BadInputError, FlowlabError
from flowlab.live.recorder import ResultsRecorder
from flowlab.stream import (
    RAW,
    RESULTS,
    GapError,
    Journal,
    Message,
    Proxy,
    Publisher,
    Readings,
    ReadingsPublisher,
    ReadingsSubscriber,
    Recorder,
    ReplayService,
    RunStore,
    Subscriber,
    deserialize,
    pack,
    read_journal,
    unpack,
)
from flowlab.stream.message import Heartbeat
from tests.support import Cable, documents_of_a_run, documents_of_two_streams


class Hub:
    """A proxy, a replay service and a recorder over a folder of runs."""

    def __init__(self, root):
        self.store = RunStore(root)
        self.proxy = Proxy()
        self.replay = ReplayService(self.store)
        self.publisher = Publisher(self.proxy.inward, RAW)
        self.recorder = Recorder(self.store.open_documents, self.publisher)

    def subscriber(self, address: str | None = None, **options) -> Subscriber:
        return Subscriber(address or self.proxy.outward, self.replay.address, **options)

    def record(self, documents) -> None:
        for name, doc in documents:
            self.recorder(name, doc)

    def journal(self) -> list[bytes]:
        (path,) = self.store.journals()
        return [message.to_bytes() for message in read_journal(path)]

    def close(self) -> None:
        self.recorder.close()
        self.publisher.close()
        self.replay.close()
        self.proxy.close()


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path)
    yield hub
    hub.close()


def receive_run(subscriber: Subscriber) -> list[bytes]:
    """Everything up to and with the first stop document."""
    received = []
    while (message := subscriber.receive(timeout_s=30)) is not None:
        received.append(message.to_bytes())
        if message.name == "stop":
            return received
    raise AssertionError(f"nothing more came after {len(received)} documents")


def test_a_consumer_that_was_there_from_the_start_receives_the_run(hub):
    with hub.subscriber() as subscriber:
        hub.record(documents_of_a_run(100))
        assert receive_run(subscriber) == hub.journal()


def test_a_consumer_that_joins_late_receives_the_run_from_its_beginning(hub):
    documents = list(documents_of_a_run(100))
    hub.record(documents[:60])
    with hub.subscriber() as subscriber:
        hub.record(documents[60:])
        assert receive_run(subscriber) == hub.journal()


def test_a_consumer_that_joins_after_the_end_hears_of_the_run_by_heartbeat(hub):
    hub.record(documents_of_a_run(20))
    with hub.subscriber() as subscriber:
        assert receive_run(subscriber) == hub.journal()


def test_a_consumer_that_stalls_for_5000_documents_receives_them_all_the_same(hub):
    documents = list(documents_of_a_run(6000, pixels=256))
    with hub.subscriber(queue=10) as subscriber:
        hub.record(documents[:5])
        first = [subscriber.receive(30).to_bytes() for _ in range(5)]
        hub.record(documents[5:])  # nobody calls receive meanwhile
        assert first + receive_run(subscriber) == hub.journal()
        assert subscriber.fetched > 0, "nothing was lost: the test did not test"


def test_a_consumer_whose_socket_is_cut_receives_what_it_missed(hub):
    documents = list(documents_of_a_run(300))
    cable = Cable("127.0.0.1", urlparse(hub.proxy.outward).port)
    with hub.subscriber(f"tcp://127.0.0.1:{cable.port}") as subscriber:
        hub.record(documents[:100])
        first = [subscriber.receive(30).to_bytes() for _ in range(100)]
        cable.cut()
        hub.record(documents[100:200])
        cable.mend()
        hub.record(documents[200:])
        assert first + receive_run(subscriber) == hub.journal()
        assert subscriber.fetched > 0, "nothing was lost: the test did not test"
    cable.close()


def test_a_lost_event_is_fetched_before_an_event_of_another_stream_is_delivered(hub):
    """Numbers of events count within a stream; only the position within the run shows the order between streams."""
    documents = list(documents_of_two_streams(10))
    hub.recorder.close()
    quiet = Recorder(hub.store.open_documents)
    for name, doc in documents:
        quiet(name, doc)
    quiet.close()
    journal = hub.journal()
    last_of_a = max(i for i, (name, doc) in enumerate(documents) if name == "event" and "a" in doc["data"])
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.connect(hub.proxy.inward)
    with hub.subscriber() as subscriber:
        received = []
        while not received:  # until the subscription has reached the socket
            socket.send(b"raw " + journal[0])
            if (message := subscriber.receive(0.02)) is not None:
                received.append(message.to_bytes())
        for position, record in enumerate(journal[1:], 1):
            if position != last_of_a:  # lost, and no later event of its stream will show it
                socket.send(b"raw " + record)
        assert received + receive_run(subscriber) == journal
        assert subscriber.fetched > 0
    socket.close()
    context.term()


def test_two_runs_at_once_are_kept_apart(hub):
    runs = [list(documents_of_a_run(50)) for _ in range(2)]
    with hub.subscriber() as subscriber:
        for pair in zip(*runs, strict=True):
            hub.record(pair)
        received: dict[str, list[bytes]] = {}
        stops = 0
        while stops < 2:
            message = subscriber.receive(30)
            received.setdefault(message.run_uid, []).append(message.to_bytes())
            stops += message.name == "stop"
    for path in hub.store.journals():
        messages = list(read_journal(path))
        assert received[messages[0].run_uid] == [message.to_bytes() for message in messages]


def test_results_are_not_mistaken_for_raw_documents(hub):
    raw = list(documents_of_a_run(3))
    start = {"uid": "an-analysis", "time": 1.0, "parent_run": raw[0][1]["uid"]}
    stop = {"uid": "its-end", "time": 2.0, "run_start": start["uid"], "exit_status": "success"}
    publisher = Publisher(hub.proxy.inward, RESULTS)
    results = ResultsRecorder(hub.store, publisher)
    with hub.subscriber(prefix=RESULTS) as subscriber:
        hub.record(raw)
        for name, doc in (("start", start), ("stop", stop)):
            results.take(name, doc)
        assert [Message.from_bytes(record).run_uid for record in receive_run(subscriber)] == ["an-analysis"] * 2
    results.close()
    publisher.close()


def test_stray_bytes_on_the_socket_are_counted_and_dropped(hub):
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.connect(hub.proxy.inward)
    with hub.subscriber() as subscriber:
        while subscriber.refused < 5:
            for junk in (
                b"raw ",
                b"raw event",
                b"raw event \xc1",
                b"raw mystery \x90",
                b"heartbeat-raw heartbeat \xc1",
            ):
                socket.send(junk)
            subscriber.receive(0.02)
        hub.record(documents_of_a_run(5))
        assert receive_run(subscriber) == hub.journal()
    socket.close()
    context.term()


GHOSTS = {
    "an event": b"raw " + Message("ghost", 5, "event", {}).to_bytes(),
    "a first document": b"raw " + Message("ghost", 0, "start", {"uid": "ghost", "time": 0.0}).to_bytes(),
    "a heartbeat": b"heartbeat-raw " + Heartbeat({"ghost": 5}).to_bytes(),
}


@pytest.mark.parametrize("ghost", GHOSTS)
def test_a_run_that_is_in_no_journal_is_dropped_and_holds_up_no_other(hub, ghost):
    with stray_publisher(hub) as socket, hub.subscriber() as subscriber:
        while subscriber.refused < 1:
            socket.send(GHOSTS[ghost])
            assert subscriber.receive(0.02) is None
        for name, doc in documents_of_a_run(20):
            socket.send(GHOSTS[ghost])
            hub.recorder(name, doc)
        assert receive_run(subscriber) == hub.journal()
        assert "ghost" not in subscriber._open


@contextlib.contextmanager
def stray_publisher(hub):
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.connect(hub.proxy.inward)
        yield socket


def test_a_run_that_cannot_be_fetched_is_an_error_now_and_then_and_holds_up_no_other(hub, monkeypatch):
    lost, healthy = list(documents_of_a_run(5)), list(documents_of_a_run(50))
    uid = lost[0][1]["uid"]
    with hub.subscriber() as subscriber:
        hub.record(lost[:4])
        for _ in range(4):
            subscriber.receive(30)
        hub.recorder.close()
        shutil.rmtree(hub.store.run(uid).folder)
        hub.recorder = Recorder(hub.store.open_documents, hub.publisher)
        hub.publisher.send(uid, 9, Message(uid, 8, "event", {}).to_bytes())
        with pytest.raises(GapError, match="there is no run"):
            subscriber.receive(30)
        subscriber._retry_at[uid] += 1e6
        hub.record(healthy)
        assert receive_run(subscriber) == hub.journal()
        subscriber._retry_at[uid] = 0.0
        with pytest.raises(GapError, match="there is no run"):
            subscriber.receive(30)


def test_documents_that_are_claimed_and_not_in_the_journal_are_named_and_the_rest_goes_on(hub):
    documents = list(documents_of_a_run(20))
    uid = documents[0][1]["uid"]
    with stray_publisher(hub) as socket, hub.subscriber() as subscriber:
        hub.record(documents[:10])
        received = [subscriber.receive(30).to_bytes() for _ in range(10)]
        with pytest.raises(GapError, match="document 10 is not in the journal"):
            while True:
                socket.send(b"heartbeat-raw " + Heartbeat({uid: 1 << 40}).to_bytes())
                subscriber.receive(0.02)
        subscriber._retry_at[uid] += 1e6
        hub.record(documents[10:])
        assert received + receive_run(subscriber) == hub.journal()


def test_what_is_in_a_journal_and_is_no_document_is_a_gap(hub):
    journal = hub.store.open_documents({"uid": "run-of-a-test", "time": 0.0})
    journal.append(Message("run-of-a-test", 0, "start", {}).to_bytes())
    journal.append(b"event \xc1")
    journal.close()
    with hub.subscriber() as subscriber:
        subscriber.follow("run-of-a-test")
        with pytest.raises(GapError, match="document 1 in the journal is not a message of ours"):
            subscriber.receive(30)
        assert subscriber.receive(30).name == "start"


def test_what_a_damaged_journal_holds_before_the_damage_is_delivered_and_then_it_is_named(hub):
    hub.record(documents_of_a_run(20))
    (path,) = hub.store.journals()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    received = []
    with hub.subscriber() as subscriber, pytest.raises(GapError, match="is damaged, though whole ones follow"):
        while True:
            received.append(subscriber.receive(30).position)
    assert received == list(range(len(received)))
    assert received


def test_a_run_that_nobody_publishes_any_more_can_be_followed_from_any_place_to_its_end(hub):
    documents = list(documents_of_a_run(1200))
    hub.record(documents)
    hub.recorder.close()
    hub.publisher.close()
    with hub.subscriber() as subscriber:
        subscriber.follow(documents[0][1]["uid"], 7)
        assert receive_run(subscriber) == hub.journal()[7:]


def test_an_analysis_that_nobody_publishes_any_more_can_be_followed_too(hub):
    documents = list(documents_of_a_run(3))
    hub.record(documents)
    journal = hub.store.open_results({"uid": "an-analysis", "parent_run": documents[0][1]["uid"]})
    records = [Message("an-analysis", i, name, {}).to_bytes() for i, name in enumerate(("start", "event", "stop"))]
    for record in records:
        journal.append(record)
    journal.close()
    with hub.subscriber(prefix=RESULTS) as subscriber:
        subscriber.follow("an-analysis")
        assert receive_run(subscriber) == records


def test_a_run_that_is_followed_before_it_begins_is_delivered_when_it_has(hub, monkeypatch):
    monkeypatch.setattr("flowlab.stream.subscriber._RETRY_S", 0.05)
    documents = list(documents_of_a_run(10))
    with hub.subscriber() as subscriber:
        subscriber.follow(documents[0][1]["uid"])
        with pytest.raises(GapError, match="there is no run"):
            subscriber.receive(30)
        hub.publisher.close()  # nothing is heard of it
        quiet = Recorder(hub.store.open_documents)
        for name, doc in documents:
            quiet(name, doc)
        quiet.close()
        assert receive_run(subscriber) == hub.journal()


def test_one_waits_for_several_subscribers_and_is_woken_by_any(hub):
    with hub.subscriber() as raw, hub.subscriber(prefix=RESULTS) as results:
        hub.record(documents_of_a_run(3))
        received = []
        while len(received) < 6:
            Subscriber.wait(results, raw, timeout_s=30)
            while (message := raw.receive(0.0)) is not None:
                received.append(message.to_bytes())
        assert received == hub.journal()


def test_runs_are_listed_by_their_first_line_alone(hub):
    uids = set()
    for _ in range(3):
        documents = list(documents_of_a_run(5))
        uids.add(documents[0][1]["uid"])
        hub.record(documents)
    analysis = hub.store.open_results({"uid": "an-analysis", "parent_run": min(uids)})
    analysis.close()
    hub.store.run(max(uids)).results.touch()
    with hub.subscriber() as raw, hub.subscriber(prefix=RESULTS) as results:
        assert set(raw.runs()) == uids
        assert results.runs() == ["an-analysis"]
    assert not any(index._offsets for index in hub.replay._indexes.values()), "records were read for that"


def test_an_analysis_that_takes_the_place_of_an_earlier_one_can_be_fetched_and_the_earlier_one_too(hub):
    documents = list(documents_of_a_run(3))
    hub.record(documents)
    with hub.subscriber(prefix=RESULTS) as results:
        for uid in ("first-analysis", "second-analysis"):
            journal = hub.store.open_results({"uid": uid, "parent_run": documents[0][1]["uid"]})
            journal.append(Message(uid, 0, "start", {}).to_bytes())
            journal.close()
            results.follow(uid)
            assert results.receive(30).run_uid == uid
        results.follow("first-analysis")
        assert results.receive(30).run_uid == "first-analysis"


@pytest.mark.parametrize("uid", ["", "x" * 65, "../secret", "*", "run\n"])
def test_a_uid_that_is_none_is_not_looked_for(hub, uid):
    with pytest.raises(BadInputError, match="there is no run of that uid"):
        hub.store.run(uid)


def test_a_run_is_not_found_by_a_path(hub):
    hub.record(documents_of_a_run(1))
    (path,) = hub.store.journals()
    with pytest.raises(BadInputError, match="there is no run of that uid"):
        hub.store.run(str(path.parent))


def test_a_run_is_found_beside_one_that_was_ended_before_it_was_named(hub):
    hub.record(documents_of_a_run(1))
    (path,) = hub.store.journals()
    unnamed = path.parent.with_name(f"{path.parent.name}-0") / path.name
    unnamed.parent.mkdir()
    unnamed.touch()
    assert hub.store.find(path.parent.name[-8:-2]).journal == path
    assert hub.store.find(path.parent.name).journal == path, "the folder's name, as it is listed"


def test_without_a_replay_service_a_gap_is_an_error_and_nothing_is_delivered_out_of_order(hub, monkeypatch):
    monkeypatch.setattr("flowlab.stream.subscriber._REPLY_WITHIN_S", 0.1)
    documents = list(documents_of_a_run(10))
    hub.record(documents[:5])
    hub.replay.close()
    with hub.subscriber() as subscriber:
        with pytest.raises(GapError, match="does not answer"):
            while True:
                subscriber.receive(0.5)
        hub.replay = ReplayService(hub.store, subscriber._replay_address)
        hub.record(documents[5:])
        assert receive_run(subscriber) == hub.journal()


def test_the_replay_service_answers_nonsense_with_an_error(hub):
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.connect(hub.replay.address)
    for request in (
        b"",
        b"\xc1",
        pack({"ask": "documents"}),
        pack({"ask": "documents", "run": "../../etc/passwd", "first": 0}),
        pack({"ask": "documents", "run": "x", "first": -1}),
        pack({"ask": "documents", "run": "x", "first": 0, "most": 10**9}),
        pack({"ask": "everything"}),
        pack([1, 2]),
    ):
        socket.send(request)
        assert "error" in unpack(socket.recv())
    socket.close()
    context.term()


def test_an_address_in_use_is_said_in_one_line(hub):
    with pytest.raises(FlowlabError, match="cannot listen there"):
        Proxy(outward=hub.proxy.outward)
    with pytest.raises(FlowlabError, match="cannot listen there"):
        ReplayService(hub.store, hub.replay.address)


def test_a_stock_remote_dispatcher_receives_every_document(hub):
    received = []
    joined, done = threading.Event(), threading.Event()

    def take(name, doc):
        received.append((name, doc))
        if doc.get("plan_name") == "hello":
            joined.set()
        if name == "stop" and joined.is_set() and len(received) > 20:
            done.set()

    dispatcher = RemoteDispatcher(
        hub.proxy.outward.removeprefix("tcp://"), prefix=RAW, deserializer=deserialize, strict=True
    )
    dispatcher.subscribe(take)

    def run():
        with contextlib.suppress(asyncio.CancelledError):
            dispatcher.start()

    thread = threading.Thread(target=run)
    thread.start()
    while not joined.wait(0.05):
        record = Message("hello", 0, "start", {"uid": "hello", "time": 0.0, "plan_name": "hello"}).to_bytes()
        hub.publisher.send("hello", 1, record)
    documents = list(documents_of_a_run(30))
    with contextlib.closing(ReadingsPublisher(hub.proxy.inward)) as readings:  # which are not for it
        for document in documents:
            readings.send(Readings(time=0.0, instrument="lab", speed=1.0, gauges=[], interlocks=[]))
            hub.record([document])
    assert done.wait(30)
    dispatcher.loop.call_soon_threadsafe(dispatcher._task.cancel)
    thread.join()
    names = [name for name, doc in received if doc.get("uid") != "hello"]
    assert names == [name for name, _ in documents]


def test_when_the_publisher_dies_the_journal_is_asked_for_what_was_written_but_never_sent(hub, monkeypatch):
    monkeypatch.setattr("flowlab.stream.subscriber._SILENCE_S", 0.2)
    documents = list(documents_of_a_run(20))
    with hub.subscriber() as subscriber:
        hub.record(documents[:10])
        received = [subscriber.receive(30).to_bytes() for _ in range(10)]
        hub.recorder.close()
        hub.publisher.close()
        (path,) = hub.store.journals()
        journal = Journal(path, documents[0][1]["uid"])
        for position, (name, doc) in enumerate(documents[10:], 10):
            journal.append(Message(documents[0][1]["uid"], position, name, doc).to_bytes())
        journal.close()
        assert received + receive_run(subscriber) == hub.journal()


def test_readings_on_the_same_proxy_are_not_for_who_wants_documents(hub):
    documents = list(documents_of_a_run(50))
    readings = ReadingsPublisher(hub.proxy.inward)
    now = Readings(time=0.0, instrument="lab", speed=1.0, gauges=[], interlocks=[])
    with (
        hub.subscriber() as raw,
        hub.subscriber(prefix=RESULTS) as results,
        ReadingsSubscriber(hub.proxy.outward) as shown,
    ):
        for document in documents:
            readings.send(now)
            hub.record([document])
        assert receive_run(raw) == hub.journal()
        while shown.receive(0.05) is None:  # the proxy passes them on
            readings.send(now)
        assert results.receive(0.1) is None
        assert raw.refused == results.refused == shown.refused == 0
    readings.close()
