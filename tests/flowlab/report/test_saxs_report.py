import re

import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.report.load import load_run
from flowlab.report.page import write_report
from flowlab.report.saxs_words import saxs_answer
from flowlab.report.words import answer, details
from flowlab.stream import Recorder, RunStore
from tests.saxs_runs import AXES, MELTING, RADII, SOLVENT, calibration, series


def stored(root, documents):
    """A run that was recorded and not analysed: the report does that."""
    store = RunStore(root)
    recorder = Recorder(store.open_documents)
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    return store.run(documents[0][1]["uid"])


@pytest.fixture(scope="module")
def radii(tmp_path_factory):
    root = tmp_path_factory.mktemp("radii")
    return stored(root, list(series(root, RADII)))


def test_the_report_says_the_radii_and_shows_curves_and_radii(radii, tmp_path):
    run = write_report(radii, tmp_path / "page.html")
    sentence = "SAXS: radius 0.87 nm at 190 °C, 0.94 nm at 200 °C, 1.06 nm at 260 °C."
    assert answer(run) == sentence
    page = (tmp_path / "page.html").read_text(encoding="utf-8").replace("&nbsp;", " ")
    assert sentence in page
    assert "3 SAXS points, 19 SAXS frames" in page
    assert page.count("data:image/png;base64,") == 3
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    for name in ("curves", "radii", "distributions"):
        assert (tmp_path / f"page-{name}.png").stat().st_size > 10_000


def test_each_point_is_explained(radii):
    sentences = details(load_run(radii))
    assert len(sentences) == 3
    assert sentences[1].startswith("nucleation temperature 200 °C: radius 0.94")
    assert re.search(r"without a form: median 0\.9[34]\d ± 0\.\d+ nm, width \d+ ± \d+ %", sentences[1])
    assert "no Porod law: surfaces are seen from q = 4.8 nm⁻¹ on, and q ends at 5" in sentences[1]


def test_melting_is_told_and_listed(tmp_path):
    run = write_report(stored(tmp_path, list(series(tmp_path, MELTING))), tmp_path / "page.html")
    assert answer(run) == "SAXS: lamellae of 3.41 nm at 25, 50 °C, weaker at 50 °C, gone at 100 °C."
    page = (tmp_path / "page.html").read_text(encoding="utf-8").replace("&nbsp;", " ")
    assert "Melting of the layers" in page
    assert re.search(r"<td>50 °C</td><td>50\.\d ± 0\.\d %</td><td>weaker</td>", page)


def test_a_calibration_says_where_the_poni_is_and_what_to_write_down(tmp_path):
    run = write_report(stored(tmp_path, list(calibration(tmp_path))), tmp_path / "page.html")
    assert answer(run).startswith("The detector is 1100.0")
    assert "calibration.poni" in answer(run)
    assert "for [saxs.poni]: distance_m = 1.1" in answer(run)


@pytest.mark.parametrize(
    ("points", "saxs", "words"),
    [
        ({190.0: SOLVENT}, None, "SAXS: nothing could be reduced: the instrument file has no [saxs] table"),
        ({}, None, "SAXS: 3 frames, and no point of a scan among them."),
    ],
)
def test_what_was_not_reduced_is_said(tmp_path, points, saxs, words):
    documents = list(series(tmp_path, points, saxs=saxs, count=1))
    if not points:
        documents = [d for d in documents if d[0] != "event" or d[1]["data"]["endstation_sample"] == "capillary"][:20]
        documents = without_most_frames(documents)
    assert words in answer(load_run(stored(tmp_path, documents)))


def without_most_frames(documents):
    """The first three events of a run."""
    kept, count = [], 0
    for name, doc in documents:
        count += name == "event"
        if name != "event" or count <= 3:
            kept.append((name, doc))
    return [d for d in kept if d[0] != "stream_datum"]


class Run:
    """As much of a run as words need."""

    def __init__(self, radii, **more):
        self.start = {"analysis": {"axes": AXES}}
        self.frames = len(radii)
        self.melting = []
        base = {"panel": 230.0, "usable": True, "sizes": "narrow", "order": "none", "bragg_q_per_nm": [], **more}
        self.points = [{**base, "coordinate": c, "radius_nm": r} for c, r in radii.items()]


@pytest.mark.parametrize(
    ("radii", "words"),
    [
        ({190.0: 0.87, 200.0: 0.94, 210.0: 0.942}, "0.87 nm at 190 °C, 0.94 nm from 200 to 210 °C"),
        (
            {190.0: 0.8, 200.0: 0.9, 210.0: 1.0, 220.0: 1.1, 230.0: 1.2, 240.0: 1.3},
            "0.80 nm at 190 °C, 0.90 nm at 200 °C, 1.00 nm at 210 °C, then growing to 1.30 nm at 240 °C",
        ),
        (
            {190.0: 0.8, 200.0: 0.9, 210.0: 1.0, 220.0: 1.2, 230.0: 1.1, 240.0: 1.3},
            "1.00 nm at 210 °C, then 1.10 to 1.30 nm from 220 to 240 °C",
        ),
        ({190.0: float("nan")}, "neither particles nor layers were seen"),
    ],
)
def test_radii_in_words(radii, words):
    assert words in saxs_answer(Run(radii))


def test_the_analysis_of_a_report_is_that_of_the_live_analyzer(radii):
    run = load_run(radii)
    from flowlab.stream import read_journal

    with FrameReader(radii.folder.parent / "frames", within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader)
        live = [r for m in read_journal(radii.journal) for r in analyzer.take(m.name, m.doc)]
    found = [doc["data"]["radius_nm"] for name, doc in live if name == "event" and "finding" in doc["data"]]
    assert [point["radius_nm"] for point in run.points] == found
