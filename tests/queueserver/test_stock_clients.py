"""Unmodified clients of bluesky-queueserver against the control socket.

They want other versions of what flowlab uses, so they live in an environment of their own, whose interpreter the
variable names: ``make check-queueserver`` sees to both.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import daemon
from tests.flowlab.daemon.desks import Served

VARIABLE = "FLOWLAB_QUEUESERVER"
SCRIPT = Path(__file__).with_name("stock_clients.py")

#: The flow is so slow that syringes last, and a checkpoint comes every 15 seconds at fifty times the real speed. The
#: clients wait for an answer for 2 seconds; a plan of few spectra is looked at in much less, on a busy machine, too.
SHORT = {"temperatures_c": [40], "residence_times_s": [120], "steady": {"flush_volumes": 1.2, "most_spectra": 2}}
LONG = SHORT | {"residence_times_s": list(range(120, 150))}


@pytest.fixture
def interpreter() -> str:
    found = os.environ.get(VARIABLE)
    if found is None:
        pytest.skip(f"{VARIABLE} names no interpreter with bluesky-queueserver: make check-queueserver")
    return found


def check(interpreter: str, address: str, plan: str, short: dict[str, Any], long: dict[str, Any], limit_s: float):
    command = [interpreter, str(SCRIPT), "--address", address, "--plan", plan]
    command += ["--short", json.dumps(short), "--long", json.dumps(long)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(": well\n") == 4


@pytest.mark.timeout(600)
@pytest.mark.parametrize("address", ["ipc://{folder}/control", "tcp://127.0.0.1:*"])
def test_stock_clients_find_all_that_they_ask_for(tmp_path, interpreter, address):
    served = Served(tmp_path, address.format(folder=tmp_path))
    short, long = {"num": 2, "delay_s": 0.05}, {"num": 1000000, "delay_s": 0.02}
    try:
        check(interpreter, served.address, "spectra", short, long, 580)
    finally:
        served.close()


@pytest.mark.timeout(1500)
def test_stock_clients_run_plans_of_a_daemon_that_has_an_instrument(tmp_path, interpreter):
    with daemon(tmp_path / "state", "--speed", "50") as running:
        check(interpreter, running.address, "residence_time_scan", SHORT, LONG, 1400)
        assert running.until_state("idle")["safe"] is True
        assert running.end() == 143
        assert running.left() == []
