"""``flowlab kinetics`` from finished runs to words, JSON and page; and what it refuses, in one line."""

import contextlib
import copy
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowlab.cli.kinetics import kinetics as command
from flowlab.errors import BadInputError
from flowlab.stream import Recorder, RunStore
from tests.flowlab.report.conftest import fonts_are_loaded  # noqa: F401  a page is drawn
from tests.support import documents_of_a_scan

_FIVE = [560.0, 552.0, 545.0, 537.0, 530.0]
_KEY = "reactor_residence_time_s"


def recorded(root: Path, panels: dict[float, list[float]], clusters: tuple[float, ...], seed: int = 1) -> Path:
    """The folder of a run whose documents tell residence times, too."""
    store = RunStore(root)
    recorder = Recorder(store.open_documents)
    for name, doc in documents_of_a_scan(panels, clusters=clusters, seed=seed):
        told = copy.deepcopy(doc)
        if name == "descriptor" and doc["name"] == "primary":
            told["data_keys"][_KEY] = {"dtype": "number", "shape": [], "source": "test", "units": "s"}
        elif name == "event" and "reactor_growth_setpoint_c" in doc["data"]:
            told["data"][_KEY] = 14.02
            told["timestamps"][_KEY] = 0.0
        recorder(name, told)
    recorder.close()
    (journal,) = root.glob("*/documents.journal")
    return journal.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A cluster in the two panels in the middle."""
    panels = {250.0: _FIVE, 270.0: _FIVE, 290.0: _FIVE, 310.0: _FIVE}
    return recorded(tmp_path_factory.mktemp("data"), panels, (270.0, 290.0))


@dataclass(frozen=True)
class Told:
    """What the command said, and wrote."""

    printed: str
    answer: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def told(run) -> Told:
    target, shown, printed = run.parent / "k.json", run.parent / "k.html", io.StringIO()
    with contextlib.redirect_stdout(printed):
        command([str(run)], "CdSe", str(target), shown, None, 0.1, run.parent)
    return Told(printed.getvalue(), json.loads(target.read_text("utf-8")), shown.read_text("utf-8"))


def test_rate_constants_and_windows_are_told_beside_what_was_found(told):
    lines = told.printed.splitlines()
    assert lines[0].startswith("nuclei → CdSe-437 → crystals, fitted to 10 heights in 20 samples of 1 run. ")
    assert any(line.startswith("CdSe-437 at 14 s, T_growth = T_nuc: predicted from ") for line in lines)
    assert "found at 270, 290 °C; sought and not found at 250, 310 °C" in lines
    assert any(line.startswith("  k(nuclei → CdSe-437): ") for line in lines)
    assert "left out: CdSe-403 was found in 0 of 20 samples; it takes 5" in lines
    assert [Path(line).name for line in lines[-2:]] == ["k.json", "k.html"]


def test_the_answer_as_json_has_the_keys_of_schema_1(told):
    answer = told.answer
    assert answer.keys() == {
        "schema", "material", "runs", "chain", "left_out", "reference_c", "parameters", "fit", "window",
    }  # fmt: skip
    assert answer["schema"] == 1
    assert answer["chain"] == ["CdSe-437"]
    for parameter in answer["parameters"]:
        assert parameter.keys() == {"name", "unit", "value", "interval", "why"}
        assert (parameter["value"] is None) == (parameter["interval"] is None) == (parameter["why"] is not None)
    window = answer["window"]
    assert window["residence_time_s"] == 14.0
    assert (window["found_c"], window["not_found_c"]) == ([270.0, 290.0], [250.0, 310.0])
    assert len(window["height"]) == len(window["height_err"]) == len(window["nucleation_c"])


def test_what_is_open_is_said_so_and_has_no_number(told):
    # At one residence time and with heights that are all alike, something must be.
    opened = [parameter for parameter in told.answer["parameters"] if parameter["value"] is None]
    assert opened
    for parameter in opened:
        assert f"{parameter['name']}: not determined: {parameter['why']}" in told.printed


def test_a_page_loads_nothing_and_shows_both_figures(told):
    assert told.page.count('src="data:image/png;base64,') == told.page.count("src=") == 2
    assert "http" not in told.page


def refused(*runs: Path, material: str = "CdSe", json_out: str | None = None) -> str:
    with pytest.raises(BadInputError) as error:
        command([str(one) for one in runs], material, json_out, None, None, 0.1, runs[0].parent)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_runs_that_hold_too_little_are_refused_with_the_reason(tmp_path):
    one = recorded(tmp_path / "one", {270.0: _FIVE}, (270.0,))
    assert "5 heights are too few for 8 parameters" in refused(one)
    none = recorded(tmp_path / "none", {270.0: _FIVE, 310.0: _FIVE}, ())
    assert "no family of CdSe was found" in refused(none)


def test_a_run_without_residence_times_is_refused(tmp_path):
    store = RunStore(tmp_path)
    recorder = Recorder(store.open_documents)
    for name, doc in documents_of_a_scan({270.0: _FIVE[:2]}):
        recorder(name, doc)
    recorder.close()
    (journal,) = tmp_path.glob("*/documents.journal")
    assert "does not tell the residence times" in refused(journal)


def test_what_makes_no_sense_is_refused(run, tmp_path):
    assert "is named twice" in refused(run, run / "documents.journal")
    assert "there is no such file" in refused(tmp_path / "nowhere")
    assert "no families" in refused(run, material="InSb")
    assert "is what the answer is made of; name another file" in refused(run, json_out=str(run / "documents.journal"))
    assert "is a folder" in refused(run, json_out=str(tmp_path))


def test_bad_input_is_one_line_and_exit_code_2(tmp_path):
    words = [sys.executable, "-m", "flowlab", "kinetics", str(tmp_path / "nowhere"), "-m", "CdSe"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("flowlab: ")
