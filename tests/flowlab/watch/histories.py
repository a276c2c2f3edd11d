"""What a picture hears of made-up runs: their documents, and those of their analysis, read from journals."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from flowlab.config import Material, load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.live.recorder import ResultsRecorder
from flowlab.stream import Message, Recorder, RunStore, earlier_documents, read_journal
from flowlab.watch.picture import Picture

Document = tuple[str, dict[str, Any]]
#: Whether it is of the analysis, and the document with its place.
Heard = tuple[bool, Message]


def find_material(name: str) -> Material | None:
    return load_material(name)


def history(store: RunStore, documents: Iterable[Document]) -> list[Heard]:
    """Record a run and its analysis; what is heard of both, in the order in which it came about."""
    raw, results = Recorder(store.open_documents), ResultsRecorder(store, None)
    order: list[bool] = []
    with FrameReader(store.frames, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader, partial(earlier_documents, store))
        run = ""
        for name, doc in documents:
            run = run or doc["uid"]
            raw(name, doc)
            order.append(False)
            for result in analyzer.take(name, doc):
                results.take(*result)
                order.append(True)
    raw.close()
    results.close()
    kept = store.run(run)
    journals = {False: read_journal(kept.journal), True: read_journal(kept.results) if kept.results.exists() else ()}
    come = {of: iter(messages) for of, messages in journals.items()}
    return [(of_analysis, next(come[of_analysis])) for of_analysis in order]


def tell(picture: Picture, heard: Iterable[Heard]) -> None:
    for of_analysis, message in heard:
        (picture.take_result if of_analysis else picture.take_document)(message)


def picture_of(heard: Iterable[Heard]) -> Picture:
    picture = Picture(find_material)
    tell(picture, heard)
    return picture


def rows(heard: Iterable[Heard], stream: str, *, of_analysis: bool = True) -> list[dict[str, Any]]:
    """Data of the events of a stream."""
    messages = [message for of, message in heard if of == of_analysis]
    uids = {m.doc["uid"] for m in messages if m.name == "descriptor" and m.doc["name"] == stream}
    return [m.doc["data"] for m in messages if m.name == "event" and m.doc["descriptor"] in uids]
