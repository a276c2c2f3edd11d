import numpy as np
import pytest

from flowlab.errors import BadInputError
from flowlab.storage.spectra import ocean, read_files
from tests.flowlab.storage.spectra import files
from tests.flowlab.storage.spectra.files import NM

ROWS = files.growing(4)


def written(tmp_path, contents: dict[str, bytes]):
    paths = []
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        paths.append(tmp_path / name)
    return paths


@pytest.mark.parametrize("decimal", [".", ","])
def test_spectrasuite_in_the_computers_language(tmp_path, decimal):
    (path,) = written(tmp_path, {"a.txt": files.spectrasuite(ROWS[0], decimal=decimal)})
    found = ocean.read(path)
    assert np.allclose(found.wavelength_nm, NM)
    assert np.allclose(found.spectra[0].absorbance, ROWS[0], atol=1e-4)
    assert (found.spectra[0].label, found.warnings) == ("a.txt", ())


def test_a_spanish_header_has_other_words_between_the_arrows(tmp_path):
    data = (
        files.spectrasuite(ROWS[0], decimal=",")
        .replace(b"Begin Processed Spectral Data", b" Comienza Data")
        .replace(b"SpectraSuite Data File", "Número".encode("latin-1"))
    )
    (path,) = written(tmp_path, {"a.txt": data})
    assert np.allclose(ocean.read(path).spectra[0].absorbance, ROWS[0], atol=1e-4)


def test_oceanview_writes_numbers_of_its_own_and_may_export_pixels(tmp_path):
    first, second = written(
        tmp_path, {"a.txt": files.oceanview(ROWS[0]), "b.txt": files.oceanview(ROWS[1], mode="Pixels")}
    )
    assert np.allclose(ocean.read(first).spectra[0].absorbance, ROWS[0], atol=1e-4)
    with pytest.raises(BadInputError, match="its x axis is 'Pixels'"):
        ocean.read(second)


def test_files_of_one_spectrum_are_one_series_in_the_order_of_the_numbers_in_their_names(tmp_path):
    names = ["CdSe_280C_100s.txt", "CdSe_280C_14s.txt", "CdSe_280C_4.5s.txt", "CdSe_280C_50s.txt"]
    paths = written(tmp_path, {name: files.spectrasuite(row) for name, row in zip(names, ROWS, strict=True)})
    (found,) = read_files(paths)
    assert [s.coordinate for s in found.spectra] == [4.5, 14.0, 50.0, 100.0]
    assert found.axis == "time_s"
    assert np.allclose(found.spectra[-1].absorbance, ROWS[0], atol=1e-4)
    assert found.source == "CdSe_280C_4.5s.txt, CdSe_280C_14s.txt, CdSe_280C_50s.txt, CdSe_280C_100s.txt"


def test_numbered_files_and_such_without_numbers(tmp_path):
    numbered = written(tmp_path, {f"Absorbance__{i}__0001.txt": files.oceanview(ROWS[i]) for i in range(3)})
    (found,) = read_files(numbered)
    assert [s.coordinate for s in found.spectra] == [0.0, 1.0, 2.0]
    named = written(tmp_path, {f"{name}.txt": files.oceanview(ROWS[i]) for i, name in enumerate(("late", "early"))})
    (found,) = read_files(named)
    assert [s.label for s in found.spectra] == ["late", "early"]
    assert "coordinates are the order: the labels do not tell" in found.warnings


def test_files_on_other_axes_are_no_series(tmp_path):
    other = NM[:-1] + 0.3
    paths = written(
        tmp_path, {"1.txt": files.spectrasuite(ROWS[0]), "2.txt": files.spectrasuite(ROWS[1][:-1], wavelength=other)}
    )
    with pytest.raises(BadInputError, match=r"2.txt: is on another wavelength axis \(300 pixels"):
        read_files(paths)


def test_a_file_is_not_counted_twice(tmp_path):
    (path,) = written(tmp_path, {"1.txt": files.spectrasuite(ROWS[0])})
    with pytest.raises(BadInputError, match="is given twice"):
        read_files([path, path])
