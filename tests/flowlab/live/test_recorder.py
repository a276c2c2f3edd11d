"""What an analyzer that was killed finds in the journal of its results, and goes on from."""

import pytest

from flowlab.live.recorder import ResultsRecorder
from flowlab.stream import Recorder, RunStore, read_journal
from tests.support import documents_of_a_run

ANALYSIS = [
    ("start", {"uid": "analysis", "time": 0.0}),
    ("descriptor", {"uid": "spectra", "run_start": "analysis", "time": 0.0, "name": "spectra"}),
    ("event", {"uid": "event", "descriptor": "spectra", "time": 1.0, "data": {}}),
    ("stop", {"uid": "stop", "run_start": "analysis", "time": 2.0}),
]


@pytest.fixture
def stored(tmp_path):
    store = RunStore(tmp_path)
    recorder = Recorder(store.open_documents)
    documents = list(documents_of_a_run(1))
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    return store.run(documents[0][1]["uid"])


def record(stored, documents) -> None:
    recorder = ResultsRecorder(RunStore(stored.folder.parent), None)
    for name, doc in documents:
        recorder.take(name, {**doc, "parent_run": stored.run_uid} if name == "start" else doc)
    recorder.close()


@pytest.mark.parametrize("documents", range(len(ANALYSIS) + 1))
def test_an_analysis_goes_on_where_the_one_before_it_was_killed(stored, documents):
    record(stored, ANALYSIS[:documents])
    record(stored, ANALYSIS)
    assert [message.name for message in read_journal(stored.results)] == [name for name, _ in ANALYSIS]


@pytest.mark.parametrize("left", [b"", b"flowlab-jour", bytes(512)])
def test_a_journal_whose_writer_was_killed_before_it_had_begun_it_is_begun_anew(stored, left):
    stored.results.write_bytes(left)
    record(stored, ANALYSIS)
    assert [message.name for message in read_journal(stored.results)] == [name for name, _ in ANALYSIS]
