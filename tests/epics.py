"""The shipped lab with EPICS devices on the X-ray side, as an instrument file and as a process; drivers to it."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served

SPEED = 100.0
WAIT_S = 60.0

DEVICES = """
[devices.stage]
class = "devices.epics_stage:EpicsStage"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.motor:Stage"
[devices.stage.settings]
prefix = "FLOW:STAGE"
reply_within_s = 0.5
x_lowest_mm = -5.0
x_highest_mm = 45.0
z_lowest_mm = -10.0
z_highest_mm = 10.0
start_within_s = 0.3

[devices.beam_shutter]
class = "devices.epics_beam:BeamShutter"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.beam:Shutter"
[devices.beam_shutter.settings]
prefix = "FLOW:SHUTTER"
reply_within_s = 0.5

[devices.ring]
class = "devices.epics_beam:RingCurrent"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.beam:Ring"
[devices.ring.settings]
prefix = "FLOW:RING"
reply_within_s = 0.5

[devices.pilatus]
class = "devices.pilatus:Pilatus"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.pilatus:Pilatus"
[devices.pilatus.settings]
prefix = "FLOW:PILATUS"
reply_within_s = 1.0
exposure_s = 1.0
"""

NAMES = ("stage", "beam_shutter", "ring", "pilatus")


def write_lab(path: Path) -> Path:
    """Write the instrument file."""
    text = Path(UV_VIS).read_text(encoding="utf-8")
    cell = "xray_transfer_ml = 0.05\nxray_cell_ml = 0.01\nxray_path_mm = 1.5\n"
    names = "".join(f'"{name}", ' for name in NAMES)
    for old, new in (
        ("safe_state = [", f"safe_state = [{names}"),
        ("cell_ml = 0.020\n", f"cell_ml = 0.020\n{cell}"),
        ("[devices.reactor]", f"{DEVICES}\n[devices.reactor]"),
        ('growth = "growth_heater"\n', 'growth = "growth_heater"\n[simulation.settings.xray]\n'),
    ):
        head, found, tail = text.rpartition(old)
        assert found, old
        text = head + new + tail
    path.write_text(text, "utf-8")
    return path


@contextlib.contextmanager
def serve_lab(folder: Path) -> Iterator[tuple[Path, Served]]:
    """Run the lab; give its file, beside which drivers put their frames, and the process."""
    file = write_lab(folder / "epics.toml")
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield file, lab


def bench_at(file: Path, addresses: dict[str, str], speed: float = SPEED, **settings: dict) -> Bench:
    """Drivers of the file's EPICS devices alone; keywords name devices and give settings of theirs."""
    config = load_instrument(str(file))
    devices = {
        name: config.devices[name].model_copy(
            update={"settings": config.devices[name].settings | settings.get(name, {})}
        )
        for name in NAMES
    }
    config = config.model_copy(
        update={"clock": ClockSettings(speed=speed), "devices": devices, "plans": {}, "safe_state": list(NAMES)}
    )
    return Bench(config, "epics", addresses, file.parent / "frames")


def wait_real(bench: Bench, condition, limit_s: float = 20.0) -> bool:
    """Wait for a condition of the test's own, in real time."""
    speed = bench.clock.speed
    return bench.clock.wait_until(condition, every_s=0.02 * speed, limit_s=limit_s * speed)


def own_environment(port: int) -> dict[str, str]:
    """For an EPICS server that other people wrote: this machine alone, and a port of its own."""
    here = "127.0.0.1"
    return os.environ | {
        "EPICS_CAS_INTF_ADDR_LIST": here,
        "EPICS_CAS_SERVER_PORT": str(port),
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CAS_BEACON_ADDR_LIST": here,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CA_ADDR_LIST": here,
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    """A port that is free for TCP and UDP now."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
