"""Replies of a 6485, given whole, byte by byte, and spoilt; see also tests/transcripts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, ReplyError
from devices.protocols import keithley
from devices.protocols.keithley import Reading

MANUAL = b"+1.040564E-06A,+2.236299E+02,+1.380000E+02"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r"])
def test_the_reading_of_the_manual_is_read_whatever_ends_it(end):
    assert keithley.decode_reading(MANUAL + end) == Reading(1.040564e-6, 223.6299, 138)
    assert keithley.decode_reading(end + MANUAL + end) == Reading(1.040564e-6, 223.6299, 138)
    for length in range(len(MANUAL) + 1):
        assert keithley.decode_reading(MANUAL[:length]) is None


@pytest.mark.parametrize("overflow", [b"+9.9E37A", b"+9.900000E+37A"])
def test_an_overflow_is_no_current(overflow):
    reading = keithley.decode_reading(overflow + MANUAL[14:] + b"\r")
    assert reading is not None
    assert "voltage at the input" in Reading(9.9e37, 1.0, 1 << 7).why
    assert "over range" in Reading(9.9e37, 1.0, 0).why
    assert reading.why


def test_each_bit_that_makes_a_reading_no_current_says_so():
    words = {0: "over range", 2: "calculation", 3: "relative", 9: "zero check"}
    for bit in range(16):
        why = Reading(1e-6, 1.0, 1 << bit).why
        assert (words[bit] in why) if bit in words else why == ""
    assert Reading(9.91e37, 1.0, 0).why == "the instrument gave no number"
    assert Reading(1e-6, 1.0, 138).reason([0, 9]) == ""
    assert Reading(1e-6, 1.0, 138).reason([7, 5]) == "too high a voltage at the input"
    assert Reading(1e-6, 1.0, 32).reason([5]) == "bit 5 of its status is set"


@pytest.mark.parametrize(
    "reply",
    [
        b"+1.040564E-06,+2.236299E+02,+1.380000E+02",  # no unit
        b"+1.040564E-06A,+2.236299E+02",
        b"+1.040564E-06A,+2.236299E+02,+1.380000E+02,+1.380000E+02",
        b"+1.040564E-01A,+2.236299E+02,+1.380000E+02",  # more than it can measure
        b"+1.040564E-06A,-2.236299E+02,+1.380000E+02",
        b"+1.040564E-06A,+2.236299E+02,+1.380500E+02",
        b"+1.040564E-06A,+2.236299E+02,+1.380000E+06",
        b"nan,+2.236299E+02,+1.380000E+02",
        b"\xff" + MANUAL,
        b"",
    ],
)
def test_what_is_not_exactly_a_reading_is_refused(reply):
    with pytest.raises(ReplyError):
        keithley.decode_reading(reply + b"\r")
        raise ReplyError("an empty line is not whole")  # nothing came of it


def test_a_line_that_never_ends_is_refused():
    with pytest.raises(ReplyError, match="no short line"):
        keithley.decode_line(b"1" * 300)


def test_a_reading_follows_another_only_when_the_clock_goes_on():
    now = Reading(1e-6, 223.6, 0)
    assert Reading(1e-6, 223.7, 0).follows(now)
    assert Reading(2e-6, 223.6, 0).follows(now)  # the clock has few digits
    assert Reading(1e-6, 0.5, 0).follows(Reading(1e-6, 99_999.9, 0))  # it begins anew
    assert not now.follows(now)
    assert not Reading(2e-6, 223.5, 0).follows(now)
    assert not Reading(2e-6, 0.5, 0).follows(now)  # it was switched off


@given(st.integers(0, len(MANUAL)), st.integers(0, 7))
def test_a_turned_bit_gives_an_error_another_reading_or_none(position, bit):
    frame = bytearray(MANUAL + b"\r")
    frame[position] ^= 1 << bit
    with contextlib.suppress(DeviceError):
        reading = keithley.decode_reading(bytes(frame))
        # A letter of an exponent that became small still means the same; all else shows when it is asked for again.
        assert reading is None or reading != Reading(1.040564e-6, 223.6299, 138)


@given(st.binary(max_size=80))
def test_random_bytes_give_nothing_or_an_error_of_ours(data):
    for decode in (keithley.decode_reading, keithley.decode_number, keithley.decode_error, keithley.decode_line):
        with contextlib.suppress(DeviceError):
            decode(data)
