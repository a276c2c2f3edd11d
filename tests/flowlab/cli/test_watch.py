"""``flowlab watch`` as its user meets it: a terminal, a daemon that runs, stops and comes back."""

import json
import signal
from collections.abc import Iterator

import pytest

from tests.daemons import Daemon, daemon
from tests.flowlab.cli.terminals import Terminal
from tests.flowlab.cli.test_cli import complaint, flowlab

pytestmark = pytest.mark.timeout(300)

SCAN = {
    "nucleation_c": [270, 280],
    "growth_offsets_c": [0, -10, -20],
    "residence_time_s": 14,
    "steady": {"flush_volumes": 1.2, "most_spectra": 4},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that has run a scan."""
    with daemon(tmp_path_factory.mktemp("lab") / "state", "--speed", "300") as running:
        running.add("temperature_scan", **SCAN)
        running.ask("queue_start")
        running.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
        running.until(lambda facts: facts["state"] == "idle" and facts["queue"] == 0)
        yield running


def test_into_a_pipe_it_prints_one_picture_and_ends(lab):
    told = lab.flowlab("watch")
    assert (told.returncode, told.stderr) == (0, ""), told
    assert told.stdout.startswith("SAFE: the instrument is in its safe state  simulated-flow is idle")
    assert "the last was temperature_scan, which ended well; 0 in the queue" in told.stdout
    assert "\x1b" not in told.stdout
    for words in ("asked 20", "point 6: T_nuc 280 °C, T_growth 260 °C", "exciton", "T_nuc ↓ T_growth →"):
        assert words in told.stdout


def test_as_json_it_is_the_sections_of_the_page_with_lists_for_arrays_and_null_for_what_is_not_known(lab):
    told = lab.flowlab("watch", "--json")
    assert (told.returncode, told.stderr) == (0, ""), told
    sections = json.loads(told.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    contract = {"status", "queue", "readings", "run", "baseline", "axis", "spectrum", "points", "tracks", "window"}
    assert set(sections) == contract | {"emission", "saxs", "saxs_points", "frame", "log"}
    assert sections["status"]["facts"]["state"] == "idle"
    assert [item["name"] for item in sections["queue"]["history"]] == ["temperature_scan"]
    assert len(sections["points"]["items"]) == 6
    assert len(sections["spectrum"]["absorbance"]) == len(sections["axis"]["wavelength_nm"])
    assert {gauge["place"] for gauge in sections["readings"]["gauges"]} >= {"feed", "nucleation", "growth"}


def test_where_there_is_no_daemon_it_says_so_as_status_does(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWLAB_STATE", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for words in ((), ("--once",), ("--json",)):
        result = flowlab("watch", *words)
        assert (result.returncode, result.stdout) == (1, "")
        assert "no flowlab daemon at ipc://" in complaint(result)


def test_in_a_terminal_it_goes_on_until_q_and_leaves_the_terminal_as_it_was(lab):
    with Terminal("watch", environment=lab.environment, size=(80, 24)) as terminal:
        terminal.until("SAFE: the instrument is in its safe state")
        terminal.until("point 6: ")
        terminal.until("q ends it")
        terminal.resize(140, 40)
        terminal.until("absorbance ")  # for which there was no room
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.as_it_was
        assert terminal.raw.rstrip().endswith("\x1b[?25h\x1b[?1049l")  # with its cursor, and what was there


def test_interrupted_it_ends_as_every_command_does(lab):
    with Terminal("watch", environment=lab.environment) as terminal:
        terminal.until("q ends it")
        terminal.press("\x03")
        assert terminal.end() == 130
        assert terminal.as_it_was
        assert "flowlab: interrupted" in terminal.raw
        assert "Traceback" not in terminal.raw


def test_without_colours_nothing_is_lost(lab):
    with Terminal("watch", environment={**lab.environment, "NO_COLOR": "1"}) as terminal:
        terminal.until("SAFE: ")
        terminal.until("point 6: ")
        terminal.press("q")
        assert terminal.end() == 0
        assert "\x1b[3" not in terminal.raw.replace("\x1b[3J", "")


def test_a_daemon_that_is_silent_is_not_shown_as_live_and_is_heard_again(lab):
    with Terminal("watch", environment=lab.environment) as terminal:
        terminal.until("point 6: ")
        terminal.until("asked 20")
        lab.process.send_signal(signal.SIGSTOP)
        try:
            told = terminal.until("NOT LIVE: not heard for ")
            told += terminal.until("what it is now is not known")
            assert "°C)" in told or terminal.until("°C)")  # as it was
        finally:
            lab.process.send_signal(signal.SIGCONT)
        terminal.until("SAFE: the instrument is in its safe state")
        terminal.press("q")
        assert terminal.end() == 0


def test_a_daemon_that_goes_and_comes_back_is_found_again(tmp_path):
    state = tmp_path / "state"
    with daemon(state, "--speed", "300") as first:
        runtime = first.runtime
        with Terminal("watch", environment=first.environment) as terminal:
            terminal.until("simulated-flow is idle")
            first.end()
            terminal.until("NOT LIVE: not heard for")
            terminal.until("no flowlab daemon at")
            again = Daemon(state, runtime, "--speed", "300")
            try:
                terminal.until("simulated-flow is idle")
                terminal.until("nucleation")
                assert terminal.until("asked 20")
            finally:
                again.close()
            terminal.press("q")
            assert terminal.end() == 0
