"""How long a document takes: to a subscriber in another process, and to the verdict that follows from it."""

import multiprocessing
import pickle
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import zmq

from benchmarks import codec
from benchmarks.table import Row, quantile
from flowlab.process import Child
from flowlab.stream import RAW, RESULTS, Proxy, Publisher, Recorder, ReplayService, RunStore, Subscriber
from tests.support import documents_of_a_scan

EVENTS, RATE_PER_S = 400, 50.0


def _receive_ours(documents: str, replay: str, pipe: Connection) -> None:
    with Subscriber(documents, replay, prefix=RAW) as subscriber:
        pipe.send("ready")
        times = []
        while len(times) < EVENTS:
            message = subscriber.receive(10.0)
            if message is None:
                break
            if message.name == "event":
                times.append(time.time() - message.doc["time"])
        pipe.send(times)


def _receive_pickled(documents: str, replay: str, pipe: Connection) -> None:
    """As bluesky's RemoteDispatcher does it by default."""
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.connect(documents)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    pipe.send("ready")
    times = []
    while len(times) < EVENTS and socket.poll(10_000):
        _, name, payload = socket.recv().split(b" ", 2)
        if name == b"event":
            times.append(time.time() - pickle.loads(payload)["time"])  # noqa: S301  this is the peer
    pipe.send(times)
    context.destroy(linger=0)


def _to_subscriber(folder: Path, *, pickled: bool) -> list[float]:
    proxy = Proxy()
    store = RunStore(folder)
    replay = ReplayService(store)
    ours, theirs = multiprocessing.Pipe()
    receive = _receive_pickled if pickled else _receive_ours
    process = multiprocessing.get_context("spawn").Process(target=receive, args=(proxy.outward, replay.address, theirs))
    process.start()
    ours.recv()
    time.sleep(0.5)  # until the subscription has reached the publisher: a benchmark, not a test
    publisher = Publisher(proxy.inward, b"peer" if pickled else RAW)
    recorder = Recorder(store.open_documents, publisher)
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.connect(proxy.inward)
    time.sleep(0.5)
    start = {"uid": f"run-{pickled}", "time": time.time(), "plan_name": "latency"}
    descriptor = {"uid": "1" * 36, "run_start": start["uid"], "time": 0.0, "name": "primary", "data_keys": {}}
    if not pickled:
        recorder("start", start)
        recorder("descriptor", descriptor)
    for _ in range(EVENTS):
        event = codec.event()
        event["time"] = time.time()
        if pickled:
            socket.send(b" ".join([b"", b"event", pickle.dumps(event)]))
        else:
            recorder("event", event)
        time.sleep(1 / RATE_PER_S)
    times: list[float] = ours.recv() if ours.poll(60) else []
    process.join()
    recorder.close()
    publisher.close()
    context.destroy(linger=0)
    replay.close()
    proxy.close()
    return times


def _to_verdict(folder: Path) -> list[float]:
    """From the moment an event is handed to the recorder to the moment its result has come back."""
    proxy = Proxy()
    store = RunStore(folder)
    replay = ReplayService(store)
    spec = {
        "data": str(folder),
        "documents_in": proxy.inward,
        "documents_out": proxy.outward,
        "replay": replay.address,
    }
    sent: dict[str, float] = {}
    took: list[float] = []
    panels = {float(panel): [560.0 - 4 * i for i in range(20)] for panel in range(20)}
    with (
        Child("analyzer", "flowlab.live", spec, folder / "analyzer.log") as analyzer,
        Subscriber(proxy.outward, replay.address, prefix=RESULTS) as results,
    ):
        analyzer.wait_for("ready", 60)
        done = threading.Event()

        def receive() -> None:
            while not done.is_set():
                message = results.receive(0.1)
                if message is not None and message.name == "event" and "spectrum_event" in message.doc["data"]:
                    took.append(time.perf_counter() - sent[message.doc["data"]["spectrum_event"]])

        publisher = Publisher(proxy.inward, RAW)
        recorder = Recorder(store.open_documents, publisher)
        receiver = threading.Thread(target=receive)
        receiver.start()
        for name, doc in documents_of_a_scan(panels, clusters=(3.0, 4.0)):
            if name == "event":
                sent[doc["uid"]] = time.perf_counter()
            recorder(name, doc)
            if name == "event":
                time.sleep(1 / RATE_PER_S)
        end = time.monotonic() + 10
        while len(took) < EVENTS and time.monotonic() < end:
            time.sleep(0.05)
        done.set()
        receiver.join()
        recorder.close()
        publisher.close()
    replay.close()
    proxy.close()
    return took


def rows() -> list[Row]:
    """At 50 spectra per second."""
    with tempfile.TemporaryDirectory() as folder:
        ours = _to_subscriber(Path(folder) / "a", pickled=False)
        peer = _to_subscriber(Path(folder) / "b", pickled=True)
        verdict = _to_verdict(Path(folder) / "c")
    settled = verdict[20:]  # the first ones wait for the subscriptions
    lost, lost_verdicts = 2 * EVENTS - len(ours) - len(peer), EVENTS - len(verdict)
    name = "bluesky's zmq format with pickle"
    flow = "a flow profile that waits for the stop document and sleeps: 1000 ms, stated, not measured"
    return [
        Row("document → subscriber, p50", _ms(ours, 0.5), "ms", "-", _ms(peer, 0.5), name, missing=lost),
        Row("document → subscriber, p99", _ms(ours, 0.99), "ms", "≤ 5 ms", _ms(peer, 0.99), name, missing=lost),
        Row(
            "document → verdict published, p50",
            _ms(settled, 0.5),
            "ms",
            "≤ 5 ms",
            peer_name=flow,
            missing=lost_verdicts,
        ),
        Row(
            "document → verdict published, p99",
            _ms(settled, 0.99),
            "ms",
            "≤ 20 ms",
            peer_name=flow,
            missing=lost_verdicts,
        ),
    ]


def _ms(seconds: list[float], share: float) -> float:
    return 1e3 * quantile(seconds, share)
