"""The Pilatus through areaDetector, against the simulated server: exposures, files, documents, and what goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  gives h5py the filter
import numpy as np
import pytest
from bluesky import RunEngine, protocols
from bluesky import plan_stubs as bps
from bluesky.preprocessors import run_decorator, stage_decorator
from bluesky.protocols import check_supports
from event_model import DocumentNames, schema_validators

from devices.errors import InstrumentFaultError, LimitError, LinkError, NotReachedError
from flowlab.bench import Bench
from flowlab.daemon.reasons import ours
from tests.engines import run_engine
from tests.epics import WAIT_S, bench_at, serve_lab, wait_real
from tests.simulators.benches import Served

ROWS, COLUMNS = 619, 487
DATASET = "/entry/data/data"


@pytest.fixture(scope="module")
def file_and_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    with serve_lab(tmp_path_factory.mktemp("pilatus")) as file_and_lab:
        yield file_and_lab


@pytest.fixture(scope="module")
def connected(file_and_lab) -> Iterator[Bench]:
    file, lab = file_and_lab
    with bench_at(file, lab.addresses) as bench:
        bench.devices["pilatus"].connect()
        yield bench


@pytest.fixture
def lab(file_and_lab) -> Served:
    return file_and_lab[1]


@pytest.fixture
def pilatus(connected, lab):
    """Idle, unstaged and in order before and after each test."""
    detector = connected.devices["pilatus"]
    yield detector
    lab.ask(fault="none", device="pilatus")
    detector.make_safe()
    detector.unstage()
    detector.set_exposure_s(1.0)


@pytest.fixture(scope="module")
def engine() -> Iterator[RunEngine]:
    with run_engine() as engine:
        yield engine


def expose(detector, frames: int = 1) -> None:
    """Frames without events."""
    for _ in range(frames):
        detector.trigger().wait(WAIT_S)


def expose_and_read(detector, frames: int = 1) -> list:
    """Frames with an event each; the documents that refer to them."""
    told = []
    for _ in range(frames):
        expose(detector)
        told += detector.collect_asset_docs()
    return told


def test_it_is_a_detector_for_bluesky(pilatus):
    for protocol in (protocols.Readable, protocols.Triggerable, protocols.Stageable, protocols.WritesStreamAssets):
        if protocol is not protocols.WritesStreamAssets:
            check_supports(pilatus, protocol)
    image = pilatus.describe()["pilatus_image"]
    assert (image["shape"], image["dtype_numpy"], image["external"]) == ([1, ROWS, COLUMNS], "<i4", "STREAM:")
    assert "pilatus_image" not in pilatus.read()
    assert pilatus.read_configuration()["pilatus_threshold_kev"]["value"] == pytest.approx(6.2)


def test_frames_are_in_the_file_when_their_exposure_is_done(pilatus, lab, file_and_lab):
    pilatus.stage()
    expose_and_read(pilatus, 2)
    path = pilatus._path
    assert path.parent == file_and_lab[0].parent / "frames"
    with h5py.File(path, "r", swmr=True) as file:  # it is being written
        data = file[DATASET]
        assert (data.shape, data.chunks, data.dtype) == ((2, ROWS, COLUMNS), (1, ROWS, COLUMNS), np.int32)
        filters = data.id.get_create_plist()
        assert filters.get_filter(0)[0] == 32008  # bitshuffle
        counts = [int(frame[frame > 0].sum()) for frame in data]
    exposed = lab.ask(truth=True)["xray"]["exposed"]
    assert counts == [entry["counts"] for entry in exposed[-2:]]
    assert counts[0] != counts[1]
    pilatus.unstage()
    with h5py.File(path, "r") as file:  # it is closed
        assert len(file[DATASET]) == 2


def test_a_run_of_bluesky_refers_to_its_frames_and_stock_readers_find_them(pilatus, engine):
    documents = []

    @stage_decorator([pilatus])
    @run_decorator()
    def plan():
        for exposure_s in (0.5, 1.0):
            yield from bps.mv(pilatus.exposure_s, exposure_s)
            yield from bps.trigger_and_read([pilatus])

    engine(plan(), lambda name, document: documents.append((name, document)))
    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
    names = [name for name, _ in documents]
    assert (names.count("stream_resource"), names.count("stream_datum"), names.count("event")) == (1, 2, 2)
    exposures = [document["data"]["pilatus_exposure_s"] for name, document in documents if name == "event"]
    assert exposures == [0.5, 1.0]
    found = dict(documents)
    path = Path(found["stream_resource"]["uri"].removeprefix("file://localhost"))
    with h5py.File(path, "r") as file:
        counts = [int(frame[frame > 0].sum()) for frame in file[found["stream_resource"]["parameters"]["dataset"]]]
    assert counts[1] == pytest.approx(2 * counts[0], rel=0.1)

    consolidators = pytest.importorskip("bluesky.consolidators")
    consolidator = consolidators.HDF5Consolidator(found["stream_resource"], found["descriptor"])
    for name, document in documents:
        if name == "stream_datum":
            consolidator.consume_stream_datum(document)
    structure = consolidator.get_data_source().structure
    assert structure.shape == (2, ROWS, COLUMNS)
    assert structure.chunks == ((1, 1), (ROWS,), (COLUMNS,))


def test_each_staging_has_a_file_of_its_own_which_is_announced_again(pilatus):
    told = []
    for _ in range(2):
        pilatus.stage()
        expose(pilatus)
        told.append(list(pilatus.collect_asset_docs()))
        assert list(pilatus.collect_asset_docs()) == []
        pilatus.unstage()
    (first, _), (second, datum) = told
    assert first[1]["uri"] != second[1]["uri"]
    assert datum[1]["indices"] == {"start": 0, "stop": 1}


def test_a_frame_that_no_event_has_read_is_the_last_of_its_file(pilatus):
    """An exposure that is taken again, when the beam was lost: stock readers count a file's frames by its events."""
    pilatus.stage()
    (first, read) = expose_and_read(pilatus)
    expose(pilatus)  # spoilt
    (second, again, next_one) = expose_and_read(pilatus, 2)
    pilatus.unstage()
    assert first[1]["uri"] != second[1]["uri"]
    assert [datum[1]["indices"]["start"] for datum in (read, again, next_one)] == [0, 0, 1]
    assert [again[1]["stream_resource"], next_one[1]["stream_resource"]] == 2 * [second[1]["uid"]]
    lengths = []
    for document in (first, second):
        with h5py.File(document[1]["uri"].removeprefix("file://localhost"), "r") as file:
            lengths.append(len(file[DATASET]))
    assert lengths == [2, 2]


def test_without_a_staging_nothing_is_exposed(pilatus, lab):
    before = lab.ask(truth=True)["instruments"]["pilatus"]["frames"]
    with pytest.raises(LimitError, match="pilatus: is not staged"):
        pilatus.trigger()
    assert lab.ask(truth=True)["instruments"]["pilatus"]["frames"] == before


@pytest.mark.parametrize("exposure_s", [0.0, 601.0, float("nan")])
def test_an_exposure_outside_the_limits_is_refused_before_anything_is_sent(pilatus, exposure_s):
    with pytest.raises(LimitError, match=r"pilatus: exposure .* is outside 0.001…600 s"):
        pilatus.exposure_s.set(exposure_s)
    assert pilatus.ask_exposure_s() == 1.0


def test_the_period_follows_the_exposure(pilatus):
    pilatus.exposure_s.set(2.0).wait(WAIT_S)
    assert pilatus.cam.acquire_period.get() == pytest.approx(2.003)


def test_an_exposure_that_does_not_end_is_aborted_in_time(pilatus, lab):
    pilatus.stage()
    lab.ask(fault="never_finish", device="pilatus")
    with pytest.raises(NotReachedError, match=r"pilatus: the exposure did not end in 11 s; it is aborted"):
        expose(pilatus)
    assert lab.ask(truth=True)["instruments"]["pilatus"]["state"] == "Aborted"
    lab.ask(fault="none", device="pilatus")
    expose(pilatus)  # and the next one is in order


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("detector_error", "pilatus: is in an error: Error in camserver: exposure failed"),
        ("disk_full", "pilatus: the plugin could not write: No space left on device"),
        ("drop", r"pilatus: the plugin lost 1 frame\(s\): its queue was full"),
    ],
)
def test_a_lost_frame_is_an_error_that_says_why_and_only_once(pilatus, lab, fault, complaint):
    pilatus.stage()
    lab.ask(fault=fault, device="pilatus")
    with pytest.raises(InstrumentFaultError, match=complaint):
        expose(pilatus)
    assert list(pilatus.collect_asset_docs()) == []
    pilatus.unstage()
    lab.ask(fault="none", device="pilatus")
    pilatus.stage()
    expose(pilatus)


def test_a_frame_that_somebody_else_takes_is_an_error(pilatus, lab, connected):
    pilatus.stage()
    pilatus.cam.acquire.put(1)
    assert wait_real(connected, lambda: lab.ask(truth=True)["instruments"]["pilatus"]["written"] == 1)
    with pytest.raises(NotReachedError, match="pilatus: 2 frames are in the file instead of 1: somebody else exposes"):
        expose(pilatus)


def test_a_plan_that_fails_names_the_detector(pilatus, lab, engine):
    @stage_decorator([pilatus])
    @run_decorator()
    def plan():
        yield from bps.trigger_and_read([pilatus])

    lab.ask(fault="disk_full", device="pilatus")
    with pytest.raises(Exception, match="pilatus") as raised:
        engine(plan())
    assert isinstance(ours(raised.value), InstrumentFaultError)


def test_stopping_ends_the_exposure_and_closes_the_file(pilatus, lab):
    pilatus.stage()
    expose_and_read(pilatus)
    pilatus.set_exposure_s(600.0)
    status, path = pilatus.trigger(), pilatus._path
    pilatus.stop()
    with pytest.raises(NotReachedError, match="pilatus: gave up waiting for a frame of 600 s"):
        status.wait(WAIT_S)
    assert lab.ask(truth=True)["instruments"]["pilatus"]["state"] == "Aborted"
    with h5py.File(path, "r") as file:
        assert len(file[DATASET]) == 1
    with pytest.raises(LimitError, match="pilatus: is not staged, or was stopped since"):
        pilatus.trigger()


def test_a_folder_that_the_server_does_not_see_is_an_error(file_and_lab):
    file, lab = file_and_lab
    settings = {"server_folder": "/nowhere/frames", "reply_within_s": 0.3}
    with bench_at(file, lab.addresses, pilatus=settings) as bench:
        with pytest.raises(NotReachedError, match=r"pilatus: the server does not see the folder /nowhere/frames"):
            bench.devices["pilatus"].stage()
        bench.devices["pilatus"].unstage()


def test_a_folder_may_have_another_name_for_the_server(file_and_lab, tmp_path):
    file, lab = file_and_lab
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to(tmp_path / "here")
    settings = {"folder": str(tmp_path / "here"), "server_folder": str(tmp_path / "there")}
    with bench_at(file, lab.addresses, pilatus=settings) as bench:
        detector = bench.devices["pilatus"]
        detector.stage()
        expose(detector)
        (_, resource), _ = detector.collect_asset_docs()
        detector.unstage()
    path = Path(resource["uri"].removeprefix("file://localhost"))
    assert path.parent == tmp_path / "here"
    assert path.is_file()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"rows": 1043, "columns": 981}, "the detector has 619 rows and 487 columns, but rows = 1043"),
        ({"prefix": "FLOW:PILATES", "connect_within_s": 0.3}, "no server at ca:.* has FLOW:PILATES:cam1"),
    ],
)
def test_another_detector_than_the_configured_one_is_refused(file_and_lab, settings, complaint):
    file, lab = file_and_lab
    refused = pytest.raises((InstrumentFaultError, LinkError), match=complaint)
    with bench_at(file, lab.addresses, pilatus=settings) as bench, refused:
        bench.devices["pilatus"].connect()


def test_a_compression_that_the_plugin_does_not_have_is_an_error(file_and_lab):
    file, lab = file_and_lab
    with bench_at(file, lab.addresses, pilatus={"compression": "szip"}) as bench:
        detector = bench.devices["pilatus"]
        with pytest.raises(InstrumentFaultError, match="pilatus: the plugin could not write: this compression"):
            detector.stage()
        detector.make_safe()
