"""The Eiger2's driver against the simulated detector: HTTP and ZeroMQ on loopback, frames in files."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers the filters
import numpy as np
import pytest
import zmq
from bluesky import plan_stubs as bps
from bluesky import plans as bp
from bluesky import protocols
from bluesky.preprocessors import run_decorator, stage_decorator
from bluesky.protocols import check_supports
from bluesky.utils import FailedStatus
from event_model import DocumentNames, schema_validators

from devices.errors import (
    DeviceError,
    InstrumentFaultError,
    LimitError,
    LinkError,
    NotReachedError,
    RefusedError,
    ReplyError,
    ReplyTimeoutError,
)
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from flowlab.config.load import ConfigError
from tests.devices.eiger_lab import NAME, eiger_file
from tests.engines import run_engine
from tests.simulators.benches import Served, served

SPEED = 20.0
WAIT_S = 30.0
SHAPE = (512, 1028)
SMALL = 'detector = "eiger2-500k"\nfresh_every = 5'
QUICK = {"exposure_s": 0.2, "reply_within_s": 2.0, "frame_within_s": 1.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eiger")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[Served]:
    file = eiger_file(folder / "lab.toml", simulated=SMALL, **QUICK)
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


def bench_at(folder: Path, addresses: dict[str, str], frames: Path | None, **settings) -> Bench:
    file = eiger_file(folder / "driver.toml", simulated=SMALL, **(QUICK | settings))
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    return Bench(config, "driver", addresses, frames)


@pytest.fixture
def connect(folder: Path, lab: Served, tmp_path: Path) -> Iterator:
    """Makes connected detectors; closes them afterwards, and leaves the simulated one without faults and at rest."""
    lab.ask(fault="none", device=NAME)
    benches: list[Bench] = []

    def make(**settings):
        for bench in benches:
            bench.close()
        bench = bench_at(folder, lab.addresses, tmp_path / "frames", **settings)
        benches.append(bench)
        bench.devices[NAME].connect()
        return bench.devices[NAME]

    yield make
    lab.ask(fault="none", device=NAME)
    for bench in benches[-1:]:
        bench.devices[NAME].make_safe()
        bench.close()
    assert truth(lab)["state"] == "idle"


def truth(lab: Served) -> dict:
    return lab.ask(truth=True)["instruments"][NAME]


def counted(lab: Served) -> int:
    return lab.ask(truth=True)["xray"]["exposed"][-1]["counts"]


def value(detector, name: str):
    return detector.read()[f"{NAME}_{name}"]["value"]


def frames_of(folder: Path) -> np.ndarray:
    (path,) = folder.glob("*.h5")
    with h5py.File(path, swmr=True) as file:
        return file["entry/data/data"][:]


# Frames


@pytest.mark.parametrize("stream", ["cbor", "legacy"])
@pytest.mark.parametrize("compression", ["bslz4", "lz4"])
def test_an_exposure_is_in_the_file_as_the_detector_counted_it(connect, lab, tmp_path, stream, compression):
    detector = connect(stream=stream, compression=compression)
    detector.stage()
    detector.trigger().wait(WAIT_S)
    assert value(detector, "total_counts") == counted(lab)
    assert value(detector, "exposed_s") == pytest.approx(0.2)
    assert (value(detector, "no_data_pixels"), value(detector, "saturated_pixels")) == (25, 0)
    detector.unstage()
    (image,) = frames_of(tmp_path / "frames")
    assert image.shape == SHAPE
    assert image.sum(where=image != 2**32 - 1) == counted(lab)
    assert truth(lab)["state"] == "idle"


def test_it_is_a_detector_for_bluesky(connect):
    detector = connect()
    wanted = (protocols.Readable, protocols.Triggerable, protocols.Stageable, protocols.WritesExternalAssets)
    for protocol in (*wanted, protocols.Stoppable, protocols.Configurable):
        check_supports(detector, protocol)
    key = detector.describe()[f"{NAME}_image"]
    assert (key["external"], key["shape"], key["dtype_numpy"]) == ("STREAM:", [1, *SHAPE], "<u4")


def documents_of_two_runs(detector) -> list:
    documents = []
    with run_engine() as engine:
        engine(bp.count([detector], num=3), lambda name, doc: documents.append((name, doc)))
        engine(bp.count([detector], num=1), lambda name, doc: documents.append((name, doc)))
    return documents


def test_a_run_refers_to_its_frames(connect):
    documents = documents_of_two_runs(connect(images=2))
    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
    resources = [document for name, document in documents if name == "stream_resource"]
    assert len({resource["uri"] for resource in resources}) == 2  # one file for each run
    datums = [document for name, document in documents if name == "stream_datum"]
    assert [datum["indices"]["start"] for datum in datums] == [0, 1, 2, 0]
    assert [datum["seq_nums"]["start"] for datum in datums] == [1, 2, 3, 1]
    with h5py.File(resources[0]["uri"].removeprefix("file://localhost")) as file:
        dataset = file[resources[0]["parameters"]["dataset"]]
        assert (dataset.shape, dataset.chunks) == ((6, *SHAPE), (1, *SHAPE))
        assert resources[0]["parameters"]["chunk_shape"] == [1, *SHAPE]
        assert list(file["entry/data/exposed_s"]) == pytest.approx([0.2] * 6)
    assert all(f"{NAME}_image" not in document["data"] for name, document in documents if name == "event")


def test_blueskys_consolidator_finds_the_frames(connect):
    consolidators = pytest.importorskip("bluesky.consolidators", reason="needs tiled", exc_type=ImportError)
    documents = documents_of_two_runs(connect(images=2))
    found = dict(reversed(documents))  # the first of each
    consolidator = consolidators.HDF5Consolidator(found["stream_resource"], found["descriptor"])
    for name, document in documents:
        if name == "stream_datum" and document["stream_resource"] == found["stream_resource"]["uid"]:
            consolidator.consume_stream_datum(document)
    assert consolidator.shape == (6, *SHAPE)
    assert not consolidator.has_skips
    assert consolidator.get_data_source().structure.shape == (6, *SHAPE)
    with h5py.File(found["stream_resource"]["uri"].removeprefix("file://localhost")) as file:
        assert file["entry/data/data"].shape == consolidator.shape


def test_a_file_is_read_while_a_run_goes_on(connect, tmp_path):
    detector, seen = connect(), []

    @stage_decorator([detector])
    @run_decorator()
    def plan():
        for _ in range(3):
            yield from bps.trigger_and_read([detector])

    def look(name, document):
        if name == "event":
            seen.append((document["data"][f"{NAME}_total_counts"], frames_of(tmp_path / "frames")))

    with run_engine() as engine:
        engine(plan(), look)
    assert [len(images) for _, images in seen] == [1, 2, 3]
    for counts, images in seen:
        assert images[-1].sum(where=images[-1] != 2**32 - 1) == counts


def test_an_exposure_that_nobody_reads_is_replaced_by_the_next(connect, tmp_path):
    detector = connect()
    detector.stage()
    for _ in range(2):
        detector.trigger().wait(WAIT_S)
    assert [name for name, _ in detector.collect_asset_docs()] == ["stream_resource", "stream_datum"]
    assert list(detector.collect_asset_docs()) == []
    detector.trigger().wait(WAIT_S)
    ((_, datum),) = detector.collect_asset_docs()
    assert datum["indices"] == {"start": 1, "stop": 2}
    detector.unstage()
    assert len(frames_of(tmp_path / "frames")) == 2


def test_it_stays_armed_until_its_triggers_are_used_up(connect, lab):
    detector = connect(triggers_per_arm=2)
    before = truth(lab)["series"]
    detector.stage()
    for _ in range(3):
        detector.trigger().wait(WAIT_S)
    assert truth(lab)["series"] == before + 2
    detector.unstage()


def test_another_count_time_is_set_read_back_and_used(connect, lab):
    detector = connect()
    detector.stage()
    detector.trigger().wait(WAIT_S)
    detector.exposure_s.set(0.1).wait(WAIT_S)
    assert truth(lab)["exposure_s"] == pytest.approx(0.1)
    detector.trigger().wait(WAIT_S)
    assert value(detector, "exposed_s") == pytest.approx(0.1)
    assert value(detector, "exposure_s") == pytest.approx(0.1)
    assert detector.read_configuration()[f"{NAME}_saturated_at"]["value"] == 500_000
    detector.unstage()


def test_frames_of_fewer_bits_need_a_file_of_their_own(connect):
    detector = connect()
    detector.stage()
    detector.trigger().wait(WAIT_S)
    detector.set_exposure_s(0.004)
    assert detector.describe()[f"{NAME}_image"]["dtype_numpy"] == "<u2"
    with pytest.raises(DeviceError, match=f"{NAME}: its frames have uint16 pixels now, uint32 in .*; stage it anew"):
        detector.trigger().wait(WAIT_S)
    detector.unstage()
    detector.stage()
    detector.trigger().wait(WAIT_S)
    detector.unstage()


def test_pixels_at_the_cut_off_are_counted_as_saturated(connect):
    detector = connect()
    detector.stage()
    detector.trigger().wait(WAIT_S)
    detector._series.saturated_at = 100  # as a detector has it that is less fast
    detector.trigger().wait(WAIT_S)
    assert value(detector, "saturated_pixels") > 100
    detector.unstage()


# What is refused


@pytest.mark.parametrize("exposure_s", [0.0, -1.0, 4000.0, float("nan")])
def test_a_count_time_outside_the_limits_is_refused_before_it_is_sent(connect, lab, exposure_s):
    detector = connect()
    with pytest.raises(LimitError, match=f"{NAME}: count time"):
        detector.exposure_s.set(exposure_s)
    with pytest.raises(LimitError, match=f"{NAME}: count time"):
        detector.exposure_s.check_value(exposure_s)
    assert truth(lab)["exposure_s"] == pytest.approx(0.2)


def test_a_set_point_that_the_detector_changes_is_an_error(connect, lab):
    detector = connect()
    lab.ask(fault="wrong_set_point", device=NAME)
    with pytest.raises(NotReachedError, match=f"{NAME}: count_time was set to 0.3 but is 0.15"):
        detector.exposure_s.set(0.3)


def test_it_must_be_staged_and_have_a_folder(connect, folder, lab):
    with pytest.raises(DeviceError, match=f"{NAME}: is not staged"):
        connect().trigger()
    with bench_at(folder, lab.addresses, None) as bench:
        detector = bench.devices[NAME]
        detector.connect()
        detector.stage()
        with pytest.raises(DeviceError, match=f"{NAME}: was not told where to put frames"):
            detector.trigger().wait(WAIT_S)
        detector.make_safe()


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "http://", "http://a/b", "http://a?port=1", "http://a?stream_port=x"]
)
def test_an_address_of_another_form_is_refused(folder, address):
    with pytest.raises(ConfigError, match=NAME):
        bench_at(folder, {NAME: address}, None)


def test_a_detector_of_another_version_is_refused(folder, lab):
    with (
        bench_at(folder, lab.addresses, None, api="1.6.0") as bench,
        pytest.raises(ReplyError, match=f"{NAME}: speaks SIMPLON 1.8.0, not 1.6.0"),
    ):
        bench.devices[NAME].connect()


# What goes wrong


def expose(detector, error: type[Exception], match: str) -> None:
    detector.stage()
    with pytest.raises(error, match=match):
        detector.trigger().wait(WAIT_S)


@pytest.mark.parametrize("stream", ["cbor", "legacy"])
@pytest.mark.parametrize(
    ("fault", "error", "complaint"),
    [
        ("drop_frame", ReplyError, "frame 0 is missing: frame 1 came instead"),
        ("duplicate_frame", ReplyError, "frame 0 came twice"),
        ("truncate_frame", ReplyError, f"{NAME}: tcp://127.0.0.1"),
    ],
)
def test_a_spoilt_frame_is_an_error_and_the_next_exposure_is_good(connect, lab, fault, error, complaint, stream):
    detector = connect(images=2, stream=stream)
    lab.ask(fault=fault, device=NAME)
    expose(detector, error, complaint)
    lab.ask(fault="none", device=NAME)
    detector.trigger().wait(WAIT_S)
    assert value(detector, "exposed_s") == pytest.approx(0.4)
    detector.unstage()


def test_a_last_frame_that_does_not_come_is_an_error_in_time(connect, lab):
    detector = connect(frame_within_s=0.3)
    lab.ask(fault="drop_frame", device=NAME)
    expose(detector, ReplyTimeoutError, f"{NAME}: waited for 1 frames; nothing more came")


def test_a_last_frame_that_does_not_come_before_the_end_is_an_error(connect, lab):
    detector = connect(triggers_per_arm=1)
    lab.ask(fault="drop_frame", device=NAME)
    expose(detector, NotReachedError, f"{NAME}: the series ended after 0 of 1 frames")


@pytest.mark.parametrize("stream", ["cbor", "legacy"])
def test_an_end_that_is_told_twice_is_one_end(connect, lab, stream):
    detector = connect(triggers_per_arm=1, stream=stream)
    lab.ask(fault="duplicate_end", device=NAME)
    detector.stage()
    for _ in range(3):
        detector.trigger().wait(WAIT_S)
        assert value(detector, "total_counts") == counted(lab)
    detector.unstage()


def test_another_number_than_arm_returned_is_ours_only_when_that_is_asked_for(connect, lab):
    detector = connect(frame_within_s=0.3)
    lab.ask(fault="other_series", device=NAME)
    expose(detector, ReplyTimeoutError, f"{NAME}: waited for the start of series")
    lab.ask(fault="none", device=NAME)
    detector = connect(series_number="start")
    lab.ask(fault="other_series", device=NAME)
    detector.stage()
    detector.trigger().wait(WAIT_S)
    assert value(detector, "total_counts") == counted(lab)
    detector.unstage()


def test_what_an_aborted_series_left_behind_is_not_taken_for_new(connect, lab):
    """Nobody takes the frames of the first series; they wait in the detector, in front of those of the second."""
    detector = connect()
    detector._stream.close()
    detector._simplon.arm(5.0)
    detector._simplon.command("trigger")
    detector._simplon.command("disarm")
    detector._open_stream()
    detector.stage()
    detector.trigger().wait(WAIT_S)
    assert value(detector, "total_counts") == counted(lab)
    detector.unstage()


def test_another_client_that_arms_meanwhile_is_an_error(connect):
    detector = connect()
    detector.stage()
    detector.trigger().wait(WAIT_S)
    detector._simplon.command("disarm")
    detector._simplon.arm(5.0)
    with pytest.raises(ReplyError, match="came in while series .* runs; does another program use the detector"):
        detector.trigger().wait(WAIT_S)


def test_late_frames_are_waited_for(connect, lab):
    detector = connect()
    lab.ask(fault="stream_delay", device=NAME, delay_s=0.3)
    detector.stage()
    detector.trigger().wait(WAIT_S)
    assert value(detector, "total_counts") == counted(lab)
    detector.unstage()


def test_the_sensor_must_have_its_high_voltage(connect, lab):
    detector = connect()
    lab.ask(fault="no_high_voltage", device=NAME)
    expose(detector, InstrumentFaultError, f"{NAME}: its high voltage is 'RAMPING', not READY")
    detector.settings = detector.settings.model_copy(update={"check_high_voltage": False})
    detector.trigger().wait(WAIT_S)
    detector.unstage()


def test_a_detector_with_an_error_is_an_error_until_it_is_initialized(connect, lab):
    detector = connect()
    lab.ask(fault="detector_error", device=NAME)
    expose(detector, InstrumentFaultError, f"{NAME}: is in the state error")
    detector.connect()
    detector.trigger().wait(WAIT_S)
    detector.unstage()


def test_a_refusal_is_told_in_the_detectors_words(connect):
    with pytest.raises(RefusedError, match=f"{NAME}: asked to PUT .*trigger, which was refused: 400 trigger is not po"):
        connect()._simplon.command("trigger")


def test_a_detector_that_is_gone_is_an_error_that_names_it(connect, lab):
    detector = connect()
    lab.ask(fault="unplug", device=NAME)
    for ask in (detector.make_safe, lambda: detector.set_exposure_s(0.1)):
        with pytest.raises(LinkError, match=f"{NAME}: cannot open http://127.0.0.1"):
            ask()
    expose(detector, LinkError, f"{NAME}: cannot open http://127.0.0.1")
    lab.ask(fault="none", device=NAME)
    detector.connect()
    detector.trigger().wait(WAIT_S)
    detector.unstage()


def test_a_detector_that_is_unplugged_during_an_exposure_is_an_error(connect, lab):
    detector = connect()
    detector.stage()
    detector.set_exposure_s(60.0)
    status = detector.trigger()
    wait_for(lambda: truth(lab)["state"] == "acquire")
    lab.ask(fault="unplug", device=NAME)
    with pytest.raises(LinkError, match=f"{NAME}: the connection to .* is lost"):
        status.wait(WAIT_S)
    lab.ask(fault="none", device=NAME)


def test_a_silent_detector_is_an_error_in_time(connect, lab):
    detector = connect(reply_within_s=0.3)
    lab.ask(fault="silence", device=NAME)
    with pytest.raises(ReplyTimeoutError, match=f"{NAME}: asked to GET .*state, got no whole reply within 0.3 s"):
        detector.make_safe()
    lab.ask(fault="none", device=NAME)


# Safety


def wait_for(condition, limit_s: float = 20.0) -> None:
    tick = threading.Event()
    for _ in range(int(limit_s / 0.02)):
        if condition():
            return
        tick.wait(0.02)
    raise AssertionError("it did not come so far")


def test_stopping_ends_an_exposure_under_way_and_leaves_the_detector_idle(connect, lab):
    detector = connect()
    detector.stage()
    detector.set_exposure_s(600.0)
    status = detector.trigger()
    wait_for(lambda: truth(lab)["state"] == "acquire")
    detector.stop()
    assert truth(lab)["state"] == "idle"
    with pytest.raises(DeviceError, match=NAME):
        status.wait(WAIT_S)
    detector.set_exposure_s(0.2)
    detector.trigger().wait(WAIT_S)
    assert value(detector, "total_counts") == counted(lab)
    detector.unstage()


def test_wherever_an_exposure_is_when_it_is_stopped_the_detector_is_at_rest_afterwards(connect, lab):
    detector = connect(exposure_s=1.0)
    detector.stage()
    for wait_s in (0.0, 0.01, 0.02, 0.04, 0.08):
        status = detector.trigger()
        threading.Event().wait(wait_s)  # into arming, into the exposure, or behind it
        detector.stop()
        assert truth(lab)["state"] == "idle"
        assert status.done
    detector.trigger().wait(WAIT_S)
    assert value(detector, "total_counts") == counted(lab)
    detector.unstage()


def test_making_it_safe_needs_no_connection_before(connect, folder, lab):
    connect()._simplon.arm(5.0)
    assert truth(lab)["state"] == "ready"
    with bench_at(folder, lab.addresses, None) as bench:
        bench.devices[NAME].make_safe()
    assert truth(lab)["state"] == "idle"


def test_a_detector_that_goes_on_is_not_safe(connect, lab):
    detector = connect()
    detector.stage()
    detector.set_exposure_s(600.0)
    status = detector.trigger()
    wait_for(lambda: truth(lab)["state"] == "acquire")
    lab.ask(fault="stuck", device=NAME)  # for the 600 plant seconds of its exposure
    with pytest.raises(NotReachedError, match=f"{NAME}: was aborted but is in the state acquire"):
        detector.make_safe()
    lab.ask(fault="none", device=NAME)
    detector.make_safe()
    assert status.exception(WAIT_S) is not None


def test_a_run_that_fails_names_the_detector(connect, lab):
    detector = connect(frame_within_s=0.3)
    lab.ask(fault="drop_frame", device=NAME)
    with run_engine() as engine, pytest.raises(FailedStatus) as failed:
        engine(bp.count([detector], num=1))
    assert isinstance(failed.value.__cause__, ReplyTimeoutError)
    assert truth(lab)["state"] == "idle"


# Detectors of other kinds


def test_a_detector_that_holds_its_last_frame_back_is_disarmed_behind_each_exposure(folder, tmp_path):
    settings = QUICK | {"frame_within_s": 0.5, "triggers_per_arm": 1}
    file = eiger_file(tmp_path / "holds.toml", simulated=f"{SMALL}\nholds_last_image = true", **settings)
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        with bench_at(folder, lab.addresses, tmp_path, **settings) as bench:
            detector = bench.devices[NAME]
            detector.connect()
            detector.stage()
            for _ in range(2):
                detector.trigger().wait(WAIT_S)
                assert value(detector, "total_counts") == counted(lab)
            detector.unstage()
        with bench_at(folder, lab.addresses, tmp_path, frame_within_s=0.5) as bench:
            detector = bench.devices[NAME]
            detector.connect()
            expose(detector, ReplyTimeoutError, "waited for 1 frames")
            detector.make_safe()


CRASH = """
import sys, os, signal
from pathlib import Path
from tests.devices.test_eiger import bench_at, NAME
folder, address = Path(sys.argv[1]), sys.argv[2]
bench = bench_at(folder, {NAME: address}, folder / "frames")
detector = bench.devices[NAME]
detector.connect()
detector.stage()
for _ in range(2):
    detector.trigger().wait(30)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_process_that_was_killed_is_readable_and_the_detector_is_brought_to_rest(connect, lab, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as died:
        subprocess.run([sys.executable, "-c", CRASH, str(tmp_path), lab.addresses[NAME]], check=True)
    assert died.value.returncode == -signal.SIGKILL
    assert truth(lab)["state"] == "ready"
    assert len(frames_of(tmp_path / "frames")) == 1  # the second has replaced the first, which nobody read
    connect()
    assert truth(lab)["state"] == "idle"


def test_a_stream_of_another_kind_is_an_error_that_says_so(connect, lab):
    """A client of its own is put in place of the detector's stream."""
    detector = connect()
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    try:
        detector._stream_address = f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
        detector._open_stream()
        detector.stage()
        status = detector.trigger()
        wait_for(lambda: truth(lab)["state"] == "ready")
        socket.send_multipart([b"{}", b"{}"])
        with pytest.raises(ReplyError, match='a message of 2 parts instead of one; set stream = "legacy"?'):
            status.wait(WAIT_S)
    finally:
        context.destroy(linger=0)
