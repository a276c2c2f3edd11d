"""Messages, read by a decoder that knows nothing but docs/page.md."""

import gzip
import json
import struct
from datetime import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from flowlab.web.wire import encode, packed


def decode(data: bytes):
    """As docs/page.md says."""
    (length,) = struct.unpack_from("<I", data)
    if length == 0:
        data = gzip.decompress(data[4:])
        (length,) = struct.unpack_from("<I", data)
    behind = 4 + length
    assert behind % 4 == 0, "arrays begin at a multiple of four bytes"
    header = json.loads(data[4:behind].decode(), parse_constant=lambda name: 1 / 0)
    ends = [behind]

    def whole(value):
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("f32", "u8"):
            ((kind, (first, count)),) = value.items()
            assert first % 4 == 0
            dtype = np.dtype("<f4") if kind == "f32" else np.dtype("u1")
            array = np.frombuffer(data, dtype, count, behind + first)
            ends.append(behind + first + array.nbytes)
            return array
        if isinstance(value, dict):
            return {key: whole(one) for key, one in value.items()}
        return [whole(one) for one in value] if isinstance(value, list) else value

    found = whole(header)
    assert 0 <= len(data) - max(ends) < 4, "there is nothing behind the arrays but their padding"
    return found


def alike(sent, got) -> bool:
    if isinstance(sent, np.ndarray):
        expected = sent if sent.dtype == np.uint8 else sent.astype(np.float32)
        return np.array_equal(expected.ravel(), got, equal_nan=got.dtype != np.uint8)
    if isinstance(sent, dict):
        return sent.keys() == got.keys() and all(alike(sent[key], got[key]) for key in sent)
    if isinstance(sent, list | tuple):
        return len(sent) == len(got) and all(map(alike, sent, got))
    if isinstance(sent, float) and not np.isfinite(sent):
        return got is None
    return sent == got and type(sent) is type(got)


arrays = st.one_of(
    some.arrays(np.uint8, some.array_shapes(max_dims=2, min_side=0)),
    some.arrays(np.float32, some.array_shapes(max_dims=1, min_side=0)),
    some.arrays(np.float64, st.integers(0, 9), elements=st.floats(width=32)),
)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text()
names = st.text().filter(lambda name: name not in ("f32", "u8"))
values = st.recursive(plain | arrays, lambda of: st.lists(of) | st.dictionaries(names, of), max_leaves=20)


@given(st.dictionaries(names, values))
def test_what_is_sent_is_what_comes(message):
    data = encode(message)
    assert alike(message, decode(data))


def test_what_is_packed_is_the_same_and_short_and_always_the_same_bytes():
    message = {"points": [{"exciton_nm": 500.25, "why": None}] * 400, "axis": np.linspace(300.0, 900.0, 2048)}
    data = encode(message)
    assert alike(message, decode(packed(data)))
    assert packed(data)[:4] == bytes(4)
    assert packed(data) == packed(data)
    assert len(packed(data)) < 0.5 * len(data)


def test_a_header_is_padded_with_spaces_and_arrays_with_nothing_that_counts():
    data = encode({"a": np.arange(3, dtype=np.uint8), "b": np.arange(2, dtype=np.float64), "c": "µ"})
    (length,) = struct.unpack_from("<I", data)
    header = data[4 : 4 + length]
    assert length % 4 == 0
    assert json.loads(header) == {"a": {"u8": [0, 3]}, "b": {"f32": [4, 2]}, "c": "µ"}
    assert header.rstrip(b" ").endswith(b"}")
    assert data[4 + length :] == bytes([0, 1, 2, 0]) + struct.pack("<2f", 0.0, 1.0)


def test_arrays_of_any_order_and_type_of_number_come_as_they_are_read():
    sent = {
        "big": np.arange(4, dtype=">f8"),
        "turned": np.arange(6).reshape(2, 3).T,
        "every other": np.arange(10)[::2],
        "whether": np.array([True, False]),
    }
    got = decode(encode(sent))
    assert got["turned"].tolist() == [0, 3, 1, 4, 2, 5]
    assert got["every other"].tolist() == [0, 2, 4, 6, 8]
    assert (got["big"].tolist(), got["whether"].tolist()) == ([0, 1, 2, 3], [1, 0])


def test_nothing_that_a_document_may_hold_keeps_a_message_from_being_sent():
    when = datetime(2026, 1, 1)
    sent = {
        "integer": np.int64(3), "float": np.float32("nan"), "truth": np.bool_(True), "texts": np.array(["a", "b"]),
        "bytes": b"\xff", "complex": 1j, "when": when, "many": {1, }, 7: 2**80, "nobody's half": "\ud800",
    }  # fmt: skip
    got = decode(encode(sent))
    assert (got["integer"], got["float"], got["truth"], got["texts"]) == (3, None, True, ["a", "b"])
    assert all(isinstance(got[key], str) for key in ("bytes", "complex", "when", "many"))
    assert got["7"] == 2**80
