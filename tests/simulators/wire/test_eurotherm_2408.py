"""A Eurotherm 2408 answers as its handbook (HA026230, chapters 4 and 5) says; see also tests/transcripts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.config import DeviceEntry
from simulators.wire.bench import Bench
from simulators.wire.bisynch import check_character
from simulators.wire.eurotherm_2408 import LOOP_BREAK, MANUAL, OVER_RANGE, SENSOR_BREAK, Eurotherm2408
from tests.simulators.benches import StandingClock, pass_time, say, shipped

HEATER = "growth_heater"


def bench_with_2408(**settings: Any) -> Bench:
    config = shipped()
    entry = {
        "class": "devices.eurotherm_2408:Eurotherm2408",
        "address": "socket://127.0.0.1:0",
        "simulator": "simulators.wire.eurotherm_2408:Eurotherm2408",
        "settings": {"unit": 1, "highest_c": 360.0} | settings,
    }
    devices = config.devices | {HEATER: DeviceEntry.model_validate(entry)}
    return Bench(config.model_copy(update={"devices": devices}), StandingClock())


class Wire:
    """Asks and tells a controller by frames."""

    def __init__(self, bench: Bench):
        heater = bench.instruments[HEATER]
        assert isinstance(heater, Eurotherm2408)
        self.heater = heater

    def ask(self, mnemonic: str) -> str:
        reply = say(self.heater, b"\x040011" + mnemonic.encode() + b"\x05")
        assert reply[:1] == b"\x02"
        assert check_character(reply[1:-1]) == reply[-1]
        return reply[1:-2].decode().removeprefix(mnemonic)

    def tell(self, mnemonic: str, data: str) -> None:
        block = f"{mnemonic}{data}\x03".encode()
        assert say(self.heater, b"\x040011\x02" + block + bytes([check_character(block)])) == b"\x06"


def test_it_heats_its_block_to_the_set_point_and_stays_there_when_nobody_speaks() -> None:
    bench = bench_with_2408()
    wire = Wire(bench)
    wire.tell("SL", "250.0")
    pass_time(bench, 400.0)
    wire.heater.hang_up()
    pass_time(bench, 400.0)
    assert float(wire.ask("PV")) == pytest.approx(250.0, abs=0.5)
    assert 0 < float(wire.ask("OP")) < 100


def test_writes_that_wear_the_memory_out_are_counted() -> None:
    wire = Wire(bench_with_2408())
    for value in ("30.0", "31.0", "31.0"):
        wire.tell("SL", value)
    assert wire.heater.truth()["memory_writes"] == {"SL": 3}


def test_a_rate_limit_has_the_working_set_point_follow_the_target() -> None:
    bench = bench_with_2408(rate_c_per_min=60.0)
    wire = Wire(bench)
    wire.tell("SL", "50.0")
    assert (wire.ask("SL"), wire.ask("SP"), wire.ask("IW")) == ("50.0", "20.0", ">0004")
    pass_time(bench, 10.0)
    assert (wire.ask("SP"), wire.ask("IW")) == ("30.0", ">0004")
    pass_time(bench, 25.0)
    assert (wire.ask("SP"), wire.ask("IW")) == ("50.0", ">0000")


def test_a_remote_set_point_overrides_what_was_told() -> None:
    wire = Wire(bench_with_2408())
    wire.tell("SL", "80.0")
    wire.heater.faults["remote"](True)
    assert (wire.ask("SL"), wire.ask("SP"), wire.ask("IW")) == ("80.0", "35.0", ">0008")


def test_its_faults_show_in_the_status_word() -> None:
    bench = bench_with_2408()
    wire = Wire(bench)
    for fault, bits in (("sensor_break", SENSOR_BREAK | OVER_RANGE), ("over_range", OVER_RANGE)):
        wire.heater.faults[fault](True)
        assert int(wire.ask("SO")[1:], 16) == bits
        assert float(wire.ask("PV")) > 1371
        wire.heater.faults[fault](False)
        assert wire.ask("SO") == ">0000"
    wire.heater.faults["loop_break"](True)
    wire.tell("SL", "250.0")
    pass_time(bench, 70.0)
    assert int(wire.ask("SO")[1:], 16) == LOOP_BREAK
    wire.heater.faults["loop_break"](False)
    wire.tell("mA", "1.")
    assert int(wire.ask("SO")[1:], 16) & MANUAL


@pytest.mark.parametrize(("decimals", "text"), [(0, "23."), (1, "23.0"), (2, "23.00")])
def test_values_have_the_displays_decimals(decimals: int, text: str) -> None:
    assert Wire(bench_with_2408(decimals=decimals)).ask("PV") == text


def test_it_answers_again_after_half_a_request() -> None:
    heater = Wire(bench_with_2408()).heater
    poll = b"\x040011PV\x05"
    assert say(heater, poll[:5]) == b""
    assert say(heater, poll)[1:7] == b"PV23.0"
    assert say(heater, b"\x040011\x02SL3") == b""
    assert say(heater, poll)[1:7] == b"PV23.0"


@given(st.lists(st.one_of(st.binary(max_size=100), st.sampled_from([b"\x040011PV\x05", b"\x040011\x02SL"]))))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    heater = Wire(bench_with_2408()).heater
    for piece in pieces:
        say(heater, piece)
    assert len(heater._buffer) <= 200
    heater.hang_up()
    assert say(heater, b"\x040011EE\x05")[1:3] == b"EE"
