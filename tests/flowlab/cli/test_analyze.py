"""``flowlab analyze`` as its user meets it: a process, files, its output, its exit code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowlab.cli.analyze import analyze as command
from flowlab.config import load_material
from flowlab.config.paths import shipped_config
from flowlab.errors import BadInputError
from flowlab.live import Analyzer
from flowlab.report.answers import as_json
from flowlab.report.files import analyse_files
from flowlab.report.files_words import answers, details
from flowlab.storage.export import export_run
from flowlab.stream import Recorder, RunStore
from tests.flowlab.storage.spectra import files
from tests.support import PANELS, documents_of_a_run, documents_of_a_scan

QUANTITIES = {"size_dispersion", "size_dispersion_err", "size_dispersion_is_upper_bound", "size_dispersion_why"}
QUANTITIES_OF_SPECTRUM = {
    "panel",
    "onset_nm",
    "onset_err_nm",
    "onset_why",
    "tauc_gap_ev",
    "tauc_gap_err_ev",
    "tauc_gap_why",
}
QUANTITIES_OF_TRACK = QUANTITIES | {"panel", "fwhm_ev", "fwhm_err_ev", "area_ev", "area_err_ev"}
SPECTRUM = {"index", "coordinate", "label", "usable", "why", "features"}
FEATURE = {"wavelength_nm", "wavelength_err_nm", "fwhm_nm", "height", "snr", "track"}
TRACK = {
    "id", "kind", "transition", "family", "probability", "indices", "wavelength_nm", "height", "diameter_nm", "why",
}  # fmt: skip
HEADER = ["Wavelength (nm)", *(f"{20 * (i + 1)} s" for i in range(8))]


def analyze(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowlab", "analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=100)


def answered(*paths: Path, material: str = "CdSe") -> dict:
    """The answer as JSON, through the same functions that the command calls, in this process: it is quicker."""
    answer = as_json(analyse_files(paths, load_material(material)), material)
    return json.loads(json.dumps(answer, allow_nan=False))


def worded(*paths: Path, material: str = "CdSe") -> str:
    """The answer in words, likewise."""
    known = load_material(material)
    analysed = analyse_files(paths, known)
    told = zip(analysed, answers(analysed), strict=True)
    return "\n".join("\n".join([answer, *details(one, known, None)]) for one, answer in told)


def kinds(answer: dict) -> dict[str, list[int]]:
    """Numbers of spectra by what was decided of them."""
    found: dict[str, list[int]] = {}
    for track in answer["tracks"]:
        if track["transition"] == "E1":
            found.setdefault(track["family"] or track["kind"], []).extend(track["indices"])
    return found


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Path:
    """A table of growing crystals above a cluster."""
    path = tmp_path_factory.mktemp("series") / "growth.csv"
    path.write_text(files.wide(HEADER, files.growing(8, cluster=0.1)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run with two panels, a cluster in one of them; its journal, and its NeXus file."""
    store = RunStore(tmp_path_factory.mktemp("data"))
    recorder = Recorder(store.open_documents)
    for name, doc in documents_of_a_scan(PANELS, clusters=(270.0,)):
        recorder(name, doc)
    recorder.close()
    (journal,) = store.root.glob("*/documents.journal")
    export_run(store.find(str(journal)), [], "nexus", journal.with_name("other.nxs"))
    return journal.parent


def test_the_answer_in_words_as_json_and_as_a_page(series, tmp_path):
    out, page = tmp_path / "new" / "answer.json", tmp_path / "page.html"
    result = analyze(series, "--material", "CdSe", "--json", out, "--plot", page, "--path-mm", "1")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.match(r"CdSe-437 was found. The first exciton moves from (499|500) to 54[0-3] nm.\n", result.stdout)
    by_yu = r"diameter at 54\d\.\d nm, in nm, by Yu 2003, CdSe: 2\.[89]\d ± 0\.\d\d \(fit\) ± 0\.2\d \(curve\)"
    assert re.search(by_yu, result.stdout)
    assert "µmol/L" in result.stdout
    assert result.stdout.endswith(f"{out}\n{page}\n")

    answer = json.loads(out.read_text(encoding="utf-8"))
    assert list(answer) == ["schema", "material", "source", "spectra", "tracks", "families", "windows"]
    assert (answer["schema"], answer["material"], answer["source"]) == (1, "CdSe", str(series))
    assert [(s["index"], s["coordinate"], s["label"]) for s in answer["spectra"]] == [
        (i, 20.0 * (i + 1), f"{20 * (i + 1)} s") for i in range(8)
    ]
    for spectrum in answer["spectra"]:
        assert set(spectrum) == SPECTRUM | QUANTITIES_OF_SPECTRUM
        assert (spectrum["usable"], spectrum["why"]) == (True, None)
        assert all(set(feature) == FEATURE for feature in spectrum["features"])
    for track in answer["tracks"]:
        assert set(track) == TRACK | QUANTITIES_OF_TRACK
        assert len(track["indices"]) == len(track["wavelength_nm"]) == len(track["height"])
        for index, wavelength in zip(track["indices"], track["wavelength_nm"], strict=True):
            own = [f for f in answer["spectra"][index]["features"] if f["track"] == track["id"]]
            assert [f["wavelength_nm"] for f in own] == [wavelength]
    assert kinds(answer) == {"CdSe-437": list(range(8)), "nc": list(range(8))}
    (cluster,) = (t for t in answer["tracks"] if t["family"] == "CdSe-437")
    assert abs(np.median(cluster["wavelength_nm"]) - 437.0) < 0.5
    assert cluster["diameter_nm"][0] == pytest.approx(1.855, abs=0.02)

    text = page.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert text.count("data:image/png;base64,") == 2
    assert "doi:10.1021/cm034081k" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "page.html"]


def test_formats_agree(series, tmp_path):
    """The same spectra as table, as exports of two spectrometer programs, as JCAMP-DX: the same answer."""
    expected = kinds(answered(series))
    rows = files.growing(8, cluster=0.1)
    named = {f"CdSe {20 * (i + 1)} s.txt": files.spectrasuite(row, decimal=",") for i, row in enumerate(rows)}
    axis = {"FIRSTX": 350, "LASTX": 650, "NPOINTS": 301, "XUNITS": "NM", "YUNITS": "ABSORBANCE", "YFACTOR": "1e-6"}
    blocks = []
    for i, row in enumerate(rows):
        numbers = np.round(row * 1e6).astype(int)
        lines = [f"{350 + k} " + " ".join(map(str, numbers[k : k + 7])) for k in range(0, 301, 7)]
        table = "\n".join(["##XYDATA= (X++(Y..Y))", *lines])
        blocks.append(files.jcamp(table, TITLE=f"{20 * (i + 1)} s", **axis))
    (tmp_path / "growth.dx").write_text("##TITLE= growth\n##DATA TYPE= LINK\n" + "".join(blocks), encoding="utf-8")
    for name, data in named.items():
        (tmp_path / name).write_bytes(data)
    exports = answered(*sorted(tmp_path.glob("*.txt")))
    assert kinds(exports) == expected
    assert [s["coordinate"] for s in exports["spectra"]] == [20.0 * (i + 1) for i in range(8)]
    jcamp = answered(tmp_path / "growth.dx")
    assert kinds(jcamp) == expected
    assert [s["label"] for s in jcamp["spectra"]] == HEADER[1:]


def test_a_journal_is_answered_as_the_live_analyzer_answers_it(run):
    answer = answered(run / "documents.journal")
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    analyzer = Analyzer(load_material)
    live = [r for name, doc in documents for r in analyzer.take(name, doc)]
    tracks = next(doc["uid"] for name, doc in live if name == "descriptor" and doc["name"] == "tracks")
    expected = [doc["data"] for name, doc in live if name == "event" and doc["descriptor"] == tracks]
    assert [t["wavelength_nm"] for t in answer["tracks"]] == [
        pytest.approx(list(e["wavelength_nm"]), rel=1e-6) for e in expected
    ]
    assert [(t["kind"], t["family"] or "", t["why"]) for t in answer["tracks"]] == [
        (e["kind"], e["family"], e["why"]) for e in expected
    ]
    assert answer["spectra"][0]["label"] == "270 °C, 270 °C"
    words = worded(run / "documents.journal")
    assert words.startswith(
        "CdSe-437 accumulates at a nucleation temperature of 270 °C, and not at 310 °C. "
        "Lower edge not known: nothing was measured below 270 °C; upper edge 290 ± 12 °C.\n"
    )
    (window,) = answer["windows"]
    assert (window["family"], window["low"], window["high"]) == ("CdSe-437", 270.0, 270.0)
    assert window["lower_edge"] == {
        "value": None,
        "err": None,
        "between": None,
        "why": "nothing was measured below 270",
    }
    upper = {"value": 290.0, "err": 11.54701, "between": [270.0, 310.0], "why": "absent at 310, found at 270"}
    assert window["upper_edge"] == upper


def test_quantities_over_the_conditions_are_in_the_answer_and_on_the_page(run, tmp_path):
    answer, page = answered(run / "documents.journal"), tmp_path / "page.html"
    rows = answer["families"]
    assert {(row["family"], row["panel"]) for row in rows} == {("CdSe-437", 270.0)}
    (cluster,) = [track for track in answer["tracks"] if track["family"] == "CdSe-437" and track["transition"] == "E1"]
    assert [row["index"] for row in rows] == cluster["indices"]
    assert [row["area_ev"] for row in rows] == cluster["area_ev"]
    for row in rows:
        assert row["coordinate"] == answer["spectra"][row["index"]]["coordinate"]
        assert 0 < row["area_err_ev"] < 0.5 * row["area_ev"]
    excitons = [track for track in answer["tracks"] if track["kind"] == "nc" and track["transition"] == "E1"]
    for track in excitons:
        for index, wavelength, spread in zip(
            track["indices"], track["wavelength_nm"], track["size_dispersion"], strict=True
        ):
            spectrum = answer["spectra"][index]
            # A tangent at the red edge of a Gaussian 0.17 eV wide meets nothing 0.14 eV below its maximum.
            onset_ev = 1239.842 / spectrum["onset_nm"]
            assert onset_ev == pytest.approx(1239.842 / wavelength - 0.144, abs=0.02)
            assert onset_ev < spectrum["tauc_gap_ev"] < 1239.842 / wavelength
            assert 0.03 < spread < 0.2
        assert track["size_dispersion_is_upper_bound"] is False
    result = analyze(run / "documents.journal", "-m", "CdSe", "--plot", page)
    assert re.search(r"spread of sizes σ_D/D = \d+(\.\d+)? ± \d+(\.\d+)? %", result.stdout)
    assert re.search(r"onset of absorption: \d+\.\d ± \d\.\d nm", result.stdout)
    assert re.search(r"Tauc gap: \d\.\d+ ± 0\.\d+ eV", result.stdout)
    text = page.read_text(encoding="utf-8")
    assert "Area of the band of CdSe-437" in text
    assert "exciton of crystals of one size 70 meV wide: assumed" in text


def test_without_a_known_width_of_one_crystal_a_spread_is_an_upper_bound(run, tmp_path):
    shipped = (shipped_config() / "materials" / "CdSe.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(re.sub(r"\[linewidth\]\n.*\n.*\n", "", shipped), encoding="utf-8")
    answer = answered(run / "documents.journal", material=str(mine))
    excitons = [track for track in answer["tracks"] if track["kind"] == "nc" and track["transition"] == "E1"]
    assert excitons
    assert all(track["size_dispersion_is_upper_bound"] for track in excitons)
    assert "σ_D/D <" in worded(run / "documents.journal", material=str(mine))


def test_a_nexus_file_gives_what_its_journal_gives(run, tmp_path):
    journal, nexus = (answered(run / name) for name in ("documents.journal", "other.nxs"))
    assert kinds(nexus) == kinds(journal)
    assert [s["coordinate"] for s in nexus["spectra"]] == [s["coordinate"] for s in journal["spectra"]]
    for one, other in zip(nexus["tracks"], journal["tracks"], strict=True):
        assert one["wavelength_nm"] == pytest.approx(other["wavelength_nm"], abs=0.01)
    page = tmp_path / "page.html"
    assert analyze(run / "other.nxs", "-m", "CdSe", "--plot", page).returncode == 0
    assert page.read_text(encoding="utf-8").count("data:image/png;base64,") == 3


def test_another_material_has_other_families_and_sizes(series):
    answer = answered(series, material="InP")
    assert "CdSe-437" not in kinds(answer)
    assert all(track["diameter_nm"] is None for track in answer["tracks"])
    words = worded(series, material="InP")
    assert "no diameters of InP: published curves" in words


def test_what_was_left_out_is_told_on_stderr_and_unusable_spectra_with_their_reason(series, tmp_path):
    lines = series.read_text(encoding="utf-8").splitlines()
    lines[30] = "spoilt"
    rows = [line.split(",") for line in lines]
    for row in rows[1:]:
        if len(row) > 3:
            row[3] = "0.5"
    path = tmp_path / "spoilt.csv"
    path.write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    result = analyze(path, "-m", "CdSe", "--json", "-")
    assert result.returncode == 0
    assert "1 rows that are no numbers were left out, the first of them 'spoilt'" in result.stderr
    answer = json.loads(result.stdout)
    flat = answer["spectra"][2]
    assert (flat["usable"], flat["why"], flat["features"]) == (False, "the same value at every pixel", [])
    assert kinds(answer)["CdSe-437"] == [0, 1, 3, 4, 5, 6, 7]


def test_several_tables_are_answered_one_by_one_with_numbers_that_go_on(series, tmp_path):
    other = tmp_path / "other.csv"
    nm = np.linspace(360.0, 640.0, 281)
    other.write_text(files.wide(HEADER[:6], files.growing(5, wavelength=nm), wavelength=nm), encoding="utf-8")
    answer = answered(series, other)
    assert [s["index"] for s in answer["spectra"]] == list(range(13))
    assert [t["id"] for t in answer["tracks"]] == list(range(len(answer["tracks"])))
    assert kinds(answer)["nc"] == list(range(13))
    words = worded(series, other)
    assert f"{other}: No cluster was found." in words


def test_one_spectrum_is_not_enough_to_tell_and_says_so(tmp_path):
    path = tmp_path / "one.txt"
    path.write_bytes(files.spectrasuite(files.growing(1, cluster=0.1)[0]))
    assert "whether a band stays or moves takes at least 3" in worded(path)
    answer = answered(path)
    assert {t["kind"] for t in answer["tracks"]} == {"unknown"}
    found = [feature["wavelength_nm"] for feature in answer["spectra"][0]["features"]]
    assert all(min(abs(nm - at) for nm in found) < 1.0 for at in (437.0, 500.0))


def test_bad_input_is_one_line_and_exit_code_2(series, run, tmp_path):
    binary, empty, counts = tmp_path / "a.bin", tmp_path / "b.csv", tmp_path / "c.journal"
    binary.write_bytes(bytes(range(256)) * 40)
    empty.write_bytes(b"")
    store = RunStore(tmp_path / "data")
    recorder = Recorder(store.open_documents)
    for name, doc in documents_of_a_run(3):
        recorder(name, doc)
    recorder.close()
    (made_up,) = store.root.glob("*/documents.journal")
    damaged = bytearray((run / "documents.journal").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    counts.write_bytes(bytes(damaged))
    for arguments, says in (
        ([binary, "-m", "CdSe"], "is not a text file"),
        ([series, "-m", "CdSe", "--json", series], "is what the answer is made of; name another file"),
        ([series], "Missing option '--material'"),
    ):
        result = analyze(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("flowlab: ")
        assert says in line
    for path, material, plot, says in (
        (empty, "CdSe", None, "is empty"),
        (tmp_path / "none.csv", "CdSe", None, "there is no such file"),
        (tmp_path, "CdSe", None, "is a folder"),
        (series, "Unobtainium", None, "there is no such file; materials that are shipped: CdS"),
        (made_up, "CdSe", None, "holds no run with absorption spectra"),
        (counts, "CdSe", None, "is damaged"),
        (series, "CdSe", tmp_path, "is a folder"),
    ):
        with pytest.raises(BadInputError, match=says):
            command([path], material, None, plot)


def test_measured_series_show_a_moving_exciton_and_no_cluster(measured_spectra):
    paths = sorted(measured_spectra.glob("*.csv"))
    assert paths
    for path in paths:
        answer = answered(path)
        assert [t for t in answer["tracks"] if t["kind"] == "msc"] == []
        followed = kinds(answer)["nc"]
        assert len(followed) >= 0.9 * len(answer["spectra"])
