"""The report of a run that goes on with another: one scan, whether its analysis is recorded or not."""

import shutil
from functools import partial

import pytest

from flowlab.config import load_material
from flowlab.errors import BadInputError
from flowlab.live import Analyzer
from flowlab.live.recorder import ResultsRecorder
from flowlab.report.kinetics import kinetics_of
from flowlab.report.load import load_journal, load_run
from flowlab.report.page import write_report
from flowlab.report.words import answer
from flowlab.stream import RunStore, earlier_documents
from tests.resumed_runs import keep, scan_in_runs
from tests.support import PANELS

SENTENCE = "CdSe-437 accumulates at a nucleation temperature of 270 °C, and not at 310 °C."


@pytest.fixture
def runs():
    return scan_in_runs(PANELS, (3, 7), clusters=(270.0,))


@pytest.fixture
def store(tmp_path, runs):
    store = RunStore(tmp_path / "runs")
    keep(store, *runs)
    return store


@pytest.mark.parametrize("analysed", [True, False])
def test_all_points_of_all_runs_are_in_the_report_of_the_last(tmp_path, store, runs, analysed):
    last = runs[-1]
    if analysed:
        results = ResultsRecorder(store, None)
        analyzer = Analyzer(load_material, read_earlier=partial(earlier_documents, store))
        for document in last:
            for result in analyzer.take(*document):
                results.take(*result)
        results.close()
    out = tmp_path / "report.html"
    run = write_report(store.run(last[0][1]["uid"]), out)
    assert answer(run).startswith(SENTENCE)
    assert run.earlier == [one[0][1]["uid"] for one in runs[:-1]]
    assert len(run.spectra) == len(run.absorbance) == len(run.conditions["reactor_growth_setpoint_c"]) == 10
    assert run.stop is not None
    assert run.stop["exit_status"] == "success"
    told = f"{runs[1][0][1]['uid']}, which has the first 7 of 10 points"
    assert f"<tr><th>resumes</th><td>{told}</td></tr>" in out.read_text(encoding="utf-8")


def test_the_report_of_the_first_run_is_about_its_own_points(store, runs):
    assert len(load_run(store.run(runs[0][0][1]["uid"])).spectra) == 3


def test_an_analysis_as_another_material_is_of_the_whole_scan_too(store, runs):
    run = load_journal(store.run(runs[-1][0][1]["uid"]).journal, load_material("CdSe"))
    assert answer(run).startswith(SENTENCE)
    assert len(run.spectra) == 10


def test_a_report_without_the_run_before_is_refused_and_says_which_is_missing(store, runs):
    first, last = (run[0][1]["uid"] for run in (runs[0], runs[-1]))
    shutil.rmtree(store.run(first).folder)
    for load in (load_run, lambda stored: load_journal(stored.journal, load_material("CdSe"))):
        with pytest.raises(BadInputError, match=f"resumes run {first}: '{first}': there is no run of that uid in "):
            load(store.run(last))


def test_runs_with_the_same_points_are_not_counted_twice(store, runs):
    first, last = (store.run(run[0][1]["uid"]) for run in (runs[0], runs[-1]))
    with pytest.raises(BadInputError, match="its points are among those of .*, which resumes it; name that one only"):
        kinetics_of([first, last], load_material("CdSe"), 0.1, None)
