"""Replies of an Azura that no transcript has: spoilt ones, and both ways to end a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, RefusedError, ReplyError
from devices.protocols import knauer


@pytest.mark.parametrize(
    "reply",
    [b"FLOW:1250\r", b"FLOW:1250\r\n", b"FLOW:1250\n\r", b"\nFLOW:1250\r", b"\r\nFLOW:1250\r"],
)
def test_line_feeds_are_passed_over_wherever_they_are(reply):
    assert knauer.decode_value(reply, "FLOW") == "1250"
    assert knauer.decode_value(reply.replace(b"FLOW:", b""), "FLOW", bare=True) == "1250"


@pytest.mark.parametrize(
    "reply", [b"FLOW\r", b"FLOV:1250\r", b"PRESSURE:3\r", b"FL\xcfW:1\r", b"FLOW:1\x00\r", b"1250\r"]
)
def test_what_is_no_answer_to_that_is_an_error(reply):
    with pytest.raises(ReplyError):
        knauer.decode_value(reply, "FLOW")


@pytest.mark.parametrize("reply", [b"PMAX10:OK\r", b"FLOW:1250\r", b"FLOW:OL\r", b"\xff\r"])
def test_what_is_no_acknowledgement_of_that_is_an_error(reply):
    with pytest.raises(ReplyError):
        knauer.decode_done(reply, "FLOW:1250")


@pytest.mark.parametrize(
    ("reply", "why"), [(b"ERROR:1\r", "know this command"), (b"ERROR:2\r", "range"), (b"ERROR:7\r", "error 7")]
)
def test_an_error_is_a_refusal_and_a_list_of_errors_is_not(reply, why):
    for decode in (lambda data: knauer.decode_value(data, "FLOW"), lambda data: knauer.decode_done(data, "FLOW:1")):
        with pytest.raises(RefusedError, match=why):
            decode(reply)
    assert knauer.errors(knauer.decode_value(b"ERRORS:1,0,0,0,0\r", "ERRORS") or "") == (1, 0, 0, 0, 0)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "1234567", "१", "OK"])
def test_a_number_that_is_none_is_an_error(text):
    for read in (knauer.whole, knauer.head_ml, knauer.errors):
        with pytest.raises(ReplyError):
            read(text)


def test_a_head_is_one_of_two():
    assert (knauer.head_ml("10"), knauer.head_ml("50 mL")) == (10, 50)
    with pytest.raises(ReplyError, match="no pump head"):
        knauer.head_ml("30")


@given(st.binary(max_size=40), st.booleans())
def test_random_bytes_give_a_reply_or_an_error_of_ours(data, bare):
    for decode in (
        lambda: knauer.decode_value(data, "FLOW", bare),
        lambda: knauer.decode_done(data, "FLOW:1"),
        lambda: knauer.errors(data.decode("latin-1")),
    ):
        try:
            decode()
        except DeviceError:
            continue
