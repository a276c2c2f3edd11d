"""What is shown is what the documents of journals hold, number by number."""

import math

import numpy as np
import pytest

from flowlab.live.frames import FrameReader
from flowlab.stream import Message, RunStore
from flowlab.watch.picture import Picture
from flowlab.watch.scattering import SeenFrame, reduced
from tests.emission_runs import POINTS as BANDS
from tests.emission_runs import emission_documents
from tests.flowlab.watch.histories import find_material, history, picture_of, rows, tell
from tests.joint_runs import joint_run
from tests.resumed_runs import scan_in_runs
from tests.saxs_runs import RADII, Liquid, series
from tests.support import PANELS, documents_of_a_run, documents_of_a_scan

SLOW, FAST = "reactor_nucleation_setpoint_c", "reactor_growth_setpoint_c"
#: Sections of one run, which do not depend on when it was heard of.
OF_A_RUN = (
    "run", "baseline", "axis", "spectrum", "points", "tracks", "window", "emission", "saxs", "saxs_points", "frame",
)  # fmt: skip


def same(one, other) -> bool:
    """Whether two sections are the same, nan and all."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return one == other


def near(value):
    """A number of a document, as it is shown of a point: to seven digits."""
    found = shown(value)
    return pytest.approx(found, rel=1e-6) if isinstance(found, float) else found


def shown(value):
    """A number of a document, as it is shown."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def float32(values):
    return np.asarray(values, np.float32)


def saw_what_it_said(sections: dict) -> None:
    """No nan outside of arrays."""
    if isinstance(sections, dict):
        sections = list(sections.values())
    if isinstance(sections, list):
        for section in sections:
            saw_what_it_said(section)
    elif not isinstance(sections, np.ndarray):
        assert shown(sections) == sections


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("scan"))
    return history(store, documents_of_a_scan(PANELS, clusters=(270.0,)))


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """Frames are shown only as long as they are there: the folder, too."""
    folder = tmp_path_factory.mktemp("joint")
    points = {(270.0, 230.0): Liquid((1.35,), (2.7,)), (310.0, 270.0): Liquid((1.46,), (3.0,))}
    return folder, history(RunStore(folder), joint_run(folder, PANELS, points, clusters=(270.0,)))


def test_points_are_what_the_analysis_says_of_spectra(scan):
    found = picture_of(scan).sections.get("points")
    results = rows(scan, "spectra")
    events = {m.doc["uid"]: m.doc for of, m in scan if not of and m.name == "event"}
    assert len(found) == len(results) == sum(map(len, PANELS.values()))
    for number, (point, data) in enumerate(zip(found, results, strict=True)):
        assert (point["index"], point["uid"]) == (number, data["spectrum_event"])
        for key in (
            "panel", "coordinate", "usable", "verdict", "exciton_nm", "exciton_err_nm", "diameter_nm",
            "diameter_fit_err_nm", "diameter_curve_err_nm", "cluster_height", "cluster_height_err",
        ):  # fmt: skip
            assert point[key] == near(data[key])
        assert point["why"] == (data["why"] or None)
        for name in ("wavelength_nm", "wavelength_err_nm", "fwhm_nm", "height", "height_err", "snr", "track"):
            assert [feature[name] for feature in point["features"]] == list(map(near, data[f"feature_{name}"]))
        measured = events[point["uid"]]["data"]
        assert (point["panel"], point["coordinate"]) == (near(measured[SLOW]), near(measured[FAST]))
    assert [point["panel"] for point in found] == [panel for panel, of in PANELS.items() for _ in of]


def test_tracks_are_in_the_end_what_the_analysis_says_then(scan):
    found = picture_of(scan).sections.get("tracks")
    final = rows(scan, "tracks")
    assert final
    for data in final:
        track = found[str(data["track"])]
        assert track.pop("final") is True
        for key in ("kind", "transition", "family", "why"):
            assert track[key] == (data[key] or None)
        assert track["probability"] == shown(data["probability"])
    assert all(set(point) <= set(found) for point in [{str(f["track"]) for f in p["features"]} for p in _points(scan)])


def _points(heard):
    return picture_of(heard).sections.get("points")


def test_tracks_are_told_as_the_scan_goes_on_and_are_not_final_then(scan):
    picture = Picture(find_material)
    for of_analysis, message in scan:
        if message.name == "stop":
            break
        tell(picture, [(of_analysis, message)])
        if of_analysis and message.name == "event" and "feature_kind" in message.doc["data"]:
            data = message.doc["data"]
            for number, kind in zip(data["feature_track"], data["feature_kind"], strict=True):
                track = picture.sections.get("tracks")[str(number)]
                assert (track["kind"], track["final"]) == (kind, False)


def test_the_window_is_what_the_analysis_says(scan):
    picture, told = Picture(find_material), []
    for heard in scan:
        tell(picture, [heard])
        window = picture.sections.get("window")
        if window is not None and (not told or window is not told[-1]):
            told.append(window)
    data = [*rows(scan, "window_so_far"), *rows(scan, "window")]
    assert len(data) == 2
    for window, row in zip(told, data, strict=True):
        for key in ("family", "why"):
            assert window[key] == row[key]
        for key in ("low", "high", "lower_edge", "lower_edge_err", "upper_edge", "upper_edge_err"):
            assert window[key] == shown(row[key])
        for key in ("found", "not_found", "undecided"):
            assert window[key] == list(row[key])
        assert window["panels_done"] == row.get("panels_done")
    assert [window["final"] for window in told] == [False, True]


def test_spectra_are_absorbance_by_dark_and_reference_as_the_definition_has_it(scan):
    picture, seen = Picture(find_material), []
    for heard in scan:
        tell(picture, [heard])
        spectrum = picture.sections.get("spectrum")
        if spectrum is not None and (not seen or spectrum is not seen[-1]):
            seen.append(spectrum)
    (dark,), (reference,) = (rows(scan, name, of_analysis=False) for name in ("dark", "reference"))
    measured = rows(scan, "primary", of_analysis=False)
    for number, (spectrum, data) in enumerate(zip(seen, measured, strict=True)):
        assert (spectrum["index"], spectrum["stream"], spectrum["why"]) == (number, "primary", None)
        assert (spectrum["panel"], spectrum["coordinate"]) == (data[SLOW], data[FAST])
        light, blank = (data["spec_counts"] - dark["spec_counts"], reference["spec_counts"] - dark["spec_counts"])
        known = np.isfinite(spectrum["absorbance"])
        assert known.mean() > 0.5
        expected = -np.log10(light[known] / blank[known])
        assert spectrum["absorbance"][known] == pytest.approx(expected, rel=1e-5, abs=1e-5)
        assert (spectrum["absorbance_err"][known] > 0).all()
        assert spectrum["absorbance"].dtype == np.float32
        value, err = picture.spectrum(spectrum["uid"])
        assert np.array_equal(value, spectrum["absorbance"], equal_nan=True)
        assert np.array_equal(err, spectrum["absorbance_err"], equal_nan=True)
        conditions = {one["key"]: (one["value"], one["unit"]) for one in spectrum["conditions"]}
        assert conditions[SLOW] == (data[SLOW], "°C")
    (axis,) = {
        m.doc["configuration"]["spec"]["data"]["spec_wavelength_nm"].tobytes()
        for of, m in scan
        if not of and m.name == "descriptor"
    }
    assert np.array_equal(picture.wavelength_nm(), float32(np.frombuffer(axis)))
    baseline = picture.sections.get("baseline")
    assert {name: told["saturated_pixels"] for name, told in baseline.items()} == {"dark": 0, "reference": 0}


def test_a_spectrum_before_dark_and_reference_has_no_absorbance_and_says_why(scan):
    picture = Picture(find_material)
    tell(picture, [(of, m) for of, m in scan if not (m.name == "event" and not of and SLOW not in m.doc["data"])])
    spectrum = picture.sections.get("spectrum")
    assert spectrum["absorbance"] is spectrum["absorbance_err"] is None
    assert spectrum["why"] == "there is no dark or no reference spectrum yet"
    assert picture.spectrum(spectrum["uid"]) is None


def test_emission_is_what_the_analysis_says(tmp_path):
    heard = history(RunStore(tmp_path), emission_documents())
    picture, seen = Picture(find_material), []
    for one in heard:
        tell(picture, [one])
        if picture.sections.get("emission") is not None and (
            not seen or picture.sections.get("emission") is not seen[-1]
        ):
            seen.append(picture.sections.get("emission"))
    results = rows(heard, "emission")
    assert len(results) == len(BANDS)
    for number, (found, data) in enumerate(zip(seen, results, strict=True)):
        assert found["index"] == number
        assert (found["panel"], found["coordinate"]) == (shown(data["panel"]), shown(data["coordinate"]))
        for key in ("wavelength_nm", "counts", "counts_err"):
            assert np.array_equal(found[key], float32(data[key]), equal_nan=True)
        assert (found["usable"], found["why"], found["emission"]) == (
            data["usable"],
            data["why"] or None,
            data["emission"],
        )
        assert found["mask_nm"] == list(data["mask_nm"]) == [385.0, 425.0]
        assert found["band"] == {name: shown(data[f"band_{name}"]) for name in found["band"]}
        assert found["band"].keys() >= {"wavelength_nm", "wavelength_err_nm", "fwhm_nm", "fwhm_err_nm", "height", "snr"}
    assert picture.sections.get("run")["kinds"] == ["luminescence"]


def test_emission_of_which_nothing_can_be_made_has_no_mask(tmp_path):
    emission = picture_of(history(RunStore(tmp_path), emission_documents(dark=False))).sections.get("emission")
    assert (emission["mask_nm"], emission["why"]) == (None, "no dark spectrum was taken before it")


def test_saxs_is_what_the_analysis_says(tmp_path):
    store = RunStore(tmp_path)
    heard = history(store, series(store.frames, RADII))
    picture = picture_of(heard)
    results = rows(heard, "saxs_points")
    assert len(results) == len(RADII)
    for number, data in enumerate(results):
        curve, point = picture.saxs_point(number), picture.sections.get("saxs_points")[number]
        for key in ("q_per_nm", "intensity", "intensity_err", "smooth", "smooth_low", "smooth_high", "distribution"):
            assert np.array_equal(curve[key], float32(data[key]), equal_nan=True)
        assert np.array_equal(curve["edges_nm"], float32(data["distribution_edges_nm"]), equal_nan=True)
        for key in ("point", "panel", "coordinate", "usable", "finding"):
            assert curve[key] == point[key] == shown(data[key])
        sizes = curve["sizes"]
        assert (sizes["kind"], sizes["why"]) == (data["sizes"], data["sizes_why"] or None)
        assert sizes["width"] == shown(data["radius_width"])
        for key in ("radius_nm", "radius_err_nm"):
            assert sizes[key] == point[key] == shown(data[key])
        assert sizes["delta_bic"] == shown(data["delta_bic"])
        for name in ("q_per_nm", "q_err_per_nm", "fwhm_per_nm", "height", "height_err"):
            assert [peak[name] for peak in curve["bragg"]] == list(map(shown, data[f"bragg_{name}"]))
        assert (point["optical_diameter_nm"], point["optical_why"]) == (None, "no spectrum of the same plug")
        assert curve["unit"] == data["unit"]
    assert same(picture.sections.get("saxs"), picture.saxs_point(len(RADII) - 1))
    assert picture.saxs_point(len(RADII)) is None


def test_beside_a_diameter_by_x_rays_stands_that_of_the_same_plug_by_absorption(joint):
    _, heard = joint
    picture = picture_of(heard)
    spectra = {data["spectrum_event"]: data for data in rows(heard, "spectra")}
    points = picture.sections.get("saxs_points")
    assert len(points) == 2
    for point, data in zip(points, rows(heard, "saxs_points"), strict=True):
        of_plug = spectra[data["spectrum_event"]]
        assert point["optical_diameter_nm"] == near(of_plug["diameter_nm"])
        assert point["optical_diameter_err_nm"] == near(of_plug["diameter_fit_err_nm"])
        assert (point["optical_why"] is None) == (point["optical_diameter_nm"] is not None)


def test_it_is_told_once_it_is_known_whichever_of_both_is_analysed_first(joint):
    _, heard = joint
    spectra = {m.doc["uid"] for of, m in heard if of and m.name == "descriptor" and m.doc["name"] == "spectra"}
    late = [(of, m) for of, m in heard if of and m.name == "event" and m.doc["descriptor"] in spectra]
    picture = Picture(find_material)
    tell(picture, [one for one in heard if not any(one[1] is m for _, m in late)])
    for point in picture.sections.get("saxs_points"):
        assert (point["optical_diameter_nm"], point["optical_why"]) == (None, "its spectrum is not analysed yet")
    picture.sections.take_changes()
    tell(picture, late)
    expected = picture_of(heard).sections.get("saxs_points")
    assert any(point["optical_diameter_nm"] is not None for point in expected)
    assert same(picture.sections.get("saxs_points"), expected)
    assert picture.sections.take_changes()["saxs_points"] == {"from": 0, "items": expected}


def test_the_newest_frame_is_shown(joint):
    folder, heard = joint
    picture = picture_of(heard)
    with FrameReader(RunStore(folder).frames, within_s=0.0) as reader:
        wanted = picture.wanted_frame()
        assert picture.show_frame(SeenFrame(wanted, *reduced(reader(wanted.reference)), None))
        frame = picture.sections.get("frame")
        data = [(m.doc, of) for of, m in heard if m.name == "stream_datum" and not of]
        resources = {m.doc["uid"]: m.doc for _, m in heard if m.name == "stream_resource"}
        newest = data[-1][0]
        reference = wanted.reference
        assert reference.file.uri == resources[newest["stream_resource"]]["uri"]
        assert reference.index == newest["indices"]["stop"] - 1
        pixels, most = reduced(reader(reference))
    assert (frame["height"], frame["width"]) == pixels.shape
    assert np.array_equal(frame["pixels"], pixels.ravel())
    assert (frame["counts_at_255"], frame["stream"], frame["why"]) == (most, "saxs", None)


def test_of_an_event_of_several_images_the_last_is_shown(tmp_path):
    store = RunStore(tmp_path)
    heard = history(store, series(store.frames, {190.0: RADII[190.0]}))
    for _, message in heard:
        if message.name == "descriptor" and "camera_image" in message.doc["data_keys"]:
            message.doc["data_keys"]["camera_image"]["shape"][0] = 4
    assert picture_of(heard).wanted_frame().reference.index == 3 * 4 - 1


def test_a_frame_that_cannot_be_read_says_why(joint):
    picture = picture_of(joint[1])
    assert picture.show_frame(SeenFrame(picture.wanted_frame(), None, None, "it is not there"))
    frame = picture.sections.get("frame")
    assert (frame["why"], frame["pixels"], frame["counts_at_255"]) == ("it is not there", None, None)


def test_a_frame_of_the_run_before_is_not_shown(joint, scan):
    picture = picture_of(joint[1])
    wanted = picture.wanted_frame()
    tell(picture, scan[:1])
    assert picture.wanted_frame() is None
    assert not picture.show_frame(SeenFrame(wanted, None, None, "it is not there"))
    assert picture.sections.get("frame") is None


@pytest.mark.parametrize("share", [0.1, 0.37, 0.5, 0.93])
def test_a_picture_replayed_to_the_middle_and_one_joined_late_are_the_same(joint, share):
    """Raw documents first, then results, as they come to who joins; looked at on the way, or not."""
    _, heard = joint
    middle = heard[: round(share * len(heard))]
    live, late = Picture(find_material), Picture(find_material)
    for one in middle:
        tell(live, [one])
        live.sections.take_changes()
    tell(late, [(of, message) for of, message in middle if not of])
    tell(late, [(of, message) for of, message in middle if of])
    for pictures in ((live, late),):
        for name in OF_A_RUN:
            assert same(*(picture.sections.get(name) for picture in pictures)), name
    tell(live, heard[len(middle) :])
    tell(late, heard[len(middle) :])
    whole = picture_of(heard)
    for name in OF_A_RUN:
        assert same(live.sections.get(name), whole.sections.get(name)), name
        assert same(late.sections.get(name), whole.sections.get(name)), name


def test_what_is_not_known_is_null_wherever_it_stands(joint, scan, tmp_path):
    for heard in (joint[1], scan, history(RunStore(tmp_path), emission_documents(dark=False))):
        saw_what_it_said(picture_of(heard).sections.all())


@pytest.mark.parametrize("interrupted_behind", [(3,), (2, 7)])
def test_a_run_that_goes_on_shows_the_points_of_all(tmp_path, interrupted_behind):
    store = RunStore(tmp_path)
    runs = [history(store, run) for run in scan_in_runs(PANELS, interrupted_behind, clusters=(270.0,))]
    picture = Picture(find_material)
    tell(picture, [heard for heard in runs[-1] if not heard[0]])
    wanted = 0
    while len(picture.runs_before()) > wanted:  # they are fetched once they are known
        uid = picture.runs_before()[wanted]
        wanted += 1
        tell(picture, [(of, m) for run in runs for of, m in run if not of and m.run_uid == uid])
    assert wanted == len(runs) - 1
    tell(picture, [heard for heard in runs[-1] if heard[0]])
    whole = picture_of(history(RunStore(tmp_path / "whole"), documents_of_a_scan(PANELS, clusters=(270.0,))))
    points, expected = (p.sections.get("points") for p in (picture, whole))
    assert len(points) == len(expected)
    for one, other in zip(points, expected, strict=True):
        assert same({**one, "uid": "", "time": 0}, {**other, "uid": "", "time": 0})
        (value, _), (other_value, _) = picture.spectrum(one["uid"]), whole.spectrum(other["uid"])
        assert np.array_equal(value, other_value, equal_nan=True)
    assert picture.sections.get("spectrum")["index"] == points[-1]["index"] == len(points) - 1
    run = picture.sections.get("run")
    assert (run["points_done"], run["points_total"]) == (len(points), len(points))
    assert same(picture.sections.get("window"), whole.sections.get("window"))


def test_a_point_that_was_begun_anew_after_a_pause_is_one_point(tmp_path):
    """Its newer spectrum has the number of the one that it replaces."""
    name, *others = documents_of_a_scan(PANELS, clusters=(270.0,))
    spectra = [at for at, (kind, doc) in enumerate(others) if kind == "event" and SLOW in doc["data"]]
    third = others[spectra[2]][1]
    others.insert(spectra[2] + 1, ("event", {**third, "uid": "anew"}))
    points = picture_of(history(RunStore(tmp_path), [name, *others])).sections.get("points")
    assert [point["index"] for point in points] == list(range(len(spectra)))
    assert points[2]["uid"] == "anew"


def test_a_run_that_only_moves_liquids_is_told_and_the_other_stays(scan):
    picture = picture_of(scan)
    before = {name: picture.sections.get(name) for name in OF_A_RUN}
    documents = list(documents_of_a_run(3))
    for position, (name, doc) in enumerate(documents):
        picture.take_document(Message(documents[0][1]["uid"], position, name, doc))
    assert all(picture.sections.get(name) is value for name, value in before.items())
    assert [line["text"].partition(";")[0] for line in picture.sections.get("log")[-2:]] == [
        "made_up begins",
        "made_up ended well",
    ]


def test_the_next_run_begins_with_nothing_of_the_last(scan, tmp_path):
    picture = picture_of(scan)
    heard = history(RunStore(tmp_path), emission_documents())
    tell(picture, heard[:1])
    empty = picture_of(heard[:1])
    for name in OF_A_RUN:
        assert same(picture.sections.get(name), empty.sections.get(name)), name
    changes = picture.sections.take_changes()
    assert changes["points"] == {"from": 0, "items": []}


def test_results_of_another_run_are_not_shown(scan, tmp_path):
    other = history(RunStore(tmp_path), documents_of_a_scan({270.0: PANELS[270.0]}, seed=7))
    picture = Picture(find_material)
    tell(picture, [heard for heard in scan if not heard[0]])
    tell(picture, [heard for heard in other if heard[0]])
    assert picture.sections.get("points") == []


def test_where_there_is_no_daemon_documents_tell_how_things_stand(scan):
    picture = Picture(find_material)
    assert picture.status_of_documents()["state"] == "idle"
    tell(picture, scan[: len(scan) // 2])
    status = picture.status_of_documents()
    assert (status["state"], status["instrument"], status["running"]["of"]) == ("running", "made-up", 10)
    tell(picture, scan[len(scan) // 2 :])
    assert picture.status_of_documents()["state"] == "idle"
