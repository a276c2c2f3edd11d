import numpy as np
import pytest

from flowlab.errors import BadInputError
from flowlab.storage.spectra import jcamp
from flowlab.storage.spectra.asdf import AsdfError, decode
from flowlab.storage.spectra.choose import read_file
from tests.flowlab.storage.spectra import files
from tests.flowlab.storage.spectra.files import NM

ROWS = files.growing(3)
#: The same ten ordinates in each form; the letters are those of McDonald and Wilks 1988.
FORMS = {
    "fixed": "99 1 2 3 3 2 1 0 -1 -2 -3",
    "packed": "99+1+2+3+3+2+1+0-1-2-3",
    "squeezed": "99ABCCBA@abc",
    "differences": "99AJJ%jjjjjj",
    "duplicates": "99AJJ%jX",
    "squeezed with duplicates": "99ABCTBA@abc",
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_standards_example_is_the_same_numbers(form):
    values, difference = decode(FORMS[form])
    assert values == [99, 1, 2, 3, 3, 2, 1, 0, -1, -2, -3]
    assert difference == form.startswith(("diff", "dupl"))


@pytest.mark.parametrize("line", ["99 1 2 x", "99J1", "99T", "99 1 2 S99999999999", "99 1 ## 2", "Δ"])
def test_a_spoilt_line_is_told(line):
    with pytest.raises(AsdfError):
        decode(line)


def read(tmp_path, text: str):
    path = tmp_path / "a.jdx"
    path.write_text(text, encoding="utf-8")
    return read_file(path)


def ordinates(row: np.ndarray, per_line: int = 8, factor: float = 1e-6, written=str) -> str:
    """(X++(Y..Y)), whole numbers; abscissae of the lines rounded as programs do."""
    numbers = np.round(row / factor).astype(int)
    lines = [
        f"{NM[i]:.0f}" + "".join(f" {n}" for n in numbers[i : i + per_line]) for i in range(0, len(numbers), per_line)
    ]
    return "\n".join(["##XYDATA= (X++(Y..Y))", *lines])


def differences(row: np.ndarray, per_line: int = 20, factor: float = 1e-6) -> str:
    """The same as differences; each line begins with the last value of the one before, as a check."""
    numbers = np.round(row / factor).astype(int)

    def letter(value: int, letters: str, small: str) -> str:
        digits = str(abs(value))
        return (letters if value >= 0 else small)[int(digits[0])] + digits[1:]

    lines, start = [], 0
    while start < len(numbers) - 1:
        end = min(start + per_line, len(numbers) - 1)
        steps = "".join(letter(int(s), "%JKLMNOPQR", "%jklmnopqr") for s in np.diff(numbers[start : end + 1]))
        lines.append(f"{NM[start]:g}" + letter(int(numbers[start]), "@ABCDEFGHI", "@abcdefghi") + steps)
        start = end
    lines.append(f"{NM[-1]:g}" + letter(int(numbers[-1]), "@ABCDEFGHI", "@abcdefghi"))
    return "\n".join(["##XYDATA= (X++(Y..Y))", *lines])


AXIS = {"FIRSTX": NM[0], "LASTX": NM[-1], "NPOINTS": len(NM), "XUNITS": "NANOMETERS", "XFACTOR": 1}


@pytest.mark.parametrize("table", [ordinates, differences])
def test_absorbance_and_transmittance_over_wavelength(tmp_path, table):
    found = read(tmp_path, files.jcamp(table(ROWS[0]), YUNITS="ABSORBANCE", YFACTOR="1.0E-6", **AXIS))
    assert np.allclose(found.wavelength_nm, NM)
    assert np.allclose(found.spectra[0].absorbance, ROWS[0], atol=1e-6)
    passed = files.jcamp(table(10 ** -ROWS[0]), YUNITS="TRANSMITTANCE", YFACTOR="1e-6", **AXIS)
    assert np.allclose(read(tmp_path, passed).spectra[0].absorbance, ROWS[0], atol=1e-4)


def test_transmittance_in_percent_is_known_by_its_values(tmp_path):
    text = files.jcamp(ordinates(100 * 10 ** -ROWS[0], factor=1e-4), YUNITS="TRANSMITTANCE", YFACTOR="1e-4", **AXIS)
    assert np.allclose(read(tmp_path, text).spectra[0].absorbance, ROWS[0], atol=1e-4)


def test_wavenumbers_become_wavelengths(tmp_path):
    per_cm = np.linspace(15_400, 28_570, 500)
    values = np.interp(1e7 / per_cm, NM, ROWS[0])
    lines = [f"{per_cm[i]:.3f} {values[i]:.6f}" for i in range(500)]
    axis = {"FIRSTX": per_cm[0], "LASTX": per_cm[-1], "NPOINTS": 500, "XUNITS": "1/CM", "YUNITS": "ABSORBANCE"}
    found = read(tmp_path, files.jcamp("\n".join(["##XYDATA=(X++(Y..Y))", *lines]), **axis))
    assert found.wavelength_nm[0] == pytest.approx(1e7 / 28_570)
    assert np.allclose(
        np.interp(500.0, found.wavelength_nm, found.spectra[0].absorbance), np.interp(500.0, NM, ROWS[0]), atol=2e-3
    )


@pytest.mark.parametrize(
    ("form", "comma"),
    [
        ("{x:.2f}, {y:.4f}", False),
        ("{x:.2f},{y:.4f}", False),
        ("{x:.2f} {y:.4f}", False),
        ("{x:.2f}, {y:.4f};", False),
        ("{x:.2f}, {y:.4f}", True),
        ("{x:.2f}; {y:.4f}", True),
    ],
)
def test_pairs_with_points_and_with_decimal_commas(tmp_path, form, comma):
    lines = [form.format(x=x, y=y) for x, y in zip(NM, ROWS[0], strict=True)]
    if comma:
        lines = [line.replace(".", ",") for line in lines]
    table = "\n".join(["##XYPOINTS= (XY..XY)", *lines])
    found = read(tmp_path, files.jcamp(table, YUNITS="ABSORBANCE", XUNITS="NM"))
    assert np.allclose(found.spectra[0].absorbance, ROWS[0], atol=1e-4)


def test_blocks_in_one_file_are_a_series_and_dark_and_reference_are_not_of_it(tmp_path):
    blocks = [
        files.jcamp(ordinates(row), TITLE=f"growth (t{i})", YUNITS="A", YFACTOR="1e-6", **AXIS)
        for i, row in enumerate(ROWS)
    ]
    head = "##TITLE= growth\n##JCAMP-DX= 5.00\n##DATA TYPE= LINK\n##BLOCKS= 3\n"
    found = read(tmp_path, head + "".join(blocks) + "##END=\n")
    assert [s.coordinate for s in found.spectra] == [0.0, 1.0, 2.0]
    # SpectraSuite: the same title in all, what they are in the description.
    parts = [
        files.jcamp(
            ordinates(row),
            TITLE=f"SPECTRASUITE EXPORTED SPECTRA: {name}",
            YUNITS="Absorbance (OD)",
            YFACTOR="1e-6",
            **AXIS,
        ).replace("##DATA TYPE", f"##SAMPLE DESCRIPTION= {name}\n##DATA TYPE")
        for name, row in zip(("PROCESSED SPECTRUM", "DARK SPECTRUM", "REFERENCE SPECTRUM"), ROWS, strict=True)
    ]
    found = read(tmp_path, head + "".join(parts) + "##END=\n")
    assert np.allclose(found.spectra[0].absorbance, ROWS[0], atol=1e-6)
    assert len(found.spectra) == 1
    assert found.warnings == ("2 blocks of dark or reference left out",)


def test_the_optical_path_is_taken_from_the_file(tmp_path):
    text = files.jcamp(ordinates(ROWS[0]), YUNITS="ABSORBANCE", YFACTOR="1e-6", PATHLENGTH="0.1 cm", **AXIS)
    assert read(tmp_path, text).path_mm == 1.0


@pytest.mark.parametrize(
    ("table", "more", "says"),
    [
        (ordinates(ROWS[0]), {"NPOINTS": 300}, "holds 301 values, and says 300"),
        (ordinates(ROWS[0]).replace("382", "500", 1), {}, "a line begins at 500"),
        (ordinates(ROWS[0]) + "\nrubbish!", {}, "lines are no numbers"),
        (differences(ROWS[0]).replace("\n370", "\n370A1", 1), {}, "should repeat|no numbers"),
        (ordinates(ROWS[0]), {"YUNITS": "ARBITRARY UNITS"}, "no absorbance or transmittance"),
        (ordinates(ROWS[0]), {"XUNITS": "SECONDS"}, "a wavelength in nm is needed"),
        ("##PEAK TABLE= (XY..XY)\n400, 1", {}, "a PEAKTABLE is no spectrum"),
        ("##XYDATA= (X++(Y..Y))", {}, "holds no numbers"),
        ("##OWNER= me", {}, "it has no data"),
    ],
)
def test_blocks_that_are_spoilt_or_something_else_are_refused_with_the_reason(tmp_path, table, more, says):
    text = files.jcamp(table, **({"YUNITS": "ABSORBANCE", "YFACTOR": "1e-6"} | AXIS | more))
    with pytest.raises(BadInputError, match=says):
        read(tmp_path, text)


def test_comments_before_the_title_and_within_are_no_data(tmp_path):
    text = "$$ written by a program\n" + files.jcamp(
        ordinates(ROWS[0]).replace("\n358", "$$ checked\n358"), YUNITS="ABSORBANCE $$ of course", YFACTOR="1e-6", **AXIS
    )
    assert jcamp.is_jcamp(text.splitlines())
    assert np.allclose(read(tmp_path, text).spectra[0].absorbance, ROWS[0], atol=1e-6)
