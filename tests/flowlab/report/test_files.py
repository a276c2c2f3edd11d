"""Journals from elsewhere, and what series become on a page."""

import copy

import numpy as np
import pytest

from flowlab.analysis.quantities import Quantity
from flowlab.config import load_material
from flowlab.errors import BadInputError
from flowlab.report.answers import as_json
from flowlab.report.files import analyse_files
from flowlab.report.files_page import page
from flowlab.report.particles import with_errors
from flowlab.stream import Journal, Message
from tests.flowlab.storage.spectra import files
from tests.support import documents_of_a_scan

DOCUMENTS = list(documents_of_a_scan({270.0: [560.0, 552.0, 545.0]}))


def journal(path, documents):
    uid = str(documents[0][1].get("uid", "made-up"))
    log = Journal(path, uid)
    for position, (name, doc) in enumerate(documents):
        log.append(Message(uid, position, name, doc).to_bytes())
    log.close()
    return path


def spoilt(number: int, *keys: str, value: object = None):
    """The documents with one value replaced, or taken out."""
    documents = copy.deepcopy(DOCUMENTS)
    place = documents[number][1]
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return documents


@pytest.mark.parametrize(
    "documents",
    [
        DOCUMENTS[:1],
        DOCUMENTS[1:],
        DOCUMENTS[:4],
        spoilt(0, "analysis"),
        spoilt(0, "analysis", value="absorbance"),
        spoilt(0, "analysis", "axes", value=["nowhere"]),
        spoilt(0, "analysis", "axes", value=7),
        spoilt(1, "configuration"),
        spoilt(1, "configuration", "spec", "data", "spec_wavelength_nm", value="far"),
        spoilt(1, "uid"),
        spoilt(6, "data"),
        spoilt(6, "data", "spec_counts", value="many"),
        spoilt(6, "data", "spec_counts", value=np.ones(7)),
        spoilt(6, "descriptor", value="nobody"),
        [("start", {"uid": "x", "analysis": {"kind": "saxs", "axes": ["a"]}})],
    ],
)
def test_journals_that_make_no_sense_are_refused(tmp_path, documents):
    path = journal(tmp_path / "documents.journal", documents)
    with pytest.raises(BadInputError) as error:
        analyse_files([path], load_material("CdSe"))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_that_was_cut_off_is_answered_so_far(tmp_path):
    path = journal(tmp_path / "documents.journal", DOCUMENTS[:-1])
    (one,) = analyse_files([path], load_material("CdSe"))
    answer = as_json([one], "CdSe")
    assert [len(s["features"]) > 0 for s in answer["spectra"]] == [True] * 3
    assert len(answer["tracks"]) > 0


def test_what_files_say_is_text_on_a_page_and_nothing_else(tmp_path):
    path = tmp_path / "a&b.csv"
    header = ["nm", "<script>alert(1)</script> $x$ 1", "<b> 2", "<b> 3"]
    rows = files.growing(3)
    rows[1] = 0.5
    path.write_text(files.wide(header, rows), encoding="utf-8")
    material = load_material("CdSe")
    text = page(analyse_files([path], material), material, 1.0)
    assert "<script>" not in text
    assert "<b>" not in text
    assert "a&amp;b.csv" in text
    assert "1 of 3 spectra cannot be used: the same value at every pixel" in text.replace("&nbsp;", " ")


@pytest.mark.parametrize(
    ("quantity", "factor", "text"),
    [
        (Quantity(61.04, 0.42, 18.3), 1.0, "61.0 ± 0.4 (fit) ± 18.3 (curve)"),
        (Quantity(2.05e-6, 2.8e-8, 5.4e-7), 1e6, "2.05 ± 0.03 (fit) ± 0.54 (curve)"),
        (Quantity(1000.0, 30.0, 200.0), 1.0, "1000 ± 30 (fit) ± 200 (curve)"),
        (Quantity(1.0, 0.0, 0.0), 1.0, "1 ± 0 (fit) ± 0 (curve)"),
    ],
)
def test_as_many_digits_are_given_as_the_errors_leave(quantity, factor, text):
    assert with_errors(quantity, factor) == text
