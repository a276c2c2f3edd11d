"""A RunEngine that records and publishes, against one that does nothing with its documents."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
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


def _rate(engine: RunEngine, detector: Spectrum) -> float:
    begin = time.perf_counter()
    engine(count([detector], num=EVENTS))
    return EVENTS / (time.perf_counter() - begin)


def rows() -> list[Row]:
    """Events per second, the two engines in turn."""
    detector = Spectrum(name="spectrum")
    with tempfile.TemporaryDirectory() as folder:
        proxy = Proxy()
        publisher = Publisher(proxy.inward, RAW)
        recorder = Recorder(RunStore(Path(folder)).open_documents, publisher)
        bare, recording = RunEngine({}, context_managers=[]), RunEngine({}, context_managers=[])
        recording.subscribe(recorder)
        rates: list[tuple[float, float]] = []
        _rate(bare, detector), _rate(recording, detector)  # warm
        for _ in range(7):
            rates.append((_rate(recording, detector), _rate(bare, detector)))
        recorder.close()
        publisher.close()
        proxy.close()
    ours, peer = (statistics.median(column) for column in zip(*rates, strict=True))
    task = "RunEngine with journal + publisher, 2048-pixel event"
    return [Row(task, ours, "events/s", "≥ 0.9 × bare", peer, "bare bp.count", higher_is_better=True)]
