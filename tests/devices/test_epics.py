"""Stage, beam shutter and ring current over Channel Access, against the simulated server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluesky import protocols
from bluesky.protocols import check_supports
from pydantic import ValidationError

from devices.epics_stage import EpicsStageSettings
from devices.errors import (
    InstrumentFaultError,
    LimitError,
    LinkError,
    NotReachedError,
    RefusedError,
    ReplyTimeoutError,
)
from devices.links.channel_access import parse_address
from flowlab.bench import Bench
from flowlab.config.load import ConfigError
from tests.epics import WAIT_S, bench_at, own_environment, serve_lab, wait_real
from tests.simulators.benches import Served, place


@pytest.fixture(scope="module")
def file_and_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    with serve_lab(tmp_path_factory.mktemp("epics")) as file_and_lab:
        yield file_and_lab


@pytest.fixture(scope="module")
def file(file_and_lab) -> Path:
    return file_and_lab[0]


@pytest.fixture(scope="module")
def lab(file_and_lab) -> Served:
    return file_and_lab[1]


@pytest.fixture(scope="module")
def connected(file, lab) -> Iterator[Bench]:
    with bench_at(file, lab.addresses) as bench:
        for name in ("stage", "beam_shutter", "ring"):
            bench.devices[name].connect()
        yield bench


@pytest.fixture
def bench(connected, lab) -> Iterator[Bench]:
    """Stage at the origin, shutter open, nothing wrong, before and after each test."""
    stage, shutter = connected.devices["stage"], connected.devices["beam_shutter"]
    yield connected
    for name in ("stage", "beam_shutter", "ring"):
        lab.ask(fault="none", device=name)
    stage.make_safe()
    for axis, (low, high) in {"x": (-8.0, 48.0), "z": (-15.0, 15.0)}.items():
        motor = stage.motor(axis)
        motor.low_limit_travel.put(low, wait=True)
        motor.high_limit_travel.put(high, wait=True)
        motor.velocity.put(5.0, wait=True)
    stage.x.set(0.0).wait(WAIT_S)
    stage.z.set(0.0).wait(WAIT_S)
    shutter.set(True).wait(WAIT_S)


def xray(lab: Served) -> dict:
    return lab.ask(truth=True)["xray"]


def begin_slow_move(bench: Bench, to_mm: float = 40.0):
    """A move of several seconds."""
    stage = bench.devices["stage"]
    stage.motor("x").velocity.put(0.05, wait=True)
    status = stage.x.set(to_mm)
    assert wait_real(bench, lambda: stage.x.get() > 0)
    return stage, status


# The stage.


def test_stage_and_axes_are_what_bluesky_wants(bench):
    stage = bench.devices["stage"]
    for protocol in (protocols.Readable, protocols.Stoppable):
        check_supports(stage, protocol)
    for protocol in (
        protocols.Readable,
        protocols.Movable,
        protocols.Stoppable,
        protocols.Checkable,
        protocols.Locatable,
    ):
        check_supports(stage.x, protocol)
    described = stage.describe()
    assert {name: key["units"] for name, key in described.items()} == {"stage_x": "mm", "stage_z": "mm"}
    assert described["stage_x"]["limits"]["control"] == {"low": -5.0, "high": 45.0}


@pytest.mark.parametrize(("axis", "to_mm"), [("x", 20.0), ("z", -7.5)])
def test_an_axis_goes_where_it_is_sent(bench, lab, axis, to_mm):
    stage = bench.devices["stage"]
    getattr(stage, axis).set(to_mm).wait(WAIT_S)
    assert stage.read()[f"stage_{axis}"]["value"] == pytest.approx(to_mm)
    assert xray(lab)[f"stage_{axis}_mm"] == pytest.approx(to_mm)
    assert getattr(stage, axis).locate() == {"setpoint": pytest.approx(to_mm), "readback": pytest.approx(to_mm)}


@pytest.mark.parametrize("to_mm", [45.1, -5.1, float("nan"), float("inf")])
def test_a_position_outside_the_configured_limits_is_refused_before_anything_is_sent(bench, lab, to_mm):
    with pytest.raises(LimitError, match=r"stage: x .* is outside -5…45 mm"):
        bench.devices["stage"].x.set(to_mm)
    assert lab.ask(truth=True)["instruments"]["stage"]["x"]["target_mm"] == 0


def test_a_position_outside_the_records_own_limits_is_refused(bench, lab):
    stage = bench.devices["stage"]
    stage.motor("x").high_limit_travel.put(10.0, wait=True)
    with pytest.raises(LimitError, match=r"by its own limits: x 11 mm is outside -8…10 mm"):
        stage.x.check_value(11.0)
    stage.x.set(9.0).wait(WAIT_S)
    stage.motor("x").high_limit_travel.put(0.0, wait=True)
    stage.motor("x").low_limit_travel.put(0.0, wait=True)
    stage.x.check_value(11.0)  # equal limits are no limits, as the record has it


def test_a_target_that_the_record_does_not_take_is_refused(bench, monkeypatch):
    stage = bench.devices["stage"]
    stage.motor("x").high_limit_travel.put(10.0, wait=True)
    monkeypatch.setattr(stage, "check_position", lambda axis, value: None)
    monkeypatch.setattr(stage.motor("x").user_setpoint, "check_value", lambda value: None)
    with pytest.raises(RefusedError, match="stage: x was sent to 11 mm, but goes to 0 mm"):
        stage.x.set(11.0)


def test_a_move_that_somebody_stops_is_an_error_that_says_where(bench):
    stage, status = begin_slow_move(bench)
    stage.motor("x").motor_stop.put(1, wait=True)
    with pytest.raises(NotReachedError, match=r"stage: x was sent to 40 mm, but stopped at [0-9.]+ mm"):
        status.wait(WAIT_S)


def test_a_move_that_is_not_begun_is_an_error(bench, lab):
    lab.ask(fault="disabled", device="stage")
    with pytest.raises(NotReachedError, match=r"stage: x was sent to 40 mm, but did not begin to move"):
        bench.devices["stage"].x.set(40.0).wait(WAIT_S)


def test_a_stuck_motor_is_an_error_in_time_and_is_stopped(bench, lab):
    lab.ask(fault="stuck", device="stage")
    with pytest.raises(
        NotReachedError, match=r"stage: x = 5 mm not reached within 7 s: it is at .* mm, and was stopped"
    ):
        bench.devices["stage"].x.set(5.0).wait(WAIT_S)
    assert lab.ask(truth=True)["instruments"]["stage"]["x"]["moving"] is False


def test_a_record_that_is_being_calibrated_is_sent_nowhere(bench, lab):
    """There, a target would say where the motor is, and nothing would move."""
    stage = bench.devices["stage"]
    stage.motor("x").set_use_switch.put(1, wait=True)
    with pytest.raises(InstrumentFaultError, match=r"stage: the record of x is in its mode Set \(.SET\)"):
        stage.x.set(5.0)
    stage.motor("x").set_use_switch.put(0, wait=True)
    assert lab.ask(truth=True)["instruments"]["stage"]["x"]["target_mm"] == 0


@pytest.mark.parametrize(("to_mm", "which"), [(30.0, "high"), (-3.0, "low")])
def test_a_limit_switch_is_an_error_that_says_which(bench, lab, to_mm, which):
    lab.ask(fault="limit_switch", device="stage")
    with pytest.raises(InstrumentFaultError, match=f"stage: x was sent to .* is at its {which} limit switch"):
        bench.devices["stage"].x.set(to_mm).wait(WAIT_S)


@pytest.mark.parametrize("how", ["axis", "stage"])
def test_stopping_ends_a_move_and_the_axis_stands(bench, lab, how):
    stage, status = begin_slow_move(bench)
    (stage.x if how == "axis" else stage).stop()
    with pytest.raises(NotReachedError, match=r"stage: "):
        status.wait(WAIT_S)
    truth = lab.ask(truth=True)["instruments"]["stage"]["x"]
    assert truth["moving"] is False
    assert 0 < truth["position_mm"] < 40


def test_making_it_safe_stops_it_without_connecting_first(bench, file, lab):
    _, status = begin_slow_move(bench)
    with bench_at(file, lab.addresses) as other:
        other.devices["stage"].make_safe()
        assert lab.ask(truth=True)["instruments"]["stage"]["x"]["moving"] is False
    with pytest.raises(NotReachedError):
        status.wait(WAIT_S)


def test_a_silent_server_is_an_error_in_time_and_only_for_that_device(bench, lab):
    lab.ask(fault="silence", device="ring")
    with pytest.raises(
        ReplyTimeoutError, match=r"ring: asked for current \(FLOW:RING:CURRENT\): no answer within 0.5 s"
    ):
        bench.devices["ring"].read()
    assert bench.devices["stage"].x.get() == 0
    lab.ask(fault="none", device="ring")
    assert bench.devices["ring"].ask_current_ma() > 90


def test_records_in_other_units_are_refused(file, lab):
    units = pytest.raises(InstrumentFaultError, match=r"the units \(.EGU\) of x are 'mm', not 'um'")
    with bench_at(file, lab.addresses, stage={"units": "um"}) as bench, units:
        bench.devices["stage"].connect()


def test_a_wrong_prefix_is_an_error_that_names_the_process_variables(file, lab):
    settings = {"prefix": "FLOW:STAG", "connect_within_s": 0.5}
    with (
        bench_at(file, lab.addresses, stage=settings) as bench,
        pytest.raises(LinkError, match=r"stage: no server at ca:.* has FLOW:STAG:X.RBV.* and \d+ more; is it running"),
    ):
        bench.devices["stage"].connect()


def test_limits_that_do_not_rise_are_refused():
    limits = {"x_lowest_mm": 1.0, "x_highest_mm": 1.0, "z_lowest_mm": 0.0, "z_highest_mm": 1.0}
    with pytest.raises(ValidationError, match="x_lowest_mm = 1 is not below x_highest_mm = 1"):
        EpicsStageSettings.model_validate({"prefix": "A"} | limits)


@pytest.mark.parametrize("address", ["socket://127.0.0.1:5064", "ca://127.0.0.1", "", None])
def test_another_kind_of_address_is_refused(file, lab, address):
    with pytest.raises(ValueError, match=r"is not of the form ca://"):
        parse_address(address)


def test_two_devices_with_one_prefix_at_one_address_are_refused(file, lab):
    with pytest.raises(ConfigError, match=r"unit FLOW:SHUTTER, as beam_shutter is"):
        bench_at(file, lab.addresses, ring={"prefix": "FLOW:SHUTTER"})


# The beam.


def test_the_shutter_closes_and_opens_and_says_so(bench, lab):
    shutter = bench.devices["beam_shutter"]
    for protocol in (protocols.Readable, protocols.Movable, protocols.Stoppable):
        check_supports(shutter, protocol)
    for wanted in (False, True):
        shutter.set(wanted).wait(WAIT_S)
        assert shutter.read()["beam_shutter_open"]["value"] is wanted
        assert xray(lab)["shutter_open"] is wanted


def test_a_shutter_whose_states_have_names_is_commanded_and_read_by_them(file, lab, bench):
    names = {"open_command": "Open", "close_command": "Close", "open_status": "Open", "closed_status": "Closed"}
    with bench_at(file, lab.addresses, beam_shutter=names) as other:
        shutter = other.devices["beam_shutter"]
        for wanted in (False, True):
            shutter.set(wanted).wait(WAIT_S)
            assert xray(lab)["shutter_open"] is shutter.ask_open() is wanted


def test_a_stuck_shutter_is_an_error_in_time_and_is_not_safe(bench, lab):
    shutter = bench.devices["beam_shutter"]
    lab.ask(fault="stuck", device="beam_shutter")
    with pytest.raises(NotReachedError, match=r"beam_shutter: closed not reached within"):
        shutter.set(False).wait(WAIT_S)
    with pytest.raises(NotReachedError, match=r"beam_shutter: was told to close, but its status is 1"):
        shutter.make_safe()
    assert xray(lab)["shutter_open"] is True


def test_a_shutter_between_its_ends_is_neither_open_nor_closed(file, lab, bench):
    neither = pytest.raises(NotReachedError, match="beam_shutter: is neither open nor closed: its status is 1")
    with bench_at(file, lab.addresses, beam_shutter={"open_status": 7}) as other, neither:
        other.devices["beam_shutter"].read()


def test_its_safe_state_is_closed(bench, lab):
    bench.devices["beam_shutter"].stop()
    assert xray(lab)["shutter_open"] is False


def test_a_command_that_cannot_be_written_is_refused(file, lab):
    with (
        bench_at(file, lab.addresses, beam_shutter={"open_pv": ":STATUS"}) as bench,
        pytest.raises(RefusedError, match=r"beam_shutter: set command to open to 1 \(FLOW:SHUTTER:STATUS\): refused"),
    ):
        bench.devices["beam_shutter"].set(True)


def test_the_ring_current_follows_the_ring(bench, lab):
    ring = bench.devices["ring"]
    check_supports(ring, protocols.Readable)
    assert ring.describe()["ring_current_ma"]["units"] == "mA"
    assert ring.ask_current_ma() == pytest.approx(xray(lab)["ring_ma"], abs=0.5)
    lab.ask(fault="dump", device="ring")
    assert wait_real(bench, lambda: ring.ask_current_ma() == 0.0)


# Clients and servers side by side.


@pytest.fixture(scope="module")
def other_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """With the same names; its server may be unplugged."""
    with serve_lab(tmp_path_factory.mktemp("other")) as file_and_lab:
        yield file_and_lab


def test_servers_with_the_same_names_never_meet(bench, lab, other_lab, monkeypatch):
    file, theirs = other_lab
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "192.0.2.1")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    with bench_at(file, theirs.addresses) as other:
        other.devices["stage"].connect()
        other.devices["stage"].x.set(12.0).wait(WAIT_S)
        assert xray(theirs)["stage_x_mm"] == pytest.approx(12.0)
        assert xray(lab)["stage_x_mm"] == 0
        assert bench.devices["stage"].x.get() == 0


def test_a_server_that_goes_in_mid_move_ends_it_with_an_error_and_is_found_again(other_lab):
    file, lab = other_lab
    with bench_at(file, lab.addresses) as bench:
        ring = bench.devices["ring"]
        ring.connect()
        stage, status = begin_slow_move(bench)
        lab.ask(fault="unplug", device="ring")  # all devices of one server go together
        with pytest.raises(LinkError, match=r"stage: .*the server at ca://127.0.0.1:\d+ is gone"):
            status.wait(WAIT_S)
        with pytest.raises(LinkError, match=r"ring: the server at .* is gone, which had FLOW:RING:CURRENT"):
            ring.read()
        lab.ask(fault="none", device="ring")
        assert wait_real(bench, lambda: connects(ring))
        stage.make_safe()
        assert stage.x.get() > 0


def connects(device) -> bool:
    try:
        device.connect()
    except LinkError:
        return False
    return True


def test_unmodified_ophyd_with_its_own_client_speaks_to_the_server(lab, bench, tmp_path):
    host, port = place(lab.addresses["stage"])
    environment = own_environment(port) | {
        "OPHYD_CONTROL_LAYER": "caproto",
        "EPICS_CA_ADDR_LIST": f"{host}:{port}",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "tests.stock_ophyd", "FLOW:STAGE:X", "FLOW:PILATUS", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["motor"] == {
        "moves": [[True, 3.0, 3.0], [True, -2.0, -2.0]],
        "refused": True,
        "units": "mm",
        "limits": [-8.0, 48.0],
    }
    assert seen["detector"] == {"counted": 2, "exposure_s": 20.0}
    assert seen["file"]["captured"] == 2
    assert Path(seen["file"]["path"]).parent == tmp_path
