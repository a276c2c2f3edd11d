"""Frames that instruments were seen to exchange, given whole, byte by byte, and spoilt."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, RefusedError, ReplyError
from devices.protocols import modbus

READ_PV = bytes.fromhex("01 03 00 01 00 01 D5 CA")
WRITE_2500 = bytes.fromhex("01 06 00 02 09 C4 2F C9")
PV_250_0 = bytes.fromhex("01 03 02 09 C4 BF 87")
EXCEPTION = bytes.fromhex("01 86 03 02 61")


def test_requests_are_the_frames_of_the_manual():
    assert modbus.read_request(1, 1) == READ_PV
    assert modbus.write_request(1, 2, 2500) == WRITE_2500


def test_a_reading_is_read_whole_and_byte_by_byte():
    assert modbus.decode_read(PV_250_0, 1) == [2500]
    for end in range(len(PV_250_0)):
        assert modbus.decode_read(PV_250_0[:end], 1) is None


def test_a_negative_reading_keeps_its_sign():
    assert modbus.decode_read(bytes.fromhex("01 03 02 FF 9C F9 DD"), 1) == [-100]


def test_a_write_is_confirmed_by_its_echo_only():
    assert modbus.decode_write(WRITE_2500, 1, 2, 2500) is True
    for register, value in ((2, 2501), (3, 2500)):
        with pytest.raises(ReplyError, match="not the echo"):
            modbus.decode_write(WRITE_2500, 1, register, value)


def test_an_exception_is_a_refusal_that_says_why():
    with pytest.raises(RefusedError, match="illegal value"):
        modbus.decode_write(EXCEPTION, 1, 26, 30000)


def test_an_answer_of_another_unit_is_not_taken():
    with pytest.raises(ReplyError, match="from unit 1"):
        modbus.decode_read(PV_250_0, 2)


def test_an_answer_of_another_length_is_not_taken():
    with pytest.raises(ReplyError, match="2 registers"):
        modbus.decode_read(PV_250_0, 1, count=2)


@given(st.integers(0, len(PV_250_0) - 1), st.integers(1, 255))
def test_a_spoilt_frame_is_never_taken_for_a_value(position, flip):
    frame = bytearray(PV_250_0)
    frame[position] ^= flip
    with contextlib.suppress(DeviceError):
        assert modbus.decode_read(bytes(frame), 1) is None


@given(st.binary(max_size=40))
def test_random_bytes_give_nothing_or_an_error_of_ours(data):
    with contextlib.suppress(DeviceError):
        modbus.decode_read(data, 1)
    with contextlib.suppress(DeviceError):
        modbus.decode_write(data, 1, 26, 0)
