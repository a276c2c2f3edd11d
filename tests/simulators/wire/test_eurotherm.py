"""A Eurotherm 3216 answers as its handbook (HA028651, section 15) says, and controls its block."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.config.load import ConfigError
from simulators.wire.bench import Bench
from simulators.wire.eurotherm import LOOP_BREAK, MANUAL, OVER_RANGE, REMOTE_FAIL, SENSOR_BREAK, Eurotherm3216
from simulators.wire.modbus import crc16, seal
from tests.simulators.benches import bench, converse, pass_time, say, shipped

HEATER = "nucleation_heater"


def frame(text: str) -> bytes:
    """A frame from its hexadecimal digits; the checksum is put behind it."""
    return seal(bytes.fromhex(text))


# The block stands at 23.0 °C; noise is less than half a display digit away from 23.0 for this seed.
DIALOGUE = [
    # quoted: write set point 2500, echoed
    (bytes.fromhex("01 06 00 02 09 C4 2F C9"), bytes.fromhex("01 06 00 02 09 C4 2F C9")),
    # quoted: read PV
    (bytes.fromhex("01 03 00 01 00 01 D5 CA"), frame("01 03 02 00 E6")),
    (frame("01 04 00 01 00 01"), frame("01 04 02 00 E6")),
    (frame("01 03 00 02 00 01"), frame("01 03 02 09 C4")),
    (frame("01 03 00 01 00 05"), frame("01 03 0A 00 E6 09 C4 00 00 00 00 09 C4")),
    (frame("01 03 00 0B 00 02"), frame("01 03 04 F8 30 35 98")),  # input range −200…1372
    (frame("01 03 00 6F 00 02"), frame("01 03 04 0F A0 00 00")),  # set point high 400, low 0
    (frame("01 06 00 18 03 E8"), frame("01 06 00 18 03 E8")),
    (frame("01 10 00 18 00 02 04 01 2C 00 C8"), frame("01 10 00 18 00 02")),
    (frame("01 03 00 18 00 02"), frame("01 03 04 01 2C 00 C8")),
    (frame("01 06 00 0F 00 01"), frame("01 06 00 0F 00 01")),  # select the second set point
    (frame("01 03 00 05 00 01"), frame("01 03 02 00 C8")),
    (frame("01 03 80 0A 00 02"), frame("01 03 04 41 A0 00 00")),  # the same in the IEEE region: 20.0
    (frame("01 03 80 16 00 04"), frame("01 03 08 C3 48 00 00 44 AB 80 00")),  # −200.0, 1372.0
    (frame("01 06 80 0A 41 20"), frame("01 86 02")),  # which is only read
    (frame("01 08 00 00 12 34"), frame("01 08 00 00 12 34")),  # loopback
    (frame("01 08 00 01 00 00"), frame("01 88 01")),
    (frame("01 05 00 01 FF 00"), frame("01 85 01")),  # illegal function
    (frame("01 03 00 07 00 01"), frame("01 83 02")),  # illegal address
    (frame("01 03 00 05 00 02"), frame("01 83 02")),
    (frame("01 06 00 01 00 00"), frame("01 86 02")),  # PV is read only
    (frame("01 10 00 04 00 02 04 00 00 00 00"), frame("01 90 02")),
    (frame("01 06 00 02 0F A1"), frame("01 86 03")),  # above the set point high limit
    (frame("01 06 00 1A FF FF"), frame("01 86 03")),
    (frame("01 06 01 14 00 02"), frame("01 86 03")),
    (frame("01 03 00 01 00 00"), frame("01 83 03")),
    (frame("01 03 00 01 00 7E"), frame("01 83 03")),
    (frame("02 03 00 01 00 01"), b""),  # another unit
    (bytes.fromhex("01 03 00 01 00 01 D5 CB"), b""),  # wrong checksum
    (frame("00 06 00 02 01 F4"), b""),  # to all: no answer
    (frame("01 03 00 02 00 01"), frame("01 03 02 01 F4")),
]


def heater_on(a_bench: Bench) -> Eurotherm3216:
    heater = a_bench.instruments[HEATER]
    assert isinstance(heater, Eurotherm3216)
    return heater


class Wire:
    """Reads and writes registers of a heater by frames."""

    def __init__(self, heater: Eurotherm3216):
        self.heater = heater

    def read(self, address: int) -> int:
        answer = say(self.heater, seal(bytes((1, 3)) + address.to_bytes(2, "big") + b"\x00\x01"))
        assert answer[:3] == b"\x01\x03\x02"
        return int.from_bytes(answer[3:5], "big", signed=True)

    def write(self, address: int, value: int) -> None:
        request = seal(bytes((1, 6)) + address.to_bytes(2, "big") + value.to_bytes(2, "big", signed=True))
        assert say(self.heater, request) == request


@pytest.mark.parametrize("how", ["whole", "bytes", "trailing"])
def test_it_answers_by_the_book(how: str) -> None:
    converse(heater_on(bench()), DIALOGUE, how)


def test_the_checksum_is_that_of_the_handbook() -> None:
    assert crc16(bytes.fromhex("01 03 00 01 00 01")).to_bytes(2, "little") == bytes.fromhex("D5 CA")


def test_an_unknown_function_is_refused_where_the_bytes_end() -> None:
    assert say(heater_on(bench()), frame("01 2B 0E 01 00")) == frame("01 AB 01")


def test_it_answers_again_after_half_a_frame() -> None:
    heater = heater_on(bench())
    pv = frame("01 03 00 01 00 01")
    assert say(heater, pv[:5]) == b""
    assert say(heater, pv) == frame("01 03 02 00 E6")
    say(heater, pv[:5])
    heater.hang_up()
    assert say(heater, pv) == frame("01 03 02 00 E6")


def test_two_on_a_line_answer_for_themselves() -> None:
    a_bench = bench()
    first, second = a_bench.instruments[HEATER], a_bench.instruments["growth_heater"]
    both = frame("01 06 00 02 01 2C") + frame("02 06 00 02 01 90")
    assert say(first, both) + say(second, both) == both
    assert a_bench.truth()["instruments"]["growth_heater"]["working_set_point_c"] == 40.0


@pytest.mark.parametrize(("decimals", "raw"), [(0, 250), (1, 2500), (2, 25000)])
def test_values_are_scaled_by_the_decimals(decimals: int, raw: int) -> None:
    heater = heater_on(bench(nucleation_heater={"decimals": decimals}))
    Wire(heater).write(24, raw)
    assert heater.truth()["working_set_point_c"] == 250.0


def test_writes_that_wear_the_memory_out_are_counted() -> None:
    heater = heater_on(bench())
    wire = Wire(heater)
    for address, times in ((2, 3), (24, 1), (25, 2), (26, 7)):
        for _ in range(times):
            wire.write(address, 1000)
    assert heater.truth()["memory_writes"] == {"2": 3, "24": 1, "25": 2}


def test_the_remote_set_point_holds_only_while_it_is_refreshed() -> None:
    a_bench = bench()
    now = [100.0]
    heater = Eurotherm3216(HEATER, shipped().devices[HEATER], shipped(), a_bench.plant, real_s=lambda: now[0])
    wire = Wire(heater)
    wire.write(26, 2000)
    assert (wire.read(5), wire.read(75)) == (200, 0)  # not selected: local, 20 °C
    wire.write(276, 1)
    assert (wire.read(5), wire.read(75)) == (2000, 0)
    now[0] += 4.9
    wire.write(26, 2100)
    now[0] += 4.9
    assert (wire.read(5), wire.read(75)) == (2100, 0)
    now[0] += 0.2
    assert (wire.read(5), wire.read(75)) == (200, REMOTE_FAIL)
    pass_time(a_bench, 10.0)
    assert heater.truth()["remote_valid"] is False
    assert a_bench.plant.heaters[HEATER].output == 0.0
    wire.write(26, 2200)
    assert (wire.read(5), wire.read(75)) == (2200, 0)
    wire.write(276, 0)
    assert (wire.read(5), wire.read(75)) == (200, 0)


def test_a_remote_set_point_that_was_never_given_is_a_failure() -> None:
    wire = Wire(heater_on(bench()))
    wire.write(276, 1)
    assert wire.read(75) == REMOTE_FAIL


def test_manual_output_is_taken_over_without_a_bump() -> None:
    a_bench = bench()
    wire = Wire(heater_on(a_bench))
    wire.write(24, 2500)
    pass_time(a_bench, 400.0)
    output = a_bench.plant.heaters[HEATER].output
    wire.write(273, 1)
    assert wire.read(75) == MANUAL
    assert wire.read(3) == round(output * 1000)
    wire.write(3, 300)
    pass_time(a_bench, 1.0)
    assert wire.read(4) == 300
    wire.write(3, round(output * 1000))
    pass_time(a_bench, 60.0)
    wire.write(273, 0)
    pass_time(a_bench, 30.0)
    assert a_bench.plant.heaters[HEATER].temperature_c == pytest.approx(250, abs=0.5)


def test_an_open_thermocouple_reads_full_scale_and_switches_the_heating_off() -> None:
    a_bench = bench()
    heater = heater_on(a_bench)
    wire = Wire(heater)
    wire.write(24, 2500)
    pass_time(a_bench, 5.0)
    assert wire.read(4) == 1000
    heater.faults["sensor_break"](True)
    for _ in range(2):
        assert (wire.read(1), wire.read(75), wire.read(4)) == (13720, SENSOR_BREAK | OVER_RANGE, 0)
        pass_time(a_bench, 5.0)
    heater.faults["sensor_break"](False)
    pass_time(a_bench, 0.1)
    assert (wire.read(75), wire.read(4)) == (0, 1000)
    assert wire.read(1) < 500


def test_a_dead_element_shows_as_a_broken_loop_after_a_while_and_only_while_heat_is_asked_for() -> None:
    a_bench = bench()
    heater = heater_on(a_bench)
    wire = Wire(heater)
    heater.faults["loop_break"](True)
    wire.write(24, 2500)
    pass_time(a_bench, 50.0)
    assert (wire.read(75), wire.read(4)) == (0, 1000)
    pass_time(a_bench, 20.0)
    assert (wire.read(75), wire.read(4)) == (LOOP_BREAK, 1000)
    assert a_bench.plant.heaters[HEATER].power_w == 0.0
    heater.faults["loop_break"](False)
    pass_time(a_bench, 20.0)
    assert wire.read(75) == 0
    assert wire.read(1) > 300


def temperatures(a_bench: Bench, set_point_c: float, plant_s: float) -> np.ndarray:
    """Temperature of the block at each step after a new set point."""
    Wire(heater_on(a_bench)).write(24, round(set_point_c * 10))
    block = a_bench.plant.heaters[HEATER]

    def course() -> Iterator[float]:
        for _ in range(round(plant_s / a_bench.plant.STEP_S)):
            a_bench.plant.advance(a_bench.plant.STEP_S)
            yield block.temperature_c

    return np.fromiter(course(), float)


@pytest.mark.parametrize("flow", [b"", b"diameter 26.7\rirate 2 ml/min\rirun\r"])
def test_heating_up_and_steps_settle_fast_and_hardly_overshoot(flow: bytes) -> None:
    a_bench = bench()
    say(a_bench.instruments["cadmium_pump"], flow)
    heating_up = temperatures(a_bench, 280.0, 400.0)
    assert heating_up.max() < 288.0
    assert np.abs(heating_up[-100:] - 280.0).max() < 0.5
    assert np.abs(temperatures(a_bench, 250.0, 300.0)[-100:] - 250.0).max() < 0.5
    for before, after in ((250.0, 260.0), (260.0, 250.0), (250.0, 240.0)):
        course = temperatures(a_bench, after, 120.0)
        assert np.abs(course[600:] - after).max() < 0.5  # within 60 plant seconds, and from then on
        assert ((course - after) * np.sign(after - before)).max() < 1.5


def test_a_setting_that_cannot_be_is_named() -> None:
    with pytest.raises(ConfigError, match=r"devices\.nucleation_heater\.settings\.decimals = 7: "):
        bench(nucleation_heater={"decimals": 7})


@given(st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([sent for sent, _ in DIALOGUE]))))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    a_bench = bench()
    heater = heater_on(a_bench)
    for piece in pieces:
        say(heater, piece)
        a_bench.plant.advance(0.1)
    heater.hang_up()
    assert say(heater, frame("01 08 00 00 12 34")) == frame("01 08 00 00 12 34")


def test_noise_that_never_ends_is_not_kept() -> None:
    heater = heater_on(bench())
    assert say(heater, b"\x01\x2b" * 50_000) == b""
    assert len(heater._buffer) <= 256
    assert say(heater, frame("01 08 00 00 12 34")) == frame("01 08 00 00 12 34")


@given(st.binary(min_size=2, max_size=2), st.binary(max_size=240))
def test_any_request_gets_an_answer_or_an_exception(head: bytes, rest: bytes) -> None:
    answer = say(heater_on(bench()), seal(b"\x01" + head + rest))
    assert answer == b"" or (answer[0] == 1 and seal(answer[:-2]) == answer)
