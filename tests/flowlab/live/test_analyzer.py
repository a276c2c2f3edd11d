import copy

import event_model
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.errors import FlowlabError
from flowlab.live import Analyzer
from flowlab.stream import pack
from tests.support import PANELS, documents_of_a_scan


def analyse(documents, load=load_material):
    analyzer = Analyzer(load)
    return [result for name, doc in documents for result in analyzer.take(name, doc)]


@pytest.fixture(scope="module")
def documents():
    return list(documents_of_a_scan(PANELS, clusters=(270.0,)))


@pytest.fixture(scope="module")
def results(documents):
    return analyse(documents)


def test_results_are_valid_documents_of_a_run_of_their_own(documents, results):
    for name, doc in results:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(event_model.sanitize_doc(doc))
    start = results[0][1]
    assert start["parent_run"] == documents[0][1]["uid"]
    assert start["software"]["name"] == "flowlab"
    assert start["config_hash"]
    assert results[-1][1]["exit_status"] == "success"


def test_there_is_one_event_for_each_spectrum_and_it_comes_with_it(documents):
    analyzer = Analyzer(load_material)
    for name, doc in documents:
        found = list(analyzer.take(name, doc))
        primary = name == "event" and "reactor_growth_setpoint_c" in doc["data"]
        assert sum(n == "event" and "spectrum_event" in d["data"] for n, d in found) == primary or name == "stop"
        if primary:
            assert found[0][1]["data"]["spectrum_event"] == doc["uid"]
            assert {result["time"] for _, result in found} == {doc["time"]}


def events(results, key):
    return [doc["data"] for name, doc in results if name == "event" and key in doc["data"]]


def test_the_cluster_is_found_where_it_is_and_the_exciton_everywhere(results):
    so_far, window = events(results, "not_found")
    assert (so_far["panels_done"], so_far["found"].tolist(), so_far["not_found"].tolist()) == (1, [270.0], [])
    assert (window["low"], window["high"], window["not_found"].tolist()) == (270.0, 270.0, [310.0])
    assert (window["upper_edge"], window["upper_edge_between"].tolist()) == (290.0, [270.0, 310.0])
    assert np.isnan(window["lower_edge"])
    assert window["lower_edge_why"] == "nothing was measured below 270"
    families = [data for data in events(results, "family") if "coordinate" in data and "kind" not in data]
    assert {(row["family"], row["panel"]) for row in families} == {("CdSe-437", 270.0)}
    tracks = events(results, "kind")
    assert [(t["panel"], t["family"]) for t in tracks if t["kind"] == "msc" and t["transition"] == "E1"] == [
        (270.0, "CdSe-437")
    ]
    for panel, excitons in PANELS.items():
        (track,) = [t for t in tracks if t["kind"] == "nc" and t["panel"] == panel and t["transition"] == "E1"]
        assert track["wavelength_nm"] == pytest.approx(excitons, abs=3.0)
        assert np.isfinite(track["diameter_nm"]).all()
        assert np.isfinite(track["size_dispersion"]).all()
        onsets = [data["onset_nm"] for data in events(results, "onset_nm") if data["panel"] == panel]
        assert np.all(np.array(onsets) > track["wavelength_nm"])


def test_the_same_documents_give_the_same_bytes(documents, results):
    assert [pack(list(r)) for r in analyse(copy.deepcopy(documents))] == [pack(list(r)) for r in results]


def test_two_runs_at_once_do_not_mix(documents, results):
    other = list(documents_of_a_scan(PANELS, seed=77))
    analyzer = Analyzer(load_material)
    mixed = [
        result
        for pair in zip(documents, other, strict=True)
        for name, doc in pair
        for result in analyzer.take(name, doc)
    ]
    uid = results[0][1]["uid"]
    ours = [r for r in mixed if uid in (r[1].get("uid"), r[1].get("run_start"))]
    assert [pack(list(r)) for r in ours] == [
        pack(list(r)) for r in results if uid in (r[1].get("uid"), r[1].get("run_start"))
    ]


def test_a_run_that_does_not_say_how_it_is_analysed_is_left_alone(documents):
    name, start = documents[0]
    plain = {key: value for key, value in start.items() if key != "analysis"}
    assert analyse([(name, plain), *documents[1:]]) == []


def test_a_run_of_an_unknown_material_is_left_alone(documents):
    def refuse(name):
        raise FlowlabError(name)

    assert analyse(documents, refuse) == []


@pytest.mark.parametrize("position", [1, 2, 4, 6])
def test_documents_that_make_no_sense_end_their_own_analysis_with_the_reason(documents, position):
    spoilt = copy.deepcopy(documents)
    name, doc = spoilt[position]
    if name == "event":
        doc["data"]["spec_counts"] = "garbage"
        doc["data"].pop("reactor_growth_setpoint_c", None)
    else:
        doc["configuration"]["spec"]["data"]["spec_wavelength_nm"] = np.full(1500, 400.0)
        doc["configuration"]["else"] = None
    results = analyse(spoilt)
    assert results[-1][0] == "stop"
    assert results[-1][1]["exit_status"] == "fail"
    assert f"in the analysis of a {name}: " in results[-1][1]["reason"]


@pytest.mark.parametrize(
    ("name", "doc"),
    [
        ("event", {}),
        ("descriptor", {"run_start": []}),
        ("stop", {}),
        ("start", {"analysis": {"kind": "absorbance"}}),
        ("start", {"uid": "x", "time": "noon", "analysis": None}),
        ("no such document", {}),
    ],
)
def test_documents_of_no_run_are_passed_over(name, doc):
    assert analyse([(name, doc)]) == []


@pytest.mark.parametrize("spoil", [{"axes": []}, {"axes": None}, {"counts": None, "wavelength_nm": []}])
def test_a_start_that_makes_no_sense_does_not_end_the_analysis_of_others(documents, results, spoil):
    name, start = copy.deepcopy(documents[0])
    start["uid"] = "00000000-0000-0000-0000-000000000000"
    start["analysis"].update(spoil)
    analyzer = Analyzer(load_material)
    list(analyzer.take(name, start))
    found = [result for name, doc in documents for result in analyzer.take(name, doc)]
    assert [pack(list(r)) for r in found] == [pack(list(r)) for r in results]


def test_memory_of_a_run_is_let_go_of_when_it_ends(documents):
    analyzer = Analyzer(load_material)
    for name, doc in documents:
        list(analyzer.take(name, doc))
    assert not analyzer._runs
    assert not analyzer._children
