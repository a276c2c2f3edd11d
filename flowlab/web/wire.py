"""Messages with arrays, as a browser reads them without any work: see docs/page.md."""

import gzip
import json
import math
import struct
from typing import Any

import numpy as np

_ALIGN = 4
_DEEPEST = 50
#: What an array is called; whoever else is called so, in the parameters of a plan for instance, is told with a mark.
_ARRAYS = ("f32", "u8")


def encode(message: dict[str, Any]) -> bytes:
    """A message: a header of JSON, and behind it the arrays that are in it.

    Numbers that are not finite are null in the header; in arrays, which are float32 or uint8, they stay. What JSON has
    no word for is told as text: what a document holds is not for the wire to refuse.
    """
    arrays: list[bytes] = []
    length = 0

    def plain(value: Any, depth: int = 0) -> Any:
        nonlocal length
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, np.floating):
            value = float(value)  # a long one would stay what it is
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.dtype.kind not in "biuf"):
            return plain(value.tolist(), depth + 1)
        if isinstance(value, np.ndarray):
            name, dtype = ("u8", "|u1") if value.dtype == np.uint8 else ("f32", "<f4")
            data = np.ascontiguousarray(value, dtype).tobytes()
            first = length
            arrays.append(data + bytes(-len(data) % _ALIGN))
            length += len(arrays[-1])
            return {name: [first, value.size]}
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, dict):
            return {_key(key): plain(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one, depth + 1) for one in value]
        return value

    header = json.dumps(plain(message), separators=(",", ":"), allow_nan=False, default=str).encode()
    header += b" " * (-len(header) % _ALIGN)
    return b"".join([struct.pack("<I", len(header)), header, *arrays])


def packed(message: bytes) -> bytes:
    """A long message for one viewer, packed: no message begins with a header of no length."""
    return struct.pack("<I", 0) + gzip.compress(message, mtime=0)


def _key(key: Any) -> str:
    return f"{key} " if key in _ARRAYS else str(key)
