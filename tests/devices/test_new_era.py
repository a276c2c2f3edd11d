"""The NE-1000's driver against the simulated pump, in the shipped lab with one of its pumps exchanged."""

import binascii
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluesky import protocols
from bluesky.protocols import check_supports
from pydantic import ValidationError

from devices.errors import InstrumentFaultError, LimitError, LinkError, NotReachedError, ReplyTimeoutError
from devices.new_era import Ne1000Settings
from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.devices.conftest import SPEED
from tests.devices.test_line import Scripted
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served

WAIT_S = 60.0
NAME = "selenium_pump"
SHIPPED = Path(UV_VIS)
QUICK = "reply_within_s = 0.3\nstop_after_s = 2\nrefresh_every_s = 0.3\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped instrument, in which the selenium pump is an NE-1000."""
    before, table, rest = SHIPPED.read_text("utf-8").partition(f"[devices.{NAME}]\n")
    mine, settings, behind = rest.partition(f"[devices.{NAME}.settings]\n")
    mine = mine.replace("harvard:PhdUltra", "new_era:Ne1000")
    path = tmp_path_factory.mktemp("new_era") / "exchanged.toml"
    path.write_text(before + table + mine + settings + QUICK + behind, "utf-8")
    return path


def bench_at(file: Path, addresses: dict[str, str]) -> Bench:
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    return Bench(config, "exchanged", addresses)


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


def flow(lab: Served) -> float:
    return lab.ask(truth=True)["pumps"][NAME]["rate_ml_min"]


def wait_real(bench: Bench, condition, limit_s: float = 20.0) -> bool:
    return bench.clock.wait_until(condition, every_s=0.02 * SPEED, limit_s=limit_s * SPEED)


def test_it_is_a_pump_for_bluesky(bench):
    for protocol in (protocols.Readable, protocols.Movable, protocols.Stoppable, protocols.Checkable):
        check_supports(bench.devices[NAME], protocol)
    described = bench.devices[NAME].describe()
    assert [key["units"] for key in described.values()] == ["mL/min", "mL"]


@pytest.mark.parametrize("rate", [0.857, 0.00512, 12.34])
def test_it_runs_at_the_rate_it_is_set_to_and_stops(bench, lab, rate):
    pump = bench.devices[NAME]
    pump.set(rate).wait(WAIT_S)
    assert pump.ask_rate_ml_min() == pytest.approx(rate, rel=1e-3)
    assert flow(lab) == pytest.approx(rate, rel=1e-3)
    pump.set(rate * 0.9).wait(WAIT_S)
    assert flow(lab) == pytest.approx(rate * 0.9, rel=1e-3)
    pump.set(0).wait(WAIT_S)
    assert (flow(lab), pump.ask_rate_ml_min()) == (0, 0)


def test_what_it_infused_is_counted_and_refilled_from_the_reservoir(bench, lab):
    pump = bench.devices[NAME]
    pump.set(5.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: pump.ask_content_ml() < 47, every_s=1, limit_s=6000)
    pump.set(0).wait(WAIT_S)
    truth = lab.ask(truth=True)["pumps"][NAME]
    assert pump.ask_content_ml() == pytest.approx(truth["content_ml"], abs=0.05)
    assert pump.ask_infused_ml() > 3
    pump.refill().wait(WAIT_S)
    assert pump.ask_content_ml() == pytest.approx(50.0, abs=0.02)
    truth = lab.ask(truth=True)["pumps"][NAME]
    assert truth["content_ml"] == pytest.approx(50.0, abs=0.05)
    assert truth["reservoir_ml"] == pytest.approx(pump.reservoir_ml, abs=0.1)


def test_counters_that_begin_anew_by_themselves_are_carried_on(bench):
    pump = bench.devices[NAME]
    pump.set(5.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: pump.ask_infused_ml() > 2, every_s=1, limit_s=6000)
    pump.set(0).wait(WAIT_S)
    infused_ml, withdrawn_ml = pump.ask_infused_ml(), pump.ask_withdrawn_ml()
    pump._exchange("CLDINF")
    assert (pump.ask_infused_ml(), pump.ask_withdrawn_ml()) == pytest.approx((infused_ml, withdrawn_ml))
    pump.refill().wait(WAIT_S)


@pytest.mark.parametrize("rate", [20.1, -1.0, float("nan"), 1e-9])
def test_a_rate_outside_the_limits_is_refused_before_anything_is_sent(bench, lab, rate):
    with pytest.raises(LimitError, match=f"{NAME}: rate"):
        bench.devices[NAME].set(rate)
    assert flow(lab) == 0


def test_a_highest_rate_that_the_pump_cannot_run_is_refused_when_it_is_connected(bench):
    pump = bench.devices[NAME]
    pump.settings = pump.settings.model_copy(update={"highest_ml_min": 60.0})
    with pytest.raises(LimitError, match="highest_ml_min is 60, which the pump refuses"):
        pump.connect()


def test_a_stall_is_an_error_that_names_the_pump_until_it_is_stopped(bench, lab):
    pump = bench.devices[NAME]
    pump.set(1.0).wait(WAIT_S)
    lab.ask(fault="stall", device=NAME)

    def look() -> bool:
        return pump.ask_rate_ml_min() < 0

    for _ in range(2):
        with pytest.raises(InstrumentFaultError, match=f"{NAME}: has stalled"):
            wait_real(bench, look)
    lab.ask(fault="none", device=NAME)
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: has stalled"):
        pump.set(1.0)
    pump.make_safe()
    pump.set(1.0).wait(WAIT_S)
    assert flow(lab) == pytest.approx(1.0)


def packet(content: bytes) -> bytes:
    return bytes((2, len(content) + 4)) + content + binascii.crc_hqx(content, 0).to_bytes(2, "big") + b"\x03"


def test_a_pump_that_lost_its_power_is_an_error_that_names_it(file):
    """The first replies are to the arming, then the alarm, and the line is cleared."""
    scripted = Scripted([packet(text) for text in (b"00S", b"00S2", b"00A?R", *5 * [b"00S"])])
    try:
        reset = pytest.raises(InstrumentFaultError, match=f"{NAME}: was reset: its power was interrupted")
        with bench_at(file, {NAME: scripted.address}) as bench, reset:
            bench.devices[NAME].ask_infused_ml()
    finally:
        scripted.close()


def test_a_pump_that_takes_the_packet_for_a_basic_command_is_in_safe_mode_all_the_same(file):
    silent = 3 * [b""]
    scripted = Scripted(
        [*silent, packet(b"00S"), *silent, *[packet(text) for text in (b"00S", b"00S2", b"00SI1.W1.ML")]]
    )
    try:
        with bench_at(file, {NAME: scripted.address}) as bench:
            assert bench.devices[NAME].ask_infused_ml() == 1.0
    finally:
        scripted.close()


def test_it_runs_on_while_it_is_connected_and_stops_by_itself_when_the_line_is_cut(bench, lab):
    """The simulated pump's time-out is 2 real seconds, as the settings have it."""
    pump = bench.devices[NAME]
    pump.set(0.01).wait(WAIT_S)
    assert not wait_real(bench, lambda: flow(lab) == 0, limit_s=3.0)  # longer than the time-out, nobody asks
    lab.ask(fault="unplug", device=NAME)
    assert flow(lab) > 0
    with pytest.raises(LinkError, match=f"{NAME}: "):
        pump.ask_rate_ml_min()
    assert wait_real(bench, lambda: flow(lab) == 0)
    assert lab.ask(truth=True)["instruments"][NAME]["alarm"] == "T"
    lab.ask(fault="none", device=NAME)
    with pytest.raises(InstrumentFaultError, match=f"{NAME}: stopped by itself: it heard nothing for 2 s"):
        pump.ask_rate_ml_min()
    pump.make_safe()


def test_it_stops_by_itself_when_its_driver_is_gone(bench, file, lab):
    bench.devices[NAME].set(0.01).wait(WAIT_S)
    bench.close()
    assert wait_real(bench, lambda: flow(lab) == 0)
    with bench_at(file, lab.addresses) as other:
        other.devices[NAME].connect()
        assert other.devices[NAME].ask_rate_ml_min() == 0


def test_making_it_safe_stops_it_without_connecting_first(bench, file, lab):
    bench.devices[NAME].set(1.0).wait(WAIT_S)
    bench.close()
    with bench_at(file, lab.addresses) as other:
        other.devices[NAME].make_safe()
        assert flow(lab) == 0


def test_making_it_safe_fails_when_the_pump_is_silent(bench, lab):
    lab.ask(fault="silence", device=NAME)
    with pytest.raises(ReplyTimeoutError, match=f"{NAME}: "):
        bench.devices[NAME].make_safe()
    lab.ask(fault="none", device=NAME)


def test_a_pump_that_goes_on_is_not_safe(bench, monkeypatch):
    pump = bench.devices[NAME]
    send = pump._send
    pump.set(1.0).wait(WAIT_S)
    monkeypatch.setattr(pump, "_send", lambda text: send("" if text == "STP" else text))
    with pytest.raises(NotReachedError, match=f"{NAME}: was stopped but tells infusing"):
        pump.make_safe()
    monkeypatch.undo()


def test_the_reactor_runs_with_two_kinds_of_pump(bench, lab):
    bench.connect()
    reactor = bench.devices["reactor"]
    try:
        reactor.set(Conditions(60.0, 50.0, 14.0)).wait(WAIT_S)
        for pump in lab.ask(truth=True)["pumps"].values():
            assert pump["rate_ml_min"] == pytest.approx(0.4 * 60 / 14 / 2, rel=2e-3)
        reactor.flush.set(1.0).wait(WAIT_S)
    finally:
        assert not any(bench.make_safe().values())


def test_a_refresh_that_comes_too_late_is_refused():
    settings = {"syringe": "a", "reagent": "b", "highest_ml_min": 1.0, "refill_ml_min": 1.0}
    with pytest.raises(ValidationError, match="one lost reply would stop the pump"):
        Ne1000Settings.model_validate(settings | {"stop_after_s": 4, "refresh_every_s": 3})
    with pytest.raises(ValidationError, match="above highest_ml_min"):
        Ne1000Settings.model_validate(settings | {"lowest_ml_min": 2.0})
