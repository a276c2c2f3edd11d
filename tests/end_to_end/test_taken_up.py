"""A supervisor that is killed takes analyzer and writer with it: the next one has their work finished."""

import signal

import pytest

from benchmarks.chaos import events_of, spectra_in
from benchmarks.own_daemon import OwnDaemon, eventually
from flowlab.stream import read_journal
from tests.instruments import UV_VIS

SCAN = {
    "nucleation_c": [60.0],
    "growth_offsets_c": [-0.5 * i for i in range(40)],
    "residence_time_s": 20.0,
    "blank_c": None,
}


@pytest.mark.timeout(150)
def test_the_file_of_a_run_whose_supervisor_was_killed_is_finished_by_the_next_one():
    with OwnDaemon() as daemon:
        daemon.up("-c", UV_VIS, "--speed", "60")
        daemon.until_open()
        daemon.add("temperature_scan", SCAN)
        daemon.ask("queue_start")
        facts = daemon.until(lambda facts: facts["running"] is not None and facts["running"]["done"] >= 3, 60)
        stored = daemon.store.run(facts["running"]["run_uid"])
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
        daemon.up("-c", UV_VIS, "--speed", "60")
        daemon.until(lambda facts: facts["state"] == "interrupted" and facts["environment"] == "open", 60)
        measured = events_of(list(read_journal(stored.journal)))["primary"]
        assert measured >= 3
        assert eventually(lambda: spectra_in(stored.nexus) == measured, 60), spectra_in(stored.nexus)
        assert eventually(lambda: list(read_journal(stored.results))[-1].name == "stop", 60)
