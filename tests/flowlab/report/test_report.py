import re

import pytest

from flowlab.config import load_material
from flowlab.errors import BadInputError
from flowlab.live import Analyzer
from flowlab.live.recorder import ResultsRecorder
from flowlab.report.load import load_run
from flowlab.report.page import write_report
from flowlab.report.words import answer, axis_name, details
from flowlab.stream import Recorder, RunStore
from tests.support import PANELS, documents_of_a_run, documents_of_a_scan


def kept(root, documents, *, analysed: bool) -> RunStore:
    store = RunStore(root)
    recorder = Recorder(store.open_documents)
    documents = list(documents)
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    if analysed:
        results = ResultsRecorder(store, None)
        analyzer = Analyzer(load_material)
        for name, doc in documents:
            for result in analyzer.take(name, doc):
                results.take(*result)
        results.close()
    return store


def only(store: RunStore):
    (path,) = store.root.glob("*/documents.journal")
    return store.find(str(path))


@pytest.mark.parametrize("analysed", [True, False])
def test_a_report_is_one_page_that_loads_nothing_and_says_the_answer(tmp_path, analysed):
    stored = only(kept(tmp_path / "runs", documents_of_a_scan(PANELS, clusters=(270.0,)), analysed=analysed))
    out = tmp_path / "report" / "page.html"
    write_report(stored, out)
    page = out.read_text(encoding="utf-8")
    sentence = "CdSe-437 accumulates at a nucleation temperature of 270 °C, and not at 310 °C."
    assert sentence in page.replace("&nbsp;", " ")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64,") == 3
    for name in ("panels", "map", "excitons"):
        assert (out.parent / f"{name}.png").stat().st_size > 10_000


def test_words_for_a_window_with_a_hole_and_for_none(tmp_path):
    panels = dict.fromkeys((260.0, 270.0, 280.0, 290.0), PANELS[270.0])
    run = load_run(only(kept(tmp_path, documents_of_a_scan(panels, clusters=(260.0, 280.0)), analysed=False)))
    assert answer(run) == (
        "CdSe-437 accumulates at nucleation temperatures from 260 to 280 °C, except at 270 °C, and not at 290 °C."
    )
    assert any("260 °C: CdSe-437 fixed within" in sentence for sentence in details(run))


def test_a_single_panel_without_cluster_tells_of_the_exciton(tmp_path):
    run = load_run(only(kept(tmp_path, documents_of_a_scan({270.0: PANELS[270.0]}), analysed=False)))
    assert re.fullmatch(r"No cluster was found\. The first exciton moves from 5\d\d to 5\d\d nm\.", answer(run))


def test_a_run_that_was_cut_short_can_be_reported_as_far_as_it_went(tmp_path):
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))[:12]
    stored = only(kept(tmp_path / "runs", documents, analysed=True))
    run = write_report(stored, tmp_path / "report.html")
    assert len(run.spectra) == 6
    assert "still going on" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_run_without_spectra_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInputError, match="holds no run with absorption spectra"):
        load_run(only(kept(tmp_path / "a", documents_of_a_run(3), analysed=False)))
    with pytest.raises(BadInputError, match="has no spectrum yet"):
        load_run(only(kept(tmp_path / "b", list(documents_of_a_scan(PANELS))[:5], analysed=False)))


def test_axes_have_names_for_people():
    assert axis_name("reactor_growth_setpoint_c") == ("growth temperature", "°C", "T_growth")
    assert axis_name("something") == ("something", "", "something")
