import numpy as np
import pytest

from flowlab.errors import BadInputError
from flowlab.storage.series import read_series
from simulators.plant.parts import PlugHistory
from simulators.plant.playback import Playback

WAVELENGTH = np.linspace(200, 800, 2068)
ROWS = "".join(f"{400 + i},0.{i + 1}\n" for i in range(12))
ROWS_OF_HALVES = "".join(f"{400 + i},{0.1 if i < 11 else ''},{0.2 if i > 8 else ''}\n" for i in range(20))
ROWS_OF_TWO = "".join(f"{400 + i},0.{i + 1},0.{i + 2}\n" for i in range(12))


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
    for path in measured_spectra.glob("*.csv"):
        found = read_series(path)
        assert np.isfinite(found.absorbance).all()
        assert np.diff(found.wavelength_nm) == pytest.approx(1.0, abs=0.05)
        assert np.all(np.diff(found.time_s) > 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("Wavelength (nm)\n1\n", "holds no table of numbers with a wavelength and at least one value in each row"),
        ("Wavelength (nm),14\n" + ROWS, "'14' has no time in its header; allowed: 20 s, 5 min, 1 h"),
        ("Wavelength (nm),20 s,late\n" + ROWS_OF_TWO, "'late' has no time in its header"),
        ("Wavelength (nm),20 °C,30 °C\n" + ROWS_OF_TWO, "'20 °C' has no time in its header"),
        ("Wavelength (nm),20 s,20 s\n" + ROWS_OF_TWO, "two of its columns have the same time"),
        ("Wavelength (nm),60 s,1 min\n" + ROWS_OF_TWO, "two of its columns have the same time"),
        ("Wavelength (nm),20 s\n400,0.1\n401,x\n", "1 of its rows hold 2 numbers; at least 10 must"),
        ("Wavelength (nm),20 s\n" + "400,0.1\n" * 12, "holds 1 wavelengths between 100 and 5000 nm; 10 are needed"),
        (
            "Wavelength (nm),20 s,40 s\n" + ROWS_OF_HALVES,
            "at 2 wavelengths each of its spectra has a value; 10 are needed",
        ),
    ],
)
def test_a_file_that_is_no_series_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match="x.csv: ") as error:
        Playback(path)
    assert message in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="there is no such file"):
        read_series(tmp_path / "missing.csv")
    (tmp_path / "x.csv").write_bytes(b"\x93NUMPY\x01\x00\xff\xfe\x00\x01")
    with pytest.raises(BadInputError, match="is not a text file"):
        read_series(tmp_path / "x.csv")


def test_what_analyze_reads_is_played_back(tmp_path):
    """Decimal commas, rows that are no numbers, minutes and seconds, a cell without a value: one reader knows them."""
    rows = [f"{w};{0.001 * w:.4f};{0.002 * w:.4f}".replace(".", ",") for w in range(350, 601)]
    rows[40], rows[50] = "garbage", "400;;0,8"
    path = tmp_path / "series.txt"
    path.write_text("\n".join(["λ (nm);20 s;2 min", *rows]), encoding="utf-16")
    found = read_series(path)
    assert found.time_s.tolist() == [20.0, 120.0]
    assert not {390.0, 400.0} & {*found.wavelength_nm}
    assert found.absorbance[1] == pytest.approx(0.002 * found.wavelength_nm, abs=1e-4)


def test_one_spectrum_is_played_back_too(tmp_path):
    path = tmp_path / "early.csv"
    path.write_text("nm,20 s\n" + ROWS)
    assert read_series(path).time_s.tolist() == [20.0]
