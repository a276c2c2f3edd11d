"""The other experiments of Palencia 2020 on the whole simulated lab, and what their analysis says."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flowlab.daemon.replay import replay_run
from flowlab.daemon.session import Outcome, Session
from flowlab.grid import grid_of
from flowlab.report.load import RunData, load_run
from flowlab.report.words import answer
from tests.instruments import UV_VIS


def ignore(message: Any) -> None:
    pass


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Session]:
    with Session("simulated-flow", tmp_path, simulate=True, speed=25.0, seed=2) as session:
        yield session


def run(session: Session, plan: str, **parameters: Any) -> Outcome:
    outcome = session.run(plan, parameters, ignore)
    assert outcome.problems == []
    return outcome


def measured(found: RunData) -> list[tuple[float, float]]:
    return [(point["panel"], point["coordinate"]) for point in found.points]


def planned(found: RunData) -> list[Any]:
    """As pumps and heaters can do it, and read it back."""
    return [pytest.approx(place, rel=1e-3) for place in grid_of(found.start).places()]


@pytest.mark.timeout(300)
def test_the_precursors_mesophase_melts_by_100_c(lab):
    outcome = run(
        lab,
        "precursor_blank",
        temperatures_c=[25.0, 50.0, 100.0],
        streams=["cadmium"],
        residence_time_s=5.0,
        frames={"frames": 2, "background_frames": 3},
    )
    found = load_run(outcome.stored)
    assert measured(found) == planned(found)
    cold = found.points[0]
    assert cold["order"] == "lamellar"
    assert cold["bragg_q_per_nm"][:2] == pytest.approx([1.84, 3.69], abs=0.01)
    assert cold["d_spacing_nm"] == pytest.approx(3.41, abs=0.02)
    assert [melting["state"] for melting in found.melting] == ["present", "weaker", "gone"]
    assert "lamellae of 3.41 nm at 25, 50 °C, weaker at 50 °C, gone at 100 °C" in answer(found)


@pytest.mark.timeout(300)
def test_radii_at_1_5_s_follow_the_nucleation_temperature(lab):
    outcome = run(
        lab,
        "nucleation_scan",
        nucleation_c=[190.0, 210.0, 240.0],
        growth_c=230.0,
        residence_time_s=1.5,
        frames={"frames": 3, "background_frames": 10, "exposure_s": 4.0},
        steady={"flush_volumes": 1.2, "most_spectra": 2},
    )
    found = load_run(outcome.stored)
    radii = {point["coordinate"]: point["radius_nm"] for point in found.points}
    assert list(radii) == [190.0, 210.0, 240.0]
    assert measured(found) == planned(found)
    # Palencia 2020: 0.87 nm at 190, 0.94 from 200, a full shoulder at 1.02 at 240 °C.
    assert radii[190.0] == pytest.approx(0.87, abs=0.03)
    assert radii[210.0] == pytest.approx(0.94, abs=0.03)
    assert 0.97 < radii[240.0] < 1.02
    for point in found.points:
        assert point["radius_err_nm"] < 0.03
    # Each condition is compared with what absorption says there, or it is said why it cannot be.
    diameters = {row["coordinate"]: row["saxs_diameter_nm"] for row in found.joint}
    assert list(diameters) == [190.0, 210.0, 240.0]
    for temperature, diameter in diameters.items():
        assert diameter == pytest.approx(2 * radii[temperature], rel=0.05)
    assert all(row["why"] for row in found.joint)
    replayed = replay_run(outcome.stored, None, ignore)
    assert replayed.identical is True


@pytest.mark.timeout(300)
def test_clusters_have_the_same_diameter_by_x_rays_and_by_light(lab):
    outcome = run(
        lab,
        "nucleation_scan",
        nucleation_c=[260.0, 280.0, 300.0],
        growth_c=300.0,
        residence_time_s=7.6,
        frames={"frames": 2, "background_frames": 4, "exposure_s": 4.0},
    )
    found = load_run(outcome.stored)
    compared = [row for row in found.joint if row["particles"] == "CdSe-437"]
    assert [row["coordinate"] for row in compared] == [260.0, 280.0, 300.0]
    for row in compared:
        assert row["agreement"] == "agree", row["why"]
        assert row["absorption_diameter_nm"] == pytest.approx(1.855, abs=0.02)
        assert row["absorption_curve_err_nm"] == pytest.approx(0.1855, abs=0.002)
        assert 1.7 < row["saxs_diameter_nm"] < 2.3
    assert "SAXS and absorption agree on the size at 260, 280, 300 °C" in answer(found)


@pytest.mark.timeout(180)
def test_the_exciton_moves_to_the_red_with_residence_time_and_the_cluster_stays(tmp_path: Path):
    """Palencia 2020 at 280 °C: an exciton at 527 nm at 14 s, further to the blue before; CdSe-437 all the time."""
    with Session(UV_VIS, tmp_path, simulate=True, speed=200.0, seed=2) as session:
        outcome = run(
            session, "residence_time_scan", temperatures_c=[280.0], residence_times_s=[4.5, 6.5, 7.6, 9.0, 11.0, 14.0]
        )
    tracks = load_run(outcome.stored).tracks
    (cluster,) = [track for track in tracks if (track["family"], track["transition"]) == ("CdSe-437", "E1")]
    assert (cluster["kind"], len(cluster["wavelength_nm"])) == ("msc", 6)
    assert cluster["wavelength_nm"] == pytest.approx(437.0, abs=0.5)
    (exciton,) = [track for track in tracks if track["kind"] == "nc"]
    assert exciton["wavelength_nm"][-1] == pytest.approx(527.0, abs=4.0)
    assert all(after > before for before, after in pairwise(exciton["wavelength_nm"]))
    assert exciton["wavelength_nm"][-1] - exciton["wavelength_nm"][0] > 15.0
