"""An NE-1000 answers as its manual says, in both of its modes."""

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.wire.bench import Bench
from simulators.wire.new_era import Ne1000
from tests.simulators.benches import StandingClock, converse, pass_time, say, shipped

# The reply to DIS is as pumps in use send it; what STP, RUN and RAT refuse and when is assumed.
DIALOGUE = [
    (b"\r", b"\x0200A?R\x03"),
    (b"\r", b"\x0200S\x03"),
    (b"VER\r", b"\x0200SNE1000V3.928\x03"),
    (b"dia 26.7\r", b"\x0200S\x03"),
    (b"DIA\r", b"\x0200S26.70\x03"),
    (b"DIA 99\r", b"\x0200S?OOR\x03"),
    (b"RUN\r", b"\x0200S?NA\x03"),
    (b"RAT 857.0 UM\r", b"\x0200S\x03"),
    (b"RAT\r", b"\x0200S857.0UM\x03"),
    (b"RAT 900 MM\r", b"\x0200S?OOR\x03"),
    (b"RAT 12345\r", b"\x0200S?OOR\x03"),
    (b"RAT fast\r", b"\x0200S?\x03"),
    (b"FLY\r", b"\x0200S?\x03"),
    (b"VOL 2.5\r", b"\x0200S\x03"),
    (b"VOL\r", b"\x0200S2.500ML\x03"),
    (b"VOL 0\r", b"\x0200S\x03"),
    (b"DIR WDR\r", b"\x0200S\x03"),
    (b"DIR\r", b"\x0200SWDR\x03"),
    (b"DIR INF\r", b"\x0200S\x03"),
    (b"PHN 1\r", b"\x0200S\x03"),
    (b"FUN\r", b"\x0200SRAT\x03"),
    (b"STP\r", b"\x0200S?NA\x03"),
    (b"RUN\r", b"\x0200I\x03"),
    (b"RUN\r", b"\x0200I?NA\x03"),
    (b"RAT 500.0\r", b"\x0200I\x03"),
    (b"RAT 1 MM\r", b"\x0200I?NA\x03"),
    (b"STP\r", b"\x0200P\x03"),
    (b"STP\r", b"\x0200S\x03"),
    (b"DIS\r", b"\x0200SI0.000W0.000ML\x03"),
    (b"7RAT\r", b""),
    (b"*RAT\r", b"\x0200S500.0UM\x03"),
]


def bench_and_pump(real_s=lambda: 0.0, **settings) -> tuple[Bench, Ne1000]:
    config = shipped(selenium_pump=settings)
    entry = config.devices["selenium_pump"].model_copy(update={"simulator": "simulators.wire.new_era:Ne1000"})
    bench = Bench(config.model_copy(update={"devices": config.devices | {"selenium_pump": entry}}), StandingClock())
    pump = bench.instruments["selenium_pump"]
    assert isinstance(pump, Ne1000)
    pump._real_s = real_s
    return bench, pump


def safe(content: bytes) -> bytes:
    return bytes((2, len(content) + 4)) + content + binascii.crc_hqx(content, 0).to_bytes(2, "big") + b"\x03"


@pytest.mark.parametrize("how", ["whole", "bytes", "trailing"])
def test_it_answers_by_the_book(how: str) -> None:
    converse(bench_and_pump()[1], DIALOGUE, how)


@pytest.mark.parametrize("how", ["whole", "bytes", "trailing"])
def test_in_safe_mode_it_answers_the_same_in_packets(how: str) -> None:
    _, pump = bench_and_pump(safe_mode=True)
    converse(pump, [(safe(sent[:-1]), said and safe(said[1:-1])) for sent, said in DIALOGUE], how)


def test_the_packet_of_the_manual_returns_it_to_basic_mode() -> None:
    _, pump = bench_and_pump()
    say(pump, b"\rSAF 10\r")
    assert pump.truth()["safe_mode"]
    assert say(pump, b"\x02\x08SAF0\x55\x43\x03") == b"\x0200S\x03"
    assert not pump.truth()["safe_mode"]


def test_a_packet_in_basic_mode_is_a_command_that_it_does_not_know() -> None:
    _, pump = bench_and_pump()
    assert say(pump, safe(b"SAF0")) == b""
    assert say(pump, b"\r") == b"\x0200A?R\x03"
    assert say(pump, safe(b"SAF0") + b"\r").startswith(b"\x0200S?")
    assert not pump.truth()["safe_mode"]


def test_a_packet_with_a_wrong_crc_does_nothing_and_keeps_nothing_alive() -> None:
    _, pump = bench_and_pump(safe_mode=True)
    assert say(pump, b"\x02\x07SAF\x00\x00\x03") == safe(b"00S?COM")
    assert pump._heard_s is None


def test_in_safe_mode_it_stops_by_itself_when_it_hears_nothing_and_says_so() -> None:
    now_s = 0.0
    a_bench, pump = bench_and_pump(lambda: now_s)
    say(pump, b"\rDIA 26.7\rRAT 6 MM\rSAF 5\r")
    assert say(pump, safe(b"RUN")) == safe(b"00I")
    now_s = 4.9
    pass_time(a_bench, 60.0)
    assert say(pump, safe(b"")) == safe(b"00I")
    now_s = 9.8
    pass_time(a_bench, 60.0)
    assert (a_bench.plant.truth()["pumps"]["selenium_pump"]["rate_ml_min"], pump.unasked()) == (6.0, b"")
    now_s = 10.0
    pass_time(a_bench, 1.0)
    assert a_bench.plant.truth()["pumps"]["selenium_pump"]["rate_ml_min"] == 0
    assert pump.unasked() == safe(b"00A?T")
    assert say(pump, safe(b"RUN")) == safe(b"00A?T")  # what was told unasked is still to be acknowledged
    assert say(pump, safe(b"DIS")) == safe(b"00SI12.00W0.000ML")


def test_a_packet_that_takes_too_long_is_forgotten() -> None:
    now_s = 0.0
    _, pump = bench_and_pump(lambda: now_s, safe_mode=True)
    pump.receive(safe(b"RUN")[:4])
    now_s = 0.6
    assert say(pump, safe(b"")) == safe(b"00A?R")


def test_a_volume_is_withdrawn_from_the_reservoir_and_counted_apart() -> None:
    a_bench, pump = bench_and_pump()
    say(pump, b"\rDIA 26.7\rRAT 6 MM\rRUN\r")
    pass_time(a_bench, 60.0)
    say(pump, b"STP\rSTP\rDIR WDR\rVOL 4\r")
    assert say(pump, b"RUN\r") == b"\x0200W\x03"
    pass_time(a_bench, 60.0)
    assert say(pump, b"DIS\r") == b"\x0200SI6.000W4.000ML\x03"
    assert a_bench.plant.truth()["pumps"]["selenium_pump"]["content_ml"] == pytest.approx(48.0)
    assert say(pump, b"CLD INF\rDIS\r") == b"\x0200S\x03\x0200SI0.000W4.000ML\x03"


def test_a_plunger_that_is_held_is_a_stall() -> None:
    a_bench, pump = bench_and_pump()
    say(pump, b"\rDIA 26.7\rRAT 6 MM\rRUN\r")
    pump.faults["stall"](True)
    pass_time(a_bench, 1.0)
    assert pump.unasked() == b""  # only in safe mode
    assert say(pump, b"RAT\rRAT\r") == b"\x0200A?S\x03\x0200P6.000MM\x03"


def test_a_pump_with_an_address_listens_to_nothing_else() -> None:
    _, pump = bench_and_pump(unit=12)
    dialogue = [(b"VER\r", b""), (b"3VER\r", b""), (b"12VER\r", b"\x0212A?R\x03"), (b"12\r", b"\x0212S\x03")]
    converse(pump, dialogue, "whole")


def test_small_syringes_are_counted_in_microlitres() -> None:
    _, pump = bench_and_pump()
    assert say(pump, b"\rDIA 14\rDIS\r").endswith(b"00SI0.000W0.000UL\x03")


@given(st.lists(st.binary(max_size=40), max_size=5), st.booleans())
def test_whatever_it_hears_it_goes_on_answering(pieces: list[bytes], safe_mode: bool) -> None:
    now_s = 0.0
    a_bench, pump = bench_and_pump(lambda: now_s, safe_mode=safe_mode)
    for piece in pieces:
        say(pump, piece)
        a_bench.plant.advance(0.1)
    now_s = 100.0
    ask = (lambda content: safe(content)) if pump._safe else (lambda content: content + b"\r")
    if not pump._safe:
        say(pump, b"\r")
    say(pump, ask(b""))
    assert b"NE1000" in say(pump, ask(b"VER"))
    assert len(pump._buffer) <= Ne1000.LONGEST_REQUEST
