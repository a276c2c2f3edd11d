"""Frames of an Eiger2 1M, sustained: from the simulated detector's stream into HDF5, referred to by a run's documents.

``python -m benchmarks.eiger [SECONDS [FRAMES_PER_S]]`` runs it alone, longer or faster. The detector repeats one
picture, so that what is measured is how frames are received, and not how they are made up.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

import h5py
import hdf5plugin
import numpy as np
import psutil
from bluesky import RunEngine
from bluesky.plans import count

from benchmarks.table import Row, interleaved, show
from devices.frame_writer import FrameWriter
from devices.protocols.compressed import Pixels, as_chunk
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.devices.eiger_lab import NAME, eiger_file
from tests.simulators.benches import served

SECONDS, FRAMES_PER_S = 60, 10.0
SHAPE = (1062, 1028)


class Watch:
    """Takes the documents of a run, and looks at this process's memory every half second.

    Attributes:
        referred: frames that documents refer to.
        resident_mb: with the seconds since the first look.
    """

    def __init__(self, images: int) -> None:
        self.referred = 0
        self.resident_mb: list[tuple[float, float]] = []
        self._images = images
        self._process = psutil.Process(os.getpid())
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        begin = time.perf_counter()
        while not self._done.wait(0.5):
            self.resident_mb.append((time.perf_counter() - begin, self._process.memory_info().rss / 1e6))

    def __call__(self, name: str, document: dict) -> None:
        """Take a document."""
        if name == "stream_datum":
            self.referred += (document["indices"]["stop"] - document["indices"]["start"]) * self._images

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def resident_at_mb(self, seconds: float) -> float:
        """Memory at the first look after so many seconds."""
        return next((mb for at, mb in self.resident_mb if at >= seconds), self.resident_mb[-1][1])


def sustained(seconds: int = SECONDS, frames_per_s: float = FRAMES_PER_S) -> list[Row]:
    """Exposures of some five seconds, one after the other; an event refers to all frames of one."""
    exposures = max(seconds // 5, 1)
    images = max(round(seconds * frames_per_s / exposures), 1)
    settings = {"exposure_s": 0.9 / frames_per_s, "frame_time_s": 1 / frames_per_s, "images": images}
    with tempfile.TemporaryDirectory() as folder:
        file = eiger_file(Path(folder) / "eiger.toml", simulated="fresh_every = 1000000", **settings)
        config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=1.0)})
        with (
            served(str(file), "--any-port", "--speed", "1") as lab,
            Bench(config, "benchmark", lab.addresses, Path(folder) / "frames") as bench,
            Watch(images) as watch,
        ):
            detector = bench.devices[NAME]
            detector.connect()
            engine = RunEngine({}, context_managers=[])
            engine(count([detector], num=exposures), watch)
            engine._loop.call_soon_threadsafe(engine._loop.stop)
            truth = lab.ask(truth=True)["instruments"][NAME]
        (path,) = (Path(folder) / "frames").glob("*.h5")
        with h5py.File(path) as written:
            frames = written["entry/data/data"].shape[0]
            starts = written["entry/data/start_s"][:]
    took = starts[-1] - starts[0] + 1 / frames_per_s
    task = f"Eiger2 1M, {frames_per_s:g} Hz, {seconds} s"
    first, last = watch.resident_at_mb(min(10.0, seconds / 2)), watch.resident_mb[-1][1]
    kept = min(frames, watch.referred, truth["frames"])
    lost = exposures * images - kept
    return [
        Row(f"{task}: frames on disk and referred to", kept, "frames", "all", missing=lost),
        Row(
            f"{task}: pauses between exposures included", frames / took, "frames/s", "sustained", higher_is_better=True
        ),
        Row(f"{task}: memory, at the end − at 10 s", last - first, "MB", "flat"),
        Row(f"{task}: resident memory", last, "MB", "-"),
    ]


def writing() -> list[Row]:
    """One frame of Poisson noise around 5 counts, compressed and written."""
    image = np.random.default_rng(1).poisson(5.0, SHAPE).astype("<u4")
    bslz4 = hdf5plugin.Bitshuffle(cname="lz4")
    with h5py.File("blob", "w", driver="core", backing_store=False) as file:
        blob = file.create_dataset("d", data=image, chunks=SHAPE, **bslz4).id.read_direct_chunk((0, 0))[1]
    with tempfile.TemporaryDirectory() as folder, h5py.File(Path(folder) / "a.h5", "w") as file:
        frames = {
            name: file.create_dataset(name, (1, *SHAPE), "<u4", chunks=(1, *SHAPE), **options)
            for name, options in {"bslz4": bslz4, "gzip": {"compression": "gzip"}}.items()
        }

        def write(name: str) -> None:
            frames[name][0] = image
            file.flush()

        ours, peer = interleaved(lambda: write("bslz4"), lambda: write("gzip"), rounds=7, each=1)
        writer = FrameWriter("eiger", Path(folder) / "b.h5", SHAPE, image.dtype, "bslz4", {}, {})
        pixels = Pixels(SHAPE, image.dtype, "bslz4", blob)
        direct, _ = interleaved(lambda: writer.write(0, *as_chunk(pixels)), lambda: None, rounds=7, each=3)
        writer.close()
    gzip = "gzip-4"
    return [
        Row("HDF5 1 Mpx frame write, bitshuffle-LZ4", ours / 1e3, "ms", "≤ 4 ms", peer / 1e3, gzip),
        Row("the same as the detector sends it: checked, read back", direct / 1e3, "ms", "≤ 4 ms", peer / 1e3, gzip),
    ]


def rows() -> list[Row]:
    """Writing, and a minute of frames."""
    return [*writing(), *sustained()]


if __name__ == "__main__":
    show([*writing(), *sustained(*(kind(text) for kind, text in zip((int, float), sys.argv[1:], strict=False)))])
