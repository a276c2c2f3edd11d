"""Bytes of the NE-1000's manual, given whole, byte by byte, and with more behind them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, ReplyError
from devices.protocols import new_era
from devices.protocols.new_era import Alarm, Reply, State

#: From the manual: returns the pump to basic mode.
LEAVE_SAFE_MODE = bytes((0x02, 0x08)) + b"SAF0" + bytes((0x55, 0x43, 0x03))

REPLIES = [
    (b"00S", 0, Reply(State.STOPPED, None)),
    (b"00I857.0UM", 0, Reply(State.INFUSING, None, "857.0UM")),
    (b"00W", 0, Reply(State.WITHDRAWING, None)),
    (b"00P", 0, Reply(State.PAUSED, None)),
    (b"00T", 0, Reply(State.TIMED_PAUSE, None)),
    (b"00U", 0, Reply(State.WAITING, None)),
    (b"00X", 0, Reply(State.PURGING, None)),
    (b"10SI0.000W20.00ML", 10, Reply(State.STOPPED, None, "I0.000W20.00ML")),
    (b"00A?R", 0, Reply(None, Alarm.RESET)),
    (b"00A?S", 0, Reply(None, Alarm.STALLED)),
    (b"07A?T", 7, Reply(None, Alarm.SILENCE)),
    (b"00S?", 0, Reply(State.STOPPED, None, refusal="it does not know this command")),
    (b"00S?NA", 0, Reply(State.STOPPED, None, refusal="not applicable now")),
    (b"00I?OOR", 0, Reply(State.INFUSING, None, refusal="out of range")),
    (b"00I?IGN", 0, Reply(State.INFUSING, None, refusal="ignored, a new phase began at the same time")),
]


def safe(content: bytes) -> bytes:
    return bytes((2, len(content) + 4)) + content + new_era.crc(content) + b"\x03"


FRAMES = [(lambda content: b"\x02" + content + b"\x03", new_era.decode_basic), (safe, new_era.decode_safe)]


def test_the_packet_of_the_manual_is_written_with_its_crc():
    assert new_era.crc(b"SAF0").hex() == "5543"
    assert new_era.safe_command("SAF0") == LEAVE_SAFE_MODE
    assert new_era.crc(b"123456789").hex() == "31c3"  # the check value of CRC-16/XMODEM


def test_commands_are_written_as_the_manual_has_them():
    assert new_era.basic_command("RAT857.0UM") == b"RAT857.0UM\r"
    assert new_era.basic_command("DIS", 10) == b"10DIS\r"
    assert new_era.safe_command("STP", 5)[:6] == b"\x02\x085STP"


@pytest.mark.parametrize(("frame", "decode"), FRAMES, ids=["basic", "safe"])
@pytest.mark.parametrize(("content", "address", "expected"), REPLIES)
def test_a_reply_is_read_whole_byte_by_byte_and_with_more_behind_it(frame, decode, content, address, expected):
    data = frame(content)
    for read in (decode, new_era.decode_either):
        assert read(data, address) == expected
        assert read(data + b"\x02\x0000", address) == expected
        for end in range(len(data)):
            assert read(data[:end], address) is None, data[:end]


@pytest.mark.parametrize(("frame", "decode"), FRAMES, ids=["basic", "safe"])
@pytest.mark.parametrize("content", [b"", b"S", b"00", b"00Q", b"01S", b"00A?Z", b"00S?WHY", b"00S?COM", b"00S\xff\n"])
def test_what_is_no_reply_of_this_pump_is_an_error(frame, decode, content):
    with pytest.raises(ReplyError):
        decode(frame(content), 0)


@pytest.mark.parametrize("data", [b"x", b"\r\x0200S\x03", b"\x02\x00", b"\x02\x03", b"\x02\x0700S\x00\x00\x03"])
def test_a_packet_that_was_garbled_is_an_error(data):
    with pytest.raises(ReplyError):
        new_era.decode_safe(data)


@given(st.sampled_from(REPLIES), st.integers(0, 200), st.integers(1, 255))
def test_one_garbled_byte_is_never_taken_for_a_reply_in_safe_mode(reply, position, change):
    data = bytearray(safe(reply[0]))
    data[position % len(data)] ^= change
    with contextlib.suppress(ReplyError):
        assert new_era.decode_safe(bytes(data), reply[1]) is None  # a length that promises more


@given(st.binary(max_size=60), st.booleans(), st.sampled_from([0, 12]))
def test_random_bytes_give_a_reply_or_an_error_of_ours(data, starts, address):
    for decode in (new_era.decode_basic, new_era.decode_safe, new_era.decode_either):
        try:
            reply = decode(b"\x02" * starts + data, address)
        except DeviceError:
            continue
        assert reply is None or (reply.state is None) != (reply.alarm is None)


def test_quantities_are_read_in_whatever_unit_the_pump_chooses():
    assert new_era.rate_ml_min("857.0UM") == pytest.approx(0.857)
    assert new_era.rate_ml_min("60.00MH") == pytest.approx(1.0)
    assert new_era.volume_ml("12.5UL") == (pytest.approx(0.0125), "UL")
    assert new_era.dispensed_ml("I0.000W20.00ML") == (0.0, 20.0)
    assert new_era.dispensed_ml("I1500.W2.500UL") == (1.5, 0.0025)
    assert new_era.diameter_mm("26.70") == 26.7


@pytest.mark.parametrize("text", ["", "ML", "1", "1XX", "nanMM", "-1ML", "1,5ML", ".ML", "1MLx", "I1ML", "1.2.3"])
def test_a_quantity_that_is_none_is_an_error(text):
    for read in (new_era.rate_ml_min, new_era.volume_ml, new_era.dispensed_ml):
        with pytest.raises(ReplyError):
            read(text)
    with pytest.raises(ReplyError):
        new_era.diameter_mm(text if text != "1" else "")


@given(st.floats(1e-4, 99.0))
def test_a_rate_keeps_its_value_within_the_digits_that_the_pump_takes(rate):
    number, unit = new_era.rate_text(rate)
    assert len(number.replace(".", "")) <= 4
    assert new_era.rate_ml_min(number + unit) == pytest.approx(rate, rel=6e-4)


def test_a_number_with_too_many_digits_is_refused():
    with pytest.raises(ValueError, match="more than 4 digits"):
        new_era.number(10_000)
