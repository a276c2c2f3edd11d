"""A simulated 6485 understands SCPI and measures what is connected to it; see also tests/transcripts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.config import DeviceEntry
from flowlab.errors import BadInputError
from simulators.wire import scpi
from simulators.wire.bench import Bench
from simulators.wire.keithley import Keithley6485
from tests.simulators.benches import StandingClock, say, shipped
from tests.simulators.wire.test_bench import with_xray

NAME = "it_meter"


def bench_with_meter(config: Any = None, **simulated: Any) -> Bench:
    config = config or shipped()
    entry = {
        "class": "devices.keithley:Keithley6485",
        "address": "tcp://127.0.0.1:0",
        "simulator": "simulators.wire.keithley:Keithley6485",
        "simulated": {"measures": "source"} | simulated,
    }
    devices = config.devices | {NAME: DeviceEntry.model_validate(entry)}
    return Bench(config.model_copy(update={"devices": devices}), StandingClock())


def meter_on(bench: Bench) -> Keithley6485:
    meter = bench.instruments[NAME]
    assert isinstance(meter, Keithley6485)
    return meter


def read_a(meter: Keithley6485) -> float:
    return float(say(meter, b"READ?\r").split(b"A")[0])


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        (
            "[SENSe[1]]:CURRent[:DC]:RANGe[:UPPer]",
            ["CURR:RANG", ":sens1:current:dc:rang:upp", "SENSE:CURR:RANGE:UPPER"],
        ),
        ("SYSTem:ZCHeck[:STATe]", ["SYST:ZCH", "system:zcheck:state"]),
        ("*IDN", ["*IDN", "*idn"]),
    ],
)
def test_headers_are_understood_in_long_and_short_forms_only(form: str, texts: list[str]) -> None:
    assert all(scpi.header(form).fullmatch(text) for text in texts)
    assert not any(scpi.header(form).fullmatch(text) for text in ("SYSTE:ZCH", "CURRE:RANG", "IDN", "", "SYST"))


def test_it_measures_the_beam_before_and_behind_the_sample() -> None:
    currents = {}
    for measures in ("incident", "transmitted"):
        bench = bench_with_meter(with_xray({}), measures=measures, offset_a=0.0)
        assert bench.plant.xray is not None
        meter = meter_on(bench)
        say(meter, b"SYST:ZCH OFF\r")
        currents[measures] = read_a(meter)
        assert currents[measures] == pytest.approx(getattr(bench.plant.xray, f"{measures}_a")(), rel=0.05)
    assert currents["incident"] != currents["transmitted"]


def test_a_beam_that_there_is_not_cannot_be_measured() -> None:
    with pytest.raises(BadInputError, match=r"devices\.it_meter\.simulated\.measures = 'incident': there is no X-ray"):
        bench_with_meter(measures="incident")


def test_its_own_offset_is_measured_with_the_input_cut_off_and_subtracted() -> None:
    meter = meter_on(bench_with_meter(source_a=1e-9, noise=0.0, offset_a=2e-10))
    say(meter, b"SYST:ZCH OFF\r")
    assert read_a(meter) == pytest.approx(1.2e-9)
    assert say(meter, b"SYST:ZCOR:ACQ\rSTAT:QUE?\r") == b'-221,"Settings conflict"\r'
    say(meter, b"SYST:ZCH ON\rREAD?\rSYST:ZCOR:ACQ\rSYST:ZCOR ON\rSYST:ZCH OFF\r")
    assert read_a(meter) == pytest.approx(1e-9)


@pytest.mark.parametrize(("told", "has"), [("1E-9", 2.1e-9), ("2.1E-6", 2.1e-6), ("-3E-6", 2.1e-5), ("2.1E-2", 2.1e-2)])
def test_it_takes_the_range_that_holds_the_current(told: str, has: float) -> None:
    meter = meter_on(bench_with_meter())
    assert float(say(meter, f"CURR:RANG {told}\rCURR:RANG?\r".encode())) == pytest.approx(has)
    assert say(meter, b"CURR:RANG:AUTO?\r") == b"0\r"


def test_on_a_fixed_range_too_much_current_is_an_overflow_and_its_own_choice_follows() -> None:
    meter = meter_on(bench_with_meter(source_a=1e-6))
    assert say(meter, b"SYST:ZCH OFF\rCURR:RANG 2E-9\rREAD?\r").startswith(b"+9.9E37A,")
    say(meter, b"CURR:RANG:AUTO ON\r")
    assert read_a(meter) == pytest.approx(1e-6, rel=1e-2)
    meter.faults["overflow"](True)
    assert say(meter, b"READ?\r").startswith(b"+9.9E37A,")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (b"CURR:RANG\r", b"-109"),
        (b"CURR:RANG x\r", b"-104"),
        (b"CURR:NPLC 6\r", b"-222"),
        (b"FORM:ELEM COLOUR\r", b"-224"),
        (b"FETC?\r", b"-230"),
        (b"*RST?\r", b"-113"),
        (b"*IDN\r", b"-113"),
    ],
)
def test_what_is_wrong_with_a_command_stands_in_the_error_queue(command: bytes, error: bytes) -> None:
    meter = meter_on(bench_with_meter())
    assert say(meter, command) == b""
    assert say(meter, b"SYST:ERR?\r").split(b",")[0] == error
    assert say(meter, b"SYST:ERR?\r").split(b",")[0] == b"0"


def test_a_reading_has_the_elements_that_were_chosen() -> None:
    meter = meter_on(bench_with_meter(source_a=1e-6, noise=0.0, offset_a=0.0))
    assert say(meter, b"SYST:ZCH OFF;FORM:ELEM READ\rREAD?\r") == b"+1.000000E-06\r"


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([b"READ?\r", b"CURR:RANG 1\r", b"*RST\n"]))))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    meter = meter_on(bench_with_meter())
    for piece in pieces:
        say(meter, piece)
    say(meter, b"\r*RST\r")
    assert say(meter, b"SYST:ZCH?\r") == b"1\r"
