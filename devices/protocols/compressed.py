"""Compressed pixels as detectors of Dectris send them, checked, and framed as HDF5's filters read them. No I/O.

Nothing is decompressed here: a frame goes into its file as it came. But decompressors believe the lengths that they
find, and read and write where these lead; so all of them are checked first.

Sources:
    bslz4: github.com/dectris/documentation, cbor/dectris-compression-tag.md: what HDF5's bitshuffle filter (32008)
        writes: 8 bytes with the size of all, 4 bytes with the size of a block, big-endian, then for each block 4 bytes
        with its compressed size and the LZ4 block. Blocks hold a multiple of 8 elements; fewer than 8 elements at the
        end are copied.
    lz4: there too, with the framing of HDF5's LZ4 filter (32004): the same head, then for each block 4 bytes with its
        compressed size and the block, which is copied where that size is the full one.
    LZ4 of the legacy stream: one bare LZ4 block; SIMPLON 1.8 API documentation, page 46.
"""

import math
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np

from devices.errors import ReplyError

Encoding = Literal["none", "lz4", "bslz4", "lz4 block"]
Filter = Literal["none", "lz4", "bslz4"]

DTYPES = {"uint8": np.dtype("u1"), "uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}
#: No frame of these detectors is larger: 16 megapixels of 4 bytes are 72 MB.
LARGEST_BYTES = 2**28

_HEAD = struct.Struct(">QL")
_LENGTH = struct.Struct(">L")
#: LZ4 never makes a block longer than this.
_LARGEST_BLOCK = 0x7E000000


@dataclass(frozen=True)
class Pixels:
    """The pixels of one frame, still compressed.

    Attributes:
        shape: rows and columns.
        dtype: little-endian unsigned integers.
        encoding: how ``data`` is compressed.
        data: as they came.
    """

    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    encoding: Encoding
    data: bytes

    @property
    def nbytes(self) -> int:
        """Size of the pixels when they are not compressed."""
        return math.prod(self.shape) * self.dtype.itemsize


def as_chunk(pixels: Pixels) -> tuple[Filter, bytes]:
    """What is written into an HDF5 file for these pixels, behind which filter.

    Raises:
        ReplyError: they are cut, too long, or their lengths do not fit the frame.
    """
    size, data = pixels.nbytes, pixels.data
    match pixels.encoding:
        case "none":
            if len(data) != size:
                raise ReplyError(f"a frame of {len(data)} bytes instead of {size}")
            return "none", data
        case "lz4 block":
            if not 0 < len(data) < _LARGEST_BLOCK or size >= _LARGEST_BLOCK:
                raise ReplyError(f"an LZ4 block of {len(data)} bytes for a frame of {size}")
            if len(data) == size:  # the filter would take it for one that is not compressed
                raise ReplyError(f"an LZ4 block as long as its frame, {size} bytes, cannot be kept; set bslz4")
            return "lz4", _HEAD.pack(size, size) + _LENGTH.pack(len(data)) + data
        case "lz4":
            block = _read_head(data, size)
            _walk(data, [block] * (size // block) + ([size % block] if size % block else []), 0)
            return "lz4", data
        case "bslz4":
            block = _read_head(data, size)
            elements = pixels.dtype.itemsize * 8
            if block % elements:
                raise ReplyError(f"blocks of {block} bytes, which are not whole groups of 8 pixels")
            last = size % block // elements * elements
            _walk(data, [block] * (size // block) + ([last] if last else []), size % elements)
            return "bslz4", data


def _read_head(data: bytes, size: int) -> int:
    """The size of a block."""
    if len(data) < _HEAD.size:
        raise ReplyError(f"a frame of only {len(data)} bytes")
    total, block = _HEAD.unpack_from(data)
    if total != size:
        raise ReplyError(f"a frame of {total} bytes instead of {size}")
    if not 0 < block < _LARGEST_BLOCK:
        raise ReplyError(f"blocks of {block} bytes")
    return block


def _walk(data: bytes, blocks: list[int], copied: int) -> None:
    """Follow the lengths of all blocks to the end, behind which ``copied`` bytes stand."""
    at = _HEAD.size
    for block in blocks:
        if at + _LENGTH.size > len(data):
            raise ReplyError(f"a frame that is cut after {len(data)} bytes")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
        if not 0 < length <= block + block // 255 + 16 or at > len(data):  # LZ4's own bound of what does not compress
            raise ReplyError(f"a frame with a block of {length} bytes for {block}, which is wrong or cut")
    if at + copied != len(data):
        raise ReplyError(f"a frame of {len(data)} bytes, of which {at + copied} belong to it")
