"""Replies of a valve's actuator that no transcript has: spoilt ones, echoes, prefixes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, RefusedError, ReplyError
from devices.protocols import vici
from devices.protocols.vici import Position


def test_moves_are_written_in_every_direction():
    assert vici.command(vici.move_text(3, "shortest")) == b"GO03\r"
    assert vici.command(vici.move_text(10, "clockwise"), 7) == b"7CW10\r"
    assert vici.command(vici.move_text(3, "counterclockwise")) == b"CC03\r"


@pytest.mark.parametrize(
    ("data", "dialect", "device_id"),
    [
        (b"CP03\r", "eut", None),
        (b"CP3\r\n", "eut", None),
        (b"CP = 03\r", "eut", None),
        (b"\nCP03\r", "eut", None),
        (b"7CP03\r", "eut", 7),
        (b"CP03\r", "eut", 7),
        (b"GO03\rCP03\r", "eut", None),
        (b"Position is  = 3\r", "emh", None),
        (b" Position is  = 3\r\n", "emh", None),
        (b"3Position is  = 3\r", "emh", 3),
    ],
)
def test_a_position_is_read_however_it_is_framed(data, dialect, device_id):
    assert vici.decode_position(data, dialect, device_id) == Position(3, there=True)
    assert vici.decode_position(data[: data.rindex(b"\r")], dialect, device_id) is None


@pytest.mark.parametrize(
    ("data", "dialect"),
    [(b"CQ03\r", "eut"), (b"CP0\xb3\r", "eut"), (b"Position is = 3\r", "emh"), (b"Position is  = x\r", "emh")],
)
def test_what_is_no_position_is_an_error(data, dialect):
    with pytest.raises(ReplyError):
        vici.decode_position(data, dialect)


@pytest.mark.parametrize("decode", [vici.decode_position, vici.decode_positions])
def test_a_refusal_is_told_in_its_words(decode):
    with pytest.raises(RefusedError, match="GO99 = Bad command"):
        decode(b"GO99 = Bad command\r", "emh")


@given(st.binary(max_size=40), st.sampled_from(["eut", "emh"]), st.sampled_from([None, 3]))
def test_random_bytes_give_a_reply_or_an_error_of_ours(data, dialect, device_id):
    for decode in (vici.decode_position, vici.decode_positions):
        try:
            decode(data, dialect, device_id)
        except DeviceError:
            continue
