"""A PHD ULTRA answers as its manual (5419-002) and the pumps in use say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.wire.bench import Bench
from simulators.wire.harvard import PhdUltra
from tests.simulators.benches import bench, converse, pass_time, say

# The first two lines and the one that is marked are quoted from the manual and from transcripts of pumps in use.
# What the flags of the status mean beyond the quoted line, and words such as "Rate not set", are assumed.
DIALOGUE = [
    (b"ver\r", b"\nPHD ULTRA 3.0.5\r\n:"),
    (b"irate lim\r", b"\n14.7792 nl/min to 15.3477 ml/min\r\n:"),
    (b"status\r", b"\n0 0 0 i..TI.\r\n:"),
    (b"\r", b"\n:"),
    (b"nvram off\r", b"\n:"),
    (b"diameter 26.7\r\n", b"\n:"),
    (b"DIAM\r", b"\n26.7000 mm\r\n:"),
    (b"diameter 26.7 mm\r", b"\n:"),
    (b"diameter 2.6 inch\r", b"\nArgument error: inch\r\n   Unknown units\r\n:"),
    (b"diameter 126\r", b"\nArgument error: 126\r\n   Out of range\r\n:"),
    (b"svolume 50 ml\r", b"\n:"),
    (b"svol\r", b"\n50 ml\r\n:"),
    (b"irate 0.857 ml/min\r", b"\n:"),
    (b"irate\r", b"\n0.857 ml/min\r\n:"),
    (b"irat 51.4 m/h\r", b"\n:"),
    (b"@irat\r", b"\n51.4 ml/hr\r\n:"),
    (b"irate 900 ml/min\r", b"\nArgument error: 900 ml/min\r\n   Out of range\r\n:"),
    (b"irate 1 gal/min\r", b"\nArgument error: gal/min\r\n   Unknown units\r\n:"),
    (b"irate 1\r", b"\nArgument error: 1\r\n   Unknown units\r\n:"),
    (b"irate fast ml/min\r", b"\nArgument error: fast\r\n   Invalid number\r\n:"),
    (b"irate -1 ml/min\r", b"\nArgument error: -1\r\n   Out of range\r\n:"),
    (b"irate max\r", b"\n:"),
    (b"irate\r", b"\n106.76 ml/min\r\n:"),
    (b"wrun\r", b"\nArgument error: wrun\r\n   Rate not set\r\n:"),
    (b"fly away\r", b"\nCommand error: fly away\r\n   Unknown command\r\n:"),
    (b"ira\r", b"\nCommand error: ira\r\n   Unknown command\r\n:"),
    (b"tvolume\r", b"\nTarget volume not set\r\n:"),
    (b"tvolume 2.5 ml\r", b"\n:"),
    (b"tvol\r", b"\n2.5 ml\r\n:"),
    (b"tvolume 0 ml\r", b"\nArgument error: 0 ml\r\n   Out of range\r\n:"),
    (b"ctvolume\r", b"\n:"),
    (b"irate 6 ml/min\r", b"\n:"),
    (b"irun\r", b"\n>"),
    (b"status\r", b"\n100000000000 0 0 I..TI.\r\n>"),
    (b"diameter 20\r", b"\nCommand error: diameter 20\r\n   Not while the pump is running\r\n>"),
    (b"wrate 1 ml/min\r", b"\n>"),
    (b"wrun\r", b"\n<"),
    (b"stp\r", b"\n:"),
    (b"status\r", b"\n0 0 0 w..TI.\r\n:"),  # quoted
    (b"wvolume\r", b"\n0 ul\r\n:"),
    (b"echo on\r", b"\n:"),
    (b"echo off\r", b"echo off\r\n:"),
    (b"7:irate\r", b""),
    (b"0:address\r", b"\nPump address is 0\r\n:"),
]


def pump_on(a_bench: Bench) -> PhdUltra:
    pump = a_bench.instruments["cadmium_pump"]
    assert isinstance(pump, PhdUltra)
    return pump


@pytest.mark.parametrize("how", ["whole", "bytes", "trailing"])
def test_it_answers_by_the_book(how: str) -> None:
    converse(pump_on(bench()), DIALOGUE, how)


def test_a_pump_with_an_address_listens_to_nothing_else_and_puts_it_before_every_line() -> None:
    pump = pump_on(bench(cadmium_pump={"unit": 12}))
    dialogue = [
        (b"irate\r", b""),
        (b"\r", b""),
        (b"3:irate\r", b""),
        (b"12:irat 1 ml/min\r", b"\n12:"),
        (b"12:irat\r", b"\n12:1 ml/min\r\n12:"),
        (b"@12:irat\r", b"\n12:1 ml/min\r\n12:"),
        (b"12:@irat\r", b"\n12:1 ml/min\r\n12:"),
        (b"12:fly\r", b"\n12:Command error: fly\r\n12:   Unknown command\r\n12:"),
        (b"12:irun\r", b"\n12>"),
    ]
    converse(pump, dialogue, "whole")


def test_its_siblings_are_addressed_without_a_colon_and_leave_the_prompt_out() -> None:
    pump = pump_on(bench(cadmium_pump={"unit": 12, "dialect": "plain", "before_text": "address"}))
    dialogue = [
        (b"12irat 1 ml/min\r", b"\n12:"),
        (b"12irat\r", b"\n121 ml/min\r\n12:"),
        (b"@12irun\r", b"\n12>"),
        (b"12irat\r", b"\n121 ml/min\r\n12>"),
    ]
    converse(pump, dialogue, "whole")
    assert say(pump, b"12:irat\r") == b"\n12Command error: :irat\r\n12   Unknown command\r\n12>"


def test_the_time_in_the_raw_status_is_in_the_unit_that_is_set() -> None:
    a_bench = bench(cadmium_pump={"status_time": "ms"})
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 3 ml/min\rirun\r")
    pass_time(a_bench, 1.5)
    assert say(pump, b"status\r").split()[1] == b"1500"


def test_the_raw_status_has_five_flags_when_the_manual_is_right() -> None:
    assert say(pump_on(bench(cadmium_pump={"status_flags": 5})), b"status\r") == b"\n0 0 0 i..TI\r\n:"


def test_it_counts_by_the_diameter_it_was_told_and_moves_the_syringe_that_is_there() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 20\rirate 3 ml/min\rirun\r")
    pass_time(a_bench, 60.0)
    assert say(pump, b"ivolume\r") == b"\n3 ml\r\n>"
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(3 * (26.7 / 20) ** 2)
    assert a_bench.plant.truth()["pumps"]["cadmium_pump"]["rate_ml_min"] == pytest.approx(3 * (26.7 / 20) ** 2)


def test_the_rate_changes_while_it_runs() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 3 ml/min\rirun\r")
    pass_time(a_bench, 60.0)
    say(pump, b"irate 600 ul/min\r")
    pass_time(a_bench, 60.0)
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(3.6)
    rate, time, volume, flags = say(pump, b"status\r").split(b"\r")[0].split()
    assert (int(rate), int(time), flags) == (10**10, 120, b"I..TI.")
    assert int(volume) == pytest.approx(3.6e12)


def test_withdrawing_refills_from_the_reservoir_and_counts_apart() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 6 ml/min\rwrate 3 ml/min\rirun\r")
    pass_time(a_bench, 60.0)
    assert say(pump, b"wrun\r") == b"\n<"
    pass_time(a_bench, 30.0)
    assert say(pump, b"stop\rivol\rwvol\r") == b"\n:\n6 ml\r\n:\n1.5 ml\r\n:"
    assert a_bench.plant.drives["cadmium_pump"].content_ml == pytest.approx(50 - 6 + 1.5)
    assert say(pump, b"cvolume\rivol\rwvol\rrun\r") == b"\n:\n0 ul\r\n:\n0 ul\r\n:\n<"


def test_at_the_target_volume_it_stops_and_says_so_unasked() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 6.1 ml/min\rtvolume 1.2345 ml\rirun\r")
    pass_time(a_bench, 12.0)
    assert pump.unasked() == b""
    pass_time(a_bench, 18.0)
    assert pump.unasked() == b"\nT*"
    assert pump.unasked() == b""
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(1.2345)
    assert say(pump, b"ivolume\rstatus\r") == b"\n1.2345 ml\r\nT*\n0 12 1234500000000 i..TIT\r\nT*"
    assert say(pump, b"irun\r") == b"\nT*"  # there already
    assert say(pump, b"civolume\rirun\r") == b"\nT*\n>"


def test_a_stall_is_silent_and_shows_in_the_next_prompt() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 6 ml/min\rirun\r")
    pass_time(a_bench, 6.0)
    pump.faults["stall"](True)
    pass_time(a_bench, 6.0)
    assert pump.unasked() == b""
    assert say(pump, b"status\r").endswith(b" i.STI.\r\n*")
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(0.6)
    assert say(pump, b"irate 5 ml/min\r") == b"\n*"
    pump.faults["stall"](False)
    assert say(pump, b"irun\r") == b"\n>"
    pass_time(a_bench, 12.0)
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(1.6)


def test_a_stall_in_the_last_step_before_the_target_is_a_stall() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 6 ml/min\rtvolume 10 ul\rirun\r")
    pump.faults["stall"](True)
    pass_time(a_bench, 1.0)
    assert pump.unasked() == b""
    assert say(pump, b"\r") == b"\n*"


def test_a_target_at_the_very_end_of_the_barrel_is_reached() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 7 ml/min\rwrate 13 ml/min\rirun\r")
    pass_time(a_bench, 61.3)
    infused = say(pump, b"stop\rivol\r").split()[1:3]
    say(pump, b"tvolume %b %b\rwrun\r" % (*infused,))
    pass_time(a_bench, 60.0)
    assert pump.unasked() == b"\nT*"


def test_an_empty_syringe_stalls() -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    say(pump, b"diameter 26.7\rirate 20 ml/min\rirun\r")
    pass_time(a_bench, 180.0)
    assert say(pump, b"\r") == b"\n*"
    assert a_bench.plant.reactor.pumped_ml == pytest.approx(50.0)


def test_a_new_diameter_forgets_a_rate_that_is_impossible_with_it() -> None:
    pump = pump_on(bench())
    assert say(pump, b"irate 15 ml/min\rdiam 5\rirate\r") == b"\n:\n:\nRate not set\r\n:"


@given(diameter=st.floats(0.1, 50.0).map(lambda mm: f"{mm:.3f}"), which=st.sampled_from(["irate", "wrate"]))
def test_it_takes_the_limits_that_it_prints(diameter: str, which: str) -> None:
    pump = pump_on(bench())
    assert say(pump, f"diameter {diameter}\r".encode()) == b"\n:"
    limits = say(pump, f"{which} lim\r".encode()).decode().strip("\r\n:")
    for limit in limits.split(" to "):
        assert say(pump, f"{which} {limit}\r{which}\r".encode()) == f"\n:\n{limit}\r\n:".encode()


@given(st.floats(1e-9, 900.0))
def test_volumes_have_one_to_three_digits_before_the_point(volume_ml: float) -> None:
    pump = pump_on(bench())
    said = say(pump, f"svolume {volume_ml:.18f} ml\rsvolume\r".encode()).decode()
    value, unit = said.split()[1:3]
    assert 1 <= float(value) < 1000
    assert math.isclose(float(value) * {"ml": 1, "ul": 1e-3, "nl": 1e-6, "pl": 1e-9}[unit], volume_ml, rel_tol=1e-5)


@given(st.lists(st.one_of(st.binary(), st.sampled_from([sent for sent, _ in DIALOGUE]))))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    a_bench = bench()
    pump = pump_on(a_bench)
    for piece in pieces:
        say(pump, piece)
        a_bench.plant.advance(0.1)
    say(pump, b"\raddress 0\r%d:address 0\r" % pump._unit)
    assert say(pump, b"echo off\r").endswith((b":", b">", b"<", b"*"))
    assert say(pump, b"ver\r").startswith(b"\nPHD ULTRA 3.0.5\r\n")


def test_a_line_that_never_ends_is_not_kept() -> None:
    pump = pump_on(bench())
    say(pump, b"x" * 100_000)
    assert len(pump._buffer) <= PhdUltra.LONGEST_REQUEST
