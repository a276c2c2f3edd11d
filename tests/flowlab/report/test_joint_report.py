import csv
import math
import re

import h5py
import pytest

from flowlab.report.joint_figures import draw_joint
from flowlab.report.joint_words import joint_answer
from flowlab.report.load import load_run, results_of
from flowlab.report.page import write_report
from flowlab.report.words import answer, details
from flowlab.storage.export import export_run
from tests.flowlab.report.test_saxs_report import stored
from tests.flowlab.storage.test_saxs import recorded
from tests.joint_runs import joint_run
from tests.saxs_runs import RADII, SOLVENT, Liquid, series
from tests.support import PANELS

POINTS = {
    (310.0, 290.0): SOLVENT,
    (310.0, 280.0): Liquid((0.7,), (3.0,)),
    (310.0, 270.0): Liquid((1.46,), (3.0,)),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("joint")
    return stored(root, list(joint_run(root, {310.0: PANELS[310.0]}, POINTS)))


def test_the_report_says_where_both_agree_and_shows_them_on_one_axis(run, tmp_path):
    found = write_report(run, tmp_path / "page.html")
    assert "SAXS and absorption agree on the size at 270 °C; differ at 280 °C." in answer(found)
    page = (tmp_path / "page.html").read_text(encoding="utf-8").replace("&nbsp;", " ")
    table = re.search(r"<h2>Diameters by SAXS and by absorption</h2>\s*<table>(.*?)</table>", page, re.DOTALL)
    assert table is not None
    rows = re.findall(r"<tr>(<td>.*?)</tr>", table[1])
    assert len(rows) == 3
    assert re.search(
        r"<td>270 °C</td><td>exciton, 545 nm</td><td>2\.9\d ± 0\.\d\d nm</td>"
        r"<td>2\.9\d ± 0\.\d\d \(fit\) ± 0\.29 \(curve\) nm</td><td>[+-]0\.0\d ± 0\.\d\d nm</td><td>agree</td>",
        rows[2],
    )
    assert "<td>none</td>" in rows[0]
    assert (tmp_path / "page-joint.png").stat().st_size > 10_000


def test_each_comparison_is_explained(run):
    sentences = [sentence for sentence in details(load_run(run)) if "SAXS" in sentence and ("curve" in sentence)]
    assert any(
        re.search(r"280 °C: SAXS 1\.[34]\d .*exciton .*: differ: SAXS is smaller by", each) for each in sentences
    )


def test_comparisons_are_exported_as_tables(run, tmp_path):
    results = results_of(run)
    paths = export_run(run, results, "csv", tmp_path / "csv")
    assert {"joint.csv", "joint_ratio.csv"} <= {path.name for path in paths}
    with (tmp_path / "csv" / "joint.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["agreement"] for row in rows] == ["unknown", "differ", "agree"]
    assert math.isnan(float(rows[0]["saxs_diameter_nm"]))
    assert float(rows[2]["absorption_curve_err_nm"]) == pytest.approx(0.29, abs=0.01)


def test_comparisons_are_in_the_nexus_file(tmp_path):
    documents = list(joint_run(tmp_path, {310.0: PANELS[310.0]}, POINTS))
    kept, _ = recorded(tmp_path, documents)
    with h5py.File(kept.nexus, "r") as file:
        place = file["entry/results/joint"]
        assert [word.decode() for word in place["agreement"][:]] == ["unknown", "differ", "agree"]
        assert place["absorption_diameter_nm"].attrs["units"] == "nm"
        assert place["absorption_diameter_nm"][2] == pytest.approx(2.92, abs=0.05)


def test_places_are_told_by_both_axes_where_there_are_several_panels(tmp_path):
    points = {(270.0, 230.0): Liquid((1.35,), (3.0,)), (310.0, 270.0): Liquid((1.46,), (3.0,))}
    found = load_run(stored(tmp_path, list(joint_run(tmp_path, PANELS, points))))
    assert joint_answer(found) == (
        "SAXS and absorption agree on the size at 230 °C (T_nuc = 270 °C), 270 °C (T_nuc = 310 °C)."
    )


def test_a_run_without_both_has_neither_sentence_nor_table_nor_figure(tmp_path):
    found = load_run(stored(tmp_path, list(series(tmp_path, {190.0: RADII[190.0]}))))
    assert joint_answer(found) == ""
    assert draw_joint(found) == {}
    assert found.joint_ratio is None
