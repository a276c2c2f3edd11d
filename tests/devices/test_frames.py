"""Frames in files and the documents that refer to them, held against event-model's schemas and Tiled's readers."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from bluesky import plan_stubs as bps
from bluesky.preprocessors import run_decorator
from event_model import DocumentNames, schema_validators

from devices.frames import FrameFile, file_uri, frame_key
from tests.engines import run_engine

SHAPE = (4, 6)
DATASET = "/entry/data/data"


class Camera:
    """Readable: its n-th reading refers to the n-th frame of a file."""

    name = "camera"
    parent = None

    def __init__(self, path: Path):
        self.path = path
        self._file = FrameFile()
        self._frames = 0

    def read(self):
        self._frames += 1
        return {"camera_exposure_s": {"value": 0.1, "timestamp": 0.0}}

    def describe(self):
        return {
            "camera_exposure_s": {"source": "test", "dtype": "number", "shape": []},
            "camera_image": frame_key("test", SHAPE, "<i4"),
        }

    def read_configuration(self):
        return {}

    def describe_configuration(self):
        return {}

    def collect_asset_docs(self, index=None):
        if self._frames == 1:
            yield self._file.stream_resource("camera_image", self.path, DATASET, SHAPE, "<i4")
        yield from self._file.tell_new(self._frames)


def write(path: Path, frames: int) -> np.ndarray:
    data = np.arange(frames * 24, dtype="<i4").reshape(frames, *SHAPE)
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset(DATASET, data=data, chunks=(1, *SHAPE), maxshape=(None, *SHAPE))
    return data


@pytest.fixture
def documents(tmp_path: Path):
    """Of a run of three events."""
    path = tmp_path / "frames.h5"
    data = write(path, 3)
    camera, documents = Camera(path), []

    @run_decorator()
    def plan():
        for _ in range(3):
            yield from bps.trigger_and_read([camera])

    with run_engine() as engine:
        engine(plan(), lambda name, doc: documents.append((name, doc)))
    return documents, data


def test_a_run_announces_the_file_once_and_refers_to_one_frame_per_event(documents):
    documents, _ = documents
    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
    names = [name for name, _ in documents]
    assert names.count("stream_resource") == 1
    datums = [document for name, document in documents if name == "stream_datum"]
    assert [datum["indices"] for datum in datums] == [{"start": i, "stop": i + 1} for i in range(3)]
    assert [datum["seq_nums"] for datum in datums] == [{"start": i, "stop": i + 1} for i in range(1, 4)]
    assert all("camera_image" not in document["data"] for name, document in documents if name == "event")


def test_blueskys_consolidator_counts_the_frames(documents):
    consolidators = pytest.importorskip("bluesky.consolidators")
    documents, data = documents
    found = dict(documents)
    consolidator = consolidators.HDF5Consolidator(found["stream_resource"], found["descriptor"])
    for name, document in documents:
        if name == "stream_datum":
            consolidator.consume_stream_datum(document)
    assert consolidator.shape == data.shape
    assert not consolidator.has_skips
    assert consolidator.get_data_source().structure.shape == data.shape


def test_a_file_must_be_announced_before_its_frames(tmp_path):
    file = FrameFile()
    with pytest.raises(ValueError, match="before their file was announced"):
        list(file.tell_new(1))
    file.stream_resource("image", tmp_path / "a.h5", DATASET, SHAPE, "<u4")
    assert [datum["indices"] for _, datum in file.tell_new(2)] == [{"start": 0, "stop": 2}]
    assert list(file.tell_new(2)) == []
    file.stream_resource("image", tmp_path / "b.h5", DATASET, SHAPE, "<u4")
    assert [datum["indices"] for _, datum in file.tell_new(1)] == [{"start": 0, "stop": 1}]


def test_an_address_is_percent_encoded():
    assert file_uri(Path("/data/a folder/frames#1.h5")) == "file://localhost/data/a%20folder/frames%231.h5"


def test_a_relative_path_is_no_address():
    with pytest.raises(ValueError, match="relative"):
        file_uri(Path("frames.h5"))
