"""Whatever bytes a file holds: a series or a refusal, nothing else; and what is a series can be analysed."""

import json
import pickle
import struct

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowlab.config import load_material
from flowlab.errors import BadInputError
from flowlab.report.answers import as_json
from flowlab.report.files import analyse_files
from flowlab.report.files_words import answers, details
from flowlab.storage.spectra import Series
from flowlab.storage.spectra.choose import read_file
from tests.flowlab.storage.spectra import files

_PIECES = st.sampled_from(
    [
        "400",
        "401.5",
        "-3",
        "1e3",
        "1E-400",
        "9e999",
        "nan",
        "inf",
        "0,5",
        "0.25",
        "1_000",
        "٣",
        "µ",
        ",",
        ";",
        "\t",
        " ",
        "\n",
        "\r",
        '"',
        "##TITLE=",
        "##XYDATA= (X++(Y..Y))\n",
        "##XYPOINTS=(XY..XY)\n",
        "##YUNITS=ABSORBANCE\n",
        "##XUNITS=NM\n",
        "##NPOINTS=",
        "##FIRSTX=400\n",
        "##LASTX=500\n",
        "##END=",
        "$$",
        ">>>>>Begin Spectral Data<<<<<\n",
        "XAxis mode: Pixels\n",
        "20 s",
        "%T",
        "A",
        "j9",
        "S8",
        "flowlab-journal 1 a\n",
        "\x89HDF",
        "nm,20 s\n",
    ]
)
_NUMBERS = st.one_of(
    st.floats(-1, 3).map(lambda v: f"{v:.4g}"),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.sampled_from(["", "x", "0"]),
)


def reads_or_refuses(path) -> Series | None:
    try:
        found = read_file(path)
    except BadInputError:
        return None
    assert len(found.wavelength_nm) >= 10
    assert np.all(np.diff(found.wavelength_nm) > 0)
    assert all(s.absorbance.shape == found.wavelength_nm.shape for s in found.spectra)
    assert len(found.spectra) >= 1
    return found


@given(data=st.one_of(st.binary(max_size=400), st.lists(_PIECES, max_size=60).map("".join).map(str.encode)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_bytes_are_a_series_or_refused(tmp_path, data):
    path = tmp_path / "any"
    path.write_bytes(data)
    reads_or_refuses(path)


@given(
    start=st.floats(50, 900), step=st.sampled_from([-2.0, -0.2, 0.0, 0.01, 0.3, 1.0, 40.0]), rows=st.integers(8, 90),
    columns=st.integers(1, 4), data=st.data(),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_table_is_refused_or_analysed_to_an_answer_that_is_json(tmp_path, start, step, rows, columns, data):
    cells = data.draw(st.lists(st.lists(_NUMBERS, min_size=columns, max_size=columns), min_size=4, max_size=4))
    lines = [",".join(["nm", *(f"{i} s" for i in range(columns))])]
    lines += [",".join([f"{start + step * i:.6g}", *cells[i % 4]]) for i in range(rows)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    if reads_or_refuses(path) is None:
        return
    material = load_material("CdSe")
    analysed = analyse_files([path], material)
    answer = json.dumps(as_json(analysed, "CdSe"), allow_nan=False)
    assert json.loads(answer)["schema"] == 1
    assert answers(analysed)
    details(analysed[0], material, 1.0)


@given(cut=st.integers(0, 4000), at=st.integers(0, 4000), byte=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_spoilt_export_is_read_or_refused(tmp_path, cut, at, byte):
    data = bytearray(files.spectrasuite(files.growing(1)[0]))
    data[at] = byte
    path = tmp_path / "spoilt.txt"
    path.write_bytes(bytes(data[: len(data) - cut]))
    reads_or_refuses(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def test_nothing_is_unpickled(tmp_path):
    forged = pickle.dumps(Bomb())
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    for name, data in {
        "series.pkl": forged,
        "series.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + forged,
        "documents.journal": b"flowlab-journal 1 a\n" + struct.pack("<II", len(forged), 0) + forged,
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(BadInputError):
            analyse_files([path], load_material("CdSe"))


@pytest.mark.parametrize("damage", ["cut", "no data", "outside", "too large", "objects"])
def test_other_hdf5_files_are_refused_and_links_out_of_them_are_not_followed(tmp_path, damage):
    path = tmp_path / "run.nxs"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry/data")
        if damage == "outside":
            entry["absorbance"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        elif damage == "too large":
            entry.create_dataset("absorbance", shape=(1 << 30, 1 << 12), dtype="f8", chunks=(1, 1 << 12))
        elif damage == "objects":
            entry.create_dataset("absorbance", data=["1", "2"], dtype=h5py.string_dtype())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros((3, 20))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInputError, match="run.nxs"):
        read_file(path)
