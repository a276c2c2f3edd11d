"""A recorded run that is published and analysed again."""

from flowlab.daemon.replay import replay_run
from flowlab.stream import Recorder, RunStore
from tests.support import PANELS, documents_of_a_scan


def test_the_window_of_a_replay_is_that_of_the_whole_run(tmp_path):
    store = RunStore(tmp_path)
    recorder = Recorder(store.open_documents)
    documents = list(documents_of_a_scan(PANELS, clusters=(310.0,)))
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    outcome = replay_run(store.find(documents[0][1]["uid"]), None, lambda message: None)
    told = [m.doc["data"]["found"].tolist() for m in outcome.results if "not_found" in m.doc.get("data", {})]
    assert told == [[], [310.0]], "of the panels that were complete, and of all"
    assert outcome.facts()["window_c"] == [310.0, 310.0]
