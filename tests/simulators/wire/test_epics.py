"""The simulated EPICS devices: a motor's record, and what the server does to clients, files and ports."""

import socket
from pathlib import Path

import pytest

from simulators.serve import main
from simulators.wire.epics.motor import Axis
from tests.epics import bench_at, free_port, serve_lab, write_lab
from tests.simulators.benches import place


def run(axis: Axis, seconds: float, **faults: bool) -> None:
    for _ in range(round(seconds / 0.1)):
        axis.advance(0.1, stuck=faults.get("stuck", False), at_switch=faults.get("at_switch", False))


def test_an_axis_moves_with_its_velocity_and_ends_at_its_target():
    axis = Axis(5.0, (-8.0, 48.0))
    assert axis.go_to(3.0) == 3.0
    run(axis, 0.4)
    assert (axis.position_mm, axis.moving) == (pytest.approx(2.0), True)
    run(axis, 0.4)
    assert (axis.position_mm, axis.moving) == (3.0, False)
    axis.go_to(-1.0)
    assert (axis.up, axis.moving) == (False, True)


@pytest.mark.parametrize("target_mm", [48.1, -8.1, float("nan")])
def test_a_target_outside_the_soft_limits_moves_nothing_and_leaves_the_last_one(target_mm):
    axis = Axis(5.0, (-8.0, 48.0))
    axis.go_to(1.0)
    run(axis, 1.0)
    assert axis.go_to(target_mm) == 1.0
    assert (axis.violation, axis.moving) == (True, False)


def test_a_stopped_axis_takes_its_place_for_its_target():
    axis = Axis(5.0, (-8.0, 48.0))
    axis.go_to(10.0)
    run(axis, 1.0)
    axis.stop()
    assert axis.target_mm == axis.position_mm == pytest.approx(5.0)


@pytest.mark.parametrize(("target_mm", "switch"), [(10.0, 1), (-5.0, -1)])
def test_a_limit_switch_stops_an_axis_until_it_is_sent_elsewhere(target_mm, switch):
    axis = Axis(5.0, (-8.0, 48.0))
    axis.go_to(target_mm)
    run(axis, 0.2, at_switch=True)
    assert (axis.switch, axis.moving) == (switch, False)
    axis.go_to(0.5)
    run(axis, 1.0)
    assert (axis.switch, axis.position_mm) == (0, 0.5)


def test_what_is_no_channel_access_does_not_disturb_the_server(tmp_path):
    with serve_lab(tmp_path) as (file, lab):
        where = place(lab.addresses["ring"])
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            for datagram in (b"", b"\xff" * 15, b"\x00" * 64, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 5):
                udp.sendto(datagram, where)
        socket.create_connection(where).close()
        with bench_at(file, lab.addresses) as bench:
            assert bench.devices["ring"].ask_current_ma() > 90
        assert set(lab.ask(faults=True)["stage"]) == {"stuck", "limit_switch", "disabled", "unplug", "silence"}


def test_a_port_that_is_taken_for_udp_is_an_error_that_names_the_devices(tmp_path, capsys):
    file = write_lab(tmp_path / "epics.toml")
    port = free_port()
    text = file.read_text("utf-8").replace("127.0.0.1:5064", f"127.0.0.1:{port}")
    for taken in ("50100", "50101", "50102", "50103", "57357"):
        text = text.replace(f"127.0.0.1:{taken}", "127.0.0.1:0" if taken != "50103" else f"127.0.0.1:{free_port()}")
    file.write_text(text, "utf-8")
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        assert main([str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"stage, beam_shutter, ring, pilatus: cannot listen on 127.0.0.1:{port} (UDP): ")
    assert said.err.count("\n") == 1


def test_epics_devices_without_an_x_ray_side_are_refused_in_one_line(tmp_path: Path, capsys):
    file = write_lab(tmp_path / "epics.toml")
    file.write_text(file.read_text("utf-8").replace("[simulation.settings.xray]\n", ""), "utf-8")
    assert main([str(file), "--any-port"]) == 2
    said = capsys.readouterr()
    assert "devices.stage is on the X-ray side, of which there is none: give [simulation.settings.xray]" in said.err
    assert said.err.count("\n") == 1
