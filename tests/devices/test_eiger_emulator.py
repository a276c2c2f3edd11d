"""The Eiger2's driver against an emulator that nobody here wrote: DiamondLightSource/tickit-devices.

It plays messages of a real Eiger2 16M back, in both formats. It needs other versions of what flowlab uses, so it lives
in an environment of its own, whose interpreter the variable names: ``make check-eiger`` sees to both.
"""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers the filters
import httpx
import pytest

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.devices.eiger_lab import NAME, eiger_file

VARIABLE = "FLOWLAB_TICKIT"
EMULATOR = """
- type: tickit_devices.eiger.Eiger
  name: eiger
  inputs: {{}}
  host: 127.0.0.1
  port: {http}
  stream_host: 127.0.0.1
  stream_legacy_port: {legacy}
  stream_cbor_port: {cbor}
"""
#: It is started without a defect: a socket of 0.4.1 connects to itself as well, and now and then sends itself messages.
LAUNCH = """
import aiozmq, runpy
create = aiozmq.create_zmq_stream
aiozmq.create_zmq_stream = lambda kind, *, connect, bind: create(kind, bind=bind)
runpy.run_module("tickit", run_name="__main__")
"""
#: What it does not tell, and that its arm always returns 2.
SETTINGS = {"check_version": False, "check_high_voltage": False, "series_number": "start", "exposure_s": 0.05}
WAIT_S = 60.0


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        pytest.skip(f"{VARIABLE} names no interpreter with tickit-devices: make check-eiger")
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in ("http", "legacy", "cbor")}
        for sock in sockets.values():
            sock.bind(("127.0.0.1", 0))
        ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    folder = tmp_path_factory.mktemp("tickit")
    (folder / "eiger.yaml").write_text(EMULATOR.format(**ports), "utf-8")
    with (folder / "log").open("wb") as log:
        command = [interpreter, "-c", LAUNCH, "all", "eiger.yaml"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{ports['http']}/detector/api/1.8.0/status/state", process)
        yield ports
    finally:
        process.terminate()
        process.wait()


def wait_until_it_answers(address: str, process: subprocess.Popen) -> None:
    tick = threading.Event()
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        assert process.poll() is None
        tick.wait(0.1)
    pytest.fail("the emulator does not answer")


@pytest.mark.parametrize(("stream", "counts"), [("cbor", 13712), ("legacy", 9876)])
@pytest.mark.parametrize("triggers_per_arm", [1, 1000])
def test_frames_of_a_real_detector_are_recorded(ports, tmp_path: Path, stream, counts, triggers_per_arm):
    """With one trigger it tells the end of each series twice: by itself, and when it is disarmed."""
    address = f"http://127.0.0.1:{ports['http']}?stream_port={ports[stream]}"
    file = eiger_file(
        tmp_path / "a.toml", address=address, stream=stream, images=2, triggers_per_arm=triggers_per_arm, **SETTINGS
    )
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=1.0)})
    with Bench(config, "emulator", None, tmp_path / "frames") as bench:
        detector = bench.devices[NAME]
        detector.connect()
        detector.stage()
        for _ in range(3):
            detector.trigger().wait(WAIT_S)
            assert detector.read()[f"{NAME}_total_counts"]["value"] == 2 * counts
            assert list(detector.collect_asset_docs())
        detector.unstage()
        detector.make_safe()
    (path,) = (tmp_path / "frames").glob("*.h5")
    with h5py.File(path) as written:
        assert written["entry/data/data"].shape == (6, 4362, 4148)
