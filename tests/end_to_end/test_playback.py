"""``flowlab demo --playback``: spectra from a file, measured ones and made-up ones, through wires and analysis."""

import json
from pathlib import Path

import numpy as np
import pytest

from flowlab.stream import read_journal
from tests.end_to_end.test_demo import flowlab_demo
from tests.flowlab.analysis.spectra import crystal

pytestmark = pytest.mark.timeout(300)

#: Where instruments take long to answer, on a busy machine, reagents flow on: faster, a syringe would be empty.
SPEED = 400


@pytest.mark.parametrize("run", [2, 5])  # of either axis; the others are analysed from their files
def test_a_measured_series_played_back_gives_an_exciton_that_is_followed_and_no_cluster(
    measured_spectra, tmp_path, run
):
    _play_back(measured_spectra / f"run-{run}.csv", tmp_path)


def test_a_made_up_series_played_back_gives_its_exciton_where_it_was_put(tmp_path):
    excitons_nm = [500.0 + 4.0 * k for k in range(10)]
    wavelength_nm = np.arange(350.0, 651.0, 2.0)
    columns = [crystal(exciton_nm, 0.1, wavelength_nm) for exciton_nm in excitons_nm]
    rows = [",".join(f"{value:.5f}" for value in row) for row in zip(wavelength_nm, *columns, strict=True)]
    path = tmp_path / "series.csv"
    path.write_text("\n".join(["nm," + ",".join(f"{20 + 10 * k} s" for k in range(10)), *rows]))
    exciton = _play_back(path, tmp_path)
    assert exciton["wavelength_nm"] == pytest.approx(excitons_nm[exciton["spectrum"][0] :], abs=3.0)


def _play_back(path: Path, out: Path) -> dict:
    """The one track of an exciton that a demo finds in a file; there is no cluster."""
    result = flowlab_demo("--out", out, "--speed", SPEED, "--playback", path)
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["window_c"] is None
    messages = list(read_journal(Path(facts["journal"]).with_name("results.journal")))
    events = [m.doc["data"] for m in messages if m.name == "event"]
    tracks = [e for e in events if "kind" in e]
    assert not [t for t in tracks if t["kind"] == "msc"]
    (exciton,) = [t for t in tracks if t["kind"] == "nc" and t["transition"] == "E1"]
    # From the first spectrum in which it is seen, it is seen in nine of ten.
    assert len(exciton["spectrum"]) >= 0.9 * (facts["points"] - exciton["spectrum"][0])
    assert exciton["spectrum"][0] <= 2
    assert 15.0 < exciton["wavelength_nm"][-1] - exciton["wavelength_nm"][0] < 80.0
    assert np.median(np.diff(exciton["wavelength_nm"])) > 0.5, "growth moves it to the red"
    return exciton
