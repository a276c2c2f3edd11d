import csv
import json

import h5py
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.errors import BadInputError
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.storage.__main__ import Writer
from flowlab.storage.export import export_run
from flowlab.stream import Message, Recorder, RunStore
from tests.saxs_runs import PLACE, RADII, SOLVENT, calibration, series


def recorded(root, documents):
    """A store with a run, its analysis, and its file."""
    store = RunStore(root)
    recorder = Recorder(store.open_documents)
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    with FrameReader(store.frames, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader)
        results = [result for name, doc in documents for result in analyzer.take(name, doc)]
    writer = Writer(store)
    for source in (documents, results):
        for position, (name, doc) in enumerate(source):
            if (run := writer.take(Message(source[0][1]["uid"], position, name, doc))) is not None:
                writer.finish(run)
    return store.run(documents[0][1]["uid"]), results


@pytest.fixture(scope="module")
def radii(tmp_path_factory):
    root = tmp_path_factory.mktemp("radii")
    return recorded(root, list(series(root, RADII)))


def points(results):
    return [doc["data"] for name, doc in results if name == "event" and "finding" in doc["data"]]


def check_curve(entry, point):
    assert entry["definition"][()] == b"NXcanSAS"
    assert (entry.attrs["NX_class"], entry.attrs["canSAS_class"]) == ("NXentry", "SASentry")
    data = entry[entry.attrs["default"]]
    assert (data.attrs["canSAS_class"], data.attrs["signal"], data.attrs["I_axes"]) == ("SASdata", "I", "Q")
    assert (data["Q"].attrs["units"], data["I"].attrs["units"]) == ("1/nm", "arbitrary")
    known = np.isfinite(point["intensity"])
    assert (data["Q"][:] == point["q_per_nm"][known]).all()
    assert (data["I"][:] == point["intensity"][known]).all()
    assert (data[data["I"].attrs["uncertainties"]][:] == point["intensity_err"][known]).all()
    assert "Qdev" not in data
    assert entry["sample/transmission"][()] == point["transmission"]
    assert entry["sample/thickness"].attrs["units"] == "mm"
    assert entry["instrument/source/incident_wavelength"][()] == pytest.approx(0.1, abs=1e-4)
    assert entry["process/term/radius_nm"][()] == point["radius_nm"]


def test_each_reduced_curve_is_an_nxcansas_entry_of_the_runs_file(radii):
    stored, results = radii
    with h5py.File(stored.nexus) as file:
        assert file.attrs["default"].startswith("saxs_")
        for point in points(results):
            check_curve(file[f"saxs_{point['point']:03d}"], point)
        assert "definition" not in file["entry"]
        assert json.loads(file["entry/provenance/start_document"][()])["plan_name"] == "nucleation_scan"
        assert file["entry/results/saxs_point_001/radius_nm"][()] == points(results)[1]["radius_nm"]
        assert file["entry/results/saxs_curves/usable"].shape == (19,)


def test_frames_are_linked_and_open_through_the_runs_file(radii):
    stored, _ = radii
    with h5py.File(stored.nexus) as file:
        frames = file["entry/frames"]
        assert list(frames) == [
            "saxs_001", "saxs_002", "saxs_003", "saxs_background_001", "saxs_dark_001", "saxs_open_001",
        ]  # fmt: skip
        link = frames["saxs_001"].get("data", getlink=True)
        assert link.filename == "../frames/004-saxs.h5"
        assert frames["saxs_001/data"].shape == (3, *PLACE.shape)


def test_frames_outside_the_folder_are_named_but_not_linked(tmp_path):
    documents = list(series(tmp_path / "elsewhere", {190.0: SOLVENT}, count=1))
    stored, _ = recorded(tmp_path / "data", documents)
    with h5py.File(stored.nexus) as file:
        assert file["entry/frames/saxs_001/uri"][()].endswith(b"-saxs.h5")
        assert "data" not in file["entry/frames/saxs_001"]


def test_a_calibration_is_kept_as_a_poni_file(tmp_path):
    stored, results = recorded(tmp_path, list(calibration(tmp_path)))
    (found,) = [doc["data"] for name, doc in results if name == "event"]
    assert stored.calibration.read_text() == found["poni"]
    with h5py.File(stored.nexus) as file:
        assert file["entry/results/calibration/distance_m"][()] == found["distance_m"]


def test_nxcansas_export_has_the_curves_and_nothing_else(radii, tmp_path):
    stored, results = radii
    (path,) = export_run(stored, results, "nxcansas", tmp_path / "new" / "curves.h5")
    with h5py.File(path) as file:
        assert list(file) == ["saxs_000", "saxs_001", "saxs_002"]
        for point in points(results):
            check_curve(file[f"saxs_{point['point']:03d}"], point)


def test_csv_export_has_a_table_for_each_stream_and_a_file_for_each_curve(radii, tmp_path):
    stored, results = radii
    written = export_run(stored, results, "csv", tmp_path / "tables")
    assert sorted(path.name for path in written) == [
        "saxs_000.csv", "saxs_001.csv", "saxs_002.csv", "saxs_curves.csv", "saxs_points.csv",
    ]  # fmt: skip
    with (tmp_path / "tables" / "saxs_points.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [float(row["coordinate"]) for row in table] == list(RADII)
    assert [float(row["radius_nm"]) for row in table] == [point["radius_nm"] for point in points(results)]
    columns = np.loadtxt(tmp_path / "tables" / "saxs_001.csv", delimiter=",", skiprows=3, unpack=True)
    assert (columns[1] == points(results)[1]["intensity"]).all()


def test_nexus_export_is_the_whole_file_and_still_finds_its_frames(radii, tmp_path):
    stored, results = radii
    (path,) = export_run(stored, results, "nexus", tmp_path / "far" / "away.nxs")
    with h5py.File(path) as file, h5py.File(stored.nexus) as own:
        assert file.keys() == own.keys()
        assert file["entry/frames/saxs_002/data"].shape == (3, *PLACE.shape)


def test_nexus_export_makes_a_file_that_is_not_there(tmp_path):
    stored, results = recorded(tmp_path / "data", list(series(tmp_path / "data", {190.0: SOLVENT}, count=1)))
    stored.nexus.unlink()
    (path,) = export_run(stored, results, "nexus", tmp_path / "made.nxs")
    with h5py.File(path) as file:
        assert "entry/frames/saxs_001" in file


@pytest.mark.parametrize("form", ["csv", "nxcansas", "nexus"])
def test_what_is_in_the_way_is_not_overwritten(radii, tmp_path, form):
    if form == "csv":
        (tmp_path / "there").write_text("kept")
    else:
        (tmp_path / "there").mkdir()
    with pytest.raises(BadInputError, match="is a file|is a folder"):
        export_run(*radii, form, tmp_path / "there")


def test_a_run_without_reduced_curves_has_no_nxcansas(tmp_path):
    stored, results = recorded(tmp_path, list(series(tmp_path, {190.0: SOLVENT}, saxs=None, count=1)))
    with pytest.raises(BadInputError, match="no reduced SAXS curve"):
        export_run(stored, results, "nxcansas", tmp_path / "out.h5")
