"""Emission spectra of a run: dark and lit counts in, documents of emission and its band out."""

import copy

import event_model
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.stream import pack
from tests.emission_runs import POINTS, emission_documents


def analyse(documents):
    analyzer = Analyzer(load_material)
    return [result for name, doc in documents for result in analyzer.take(name, doc)]


def found(results):
    return [doc["data"] for name, doc in results if name == "event"]


@pytest.fixture(scope="module")
def documents():
    return list(emission_documents())


@pytest.fixture(scope="module")
def results(documents):
    return analyse(documents)


def test_results_are_valid_documents_of_a_run_of_their_own(documents, results):
    for name, doc in results:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(event_model.sanitize_doc(doc))
    assert results[0][1]["parent_run"] == documents[0][1]["uid"]
    assert results[-1][1]["exit_status"] == "success"
    (described,) = [doc["data_keys"].keys() for name, doc in results if name == "descriptor"]
    assert all(data.keys() == described for data in found(results))


def test_there_is_one_event_for_each_lit_spectrum_and_it_comes_with_it(documents):
    analyzer = Analyzer(load_material)
    streams = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    for name, doc in documents:
        lit = name == "event" and streams[doc["descriptor"]] == "emission"
        of_it = [d for n, d in analyzer.take(name, doc) if n == "event"]
        assert [d["data"]["emission_event"] for d in of_it] == ([doc["uid"]] if lit else [])
        assert [d["time"] for d in of_it] == ([doc["time"]] if lit else [])


def test_the_band_is_where_it_is_within_its_error_and_belongs_to_its_plug(results):
    for data, ((temperature_c, residence_s), (at_nm, height, fwhm_nm)) in zip(
        found(results), POINTS.items(), strict=True
    ):
        assert (data["panel"], data["coordinate"]) == (temperature_c, residence_s)
        assert (data["usable"], data["why"]) == (True, "")
        for key, true in (("wavelength", at_nm), ("fwhm", fwhm_nm), ("height", height)):
            name = key if key == "height" else f"{key}_nm"
            err = data[f"band_{key}_err{'' if key == 'height' else '_nm'}"]
            assert 0 < err < 0.1 * true
            assert abs(data[f"band_{name}"] - true) < 5 * err
        assert data["emission"].startswith(f"emission at {data['band_wavelength_nm']:.1f} ± ")
        assert data["mask_nm"].tolist() == [385.0, 425.0]
        assert len(data["counts"]) == len(data["counts_err"]) == len(data["wavelength_nm"]) == 1044
        assert data["plug_residence_s"] == residence_s
        assert data["plug_nucleation_c"] == temperature_c


def test_the_area_is_that_under_the_emission_itself(results):
    for data in found(results):
        beside = np.abs(data["wavelength_nm"] - data["band_wavelength_nm"]) < 1.5 * data["band_fwhm_nm"]
        under = np.trapezoid(data["counts"][beside], data["wavelength_nm"][beside])
        assert data["band_area"] == pytest.approx(under, rel=0.05)
        assert 0 < data["band_area_err"] < 0.02 * data["band_area"]


def test_the_same_documents_give_the_same_bytes(documents, results):
    assert [pack(list(r)) for r in analyse(copy.deepcopy(documents))] == [pack(list(r)) for r in results]


@pytest.mark.parametrize(
    ("how", "usable", "why"),
    [
        ({"dark": False}, False, "no dark spectrum was taken before it"),
        ({"dark_ms": 20.0}, False, "it is of 50 ms, but the dark spectrum before it of 20 ms"),
        ({"led_nm": float("nan")}, False, "of what wavelength the LED is was not told"),
        ({"points": {(260.0, 8.0): (520.0, 3e5, 36.0)}}, False, "pixels outside the LED's line are saturated"),
        ({"points": {(260.0, 8.0): (520.0, 0.0, 36.0)}}, True, "no band stands out of the noise"),
    ],
)
def test_where_there_is_no_band_there_is_the_reason(how, usable, why):
    results = analyse(list(emission_documents(**how)))
    assert results[-1][1]["exit_status"] == "success"
    for data in found(results):
        assert data["usable"] is usable
        assert why in data["why"]
        assert why in data["emission"]
        assert np.isnan(data["band_wavelength_nm"])


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("event", "fluo_counts", "garbage"),
        ("event", "fluo_counts", np.ones(7)),
        ("event", "fluo_counts", np.full(1044, np.nan)),
        ("event", "fluo_counts_err", np.ones((2, 1044))),
        ("event", "fluo_counts_err", None),
        ("event", "reactor_optical_plug_age_s", "old"),
        ("descriptor", "fluo_wavelength_nm", np.full(1044, 500.0)),
        ("descriptor", "fluo_integration_ms", -1.0),
        ("descriptor", "fluo_saturated_counts", float("nan")),
        ("descriptor", "fluo_saturated_counts", None),
    ],
)
def test_documents_that_make_no_sense_end_their_own_analysis_with_the_reason(documents, where, key, value):
    spoilt = copy.deepcopy(documents)
    doc = [doc for name, doc in spoilt if name == where][1]
    (doc["data"] if where == "event" else doc["configuration"]["fluo"]["data"])[key] = value
    results = analyse(spoilt)
    assert results[-1][1]["exit_status"] == "fail"
    assert f"in the analysis of a {where}: " in results[-1][1]["reason"]


@pytest.mark.parametrize("spoil", [{"luminescence": {}}, {"luminescence": "all of it"}, {"axes": None}])
def test_a_start_that_makes_no_sense_is_not_analysed(documents, spoil):
    spoilt = copy.deepcopy(documents)
    spoilt[0][1]["analysis"].update(spoil)
    assert found(analyse(spoilt)) == []
