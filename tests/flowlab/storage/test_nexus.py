import contextlib
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.storage.__main__ import Writer
from flowlab.stream import Message, Recorder, RunStore
from tests.support import PANELS, documents_of_a_scan


@pytest.fixture(scope="module")
def run_and_results():
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    analyzer = Analyzer(load_material)
    results = [result for name, doc in documents for result in analyzer.take(name, doc)]
    return documents, results


def as_messages(documents) -> list[Message]:
    uid = documents[0][1]["uid"]
    return [Message(uid, position, name, doc) for position, (name, doc) in enumerate(documents)]


@pytest.fixture
def store(tmp_path, run_and_results):
    store = RunStore(tmp_path)
    recorder = Recorder(store.open_documents)
    for name, doc in run_and_results[0]:
        recorder(name, doc)
    recorder.close()
    return store


def write(store, messages) -> str | None:
    writer = Writer(store)
    finished = None
    for message in messages:
        if (run := writer.take(message)) is not None:
            finished = str(writer.finish(run))
    return finished


def test_the_file_holds_counts_dark_reference_absorbance_conditions_results_and_provenance(store, run_and_results):
    documents, results = run_and_results
    path = write(store, as_messages(documents) + as_messages(results))
    with h5py.File(path) as file:
        entry = file[file.attrs["default"]]
        assert entry["definition"][()] == b"NXoptical_spectroscopy"
        data = entry[entry.attrs["default"]]
        absorbance = data[data.attrs["signal"]]
        assert absorbance.shape == (10, 1500)
        assert data["absorbance_errors"].shape == absorbance.shape
        assert data["wavelength"].attrs["units"] == "nm"
        raw = entry["instrument/detector_spectrometer/raw_data"]
        assert raw[raw.attrs["signal"]].shape == (10, 1500)
        dark, reference = (entry[f"instrument/detector_spectrometer/{n}/counts"][:] for n in ("dark", "reference"))
        again = -np.log10((raw["raw"][:] - dark) / (reference - dark))
        assert np.nanmax(np.abs(again - absorbance[:])) < 1e-9
        assert entry["conditions/reactor_growth_setpoint_c"].attrs["units"] == "°C"
        assert entry["conditions/reactor_nucleation_setpoint_c"][:].tolist() == [270.0] * 5 + [310.0] * 5
        assert entry["results/window/low"][()] == 270.0
        assert "window_so_far" not in entry["results"]
        assert entry["results/spectra/exciton_nm"].shape == (10,)
        assert entry["provenance/exit_status"][()] == b"success"
        start = json.loads(entry["provenance/start_document"][()])
        assert start["uid"] == documents[0][1]["uid"]


def test_a_file_whose_run_was_broken_off_tells_the_window_so_far(store, run_and_results):
    documents, results = run_and_results
    died = Writer(store)
    so_far = next(i for i, (_, doc) in enumerate(results) if "panels_done" in doc.get("data", {}))
    for message in as_messages(documents)[:-1] + as_messages(results)[: so_far + 2]:
        died.take(message)
    died.flush()
    with h5py.File(store.find(documents[0][1]["uid"]).nexus) as file:
        window = file["entry/results/window_so_far"]
        assert (window["panels_done"][()], window["found"][:].tolist()) == (1, [270.0])
        assert "window" not in file["entry/results"]
        spectra = file["entry/results/spectra"]
        assert spectra["verdict"].shape == (7,)
        assert not [name for name in spectra if name.startswith("feature_")], "bands are with their tracks"


def test_the_newest_window_so_far_takes_the_place_of_the_one_before(tmp_path):
    documents = list(documents_of_a_scan(dict.fromkeys((260.0, 270.0, 280.0), PANELS[270.0][:3]), clusters=(270.0,)))
    analyzer = Analyzer(load_material)
    results = [result for name, doc in documents[:-1] for result in analyzer.take(name, doc)]
    store = RunStore(tmp_path)
    recorder = Recorder(store.open_documents)
    recorder(*documents[0])
    writer = Writer(store)
    for message in as_messages(documents[:-1]) + as_messages(results):
        writer.take(message)
        writer.flush()
    recorder.close()
    with h5py.File(store.find(documents[0][1]["uid"]).nexus) as file:
        window = file["entry/results/window_so_far"]
        assert window["panels_done"][()] == 2
        assert sorted(window[key][0] for key in ("found", "not_found", "undecided") if window[key].size) == [
            260.0,
            270.0,
        ]


def test_the_file_can_be_read_while_the_run_goes_on(store, run_and_results):
    documents, results = run_and_results
    writer = Writer(store)
    for message in as_messages(documents)[:10]:
        writer.take(message)
    writer.flush()
    path = store.find(documents[0][1]["uid"]).nexus
    with h5py.File(path) as file:
        assert file["entry/data/absorbance"].shape[0] == 4
    for message in as_messages(documents)[10:] + as_messages(results):
        writer.take(message)
    writer.flush()
    with h5py.File(path) as file:
        assert file["entry/data/absorbance"].shape[0] == 10


@contextlib.contextmanager
def viewer(path):
    """Another program that has the file open; a question gives the spectra that it sees."""
    program = (
        "import sys, h5py; file = h5py.File(sys.argv[1], 'r'); print('open', flush=True)\n"
        "for line in sys.stdin:\n"
        "    data = file['entry/data']; print(len(data['absorbance']) if 'absorbance' in data else 0, flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"

        def spectra() -> int:
            process.stdin.write("?\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield spectra
        process.stdin.close()
        assert process.wait() == 0


def test_a_viewer_that_has_the_file_open_neither_stops_the_writer_nor_loses_what_it_sees(store, run_and_results):
    documents, results = run_and_results
    messages = as_messages(documents)
    path = store.run(documents[0][1]["uid"]).nexus
    writer = Writer(store)
    for message in messages[:10]:
        writer.take(message)
    writer.flush()
    with viewer(path) as first:
        for message in messages[10:12]:
            writer.take(message)
        writer.flush()
        with viewer(path) as second:
            assert (first(), second()) == (4, 6)
            for message in messages[12:] + as_messages(results):
                writer.take(message)
            writer.flush()
            with viewer(path) as third:
                assert (first(), second(), third()) == (4, 6, 10)
    assert [p.name for p in path.parent.glob("run.nxs*")] == ["run.nxs"]


def test_a_viewer_that_has_the_file_open_does_not_stop_a_new_writer_either(store, run_and_results):
    documents, results = run_and_results
    messages = as_messages(documents) + as_messages(results)
    path = store.run(documents[0][1]["uid"]).nexus
    died = Writer(store)
    for message in messages[:10]:
        died.take(message)
    died.flush()
    path.with_name("run.nxs.new").write_bytes(b"what a writer that was killed left")
    with viewer(path) as spectra:
        assert write(store, messages) == str(path)
        assert spectra() == 4
    with h5py.File(path) as file:
        assert file["entry/data/absorbance"].shape == (10, 1500)


def test_results_that_overtake_their_run_are_kept_for_it(store, run_and_results):
    documents, results = run_and_results
    assert write(store, as_messages(results) + as_messages(documents)) is not None


def test_a_writer_that_died_is_replaced_by_one_that_makes_the_same_file(store, run_and_results):
    documents, results = run_and_results
    messages = as_messages(documents) + as_messages(results)
    died = Writer(store)
    for message in messages[:9]:
        died.take(message)
    died.flush()
    path = write(store, messages)
    with h5py.File(path) as file:
        assert file["entry/data/absorbance"].shape == (10, 1500)


def test_a_run_without_spectra_makes_no_file(store):
    plain = [("start", {"uid": "x", "time": 0.0}), ("stop", {"uid": "y", "run_start": "x", "time": 0.0})]
    assert write(store, as_messages(plain)) is None
