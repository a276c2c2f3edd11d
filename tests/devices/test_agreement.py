"""What is believed of an instrument whose protocol has no checksum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.agreement import Agreement, DisagreementError


def asked(agreement: Agreement, replies: list[int]) -> tuple[int, int]:
    """What is believed, and how many of the replies it took."""
    left = iter(replies)
    taken: list[int] = []

    def ask() -> int:
        taken.append(next(left))
        return taken[-1]

    return agreement.ask("what", ask), len(taken)


def test_what_is_new_is_heard_three_times_and_what_stands_once():
    agreement = Agreement("pump", lambda: None)
    assert asked(agreement, [5, 5, 5]) == (5, 3)
    assert asked(agreement, [5]) == (5, 1)


def test_one_bad_reply_does_not_count():
    agreement = Agreement("pump", lambda: None)
    assert asked(agreement, [5, 7, 5, 5]) == (5, 4)
    assert asked(agreement, [7, 5, 5]) == (5, 3), "what was believed before counts as heard"


def test_what_changed_is_believed_after_three():
    agreement = Agreement("pump", lambda: None)
    asked(agreement, [5, 5, 5])
    assert asked(agreement, [6, 6, 6]) == (6, 3)
    agreement.forget()
    assert not agreement.believes("what", 6)
    assert asked(agreement, [6, 6, 6]) == (6, 3)


def test_where_nothing_agrees_nothing_is_believed():
    agreement = Agreement("pump", lambda: None)
    with pytest.raises(DisagreementError, match="pump: asked 'what' 9 times, no 3 answers agree"):
        asked(agreement, list(range(9)))
    assert not agreement.believes("what", 8)


@given(st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_what_is_believed_was_heard_thrice(replies):
    agreement = Agreement("pump", lambda: None)
    try:
        believed, taken = asked(agreement, replies)
    except DisagreementError:
        assert all(replies.count(reply) < 3 for reply in replies)
    else:
        assert replies[:taken].count(believed) == 3


def test_the_line_is_hushed_before_a_question_is_repeated_and_only_then():
    hushed: list[int] = []
    told = iter([1, 2, 2, 2, 2])
    heard: list[int] = []
    agreement = Agreement("pump", lambda: hushed.append(len(heard)))

    def ask() -> int:
        heard.append(next(told))
        return heard[-1]

    assert agreement.ask("rate", ask) == 2
    assert hushed == [1, 2, 3]
    assert agreement.ask("rate", ask) == 2
    assert hushed == [1, 2, 3]
