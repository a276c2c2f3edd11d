"""Bytes of the PHD ULTRA's manual (publication 5419-002), given whole, byte by byte, and with more behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, RefusedError, ReplyError
from devices.protocols import harvard
from devices.protocols.harvard import Prompt

REPLIES = [
    (b"\nPHD ULTRA 3.0.5\r\n:", 0, 1, ("PHD ULTRA 3.0.5",), Prompt.IDLE),
    (b"\n14.7792 nl/min to 15.3477 ml/min\r\n:", 0, 1, ("14.7792 nl/min to 15.3477 ml/min",), Prompt.IDLE),
    (b"\n0 0 0 w..TI.\r\n:", 0, 1, ("0 0 0 w..TI.",), Prompt.IDLE),
    (b"\n0.857 ml/min\r\n>", 0, 1, ("0.857 ml/min",), Prompt.INFUSING),
    (b"\n1.5 ml\r\n<", 0, 1, ("1.5 ml",), Prompt.WITHDRAWING),
    (b"\n1.5 ml\r\n*", 0, 1, ("1.5 ml",), Prompt.STALLED),
    (b"\n1.5 ml\r\nT*", 0, 1, ("1.5 ml",), Prompt.TARGET_REACHED),
    (b"\n:", 0, 0, (), Prompt.IDLE),
    (b"\n>", 0, 0, (), Prompt.INFUSING),
    (b"\nT*", 0, 0, (), Prompt.TARGET_REACHED),
    (b"\n12:1 ml/min\r\n12:", 12, 1, ("1 ml/min",), Prompt.IDLE),
    (b"\n121 ml/min\r\n12>", 12, 1, ("1 ml/min",), Prompt.INFUSING),
    (b"\n12>1 ml/min\r\n12>", 12, 1, ("1 ml/min",), Prompt.INFUSING),
    (b"\n12T*1 ml/min\r\n12T*", 12, 1, ("1 ml/min",), Prompt.TARGET_REACHED),
    # The pump speaks unasked at its target; the answer comes behind it.
    (b"\nT*\n1.5 ml\r\nT*", 0, 1, ("1.5 ml",), Prompt.TARGET_REACHED),
]


@pytest.mark.parametrize(("data", "address", "lines", "texts", "prompt"), REPLIES)
def test_a_reply_is_read_whole_byte_by_byte_and_with_more_behind_it(data, address, lines, texts, prompt):
    expected = harvard.Reply(texts, prompt)
    assert harvard.decode(data, address, lines) == expected
    assert harvard.decode(data + b"\n:", address, lines) == expected
    for end in range(len(data)):
        assert harvard.decode(data[:end], address, lines) is None, data[:end]


@pytest.mark.parametrize(
    "data",
    [
        b"\nArgument error: 100 ml/min\r\n   Out of range\r\n:",
        b"\nCommand error: xyz\r\n   Unknown command\r\n:",
    ],
)
def test_an_error_of_the_pump_is_a_refusal_with_its_words(data):
    with pytest.raises(RefusedError, match="Out of range|Unknown command"):
        harvard.decode(data, 0, 1)


@pytest.mark.parametrize(
    "data", [b"x", b"\n\xff\r\n:", b"\na\nb\r\n:", b"\n0.8\x00 ml/min\r\n:", b"\n13:1 ml\r\n13:", b"\na\r\nb\r\n:"]
)
def test_what_is_no_reply_of_this_pump_is_an_error(data):
    with pytest.raises(ReplyError):
        harvard.decode(data, 12 if b"13" in data else 0, 1)


@given(st.binary(max_size=60), st.sampled_from([0, 12]), st.integers(0, 2))
def test_random_bytes_give_a_reply_or_an_error_of_ours(data, address, lines):
    try:
        reply = harvard.decode(data, address, lines)
    except DeviceError:
        return
    assert reply is None or len(reply.lines) >= lines


def test_commands_are_written_as_the_manual_has_them():
    assert harvard.command("irate 3.2 ul/min") == b"irate 3.2 ul/min\r"
    assert harvard.command("irat 3.2 ul/min", 12, "colon") == b"12:irat 3.2 ul/min\r"
    assert harvard.command("irat 3.2 ul/min", 12, "plain") == b"12irat 3.2 ul/min\r"
    assert harvard.command("irat", 12, "colon", "before") == b"@12:irat\r"
    assert harvard.command("irat", 12, "colon", "behind") == b"12:@irat\r"
    assert harvard.command("irat", at_sign="before") == b"@irat\r"


def test_quantities_are_read_in_whatever_unit_the_pump_chooses():
    assert harvard.rate_ml_min("51.4286 ml/hr") == pytest.approx(0.857143)
    assert harvard.rate_limits_ml_min("14.7792 nl/min to 15.3477 ml/min") == pytest.approx((1.47792e-5, 15.3477))
    assert harvard.volume_ml("12.5 ul") == pytest.approx(0.0125)
    assert harvard.diameter_mm("26.7000 mm") == 26.7
    assert harvard.status("14285714286 0 0 I..TI.").rate_ml_min == pytest.approx(0.857142857)
    assert harvard.status("0 0 0 w.STI", 5).stalled


@pytest.mark.parametrize(("flags", "text"), [(5, "0 12000 0 w..TI"), (6, "0 12000 0 w..TI.")])
def test_a_status_has_the_flags_and_the_unit_of_time_that_are_set(flags, text):
    assert harvard.status(text, flags).spent_s == 12000
    assert harvard.status(text, flags, "ms").spent_s == 12
    with pytest.raises(ReplyError):
        harvard.status(text, 11 - flags)


def test_a_target_that_is_not_set_is_none():
    assert harvard.target_ml("Target volume not set") is None
    assert harvard.target_ml("2.5 ml") == 2.5


@given(st.floats(1e-3, 100.0))
def test_a_volume_keeps_its_value_on_the_way_to_the_pump(volume):
    assert harvard.volume_ml(harvard.volume_text(volume)) == pytest.approx(volume, rel=1e-3)


@pytest.mark.parametrize("text", ["", "ml", "1 parsec", "1 ml/fortnight", "nan ml", "1,5 ml", "1 ml extra"])
def test_a_quantity_that_is_none_is_an_error(text):
    for read in (harvard.volume_ml, harvard.rate_ml_min, harvard.diameter_mm, harvard.status):
        with pytest.raises(ReplyError):
            read(text)


@given(st.floats(1e-5, 100.0))
def test_a_rate_keeps_its_value_on_the_way_to_the_pump(rate):
    assert harvard.rate_ml_min(harvard.rate_text(rate)) == pytest.approx(rate, rel=1e-4)
