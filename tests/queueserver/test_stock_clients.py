"""Unmodified clients of bluesky-queueserver against the control socket.

They want other versions of what flowlab uses, so they live in an environment of their own, whose interpreter the
variable names: ``make check-queueserver`` sees to both.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.flowlab.daemon.desks import Served

VARIABLE = "FLOWLAB_QUEUESERVER"
SCRIPT = Path(__file__).with_name("stock_clients.py")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("address", ["ipc://{folder}/control", "tcp://127.0.0.1:*"])
def test_stock_clients_find_all_that_they_ask_for(tmp_path, address):
    interpreter = os.environ.get(VARIABLE)
    if interpreter is None:
        pytest.skip(f"{VARIABLE} names no interpreter with bluesky-queueserver: make check-queueserver")
    served = Served(tmp_path, address.format(folder=tmp_path))
    command = [interpreter, str(SCRIPT), "--address", served.address, "--plan", "spectra"]
    command += ["--short", '{"num": 2, "delay_s": 0.05}', "--long", '{"num": 1000000, "delay_s": 0.02}']
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    finally:
        served.close()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(": well\n") == 4
