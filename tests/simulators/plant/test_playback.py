import numpy as np
import pytest

from flowlab.errors import BadInputError
from flowlab.storage.series import read_series
from simulators.plant.parts import PlugHistory
from simulators.plant.playback import Playback

WAVELENGTH = np.linspace(200, 800, 2068)


def plug(residence_s: float, feed=None) -> PlugHistory:
    feed = {"cadmium": 10.0} if feed is None else feed
    return PlugHistory(np.array([0.0, residence_s]), np.full(2, 25.0), feed, residence_s, 25.0, 25.0)


@pytest.fixture
def series(tmp_path):
    path = tmp_path / "series.csv"
    rows = [f"{w},{0.001 * w},{0.002 * w}" for w in range(600, 349, -1)]
    path.write_text("Wavelength (nm),20 s,2 min\r" + "\r".join([*rows, ",,", "instrument: x,y,z"]))
    return path


def test_the_column_nearest_in_time_is_shown(series):
    playback = Playback(series)
    inside = (WAVELENGTH > 351) & (WAVELENGTH < 599)
    for residence, factor in ((20.0, 0.001), (22.0, 0.001), (118.0, 0.002)):
        assert playback.absorbance(plug(residence), WAVELENGTH)[inside] == pytest.approx(factor * WAVELENGTH[inside])
    assert playback.truth(plug(21.0)) == {"playback": "series.csv", "column": "20 s"}


def test_no_light_passes_outside_the_measured_range_and_solvent_is_clear(series):
    playback = Playback(series)
    for seen in (playback.absorbance(plug(20.0), WAVELENGTH), playback.absorbance(plug(0.0, {}), WAVELENGTH)):
        assert np.isnan(seen[(WAVELENGTH < 349) | (WAVELENGTH > 601)]).all()
    assert (playback.absorbance(plug(0.0, {}), WAVELENGTH)[(WAVELENGTH > 351) & (WAVELENGTH < 599)] == 0).all()


def test_measured_files_are_read_whatever_their_line_ends_and_remarks(measured_spectra):
    shapes = {path.name: read_series(path).absorbance.shape for path in sorted(measured_spectra.glob("*.csv"))}
    assert shapes == {"run-1.csv": (14, 251), "run-2.csv": (16, 251), "run-5.csv": (18, 301), "run-7.csv": (18, 301)}
    assert read_series(measured_spectra / "run-5.csv").skipped_rows > 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no header"),
        ("Wavelength (nm)\n1\n", "has no header"),
        ("Wavelength (nm),14\n1,2\n", "'14' has no time in its header; allowed: 20 s, 5 min, 1 h"),
        ("Wavelength (nm),20 s,20 s\n", "two of its columns have the same time"),
        ("Wavelength (nm),20 s\n400,0.1\n401,x\n", "1 of its rows hold 2 numbers; at least 10 must"),
        ("Wavelength (nm),20 s\n" + "400,0.1\n" * 12, "a wavelength occurs twice"),
    ],
)
def test_a_file_that_is_no_series_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match="x.csv: ") as error:
        Playback(path)
    assert message in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        read_series(tmp_path / "missing.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadInputError, match="is not a text file"):
        read_series(tmp_path / "x.csv")
