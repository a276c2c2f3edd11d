"""The 2408's driver against the simulated controller, in the shipped lab with its growth heater exchanged."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

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
from devices.eurotherm_2408 import Eurotherm2408, Eurotherm2408Settings
from devices.protocols import bisynch
from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from simulators.wire.bisynch import frame
from tests.devices.conftest import SPEED
from tests.devices.test_line import Scripted
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served
from tests.support import HEATERS

WAIT_S = 60.0
NAME = "growth_heater"
SHIPPED = Path(UV_VIS)
TABLE = """
[devices.growth_heater]
class = "devices.eurotherm_2408:Eurotherm2408"
address = "socket://127.0.0.1:50105"
simulator = "simulators.wire.eurotherm_2408:Eurotherm2408"
[devices.growth_heater.settings]
unit = 12
lowest_c = 15.0
highest_c = 360.0
safe_c = 20.0
reply_within_s = 2.0
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped instrument, in which the growth heater is a 2408."""
    before, _, rest = SHIPPED.read_text("utf-8").partition(f"[devices.{NAME}]\n")
    _, table, behind = rest.partition("[devices.spectrometer]\n")
    path = tmp_path_factory.mktemp("eurotherm_2408") / "exchanged.toml"
    path.write_text(before + TABLE + table + behind, "utf-8")
    return path


def bench_at(file: Path, addresses: dict[str, str], **settings) -> Bench:
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    entry = config.devices[NAME]
    devices = config.devices | {NAME: entry.model_copy(update={"settings": entry.settings | settings})}
    return Bench(config.model_copy(update={"devices": devices}), "exchanged", addresses)


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture
def bench(file: Path, lab: Served) -> Iterator[Bench]:
    """Connected; safe again after each test."""
    lab.ask(fault="none", device=NAME)
    with bench_at(file, lab.addresses) as bench:
        bench.devices[NAME].connect()
        yield bench
        lab.ask(fault="none", device=NAME)
        bench.devices[NAME].make_safe()


@pytest.fixture
def heater(bench: Bench) -> Eurotherm2408:
    return bench.devices[NAME]


def truth(lab: Served) -> dict:
    return lab.ask(truth=True)["instruments"][NAME]


def test_it_is_a_heater_for_bluesky(heater):
    for protocol in (protocols.Readable, protocols.Movable, protocols.Stoppable, protocols.Locatable):
        check_supports(heater, protocol)
    assert [key["units"] for key in heater.describe().values()] == ["°C", "°C", "%"]


def test_it_settles_at_its_set_point(heater, lab):
    heater.set(60.0).wait(WAIT_S)
    assert lab.ask(truth=True)["heaters"][NAME]["temperature_c"] == pytest.approx(60.0, abs=0.6)
    assert heater.locate()["setpoint"] == 60.0
    assert heater.ask_temperature_c() == pytest.approx(60.0, abs=0.6)
    assert 0 < heater.ask_output_percent() < 100


def test_the_safe_state_is_a_low_set_point_that_is_read_back(heater, lab):
    heater.set(80.0)
    heater.make_safe()
    assert (truth(lab)["target_c"], truth(lab)["working_set_point_c"]) == (20.0, 20.0)


@pytest.mark.parametrize("value", [361.0, 14.0, float("nan"), float("inf")])
def test_a_temperature_outside_the_limits_is_refused_before_anything_is_sent(heater, lab, value):
    before = truth(lab)["memory_writes"]
    with pytest.raises(LimitError, match=f"{NAME}: set point"):
        heater.set(value)
    assert truth(lab)["memory_writes"] == before


def test_a_set_point_is_written_once_and_not_at_all_when_it_is_there_already(heater, lab):
    before = truth(lab)["memory_writes"]["SL"]
    for value in (31.0, 31.0, 32.0, 32.0):
        heater.set(value)
    heater.set(32.0).wait(WAIT_S)
    assert truth(lab)["memory_writes"]["SL"] == before + 2


def test_so_many_set_points_that_they_would_wear_the_memory_out_are_refused_but_never_the_safe_one(heater, lab):
    heater.settings = heater.settings.model_copy(update={"writes_per_hour": 3})
    for value in (30.0, 31.0, 32.0):
        heater.set(value)
    with pytest.raises(LimitError, match=r"growth_heater: 3 set points .* within an hour.*writes_per_hour"):
        heater.set(33.0)
    assert truth(lab)["target_c"] == 32.0
    heater.make_safe()
    assert truth(lab)["target_c"] == 20.0


@pytest.mark.parametrize(
    ("fault", "words"), [("sensor_break", "the sensor is broken"), ("over_range", "the temperature is over range")]
)
def test_a_fault_of_the_sensor_is_an_error_and_not_a_temperature(heater, lab, fault, words):
    lab.ask(fault=fault, device=NAME)
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: {words}"):
        heater.ask_temperature_c()
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: {words}"):
        heater.connect()
    heater.make_safe()  # its set point can be lowered all the same
    lab.ask(fault="none", device=NAME)
    assert heater.ask_temperature_c() < 100


def test_a_heating_element_that_is_dead_is_a_broken_loop(heater, lab):
    lab.ask(fault="loop_break", device=NAME)
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: the loop is broken"):
        heater.set(300.0).wait(WAIT_S)


def test_a_controller_in_manual_mode_is_neither_healthy_nor_safe(heater):
    heater._tell("mA", "1.")
    try:
        with pytest.raises(InstrumentFaultError, match="manual mode"):
            heater.ask_temperature_c()
        with pytest.raises(InstrumentFaultError, match="manual mode"):
            heater.make_safe()
    finally:
        heater._tell("mA", "0.")


def test_a_remote_set_point_that_overrides_is_an_error(heater, lab):
    lab.ask(fault="remote", device=NAME)
    for attempt in (heater.connect, lambda: heater.set(80.0), heater.make_safe):
        with pytest.raises(InstrumentFaultError, match=f"{NAME}: works towards its remote set point"):
            attempt()


def test_without_the_word_that_tells_a_remote_set_point_shows_by_what_the_controller_works_towards(file, lab, bench):
    bench.close()
    with bench_at(file, lab.addresses, check_remote=False, takes_effect_s=0.5) as other:
        heater = other.devices[NAME]
        heater.connect()
        lab.ask(fault="remote", device=NAME)
        with pytest.raises(NotReachedError, match=f"{NAME}: was set to 80 °C but works towards 35 °C"):
            heater.set(80.0)


def test_a_set_point_that_the_controllers_own_limit_forbids_is_a_refusal_that_says_why(heater, lab):
    with pytest.raises(RefusedError, match=f"{NAME}: refused SL = 450.0: outside its limits"):
        heater._tell("SL", "450.0")
    with pytest.raises(RefusedError, match=f"{NAME}: refused SP = 30.0: this parameter is only read"):
        heater._tell("SP", "30.0")
    with pytest.raises(RefusedError, match="no parameter ZZ"):
        heater._ask("ZZ")


def test_it_stays_as_hot_as_it_was_told_when_its_driver_is_gone(bench, file, lab):
    bench.devices[NAME].set(80.0)
    bench.close()
    assert truth(lab)["working_set_point_c"] == 80.0
    with bench_at(file, lab.addresses) as other:
        other.devices[NAME].make_safe()  # without connecting first
    assert truth(lab)["working_set_point_c"] == 20.0


def test_an_unplugged_controller_is_a_lost_link_and_a_silent_one_a_timeout(heater, lab):
    heater._line._settings = heater.settings.model_copy(update={"reply_within_s": 0.1})
    lab.ask(fault="silence", device=NAME)
    with pytest.raises(ReplyTimeoutError, match=f"{NAME}: "):
        heater.make_safe()
    lab.ask(fault="none", device=NAME)
    lab.ask(fault="unplug", device=NAME)
    with pytest.raises(LinkError, match=f"{NAME}: "):
        heater.ask_temperature_c()


def test_a_controller_that_hears_but_is_not_heard_is_told_the_safe_set_point_all_the_same(heater, lab):
    heater.set(80.0)
    heater.give_up_watching()
    heater._line._settings = heater.settings.model_copy(update={"reply_within_s": 0.1})
    lab.ask(fault="lose", device=NAME)
    with pytest.raises(ReplyTimeoutError, match=f"{NAME}: "):
        heater.make_safe()
    assert truth(lab)["target_c"] == 20.0
    lab.ask(fault="none", device=NAME)
    heater._line._settings = heater.settings


def test_the_reactor_runs_with_two_kinds_of_controller(bench, lab):
    bench.connect()
    reactor = bench.devices["reactor"]
    try:
        reactor.set(Conditions(60.0, 50.0, 14.0)).wait(WAIT_S)
        temperatures = [lab.ask(truth=True)["heaters"][name]["temperature_c"] for name in HEATERS]
        assert temperatures == pytest.approx([60.0, 50.0], abs=0.7)
    finally:
        assert not any(bench.make_safe().values())


def test_a_message_that_was_garbled_on_its_way_is_sent_again(file):
    """The target, NAK, its reason, ACK, the target, what it works towards."""
    said = [frame("SL", "20.0"), b"\x15", frame("EE", ">0007"), b"\x06", frame("SL", "30.0"), frame("SP", "30.0")]
    scripted = Scripted(said)
    try:
        with bench_at(file, {NAME: scripted.address}) as bench:
            bench.devices[NAME]._send_setpoint(30.0)
        assert scripted.heard.count(bisynch.select(12, "SL", "30.0")) == 2
    finally:
        scripted.close()


def test_a_message_that_is_garbled_again_and_again_is_an_error(file):
    scripted = Scripted([b"\x15", frame("EE", ">0007")] * 3)
    try:
        with bench_at(file, {NAME: scripted.address}) as bench, pytest.raises(ReplyError, match="garbled, 3 times"):
            bench.devices[NAME]._tell("SL", "30.0")
    finally:
        scripted.close()


def test_a_set_point_that_is_acknowledged_but_not_taken_is_an_error(file):
    scripted = Scripted([frame("SL", "20.0"), b"\x06", frame("SL", "20.0")])
    try:
        with (
            bench_at(file, {NAME: scripted.address}) as bench,
            pytest.raises(NotReachedError, match=f"{NAME}: was set to 30 °C but has 20 °C"),
        ):
            bench.devices[NAME]._send_setpoint(30.0)
    finally:
        scripted.close()


SPOILT = ["garble", "cut", "lose", "delay", "duplicate"]


def test_a_bad_cable_ends_in_right_values_or_errors_and_never_in_wrong_ones(file, lab, bench):
    """What is read of a set point is compared with what the controller has; the temperature with the block's."""
    bench.close()
    with bench_at(file, lab.addresses) as other:
        heater = other.devices[NAME]
        heater.make_safe()
        heater._line._settings = heater.settings.model_copy(update={"reply_within_s": 0.05})
        for fault in SPOILT:
            options = {"delay_s": 0.08} if fault == "delay" else {}
            lab.ask(fault=fault, device=NAME, probability=0.05, **options)
        right = wrong = failed = 0
        for i in range(20):
            value = 30.0 + i / 10
            try:
                heater._send_setpoint(value)
                right += truth(lab)["target_c"] == value
                wrong += truth(lab)["target_c"] != value
            except DeviceError:
                failed += 1
                continue
            with contextlib.suppress(DeviceError):
                read = (heater.ask_target_c(), heater.ask_temperature_c())
                wrong += read[0] != value or not 15 < read[1] < 60
        lab.ask(fault="none", device=NAME)
        assert wrong == 0
        assert right > 5
        assert right + failed == 20


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="does not hold"):
        Eurotherm2408Settings(unit=1, highest_c=10.0)
    framing = Eurotherm2408Settings(unit=1, highest_c=300.0)
    assert (framing.baudrate, framing.bytesize, framing.parity, framing.stopbits) == (9600, 7, "E", 1)
