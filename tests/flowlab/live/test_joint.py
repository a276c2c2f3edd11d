import copy

import event_model
import numpy as np
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.stream import pack
from tests.joint_runs import joint_run
from tests.saxs_runs import SOLVENT, Liquid
from tests.support import PANELS

#: Diameters by Yu 2003 of 545 nm, the last exciton of the panel at 310 °C, and of CdSe-437.
LAST, CLUSTER = 2.915, 1.855


def spheres(*diameters_nm: float, mmol_l: float = 3.0) -> Liquid:
    return Liquid(tuple(d / 2 for d in diameters_nm), (mmol_l,) * len(diameters_nm))


POINTS = {
    (270.0, 230.0): spheres(CLUSTER, 2.7),
    (310.0, 290.0): SOLVENT,
    (310.0, 270.0): spheres(LAST),
    (310.0, 280.0): spheres(1.4),
}


def analyse(documents, folder):
    with FrameReader(folder, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader)
        return [result for name, doc in documents for result in analyzer.take(name, doc)]


def rows(results, stream):
    names = {doc["uid"]: doc["name"] for name, doc in results if name == "descriptor"}
    return [doc["data"] for name, doc in results if name == "event" and names[doc["descriptor"]] == stream]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("joint")


@pytest.fixture(scope="module")
def documents(folder):
    return list(joint_run(folder, PANELS, POINTS, clusters=(270.0,)))


@pytest.fixture(scope="module")
def results(folder, documents):
    return analyse(documents, folder)


def at(results, panel, coordinate):
    return [row for row in rows(results, "joint") if (row["panel"], row["coordinate"]) == (panel, coordinate)]


def test_comparisons_are_valid_documents_told_at_the_end_of_the_run(results):
    validate = event_model.schema_validators
    for name, doc in results:
        validate[event_model.DocumentNames[name]].validate(doc)
    assert results[-1][0] == "stop"
    assert results[-1][1]["num_events"]["joint"] == len(rows(results, "joint")) >= 4
    assert len(rows(results, "joint_ratio")) == 1


def test_spheres_of_the_excitons_size_agree_and_smaller_ones_do_not(results):
    (same,) = at(results, 310.0, 270.0)
    assert (same["agreement"], same["particles"]) == ("agree", "exciton")
    assert same["saxs_diameter_nm"] == pytest.approx(LAST, rel=0.02)
    assert same["absorption_diameter_nm"] == pytest.approx(LAST, rel=0.02)
    assert same["absorption_curve_err_nm"] == pytest.approx(0.1 * same["absorption_diameter_nm"])
    assert 0 < same["absorption_fit_err_nm"] < 0.05
    (other,) = at(results, 310.0, 280.0)
    assert other["agreement"] == "differ"
    assert other["difference_nm"] < -1.2
    assert "SAXS is smaller" in other["why"]


def test_a_cluster_and_crystals_are_each_compared_by_their_own_diameter(results):
    found = {row["particles"]: row for row in at(results, 270.0, 230.0)}
    assert set(found) == {"CdSe-437", "exciton"}
    assert found["CdSe-437"]["absorption_diameter_nm"] == pytest.approx(CLUSTER, abs=0.02)
    assert found["exciton"]["absorption_diameter_nm"] > 2.5


def test_without_particles_to_be_seen_by_x_rays_nothing_is_decided(results):
    (found,) = at(results, 310.0, 290.0)
    assert found["agreement"] == "unknown"
    assert np.isnan(found["saxs_diameter_nm"])
    assert np.isnan(found["difference_nm"])
    assert found["why"].startswith("no diameter by SAXS: nothing that scatters as spheres do")


def test_the_condition_that_stands_out_of_the_others_is_named(results):
    (ratio,) = rows(results, "joint_ratio")
    assert (ratio["known"], ratio["common"], ratio["conditions"]) == (True, False, 4)
    assert (ratio["lowest_at"], ratio["lowest"]) == (280.0, pytest.approx(1.4 / 3.0, abs=0.03))


def test_the_same_documents_give_the_same_bytes(documents, folder, results):
    again = analyse(copy.deepcopy(documents), folder)
    assert [pack(list(r)) for r in again] == [pack(list(r)) for r in results]


def test_spectra_of_unknown_plugs_are_not_compared_and_that_is_said(tmp_path):
    point = {(310.0, 270.0): spheres(LAST)}
    results = analyse(list(joint_run(tmp_path, {310.0: PANELS[310.0]}, point, plugs=False)), tmp_path)
    (found,) = rows(results, "joint")
    assert found["agreement"] == "unknown"
    assert "whose plug is known" in found["why"]
    assert found["saxs_diameter_nm"] == pytest.approx(LAST, rel=0.02)


def test_a_run_of_spectra_alone_is_not_compared(tmp_path):
    results = analyse(list(joint_run(tmp_path, {310.0: PANELS[310.0]}, {})), tmp_path)
    assert rows(results, "joint") == []
