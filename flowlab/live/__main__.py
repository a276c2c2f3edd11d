"""The analyzer as a process: ``python -m flowlab.live`` with its addresses as JSON on standard input.

It may die and be started again at any time: it is told which runs to follow, of which nothing may be
published any more, fetches them, comes to the same results, and appends to the results' journal what is not
there yet; and which runs are finished. Frames are read from files below one folder, and the runs that a run
resumes from one store: those that it is told, otherwise its own.
"""

from functools import partial
from pathlib import Path

from flowlab.config import load_material
from flowlab.live.analyzer import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.live.recorder import ResultsRecorder
from flowlab.process import Lifeline
from flowlab.stream import RAW, RESULTS, GapError, Publisher, RunStore, Subscriber, earlier_documents


def main() -> None:
    """Analyse until the lifeline is cut."""
    lifeline = Lifeline()
    spec = lifeline.spec
    store = RunStore(Path(spec["data"]))
    publisher = Publisher(spec["documents_in"], RESULTS)
    recorder = ResultsRecorder(store, publisher)
    with (
        FrameReader(Path(spec.get("frames") or store.frames)) as reader,
        Subscriber(spec["documents_out"], spec["replay"], prefix=RAW) as subscriber,
    ):
        earlier = RunStore(Path(spec.get("earlier") or spec["data"]))
        analyzer = Analyzer(load_material, reader, partial(earlier_documents, earlier))
        for run in spec.get("finished", []):
            subscriber.ignore(run)
        for run in spec.get("runs", []):
            subscriber.follow(run)
        lifeline.ready({})
        while not lifeline.cut:
            try:
                message = subscriber.receive(timeout_s=0.1)
            except GapError as error:
                lifeline.say(str(error))
                continue
            if message is not None:
                for name, doc in analyzer.take(message.name, message.doc):
                    recorder.take(name, doc)
                    if name == "start":
                        lifeline.tell({"analysis": {"run_uid": doc["parent_run"], "uid": doc["uid"]}})
    recorder.close()
    publisher.close()


if __name__ == "__main__":
    main()
