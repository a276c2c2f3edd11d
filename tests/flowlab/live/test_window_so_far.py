"""What is told of bands and of the window while a scan goes on, and that it agrees with what is told at its end."""

from itertools import chain

import event_model
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.recorder import ResultsRecorder
from flowlab.live.window import WINDOW_KEYS, WINDOW_SO_FAR_KEYS
from flowlab.stream import Recorder, RunStore, pack, read_journal, unpack
from tests.support import documents_of_a_scan

MATERIAL = load_material("CdSe")
EXCITONS = [560.0, 552.0, 545.0, 537.0, 530.0, 524.0]
PANELS = dict.fromkeys((250.0, 260.0, 270.0, 280.0, 290.0, 300.0), EXCITONS)
CLUSTERS = (260.0, 270.0, 280.0)
LISTS = ("found", "not_found", "undecided")


def analyse(documents, load=load_material):
    analyzer = Analyzer(load)
    return [result for name, doc in documents for result in analyzer.take(name, doc)]


def events(results, stream):
    names = {doc["uid"]: doc["name"] for name, doc in results if name == "descriptor"}
    return [doc["data"] for name, doc in results if name == "event" and names[doc["descriptor"]] == stream]


def lists(window):
    return {key: np.asarray(window[key]).tolist() for key in LISTS}


@pytest.fixture(scope="module")
def documents():
    return list(documents_of_a_scan(PANELS, clusters=CLUSTERS))


@pytest.fixture(scope="module")
def results(documents):
    return analyse(documents)


def test_documents_are_valid_and_survive_the_codec(results):
    assert events(results, "window_so_far")
    for name, doc in results:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(event_model.sanitize_doc(doc))
        assert pack(unpack(pack(doc))) == pack(doc)


def test_events_hold_what_their_descriptor_says(results):
    descriptors = {doc["uid"]: doc for name, doc in results if name == "descriptor"}
    for name, doc in results:
        if name != "event":
            continue
        keys = descriptors[doc["descriptor"]]["data_keys"]
        assert doc["data"].keys() == keys.keys()
        for key, value in doc["data"].items():
            if "dtype_numpy" in keys[key]:
                told = np.array(value, dtype=keys[key]["dtype_numpy"])
                assert told.ndim == 1
                assert told.tolist() == pytest.approx(list(value), nan_ok=True), f"{key} is not cut short"


def test_each_band_of_a_spectrum_has_a_kind_a_transition_a_family_and_a_probability(results):
    for data in events(results, "spectra"):
        count = len(data["feature_wavelength_nm"])
        for key in ("feature_kind", "feature_transition", "feature_family", "feature_probability", "feature_track"):
            assert len(data[key]) == count
        assert set(data["feature_kind"]) <= {"msc", "nc", "artefact", "other", "unknown"}
        assert all(isinstance(family, str) for family in data["feature_family"])
        assert ((data["feature_probability"] > 0) & (data["feature_probability"] <= 1)).all()
    told = [dict(zip(data["feature_track"], data["feature_kind"], strict=True)) for data in events(results, "spectra")]
    assert set(told[0].values()) == {"unknown"}, "a single spectrum decides nothing"


def test_what_bands_are_at_the_end_of_a_panel_is_what_their_tracks_say(results):
    tracks = {track["track"]: track for track in events(results, "tracks")}
    last = {data["panel"]: data for data in events(results, "spectra") if len(data["feature_track"])}
    assert last.keys() == PANELS.keys()
    for panel, data in last.items():
        for position, number in enumerate(data["feature_track"].tolist()):
            track = tracks[number]
            assert track["panel"] == panel
            for key in ("kind", "transition", "family", "probability"):
                assert data[f"feature_{key}"][position] == track[key]
        clusters = [family for family in data["feature_family"] if family]
        assert clusters == (["CdSe-437"] if panel in CLUSTERS else [])


def test_the_window_so_far_comes_with_the_first_spectrum_of_the_next_panel_and_behind_it(documents):
    analyzer = Analyzer(load_material)
    done = points = 0
    for name, doc in documents[:-1]:
        found = [d["data"] for n, d in analyzer.take(name, doc) if n == "event"]
        if name != "event" or "reactor_growth_setpoint_c" not in doc["data"]:
            continue
        next_panel = points > 0 and points % len(EXCITONS) == 0
        points += 1
        assert len(found) == 1 + next_panel
        assert found[0]["spectrum_event"] == doc["uid"]
        if next_panel:
            done += 1
            assert found[1]["panels_done"] == done
            assert sorted(chain.from_iterable(lists(found[1]).values())) == list(PANELS)[:done]
    assert done == len(PANELS) - 1


def test_the_last_window_so_far_is_the_final_one_but_for_the_last_panel(results):
    *_, so_far = events(results, "window_so_far")
    (window,) = events(results, "window")
    last = list(PANELS)[-1]
    assert lists(so_far) == {key: [c for c in found if c != last] for key, found in lists(window).items()}
    assert lists(so_far)["found"] == list(CLUSTERS)
    assert so_far["panels_done"] == len(PANELS) - 1
    assert so_far.keys() == WINDOW_SO_FAR_KEYS.keys() == {*WINDOW_KEYS, "panels_done"}
    assert window.keys() == WINDOW_KEYS.keys()


def test_each_window_so_far_is_that_of_a_scan_that_ends_there(documents, results):
    for number, so_far in enumerate(events(results, "window_so_far"), 1):
        points = [i for i, (_, doc) in enumerate(documents) if "reactor_growth_setpoint_c" in doc.get("data", {})]
        ended = [*documents[: points[number * len(EXCITONS)]], documents[-1]]
        (window,) = events(analyse(ended), "window")
        assert pack(window) == pack({key: so_far[key] for key in window})


def test_panels_that_tell_nothing_new_are_passed_over():
    """A coordinate that is measured again and shows the same changes no list."""
    documents = list(documents_of_a_scan({250.0: EXCITONS[:4], 260.0: EXCITONS[:4]}))
    points = [document for document in documents if "reactor_growth_setpoint_c" in document[1].get("data", {})]
    again = [
        (name, {**doc, "seq_num": len(points) + n, "uid": f"{doc['uid']}-{n}"})
        for n, (name, doc) in enumerate(points * 2, 1)
    ]
    results = analyse([*documents[:-1], *again, documents[-1]])
    assert [data["panels_done"] for data in events(results, "window_so_far")] == [1, 2]
    assert len(events(results, "spectra")) == 3 * len(points)


def test_a_scan_of_one_panel_has_no_window_so_far():
    results = analyse(documents_of_a_scan({270.0: EXCITONS}))
    assert not events(results, "window_so_far")
    assert events(results, "window")


def test_nor_has_a_material_without_an_accumulating_family(documents):
    none = MATERIAL.model_copy(update={"accumulating_family": None})
    results = analyse(documents, lambda name: none)
    assert results[-1][1]["exit_status"] == "success"
    assert not events(results, "window_so_far")
    assert not events(results, "window")


def test_a_material_without_families_has_bands_without_one(documents):
    bare = MATERIAL.model_copy(update={"accumulating_family": None, "families": []})
    results = analyse(documents[:12], lambda name: bare)
    spectra = events(results, "spectra")
    assert {family for data in spectra for family in data["feature_family"]} == {""}
    (keys,) = [doc["data_keys"] for name, doc in results if name == "descriptor"]
    assert keys["feature_family"]["dtype_numpy"] == "<U1"


def test_a_reference_that_turns_out_to_be_no_blank_takes_back_what_was_told():
    from tests.flowlab.analysis.spectra import WAVELENGTH, counts, crystal

    documents = list(documents_of_a_scan({250.0: EXCITONS[:4], 260.0: EXCITONS[:4], 270.0: EXCITONS[:1]}))
    references = [i for i, (_, doc) in enumerate(documents) if "spec_counts" in doc.get("data", {})][1:2]
    sample = counts(0.5 * crystal(500.0), seed=999)
    documents[references[0]][1]["data"].update(spec_counts=sample.mean, spec_counts_err=sample.err)
    bright = counts(0.3 * crystal(440.0) + 0 * WAVELENGTH, seed=9)
    documents[-2][1]["data"].update(spec_counts=bright.mean, spec_counts_err=bright.err)
    results = analyse(documents)
    assert "was no blank" in events(results, "spectra")[-1]["why"]
    assert lists(events(results, "window_so_far")[-1])["undecided"] == [250.0, 260.0]


@pytest.mark.parametrize("killed_behind", [20, 23, 24, 40])
def test_an_analyzer_that_was_killed_comes_to_the_same_documents(tmp_path, documents, results, killed_behind):
    store = RunStore(tmp_path)
    raw = Recorder(store.open_documents)
    for name, doc in documents:
        raw(name, doc)
    raw.close()
    for kept in (results[:killed_behind], analyse(documents)):
        recorder = ResultsRecorder(store, None)
        for name, doc in kept:
            recorder.take(name, doc)  # raises when a document came out different before
        recorder.close()
    recorded = list(read_journal(store.run(documents[0][1]["uid"]).results))
    assert [pack(m.doc) for m in recorded] == [pack(doc) for _, doc in results]


def test_the_stop_document_counts_them(results):
    counted = results[-1][1]["num_events"]
    assert (counted["spectra"], counted["window_so_far"], counted["window"]) == (36, 5, 1)
