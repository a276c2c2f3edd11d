"""``flowlab demo`` as its user runs it, whole, and everything that comes of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import event_model
import h5py
import numpy as np
import pytest

from flowlab.stream import read_journal
from tests.flowlab.cli.test_cli import flowlab

#: A whole demo takes a minute, on a busy machine a few; whichever test runs first waits for it.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> dict:
    """One full demo: eighty points."""
    out = tmp_path_factory.mktemp("demo")
    result = flowlab_demo("--out", out, "--seed", 1)
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    return {**json.loads(line), "stderr": result.stderr, "out": out}


def flowlab_demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowlab", "demo", "--json", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500)


def test_it_prints_the_answer_of_palencia_2020(demo):
    assert demo["window_c"] == [270, 300]
    edges = demo["window_edges_c"]
    assert [edges[side]["between"] for side in ("lower", "upper")] == [[260.0, 270.0], [300.0, 310.0]]
    assert [edges[side]["value"] for side in ("lower", "upper")] == [265.0, 305.0]
    assert demo["points"] == 80
    assert re.fullmatch(r"[0-9a-f-]{36}", demo["run_uid"])
    assert demo["seconds"] > 0
    for key in ("nexus", "report", "journal"):
        assert Path(demo[key]).is_file()
    assert "Traceback" not in demo["stderr"]


def test_every_document_of_run_and_analysis_is_valid(demo):
    for path in (Path(demo["journal"]), Path(demo["journal"]).with_name("results.journal")):
        messages = list(read_journal(path))
        assert messages[-1].name == "stop"
        assert messages[-1].doc["exit_status"] == "success"
        assert [m.position for m in messages] == list(range(len(messages)))
        for message in messages:
            validator = event_model.schema_validators[event_model.DocumentNames[message.name]]
            validator.validate(event_model.sanitize_doc(message.doc))


def test_what_is_recorded_are_raw_counts_with_dark_and_reference_as_streams_of_their_own(demo):
    messages = list(read_journal(Path(demo["journal"])))
    streams = {m.doc["uid"]: m.doc["name"] for m in messages if m.name == "descriptor"}
    count = dict.fromkeys(streams.values(), 0)
    for message in messages:
        if message.name == "event":
            count[streams[message.doc["descriptor"]]] += 1
            counts = message.doc["data"]["spectrometer_counts"]
            assert counts.shape == (2068,)
            assert 0 <= counts.min() <= counts.max() <= 65535
    assert (count["dark"], count["reference"], count["primary"]) == (1, 1, 80)


def test_points_are_those_of_the_paper_in_its_order(demo):
    with h5py.File(demo["nexus"]) as file:
        conditions = file["entry/conditions"]
        nucleation = conditions["reactor_nucleation_setpoint_c"][:]
        growth = conditions["reactor_growth_setpoint_c"][:]
        assert nucleation.tolist() == [float(t) for t in range(250, 330, 10) for _ in range(10)]
        assert (nucleation - growth).tolist() == [10.0 * k for _ in range(8) for k in range(10)]
        assert np.abs(conditions["reactor_growth_c"][:] - growth).max() < 1.5
        assert conditions["reactor_residence_time_s"][:] == pytest.approx(np.full(80, 14.0), rel=2e-3)
        assert conditions["steady"][:].mean() > 0.8


def test_the_file_says_where_everything_comes_from(demo):
    with h5py.File(demo["nexus"]) as file:
        provenance = file["entry/provenance"]
        assert json.loads(provenance["simulation"][()]) == {"seed": 1, "speed": 200.0}
        assert json.loads(provenance["config"][()])["name"] == "simulated-flow"
        start = json.loads(provenance["start_document"][()])
        assert start["software"]["packages"]["bluesky"]
        assert provenance["exit_status"][()] == b"success"
        assert file["entry/data/absorbance"].shape == (80, 2068)
        assert file["entry/results/window/found"][:].tolist() == [270.0, 280.0, 290.0, 300.0]
        assert file["entry/results/window/lower_edge"][()] == 265.0
        families = file["entry/results/families"]
        of_437 = [name == "CdSe-437" for name in families["family"].asstr()[:]]
        assert set(families["panel"][:][of_437]) == {270.0, 280.0, 290.0, 300.0}
        assert (families["area_ev"][:] > 0).all()


def test_the_exciton_moves_and_the_cluster_stays_in_every_panel_of_the_window(demo):
    messages = list(read_journal(Path(demo["journal"]).with_name("results.journal")))
    tracks = [m.doc["data"] for m in messages if m.name == "event" and "kind" in m.doc["data"]]
    for panel in range(250, 330, 10):
        here = [t for t in tracks if t["panel"] == panel and t["transition"] == "E1"]
        (exciton,) = [t for t in here if t["kind"] == "nc"]
        assert len(exciton["wavelength_nm"]) >= 9
        assert exciton["wavelength_nm"][0] - exciton["wavelength_nm"][-1] > 15.0
        assert (exciton["wavelength_err_nm"] > 0).all()
        clusters = [t for t in here if t["family"] == "CdSe-437"]
        assert len(clusters) == (270 <= panel <= 300)
        for cluster in clusters:
            assert cluster["wavelength_nm"] == pytest.approx(np.full(len(cluster["wavelength_nm"]), 437.0), abs=3.0)
            assert cluster["probability"] > 0.9


def test_a_replay_gives_the_same_results_to_the_last_byte(demo):
    result = flowlab("replay", demo["run_uid"][:8], "--data", demo["out"], "--json")
    facts = json.loads(result.stdout)
    assert facts["identical"] is True
    assert facts["window_c"] == [270.0, 300.0]


def test_the_report_can_be_made_again_from_the_journal_alone(demo, tmp_path):
    out = tmp_path / "again.html"
    result = flowlab("report", demo["journal"], "-o", out)
    assert result.returncode == 0, result.stderr
    sentence = "CdSe-437 accumulates at nucleation temperatures from 270 to 300 °C, and not at 250, 260, 310, 320 °C."
    assert sentence in result.stdout
    for page in (out, Path(demo["report"])):
        assert sentence in page.read_text(encoding="utf-8").replace("&nbsp;", " ")
