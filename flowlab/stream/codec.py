"""msgpack for documents: numpy arrays travel as dtype, shape and raw bytes; nothing that could run code does.

Python's own pickle, and packages that fall back on it for arrays of objects, are not used in either
direction: a forged message could run code. Bytes from outside either decode to plain values and arrays
or raise :class:`CodecError`.

A tuple comes back as a list. A numpy scalar keeps its type unless it is one of those that are also a
Python number or text (``float64``, ``str_``), which come back as that.
"""

import math
import re
from typing import Annotated, Any, cast

import msgspec
import numpy as np

from flowlab.errors import FlowlabError

_ARRAY = 1
_SCALAR = 2

#: numpy's own spelling of a plain dtype, ``dtype.str``; O (object) is not among them.
_PLAIN = re.compile(r"[<>|](?:[biufcSUV]\d{1,9}|[mM]8(?:\[\d{0,9}[a-zA-Zμ]{1,7}\])?)")
_DEEPEST_DTYPE = 8


class _Field(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A field of a structured dtype as ``dtype.descr`` gives it: name or (title, name), type, shape."""

    name: str | tuple[str, str]
    layout: Any
    shape: tuple[Annotated[int, msgspec.Meta(ge=0, lt=2**31)], ...] = ()


class CodecError(FlowlabError):
    """A value cannot be sent, or bytes are not a message of ours."""


def pack(value: object) -> bytes:
    """Encode nested dicts and lists of numbers, text, bytes, None and numpy arrays.

    Raises:
        CodecError: a value of another type, an array that holds objects, an integer beyond 64 bit.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CodecError(f"cannot be sent: {error}") from None


def unpack(data: bytes | memoryview) -> Any:
    """Decode what :func:`pack` made. Arrays are fresh, aligned and writable.

    Raises:
        CodecError: the bytes are not a whole message of ours.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise CodecError(f"not a message of ours: {error}") from None


def _encode_numpy(value: object) -> msgspec.msgpack.Ext:
    if isinstance(value, np.ndarray):
        return _encode_array(_ARRAY, cast("np.ndarray[Any, Any]", value))
    if isinstance(value, np.generic):
        return _encode_array(_SCALAR, np.asarray(cast("np.generic[Any]", value)))
    raise TypeError(f"values of type {type(value).__name__} are not sent")


def _encode_array(code: int, array: "np.ndarray[Any, Any]") -> msgspec.msgpack.Ext:
    if array.dtype.hasobject or not array.dtype.itemsize:
        raise TypeError(f"an array of type {array.dtype} is not sent")
    layout = np.lib.format.dtype_to_descr(array.dtype) if array.dtype.names else array.dtype.str
    head = _PLAIN_ENCODER.encode([layout, array.shape])
    return msgspec.msgpack.Ext(code, len(head).to_bytes(4, "big") + head + array.tobytes())


def _decode_numpy(code: int, data: memoryview) -> Any:
    if code not in (_ARRAY, _SCALAR):
        raise ValueError(f"unknown extension {code}")
    head = 4 + int.from_bytes(data[:4], "big")
    layout, shape = _HEAD_DECODER.decode(data[4:head])
    dtype = _dtype(layout)
    raw = data[head:]
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != raw.nbytes:
        raise ValueError(f"an array of shape {shape} and type {dtype} does not fit its {raw.nbytes} bytes")
    array: np.ndarray[Any, Any] = np.ndarray(tuple(shape), dtype=dtype, buffer=raw).copy()
    return array[()] if code == _SCALAR else array


def _dtype(layout: object, depth: int = 0) -> "np.dtype[Any]":
    """A dtype from its description, after checking that the description is a harmless one."""
    _check_layout(layout, depth)
    dtype = np.lib.format.descr_to_dtype(_as_numpy_spells_it(layout))
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"an array of type {dtype} is not accepted")
    return dtype


def _check_layout(layout: object, depth: int) -> None:
    if isinstance(layout, str):
        if not _PLAIN.fullmatch(layout):
            raise ValueError(f"{layout!r} is not the type of an array")
        return
    if depth >= _DEEPEST_DTYPE:
        raise ValueError("a structured type of more depth than is accepted")
    for field in msgspec.convert(layout, list[_Field]):
        _check_layout(field.layout, depth + 1)


def _as_numpy_spells_it(layout: object) -> Any:
    """Lists that stand for a field, its titles or its shape become the tuples that numpy wants."""
    if isinstance(layout, str):
        return layout
    fields: list[tuple[Any, ...]] = []
    for field in msgspec.convert(layout, list[_Field]):
        shape = (field.shape,) if field.shape else ()
        fields.append((field.name, _as_numpy_spells_it(field.layout), *shape))
    return fields


_PLAIN_ENCODER = msgspec.msgpack.Encoder()
_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_numpy)
_HEAD_DECODER = msgspec.msgpack.Decoder(tuple[Any, list[int]])
_DECODER = msgspec.msgpack.Decoder(ext_hook=_decode_numpy)
