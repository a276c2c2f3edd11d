"""Serialisation of an event with a spectrum."""

import pickle
from typing import Any

import msgpack
import numpy as np

from benchmarks.table import Row, interleaved
from flowlab.stream.codec import pack, unpack


def event(pixels: int = 2048, *, as_list: bool = False) -> dict[str, Any]:
    """An event document with one spectrum of floats."""
    counts: Any = np.random.default_rng(0).random(pixels)
    data = {"counts": counts.tolist() if as_list else counts, "temperature_c": 280.0}
    return {
        "uid": "0" * 36,
        "time": 1.0,
        "seq_num": 1,
        "descriptor": "1" * 36,
        "data": data,
        "timestamps": dict.fromkeys(data, 1.0),
        "filled": {},
    }


def rows() -> list[Row]:
    """Encode and decode against pickle, and against msgpack with a list of floats."""
    array, listed = event(), event(as_list=True)
    packed, pickled = pack(array), pickle.dumps(array)
    encode, encode_peer = interleaved(lambda: pack(array), lambda: pickle.dumps(array), 30, 200)
    _, encode_list = interleaved(lambda: pack(array), lambda: msgpack.packb(listed), 30, 20)
    decode, decode_peer = interleaved(lambda: unpack(packed), lambda: pickle.loads(pickled), 30, 200)  # noqa: S301
    goal = "≤ 40 µs"
    return [
        Row("serialise a 2048-float event", encode, "µs", goal, encode_peer, "pickle of the array"),
        Row("serialise a 2048-float event", encode, "µs", goal, encode_list, "msgpack of a list"),
        Row("read a 2048-float event", decode, "µs", "-", decode_peer, "pickle"),
    ]
