"""Runs that are recorded, analysed and told of, as a worker and an analyzer would."""

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.live.recorder import ResultsRecorder
from flowlab.stream import RAW, RESULTS, Proxy, Publisher, Recorder, ReplayService, RunStore
from flowlab.watch.feed import Feed
from tests.support import documents_of_a_run


class Hub:
    """A proxy, a replay service, and who records runs, analyses them and tells."""

    def __init__(self, root):
        self.store = RunStore(root)
        self.proxy = Proxy()
        self.replay = ReplayService(self.store)
        self.publishers = {prefix: Publisher(self.proxy.inward, prefix) for prefix in (RAW, RESULTS)}
        self.recorder = Recorder(self.store.open_documents, self.publishers[RAW])
        self.results = ResultsRecorder(self.store, self.publishers[RESULTS])
        self.frames = FrameReader(self.store.frames, within_s=0.0)
        self.analyzer = Analyzer(load_material, self.frames)

    def record(self, documents) -> None:
        for name, doc in documents:
            self.recorder(name, doc)
            for result in self.analyzer.take(name, doc):
                self.results.take(*result)

    def feed(self, *, frames: bool = True) -> Feed:
        return Feed(self.proxy.outward, self.replay.address, self.store.root if frames else None)

    def close(self) -> None:
        self.recorder.close()
        self.results.close()
        for publisher in self.publishers.values():
            publisher.close()
        self.frames.close()
        self.replay.close()
        self.proxy.close()


def at(second: int, documents) -> list:
    """A run as one that began so many seconds later than the first: folders are in order of their seconds."""
    (name, start), *others = documents
    return [(name, {**start, "time": 1.7e9 + 10 * second}), *others]


def liquids(number: int) -> list:
    return at(number, documents_of_a_run(2))
