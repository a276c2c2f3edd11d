"""Photoluminescence in a report: the answer, a sentence for each spectrum, a figure."""

import re

import pytest

from flowlab.report.load import load_run
from flowlab.report.page import write_report
from flowlab.report.words import answer, details
from tests.emission_runs import POINTS, emission_documents
from tests.flowlab.report.test_saxs_report import stored


def test_the_report_says_where_the_emission_is_and_shows_it(tmp_path):
    run = write_report(stored(tmp_path, list(emission_documents())), tmp_path / "page.html")
    assert answer(run) == (
        "PL: emission at 520 nm at 8 s, 541 nm at 14 s (nucleation temperature 260 °C); emission at 560 nm at 8 s "
        "(nucleation temperature 280 °C)."
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8").replace("&nbsp;", " ")
    assert answer(run) in page
    assert "3 emission spectra" in page
    assert page.count("data:image/png;base64,") == 1
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert (tmp_path / "page-emission.png").stat().st_size > 10_000


def test_each_spectrum_has_a_line_with_its_temperature(tmp_path):
    sentences = details(load_run(stored(tmp_path, list(emission_documents()))))
    assert len(sentences) == len(POINTS)
    pattern = r"nucleation temperature 260 °C, residence time 14 s: emission at 54[01]\.\d ± 0\.\d nm, 36 nm wide"
    assert re.fullmatch(pattern, sentences[1])


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ({"dark": False}, "PL: nothing could be used: no dark spectrum was taken before it."),
        ({"points": {(260.0, 8.0): (520.0, 0.0, 36.0)}}, "PL: no emission was found: no band stands out of the noise."),
        (
            {"points": {(260.0, 8.0): (520.0, 0.0, 36.0), (260.0, 14.0): (541.0, 3000.0, 36.0)}},
            "PL: emission at 541 nm at 14 s (1 of 2 spectra show no band).",
        ),
        (
            {"points": {(250.0 + i, 8.0): (520.0 + 10 * i, 3000.0, 36.0) for i in range(5)}},
            "PL: emission from 520 to 560 nm.",
        ),
    ],
)
def test_what_was_not_found_is_said_and_many_panels_are_told_as_one(tmp_path, documents, words):
    run = write_report(stored(tmp_path, list(emission_documents(**documents))), tmp_path / "page.html")
    assert answer(run) == words


def test_the_distance_to_the_first_exciton_of_the_same_conditions_is_told(tmp_path):
    run = load_run(stored(tmp_path, list(emission_documents())))
    place = {"panel": 260.0, "coordinate": 14.0}
    exciton = {"exciton_nm": 529.5, "exciton_err_nm": 0.5, "usable": True, "why": ""}
    run.spectra = [{**place, "panel": 250.0, **exciton, "exciton_nm": 400.0}, {**place, **exciton}]
    told = [sentence for sentence in details(run) if "first exciton" in sentence]
    assert len(told) == 1  # 541 nm are 2.2918 eV, 529.5 nm are 2.3415 eV
    assert re.search(r"14 s: emission at .*; (49|50) ± [23] meV below the first exciton$", told[0])
