import json
import re

import pytest

from flowlab.config import load_material
from flowlab.config.paths import shipped_config
from flowlab.errors import BadInputError
from flowlab.live import Analyzer
from flowlab.live.recorder import ResultsRecorder
from flowlab.report.axes import axis_name
from flowlab.report.load import load_run
from flowlab.report.page import write_report
from flowlab.report.words import answer, details
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
    assert "Area of the band of CdSe-437" in page
    assert "Onset of absorption, Tauc gap (direct) and spread of the crystals' sizes" in page
    for name in ("panels", "map", "excitons"):
        assert (out.parent / f"page-{name}.png").stat().st_size > 10_000


def test_words_for_a_window_with_a_hole_and_for_none(tmp_path):
    panels = dict.fromkeys((260.0, 270.0, 280.0, 290.0), PANELS[270.0])
    run = load_run(only(kept(tmp_path, documents_of_a_scan(panels, clusters=(260.0, 280.0)), analysed=False)))
    assert answer(run) == (
        "CdSe-437 accumulates at nucleation temperatures from 260 to 280 °C, except at 270 °C, and not at 290 °C. "
        "Lower edge not known: nothing was measured below 260 °C; upper edge 285 ± 3 °C."
    )
    assert any("260 °C: CdSe-437 fixed within" in sentence for sentence in details(run))


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        (
            (260.0,),
            "CdSe-437 accumulates at a nucleation temperature of 260 °C; undecided at 270 °C. Lower edge not known: "
            "nothing was measured below 260 °C; upper edge not known: undecided above 260 °C.",
        ),
        (
            (),
            "CdSe-437 was found nowhere: it does not accumulate at 260 °C, and whether it does at 270 °C is undecided.",
        ),
    ],
)
def test_a_panel_with_too_few_spectra_is_undecided(tmp_path, clusters, words):
    panels = {260.0: PANELS[270.0], 270.0: PANELS[270.0][:2]}
    run = load_run(only(kept(tmp_path, documents_of_a_scan(panels, clusters=clusters), analysed=False)))
    assert answer(run) == words


@pytest.mark.parametrize(("status", "words"), [("abort", "The run was aborted"), ("fail", "The run failed")])
def test_a_run_that_ended_badly_says_so_first(tmp_path, status, words):
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    documents[-1][1]["exit_status"] = status
    run = load_run(only(kept(tmp_path, documents, analysed=True)))
    assert answer(run).startswith(f"{words}; until then: CdSe-437 accumulates at ")


def test_a_single_panel_without_cluster_tells_of_the_exciton(tmp_path):
    run = load_run(only(kept(tmp_path, documents_of_a_scan({270.0: PANELS[270.0]}), analysed=False)))
    assert re.fullmatch(r"No cluster was found\. The first exciton moves from 5\d\d to 5\d\d nm\.", answer(run))


def test_a_run_that_was_cut_short_can_be_reported_as_far_as_it_went(tmp_path):
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))[:12]
    stored = only(kept(tmp_path / "runs", documents, analysed=True))
    run = write_report(stored, tmp_path / "report.html")
    assert len(run.spectra) == 6
    found = "CdSe-437 accumulates at a nucleation temperature of 270 °C; undecided at 310 °C."
    edges = "nothing was measured below 270 °C; upper edge not known: undecided above 270 °C."
    so_far = f"{found} Lower edge not known: {edges}"
    assert answer(run) == f"The run has no end: it goes on, or was broken off; so far: {so_far}"
    assert "no end is recorded" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_run_without_spectra_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInputError, match="holds no run with absorption spectra"):
        load_run(only(kept(tmp_path / "a", documents_of_a_run(3), analysed=False)))
    with pytest.raises(BadInputError, match="has no spectrum yet"):
        load_run(only(kept(tmp_path / "b", list(documents_of_a_scan(PANELS))[:5], analysed=False)))


def with_another_stream(documents):
    """The same run, with events of a device that takes no spectra, recorded between the others."""
    for name, doc in documents:
        yield name, doc
        if name == "start":
            descriptor = {
                "uid": "baseline",
                "run_start": doc["uid"],
                "time": doc["time"],
                "name": "baseline",
                "configuration": {},
                "data_keys": {"room_c": {"dtype": "number", "shape": [], "source": "test"}},
            }
            yield "descriptor", descriptor
            event = {"uid": "1", "descriptor": "baseline", "time": doc["time"], "seq_num": 1}
            yield "event", {**event, "data": {"room_c": 21.0}, "timestamps": {"room_c": doc["time"]}}


def test_a_stream_without_spectra_is_no_spectrum(tmp_path):
    documents = with_another_stream(documents_of_a_scan(PANELS, clusters=(270.0,)))
    run = load_run(only(kept(tmp_path, documents, analysed=True)))
    assert len(run.spectra) == len(run.absorbance) == 10


def test_an_analysis_that_ended_without_spectra_is_refused_with_its_reason(tmp_path):
    documents = list(documents_of_a_scan(PANELS))
    documents[0][1]["analysis"]["axes"] = ["kettle_c"]
    stored = only(kept(tmp_path, documents, analysed=True))
    with pytest.raises(BadInputError, match=r"its analysis ended without a spectrum: KeyError .*'kettle_c'"):
        write_report(stored, tmp_path / "report.html")


def test_a_run_that_does_not_say_where_its_spectra_are_is_refused(tmp_path):
    documents = list(documents_of_a_scan(PANELS))
    documents[0][1]["analysis"] = {"kind": "something else"}
    with pytest.raises(BadInputError, match="holds no run with absorption spectra"):
        load_run(only(kept(tmp_path, documents, analysed=False)))


@pytest.mark.parametrize("name", ["<script src=//evil.example></script>", r"$\frac{$ & $\nope$", "a\nb"])
def test_names_in_documents_are_text_and_nothing_else(tmp_path, name):
    names = {"reactor_nucleation_setpoint_c": name, "reactor_growth_setpoint_c": f"{name} 2"}
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    for _, doc in documents:
        for part in ("data", "data_keys"):
            doc[part] = {names.get(key, key): value for key, value in doc.get(part, {}).items()}
    material = (shipped_config() / "materials" / "CdSe.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(material.replace('"CdSe-437"', json.dumps(name)), encoding="utf-8")
    start = documents[0][1]
    start.update(plan_name=name, instrument=name, material=str(mine))
    start["analysis"]["axes"] = list(names.values())
    stored = only(kept(tmp_path / "runs", documents, analysed=False))
    run = write_report(stored, tmp_path / "page.html")
    assert run.window is not None
    assert run.window["family"] == name
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("data:image/png;base64,") == 3


def test_a_folder_is_no_page(tmp_path):
    stored = only(kept(tmp_path / "runs", documents_of_a_scan(PANELS), analysed=False))
    with pytest.raises(BadInputError, match="is a folder; name the page to write in it"):
        write_report(stored, tmp_path)
    assert not list(tmp_path.glob("*.png"))


def test_axes_have_names_for_people():
    assert axis_name("reactor_growth_setpoint_c") == ("growth temperature", "°C", "T_growth")
    assert axis_name("something") == ("something", "", "something")
