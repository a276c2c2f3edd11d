"""Values in payloads of the Ocean Binary Protocol; the messages around them are in the transcripts."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import RefusedError, ReplyError
from devices.protocols import obp
from tests.simulators.wire.test_ocean import message


@pytest.mark.parametrize("payload", [b"", b"\x01\x02\x03", bytes(5)])
def test_a_number_has_one_two_or_four_bytes(payload):
    with pytest.raises(ReplyError, match="is no number"):
        obp.unsigned(payload)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_goes_both_ways(value):
    assert obp.real(obp.single(value)) == value


@pytest.mark.parametrize("payload", [b"", bytes(8), struct.pack("<f", float("nan")), struct.pack("<f", float("inf"))])
def test_what_is_no_number_is_no_temperature(payload):
    with pytest.raises(ReplyError, match="is no number"):
        obp.real(payload)


def test_pixels_follow_what_stands_before_them():
    counts = np.array([0, 1450, 65535], "<u2")
    assert obp.spectrum_16(counts.tobytes(), 3).tolist() == counts.tolist()
    assert obp.spectrum_16(bytes(64) + counts.tobytes(), 3, 64).tolist() == counts.tolist()
    for wrong in (counts.tobytes()[:-1], bytes(2) + counts.tobytes()):
        with pytest.raises(ReplyError, match="are no spectrum of 3 pixels"):
            obp.spectrum_16(wrong, 3)


def test_more_counts_than_the_converter_has_are_an_error():
    head = struct.pack("<LQLHB13x", 1, 2, 3, 0, 0)
    obp.spectrum_32(head + struct.pack("<2L", 0, 2**18 - 1), 2)
    with pytest.raises(ReplyError, match="262144 counts are more than 18 bits"):
        obp.spectrum_32(head + struct.pack("<2L", 0, 2**18), 2)
    with pytest.raises(ReplyError, match="are no spectrum of 2 pixels"):
        obp.spectrum_32(head + struct.pack("<3L", 0, 0, 0), 2)


def test_a_payload_beyond_16_bytes_stands_behind_the_header():
    for size in (0, 1, 16, 17, 300):
        payload = bytes(range(256))[:size] * 1 if size <= 256 else bytes(size)
        sent = obp.ask(0x00100928, payload, 77)
        assert sent == message(0x00100928, payload, md5=True)
        assert obp.parse(sent).payload == payload


def test_nobody_waits_for_more_than_a_reply_can_have():
    huge = bytearray(message(0x101, b"\x08", flags=1))
    huge[42] = 0x10  # a megabyte
    with pytest.raises(ReplyError, match="bytes to come"):
        obp.length(bytes(huge))


def test_a_refusal_may_name_the_type_in_place_of_the_number():
    refusal = bytearray(message(0x101, flags=9, error=6))
    refusal[12:16] = struct.pack("<L", 0x101)
    with pytest.raises(RefusedError, match=r"the value is not allowed \(error 6\)"):
        obp.read_answer(bytes(refusal), 0x101, 5, False)
