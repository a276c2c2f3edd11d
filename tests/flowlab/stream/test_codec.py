import contextlib
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flowlab.stream.codec import CodecError, pack, unpack

plain_dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | st.just(np.dtype(np.longdouble))
    | hnp.complex_number_dtypes(endianness="?")
    | hnp.byte_string_dtypes(endianness="?", min_len=1)
    | hnp.unicode_string_dtypes(endianness="?", min_len=1)
    | hnp.datetime64_dtypes(endianness="?")
    | hnp.timedelta64_dtypes(endianness="?")
)
dtypes = plain_dtypes | hnp.nested_dtypes(plain_dtypes, max_itemsize=200) | hnp.array_dtypes(plain_dtypes)
arrays = dtypes.filter(lambda dtype: dtype.itemsize > 0).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
)
nested = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray | np.generic):
        assert isinstance(b, np.ndarray | np.generic)
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(nested)
def test_what_is_packed_comes_back_the_same(value):
    assert same(value, unpack(pack(value)))


@given(arrays)
def test_an_array_comes_back_writable_and_aligned(array):
    back = unpack(pack({"a": array}))["a"]
    assert back.flags.writeable
    assert back.flags.aligned


def test_an_array_that_is_not_contiguous_comes_back_as_it_was_seen():
    image = np.arange(24).reshape(4, 6)
    assert np.array_equal(unpack(pack(image[::2, 1::3].T)), image[::2, 1::3].T)


@pytest.mark.parametrize("kind", ["f4", "i2", "u8", "?", "c8", "M8[s]", "S4", "f8", "U3"])
def test_a_numpy_scalar_comes_back_equal(kind):
    value = np.ones(1, kind)[0]
    assert unpack(pack(value)) == value


def test_a_structured_array_with_titles_nested_fields_and_shapes_comes_back():
    dtype = np.dtype([(("a title", "x"), "<f8"), ("y", [("z", ">i2", (2, 3))]), ("name", "<U4")])
    array = np.zeros(3, dtype)
    assert unpack(pack(array)).dtype == dtype


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.zeros(2, [("a", "O")]),
        {"a": object()},
        2**64,
        {1: print},
        np.array([None]),
    ],
)
def test_what_cannot_be_sent_safely_is_refused(value):
    with pytest.raises(CodecError, match="cannot be sent"):
        pack(value)


@given(st.binary(max_size=300))
def test_random_bytes_give_a_value_or_our_error(data):
    with contextlib.suppress(CodecError):
        unpack(data)


@given(nested, st.data())
def test_a_damaged_message_gives_a_value_or_our_error(value, data):
    message = bytearray(pack(value))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    with contextlib.suppress(CodecError):
        unpack(bytes(message[:cut]))


def forged(layout: object, shape: object, raw: bytes, code: int = 1) -> bytes:
    head = msgspec.msgpack.encode([layout, shape])
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(code, struct.pack(">I", len(head)) + head + raw))


@pytest.mark.parametrize(
    ("layout", "shape", "raw"),
    [
        ("|O8", [1], b"\0" * 8),
        ("O", [1], b"\0" * 8),
        ([["a", "|O8"]], [1], b"\0" * 8),
        ([["a", [["b", "O"]]]], [1], b"\0" * 8),
        ("<f8", [2], b"\0" * 8),
        ("<f8", [-1], b"\0" * 8),
        ("<f8", [2**62, 2**62], b""),
        ("<f8", ["a"], b"\0" * 8),
        ("<f8,<f8", [1], b"\0" * 16),
        ("(1000000000,)f8", [1], b""),
        ("<U999999999", [1], b"\0" * 4),
        ([["a", "<f8", [2**40]]], [1], b""),
        ([["a", "<f8"], ["a", "<f8"]], [1], b"\0" * 16),
        ([], [3], b""),
        (None, [], b""),
        ({"names": ["a"], "formats": ["O"]}, [1], b"\0" * 8),
    ],
)
def test_a_forged_array_is_refused(layout, shape, raw):
    with pytest.raises(CodecError):
        unpack(forged(layout, shape, raw))


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 100_000,
        b"\x81\xa1a" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xc7\x03\x01\xff\xff\xff",
        b"\xc7\x05\x01\x7f\xff\xff\xffa",
        b"\xc7\x01\x09a",
        b"",
        bytes(range(255, 191, -1)),
        b"cposix\nsystem\n(S'false'\ntR.",
    ],
)
def test_hostile_bytes_give_an_error_and_nothing_else(data):
    with pytest.raises(CodecError):
        unpack(data)
