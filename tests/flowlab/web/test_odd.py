"""What comes from outside may be odd: it takes the page away from nobody."""

import json
import struct

import numpy as np
import pytest

from flowlab.web.viewers import _encoded
from flowlab.web.wire import encode


def header(data: bytes) -> dict:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length])


@pytest.mark.parametrize("name", ["f32", "u8"])
def test_parameters_that_are_called_as_arrays_are_not_taken_for_some(name):
    found = header(encode({"parameters": {name: [1e9, 5]}}))
    assert found["parameters"] == {f"{name} ": [1e9, 5]}


def test_numbers_that_are_longer_than_those_of_json_are_sent(recwarn):
    assert header(encode({"time": np.longdouble(2.5)})) == {"time": 2.5}


def test_what_is_nested_without_end_is_cut_off():
    nested: list = []
    for _ in range(5000):
        nested = [nested]
    assert b"\\u2026" in encode({"parameters": nested})


def test_a_section_that_cannot_be_sent_keeps_none_of_the_others_back():
    class Odd:
        def __str__(self) -> str:
            raise ValueError("no words")

    found = header(_encoded({"run": {"parameters": Odd()}, "status": {"facts": None}}))
    assert found["sections"] == {"status": {"facts": None}}
