"""Emission in the file of a run, and in its tables."""

import csv
from functools import partial

import h5py
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.recorder import ResultsRecorder
from flowlab.report.load import results_of
from flowlab.storage.export import export_run
from flowlab.stream import Recorder, RunStore, earlier_documents
from tests.emission_runs import POINTS, emission_documents
from tests.flowlab.live.test_luminescence import analyse, found
from tests.flowlab.storage.test_nexus import as_messages, write
from tests.resumed_runs import follows, keep


@pytest.fixture(scope="module")
def documents():
    return list(emission_documents())


@pytest.fixture
def store(tmp_path, documents):
    return recorded(tmp_path / "data", documents)


def recorded(folder, documents) -> RunStore:
    store = RunStore(folder)
    recorder = Recorder(store.open_documents)
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    return store


@pytest.fixture
def stored(store, documents):
    """The run with its analysis."""
    results = ResultsRecorder(store, None)
    for name, doc in analyse(documents):
        results.take(name, doc)
    results.close()
    return store.run(documents[0][1]["uid"])


def test_the_file_holds_counts_dark_emission_with_errors_conditions_and_results_with_units(stored, documents, tmp_path):
    (path,) = export_run(stored, results_of(stored), "nexus", tmp_path / "run.nxs")
    data = found(analyse(documents))
    with h5py.File(path) as file:
        entry = file[file.attrs["default"]]
        assert entry["definition"][()] == b"NXoptical_spectroscopy"
        assert entry["experiment_type"][()] == b"photoluminescence"
        assert entry["sample/name"][()] == b"CdSe in the optical flow cell"
        place = entry[entry.attrs["default"]]
        emission = place[place.attrs["signal"]]
        assert emission.shape == place["emission_errors"].shape == (len(POINTS), 1044)
        assert (emission.attrs["units"], place["wavelength"].attrs["units"]) == ("counts", "nm")
        assert np.array_equal(emission[1], data[1]["counts"])
        raw = entry["instrument/detector_fluorometer/raw_data"]
        assert np.allclose(raw[raw.attrs["signal"]][:] - raw["dark"][:], emission[:])
        assert entry["instrument/beam_led/incident_wavelength"][()] == 405.0
        assert entry["instrument/detector_fluorometer/acquisition/fluo_integration_ms"][()] == 50.0
        assert entry["conditions_emission/reactor_residence_time_s"][:].tolist() == [8.0, 14.0, 8.0]
        assert entry["conditions_emission/reactor_residence_time_s"].attrs["units"] == "s"
        results = entry["results/emission"]
        assert results["band_wavelength_nm"][:].tolist() == [d["band_wavelength_nm"] for d in data]
        assert results["band_area"].attrs["units"] == "counts·nm"
        assert results["plug_age_s"].attrs["units"] == "s"


def test_the_file_of_a_run_that_resumes_another_holds_its_own_counts_and_results_of_both(tmp_path):
    store = RunStore(tmp_path / "data")
    points = list(POINTS.items())
    first = follows(emission_documents(dict(points[:2])), 0, None, num_points=3, point_events={"emission": 1})
    resumes = {"num_points": 1, "point_events": {"emission": 1}}
    second = follows(emission_documents(dict(points[2:])), 2, first[0][1]["uid"], **resumes)
    second = [(name, {**doc, "time": doc["time"] + 60.0} if "time" in doc else doc) for name, doc in second]
    keep(store, first, second)
    analyzer = Analyzer(load_material, read_earlier=partial(earlier_documents, store))
    results = [result for document in second for result in analyzer.take(*document)]
    path = write(store, as_messages(second) + as_messages(results))
    with h5py.File(path) as file:
        assert file["entry/provenance/resumes"][()].decode() == first[0][1]["uid"]
        assert file["entry/provenance/first_point"][()] == 2
        assert len(file["entry/results/emission/band_wavelength_nm"]) == 3
        assert len(file["entry/instrument/detector_fluorometer/raw_data/raw"]) == 1
        assert len(file["entry/emission/emission"]) == 1


def test_emission_that_could_not_be_had_is_no_number(tmp_path):
    documents = list(emission_documents(dark=False))
    path = write(recorded(tmp_path / "data", documents), as_messages(documents) + as_messages(analyse(documents)))
    with h5py.File(path) as file:
        assert np.isnan(file["entry/emission/emission"][:]).all()
        assert np.isnan(file["entry/instrument/detector_fluorometer/raw_data/dark"][:]).all()


def test_the_table_has_a_row_for_each_spectrum(stored, tmp_path):
    written = export_run(stored, results_of(stored), "csv", tmp_path / "tables")
    assert [path.name for path in written] == ["emission.csv"]
    with written[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["coordinate"]) for row in rows] == [8.0, 14.0, 8.0]
    assert float(rows[1]["band_wavelength_nm"]) == pytest.approx(541.0, abs=1.0)
    assert float(rows[1]["band_area (counts·nm)"]) > 0
