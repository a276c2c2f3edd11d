"""EI-Bisynch frames, given whole, byte by byte, and spoilt."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, RefusedError, ReplyError
from devices.protocols import bisynch
from simulators.wire import bisynch as controller

PV_0 = bytes.fromhex("02 50 56 30 2E 30 03 2B")
DATA = st.text(st.sampled_from("0123456789.->ABCDEF"), min_size=1, max_size=8)
MNEMONICS = st.sampled_from(["PV", "SL", "SP", "OP", "SO", "IW", "EE", "mA"])


def test_requests_are_the_frames_of_the_handbook():
    assert bisynch.poll(1, "PV") == b"\x040011PV\x05"
    assert bisynch.select(1, "SL", "250.0") == b"\x040011\x02SL250.0\x03\x35"
    assert bisynch.poll(47, "SL") == b"\x044477SL\x05"


@given(MNEMONICS, DATA)
def test_what_a_controller_sends_is_read_whatever_its_check_character_is(mnemonic, data):
    reply = controller.frame(mnemonic, data)
    assert bisynch.decode_poll(reply, mnemonic) == data
    assert bisynch.decode_poll(reply + reply, mnemonic) == data
    for end in range(len(reply)):
        assert bisynch.decode_poll(reply[:end], mnemonic) is None


def test_every_check_character_that_is_a_control_character_is_read():
    met = set()
    for tenths in range(4000):
        for text in (f"{tenths / 10:.1f}", f"{tenths}."):
            reply = controller.frame("SL", text)
            met.add(reply[-1])
            assert bisynch.decode_poll(reply, "SL") == text
    assert {0x02, 0x03, 0x04, 0x05, 0x06} <= met


@given(MNEMONICS, DATA, st.data())
def test_a_reply_with_one_spoilt_byte_is_never_taken_for_a_value(mnemonic, data, draw):
    frame = bytearray(controller.frame(mnemonic, data))
    position = draw.draw(st.integers(0, len(frame) - 1))
    frame[position] ^= draw.draw(st.integers(1, 255))
    with contextlib.suppress(DeviceError):
        assert bisynch.decode_poll(bytes(frame), mnemonic) is None


@given(MNEMONICS, DATA, st.data())
def test_a_request_with_one_spoilt_byte_is_never_obeyed(mnemonic, data, draw):
    frame = bytearray(bisynch.select(1, mnemonic, data))
    position = draw.draw(st.integers(0, len(frame) - 1))
    frame[position] ^= draw.draw(st.integers(1, 255))
    request = controller.take_request(bytearray(frame))
    assert request is None or not request.whole or request.unit != 1 or request.data is None


def test_an_answer_to_another_question_is_not_taken():
    with pytest.raises(ReplyError, match="an answer to 'PV', not to 'SP'"):
        bisynch.decode_poll(PV_0, "SP")


def test_a_parameter_that_there_is_not_is_a_refusal():
    with pytest.raises(RefusedError, match="no parameter ZZ"):
        bisynch.decode_poll(b"\x04", "ZZ")


def test_a_write_is_confirmed_by_ack_only():
    assert bisynch.decode_select(b"") is None
    assert bisynch.decode_select(b"\x06") is True
    with pytest.raises(RefusedError):
        bisynch.decode_select(b"\x15")
    for byte in set(range(256)) - {0x06, 0x15}:
        with pytest.raises(ReplyError):
            bisynch.decode_select(bytes([byte]))


@pytest.mark.parametrize(
    ("text", "value"), [("250.0", 250.0), ("-1.", -1.0), (".5", 0.5), ("+3", 3.0), (" 20.0", 20.0), ("-0.25", -0.25)]
)
def test_numbers_come_in_free_format(text, value):
    assert bisynch.number(text) == value


@pytest.mark.parametrize("text", ["", ".", "1e5", "nan", "inf", "1.2.3", ">0420", "--1", "1 2", "٣"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ReplyError, match="is not a number"):
        bisynch.number(text)


@pytest.mark.parametrize(("text", "value"), [(">0420", 0x420), (">F", 15), ("1056.", 1056), ("0", 0), (">FFFF", 65535)])
def test_words_come_in_hexadecimal_or_in_free_format(text, value):
    assert bisynch.word(text) == value


@pytest.mark.parametrize("text", ["", ">", ">12345", ">12G4", "65536", "-1", "1.5", "1e3"])
def test_what_is_no_word_is_refused(text):
    with pytest.raises(ReplyError, match="is not a word"):
        bisynch.word(text)


@given(st.binary(max_size=60))
def test_random_bytes_give_nothing_or_an_error_of_ours(data):
    with contextlib.suppress(DeviceError):
        bisynch.decode_poll(data, "PV")
    with contextlib.suppress(DeviceError):
        bisynch.decode_select(data)
