import copy
import re

import event_model
import h5py
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.stream import pack
from simulators.plant.standards import kapton, transmission
from tests.saxs_runs import (
    AXES,
    DATASET,
    MELTING,
    RADII,
    SAXS,
    SOLVENT,
    Beamline,
    Liquid,
    calibration,
    metadata,
    series,
)
from tests.support import PANELS, documents_of_a_scan


def analyse(documents, folder):
    with FrameReader(folder, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader)
        return [result for name, doc in documents for result in analyzer.take(name, doc)]


def events(results, key):
    return [doc["data"] for name, doc in results if name == "event" and key in doc["data"]]


def curves(results):
    return events(results, "frame_event")


def points(results):
    return events(results, "finding")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("radii")


@pytest.fixture(scope="module")
def documents(folder):
    return list(series(folder, RADII))


@pytest.fixture(scope="module")
def results(folder, documents):
    return analyse(documents, folder)


def test_results_are_valid_documents(results):
    for name, doc in results:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(event_model.sanitize_doc(doc))
    assert results[-1][1]["exit_status"] == "success"
    described = {doc["uid"]: doc["data_keys"].keys() for name, doc in results if name == "descriptor"}
    assert all(doc["data"].keys() == described[doc["descriptor"]] for name, doc in results if name == "event")


def test_there_is_a_curve_for_each_frame_and_it_comes_with_it(folder, documents):
    with FrameReader(folder, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader)
        for name, doc in documents:
            found = curves(analyzer.take(name, doc))
            assert [curve["frame_event"] for curve in found] == ([doc["uid"]] if name == "event" else [])


def test_curves_of_the_sample_are_reduced_and_the_others_are_counts(results):
    for curve in curves(results):
        assert curve["usable"], curve["why"]
        assert curve["unit"] == ("a.u./mm" if curve["stream"] == "saxs" else "counts/s")
        assert curve["q_per_nm"].shape == curve["intensity"].shape == curve["intensity_err"].shape == (500,)
    sample = [curve for curve in curves(results) if curve["stream"] == "saxs"]
    assert [curve["transmission"] for curve in sample] == pytest.approx([np.exp(-0.095)] * 9, rel=5e-3)
    assert [curve["coordinate"] for curve in sample] == [t for t in RADII for _ in range(3)]


def test_radii_are_those_of_the_spheres_and_told_at_the_last_frame_of_each_point(documents, results):
    found = points(results)
    assert [point["coordinate"] for point in found] == list(RADII)
    for point, liquid in zip(found, RADII.values(), strict=True):
        assert point["radius_nm"] == pytest.approx(liquid.radii_nm[0], abs=0.003)
        assert point["frames_used"].tolist() == [0, 1, 2]
        assert point["sizes"] in ("narrow", "unknown")
        assert point["plug_nucleation_c"] == point["coordinate"]
    times = [doc["time"] for name, doc in results if name == "event" and "finding" in doc["data"]]
    taken = [doc["time"] for name, doc in documents if name == "event" and AXES[0] in doc["data"]]
    assert times == taken[2::3]


def test_the_same_documents_give_the_same_bytes(folder, documents, results):
    assert [pack(list(r)) for r in analyse(copy.deepcopy(documents), folder)] == [pack(list(r)) for r in results]


def test_references_that_come_after_their_events_give_the_same_results(tmp_path):
    early = analyse(list(series(tmp_path / "early", {190.0: RADII[190.0]})), tmp_path)
    late = analyse(list(series(tmp_path / "late", {190.0: RADII[190.0]}, late=True)), tmp_path)
    for one, other in zip(points(early) + curves(early), points(late) + curves(late), strict=True):
        assert np.array_equal(one["intensity"], other["intensity"])
    assert points(early)[0]["radius_nm"] == points(late)[0]["radius_nm"]


def test_without_a_number_of_frames_a_file_is_a_point(tmp_path):
    found = points(
        analyse(list(series(tmp_path, {190.0: SOLVENT, 200.0: SOLVENT}, count=2, per_point=False)), tmp_path)
    )
    assert [(point["coordinate"], point["frames"]) for point in found] == [(190.0, 2), (200.0, 2)]


def test_melting_is_followed_over_temperature(tmp_path):
    results = analyse(list(series(tmp_path, MELTING)), tmp_path)
    assert [(m["temperature_c"], m["state"]) for m in events(results, "state")] == [
        (25.0, "present"), (50.0, "weaker"), (100.0, "gone"),
    ]  # fmt: skip
    first, second, last = points(results)
    assert (first["order"], last["order"]) == ("lamellar", "none")
    assert first["d_spacing_nm"] == pytest.approx(3.41, abs=0.01)
    assert first["bragg_q_per_nm"] == pytest.approx([1.843, 3.685], abs=0.003)
    assert second["bragg_height"][0] == pytest.approx(first["bragg_height"][0] / 2, rel=0.02)


def test_a_frame_with_a_bubble_is_left_out_and_said_so(tmp_path):
    (point,) = points(analyse(list(series(tmp_path, {200.0: RADII[200.0]}, count=4, bubbles=[1])), tmp_path))
    assert point["frames_used"].tolist() == [0, 2, 3]
    assert point["left_out"] == "frame 2: differs from the others"
    assert point["radius_nm"] == pytest.approx(0.94, abs=0.003)


def test_two_frames_that_do_not_agree_give_no_point(tmp_path):
    (point,) = points(analyse(list(series(tmp_path, {200.0: RADII[200.0]}, count=2, bubbles=[1])), tmp_path))
    assert not point["usable"]
    assert "do not agree" in point["why"]


def without_beam(folder):
    beamline = Beamline(folder, metadata("saxs", "nucleation_scan", AXES, SAXS, frames_per_point=2))
    readings = {AXES[0]: 230.0, AXES[1]: 200.0}
    yield "start", beamline.run.start_doc
    yield from beamline.frames("saxs_open", SOLVENT, 2, sample="empty")
    yield from beamline.frames("saxs_background", SOLVENT, 2)
    yield from beamline.frames("saxs", RADII[200.0], 2, readings=readings, beam=False)
    yield "stop", beamline.run.compose_stop()


def test_frames_without_beam_are_not_reduced(tmp_path):
    results = analyse(list(without_beam(tmp_path)), tmp_path)
    assert "no beam" in points(results)[0]["why"]
    assert not any(curve["usable"] for curve in curves(results) if curve["stream"] == "saxs")


@pytest.mark.parametrize(
    ("saxs", "words"),
    [
        (None, r"no \[saxs\] table: frames are kept, but not reduced"),
        ({**SAXS, "poni": {**SAXS["poni"], "detector": "/etc/passwd"}}, "pyFAI knows no detector"),
        ({**SAXS, "bins": 3}, "saxs.bins = 3"),
        ({**SAXS, "poni": {**SAXS["poni"], "detector": "Eiger2_1M"}}, "integers, not"),
        ({**SAXS, "q_low_per_nm": 50.0, "q_high_per_nm": 60.0}, "no unmasked pixel"),
    ],
)
def test_where_frames_cannot_be_reduced_every_result_says_why(tmp_path, saxs, words):
    results = analyse(list(series(tmp_path, {190.0: SOLVENT}, saxs=saxs, count=1)), tmp_path)
    assert results[-1][1]["exit_status"] == "success"
    (point,) = points(results)
    assert not point["usable"]
    for result in [point, *curves(results)]:
        assert re.search(words, result["why"])


def test_a_scale_gives_cross_sections_in_per_cm(tmp_path):
    """The factor is worked out by hand, from what the plant's ion chamber and pixels are."""
    photons_per_a = 1 / (0.012 * 12.4e3 / 34.8 * 1.602176634e-19)
    pixel_sr = (0.172 / 1100.0) ** 2
    # The open beam has passed the empty cell's walls: with it as reference, their transmission is missing.
    walls = transmission([kapton(0.1, np.array([1.0]))])
    factor = 10.0 / (photons_per_a * pixel_sr * 0.74 * walls)  # 10 mm per cm; 0.74 of the photons are counted
    saxs = {**SAXS, "scale": {"value": factor, "err": 0.01 * factor}}
    liquid = Liquid((1.0,), (3.0,))
    (point,) = points(analyse(list(series(tmp_path, {190.0: liquid}, saxs=saxs)), tmp_path))
    assert point["unit"] == "cm⁻¹"
    assert point["scale_relative_err"] == pytest.approx(0.01)
    expected = liquid.cross_section_per_cm(None, point["q_per_nm"]) - 0.0187
    ratio = np.nanmedian(point["intensity"][:300] / expected[:300])
    assert ratio == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("spoil", ["missing", "cut", "text", "torn"])
def test_a_file_that_is_not_as_it_should_be_spoils_its_own_frames_only(tmp_path, spoil):
    documents = list(series(tmp_path, {190.0: RADII[190.0], 200.0: RADII[200.0]}))
    path = sorted((tmp_path / "frames").glob("*.h5"))[3]
    match spoil:
        case "missing":
            path.unlink()
        case "cut":
            path.write_bytes(path.read_bytes()[:1000])
        case "text":
            path.write_text("no frames")
        case _:
            with h5py.File(path, "r+") as file:
                file[DATASET].resize(2, 0)
    results = analyse(documents, tmp_path)
    assert results[-1][1]["exit_status"] == "success"
    first, second = points(results)
    assert second["usable"]
    if spoil == "torn":
        assert first["frames_used"].tolist() == [0, 1]
        assert first["left_out"].startswith("frame 3: ")
        assert "frame 2 is not there" in first["left_out"]
    else:
        assert not first["usable"]
        assert path.name in first["why"]


def test_an_event_of_which_no_document_tells_the_frame_says_so(tmp_path):
    documents = [d for d in series(tmp_path, {190.0: SOLVENT}, count=1) if d[0] != "stream_datum"]
    results = analyse(documents, tmp_path)
    assert {curve["why"] for curve in curves(results)} == {"no document told where its frame is"}
    assert points(results)[0]["why"] == "no document told where its frame is"


def test_a_reference_that_makes_no_sense_ends_the_analysis_with_the_reason(tmp_path):
    documents = copy.deepcopy(list(series(tmp_path, {190.0: SOLVENT}, count=1)))
    datum = next(doc for name, doc in documents if name == "stream_datum")
    datum["indices"] = {"start": 0, "stop": 10**12}
    results = analyse(documents, tmp_path)
    assert results[-1][1]["exit_status"] == "fail"
    assert "stream_datum" in results[-1][1]["reason"]


def test_spectra_and_frames_of_one_run_are_both_analysed_and_paired_by_plug(tmp_path):
    spectra = list(documents_of_a_scan(PANELS))
    keys = spectra[0][1]["analysis"]
    about = metadata("absorbance", "nucleation_scan", keys["axes"], SAXS, frames_per_point=1)
    about["analysis"] = {**keys, **about["analysis"]}
    beamline = Beamline(tmp_path, about)
    uid = beamline.run.start_doc["uid"]
    documents = [("start", beamline.run.start_doc), *beamline.frames("saxs_open", SOLVENT, 1, sample="empty")]
    documents += beamline.frames("saxs_background", SOLVENT, 1)
    for number, (name, doc) in enumerate(spectra[1:-1]):
        more = {"run_start": uid} if name == "descriptor" else {}
        if name == "event" and "reactor_growth_setpoint_c" in doc["data"]:
            more = {"data": {**doc["data"], "reactor_optical_plug_entered_ml": 0.01 * number}}
        documents.append((name, {**doc, **more}))
    places = {"reactor_nucleation_setpoint_c": 310.0, "reactor_growth_setpoint_c": 290.0}
    frames = list(beamline.frames("saxs", RADII[200.0], 1, readings=places))
    results = analyse([*documents, *frames, ("stop", beamline.run.compose_stop())], tmp_path)
    assert results[-1][1]["num_events"]["spectra"] == 10
    assert events(results, "not_found")
    (point,) = points(results)
    assert point["spectrum"] == 7  # of 310 and 290 °C
    assert point["spectrum_event"] == events(results, "spectrum_event")[7]["spectrum_event"]
    assert np.isfinite(point["spectrum_apart_ml"])


def test_a_calibration_gives_the_place_of_the_detector(tmp_path):
    off = {**SAXS, "poni": {**SAXS["poni"], "distance_m": 1.14, "poni1_m": 0.0165}}
    (found,) = events(analyse(list(calibration(tmp_path, off)), tmp_path), "poni")
    assert found["usable"], found["why"]
    for name in ("distance_m", "poni1_m", "poni2_m"):
        assert abs(found[name] - SAXS["poni"][name]) < 5 * found[name.replace("_m", "_err_m")] + 5e-6
    assert found["rings"].tolist() == [1, 2, 3, 4, 5]
    assert f"Distance: {found['distance_m']!r}" in found["poni"]


@pytest.mark.parametrize(
    ("saxs", "sample", "words"), [(None, "silver_behenate", "first guess"), (SAXS, "water", "no ring|too few")]
)
def test_a_calibration_that_cannot_be_says_why(tmp_path, saxs, sample, words):
    (found,) = events(analyse(list(calibration(tmp_path, saxs, sample)), tmp_path), "poni")
    assert not found["usable"]
    assert found["poni"] == ""
    assert re.search(words, found["why"])
