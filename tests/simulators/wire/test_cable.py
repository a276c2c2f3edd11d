"""A bad cable spoils replies as it is told to, the same ones for the same seed."""

import pytest

from flowlab.errors import BadInputError
from simulators.wire.cable import Cable

REPLY = b"\n0.857 ml/min\r\n:"


def carried(fault: str, *, seed: str = "1", times: int = 200, **options: float) -> list[list[tuple[float, bytes]]]:
    cable = Cable(seed)
    cable.faults[fault](True, **options)
    return [cable.carry(REPLY) for _ in range(times)]


def test_a_good_cable_carries_what_it_is_given() -> None:
    assert Cable("1").carry(REPLY) == [(0.0, REPLY)]


def test_a_garbled_reply_differs_in_one_bit() -> None:
    for ((after_s, data),) in carried("garble"):
        turned = [a ^ b for a, b in zip(data, REPLY, strict=True)]
        assert after_s == 0.0
        assert sorted(bit.bit_count() for bit in turned)[-2:] == [0, 1]


def test_a_cut_reply_is_a_beginning_of_it() -> None:
    lengths = {len(data) for ((_, data),) in carried("cut", times=500)}
    assert lengths == set(range(len(REPLY)))
    assert all(REPLY.startswith(data) for ((_, data),) in carried("cut"))


def test_replies_are_lost_delayed_and_doubled() -> None:
    assert carried("lose", times=2) == [[], []]
    assert carried("delay", times=1, delay_s=0.4) == [[(0.4, REPLY)]]
    assert carried("duplicate", times=1) == [[(0.0, REPLY)] * 2]


def test_so_many_replies_are_spoilt_as_the_probability_says() -> None:
    spoilt = sum(not sent for sent in carried("lose", times=1000, probability=0.25))
    assert 200 < spoilt < 300


def test_the_same_seed_spoils_the_same_replies() -> None:
    assert carried("garble", probability=0.5) == carried("garble", probability=0.5)
    assert carried("garble", probability=0.5) != carried("garble", probability=0.5, seed="2")


def test_a_fault_that_is_cleared_spoils_nothing() -> None:
    cable = Cable("1")
    for switch in cable.faults.values():
        switch(True)
        switch(False)
    assert cable.carry(REPLY) == [(0.0, REPLY)]


@pytest.mark.parametrize(("fault", "option", "value"), [("cut", "probability", 1.5), ("delay", "delay_s", -1.0)])
def test_what_a_cable_cannot_do_is_refused(fault: str, option: str, value: float) -> None:
    with pytest.raises(BadInputError, match=option):
        Cable("1").faults[fault](True, **{option: value})


def test_a_cable_counts_what_it_spoilt() -> None:
    cable = Cable("1")
    cable.faults["lose"](True, probability=0.5)
    lost = [cable.carry(REPLY) for _ in range(100)].count([])
    cable.faults["lose"](False)
    cable.faults["delay"](True)
    cable.carry(REPLY)
    assert cable.spoilt == {"lose": lost, "delay": 1}
    assert 0 < lost < 100
