"""The safe state of a daemon that runs: asked for in mid-scan, and tried again while it is not reached."""

import os
import signal
import time

import pytest

from benchmarks.own_daemon import OwnDaemon, eventually
from flowlab.errors import FlowlabError
from tests.instruments import UV_VIS
from tests.simulators.benches import Served
from tests.support import is_safe

SCAN = {
    "nucleation_c": [200.0],
    "growth_offsets_c": [-0.5 * i for i in range(40)],
    "residence_time_s": 20.0,
    "blank_c": None,
}


@pytest.fixture
def daemon():
    with OwnDaemon() as daemon:
        daemon.up("-c", UV_VIS, "--speed", "60")
        daemon.until_open()
        daemon.add("temperature_scan", SCAN, 2)
        daemon.ask("queue_start")
        yield daemon


def truth(daemon):
    return Served(None, {}, daemon.facts()["addresses"]["faults"]).ask(truth=True)


def is_hot(daemon) -> bool:
    return any(heater["power_w"] > 0 for heater in truth(daemon)["heaters"].values())


@pytest.mark.timeout(120)
def test_the_safe_state_asked_for_in_mid_scan_is_reached_and_nothing_begins_meanwhile(daemon):
    assert eventually(lambda: is_hot(daemon), 30)
    assert set(daemon.ask("flowlab_safe_state")["outcome"].values()) == {None}
    facts = daemon.until_open()
    assert (facts["safe"], facts["queue"]) == (True, 1)
    assert is_safe(truth(daemon))


@pytest.mark.timeout(120)
def test_a_heater_that_is_plugged_in_again_is_made_safe_though_nobody_asks(daemon):
    assert eventually(lambda: is_hot(daemon), 30)
    lab = Served(None, {}, daemon.facts()["addresses"]["faults"])
    assert lab.ask(fault="unplug", device="growth_heater") == {"ok": True}
    daemon.until(lambda facts: facts["state"] == "unsafe" and "NOT SAFE: growth_heater" in facts["why"], 60)
    assert not is_safe(truth(daemon))
    with pytest.raises(FlowlabError, match=r"NOT SAFE|being made safe"):
        daemon.ask("queue_start")
    lab.ask(fault="none", device="growth_heater")
    assert eventually(lambda: is_safe(truth(daemon)), 60)
    assert daemon.until_open()["safe"] is True


@pytest.mark.timeout(120)
def test_a_worker_that_is_killed_leaves_everything_safe_at_once(daemon):
    assert eventually(lambda: is_hot(daemon), 30)
    facts = daemon.until(lambda facts: facts["running"] is not None and facts["running"]["done"] >= 1, 60)
    begin = time.monotonic()
    os.kill(facts["pids"]["worker"], signal.SIGKILL)
    lab = Served(None, {}, facts["addresses"]["faults"])
    assert eventually(lambda: is_safe(lab.ask(truth=True)), 10)
    assert time.monotonic() - begin < 2.0  # 0.2 s on a computer with nothing else to do
    assert daemon.until(lambda facts: facts["safe"] is not None, 30)["safe"] is True
