"""SIMPLON's streams: messages into what they say. No I/O.

Sources: the legacy stream, SIMPLON 1.8 API documentation, pages 45–46; the CBOR stream (version 2), the same, pages
40–44, and github.com/dectris/documentation, stream_v2 and cbor/dectris-compression-tag.md. Where they leave room, a
message recorded from an Eiger2 16M (in tickit-devices) shows that a frame's dimensions are rows, columns, and that the
message may begin with CBOR's own tag 55799.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cbor2
import numpy as np

from devices.errors import ReplyError
from devices.protocols.compressed import DTYPES, LARGEST_BYTES, Encoding, Pixels

CBOR_PORT, LEGACY_PORT = 31001, 9999

_MULTI_DIMENSIONAL, _COMPRESSED = 40, 56500
_TYPED = {64: DTYPES["uint8"], 69: DTYPES["uint16"], 70: DTYPES["uint32"]}
_LEGACY_ENCODING = re.compile(r"(bs(?P<bits>8|16|32)-?)?(?P<lz4>lz4)?(?P<order>[<>])")
_COUNT_LIMIT = 2**63


@dataclass(frozen=True)
class Start:
    """A series begins.

    Attributes:
        series: its number.
        shape: rows and columns of its frames; None where the message does not tell, as all that follow.
        channels: what each frame holds.
        saturated_at: a pixel counts no further than this.
    """

    series: int
    shape: tuple[int, int] | None = None
    channels: tuple[str, ...] | None = None
    saturated_at: int | None = None


@dataclass(frozen=True)
class Image:
    """A frame.

    Attributes:
        series: its series' number.
        number: counted from 0 in the series.
        channels: the pixels that each threshold counted; ``None`` is the only one of the legacy stream.
        start_s: when it began, from the beginning of the series.
        exposure_s: how long it counted.
    """

    series: int
    number: int
    channels: Mapping[str | None, Pixels]
    start_s: float
    exposure_s: float


@dataclass(frozen=True)
class End:
    """A series is over."""

    series: int


Message = Start | Image | End


def decode_legacy(parts: Sequence[bytes]) -> Message:
    """Read a multipart message of the legacy stream.

    Raises:
        ReplyError: it is none, or what it says does not fit together.
    """
    head = _header(parts, 0)
    kind = _text(head, "htype")
    series = _count(head, "series")
    if kind.startswith("dheader-"):
        return _legacy_start(series, head, parts)
    if kind.startswith("dseries_end-"):
        return End(series)
    if not kind.startswith("dimage-"):
        raise ReplyError(f"a message of the unknown kind {kind[:40]!r}")
    if len(parts) < 4:
        raise ReplyError(f"a frame in {len(parts)} parts instead of 4")
    shape, times = _header(parts, 1), _header(parts, 3)
    pixels = _legacy_pixels(shape, parts[2])
    start_s, exposure_s = _count(times, "start_time") * 1e-9, _count(times, "real_time") * 1e-9
    return Image(series, _count(head, "frame"), {None: pixels}, start_s, exposure_s)


def _legacy_start(series: int, head: Mapping[str, Any], parts: Sequence[bytes]) -> Start:
    if head.get("header_detail") == "none" or len(parts) < 2:
        return Start(series)
    config = _header(parts, 1)
    shape = saturated_at = None
    if "x_pixels_in_detector" in config and "y_pixels_in_detector" in config:
        shape = _count(config, "y_pixels_in_detector"), _count(config, "x_pixels_in_detector")
    if "countrate_correction_count_cutoff" in config:
        saturated_at = _count(config, "countrate_correction_count_cutoff")
    return Start(series, shape, saturated_at=saturated_at)


def _legacy_pixels(header: Mapping[str, Any], blob: bytes) -> Pixels:
    dimensions = header.get("shape")
    if not isinstance(dimensions, list):
        raise ReplyError("a frame without a shape")
    width, height, *depth = cast("list[Any]", dimensions) if len(cast("list[Any]", dimensions)) >= 2 else (0, 0)
    if depth not in ([], [1]):
        raise ReplyError(f"a frame of shape {dimensions!r:.60}")
    dtype = DTYPES.get(_text(header, "type"))
    if dtype is None:
        raise ReplyError(f"pixels of the unknown type {_text(header, 'type')[:40]!r}")
    if _count(header, "size") != len(blob):
        raise ReplyError(f"a frame of {len(blob)} bytes, announced with {_count(header, 'size')}")
    text = _text(header, "encoding")
    found = _LEGACY_ENCODING.fullmatch(text)
    if found is None or (found["bits"] and not found["lz4"]):
        raise ReplyError(f"a frame of the unknown encoding {text[:40]!r}")
    if found["order"] == ">" and dtype.itemsize > 1:
        raise ReplyError("pixels in big-endian order, which these detectors do not send")
    if found["bits"] and int(found["bits"]) != 8 * dtype.itemsize:
        raise ReplyError(f"pixels of {dtype.itemsize} bytes in the encoding {text}")
    encoding: Encoding = "bslz4" if found["bits"] else "lz4 block" if found["lz4"] else "none"
    return Pixels(_shape(height, width, dtype), dtype, encoding, blob)


def decode_cbor(message: bytes) -> Message:
    """Read a message of the CBOR stream.

    Raises:
        ReplyError: it is none, or what it says does not fit together.
    """
    try:
        found: Any = cbor2.loads(message)
    except (cbor2.CBORDecodeError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ReplyError(f"a message that is no CBOR: {error!r:.80}") from None
    if not isinstance(found, Mapping):
        raise ReplyError("a message that is no CBOR map")
    fields = cast("Mapping[str, Any]", found)
    kind = _text(fields, "type")
    series = _count(fields, "series_id")
    match kind:
        case "start":
            shape = _count(fields, "image_size_y"), _count(fields, "image_size_x")
            return Start(series, shape, _channel_names(fields), _count(fields, "saturation_value"))
        case "image":
            channels: dict[str | None, Pixels] = {name: _array(value) for name, value in _map(fields, "data").items()}
            times = _seconds(fields, "start_time"), _seconds(fields, "real_time")
            return Image(series, _count(fields, "image_id"), channels, *times)
        case "end":
            return End(series)
        case _:
            raise ReplyError(f"a message of the unknown kind {kind[:40]!r}")


def _channel_names(fields: Mapping[str, Any]) -> tuple[str, ...]:
    names = fields.get("channels")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in cast("list[Any]", names)):
        raise ReplyError("a series without names of its channels")
    return tuple(cast("list[str]", names))


def _array(value: Any) -> Pixels:
    dimensions, typed = _pair(_tagged(value, _MULTI_DIMENSIONAL))
    if not isinstance(typed, cbor2.CBORTag) or typed.tag not in _TYPED:
        raise ReplyError(f"pixels of an unknown type: {typed!r:.60}")
    dtype = _TYPED[typed.tag]
    rows, columns = _pair(dimensions)
    shape = _shape(rows, columns, dtype)
    encoding: Encoding = "none"
    data: Any = typed.value
    if isinstance(data, cbor2.CBORTag):
        compressed = _tagged(data, _COMPRESSED)
        if not isinstance(compressed, list | tuple) or len(cast("list[Any]", compressed)) != 3:
            raise ReplyError("compressed pixels without algorithm, element size and data")
        algorithm, size, data = cast("list[Any]", compressed)
        if algorithm == "bslz4" and size == dtype.itemsize:
            encoding = "bslz4"
        elif algorithm == "lz4":
            encoding = "lz4"
        else:
            raise ReplyError(f"pixels of {dtype.itemsize} bytes compressed by {algorithm!r:.40}, {size!r:.20}")
    if not isinstance(data, bytes):
        raise ReplyError("pixels that are no bytes")
    return Pixels(shape, dtype, encoding, data)


def _tagged(value: Any, tag: int) -> Any:
    if not isinstance(value, cbor2.CBORTag) or value.tag != tag:
        raise ReplyError(f"{value!r:.60} in place of CBOR's tag {tag}")
    return value.value


def _pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list | tuple) or len(cast("list[Any]", value)) != 2:
        raise ReplyError(f"{value!r:.60} in place of two values")
    first, second = cast("list[Any]", value)
    return first, second


def _seconds(fields: Mapping[str, Any], key: str) -> float:
    """A time that is told as a fraction."""
    above, below = _pair(fields.get(key))
    if not _is_count(above) or not _is_count(below) or below == 0:
        raise ReplyError(f"{key} is {above!r:.20}/{below!r:.20}, which is no time")
    return above / below


def _shape(rows: Any, columns: Any, dtype: np.dtype[np.generic]) -> tuple[int, int]:
    if not (_is_count(rows) and _is_count(columns) and rows and columns):
        raise ReplyError(f"a frame of {rows!r:.20} × {columns!r:.20} pixels")
    if math.prod((rows, columns)) * dtype.itemsize > LARGEST_BYTES:
        raise ReplyError(f"a frame of {rows} × {columns} pixels, which no detector has")
    return rows, columns


def _header(parts: Sequence[bytes], index: int) -> Mapping[str, Any]:
    try:
        found: Any = json.loads(parts[index])
    except (ValueError, RecursionError, IndexError):
        raise ReplyError(f"a message without JSON in its part {index + 1}") from None
    if not isinstance(found, dict):
        raise ReplyError(f"a message without a JSON object in its part {index + 1}")
    return cast("dict[str, Any]", found)


def _map(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in cast("Mapping[Any, Any]", value)):
        raise ReplyError(f"a message whose {key} is no map of names")
    return cast("Mapping[str, Any]", value)


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise ReplyError(f"a message without {key}")
    return value


def _count(fields: Mapping[str, Any], key: str) -> int:
    value = fields.get(key)
    if not _is_count(value):
        raise ReplyError(f"a message in which {key} is {value!r:.40}")
    return cast("int", value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _COUNT_LIMIT
