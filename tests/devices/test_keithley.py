"""The 6485's driver: against the simulated lab over TCP and a terminal, against PyVISA-sim, and on a bad cable."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluesky import protocols
from bluesky.protocols import check_supports
from pydantic import ValidationError

from devices.errors import (
    DeviceError,
    InstrumentFaultError,
    LimitError,
    LinkError,
    NotReachedError,
    RefusedError,
    ReplyError,
    ReplyTimeoutError,
)
from devices.keithley import Keithley6485, Keithley6485Settings
from devices.links.visa import resource_name
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, InstrumentConfig, load_instrument
from flowlab.config.instrument import ClockSettings
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, place, served
from tests.support import SerialAdapter

WAIT_S = 60.0
SPEED = 500.0
SHIPPED = Path(UV_VIS)
METERS = """
[devices.{name}]
class = "devices.keithley:Keithley6485"
address = "tcp://127.0.0.1:{port}"
simulator = "simulators.wire.keithley:Keithley6485"
[devices.{name}.settings]
readings = 4
[devices.{name}.simulated]
measures = "{measures}"
source_a = 1e-6
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped instrument with an X-ray side, two picoammeters in its beam, and one at a steady source."""
    text = SHIPPED.read_text("utf-8")
    cell = "xray_transfer_ml = 0.03\nxray_cell_ml = 0.02\nxray_path_mm = 1.0\n"
    if "xray_cell_ml" not in text:
        text = text.replace("[flow_path]\n", f"[flow_path]\n{cell}")
    if "[simulation.settings.xray]" not in text:
        text += "\n[simulation.settings.xray]\n"
    meters = (("i0_test", "incident"), ("it_test", "transmitted"), ("source_meter", "source"))
    text = text.replace(
        '"spectrometer"]\n\n[clock]', '"spectrometer", "i0_test", "it_test", "source_meter"]\n\n[clock]'
    )
    assert "source_meter" in text
    for port, (name, measures) in enumerate(meters, 50190):
        text += METERS.format(name=name, port=port, measures=measures)
    path = tmp_path_factory.mktemp("keithley") / "metered.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


def config_with(name: str, address: str, **settings: Any) -> InstrumentConfig:
    """A bench of one picoammeter, and of nothing else that would have to be connected."""
    entry = {"class": "devices.keithley:Keithley6485", "address": address, "settings": settings}
    changes = {
        "devices": {name: DeviceEntry.model_validate(entry)},
        "clock": ClockSettings(speed=SPEED),
        "plans": {},
        "safe_state": [name],
    }
    return load_instrument(UV_VIS).model_copy(update=changes)


@contextlib.contextmanager
def meter_at(address: str, name: str = "source_meter", **settings: Any) -> Iterator[Keithley6485]:
    with Bench(config_with(name, address, **{"reply_within_s": 3.0, "readings": 4} | settings)) as bench:
        yield bench.devices[name]


@pytest.fixture
def meter(lab: Served) -> Iterator[Keithley6485]:
    """At the steady source, connected."""
    lab.ask(fault="none", device="source_meter")
    with meter_at(lab.addresses["source_meter"]) as meter:
        meter.connect()
        yield meter
    lab.ask(fault="none", device="source_meter")


def quickly(meter: Keithley6485, reply_within_s: float) -> None:
    """Another time limit from now on: one that a silent instrument reaches soon."""
    meter._visa._settings = meter.settings.model_copy(update={"reply_within_s": reply_within_s})


def measure(meter: Keithley6485) -> tuple[float, float, str]:
    meter.trigger().wait(WAIT_S)
    read = {key: value["value"] for key, value in meter.read().items()}
    return tuple(read[f"{meter.name}_{key}"] for key in ("current_a", "current_err_a", "why"))


def digitised(lab: Served, name: str = "source_meter") -> list[float]:
    return lab.ask(truth=True)["instruments"][name]["measured_a"]


def test_it_is_a_detector_for_bluesky_with_units(meter):
    for protocol in (protocols.Readable, protocols.Triggerable, protocols.Stoppable):
        check_supports(meter, protocol)
    measure(meter)
    described = meter.describe()
    assert [described[f"source_meter_{key}"]["units"] for key in ("current_a", "current_err_a")] == ["A", "A"]
    assert described["source_meter_why"]["dtype"] == "string"
    assert meter.describe_configuration()["source_meter_range_a"]["units"] == "A"


def test_a_current_is_the_mean_of_what_was_digitised_with_its_error(meter, lab):
    current_a, err_a, why = measure(meter)
    values = [reading.value_a for reading in meter.last_readings]
    assert values == digitised(lab)[-4:]
    assert (current_a, why) == (pytest.approx(1e-6, rel=1e-3), "")
    assert current_a == pytest.approx(sum(values) / 4)
    assert 0 < err_a < 1e-9


def test_its_offset_is_measured_and_subtracted_unless_it_shall_not(lab):
    address = lab.addresses["source_meter"]
    for zero_correct in (True, False):
        with meter_at(address, zero_correct=zero_correct) as meter:
            meter.connect()
            known = lab.ask(truth=True)["instruments"]["source_meter"]
            assert (known["zero_correct"], known["zero_check"]) == (zero_correct, False)


def test_two_of_them_measure_the_beam_before_and_behind_the_sample(lab):
    truths = lab.ask(truth=True)["xray"]
    assert truths is not None
    measured = {}
    for name in ("i0_test", "it_test"):
        with meter_at(lab.addresses[name], name) as meter:
            meter.connect()
            measured[name], _, why = measure(meter)
            assert why == ""
            assert [reading.value_a for reading in meter.last_readings] == digitised(lab, name)[-4:]
    assert measured["i0_test"] > 0 < measured["it_test"]
    assert measured["i0_test"] != pytest.approx(measured["it_test"], rel=0.01)


def test_settings_are_read_back_and_limits_checked_before_anything_is_sent(meter, lab):
    meter.set_range_a(3e-6)
    assert lab.ask(truth=True)["instruments"]["source_meter"]["range_a"] == pytest.approx(2e-5)
    assert meter.range_a.get() == 3e-6
    for value in (1.0, -1e-6, math.nan, 0.0):
        with pytest.raises(LimitError, match="source_meter: range"):
            meter.set_range_a(value)
    meter.set_range_a(None)
    assert lab.ask(truth=True)["instruments"]["source_meter"]["autorange"] is True
    with pytest.raises(NotReachedError, match=r"source_meter: was told CURR:NPLC 50 but has 1"):
        meter._set("CURR:NPLC", 50.0)
    with pytest.raises(RefusedError, match="source_meter: refused .* -222, Parameter data out of range"):
        meter._check_errors()
    meter._check_errors()


def test_too_much_current_is_nan_with_the_reason(meter, lab):
    meter.set_range_a(2e-9)
    current_a, err_a, why = measure(meter)
    assert (math.isnan(current_a), math.isnan(err_a), why) == (
        True,
        True,
        "over range: the current is more than the range holds",
    )
    meter.set_range_a(None)
    assert measure(meter)[0] == pytest.approx(1e-6, rel=1e-3)
    lab.ask(fault="overflow", device="source_meter")
    assert "over range" in measure(meter)[2]


def test_a_zero_check_that_somebody_switched_on_is_nan_with_the_reason(meter, lab):
    lab.ask(fault="zero_check", device="source_meter")
    current_a, _, why = measure(meter)
    assert math.isnan(current_a)
    assert "zero check is on" in why


def test_a_loss_of_power_does_not_pass_for_a_current(meter, lab):
    measure(meter)
    lab.ask(fault="restart", device="source_meter")
    with pytest.raises(InstrumentFaultError, match=r"source_meter: .* was it switched off\? Then connect it again"):
        measure(meter)
    meter.connect()
    assert measure(meter)[0] == pytest.approx(1e-6, rel=1e-3)


def test_an_unplugged_one_is_a_lost_link_that_comes_back_and_a_silent_one_a_timeout(lab):
    with meter_at(lab.addresses["source_meter"]) as meter:
        meter.connect()
        quickly(meter, 0.2)
        lab.ask(fault="silence", device="source_meter")
        with pytest.raises(ReplyTimeoutError, match=r"source_meter: asked 'READ\?' at TCPIP::"):
            measure(meter)
        lab.ask(fault="none", device="source_meter")
        lab.ask(fault="unplug", device="source_meter")
        with pytest.raises(LinkError, match="source_meter: .*TCPIP::"):
            measure(meter)
        lab.ask(fault="none", device="source_meter")
        quickly(meter, 3.0)
        assert measure(meter)[0] == pytest.approx(1e-6, rel=1e-3)


def test_readings_are_given_up_when_it_is_made_safe(lab):
    with meter_at(lab.addresses["source_meter"], readings=1000) as meter:
        meter.connect()
        status = meter.trigger()
        meter.make_safe()
        with pytest.raises(NotReachedError, match="given up"):
            status.wait(WAIT_S)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_it_speaks_over_a_serial_line_whatever_ends_a_command(lab, end):
    adapter = SerialAdapter(*place(lab.addresses["source_meter"]))
    try:
        with meter_at(adapter.path, write_termination=end) as meter:
            meter.connect()
            assert measure(meter)[0] == pytest.approx(1e-6, rel=1e-3)
            quickly(meter, 0.2)
            adapter.pull_out()
            with pytest.raises((LinkError, ReplyTimeoutError), match="source_meter: "):
                measure(meter)
    finally:
        adapter.pull_out()


SPOILT = ["garble", "cut", "lose", "delay", "duplicate"]


def test_a_bad_cable_ends_in_right_currents_or_errors_and_never_in_wrong_ones(meter, lab):
    """Every reading of which a current was made is one that the instrument digitised."""
    meter.settings = meter.settings.model_copy(update={"attempts": 4})
    quickly(meter, 0.05)
    for fault in SPOILT:
        options = {"delay_s": 0.08} if fault == "delay" else {}
        lab.ask(fault=fault, device="source_meter", probability=0.05, **options)
    right = failed = 0
    wrong: list[float] = []
    for _ in range(15):
        try:
            current_a, _, why = measure(meter)
        except DeviceError:
            failed += 1
            continue
        true_a = set(digitised(lab))
        wrong += [reading.value_a for reading in meter.last_readings if reading.value_a not in true_a]
        right += why == "" and abs(current_a - 1e-6) < 1e-9
    lab.ask(fault="none", device="source_meter")
    assert wrong == []
    assert right > 3
    assert right + failed == 15


SIM = """
spec: "1.1"
devices:
  meter:
    eom:
      TCPIP SOCKET: {{q: "\\r", r: "\\r"}}
      ASRL INSTR: {{q: "\\r", r: "\\r"}}
    error: ERROR
    dialogues:
      - {{q: "*IDN?", r: "{identity}"}}
      - {{q: "*RST"}}
      - {{q: "*CLS"}}
      - {{q: "FORM:ELEM READ,UNIT,TIME,STAT"}}
      - {{q: "SYST:LFR?", r: "50"}}
      - {{q: "SYST:ZCOR:ACQ"}}
      - {{q: "STAT:QUE?", r: '{error}'}}
      - {{q: "READ?", r: "{reading}"}}
      - {{q: "FETC?", r: "{again}"}}
      - {{q: "CURR:RANG 2E-9"}}
      - {{q: "CURR:RANG 2.000E-06"}}
      - {{q: "CURR:RANG?", r: "2.100000E-06"}}
      - {{q: "CURR:NPLC 1"}}
      - {{q: "CURR:NPLC?", r: "1.00"}}
      - {{q: "SYST:ZCOR 1"}}
      - {{q: "SYST:ZCOR?", r: "1"}}
      - {{q: "SYST:ZCH 0"}}
      - {{q: "SYST:ZCH?", r: "0"}}
resources:
  TCPIP::127.0.0.1::1394::SOCKET: {{device: meter}}
  ASRL1::INSTR: {{device: meter}}
"""
IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 6485,4126216,C01   Jun 23 2010 12:22:00/A02  /J"
GOOD = "+1.040564E-06A,+2.236299E+02,+0.000000E+00"


@contextlib.contextmanager
def foreign_meter(folder: Path, address: str, **said: str) -> Iterator[Keithley6485]:
    """A 6485 as PyVISA-sim plays it by the manual's dialogue: it always says the same."""
    told = {"identity": IDENTITY, "error": '0,"No error"', "reading": GOOD, "again": said.get("reading", GOOD)} | said
    (folder / "meter.yaml").write_text(SIM.format(**told), "utf-8")
    settings = {"backend": f"{folder / 'meter.yaml'}@sim", "zero_correct": False, "range_a": 2e-6, "readings": 1}
    with meter_at(address, "foreign_meter", **settings) as meter:
        yield meter


@pytest.mark.parametrize("address", ["TCPIP::127.0.0.1::1394::SOCKET", "ASRL1::INSTR", "tcp://127.0.0.1:1394"])
def test_it_understands_an_instrument_that_pyvisa_sim_plays(tmp_path, address):
    with foreign_meter(tmp_path, address) as meter:
        meter.connect()
        current_a, err_a, why = measure(meter)
        assert (current_a, math.isnan(err_a), why) == (1.040564e-6, True, "")
        assert meter.identity.get() == IDENTITY
        with pytest.raises(InstrumentFaultError, match="a reading at 223.63 s of its clock came behind one at"):
            measure(meter)  # the same reading again is none


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({"identity": "SOMEBODY ELSE,MODEL 2000"}, ReplyError, "is no MODEL 6485"),
        ({"error": '-113,"Undefined header"'}, RefusedError, "-113, Undefined header"),
    ],
)
def test_another_instrument_or_one_that_complains_is_refused_when_it_is_connected(tmp_path, said, error, words):
    with foreign_meter(tmp_path, "ASRL1::INSTR", **said) as meter, pytest.raises(error, match=words):
        meter.connect()


def test_a_reading_that_is_another_when_it_is_asked_for_again_is_not_believed(tmp_path):
    garbled = GOOD.replace("1.040564", "1.140564")
    with foreign_meter(tmp_path, "ASRL1::INSTR", again=garbled) as meter:
        meter.connect()
        with pytest.raises(ReplyError, match=r"READ\? gave .* but FETC\? of the same"):
            measure(meter)
        meter.settings = meter.settings.model_copy(update={"confirm": False})
        assert measure(meter)[0] == 1.040564e-6


def test_readings_that_disagree_are_nan_with_the_reason(meter, monkeypatch):
    readings = iter([*meter._series(), *meter._series()])
    odd = iter([False, False, True, False] * 2)

    def spoilt():
        reading = next(readings)
        return type(reading)(reading.value_a * 10, reading.time_s, reading.status) if next(odd) else reading

    monkeypatch.setattr(meter, "_read_once", spoilt)
    current_a, _, why = measure(meter)
    assert math.isnan(current_a)
    assert why.startswith("the readings disagree: ")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("tcp://10.0.0.7:1394", "TCPIP::10.0.0.7::1394::SOCKET"),
        ("/dev/ttyUSB0", "ASRL/dev/ttyUSB0::INSTR"),
        ("GPIB0::22::INSTR", "GPIB0::22::INSTR"),
    ],
)
def test_addresses_stand_for_resource_names(address, name):
    assert resource_name(address) == name


@pytest.mark.parametrize("address", [None, "", "socket://127.0.0.1:1", "tcp://127.0.0.1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="address"):
        resource_name(address)


def test_a_resource_that_cannot_be_opened_is_a_lost_link():
    for address in ("ASRL/dev/there-is-no-such-tty::INSTR", "NONSENSE::1::INSTR"):
        with meter_at(address) as meter, pytest.raises(LinkError, match="source_meter: cannot open"):
            meter.connect()


@pytest.mark.parametrize("settings", [{"range_a": 1.0}, {"nplc": 7.0}, {"readings": 0}, {"rejected_bits": [16]}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValidationError):
        Keithley6485Settings(**settings)
