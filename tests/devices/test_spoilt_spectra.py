"""The spectrometer's driver when replies are spoilt: every exposure ends, with a spectrum or with an error of ours."""

import hashlib
import struct
from collections.abc import Iterator

import pytest

from devices.errors import DeviceError, NotReachedError, RefusedError, ReplyError
from devices.ocean import OceanHdx
from tests.devices.conftest import bench_at
from tests.devices.hdx import Hdx

WAIT_S = 60.0


@pytest.fixture
def hdx() -> Iterator[Hdx]:
    server = Hdx()
    yield server
    server.close()


@pytest.fixture
def spectrometer(hdx: Hdx) -> Iterator[OceanHdx]:
    with bench_at({"spectrometer": hdx.address}, spectrometer={"reply_within_s": 5.0, "scans": 4}) as bench:
        device = bench.devices["spectrometer"]
        device.connect()
        yield device


def refused_with(number: int, reply: bytes) -> bytes:
    """A reply turned into a refusal."""
    head = reply[:4] + struct.pack("<HH", 9, number) + reply[8:23] + bytes(17) + struct.pack("<L", 20)
    return head + hashlib.md5(head, usedforsecurity=False).digest() + reply[-4:]


def test_an_error_number_that_nobody_knows_is_a_refusal(spectrometer, hdx):
    hdx.spoil = lambda reply: refused_with(99, reply)
    with pytest.raises(RefusedError, match=r"spectrometer: refused spectrum: .* \(error 99\)"):
        spectrometer.trigger().wait(WAIT_S)


def test_replies_that_come_twice_are_passed_over(spectrometer, hdx):
    hdx.spoil = lambda reply: reply + reply
    for _ in range(3):
        spectrometer.trigger().wait(WAIT_S)
    assert spectrometer.counts.get().max() > 20_000


def test_a_request_that_arrived_garbled_is_made_again(spectrometer, hdx):
    def once(reply: bytes) -> bytes:
        hdx.spoil = lambda reply: reply
        return refused_with(3, reply)

    hdx.spoil = once
    spectrometer.trigger().wait(WAIT_S)
    assert spectrometer.counts.get().max() > 20_000


@pytest.mark.parametrize("spoil", [lambda reply: reply[:-4] + bytes(4), lambda reply: refused_with(99, reply)])
def test_a_spectrometer_that_is_garbled_when_it_is_connected_anew_is_an_error(spectrometer, hdx, spoil):
    def drop(reply: bytes) -> None:
        hdx.spoil = spoil

    hdx.spoil = drop
    with pytest.raises(ReplyError, match="is no HDX"):
        spectrometer.trigger().wait(WAIT_S)
    hdx.spoil = lambda reply: reply
    spectrometer.trigger().wait(WAIT_S)


@pytest.mark.parametrize(
    ("told", "after"),
    [
        (lambda spectrometer: spectrometer.shutter_open.set(False).wait(WAIT_S), (False, 10.0)),
        (lambda spectrometer: spectrometer.integration_ms.set(20.0).wait(WAIT_S), (True, 20.0)),
        (lambda spectrometer: spectrometer.make_safe() or spectrometer.connect(), (True, 10.0)),
    ],
)
def test_what_a_spectrometer_is_told_is_told_again_when_the_reply_was_spoilt(spectrometer, hdx, told, after):
    def once(reply: bytes) -> bytes:
        hdx.spoil = lambda reply: reply
        return reply[:-4] + bytes(4)

    hdx.spoil = once
    told(spectrometer)
    assert (hdx.shutter_open, hdx.instrument.truth()["integration_ms"]) == after


def test_whatever_goes_wrong_in_an_exposure_ends_it_with_an_error(spectrometer, monkeypatch):
    def fail() -> None:
        raise ZeroDivisionError("out of the blue")

    monkeypatch.setattr(spectrometer, "_scan", fail)
    with pytest.raises(DeviceError, match="spectrometer: asked for spectrum: .*out of the blue"):
        spectrometer.trigger().wait(WAIT_S)


def test_an_exposure_that_failed_does_not_stop_the_spectrometer_by_itself(spectrometer, hdx, monkeypatch):
    stopped: list[object] = []
    monkeypatch.setattr(spectrometer, "stop", lambda **_: stopped.append(spectrometer))
    hdx.spoil = lambda reply: refused_with(7, reply)
    with pytest.raises(RefusedError):
        spectrometer.trigger().wait(WAIT_S)
    assert not stopped


def test_a_closed_shutter_is_closed_again_after_a_loss_of_power(spectrometer, hdx):
    spectrometer.shutter_open.set(False).wait(WAIT_S)
    hdx.spoil = hdx.lose_power
    spectrometer.trigger().wait(WAIT_S)
    assert not hdx.shutter_open
    assert spectrometer.counts.get().max() < 3000


def test_the_time_limit_is_that_of_the_integration_time(spectrometer):
    spectrometer.set_integration_ms(1000.0)
    assert spectrometer._link._strict().exposure_s == 1.0
    spectrometer.set_integration_ms(10.0)
    assert spectrometer._link._strict().exposure_s == 0.01


def test_being_made_safe_ends_an_exposure_of_many_scans_between_two_of_them(spectrometer, hdx):
    spectrometer.scans.put(1_000_000, force=True)
    status = spectrometer.trigger()
    spectrometer.make_safe()
    with pytest.raises(NotReachedError, match="given up"):
        status.wait(WAIT_S)
    spectrometer.scans.put(2, force=True)
    spectrometer.trigger().wait(WAIT_S)
