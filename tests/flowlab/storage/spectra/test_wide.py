import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowlab.errors import BadInputError
from flowlab.storage.spectra import read_files, wide
from tests.flowlab.storage.spectra import files
from tests.flowlab.storage.spectra.files import NM

ROWS = files.growing(3)
HEADER = ["Wavelength (nm)", "20 s", "40 s", "60 s"]


def read(tmp_path, text: str | bytes, name: str = "series.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return wide.read(path)


def coordinates(found):
    return [s.coordinate for s in found.spectra]


def holds_the_rows(found, rows=ROWS, nm=NM):
    assert np.allclose(found.wavelength_nm, nm, atol=1e-4)
    assert len(found.spectra) == len(rows)
    for spectrum, row in zip(found.spectra, rows, strict=True):
        assert np.allclose(spectrum.absorbance, row, atol=2e-6)


@pytest.mark.parametrize("falling", [False, True])
def test_wavelengths_may_rise_or_fall(tmp_path, falling):
    found = read(tmp_path, files.wide(HEADER, ROWS, falling=falling))
    holds_the_rows(found)
    assert (coordinates(found), found.axis, found.warnings) == ([20.0, 40.0, 60.0], "time_s", ())
    assert [s.label for s in found.spectra] == ["20 s", "40 s", "60 s"]


@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("  ", "."), (", ", ".")]
)
def test_separators_and_decimal_marks_are_told_apart(tmp_path, separator, decimal):
    holds_the_rows(read(tmp_path, files.wide(["nm", "a1", "a2", "a3"], ROWS, separator=separator, decimal=decimal)))


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_line_ends_and_encodings_of_all_systems_are_read(tmp_path, ends, encoding):
    text = files.wide(["λ (nm)" if "utf" in encoding else "µ", "280 °C", "290 °C", "300 °C"], ROWS)
    found = read(tmp_path, text.replace("\n", ends).encode(encoding))
    holds_the_rows(found)
    assert (coordinates(found), found.axis) == ([280.0, 290.0, 300.0], "temperature_c")


def test_blank_rows_at_the_end_say_nothing_and_between_others_are_told(tmp_path):
    lines = files.wide(HEADER, ROWS).splitlines()
    quiet = read(tmp_path, "\n".join([*lines, ",,,", "", ",,,"]))
    assert quiet.warnings == ()
    found = read(tmp_path, "\n".join([*lines[:40], ",,,", "", *lines[40:]]))
    holds_the_rows(found)
    assert found.warnings == ("2 rows that are no numbers were left out, all of them empty",)


def test_a_bad_row_is_told_and_leaves_a_gap_that_no_derivative_sees_as_a_kink(tmp_path):
    lines = files.wide(HEADER, ROWS).splitlines()
    lines[100] = "449.0000,spoilt,0.1,0.1"
    lines[150] = "garbage"
    found = read(tmp_path, "\n".join(lines))
    assert "1 rows that are no numbers were left out, the first of them 'garbage'" in found.warnings
    assert np.allclose(found.wavelength_nm, NM, atol=1e-4)  # the missing wavelength is put in again
    assert np.isnan(found.spectra[0].absorbance[149])
    assert np.isnan(found.spectra[0].absorbance[99])
    assert np.isfinite(found.spectra[1].absorbance[99])


def test_headers_without_units_with_words_and_in_any_order(tmp_path):
    assert coordinates(read(tmp_path, files.wide(["nm", "14", "4.5", "7.6"], ROWS))) == [4.5, 7.6, 14.0]
    named = read(tmp_path, files.wide(["nm", "blank", "early", "late"], ROWS))
    assert coordinates(named) == [0.0, 1.0, 2.0]
    assert named.warnings == ("coordinates are the order: the labels do not tell",)
    mixed = read(tmp_path, files.wide(["nm", "30 s", "2 min", "1 h"], ROWS))
    assert (coordinates(mixed), mixed.axis) == ([30.0, 120.0, 3600.0], "time_s")
    numeric = read(tmp_path, files.wide(["0", "14", "20", "30"], ROWS))
    assert coordinates(numeric) == [14.0, 20.0, 30.0]


def test_repeated_columns_are_read_once_and_repeated_measurements_each(tmp_path):
    twice = np.array([ROWS[0], ROWS[1], ROWS[1]])
    found = read(tmp_path, files.wide(HEADER, twice))
    assert coordinates(found) == [20.0, 40.0]
    assert found.warnings == ("column 4 '60 s' is the same as one before: left out",)
    again = read(tmp_path, files.wide(["nm", "20 s", "20 s", "40 s"], ROWS))
    assert coordinates(again) == [20.0, 20.0, 40.0]


def test_wavelengths_beside_each_spectrum_as_cary_winuv_exports_them(tmp_path):
    # Agilent Cary WinUV: names above pairs of columns, falling wavelengths, settings as text below.
    lines = ["sample 20 s,,sample 40 s,,", "Wavelength (nm),Abs,Wavelength (nm),Abs,"]
    lines += [f"{NM[i]:.6f},{ROWS[0, i]:.6f},{NM[i]:.6f},{ROWS[1, i]:.6f}," for i in range(len(NM))[::-1]]
    lines += [
        "",
        "sample 20 s",
        "Collection Time: 19.11.2020 10:12:13",
        "Scan Software Version: 4.20",
        "Start (nm)  650.0",
    ]
    found = read(tmp_path, "\n".join(lines))
    holds_the_rows(found, ROWS[:2])
    assert coordinates(found) == [20.0, 40.0]
    assert found.warnings == ("the wavelengths are repeated in 1 more column",)


def test_transmittance_milli_units_and_other_axes_become_absorbance_over_nm(tmp_path):
    percent = files.wide(["Wavelength (nm)", "%T 1", "%T 2", "%T 3"], 100 * 10**-ROWS)
    assert np.allclose(read(tmp_path, percent).spectra[0].absorbance, ROWS[0], atol=1e-5)
    milli = files.wide(["Wavelength (nm)", "mAU 1", "mAU 2", "mAU 3"], 1000 * ROWS)
    assert np.allclose(read(tmp_path, milli).spectra[2].absorbance, ROWS[2], atol=1e-5)
    energies = files.wide(["Energy (eV)", "1", "2", "3"], ROWS, wavelength=1239.842 / NM)
    assert np.allclose(read(tmp_path, energies).wavelength_nm, NM, atol=0.02)
    numbers = files.wide(["Wavenumber (cm-1)", "1", "2", "3"], ROWS, wavelength=1e7 / NM)
    assert np.allclose(read(tmp_path, numbers).wavelength_nm, NM, atol=0.02)


def test_remarks_and_names_that_look_like_units_are_none(tmp_path):
    remarks = "Concentration (µM),5\nsample,transferred\n"
    found = read(
        tmp_path, remarks + files.wide(["Wavelength (nm)", "trans-CdSe 1", "trans-CdSe 2", "trans-CdSe 3"], ROWS)
    )
    holds_the_rows(found)
    assert coordinates(found) == [1.0, 2.0, 3.0]


def test_the_header_of_an_only_column_tells_its_coordinate_when_the_file_s_name_does_not(tmp_path):
    for name, expected in (("growth.csv", 20.0), ("scan0007.csv", 20.0), ("growth 40 s.csv", 40.0)):
        (tmp_path / name).write_text(files.wide(HEADER[:2], ROWS[:1]), encoding="utf-8")
        (found,) = read_files([tmp_path / name])
        assert coordinates(found) == [expected]


def test_columns_that_are_no_absorbance_are_left_out(tmp_path):
    # Avantes AvaSoft 8: counts of sample, dark and reference beside the result.
    lines = ["Wave   ;Sample   ;Dark     ;Absorbance", "[nm]   ;[counts] ;[counts] ;[A.U.]", ""]
    lines += [f" {x:.2f}; 1200.0; 300.0;{y:.5f}" for x, y in zip(NM, ROWS[0], strict=True)]
    found = read(tmp_path, "\r\n".join(lines))
    assert np.allclose(found.spectra[0].absorbance, ROWS[0], atol=1e-5)
    assert len(found.spectra) == 1
    assert len(found.warnings) == 2


def test_a_column_that_is_mostly_empty_is_left_out(tmp_path):
    lines = files.wide(HEADER, ROWS).splitlines()
    lines[20:] = [",".join([*line.split(",")[:3], ""]) for line in lines[20:]]
    found = read(tmp_path, "\n".join(lines))
    assert coordinates(found) == [20.0, 40.0]
    assert found.warnings == ("column 4 '60 s' holds 19 numbers in 301 rows: left out",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}\x80\x04\x95", "is not a text file"),
        (b"words\nand more\n", "holds no table"),
        ("\n".join(str(x) for x in range(400, 500)).encode(), "holds no table"),
        (b"nm,20 s\n400,0.1\n401,0.2\n", "2 of its rows hold 2 numbers; at least 10 must"),
        ("nm,a\n" + "\n".join(f"{x},nan" for x in range(400, 500)), "holds no table"),
        ("nm;a\n" + "\n".join(f"{x}.5;0,{x}" for x in range(400, 500)), "decimal commas, others points"),
        ("nm,a\n" + "\n".join(f"{x},{5 * x}" for x in range(2000, 2100)), "counts or percent"),
        ("s,a\n" + "\n".join(f"{x},0.{x}" for x in range(10, 99)), "between 100 and 5000 nm"),
        ("nm,20 s,40 s\n" + "\n".join(f"{x},0,1{x},0,2{x}" for x in range(400, 409)), "rows hold"),
    ],
)
def test_what_is_no_series_is_refused_in_one_line(tmp_path, text, says):
    with pytest.raises(BadInputError, match=says) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_what_cannot_be_opened_is_refused(tmp_path):
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.csv", "there is no such file"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (tmp_path / "a\0b", "is no name of a file"),
    ):
        with pytest.raises(BadInputError, match=says):
            read_files([path])


def test_files_that_are_too_large_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(BadInputError, match="has 60 MB"):
        wide.read(path)


def test_measured_series_are_read_whole(measured_spectra):
    for path in sorted(measured_spectra.glob("*.csv")):
        found = wide.read(path)
        header, *rows = (line.split(",") for line in path.read_text(encoding="utf-8-sig").splitlines())
        table = np.array([row for row in rows if all(re.fullmatch(r"-?[\d.]+(E-?\d+)?", c) for c in row)], dtype=float)
        table = table[np.argsort(table[:, 0])]
        assert np.array_equal(found.wavelength_nm, table[:, 0])
        assert coordinates(found) == [float(label.removesuffix(" s")) for label in header[1:]]
        assert np.array_equal(np.array([s.absorbance for s in found.spectra]), table[:, 1:].T)


@given(order=st.permutations(range(60)))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_rows_does_not_matter(tmp_path, order):
    lines = files.wide(HEADER, ROWS[:, :60], wavelength=NM[:60]).splitlines()
    holds_the_rows(read(tmp_path, "\n".join([lines[0], *(lines[1 + i] for i in order)])), ROWS[:, :60], NM[:60])
