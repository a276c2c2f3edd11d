"""A RunEngine that records and publishes, against one that does nothing with its documents."""

import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import zmq
from bluesky import RunEngine
from bluesky.plans import count
from ophyd import Component as Cpt
from ophyd import Device, Kind, Signal

from benchmarks.table import Row
from flowlab.stream import RAW, Proxy, Publisher, Recorder, RunStore

EVENTS = 300


class Spectrum(Device):
    """Gives a spectrum at once."""

    counts = Cpt(Signal, value=np.random.default_rng(0).random(2048), kind=Kind.hinted)


def _drain(pipe: Connection) -> None:
    """Proxy and subscriber; receive everything until told to stop; tell when the first message has come."""
    proxy = Proxy()
    pipe.send(proxy.inward)
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.connect(proxy.outward)
    socket.setsockopt(zmq.SUBSCRIBE, RAW + b" ")
    told = False
    while not pipe.poll():
        while socket.poll(20):
            socket.recv()
            if not told:
                pipe.send("first")
                told = True
    context.destroy(linger=0)
    proxy.close()


@contextlib.contextmanager
def _listener() -> Iterator[Connection]:
    """Proxy and subscriber in another process, as in a session: without one, a publisher drops its messages at once."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_drain, args=(theirs,))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.send("enough")
        process.join()


def _rate(engine: RunEngine, detector: Spectrum) -> float:
    begin = time.perf_counter()
    engine(count([detector], num=EVENTS))
    return EVENTS / (time.perf_counter() - begin)


def rows() -> list[Row]:
    """Events per second, the two engines in turn, with a subscriber in another process."""
    detector = Spectrum(name="spectrum")
    with tempfile.TemporaryDirectory() as folder, _listener() as listener:
        publisher = Publisher(listener.recv(), RAW)
        recorder = Recorder(RunStore(Path(folder)).open_documents, publisher)
        bare, recording = RunEngine({}, context_managers=[]), RunEngine({}, context_managers=[])
        recording.subscribe(recorder)
        rates: list[tuple[float, float]] = []
        _rate(bare, detector)  # warm
        while not listener.poll():
            _rate(recording, detector)
        for _ in range(7):
            rates.append((_rate(recording, detector), _rate(bare, detector)))
        recorder.close()
        publisher.close()
    ours, peer = (statistics.median(column) for column in zip(*rates, strict=True))
    task = "RunEngine with journal + publisher, 2048-pixel event"
    return [Row(task, ours, "events/s", "≥ 0.9 × bare", peer, "bare bp.count", higher_is_better=True)]
