"""The EPICS drivers against servers that nobody here wrote: caproto's fake motor record, and EPICS Base by softioc."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.errors import InstrumentFaultError, LimitError, LinkError, NotReachedError
from flowlab.bench import Bench
from tests.epics import WAIT_S, bench_at, wait_real, write_lab
from tests.other_iocs import fake_motors, soft_ioc

#: The fake record has no units and moves in steps of a tenth of a second.
FAKE = {"prefix": "sim:", "x_record": "mtr2", "z_record": "mtr3", "units": None, "start_within_s": 2.0}
BASE = {
    "ring": {"prefix": "SR"},
    "beam_shutter": {"prefix": "SR:", "open_pv": "SHUTTER", "close_pv": "SHUTTER", "status_pv": "STATUS"},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lab(tmp_path_factory.mktemp("conformance") / "epics.toml")


@pytest.fixture(scope="module")
def motors(file) -> Iterator[Bench]:
    with fake_motors() as (_, address), bench_at(file, {"stage": address}, speed=1.0, stage=FAKE) as bench:
        bench.devices["stage"].connect()
        yield bench


def test_a_fake_motor_record_goes_where_it_is_sent(motors):
    stage = motors.devices["stage"]
    stage.x.set(0.7).wait(WAIT_S)
    stage.z.set(0.5).wait(WAIT_S)
    assert (stage.x.get(), stage.z.get()) == (pytest.approx(0.7), pytest.approx(0.5))


def test_a_fake_motor_record_that_is_stopped_is_not_where_it_was_sent(motors):
    stage = motors.devices["stage"]
    status = stage.x.set(15.0)
    assert wait_real(motors, lambda: stage.x.get() > 0.9)
    stage.motor("x").motor_stop.put(1)
    with pytest.raises(NotReachedError, match=r"stage: x was sent to 15 mm, but stopped at"):
        status.wait(WAIT_S)
    stage.make_safe()


def test_the_limits_of_a_fake_motor_record_hold(motors):
    with pytest.raises(LimitError, match=r"stage, by its own limits: x 25 mm is outside -10…20 mm"):
        motors.devices["stage"].x.set(25.0)


def test_a_server_that_is_killed_in_mid_move_ends_it_with_an_error_that_names_the_device(file):
    with fake_motors() as (process, address), bench_at(file, {"stage": address}, speed=1.0, stage=FAKE) as bench:
        stage = bench.devices["stage"]
        stage.connect()
        status = stage.x.set(15.0)
        assert wait_real(bench, lambda: stage.x.get() > 0)
        process.kill()
        with pytest.raises(LinkError, match=rf"stage: .*the server at {address} is gone"):
            status.wait(WAIT_S)
        with pytest.raises(ExceptionGroup) as unsafe:
            stage.make_safe()
        for error, record in zip(unsafe.value.exceptions, ("sim:mtr2", "sim:mtr3"), strict=True):
            assert f"stage: the server at {address} is gone, which had {record}" in str(error)


def test_records_of_epics_base_are_read_and_commanded(file):
    from ophyd import EpicsSignal  # not before the drivers, which tell ophyd to open no client of its own

    pytest.importorskip("softioc", reason="needs softioc")
    with soft_ioc() as (_, address), bench_at(file, dict.fromkeys(BASE, address), speed=1.0, **BASE) as bench:
        ring, shutter = bench.devices["ring"], bench.devices["beam_shutter"]
        ring.connect()
        assert ring.ask_current_ma() == 249.5
        shutter.connect()
        for wanted in (True, False, True):
            shutter.set(wanted).wait(WAIT_S)
            assert shutter.ask_open() is wanted
        shutter.make_safe()
        assert shutter.ask_open() is False
        ring.client("break", lambda _: EpicsSignal("SR:BREAK", name="breaker")).put(1, wait=True)
        unknown = r"ring: current \(SR:CURRENT\) is 0.0, but in an invalid alarm"
        with pytest.raises(InstrumentFaultError, match=unknown):
            wait_real(bench, lambda: ring.ask_current_ma() < 0)
